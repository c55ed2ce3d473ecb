package linearizability

import (
	"cmp"
	"math/rand/v2"
	"slices"
	"testing"
)

// Positions sorted by counting are in the order of any other sort, dense or not.
func TestInLog(t *testing.T) {
	for seed := range uint64(200) {
		rng := rand.New(rand.NewPCG(seed, 1))
		top := []uint64{1, 40, 1 << 40}[seed%3]
		var list []*step
		for i := range rng.IntN(60) {
			call := &callDetails{op: []head{opSend, opList}[rng.IntN(2)]}
			list = append(list, &step{operation: &operation{callDetails: call, ID: uint64(i), call: rng.Uint64N(9)}, at: 1 + rng.Uint64N(top)})
		}
		want := slices.Clone(list)
		slices.SortStableFunc(want, func(a, b *step) int { return cmp.Or(compare(a.at, b.at), besides(a, b)) })
		if got := inLog(list); !slices.Equal(got, want) {
			t.Fatalf("seed %d: another order", seed)
		}
	}
}
