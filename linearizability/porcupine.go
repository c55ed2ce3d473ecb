package linearizability

import (
	"slices"
	"time"

	"github.com/anishathalye/porcupine"
)

// Porcupine, which others trust, is the second opinion: nobody is accused on the word of our own
// engine alone where porcupine can be asked.

// Porcupine keeps every configuration that it comes to, with a bit for every operation, and
// branches on every read. What is larger than this, or takes it more steps, it is not asked about.
const (
	confirmOperations = 1000
	confirmSteps      = 200_000
)

// backstop ends a search that the steps did not end. It is far beyond what they allow, so that the
// verdict does not depend on the machine.
const backstop = 10 * time.Minute

// confirm asks porcupine about a part for which the engine found no order.
func (s *searcher) confirm(part []*operation, stats *Stats) searched {
	if len(part) > confirmOperations {
		return foundNone
	}
	switch s.oracle(part, confirmSteps) {
	case foundOrder:
		return disputed
	case foundNone:
		stats.Confirmed = true
	}
	return foundNone
}

// oracle searches a part with porcupine. Those that change nothing and were answered only
// after a long time fit nearly anywhere, and would be tried everywhere: an order is found without
// them, and then a place for each in that order. Only where there is none do they take part.
func (s *searcher) oracle(ops []*operation, budget int) searched {
	run := &run{left: budget}
	run.sp, run.steps = s.compile(ops)
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

// split separates the steps that change nothing: late refusals and password changes. A refusal at
// first contact closes its device, so it does only if the device is never heard of again.
func split(steps []step) (firm, idle []*step) {
	uses := map[int32]int{}
	for i := range steps {
		uses[steps[i].dev]++
	}
	for i := range steps {
		st := &steps[i]
		refused := st.code() != "" && inTable(st.code()) && (st.op != opSignup && st.op != opLogin || uses[st.dev] == 1)
		if st.settled && (refused || st.op == opPasswd || st.op == opVoid) {
			idle = append(idle, st)
		} else {
			firm = append(firm, st)
		}
	}
	return firm, idle
}

// A run is one search by porcupine.
type run struct {
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
			next := &trail{from.(*trail).clone(), input.(*step), from.(*trail)}
			_, ok := r.sp.step(next.state, next.st)
			if ok {
				r.end = next // if it is the last step that fits, it completes the order
			}
			return ok, next
		},
		Equal: func(a, b any) bool { return a.(*trail).equal(b.(*trail).state) },
		Hash:  func(a any) uint64 { return a.(*trail).hash.a },
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
