package linearizability

import "slices"

// The search looks for any order at all. It looks at no position, so a server that hands out the
// wrong ones, or reads at them, cannot excuse itself.

// searched is how a search ended.
type searched uint8

const (
	foundOrder searched = iota
	foundNone
	guessed  // at its end, but it rests on a guess whose uid was whose
	gaveUp   // the budget is spent
	disputed // a bug of ours: the engine found none, porcupine an order
)

// search judges the components one after the other, until one fails. The budget comes
// on top of a share for each operation.
func (ev *evidence) search(budget int, stats *Stats) (searched, []*operation) {
	known, loose := ev.resolve()
	return ev.searchFor(append(known, ev.relevant(loose)...), budget, stats)
}

// search is the same without evidence, which only unknown outcomes need.
func (rec *record) search(budget int, stats *Stats) (searched, []*operation) {
	if slices.ContainsFunc(rec.ops, (*operation).unknown) {
		return newEvidence(rec).search(budget, stats)
	}
	return rec.searchFor(rec.ops, budget, stats)
}

// sharePerOperation is what each operation adds to the budget, in configurations. One without
// unknowns near it needs one, or less; the others take from their share.
const sharePerOperation = 16

// sought is what a search found, and where it stopped.
type sought struct {
	found searched
	part  []*operation
}

func (rec *record) searchFor(ops []*operation, budget int, stats *Stats) (searched, []*operation) {
	if rec.sought == nil {
		budget += sharePerOperation * len(ops)
		s := searcher{rules: rec.meta.Rules, expires: rec.expires, left: budget}
		parts := s.parts.partition(ops)
		rec.sought = s.components(parts, stats)
		stats.Components, stats.Search = len(parts), budget-s.left
	}
	return rec.sought.found, rec.sought.part
}

func (s *searcher) components(parts [][]*operation, stats *Stats) *sought {
	worst := &sought{found: foundOrder}
	for _, part := range parts {
		stats.Largest = max(stats.Largest, len(part))
		switch s.component(part) {
		case foundNone:
			return &sought{s.confirm(part, stats), part}
		case gaveUp, guessed:
			worst = &sought{gaveUp, part}
		}
	}
	return worst
}

// relevant drops the unknowns that no order needs: those without effect, and sends whose
// conversation has no place left for them below what was seen.
func (ev *evidence) relevant(loose []*operation) []*operation {
	room := map[uint64]bool{} // uid → in one of its conversations; 0: in any
	for conv, top := range ev.top {
		if ev.filled[conv] < top {
			room[0], room[conv[0]], room[conv[1]] = true, true, true
		}
	}
	var kept []*operation
	for _, o := range loose {
		if o.place() == 0 && (o.op == opSend && !room[ev.deviceUID[o.device]] || o.op == opPasswd) {
			continue
		}
		kept = append(kept, o)
	}
	return kept
}

type searcher struct {
	rules    Rules
	expires  []lapse
	engine   engine
	compiler compiler
	parts    parts
	left     int // configurations
}

// configsPerOperation is what an easy component needs, with room to spare.
const configsPerOperation = 2

// component searches one component. Unknown outcomes that nothing shows are left out at first,
// which is allowed and nearly always enough. But to prove that it is not enough can take forever
// where the search with them is easy, and the other way round, and so it is with more patience; so
// all take turns, each with twice what it had before.
func (s *searcher) component(part []*operation) searched {
	var known []*operation
	for _, o := range part {
		if o.ret != forever {
			known = append(known, o)
		}
	}
	if len(known) == len(part) {
		return s.part(part, s.left)
	}
	without, patience := gaveUp, 1
	for budget := configsPerOperation * len(part); s.left > 0; budget *= 2 {
		if without == gaveUp {
			without = foundOrder
			for _, sub := range s.parts.partition(known) {
				without = worse(without, s.part(sub, budget))
			}
		}
		if without == foundOrder {
			return foundOrder
		}
		s.load(part)
		for p := patience; p < patience+turns; p++ {
			found := s.search(budget, p)
			switch {
			case found == foundOrder || found != gaveUp && !s.engine.cut:
				return found
			case found != gaveUp && p == patience:
				patience++
			}
		}
	}
	return gaveUp
}

// turns is how many degrees of patience take turns.
const turns = 2

// worse of two parts of one component: if one has no order, the whole has none.
func worse(a, b searched) searched {
	if a == foundNone || b == foundNone {
		return foundNone
	}
	return max(a, b)
}

// part searches operations that belong together, all of them known.
func (s *searcher) part(ops []*operation, budget int) searched {
	s.load(ops)
	return s.search(budget, 0)
}

func (s *searcher) load(ops []*operation) { s.engine.load(s.compile(ops)) }

func (s *searcher) search(budget, patience int) searched {
	budget = min(budget, s.left)
	found := s.engine.search(budget, patience)
	s.left -= budget - s.engine.left
	precise := !s.engine.sp.imprecise
	if found == foundOrder {
		precise = s.engine.exhibit()
	}
	if found != gaveUp && !precise {
		return guessed
	}
	return found
}

func (s *searcher) compile(ops []*operation) (*spec, []step) {
	sp, steps := s.compiler.compile(s.rules, ops)
	if s.rules.Expiry == ExpiryLogged {
		sp.markLapsing(s.expires)
	}
	return sp, steps
}

// markLapsing notes whose leases ended some time: when, only positions could tell.
func (sp *spec) markLapsing(expires []lapse) {
	ended := map[int32]bool{}
	for _, e := range expires {
		ended[e.device] = true
	}
	sp.lapsing = make([]bool, len(sp.devices))
	for no, device := range sp.deviceOf {
		sp.lapsing[no] = ended[device]
	}
}
