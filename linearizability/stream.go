package linearizability

import "slices"

// A stream follows a history event by event and keeps every configuration that a correct server
// could be in: just-in-time linearization (Lowe, "Testing for linearizability", 2017). An operation
// is placed when its answer must be, and others before it only if they could matter to it. So a
// stream knows what a depth-first search does not: the first answer that cannot be placed, and the
// last instant at which there was one configuration only.
type stream struct {
	sp      *spec
	keys    [][]int32 // by device: the names it signed up or logged in with
	touches map[*step]touched

	slots   []*step // called, not answered; a configuration has a bit for each
	slotOf  map[*step]int
	configs []*configuration
	close   []*step // what could matter for the answer that came last
	left    int     // steps of the specification, weighed by the size of its state
	cost    int
}

// costSize is how many cells of a state can be copied in the time of a step.
const costSize = 512

// A configuration is a state, which operations under way it already contains, and one order of
// steps that leads to it.
type configuration struct {
	*state
	done bits
	last *link
}

type link struct {
	st   *step
	prev *link
}

// order lists the steps up to l.
func (l *link) order() []*step {
	var list []*step
	for ; l != nil; l = l.prev {
		list = append(list, l.st)
	}
	slices.Reverse(list)
	return list
}

type bits []uint64

func (b bits) has(i int) bool { return i>>6 < len(b) && b[i>>6]&(1<<(i&63)) != 0 }

func (b bits) with(i int) bits {
	c := slices.Grow(slices.Clone(b), 1)
	for len(c) <= i>>6 {
		c = append(c, 0)
	}
	c[i>>6] |= 1 << (i & 63)
	return c
}

func (b bits) without(i int) bits {
	if !b.has(i) {
		return b
	}
	c := slices.Clone(b)
	c[i>>6] &^= 1 << (i & 63)
	return c
}

// same and within take missing words for zero.
func (b bits) same(c bits) bool { return b.within(c) && c.within(b) }

func (b bits) within(c bits) bool {
	for i, w := range b {
		if i < len(c) {
			w &^= c[i]
		}
		if w != 0 {
			return false
		}
	}
	return true
}

// A moment is one end of an operation.
type moment struct {
	t   uint64
	ret bool
	st  *step
}

// moments sorts the ends of steps; at one instant calls come first, for such operations overlap.
// What never returns has only a call.
func moments(steps []*step) []moment {
	var list []moment
	for _, st := range steps {
		list = append(list, moment{st.call, false, st})
		if st.ret != forever {
			list = append(list, moment{st.ret, true, st})
		}
	}
	slices.SortStableFunc(list, func(a, b moment) int {
		switch {
		case a.t != b.t:
			return compare(a.t, b.t)
		case a.ret != b.ret && b.ret:
			return -1
		case a.ret != b.ret:
			return 1
		}
		return 0
	})
	return list
}

func newStream(sp *spec, all []*step, budget int) *stream {
	size := len(sp.keys) + len(sp.signups) + len(sp.devices)
	return &stream{sp: sp, left: budget, cost: 1 + size/costSize, keys: deviceKeys(sp, all), touches: map[*step]touched{}}
}

func (s *stream) touched(st *step) touched {
	t, known := s.touches[st]
	if !known {
		t = s.sp.touched(st, s.keys)
		s.touches[st] = t
	}
	return t
}

// A refutation is why steps have no order.
type refutation struct {
	stuck *step            // the first answer that cannot be placed
	tried []*configuration // where it was tried: what could be before it

	folded *link   // the order to the last instant with one configuration
	rest   []*step // called before the answer, and not folded

	states int     // configurations possible right before the answer, if they differ in what matters
	last   *link   // the order to one of them
	near   []*step // from there, the steps that could matter
}

// refute runs steps from a state and returns nil if they have an order, or if the budget ends.
// What cannot be decided ends s.left.
func (s *stream) refute(from *state, steps []*step) *refutation {
	s.slots, s.slotOf = nil, map[*step]int{}
	s.configs = []*configuration{{state: from}}
	list := moments(steps)
	var folded *link
	for i, m := range list {
		if !m.ret {
			s.call(m.st)
			continue
		}
		before := s.configs
		tried := s.returned(m.st)
		if s.left <= 0 {
			return nil
		}
		if len(s.configs) == 0 {
			why := &refutation{stuck: m.st, tried: tried, folded: folded, rest: rest(list, i, folded), states: len(before)}
			why.last, why.near = before[0].last, s.undone(before[0])
			if s.agree(before, why.near) {
				why.folded, why.rest, why.states = why.last, why.near, 1
			}
			return why
		}
		if len(s.configs) == 1 {
			folded = s.configs[0].last
		}
	}
	return nil
}

// undone are the steps that, from a configuration, could matter for the answer that came last.
func (s *stream) undone(c *configuration) []*step {
	var left []*step
	for _, st := range s.close {
		if slot := slices.Index(s.slots, st); slot < 0 || !c.done.has(slot) {
			left = append(left, st)
		}
	}
	slices.SortStableFunc(left, func(a, b *step) int { return compare(a.call, b.call) })
	return left
}

