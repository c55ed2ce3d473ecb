package linearizability

import (
	"fmt"
	"slices"
)

// An engine is the search for size: depth first, after Wing and Gong ("Testing and verifying
// concurrent objects", 1993), with the memory of Lowe ("Testing for linearizability", 2017). Calls
// and returns hang in one list, in order of time. What was called before the first return in the
// list may come next; it is tried, and with its return lifted out of the list; where a return is in
// the way of everything, the last choice is taken back.
//
// Three things make it fast where the plain search is not:
//
//   - Eager reads: what changes nothing is placed as soon as it fits, and never placed otherwise
//     while something else is moved about. Whatever order there is stays one if it is moved here.
//   - An unknown that has no effect here is not placed here. The search is over when all that must
//     have happened is placed.
//   - A configuration, the state and what is placed, is one 128-bit key. Only those from which
//     there is no way are remembered: no other can come up twice.
//
// An unknown that is placed in vain is found out late, and with many of them each set is tried at
// each place. So the search has patience for so many that bring it no further than it was; with
// more patience it can be repeated, unless what it had made no difference.
type engine struct {
	sp    *spec
	s     *state
	nodes []node
	path  []choice
	dead  keySet // configurations from which there is no way, with so many placed in vain
	put   key    // of all that is placed
	left  int    // configurations

	needed int // nodes in the list of what must be placed

	// Room for load: the journal of s; steps in order of their calls and returns; by step, the node
	// of its call.
	journal            journal
	calls, returns, at []int32

	patience int
	vain     int   // unknowns on the path since it was nowhere further
	furthest int32 // the last return that was ever the first
	cut      bool  // more patience could make a difference
}

// A node is a call or a return in one of two lists, in order of time. Both run in a ring through a
// head: that of what must be placed, and that of calls that may be.
type node struct {
	prev, next int32
	mate       int32 // the return of a call, the call of a return; 0 if it never returns
	st         *step // of a call
}

const (
	must  int32 = iota // head of what must be placed, calls and returns
	may                // head of the calls that may be left out
	heads              // the first node behind them is the first in time
)

// A choice is a step that was placed.
type choice struct {
	at    int32 // the node of its call
	mark  int   // the journal's length before it
	vain  int   // as it was before
	eager bool  // it was no choice
}

// load takes the steps of one search. Those that never return may be left out.
func (e *engine) load(sp *spec, steps []step) {
	e.sp, e.s, e.path, e.put = sp, sp.initial(), e.path[:0], key{}
	e.journal = e.journal[:0]
	e.s.journal = &e.journal
	e.calls, e.returns = e.calls[:0], e.returns[:0]
	for i := range steps {
		e.calls = append(e.calls, int32(i))
		if steps[i].ret != forever {
			e.returns = append(e.returns, int32(i))
		}
	}
	calls, returns := e.calls, e.returns
	byCall := func(a, b int32) int { return compare(steps[a].call, steps[b].call) }
	if !slices.IsSortedFunc(calls, byCall) {
		slices.SortStableFunc(calls, byCall)
	}
	slices.SortFunc(returns, func(a, b int32) int { return compare(steps[a].ret, steps[b].ret) })
	e.nodes = append(e.nodes[:0], node{prev: must, next: must}, node{prev: may, next: may})
	e.at = slices.Grow(e.at[:0], len(steps))[:len(steps)]
	e.needed = 2 * len(returns)
	for len(calls)+len(returns) > 0 {
		here := int32(len(e.nodes))
		if len(calls) > 0 && (len(returns) == 0 || steps[calls[0]].call <= steps[returns[0]].ret) {
			st := &steps[calls[0]]
			head := must
			if st.ret == forever {
				head = may
			}
			e.nodes = append(e.nodes, node{st: st})
			e.link(here, head)
			e.at[calls[0]] = here
			calls = calls[1:]
			continue
		}
		call := e.at[returns[0]]
		e.nodes = append(e.nodes, node{mate: call})
		e.nodes[call].mate = here
		e.link(here, must)
		returns = returns[1:]
	}
}

// link hangs a new node in at the end of a list.
func (e *engine) link(at, head int32) {
	last := e.nodes[head].prev
	e.nodes[at].prev, e.nodes[at].next = last, head
	e.nodes[last].next, e.nodes[head].prev = at, at
}

// search looks for an order with at most budget configurations. It starts from the steps that were
// loaded, and can be repeated.
func (e *engine) search(budget, patience int) searched {
	for len(e.path) > 0 {
		e.takeBack()
	}
	e.dead.clear()
	e.left, e.patience = budget, patience
	e.vain, e.furthest, e.cut = 0, 0, false
	e.readAhead()
	for at := e.nodes[must].next; e.nodes[must].next != must; {
		n, found := e.nodes[at], true
		switch {
		case at >= heads && n.st == nil: // no call before the first return is left
			at = e.nodes[may].next
		case at == may || n.mate == 0 && at > e.firstReturn():
			if at, found = e.takeBack(); !found {
				return foundNone
			}
		case e.place(at):
			at = e.nodes[must].next
		default:
			at = e.nodes[at].next
		}
		if e.left < 0 {
			return gaveUp
		}
	}
	return foundOrder
}

