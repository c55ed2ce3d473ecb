package linearizability

import (
	"fmt"
	"slices"
)

// why finds the shortest reason for a verdict: one that needs no positions, one that rests on them,
// or else the operations that a finding names. It is nil if none names any.
func (ev *evidence) why(h *History, r *Report) *Core {
	var core *Core
	if r.Verdict == Illegal {
		core = ev.reduce(h, r)
	}
	if core == nil {
		core = ev.claimed(h, r)
	}
	if core == nil {
		core = ev.named(h, r)
	}
	return core
}

// claimed makes a core of the order that the positions claim: what it cannot explain, from the state
// that the log before it makes. It proves no more than that claim wrong.
func (ev *evidence) claimed(h *History, r *Report) *Core {
	for _, f := range r.Findings {
		switch f.Rule {
		case RuleRealTime, RuleSharedPos:
			return ev.twoAtOdds(h, f)
		case RuleReplay:
			return ev.misplaced(h, f)
		}
	}
	return nil
}

// named makes a core of the operations that the worst finding names: two answers that an axiom holds
// against each other need no state.
func (ev *evidence) named(h *History, r *Report) *Core {
	var worst *Finding
	for i, f := range r.Findings {
		if len(f.Ops) > 0 && (worst == nil || f.Verdict > worst.Verdict) {
			worst = &r.Findings[i]
		}
	}
	if worst == nil || worst.Verdict < r.Verdict {
		return nil
	}
	core, lines := &Core{Rule: worst.Rule, Of: ev.calls}, linesOf(h)
	for _, id := range slices.Backward(worst.Ops) {
		o, l := ev.operation(id), lines[id]
		op := CoreOp{id, o.pos(), l[0], l[1], fmt.Sprintf("%s %s → %s", o.Dev, o.deed(), o.answer())}
		core.Ops = append(core.Ops, op)
		core.say(fmt.Sprintf("line %d", op.Line), "%s", op.Text)
	}
	core.say("so", "%s", worst.Text)
	core.say("core", "%d of %d operations", len(core.Ops), core.Of)
	return core
}

// twoAtOdds is for two operations whose positions alone cannot be: there is no state to it.
func (ev *evidence) twoAtOdds(h *History, f Finding) *Core {
	if len(f.Ops) < 2 { // one is the end of a lease
		return nil
	}
	a, b := ev.operation(f.Ops[0]), ev.operation(f.Ops[1])
	if a.unknown() || b.unknown() { // placed by the log's dump
		return nil
	}
	lines := linesOf(h)
	core := &Core{Rule: f.Rule, Of: ev.calls, Confirmed: a.ret < b.call && a.pos() > b.pos() || a.pos() == b.pos()}
	for _, o := range []*operation{b, a} {
		l := lines[o.ID]
		op := CoreOp{o.ID, o.pos(), l[0], l[1], fmt.Sprintf("%s %s → %s", o.Dev, o.deed(), o.answer())}
		core.Ops = append(core.Ops, op)
		core.say(fmt.Sprintf("line %d", op.Line), "%s, at position %d, called at %d, answered at %d", op.Text, op.Pos, o.call, o.ret)
	}
	if a.pos() == b.pos() {
		core.say("so", "two commands claim position %d", a.pos())
	} else {
		core.say("so", "the second was answered before the first was called, but claims the later position")
	}
	core.say("core", "2 of %d operations", core.Of)
	return core
}

// misplaced is for an answer that does not come out when the log before it is replayed.
func (ev *evidence) misplaced(h *History, f Finding) *Core {
	ev = newEvidence(newRecord(h)) // the certificate has used up what it needs
	known, loose := ev.resolve()
	known, loose = ev.placeEntries(known, loose, &Report{})
	if ev.meta.Rules.Expiry != ExpiryLogged {
		loose = ev.relevant(loose)
	}
	cert := &certificate{stopped: -1, watch: true}
	cert.prepare(ev, known, loose)
	cert.left = DefaultBudget + len(cert.order)
	if cert.fits() || cert.spent || cert.stopped < 0 {
		return nil
	}
	stuck := cert.order[cert.stopped]
	c := &reduction{evidence: ev, sp: cert.sp, rest: []*step{stuck}}
	for i, st := range cert.order[:cert.stopped+1] {
		for _, j := range cert.helped[i] {
			c.order = append(c.order, cert.loose[j].step)
		}
		if st != stuck {
			c.order = append(c.order, st)
		}
	}
	c.steps = append(slices.Clone(c.order), stuck)
	c.state = c.replay(func(int, *step, outcome, bool) {}).clone()
	c.why = &refutation{stuck: stuck, tried: []*configuration{{state: c.state}}}
	core, lines := &Core{Rule: f.Rule, Of: ev.calls, Folded: c.folded()}, linesOf(h)
	core.Ops = []CoreOp{c.name(stuck, lines)}
	core.History = c.excerpt(h, c.mattering())
	if core.Confirmed = core.claims(f); !core.Confirmed {
		return nil
	}
	c.explain(core, lines)
	return core
}

// excerpt is the part of a history about the folded operations that matter and the rest.
func (c *reduction) excerpt(h *History, kept map[*step]bool) *History {
	type named struct {
		dev  string
		dseq uint64
	}
	ids, requests, leases := map[uint64]bool{}, map[named]bool{}, map[uint64]bool{}
	for _, st := range append(slices.Clone(c.order), c.rest...) {
		switch {
		case !kept[st] && !slices.Contains(c.rest, st):
		case st.op == opExpire:
			leases[st.Pos] = true
		default:
			ids[st.ID], requests[named{st.Dev, st.Dseq}] = true, true
		}
	}
	part := &History{Meta: h.Meta}
	t := uint64(0)
	for e := range h.All() {
		var in bool
		switch e.E {
		case Inv, OK, Err, Info, Resolved:
			in = ids[e.ID]
		case Entry:
			in = e.Op == OpExpire && leases[e.Pos] || e.Op == "" && requests[named{e.Dev, e.Dseq}]
		}
		if in {
			t = max(t, e.T)
			part.Events = append(part.Events, e)
		}
	}
	part.End(t + 1)
	return part
}

// claims says whether the core's history, certified alone, breaks where the whole does.
func (core *Core) claims(f Finding) bool {
	if _, ok := wellFormed(core.History); !ok {
		return false
	}
	var r Report
	newEvidence(newRecord(core.History)).certify(DefaultBudget, &r)
	return slices.ContainsFunc(r.Findings, func(g Finding) bool {
		return g.Rule == f.Rule && g.Pos == f.Pos && slices.Equal(g.Ops, f.Ops)
	})
}
