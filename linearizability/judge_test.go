package linearizability

import (
	"math/rand/v2"
	"slices"
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

// A legal history stays legal when less is known about it.
func TestMetamorphic(t *testing.T) {
	changes := []struct {
		name   string
		change func(*rand.Rand, *History)
	}{
		{"reads dropped", dropReads},
		{"commands weakened", weaken},
		{"stamps stretched", stretch},
		{"accounts renamed", rename},
		{"positions taken away", stripPositions},
		{"feeds dropped", func(_ *rand.Rand, h *History) {
			drop(h, func(e *Event) bool { return e.E == Sub || e.E == Push || e.E == Ack || e.E == Close })
		}},
	}
	for seed := range uint64(240) {
		rules := allRules[seed%4]
		plan := worldPlan{clients: 3 + int(seed%4), ops: 40, accounts: 3, unknown: int(seed % 3 * 4), resolve: true, feeds: true}
		h := newWorld(seed, rules, plan).run()
		c := changes[int(seed/4)%len(changes)]
		c.change(rand.New(rand.NewPCG(seed, 9)), h)
		for _, o := range []Options{{}, {Search: true}} {
			if r := Check(h, o); r.Verdict != Pass {
				t.Errorf("seed %d, %s:\n%v\n%s", seed, c.name, r, dump(h))
			}
		}
	}
}

func drop(h *History, out func(*Event) bool) {
	var kept []Event
	for i := range h.Events[:len(h.Events)-1] {
		if e := &h.Events[i]; !out(e) {
			kept = append(kept, *e)
		}
	}
	end := h.Events[len(h.Events)-1].T
	h.Events = kept
	h.End(end)
}

func dropReads(rng *rand.Rand, h *History) {
	gone := map[uint64]bool{}
	drop(h, func(e *Event) bool {
		if e.E == Inv && (e.Op == OpHistory || e.Op == OpList) {
			gone[e.ID] = rng.IntN(2) == 0
		}
		return gone[e.ID]
	})
}

// weaken forgets some answers; the process that waited for one is retired.
func weaken(rng *rand.Rand, h *History) {
	process, retired := map[uint64]uint64{}, map[uint64]uint64{}
	for i := range h.Events {
		e := &h.Events[i]
		switch {
		case e.E == Inv:
			process[e.ID] = e.P
			if p, ok := retired[e.P]; ok {
				e.P = p
			}
		case (e.E == OK || e.E == Err) && rng.IntN(20) == 0:
			*e = Event{E: Info, ID: e.ID, T: e.T}
			retired[process[e.ID]] = 1000 + e.ID
		}
	}
}

func stretch(rng *rand.Rand, h *History) {
	t := uint64(0)
	for i := range h.Events {
		if e := &h.Events[i]; e.E != Entry {
			t += 1 + uint64(rng.IntN(1000))
			e.T = t
		}
	}
}

// rename keeps the order of the keys, for pages show it.
func rename(_ *rand.Rand, h *History) {
	to := func(name string) string {
		if name == "" {
			return ""
		}
		return name + "x"
	}
	for i := range h.Events {
		e := &h.Events[i]
		if e.E != Inv && e.E != OK {
			continue
		}
		e.Name, e.To, e.AfterKey = to(e.Name), to(e.To), to(e.AfterKey)
		e.Names = slices.Clone(e.Names)
		for j, name := range e.Names {
			e.Names[j] = to(name)
		}
	}
}

func stripPositions(_ *rand.Rand, h *History) {
	h.Meta = withoutPositions(h.Meta)
	for i := range h.Events {
		e := &h.Events[i]
		e.Pos = 0
		e.Rows = slices.Clone(e.Rows)
		for j := range e.Rows {
			e.Rows[j].Pos = 0
		}
	}
}
