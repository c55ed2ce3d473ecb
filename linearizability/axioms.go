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

// onePlace: a place has one body and a body one place.
func (ev *evidence) onePlace(r *Report) {
	ev.eachSighting(ev.deviceUID, func(s sighting) {
		at := ev.places[s.place]
		both := append(s.ids(), at.ids()...)
		if at.body != s.body || at.from != s.from && at.from != 0 && s.from != 0 {
			illegal(r, RuleDuplicate, s.pos, both, "%v is %d:%s and also %d:%s", s.place, at.from, at.body, s.from, s.body)
		}
		if other := ev.bodies[s.body]; other.place != s.place && ev.sent[s.body] <= 1 {
			illegal(r, RuleDuplicate, s.pos, append(s.ids(), other.ids()...), "%s is %v and also %v", s.body, other.place, s.place)
		}
	})
}

// noPhantom: what a read shows comes from a send that could have put it there. Pushes are held to
// the same by the feed check.
func (ev *evidence) noPhantom(r *Report) {
	ev.eachSighting(ev.deviceUID, func(s sighting) {
		if s.op == nil || s.op.Op != OpHistory {
			return
		}
		senders, early, foreign := ev.senders[s.body], true, true
		for _, o := range senders {
			uid := ev.deviceUID[o.Dev]
			foreign = foreign && uid != 0 && uid != s.from
			early = early && o.call > s.t
		}
		switch {
		case len(senders) == 0:
			illegal(r, RulePhantom, s.pos, s.ids(), "%v is %s, which nobody sent, or in vain", s.place, s.body)
		case early:
			illegal(r, RulePhantom, s.pos, s.ids(), "%v is %s, which was sent only later", s.place, s.body)
		case foreign:
			illegal(r, RulePhantom, s.pos, s.ids(), "%v is %s by %d, who never sent it", s.place, s.body, s.from)
		case !s.conv.has(s.from):
			illegal(r, RulePhantom, s.pos, s.ids(), "%v is by %d, who is not in it", s.place, s.from)
		}
	})
}

// denseRows: a page runs after+1, after+2, … and stops only at its limit or at the last message.
func (ev *evidence) denseRows(r *Report) {
	for _, o := range ev.ops {
		if o.Op != OpHistory || !o.ok() {
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
	var hidden []*operation
	for _, o := range ev.ops {
		if _, seen := ev.bodies[o.Body]; o.Op == OpSend && o.unknown() && (!seen || ev.sent[o.Body] > 1) {
			hidden = append(hidden, o)
		}
	}
	convs := make([]convID, 0, len(ev.top))
	for conv := range ev.top {
		convs = append(convs, conv)
	}
	slices.SortFunc(convs, func(a, b convID) int { return slices.Compare(a[:], b[:]) })
	for _, conv := range convs {
		room := uint64(0)
		for _, o := range hidden {
			if uid := ev.deviceUID[o.Dev]; uid == 0 || conv.has(uid) {
				room++
			}
		}
		if top, filled := ev.top[conv], ev.filled[conv]; filled+room < top {
			illegal(r, RuleHole, 0, nil, "%v exists, but the conversation can have no more than %d", place{conv, top}, filled+room)
		}
	}
}

// A bound is a fact about how many messages a conversation has: at least n from t on, or, if
// asked, that somebody who asked at t was told n.
type bound struct {
	t, n  uint64
	op    *operation
	asked bool
}

// rising: once a message is known to be there, every later read that could see it counts it, and
// every later send comes behind it.
func (ev *evidence) rising(r *Report) {
	convs, bounds := ev.bounds()
	for _, conv := range convs {
		list := bounds[conv]
		slices.SortStableFunc(list, func(a, b bound) int {
			if d := compare(a.t, b.t); d != 0 {
				return d
			}
			return cmp.Compare(asked(b), asked(a)) // at the same instant both orders are possible
		})
		var top bound
		for _, b := range list {
			switch {
			case !b.asked:
				if b.n > top.n {
					top = b
				}
			case b.op.Op == OpSend && b.n <= top.n:
				illegal(r, RuleReorder, b.op.pos(), ids(b.op, top.op), "%s got %d, though %d had been there when it was called at %d",
					b.op.name(), b.n, top.n, b.op.call)
			case b.op.Op == OpHistory && b.n < top.n:
				illegal(r, staleness(b.op, top.op), b.op.pos(), ids(b.op, top.op), "%s, called at %d, ends at %d, though %d had been there",
					b.op.name(), b.op.call, b.n, top.n)
			}
		}
	}
}

func asked(b bound) int {
	if b.asked {
		return 1
	}
	return 0
}

// staleness names what a read broke that did not see what another had.
func staleness(read, earlier *operation) string {
	switch {
	case earlier == nil || earlier.Dev != read.Dev && earlier.Op == OpSend:
		return RuleLostAck
	case earlier.Op == OpSend:
		return RuleOwnWrites
	}
	return RuleMonotonic
}

func (ev *evidence) bounds() ([]convID, map[convID][]bound) {
	var convs []convID
	bounds := map[convID][]bound{}
	add := func(conv convID, b bound) {
		if bounds[conv] == nil {
			convs = append(convs, conv)
		}
		bounds[conv] = append(bounds[conv], b)
	}
	for _, o := range ev.ops {
		switch {
		case !o.ok():
		case o.Op == OpSend:
			add(convOf(o.ans.Conv), bound{o.call, o.ans.Seq, o, true})
			add(convOf(o.ans.Conv), bound{o.ret, o.ans.Seq, o, false})
		case o.Op == OpHistory:
			add(convOf(o.Conv), bound{o.call, o.ans.Last, o, true})
			add(convOf(o.Conv), bound{o.ret, o.ans.Last, o, false})
		}
	}
	for _, f := range ev.feeds {
		for _, e := range f.pushes {
			if e.Kind == PushMessage {
				add(convOf(e.Conv), bound{ev.later(e.T), e.Seq, nil, false})
			}
		}
	}
	return convs, bounds
}

// burnt: a number that a void took has no effect of its own.
func (ev *evidence) burnt(r *Report) {
	for _, o := range ev.ops {
		if void := ev.voids[o.request()]; void != nil && o.Op != OpVoid && o.ok() && !o.isRead() {
			illegal(r, RuleBurnt, o.pos(), ids(o, void), "%s took effect, though its number was voided", o.name())
		}
	}
}

// honestNames: a page is as defined, with all names that were surely there and none that was
// surely gone.
func (ev *evidence) honestNames(r *Report) {
	known := ev.nameTable()
	for _, o := range ev.ops {
		if o.Op != OpList || !o.ok() {
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
