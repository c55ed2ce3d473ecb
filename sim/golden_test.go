package sim

import (
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"
)

var rewriteFlag = flag.Bool("rewrite", false, "with TestGolden: write testdata/traces.golden anew")

const goldenFile = "testdata/traces.golden"

// goldenSeeds are few, because every architecture runs them, some of them slowly.
var goldenSeeds = []struct {
	profile Profile
	seed    uint64
}{{Lite, 1}, {Lite, 2}, {Lite, 3}, {Lite, 5}, {Lite, 8}, {Lite, 13}, {Std, 1}, {Std, 2}}

// A seed has the same trace on every architecture, whatever the runtime is told: .ci/determinism runs
// this test on all that the machine has. What changes worlds changes the file:
//
//	go test ./sim -run TestGolden -count=1 -rewrite
func TestGolden(t *testing.T) {
	var b strings.Builder
	for _, g := range goldenSeeds {
		r := Run(Generate(g.seed, g.profile))
		fmt.Fprintf(&b, "%s %d: %d events, trace %016x\n", g.profile, g.seed, r.Stats.Events, r.Trace)
	}
	if *rewriteFlag {
		if err := os.WriteFile(goldenFile, []byte(b.String()), 0o666); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(goldenFile)
	if err != nil {
		t.Fatal(err)
	}
	if got := b.String(); got != string(want) {
		t.Errorf("these worlds are others than in %s; if they are meant to be, run\n"+
			"\tgo test ./sim -run TestGolden -count=1 -rewrite\ngot\n%swant\n%s", goldenFile, got, want)
	}
}
