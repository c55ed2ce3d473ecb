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

// Servers with a bug, or streams, or a clock.
var plantedServers = []struct {
	flaw  string
	rules Rules
}{
	{"takeover leaves the old device working", never0.Rules},
	{"the session is checked when the call arrives", never0.Rules},
	{"logout leaves the device open", never0.Rules},
	{"logout keeps the lease", never0.Rules},
	{"login keeps the epoch", never0.Rules},
	{"two devices at once", never0.Rules},
	{"leases end by a local clock", never0.Rules},
	{"delete leaves devices open", multi().Rules},
	{"delete keeps the name", never0.Rules},
	{"names are not folded", never0.Rules},
	{"a name taken twice", never0.Rules},
	{"a page begins at its cursor", never0.Rules},
	{"anybody reads", never0.Rules},
	{"stale reads", never0.Rules},
	{"an acknowledged message is lost", never0.Rules},
	{"messages change places", never0.Rules},
	{"a retry applied twice", never0.Rules},
	{"the cursor falls", never0.Rules},
	{"the cursor runs ahead", never0.Rules},
	{"pushes with a gap", never0.Rules},
	{"pushes renumbered over a gap", never0.Rules},
	{"pushes twice", never0.Rules},
	{"pushes altered", never0.Rules},
	{"pushes at another position", never0.Rules},
	{"pushes after the end", never0.Rules},
	{"a stream stops", never0.Rules},
}

// Every bug planted in a server is found, by the certificate and by the search alone, within a few
// seeds. What the feeds alone can show is marked.
func TestPlantedServers(t *testing.T) {
	for _, p := range plantedServers {
		found := [2]int{}
		const seeds = 40
		for seed := range uint64(seeds) {
			plan := worldPlan{clients: 4, ops: 60, accounts: 3, unknown: int(seed % 2 * 6), resolve: true, feeds: true, flaw: p.flaw}
			h := newWorld(seed, p.rules, plan).run()
			for i, o := range []Options{{Certificate: true}, {Search: true}} {
				if r := Check(h, o); r.Verdict > Unknown {
					found[i]++
				}
			}
		}
		t.Logf("%-45s certificate %2d, search %2d of %d", p.flaw, found[0], found[1], seeds)
		onlyClaimed := p.flaw == "pushes at another position" || p.flaw == "a stream stops" || p.flaw == "pushes after the end"
		if found[0] == 0 || found[1] == 0 && !onlyClaimed {
			t.Errorf("%s: not found: %v", p.flaw, found)
		}
	}
}

// BenchmarkCheck is what the simulator pays for every seed.
func BenchmarkCheck(b *testing.B) {
	for _, o := range []struct {
		name string
		Options
	}{{"certificate", Options{Certificate: true}}, {"search", Options{Search: true}}} {
		b.Run(o.name, func(b *testing.B) {
			var list []*History
			for seed := range uint64(96) {
				list = append(list, newWorld(seed, allRules[seed%4], worldPlan{
					clients: 3 + int(seed%6), ops: 300, accounts: 5, unknown: int(seed % 3 * 4), resolve: true, feeds: true,
				}).run())
			}
			b.ResetTimer()
			for i := range b.N {
				h := list[i%len(list)]
				if r := Check(h, o.Options); r.Verdict != Pass {
					b.Fatal(i, r)
				}
			}
		})
	}
}
