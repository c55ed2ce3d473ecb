package linearizability

import (
	"cmp"
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
	*record
	sp    *spec
	s     *state
	order []*step
	free  []*step // unknown commands that nothing puts at a position
	fixed []*step // those that may have gone two ways at theirs
	loose []*candidate

	marks    []int   // by item: the journal's length before it
	inserted [][]int // by item: the candidates inserted before it; nil if there are none
	used     uint64  // which candidates are inserted, as a hash

	patience int
	cut      bool           // more patience could make a difference
	seen     map[config]int // with how much patience they were tried
	part     map[uint64]int // operation → component; filled when first needed

	notes *ledgerWriter // follows the replay if it comes by only once; else nil

	left    int // configurations
	spent   bool
	stopped int // the furthest item that did not fit, and
	why     string
	helped  [][]int // what was inserted then, if asked to watch
	watch   bool
}

// A candidate is an unknown command that may be inserted before any item of order from earliest
// on, or, if fixed, only before that one.
type candidate struct {
	*step
	earliest int
	fixed    bool
	used     bool
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
	c := &certificate{stopped: -1}
	c.prepare(ev, known, loose)
	c.left = budget + len(c.order)
	defer func() { r.Stats.Certificate += budget + len(c.order) - c.left }()
	c.sharedPositions(r)
	c.sweep(r)
	if len(r.Findings) > before {
		return nil
	}
	switch {
	case c.fits():
		return c.ledger()
	case c.spent:
		r.add(Finding{Unknown, RuleBudget, nil, 0, "certificate: too many places for unknown commands"})
	default:
		st := c.order[c.stopped]
		r.add(Finding{PositionContract, RuleReplay, ids(st.operation), st.at, c.why})
	}
	return nil
}

// placeEntries puts unknown commands where the log's dump has them, and compares the rest of the
// dump with what was answered.
func (ev *evidence) placeEntries(known, loose []*operation, r *Report) (_, _ []*operation) {
	if len(ev.entries) == 0 {
		return known, loose
	}
	reqs := requests{byDevice: make([]numbering, len(ev.devices))}
	for _, list := range [][]*operation{ev.denied, loose, known} {
		for _, o := range list {
			if !o.isRead() {
				reqs.add(o)
			}
		}
	}
	at, more := make([]uint64, reqs.count), map[uint32][]uint64{} // where the log has them; again
	for _, e := range ev.entries {
		switch i, called := reqs.find(request{e.device, e.dseq}); {
		case !called:
			r.add(Finding{PositionContract, RuleEntry, nil, e.pos,
				fmt.Sprintf("the log has number %d of device %s, which nobody sent", e.dseq, ev.devices[e.device])})
		case at[i] == 0:
			at[i] = e.pos
		default:
			more[i] = append(more[i], e.pos)
		}
	}
	ev.entries = nil // a million of them, and all is said
	for _, o := range known {
		if o.changesNothing() || o.unknown() {
			continue
		}
		i, _ := reqs.find(o.request())
		if at[i] != 0 && at[i] != o.pos() && !slices.Contains(more[i], o.pos()) {
			r.add(Finding{PositionContract, RuleEntry, ids(o), o.pos(),
				fmt.Sprintf("answered at %d, but the log has it at %d", o.pos(), append([]uint64{at[i]}, more[i]...))})
		}
	}
	for _, list := range [][]*operation{known, loose} {
		for k, o := range list {
			if !o.unknown() {
				continue
			}
			if i, _ := reqs.find(o.request()); at[i] != 0 {
				placed := *o
				placed.callDetails = withPos(o.callDetails, at[i])
				list[k] = &placed
				r.Stats.Placed++
			}
		}
	}
	return known, loose
}

// requests numbers commands.
type requests struct {
	byDevice []numbering
	count    uint32
}

func (q *requests) add(o *operation) {
	n := &q.byDevice[o.device]
	if _, known := n.get(o.Dseq); !known {
		n.put(o.Dseq, q.count)
		q.count++
	}
}

func (q *requests) find(r request) (uint32, bool) { return q.byDevice[r.device].get(r.dseq) }