func (e *engine) firstReturn() int32 {
	at := e.nodes[must].next
	for e.nodes[at].st != nil {
		at = e.nodes[at].next
	}
	return at
}

// place lets a call happen now, and after it all that changes nothing and fits, if that leads to a
// configuration that is not known to be dead.
func (e *engine) place(at int32) bool {
	n, mark := e.nodes[at], len(*e.s.journal)
	_, fits := e.sp.step(e.s, n.st)
	if !fits || n.mate == 0 && len(*e.s.journal) == mark {
		e.s.undo(mark)
		return false
	}
	if n.mate == 0 && e.vain >= e.patience {
		e.cut = true
		e.s.undo(mark)
		return false
	}
	e.lift(choice{at: at, mark: mark, vain: e.vain})
	if n.mate == 0 {
		e.vain++
	}
	e.readAhead()
	e.advance()
	e.left--
	if e.isDead() {
		e.takeBack()
		return false
	}
	return true
}

// advance notes if the search has come further than ever.
func (e *engine) advance() {
	if at := e.firstReturn(); at > e.furthest {
		e.furthest, e.vain = at, 0
	}
}

// isDead says whether the configuration was given up before, with no more placed in vain.
func (e *engine) isDead() bool {
	k := e.configuration()
	for vain := range e.vain + 1 {
		if e.dead.has(k.with(uint64(vain))) {
			return true
		}
	}
	return false
}

// readAhead places what changes nothing and fits. What does not fit now will not fit behind it.
func (e *engine) readAhead() {
	for at := e.nodes[must].next; e.nodes[at].st != nil; {
		n, mark := e.nodes[at], len(*e.s.journal)
		next := n.next
		if n.st.still {
			if _, fits := e.sp.step(e.s, n.st); fits && len(*e.s.journal) == mark {
				if next == n.mate {
					next = e.nodes[n.mate].next
				}
				e.lift(choice{at, mark, e.vain, true})
			}
			e.s.undo(mark)
		}
		at = next
	}
}

// configuration is the key of where the search is.
func (e *engine) configuration() key { return e.s.hash.xor(e.put) }

// lift takes a call and its return out of their list.
func (e *engine) lift(c choice) {
	e.path = append(e.path, c)
	e.put = e.put.xor(nodeKey(c.at))
	e.unlink(c.at)
	if mate := e.nodes[c.at].mate; mate != 0 {
		e.unlink(mate)
	}
}

func nodeKey(at int32) key { return key{}.with(uint64(at)) }

func (e *engine) unlink(at int32) {
	n := e.nodes[at]
	e.nodes[n.prev].next, e.nodes[n.next].prev = n.next, n.prev
}

func (e *engine) relink(at int32) {
	n := e.nodes[at]
	e.nodes[n.prev].next, e.nodes[n.next].prev = at, at
}

// takeBack gives the present configuration up and undoes the last choice with all that was placed
// eagerly behind it. It returns the node to try instead, and false if no choice is left.
func (e *engine) takeBack() (int32, bool) {
	e.dead.add(e.configuration().with(uint64(e.vain)))
	for len(e.path) > 0 {
		last := len(e.path) - 1
		c := e.path[last]
		e.path = e.path[:last]
		if mate := e.nodes[c.at].mate; mate != 0 {
			e.relink(mate)
		}
		e.relink(c.at)
		e.put = e.put.xor(nodeKey(c.at))
		if !c.eager {
			e.s.undo(c.mark)
			e.vain = c.vain
			return e.nodes[c.at].next, true
		}
	}
	return 0, false
}

// exhibit holds the order that was found to what an order must be, without looking at how it was
// found: all that must be placed is, nothing stands behind what was called after its answer, and on
// a fresh state every answer comes out. If a guess was made on the way whose uid was whose, that is
// then assumed from the start; it returns false if it was wrong.
func (e *engine) exhibit() bool {
	latest, placed := uint64(0), 0
	for _, c := range e.path {
		n := e.nodes[c.at]
		if n.st.ret < latest {
			panic(fmt.Sprintf("linearizability: operation %d stands behind one called after its answer", n.st.ID))
		}
		latest = max(latest, n.st.call)
		if n.mate != 0 {
			placed++
		}
	}
	if 2*placed != e.needed {
		panic(fmt.Sprintf("linearizability: the search placed %d of %d operations", placed, e.needed/2))
	}
	e.sp.imprecise = false
	s, fits := e.replay()
	switch {
	case !fits:
		panic("linearizability: the order that the search found does not replay")
	case !e.sp.imprecise:
		return true
	}
	e.sp.imprecise = false
	e.sp.assume(s)
	_, fits = e.replay()
	return fits && !e.sp.imprecise
}

// replay goes through the order on a fresh state.
func (e *engine) replay() (*state, bool) {
	s := e.sp.initial()
	for _, c := range e.path {
		if _, fits := e.sp.step(s, e.nodes[c.at].st); !fits {
			return s, false
		}
	}
	return s, true
}
