package linearizability

import "slices"

// A Core is the shortest reason found why a history fails: few operations, from a state to which
// all the others before them are folded. It is a history of its own, and fails alone.
//
// To remove a command can make an innocent history illegal, so a core is made by steps that cannot:
// restrict to a component, cut at a time, drop what only reads, fold all before the last instant
// with exactly one possible configuration into that, and weaken a command: forget its answer, or
// when it came. With positions the claimed order, replayed to where it fails, is the fold.
type Core struct {
	Rule string   `json:"rule"` // what it breaks; one of the Rule constants
	Text []string `json:"text"` // the reason, in sentences

	Ops     []CoreOp `json:"ops"`               // what was definitely answered; the last cannot be placed
	Because *CoreOp  `json:"because,omitempty"` // folded: what made the last of Ops untrue

	Witness *CoreOp `json:"witness,omitempty"` // folded: shows that Because came before

	Of     int `json:"of"`     // operations in the whole history
	Folded int `json:"folded"` // operations that the state stands for
	Open   int `json:"open"`   // commands that may have happened by then, or not

	// States is how many different states the answers before leave possible, if not one. None allows
	// the last of Ops; History begins in one of them.
	States int `json:"states,omitempty"`

	// Confirmed says that History was judged once more from the start, and no order found.
	Confirmed bool `json:"confirmed"`

	// History fails as the whole does. Its first operations, one at a time, make the state.
	History *History `json:"-"`

	written []uint64 // ids of the folded operations in History, in order
	open    []uint64 // ids of those that may have happened
}

// A CoreOp is an operation that a core names.
type CoreOp struct {
	ID     uint64 `json:"id"`
	Pos    uint64 `json:"pos,omitempty"`
	Called int    `json:"called"` // line of the file
	Line   int    `json:"line"`   // of its answer, or 0
	Text   string `json:"text"`
}

// A reduction makes a core of one component.
type reduction struct {
	*evidence
	sp    *spec
	steps []*step
	left  int // steps of the specification

	order []*step // folded, in this order
	state *state  // to which they lead
	rest  []*step // in order of their calls
	why   *refutation

	// cutOff are the signups that were open at the cut. In History their answer is not known; while
	// it is looked for, they may happen as they did, or not.
	cutOff map[*step]bool
}

// Budgets in steps of the specification: to find the answer that cannot be placed, per operation and
// at most, and to weaken the rest.
const (
	reductionPerOperation = 512
	reductionMost         = 1_200_000
	reductionClaimed      = 400_000 // at most, where positions say what to fold instead
	reductionBudget       = 500_000
)

// few is how many definite operations a core should have at most.
const few = 3

// reduce finds a core for a history that no order explains, or nil.
func (ev *evidence) reduce(h *History, r *Report) *Core {
	known, loose := ev.resolve()
	var compiler compiler // what it made of one part is let go before the next
	for _, part := range ev.suspects(slices.Concat(known, ev.relevant(loose)), r) {
		c := &reduction{evidence: ev}
		var steps []step
		c.sp, steps = compiler.compile(ev.meta.Rules, part)
		if ev.meta.Rules.Expiry == ExpiryLogged {
			c.sp.markLapsing(ev.expires)
		}
		for i := range steps {
			c.steps = append(c.steps, &steps[i])
		}
		c.left = min(reductionPerOperation*len(steps), reductionMost)
		if ev.meta.Positions == PositionsEvery {
			c.left = min(c.left, reductionClaimed)
		}
		if why := c.refuted(c.sp.initial(), c.steps, c.left); why != nil {
			if core := c.best(h, why); core != nil {
				return core
			}
		}
	}
	return nil
}

// best reduces from the last instant with one configuration. If that was too long ago, it begins in
// one of those possible at the end.
func (c *reduction) best(h *History, why *refutation) *Core {
	c.left = reductionBudget
	c.begin(why, why.folded, why.rest)
	c.weaken()
	core := c.core(h)
	if core != nil && len(core.Ops) <= few || why.states == 1 {
		return core
	}
	c.left = reductionBudget
	c.begin(why, why.last, why.near)
	c.weaken()
	if other := c.core(h); other != nil && (core == nil || len(other.Ops) < len(core.Ops)) {
		other.States = why.states
		return other
	}
	return core
}