// withPos keeps, in a copy of the call, where the log has it.
func withPos(call *callDetails, pos uint64) *callDetails {
	c := *call
	c.Pos = pos
	return &c
}

// place is where an operation stands by its answer or by the log's dump, or 0.
func (o *operation) place() uint64 {
	if o.unknown() {
		return o.Pos
	}
	return o.ans.Pos
}

func (c *certificate) prepare(ev *evidence, known, loose []*operation) {
	ops := append(slices.Clip(known), loose...)
	for _, e := range ev.expires {
		ops = append(ops, ev.expire(e))
	}
	c.record = ev.record
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
	c.order = inLog(c.order)
	c.free, c.fixed = free, fixed
}

// fits replays the order as it stands, which is nearly always enough. Only if it is not, places for the
// unknown commands are looked for, which takes a journal of all changes.
func (c *certificate) fits() bool {
	left := c.left
	c.notes = newLedgerWriter(c.record, c.sp, c.s)
	if c.replay(0, -1, 0) {
		return true
	}
	if len(c.free)+len(c.fixed) == 0 {
		return false
	}
	c.left, c.spent, c.stopped, c.notes, c.s = left, false, -1, nil, c.sp.initial()
	c.addCandidates()
	return c.solve()
}

// inLog sorts steps by position, at one position commands before what changes nothing, then by call.
// Positions are as dense as a log is, so those that are get their places by counting.
func inLog(list []*step) []*step {
	top := uint64(0)
	for _, st := range list {
		top = max(top, st.at)
	}
	if top > 4*uint64(len(list))+1024 {
		slices.SortStableFunc(list, func(a, b *step) int { return cmp.Or(compare(a.at, b.at), besides(a, b)) })
		return list
	}
	ends := make([]uint32, top+2) // by position: how many stand before it; in the end, where its own end
	for _, st := range list {
		ends[st.at+1]++
	}
	for i := range top {
		ends[i+1] += ends[i]
	}
	sorted := make([]*step, len(list))
	for _, st := range list {
		sorted[ends[st.at]] = st
		ends[st.at]++
	}
	from := uint32(0)
	for _, to := range ends[:top+1] {
		if to-from > 1 {
			slices.SortStableFunc(sorted[from:to], besides)
		}
		from = to
	}
	return sorted
}

// besides compares steps at one position.
func besides(a, b *step) int {
	switch still := a.changesNothing(); {
	case still == b.changesNothing():
		return compare(a.call, b.call)
	case still:
		return 1
	}
	return -1
}

// expire is the end of a lease as if somebody had called for it.
func (r *record) expire(e lapse) *operation {
	call := &callDetails{Op: OpExpire, Dev: r.devices[e.device], Pos: e.pos, op: opExpire, device: e.device, key: nobody, words: r.words}
	return &operation{callDetails: call, ret: forever}
}

// eitherWay says whether an unknown command at a known position may have gone two ways: under
// expiry any, a login that meets a lease succeeds or not.
func (sp *spec) eitherWay(st *step) bool {
	return st.optional && st.op == opLogin && !st.Takeover && sp.exclusive && sp.expiry == ExpiryAny
}

func (c *certificate) addCandidates() {
	c.s.journal = &journal{}
	c.marks = make([]int, len(c.order)+1)
	c.inserted = make([][]int, len(c.order)+1)
	soonest := make([]uint64, len(c.order)+1) // the first return from here on
	soonest[len(c.order)] = forever
	for i := len(c.order) - 1; i >= 0; i-- {
		soonest[i] = min(soonest[i+1], c.order[i].ret)
	}
	for _, st := range c.free {
		earliest := sort.Search(len(c.order), func(i int) bool { return soonest[i] >= st.call })
		c.loose = append(c.loose, &candidate{step: st, earliest: earliest})
	}
	for _, st := range c.fixed {
		at := sort.Search(len(c.order), func(i int) bool { return c.order[i].at > st.at })
		c.loose = append(c.loose, &candidate{step: st, earliest: at, fixed: true})
	}
}

