package linearizability

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// The axioms are necessary conditions, checked without any order. They run first because they
// give a failure its name; no legal history breaks one. This file has those about messages,
// sessions.go those about devices, names and uids.
func (ev *evidence) axioms(r *Report) {
	ev.onePlace(r)
	ev.noPhantom(r)
	ev.denseRows(r)
	ev.noHole(r)
	ev.rising(r)
	ev.burnt(r)
	ev.oneSession(r)
	ev.honestNames(r)
	ev.resurrection(r)
	ev.fallingCursors(r)
}

func illegal(r *Report, rule string, pos uint64, ops []uint64, text string, args ...any) {
	r.add(Finding{Illegal, rule, ops, pos, fmt.Sprintf(text, args...)})
}

func (s *sighting) ids() []uint64 {
	if s.op == nil {
		return nil
	}
	return ids(s.op)
}

func (p place) String() string {
	if p.conv[1] == 0 {
		return fmt.Sprintf("message %d of [%d]", p.seq, p.conv[0])
	}
	return fmt.Sprintf("message %d of [%d %d]", p.seq, p.conv[0], p.conv[1])
}

func (ev *evidence) place(s *sighting) place { return place{ev.convs[s.conv], s.seq} }

// onePlace: a place has one body and a body one place.
func (ev *evidence) onePlace(r *Report) {
	if !ev.disputed {
		return
	}
	ev.eachSighting(func(s *sighting) {
		at := ev.earliest(s.conv, s.seq)
		if at.body != s.body || at.from != s.from && at.from != 0 && s.from != 0 {
			illegal(r, RuleDuplicate, s.pos, append(s.ids(), at.ids()...), "%v is %d:%s and also %d:%s", ev.place(s),
				at.from, ev.words.at(at.body), s.from, ev.words.at(s.body))
		}
		if b := &ev.bodies[s.body]; (b.conv != s.conv || b.seq != s.seq) && b.sent <= 1 {
			other := ev.first(s.body)
			illegal(r, RuleDuplicate, s.pos, append(s.ids(), other.ids()...), "%s is %v and also %v", ev.words.at(s.body),
				ev.place(&other), ev.place(s))
		}
	})
}

// noPhantom: what a read shows comes from a send that could have put it there. Pushes are held to
// the same by the feed check.
func (ev *evidence) noPhantom(r *Report) {
	ev.eachRow(func(s *sighting) {
		sent, early, foreign := false, true, true
		for o := range ev.senders(s.body) {
			uid := ev.deviceUID[o.device]
			sent = true
			foreign = foreign && uid != 0 && uid != s.from
			early = early && o.call > s.t
		}
		switch {
		case !sent:
			illegal(r, RulePhantom, s.pos, s.ids(), "%v is %s, which nobody sent, or in vain", ev.place(s), ev.words.at(s.body))
		case early:
			illegal(r, RulePhantom, s.pos, s.ids(), "%v is %s, which was sent only later", ev.place(s), ev.words.at(s.body))
		case foreign:
			illegal(r, RulePhantom, s.pos, s.ids(), "%v is %s by %d, who never sent it", ev.place(s), ev.words.at(s.body), s.from)
		case !ev.convs[s.conv].has(s.from):
			illegal(r, RulePhantom, s.pos, s.ids(), "%v is by %d, who is not in it", ev.place(s), s.from)
		}
	})
}

// denseRows: a page runs after+1, after+2, … and stops only at its limit or at the last message.
func (ev *evidence) denseRows(r *Report) {
	for _, o := range ev.ops {
		if o.op != opHistory || !o.ok() {
			continue
		}
		n := uint64(len(o.ans.Rows))
		for i, row := range o.ans.Rows {
			if want := o.After + uint64(i) + 1; row.Seq != want {
				illegal(r, RuleHole, o.pos(), ids(o), "%s shows message %d where %d should be", o.name(), row.Seq, want)
				break
			}
		}
		switch end := o.After + n; {
		case n > 0 && end > o.ans.Last:
			illegal(r, RuleHole, o.pos(), ids(o), "%s shows message %d, but says the last is %d", o.name(), end, o.ans.Last)
		case end < o.ans.Last && !fullPage(n, o.Limit, rowsPerPage):
			illegal(r, RuleHole, o.pos(), ids(o), "%s stops at %d of %d", o.name(), end, o.ans.Last)
		}
	}
}

// noHole: below the highest number known, each was taken by a message that was shown or by one
// whose fate is unknown.
func (ev *evidence) noHole(r *Report) {
	hidden := map[uint64]uint64{} // uid, or 0 if not known → unknown sends that may fill a place
	for _, o := range ev.ops {
		if b := &ev.bodies[o.body]; o.op == opSend && o.unknown() && (b.conv == 0 || b.sent > 1) {
			hidden[ev.deviceUID[o.device]]++
		}
	}
	convs := make([]convID, 0, len(ev.top))
	for conv := range ev.top {
		convs = append(convs, conv)
	}
	slices.SortFunc(convs, func(a, b convID) int { return slices.Compare(a[:], b[:]) })
	for _, conv := range convs {
		room := hidden[0] + hidden[conv[0]]
		if conv[1] != 0 && conv[1] != conv[0] {
			room += hidden[conv[1]]
		}
		if top, filled := ev.top[conv], ev.filled[conv]; filled+room < top {
			illegal(r, RuleHole, 0, nil, "%v exists, but the conversation can have no more than %d", place{conv, top}, filled+room)
		}
	}
}