// suspects are the components, those first that a finding names.
func (ev *evidence) suspects(ops []*operation, r *Report) [][]*operation {
	named := map[uint64]bool{}
	for _, f := range r.Findings {
		for _, id := range f.Ops {
			named[id] = true
		}
	}
	parts := partition(ops)
	innocent := func(part []*operation) int {
		if slices.ContainsFunc(part, func(o *operation) bool { return named[o.ID] }) {
			return 0
		}
		return 1
	}
	slices.SortStableFunc(parts, func(a, b []*operation) int { return innocent(a) - innocent(b) })
	return parts
}

// refuted says whether and why steps have no order from a state.
func (c *reduction) refuted(from *state, steps []*step, budget int) *refutation {
	s := newStream(c.sp, c.steps, min(budget, c.left))
	before := s.left
	why := s.refute(from.clone(), steps)
	c.left -= before - s.left
	if c.sp.imprecise {
		c.left = 0
		return nil
	}
	return why
}

// begin folds an order from the start, and cuts behind the answer that cannot be placed. If there is
// an order for what is left then, because the answers open at the cut are part of the reason, it cuts
// behind one of these, or nowhere.
func (c *reduction) begin(why *refutation, folded *link, rest []*step) {
	c.cutOff = map[*step]bool{}
	c.fold(folded.order())
	if c.cut(why.stuck, rest, why.stuck.ret) {
		return
	}
	in := map[*step]bool{}
	for _, st := range c.order {
		in[st] = true
	}
	var later []uint64
	for _, st := range rest {
		if why.stuck.ret < st.ret && st.ret < forever {
			later = append(later, st.ret)
		}
	}
	slices.Sort(later)
	all := slices.DeleteFunc(slices.Clone(c.steps), func(st *step) bool { return in[st] })
	for _, t := range later[:min(len(later), laterCuts)] {
		if c.cut(why.stuck, all, t) {
			return
		}
	}
	c.rest, c.why = all, why
}

// laterCuts is how many later cuts are tried.
const laterCuts = 8

func (c *reduction) fold(order []*step) {
	c.order = order
	c.state = c.replay(func(int, *step, outcome, bool) {}).clone()
}

// cut leaves out what is called after t, and takes what is open then for unknown: the reason for its
// answer may have come later. It says whether there is still no order.
func (c *reduction) cut(stuck *step, rest []*step, t uint64) bool {
	var left []*step
	for _, st := range rest {
		switch {
		case st.call > t:
		case st.ret <= t || c.cutOff[st]:
			left = append(left, st)
		default:
			if st = c.forgotten(st); st == nil {
				continue
			}
			if !st.optional { // a signup
				st = c.opened(st)
				c.cutOff[st] = true
			}
			left = append(left, st)
		}
	}
	why := c.refuted(c.state, left, c.perTrial())
	if why == nil || why.stuck != stuck {
		return false
	}
	c.rest, c.why = left, why
	return true
}

// refold folds more, now that less is left.
func (c *reduction) refold(why *refutation) bool {
	order, state, rest := c.order, c.state, c.rest
	c.fold(append(slices.Clone(c.order), why.folded.order()...))
	if !c.cut(why.stuck, why.rest, why.stuck.ret) {
		c.order, c.state, c.rest = order, state, rest
		return false
	}
	return true
}

// weaken drops what is read-only and forgets answers as long as there is still no order, many at
// once where that works. What can then be folded is, and so on.
func (c *reduction) weaken() {
	for {
		definite := c.definite()
		c.each(0, len(c.rest), c.forgotten)
		c.each(0, len(c.rest), c.opened)
		c.rest = compact(c.rest)
		if c.why.folded == nil || len(c.rest) == 1 || c.definite() == definite {
			return
		}
		if !c.refold(c.why) {
			return
		}
	}
}

