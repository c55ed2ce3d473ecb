package linearizability

import (
	"testing"
)

var allRules = []Rules{
	{LoginExclusive, ExpiryNever}, {LoginExclusive, ExpiryLogged}, {LoginExclusive, ExpiryAny},
	{LoginMulti, ExpiryNever},
}

// No false alarm: what a correct server shows passes, by both engines.
func TestLegalWorldsPass(t *testing.T) {
	for seed := range uint64(1500) {
		rules := allRules[seed%4]
		plan := worldPlan{
			clients: 3 + int(seed%6), ops: 60, accounts: 2 + int(seed%5),
			unknown: int(seed % 3 * 6), resolve: seed%2 == 0, entries: seed%5 < 2, feeds: true,
		}
		h := newWorld(seed, rules, plan).run()
		r := Check(h, Options{Certificate: true, Search: true})
		if r.Verdict != Pass {
			t.Fatalf("seed %d, %+v, %+v:\n%v\n%+v", seed, rules, plan, r, r.Stats)
		}
	}
}