// A fact is that a conversation has at least n messages from t on.
type fact struct {
	t, n uint64
	op   *operation // that says so; nil: a push
}

// rising: once a message is known to be there, every later read that could see it counts it, and
// every later send comes behind it.
func (ev *evidence) rising(r *Report) {
	counts := make([]count, len(ev.convs))
	for conv := range counts {
		counts[conv].shown(&ev.shown[conv])
	}
	for _, o := range ev.ops {
		if conv, n, ok := o.count(); ok && o.op == opHistory {
			counts[conv].facts = append(counts[conv].facts, fact{o.ret, n, o})
		}
	}
	for conv := range counts {
		slices.SortFunc(counts[conv].facts, func(a, b fact) int { return cmp.Or(cmp.Compare(a.t, b.t), cmp.Compare(a.n, b.n)) })
	}
	for _, o := range ev.ops { // in order of their calls
		conv, n, ok := o.count()
		if !ok {
			continue
		}
		switch top := counts[conv].before(o.call); {
		case o.op == opSend && n <= top.n:
			illegal(r, RuleReorder, o.pos(), ids(o, top.op), "%s got %d, though %d had been there when it was called at %d",
				o.name(), n, top.n, o.call)
		case o.op == opHistory && n < top.n:
			illegal(r, staleness(o, top.op), o.pos(), ids(o, top.op), "%s, called at %d, ends at %d, though %d had been there",
				o.name(), o.call, n, top.n)
		}
	}
}

// A count follows what is known of how many messages a conversation has, as time goes by.
type count struct {
	dense []sighting // of the messages, and
	since []uint64   // by number, from 1: since when that or a later one is known to be there
	facts []fact     // of reads, and far beyond; in order of time
	top   fact
}

func (c *count) shown(s *shownConv) {
	c.dense, c.since = s.dense, make([]uint64, len(s.dense))
	t := uint64(forever)
	for i := range slices.Backward(s.dense) {
		if s.dense[i].conv != 0 {
			t = min(t, s.dense[i].t)
		}
		c.since[i] = t
	}
	for seq, s := range s.far {
		c.facts = append(c.facts, fact{s.t, seq, s.op})
	}
}

// before is the most that was known before t, which does not fall from call to call.
func (c *count) before(t uint64) fact {
	n := len(c.dense) - len(c.since)
	for ; len(c.since) > 0 && c.since[0] < t; c.since = c.since[1:] {
		n++
	}
	if n > 0 && uint64(n) > c.top.n {
		c.top = fact{c.dense[n-1].t, uint64(n), c.dense[n-1].op}
	}
	for ; len(c.facts) > 0 && c.facts[0].t < t; c.facts = c.facts[1:] {
		if c.facts[0].n > c.top.n {
			c.top = c.facts[0]
		}
	}
	return c.top
}

// staleness names what a read broke that did not see what another had.
func staleness(read, earlier *operation) string {
	switch {
	case earlier == nil || earlier.device != read.device && earlier.op == opSend:
		return RuleLostAck
	case earlier.op == opSend:
		return RuleOwnWrites
	}
	return RuleMonotonic
}

// count is what an answer says about how many messages a conversation has.
func (o *operation) count() (conv uint32, n uint64, ok bool) {
	switch {
	case !o.ok():
	case o.op == opSend:
		return o.ans.conv, o.ans.Seq, true
	case o.op == opHistory:
		return o.conv, o.ans.Last, true
	}
	return 0, 0, false
}

// burnt: a number that a void took has no effect of its own.
func (ev *evidence) burnt(r *Report) {
	for _, o := range ev.ops {
		if void := ev.voids[o.request()]; void != nil && o.op != opVoid && o.ok() && !o.isRead() {
			illegal(r, RuleBurnt, o.pos(), ids(o, void), "%s took effect, though its number was voided", o.name())
		}
	}
}

// honestNames: a page is as defined, with all names that were surely there and none that was
// surely gone.
func (ev *evidence) honestNames(r *Report) {
	known := ev.nameTable()
	for _, o := range ev.ops {
		if o.op != opList || !o.ok() {
			continue
		}
		prefix, last := fold(o.Prefix), fold(o.AfterKey)
		for _, name := range o.ans.Names {
			key := fold(name)
			if key <= last || !strings.HasPrefix(key, prefix) {
				illegal(r, RuleHonestNames, o.pos(), ids(o), "%s shows %s, which is out of order or does not belong", o.name(), name)
			}
			if n := known.find(key); n == nil || n.firstCall > o.ret || n.gone(o.call, o.ret) {
				illegal(r, RuleHonestNames, o.pos(), ids(o), "%s shows %s, which was surely not there", o.name(), name)
			}
			last = max(last, key)
		}
		ev.absent(r, o, known, last)
	}
}

// absent looks for names that the page should have shown: up to its last, or to the end.
func (ev *evidence) absent(r *Report, o *operation, known nameTable, last string) {
	shown := map[string]bool{}
	for _, name := range o.ans.Names {
		shown[fold(name)] = true
	}
	prefix, after := fold(o.Prefix), fold(o.AfterKey)
	for _, n := range known.from(max(prefix, after)) {
		if !strings.HasPrefix(n.key, prefix) && n.key > after || o.ans.More && n.key > last {
			return
		}
		if n.key > after && !shown[n.key] && n.there(o.call, o.ret) {
			illegal(r, RuleHonestNames, o.pos(), ids(o), "%s lacks %s, which was surely there", o.name(), n.key)
		}
	}
}
