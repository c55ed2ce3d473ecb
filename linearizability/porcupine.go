package linearizability

import (
	"slices"
	"time"

	"github.com/anishathalye/porcupine"
)

// The search looks for any order at all. It looks at no position, so a server that hands out the
// wrong ones, or reads at them, cannot excuse itself.

// backstop ends a search that the budget did not end. It is far beyond what the budget allows, so
// that the verdict does not depend on the machine.
const backstop = 10 * time.Minute

// Porcupine keeps every configuration that it comes to, with a bit for every operation. The memory
// for that is a budget, too.
const (
	maxMemory  = 512 << 20
	configSize = 512
)

// A searched part is one of: found an order, found that there is none, gave up.
type searched uint8

const (
	foundOrder searched = iota
	foundNone
	gaveUp
)

// search judges the components one after the other, until one fails.
func (ev *evidence) search(budget int, stats *Stats) (searched, []*operation) {
	known, loose := ev.resolve()
	s := searcher{rules: ev.meta.Rules, expires: ev.expires, left: budget}
	defer func() { stats.Search += budget - s.left }()
	optional := map[*operation]bool{}
	for _, o := range ev.relevant(loose) {
		optional[o] = true
		known = append(known, o)
	}
	parts := partition(known)
	stats.Components = len(parts)
	worst, culprit := foundOrder, []*operation(nil)
	for _, part := range parts {
		stats.Largest = max(stats.Largest, len(part))
		switch s.component(part, optional) {
		case foundNone:
			return foundNone, part
		case gaveUp:
			worst, culprit = gaveUp, part
		}
	}
	return worst, culprit
}

// stepsPerOperation is what an easy component needs, with room to spare.
const stepsPerOperation = 8

// component searches one component. Unknown outcomes that nothing shows are left out at first,
// which is allowed and nearly always enough. But to prove that it is not enough can take forever
// where the search with them is easy, and the other way round; so the two take turns, each with
// twice what it had before.
func (s *searcher) component(part []*operation, optional map[*operation]bool) searched {
	var known []*operation
	for _, o := range part {
		if !optional[o] {
			known = append(known, o)
		}
	}
	if len(known) == len(part) {
		return s.part(part, s.left)
	}
	without := gaveUp
	for budget := stepsPerOperation * len(part); s.left > 0; budget *= 2 {
		if without == gaveUp {
			without = foundOrder
			for _, sub := range partition(known) {
				without = worse(without, s.part(sub, budget))
			}
		}
		if without == foundOrder {
			return foundOrder
		}
		if with := s.part(part, budget); with != gaveUp {
			return with
		}
	}
	return gaveUp
}

// worse of two parts of one component: if one has no order, the whole has none.
func worse(a, b searched) searched {
	if a == foundNone || b == foundNone {
		return foundNone
	}
	return max(a, b)
}

// relevant drops the unknowns that no order needs: those without effect, and sends whose
// conversation has no place left for them below what was seen.
func (ev *evidence) relevant(loose []*operation) []*operation {
	var kept []*operation
	for _, o := range loose {
		if o.place() == 0 && (o.Op == OpSend && !ev.roomFor(o) || o.Op == OpPasswd) {
			continue
		}
		kept = append(kept, o)
	}
	return kept
}

func (ev *evidence) roomFor(o *operation) bool {
	uid := ev.deviceUID[o.Dev]
	for conv, top := range ev.top {
		if ev.filled[conv] < top && (uid == 0 || conv.has(uid)) {
			return true
		}
	}
	return false
}

type searcher struct {
	rules   Rules
	expires []*Event
	left    int // configurations
}

// part searches operations that belong together. Those that change nothing and were answered only
// after a long time fit nearly anywhere, and would be tried everywhere: an order is found without
// them, and then a place for each in that order. Only where there is none do they take part.
func (s *searcher) part(ops []*operation, budget int) searched {
	run := &run{searcher: s, left: min(budget, s.left, maxMemory/(len(ops)/8+configSize))}
	run.sp, run.steps = compile(s.rules, ops)
	if s.rules.Expiry == ExpiryLogged {
		run.sp.markLapsing(s.expires)
	}
	firm, idle := split(run.steps)
	found := run.porcupine(firm)
	if found == foundOrder && len(idle) > 0 && !run.placeAll(idle) {
		found = run.porcupine(append(firm, idle...))
	}
	if run.sp.imprecise {
		return gaveUp
	}
	return found
}

