package sim

import (
	"flag"
	"slices"
	"testing"
	"time"

	lin "parley/linearizability"
)

var tinyFlag = flag.String("tiny", "", "with -history: run the tiny world of this name")

// tinyWorlds are worlds whose histories are small enough for the judge's brute force: two people,
// few commands, close together. Their histories are kept in linearizability/testdata/tiny.
var tinyWorlds = map[string]struct {
	seed    uint64
	multi   bool
	keep    int // of the faults that the seed drew
	scripts [2][]OpKind
}{
	"talk":     {3, false, 0, [2][]OpKind{{DoSend, DoSend, DoHistory}, {DoSend, DoList}}},
	"recreate": {5, false, 0, [2][]OpKind{{DoSend, DoSend, DoHistory}, {DoSend, DoDelete, DoSend}}},
	"logout":   {8, false, 0, [2][]OpKind{{DoSend, DoHistory, DoSend}, {DoSend, DoLogout, DoHistory}}},
	"cursors":  {8, false, 0, [2][]OpKind{{DoSend}, {DoLogout, DoLogout}}},
	"takeover": {9, false, 0, [2][]OpKind{{DoSend, DoHistory}, {DoTakeover, DoSend}}},
	"multi":    {11, true, 0, [2][]OpKind{{DoSend, DoHistory}, {DoTakeover, DoSend}}},
	"faults":   {23, false, 4, [2][]OpKind{{DoSend, DoSend, DoSend, DoHistory}, {DoSend, DoHistory}}},
}

func tiny(t *testing.T, name string) Plan {
	t.Helper()
	world, ok := tinyWorlds[name]
	if !ok {
		t.Fatalf("there is no tiny world %q", name)
	}
	p := Generate(world.seed, Lite)
	p.Clients, p.Voters, p.Multi, p.Password = 2, 3, world.multi, false
	p.Knobs.Window, p.Knobs.Lease, p.Knobs.MaxQueue = 1, Span(time.Hour), 10_000
	p.Faults = p.Faults[:min(world.keep, len(p.Faults))]
	for i := range p.Faults {
		p.Faults[i].At = Span(time.Duration(i+1) * 300 * time.Millisecond)
	}
	p.Ops, p.Liveness = nil, Liveness{}
	p.Faults = slices.DeleteFunc(p.Faults, func(f Fault) bool { return p.checkFault(f) != nil })
	for c, kinds := range world.scripts {
		for i, k := range kinds {
			op := Op{ID: uint64(c*100 + i + 1), Client: c, Kind: k, To: 1 - c, Rest: Span(time.Millisecond)}
			switch k {
			case DoDelete, DoLogout, DoTakeover:
				op.Rest = Span(2 * time.Second) // there is something to lose
			}
			p.Ops = append(p.Ops, op)
		}
	}
	return p
}

// Tiny worlds are worlds: nothing is found in them, and their histories are as small as promised.
// One of them is written with
//
//	go test ./sim -run TestTinyWorlds -count=1 -tiny=talk -history=FILE
func TestTinyWorlds(t *testing.T) {
	for name := range tinyWorlds {
		if *tinyFlag != "" && name != *tinyFlag {
			continue
		}
		r := Run(tiny(t, name))
		if r.Failure != nil {
			t.Errorf("%s: %v", name, r.Failure)
		}
		ops := 0
		for _, e := range r.History.Events {
			if e.E == lin.Inv {
				ops++
			}
		}
		t.Logf("%s: %d operations, %v", name, ops, r.Stats.Faults)
		if ops < 8 || ops > 18 {
			t.Errorf("%s: %d operations", name, ops)
		}
		if *tinyFlag != "" && *fileFlag != "" {
			writeHistory(t, *fileFlag, &r)
		}
	}
}
