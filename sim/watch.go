package sim

import (
	"fmt"
	"slices"
	"strconv"
)

// What those who run worlds from outside need to know of them: which faults and marks there are, and
// what a plan is without some of them.

// SeedOf makes a seed of any text, a commit id for example; a number is itself.
func SeedOf(text string) uint64 {
	if n, err := strconv.ParseUint(text, 10, 64); err == nil {
		return n
	}
	return hashText(text)
}

// FaultKinds are all faults that the plan of a seed may hold.
func FaultKinds() []FaultKind {
	var kinds []FaultKind
	for _, f := range families() {
		if !f.byHand {
			kinds = append(kinds, f.kind)
		}
	}
	return kinds
}

// Checkers are the names of all checkers. Each counts how often it looks: Stats.Checks.
func Checkers() []string { return slices.Clone(checkerNames[:]) }

// Refusals are under which names else a run fails: a part of the world does not do what it is asked.
// Without the budget of events, which is not among them, a run may have no end.
func Refusals() []string { return []string{"client", "codec", "disk", "recovery"} }

// Marks are all marks there are. A sweep of ten thousand seeds that misses a common one has a hole.
func Marks() (common, rare []Mark) {
	for _, m := range marks() {
		if m.rare {
			rare = append(rare, m.mark)
		} else {
			common = append(common, m.mark)
		}
	}
	return common, rare
}

// Without is the plan without some kinds of faults, and without some accidents of its links:
// "loss", "dup", "slow" and "late". What is left happens as before, but for what those caused.
func (p Plan) Without(kinds ...string) (Plan, error) {
	known := FaultKinds()
	p.Faults = slices.Clone(p.Faults)
	for _, k := range kinds {
		if n := p.Network.rate(k); n != nil {
			*n = 0
			continue
		}
		if !slices.Contains(known, FaultKind(k)) {
			return p, fmt.Errorf("there is no fault %q; there are loss, dup, slow, late, %v", k, known)
		}
		p.Faults = slices.DeleteFunc(p.Faults, func(f Fault) bool { return f.Kind == FaultKind(k) })
	}
	return p, nil
}

// rate is where a network keeps how often an accident happens to a packet.
func (n *Network) rate(accident string) *uint32 {
	switch accident {
	case "loss":
		return &n.LossPpm
	case "dup":
		return &n.DupPpm
	case "slow":
		return &n.SlowPpm
	case "late":
		return &n.LatePpm
	}
	return nil
}