// agree says whether all configurations are one as far as the last answer can depend on them.
func (s *stream) agree(configs []*configuration, left []*step) bool {
	first := configs[0]
	for _, c := range configs[1:] {
		if !slices.Equal(s.undone(c), left) {
			return false
		}
		for _, state := range []*state{first.state, c.state} {
			if !newMatter(&reduction{sp: s.sp, state: state, rest: left}).same(first.state, c.state) {
				return false
			}
		}
	}
	return true
}

// rest is what is called before moment i, the fatal one, and neither folded nor answered before.
func rest(list []moment, i int, folded *link) []*step {
	in := map[*step]bool{}
	for _, st := range folded.order() {
		in[st] = true
	}
	var steps []*step
	for _, m := range list[:i] {
		if !m.ret && !in[m.st] {
			steps = append(steps, m.st)
		}
	}
	return steps
}

func (s *stream) call(st *step) {
	slot := slices.Index(s.slots, nil)
	if slot < 0 {
		slot = len(s.slots)
		s.slots = append(s.slots, nil)
	}
	s.slots[slot], s.slotOf[st] = st, slot
	if s.sp.pure(st) {
		for i, c := range s.configs {
			s.configs[i] = s.eager(c, slot)
		}
	}
}

// eager places a pure step in a configuration where it fits: that changes nothing for any other.
func (s *stream) eager(c *configuration, slot int) *configuration {
	if c.done.has(slot) {
		return c
	}
	s.left -= s.cost
	if _, ok := s.sp.step(c.state.clone(), s.slots[slot]); !ok {
		return c
	}
	return &configuration{c.state, c.done.with(slot), &link{s.slots[slot], c.last}}
}

// returned leaves the configurations in which st has happened. If there are none, it returns those
// in which it could not.
func (s *stream) returned(st *step) (tried []*configuration) {
	slot := s.slotOf[st]
	var near []int
	var found, open []*configuration
	seen := map[key][]*configuration{}
	add := func(c *configuration) {
		for _, other := range seen[c.hash] {
			if c.done.same(other.done) && c.equal(other.state) {
				return
			}
		}
		seen[c.hash] = append(seen[c.hash], c)
		if c.done.has(slot) {
			found = append(found, c)
		} else {
			open = append(open, c)
		}
	}
	for _, c := range s.configs {
		add(c)
	}
	if len(open) > 0 {
		near = s.near(slot)
		s.close = s.close[:0]
		for _, k := range near {
			s.close = append(s.close, s.slots[k])
		}
	}
	for i := 0; i < len(open) && s.left > 0; i++ {
		for _, k := range near {
			if next := s.place(open[i], k); next != nil {
				add(next)
			}
		}
	}
	s.slots[slot] = nil
	delete(s.slotOf, st)
	delete(s.touches, st)
	for i, c := range found {
		found[i] = &configuration{c.state, c.done.without(slot), c.last}
	}
	s.configs = s.undominated(found)
	return open
}

// place lets the step of a slot happen, and then all pure ones that fit.
func (s *stream) place(c *configuration, slot int) *configuration {
	st := s.slots[slot]
	if c.done.has(slot) {
		return nil
	}
	s.left -= s.cost
	next := c.state.clone()
	if _, ok := s.sp.step(next, st); !ok || st.optional && st.ret == forever && next.hash == c.hash {
		return nil
	}
	n := &configuration{next, c.done.with(slot), &link{st, c.last}}
	if next.hash == c.hash {
		return n
	}
	for k, other := range s.slots {
		if other != nil && s.sp.pure(other) {
			n = s.eager(n, k)
		}
	}
	return n
}

// near are the slots of what could matter for a slot: what touches the same, and what touches the
// same as that, and so on: a read that wants to come before st may want others before itself. All
// else may as well happen later.
func (s *stream) near(slot int) []int {
	list := []int{slot}
	in := bits{}.with(slot)
	for i := 0; i < len(list); i++ {
		for k, other := range s.slots {
			if other != nil && !in.has(k) && !s.settled(k) &&
				s.touched(other).conflicts(s.touched(s.slots[list[i]])) {
				in = in.with(k)
				list = append(list, k)
			}
		}
	}
	return list
}

// settled says that every configuration contains the step of a slot.
func (s *stream) settled(slot int) bool {
	return !slices.ContainsFunc(s.configs, func(c *configuration) bool { return !c.done.has(slot) })
}

// undominated drops configurations that can do nothing which another could not: the same state,
// with fewer unknown commands left to happen.
func (s *stream) undominated(list []*configuration) []*configuration {
	if len(list) < 2 {
		return list
	}
	var unknown bits
	for k, st := range s.slots {
		if st != nil && st.optional {
			unknown = unknown.with(k)
		}
	}
	dominates := func(a, b *configuration) bool {
		if a.hash != b.hash || !a.done.within(b.done) || !a.equal(b.state) {
			return false
		}
		for k := range s.slots {
			if b.done.has(k) && !a.done.has(k) && !unknown.has(k) {
				return false
			}
		}
		return true
	}
	var kept []*configuration
	for i, b := range list {
		out := false
		for j, a := range list {
			out = out || i != j && dominates(a, b) && (j < i || !dominates(b, a))
		}
		if !out {
			kept = append(kept, b)
		}
	}
	return kept
}