func (c *reduction) definite() int {
	n := 0
	for _, st := range c.rest {
		if !st.optional && !c.cutOff[st] {
			n++
		}
	}
	return n
}

// each weakens rest[from:to] as far as it goes. What is dropped leaves a nil behind.
func (c *reduction) each(from, to int, weaker func(*step) *step) {
	trial, changed := slices.Clone(c.rest), false
	for i := from; i < to; i++ {
		if st := trial[i]; st != nil && st != c.why.stuck {
			trial[i] = weaker(st)
			changed = changed || trial[i] != st
		}
	}
	if !changed {
		return
	}
	if why := c.refuted(c.state, compact(trial), c.perTrial()); why != nil && why.stuck == c.why.stuck {
		c.rest, c.why = trial, why
		return
	}
	if to-from > 1 {
		middle := (from + to) / 2
		c.each(from, middle, weaker)
		c.each(middle, to, weaker)
	}
}

func compact(steps []*step) []*step {
	return slices.DeleteFunc(slices.Clone(steps), func(st *step) bool { return st == nil })
}

// perTrial lets no single trial take what is left for the others.
func (c *reduction) perTrial() int { return min(c.left/4, 64*len(c.rest)+reductionBudget/16) }

// forgotten is the step without its answer: it may happen at any time after its call, or never.
// A step that changes nothing is none at all, then. Whose a uid is stands in the answer to a signup,
// so that is kept.
func (c *reduction) forgotten(st *step) *step {
	switch {
	case st.isRead() || c.sp.pure(st):
		return nil
	case st.op == opSignup || st.optional && st.ret == forever:
		return st
	}
	o := *st.operation
	o.ans, o.ret, o.settled = answer{}, forever, false
	w := *st
	w.operation, w.optional = &o, true
	return &w
}

// opened is the step with its answer, whenever it came.
func (c *reduction) opened(st *step) *step {
	if st.ret == forever {
		return st
	}
	o := *st.operation
	o.ret = forever
	w := *st
	w.operation = &o
	return &w
}

// core is what the reduction came to, judged once more.
func (c *reduction) core(h *History) *Core {
	core := &Core{Of: c.calls, Folded: c.folded()}
	c.rest = slices.DeleteFunc(c.rest, func(st *step) bool { return st.optional && st.isRead() })
	lines := linesOf(h)
	var named []*step
	for _, st := range c.rest {
		switch {
		case st == c.why.stuck:
		case st.optional || c.cutOff[st]:
			core.Open++
			core.open = append(core.open, st.ID)
		default:
			named = append(named, st)
		}
	}
	for _, st := range append(named, c.why.stuck) {
		core.Ops = append(core.Ops, c.name(st, lines))
	}
	kept := c.mattering()
	for _, st := range c.order {
		if kept[st] {
			core.written = append(core.written, st.ID)
		}
	}
	core.History = c.history(kept)
	if !core.judge() {
		return nil
	}
	c.explain(core, lines)
	return core
}

// folded counts the operations in the fold; a lease that ended is none.
func (c *reduction) folded() int {
	n := 0
	for _, st := range c.order {
		if st.op != opExpire {
			n++
		}
	}
	return n
}

// confirmBudget is in configurations, for porcupine.
const confirmBudget = 200_000

// judge judges the core's history like any other. It says whether the core may be shown: one that
// has an order is a bug of the reduction.
func (core *Core) judge() bool {
	if _, ok := wellFormed(core.History); !ok {
		return false
	}
	ev := newEvidence(newRecord(core.History))
	var r Report
	ev.axioms(&r)
	core.Rule = RuleSearch
	if len(r.Findings) > 0 {
		core.Rule = r.Findings[0].Rule
	}
	found, _ := ev.search(confirmBudget, &r.Stats)
	core.Confirmed = found == foundNone
	return found != foundOrder
}
