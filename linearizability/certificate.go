package linearizability

import (
	"fmt"
	"slices"
	"sort"
)

// The certificate is the order that the positions claim. To verify it is cheap: sort, sweep for
// real time, replay. A pass proves linearizability and trusts nothing but the recorder's clock.
//
// The order is fixed but for the unknown commands that nothing puts at a position. They may be
// inserted where they help, or left out.
type certificate struct {
	sp    *spec
	s     *state
	order []*step
	loose []*candidate

	next     int     // the item of order that comes next
	marks    []int   // by item: the journal's length before it and what is inserted there
	inserted [][]int // by item: the candidates inserted before it
	furthest mismatch

	left  int // configurations
	spent bool
	part  map[uint64]int // operation → component; filled when first needed
}

// A candidate is an unknown command that may be inserted before any item of order from earliest
// on, or, if fixed, only before that one.
type candidate struct {
	*step
	earliest int
	fixed    bool
	used     bool
}

// A mismatch is where the replay stopped.
type mismatch struct {
	item int
	out  outcome
}

// certify verifies the claimed order. The log it returns is the certified one, and nil unless
// certified.
func (ev *evidence) certify(budget int, r *Report) *ledger {
	before := len(r.Findings)
	known, loose := ev.resolve()
	known, loose = ev.placeEntries(known, loose, r)
	if ev.meta.Rules.Expiry != ExpiryLogged { // else a send may matter for the lease it takes
		loose = ev.relevant(loose)
	}
	c := &certificate{furthest: mismatch{item: -1}}
	c.prepare(ev, known, loose)
	c.left = budget + len(c.order)
	defer func() { r.Stats.Certificate += budget + len(c.order) - c.left }()
	c.sharedPositions(r)
	c.sweep(r)
	if len(r.Findings) > before {
		return nil
	}
	switch {
	case c.solve():
		return c.ledger()
	case c.spent:
		r.add(Finding{Unknown, RuleBudget, nil, 0, "certificate: too many places for unknown commands"})
	default:
		st := c.order[c.furthest.item]
		r.add(Finding{PositionContract, RuleReplay, ids(st.operation), st.at, c.explain(st, c.furthest.out)})
	}
	return nil
}

// placeEntries puts unknown commands where the log's dump has them, and compares the rest of the
// dump with what was answered.
func (ev *evidence) placeEntries(known, loose []*operation, r *Report) (_, _ []*operation) {
	if len(ev.entries) == 0 {
		return known, loose
	}
	called := map[request]*operation{}
	for _, list := range [][]*operation{ev.denied, loose, known} {
		for _, o := range list {
			if !o.isRead() {
				called[o.request()] = o
			}
		}
	}
	at := map[request][]uint64{}
	for _, e := range ev.entries {
		req := request{e.Dev, e.Dseq}
		if called[req] == nil {
			r.add(Finding{PositionContract, RuleEntry, nil, e.Pos,
				fmt.Sprintf("the log has number %d of device %s, which nobody sent", e.Dseq, e.Dev)})
		}
		at[req] = append(at[req], e.Pos)
	}
	for _, o := range known {
		pos := at[o.request()]
		if !o.changesNothing() && !o.unknown() && len(pos) > 0 && !slices.Contains(pos, o.pos()) {
			r.add(Finding{PositionContract, RuleEntry, ids(o), o.pos(),
				fmt.Sprintf("answered at %d, but the log has it at %d", o.pos(), pos)})
		}
	}
	for _, list := range [][]*operation{known, loose} {
		for i, o := range list {
			if pos := at[o.request()]; o.unknown() && len(pos) > 0 {
				placed := *o
				placed.Event = withPos(o.Event, pos[0])
				list[i] = &placed
				r.Stats.Placed++
			}
		}
	}
	return known, loose
}

// withPos keeps, in a copy of the call, where the log has it.
func withPos(call *Event, pos uint64) *Event {
	e := *call
	e.Pos = pos
	return &e
}

// place is where an operation stands by its answer or by the log's dump, or 0.
func (o *operation) place() uint64 {
	if o.ans != nil {
		return o.ans.Pos
	}
	return o.Pos
}

func (c *certificate) prepare(ev *evidence, known, loose []*operation) {
	ops := slices.Concat(known, loose)
	for _, e := range ev.expires {
		ops = append(ops, &operation{Event: e, ret: forever})
	}
	sp, steps := compile(ev.meta.Rules, ops)
	c.sp, c.s = sp, sp.initial()
	var free, fixed []*step
	for i := range steps {
		st := &steps[i]
		st.at = st.place()
		switch {
		case st.at == 0:
			free = append(free, st)
		case sp.eitherWay(st):
			fixed = append(fixed, st)
		default:
			c.order = append(c.order, st)
		}
	}
	slices.SortStableFunc(c.order, func(a, b *step) int {
		if d := compare(a.at, b.at); d != 0 {
			return d
		}
		if a.changesNothing() != b.changesNothing() {
			if b.changesNothing() {
				return -1
			}
			return 1
		}
		return compare(a.call, b.call)
	})
	c.marks = make([]int, len(c.order)+1)
	c.inserted = make([][]int, len(c.order)+1)
	c.addCandidates(free, fixed)
}

// eitherWay says whether an unknown command at a known position may have gone two ways: under
// expiry any, a login that meets a lease succeeds or not.
func (sp *spec) eitherWay(st *step) bool {
	return st.optional && st.Op == OpLogin && !st.Takeover && sp.exclusive && sp.expiry == ExpiryAny
}