func (c *certificate) sharedPositions(r *Report) {
	for i := 1; i < len(c.order); i++ {
		a, b := c.order[i-1], c.order[i]
		if a.at == b.at && !b.changesNothing() && !(a.op == opExpire && b.op == opExpire) {
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
		if st.op != opExpire && (latest == nil || st.call > latest.call) {
			latest = st
		}
	}
}

// solve replays the order and looks for places for the candidates. A place is looked for only
// where the replay stops, the latest first, and at most patience candidates are inserted without
// getting further; patience grows until it made no difference.
func (c *certificate) solve() bool {
	for patience := 1; ; patience++ {
		c.patience, c.cut, c.seen = patience, false, map[config]int{}
		if c.replay(0, -1, patience) {
			return true
		}
		if c.spent || !c.cut {
			return false
		}
	}
}

// A config is where a replay can be: what follows depends on nothing else. Two states with one
// hash are taken for the same, once in a hundred million searches.
type config struct {
	item, furthest int
	used           uint64
	state          key
}

// replay goes on from an item, with the state before it; furthest is where it stopped before, and
// patience how many more candidates may be inserted without getting beyond that. If it fails, the
// state is as it was.
func (c *certificate) replay(start, furthest, patience int) bool {
	stop, known := start, false
	for ; stop < len(c.order); stop++ {
		c.mark(stop)
		if known = c.known(config{stop, furthest, c.used, c.s.hash}, patience); known || !c.fitsAt(stop) {
			break
		}
	}
	switch {
	case stop == len(c.order):
		return !c.spent
	case c.spent || len(c.loose) == 0:
		return false
	case known:
		stop--
	case stop > furthest:
		furthest, patience = stop, c.patience
	}
	if patience == 0 {
		c.cut = true
		stop = start - 1
	}
	for at := stop; at >= start && !c.spent; at-- {
		if c.insertAt(at, furthest, patience-1) {
			return true
		}
	}
	c.undoTo(start)
	return false
}

func (c *certificate) mark(item int) {
	if c.s.journal != nil {
		c.marks[item] = len(*c.s.journal)
	}
}

func (c *certificate) undoTo(item int) {
	if c.s.journal != nil {
		c.s.undo(c.marks[item])
	}
}

// known says whether a configuration was tried before, with no less patience.
func (c *certificate) known(k config, patience int) bool {
	if c.used == 0 {
		return false // the first replay comes by only once
	}
	before, tried := c.seen[k]
	if tried && before >= patience {
		return true
	}
	c.seen[k] = patience
	return false
}

// fitsAt replays one item, or says why it cannot be and undoes it.
func (c *certificate) fitsAt(item int) bool {
	c.left--
	c.spent = c.left <= 0
	st, account := c.order[item], int32(nobody)
	if c.notes != nil {
		account = c.notes.account(st)
	}
	out, ok := c.sp.step(c.s, st)
	if ok && c.notes != nil {
		c.notes.note(st, st.at, account, out)
	}
	if !ok {
		if item > c.stopped {
			c.stopped, c.why = item, c.explain(st, out)
		}
		c.undoTo(item)
	}
	return ok && !c.spent
}

// insertAt tries every candidate before one item.
func (c *certificate) insertAt(at, furthest, patience int) bool {
	c.undoTo(at)
	mark := c.marks[at] // replay will mark it again
	for i, u := range c.loose {
		if u.used || u.earliest > at || u.fixed && u.earliest != at || !c.together(u.step, c.order[at]) {
			continue
		}
		c.left--
		before := c.s.hash
		c.sp.step(c.s, u.step)
		if c.s.hash == before {
			continue // no effect here
		}
		u.used = true
		c.used ^= mix(1, uint64(i))
		c.inserted[at] = append(c.inserted[at], i)
		if c.replay(at, furthest, patience) {
			return true
		}
		u.used = false
		c.used ^= mix(1, uint64(i))
		c.inserted[at] = c.inserted[at][:len(c.inserted[at])-1]
		c.s.undo(mark)
	}
	c.marks[at] = mark
	return false
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
	return a.op == opExpire || b.op == opExpire || c.part[a.ID] == c.part[b.ID]
}

func ids(ops ...*operation) []uint64 {
	var list []uint64
	for _, o := range ops {
		if o != nil && o.op != opExpire {
			list = append(list, o.ID)
		}
	}
	return list
}
