package linearizability

import (
	"time"

	"github.com/anishathalye/porcupine"
)

// The search looks for any order at all. It looks at no position, so a server that hands out the
// wrong ones, or reads at them, cannot excuse itself.

// backstop ends a search that the budget did not end. It is far beyond what the budget allows, so
// that the verdict does not depend on the machine.
const backstop = 10 * time.Minute

// A searched part is one of: found an order, found that there is none, gave up.
type searched uint8

const (
	foundOrder searched = iota
	foundNone
	gaveUp
)

// search judges the components one after the other and returns the worst of them. Unknown
// outcomes that nothing shows are left out at first, which is allowed and nearly always enough;
// only where that fails are they searched over.
func (ev *evidence) search(budget int, stats *Stats) (searched, []*operation) {
	known, loose := ev.resolve()
	s := searcher{rules: ev.meta.Rules, expires: ev.expires, left: budget}
	defer func() { stats.Search += budget - s.left }()
	parts := partition(known)
	stats.Components = len(parts)
	failed := map[*operation]bool{}
	for _, part := range parts {
		stats.Largest = max(stats.Largest, len(part))
		switch s.part(part) {
		case gaveUp:
			return gaveUp, part
		case foundNone:
			failed[part[0]] = true
		}
	}
	if len(failed) == 0 {
		return foundOrder, nil
	}
	worst, culprit := foundOrder, []*operation(nil)
	for _, part := range partition(append(known, ev.relevant(loose)...)) {
		if !containsAny(part, failed) {
			continue
		}
		switch s.part(part) {
		case foundNone:
			return foundNone, part
		case gaveUp:
			worst, culprit = gaveUp, part
		}
	}
	return worst, culprit
}

func containsAny(part []*operation, set map[*operation]bool) bool {
	for _, o := range part {
		if set[o] {
			return true
		}
	}
	return false
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

// part runs porcupine on one component. Porcupine has no budget of its own, so the steps are
// counted here; when they are used up nothing fits any more, and the search unwinds.
func (s *searcher) part(ops []*operation) searched {
	sp, steps := compile(s.rules, ops)
	if s.rules.Expiry == ExpiryLogged {
		sp.lapsing = make([]bool, len(sp.devices))
		for _, e := range s.expires {
			if no, known := sp.deviceNo[e.Dev]; known {
				sp.lapsing[no] = true
			}
		}
	}
	history := make([]porcupine.Operation, len(steps))
	for i := range steps {
		o := steps[i].operation
		history[i] = porcupine.Operation{
			ClientId: int(o.P), Input: &steps[i], Call: stamp(o.call), Return: stamp(o.ret),
		}
	}
	spent := false
	model := porcupine.Model{
		Init: func() any { return sp.initial() },
		Step: func(from, input, _ any) (bool, any) {
			if s.left <= 0 {
				spent = true
				return false, from
			}
			s.left--
			next := from.(*state).clone()
			_, ok := sp.step(next, input.(*step))
			return ok, next
		},
		Equal: func(a, b any) bool { return a.(*state).equal(b.(*state)) },
		Hash:  func(a any) uint64 { return a.(*state).hash },
	}
	result := porcupine.CheckOperationsTimeout(model, history, backstop)
	switch {
	case sp.imprecise:
		return gaveUp
	case result == porcupine.Ok:
		return foundOrder
	case result == porcupine.Illegal && !spent:
		return foundNone
	}
	return gaveUp
}

// stamp keeps a time within porcupine's signed ones; forever stays the last.
func stamp(t uint64) int64 { return int64(min(t, 1<<63-1)) }