// markLapsing notes whose leases ended some time: when, only positions could tell.
func (sp *spec) markLapsing(expires []*Event) {
	sp.lapsing = make([]bool, len(sp.devices))
	for _, e := range expires {
		if no, known := sp.deviceNo[e.Dev]; known {
			sp.lapsing[no] = true
		}
	}
}

// split separates the steps that change nothing: late refusals and password changes. A refusal at
// first contact closes its device, so it does only if the device is never heard of again.
func split(steps []step) (firm, idle []*step) {
	uses := map[int32]int{}
	for i := range steps {
		uses[steps[i].dev]++
	}
	for i := range steps {
		st := &steps[i]
		refused := st.code() != "" && inTable(st.code()) && (st.Op != OpSignup && st.Op != OpLogin || uses[st.dev] == 1)
		if st.settled && (refused || st.Op == OpPasswd || st.Op == OpVoid) {
			idle = append(idle, st)
		} else {
			firm = append(firm, st)
		}
	}
	return firm, idle
}

// A run is one search by porcupine.
type run struct {
	*searcher
	sp    *spec
	steps []step
	left  int
	end   *trail // the order found
}

// A trail is a state and how it came about.
type trail struct {
	*state
	st   *step // nil at the start
	prev *trail
}

// porcupine has no budget of its own, so the steps are counted here; when they are used up
// nothing fits any more, and the search unwinds.
func (r *run) porcupine(steps []*step) searched {
	history := make([]porcupine.Operation, len(steps))
	for i, st := range steps {
		history[i] = porcupine.Operation{
			ClientId: int(st.P), Input: st, Call: stamp(st.call), Return: stamp(st.ret),
		}
	}
	spent := false
	model := porcupine.Model{
		Init: func() any {
			r.end = &trail{state: r.sp.initial()}
			return r.end
		},
		Step: func(from, input, _ any) (bool, any) {
			if r.left <= 0 {
				spent = true
				return false, from
			}
			r.left--
			r.searcher.left--
			next := &trail{from.(*trail).clone(), input.(*step), from.(*trail)}
			_, ok := r.sp.step(next.state, next.st)
			if ok {
				r.end = next // if it is the last step that fits, it completes the order
			}
			return ok, next
		},
		Equal: func(a, b any) bool { return a.(*trail).equal(b.(*trail).state) },
		Hash:  func(a any) uint64 { return a.(*trail).hash },
	}
	switch result := porcupine.CheckOperationsTimeout(model, history, backstop); {
	case result == porcupine.Ok:
		return foundOrder
	case result == porcupine.Illegal && !spent:
		return foundNone
	}
	return gaveUp
}

// placeAll finds a place in the order for every idle step, the earliest that fits: none changes
// anything for the others, except that what was answered before another was called precedes it.
func (r *run) placeAll(idle []*step) bool {
	var order []*trail // states, each behind its step
	for t := r.end; t != nil; t = t.prev {
		order = append(order, t)
	}
	slices.Reverse(order)
	slices.SortStableFunc(idle, func(a, b *step) int { return compare(a.call, b.call) })
	places := make([]int, len(idle))
	for i, st := range idle {
		from := 0
		for j, other := range idle[:i] {
			if other.ret < st.call {
				from = max(from, places[j])
			}
		}
		at, ok := r.place(order, st, from)
		if !ok {
			return false
		}
		places[i] = at
	}
	return true
}

// place finds the first place from on, behind all that was answered before the step was called
// and before all that was called after its answer.
func (r *run) place(order []*trail, st *step, from int) (int, bool) {
	first := from
	for i, t := range order {
		if t.st != nil && t.st.ret < st.call {
			first = max(first, i)
		}
	}
	for i := first; i < len(order); i++ {
		if i > 0 && order[i].st.call > st.ret {
			return 0, false
		}
		if _, ok := r.sp.step(order[i].clone(), st); ok {
			return i, true
		}
	}
	return 0, false
}

// stamp keeps a time within porcupine's signed ones; forever stays the last.
func stamp(t uint64) int64 { return int64(min(t, 1<<63-1)) }