func (c *certificate) addCandidates(free, fixed []*step) {
	if len(free)+len(fixed) == 0 {
		return
	}
	c.s.journal = &journal{}
	soonest := make([]uint64, len(c.order)+1) // the first return from here on
	soonest[len(c.order)] = forever
	for i := len(c.order) - 1; i >= 0; i-- {
		soonest[i] = min(soonest[i+1], c.order[i].ret)
	}
	for _, st := range free {
		earliest := sort.Search(len(c.order), func(i int) bool { return soonest[i] >= st.call })
		c.loose = append(c.loose, &candidate{step: st, earliest: earliest})
	}
	for _, st := range fixed {
		at := sort.Search(len(c.order), func(i int) bool { return c.order[i].at > st.at })
		c.loose = append(c.loose, &candidate{step: st, earliest: at, fixed: true})
	}
}

func (c *certificate) sharedPositions(r *Report) {
	for i := 1; i < len(c.order); i++ {
		a, b := c.order[i-1], c.order[i]
		if a.at == b.at && !b.changesNothing() && !(a.Op == OpExpire && b.Op == OpExpire) {
			r.add(Finding{PositionContract, RuleSharedPos, ids(a.operation, b.operation), a.at,
				fmt.Sprintf("%s and %s claim one position", a.name(), b.name())})
		}
	}
}

// sweep demands that nothing was answered before something that stands earlier was called.
func (c *certificate) sweep(r *Report) {
	var latest *step
	for _, st := range c.order {
		if latest != nil && st.ret < latest.call {
			r.add(Finding{PositionContract, RuleRealTime, ids(st.operation, latest.operation), st.at,
				fmt.Sprintf("%s was answered at %d, before %s at position %d was called at %d",
					st.name(), st.ret, latest.name(), latest.at, latest.call)})
		}
		if st.Op != OpExpire && (latest == nil || st.call > latest.call) {
			latest = st
		}
	}
}

// solve replays from the next item on, and inserts candidates where the replay stops. It leaves
// the state anywhere; seek finds the way.
func (c *certificate) solve() bool {
	stop, done := c.advance()
	if done || c.spent {
		return done
	}
	for i, u := range c.loose {
		if u.used || u.earliest > stop || !c.together(u.step, c.order[stop]) {
			continue
		}
		if c.insert(i, stop) {
			return true
		}
		if c.spent {
			return false
		}
	}
	return false
}

// insert tries candidate i at every place before item stop where it makes a difference, the
// latest first.
func (c *certificate) insert(i, stop int) bool {
	u := c.loose[i]
	u.used = true
	defer func() { u.used = false }()
	latest := stop
	if u.fixed {
		latest = u.earliest
	}
	for at := latest; at >= u.earliest && !c.spent; at-- {
		if at < latest && !c.together(u.step, c.order[at]) {
			continue // before or after that item is the same
		}
		c.seek(at)
		c.inserted[at] = append(c.inserted[at], i)
		if c.solve() {
			return true
		}
		c.seek(min(at, c.next))
		c.inserted[at] = c.inserted[at][:len(c.inserted[at])-1]
	}
	return false
}

// advance replays until an item's answer does not come out.
func (c *certificate) advance() (stop int, done bool) {
	for c.next < len(c.order) {
		out, ok := c.item()
		if !ok {
			if c.next > c.furthest.item {
				c.furthest = mismatch{c.next, out}
			}
			return c.next, false
		}
	}
	return c.next, true
}

// item replays the next item, with what is inserted before it. If it does not fit, nothing has
// happened.
func (c *certificate) item() (outcome, bool) {
	if c.s.journal != nil {
		c.marks[c.next] = len(*c.s.journal)
	}
	for _, i := range c.inserted[c.next] {
		c.left--
		c.sp.step(c.s, c.loose[i].step)
	}
	c.left--
	c.spent = c.left <= 0
	out, ok := c.sp.step(c.s, c.order[c.next])
	switch {
	case ok:
		c.next++
	case c.s.journal != nil:
		c.s.undo(c.marks[c.next])
	}
	return out, ok && !c.spent
}

// seek goes to just before an item, back by the journal or forward by replaying.
func (c *certificate) seek(at int) {
	if at < c.next {
		c.s.undo(c.marks[at])
		c.next = at
	}
	for c.next < at {
		if _, ok := c.item(); !ok {
			if c.spent {
				return
			}
			panic("linearizability: what fitted once does not fit again")
		}
	}
}

// together says whether two operations are in one component, so that their order can matter.
func (c *certificate) together(a, b *step) bool {
	if c.part == nil {
		c.part = map[uint64]int{}
		var ops []*operation
		for _, st := range c.order {
			ops = append(ops, st.operation)
		}
		for _, u := range c.loose {
			ops = append(ops, u.operation)
		}
		for i, part := range partition(ops) {
			for _, o := range part {
				c.part[o.ID] = i
			}
		}
	}
	return a.Op == OpExpire || b.Op == OpExpire || c.part[a.ID] == c.part[b.ID]
}

func ids(ops ...*operation) []uint64 {
	var list []uint64
	for _, o := range ops {
		if o != nil && o.Op != OpExpire {
			list = append(list, o.ID)
		}
	}
	return list
}
