package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"parley/sim"
)

const goodHeader = `id:       M99
class:    replication
source:   classic
needs:    loss,
          and delay
expects:  durable-ack

diff --git a/core/raft/log.go b/core/raft/log.go
--- a/core/raft/log.go
+++ b/core/raft/log.go
@@ -1,1 +1,1 @@
-a
+b: c
`

// A header says what a mutant is; one that says too little, or something unknown, is refused.
func TestMutantsHaveHeaders(t *testing.T) {
	m, err := parseMutant("sim/mutants/M99-a-bug-of-ours.patch", goodHeader)
	if err != nil {
		t.Fatal(err)
	}
	if m.needs != "loss, and delay" || m.title() != "a bug of ours" || len(m.packages) != 1 || m.packages[0] != "./core/raft" {
		t.Errorf("%+v, title %q", m, m.title())
	}
	for _, c := range []struct{ from, to, says string }{
		{"expects:  durable-ack\n", "", "lacks something"},
		{"source:", "sauce:", "header line"},
		{"id:       M99", "id:       M98", "not called after its id"},
		{"+++ b/core/raft/log.go\n", "", "changes nothing"},
	} {
		if _, err := parseMutant("M99-x.patch", strings.Replace(goodHeader, c.from, c.to, 1)); err == nil || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%q: %v, want %q", c.to, err, c.says)
		}
	}
}

// Every patch of the suite has a good header, and its page has the blocks that are generated.
func TestTheSuiteIsWellFormed(t *testing.T) {
	all, err := loadMutants("../../sim/mutants")
	if err != nil {
		t.Fatal(err)
	}
	for _, id := range sentinels {
		found := false
		for i := range all {
			found = found || all[i].id == id && all[i].survives == ""
		}
		if !found {
			t.Errorf("the sentinel %s is no mutant that dies", id)
		}
	}
	page, err := os.ReadFile("../../docs/mutants.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, block := range []string{"table", "ablation"} {
		if _, err := replaceBlock(string(page), block, "x"); err != nil {
			t.Error(err)
		}
	}
	if got, err := replaceBlock("a\n<!-- generated t -->\nold\n<!-- end -->\nb", "t", "new"); err != nil || strings.Contains(got, "old") || !strings.HasPrefix(got, "a\n") || !strings.HasSuffix(got, "\nb") {
		t.Errorf("%q, %v", got, err)
	}
}

// program is a fleet that says what a test wants, in place of a mutant.
func program(t *testing.T, script string) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "program")
	if err := os.WriteFile(name, []byte("#!/bin/sh\n"+script), 0o777); err != nil {
		t.Fatal(err)
	}
	return name
}

const (
	says0     = `echo '{"t":"seed","seed":0,"events":10}'` + "\n"
	says1     = `echo '{"t":"seed","seed":1,"events":20,"checker":"raft","text":"two leaders"}'` + "\n"
	saysOut   = `echo '{"t":"seed","seed":1,"events":20,"checker":"budget","text":"no end"}'` + "\n"
	says2     = `echo '{"t":"seed","seed":2,"events":30,"checker":"digest","text":"differs"}'` + "\n"
	saysEnd   = `echo '{"t":"summary"}'` + "\n"
	saysFrom2 = `case "$*" in *--seeds=2*) ` + says2 + saysEnd + `exit 1;; esac` + "\n"
)

// A hunt takes a checker's word for a kill, if the seed passes without the mutant. Running out of events,
// a process that dies and one that hangs are no verdict, and the hunt goes on behind that seed.
func TestWhatCountsAsAKill(t *testing.T) {
	passes1, passes2 := strings.Replace(says1, "raft", "", 1), strings.Replace(says2, "digest", "", 1)
	clean := program(t, "case \"$*\" in *--seeds=1-2*) "+passes1+passes2+";; *--seeds=2*) "+passes2+";; esac\n"+saysEnd)
	for _, c := range []struct {
		name, script, clean string
		kills, nothing      int
		first               string // checker of the first kill
	}{
		{"two seeds convict", says0 + says1 + says2 + saysEnd, clean, 2, 0, "raft"},
		{"one is out of events", says0 + saysOut + says2 + saysEnd, clean, 1, 1, "digest"},
		{"one ends the process", saysFrom2 + says0 + "echo fatal error >&2; exit 2\n", clean, 1, 1, "digest"},
		{"one hangs", saysFrom2 + says0 + "exec sleep 60\n", clean, 1, 1, "digest"},
		{"both fail without it, too", says0 + says1 + says2 + saysEnd, program(t, says1+says2+saysEnd), 0, 2, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			h := hunt{clean: c.clean, profile: "lite", patience: 2 * time.Second}
			b, err := h.seeds(t.Context(), program(t, c.script), []uint64{0, 1, 2}, false)
			if err != nil {
				t.Fatal(err)
			}
			if b.tried != 3 || len(b.kills) != c.kills || len(b.nothing) != c.nothing {
				t.Fatalf("tried %d, kills %+v, without a verdict %+v", b.tried, b.kills, b.nothing)
			}
			if c.kills > 0 && b.kills[0].Checker != c.first {
				t.Errorf("first spoke %s, want %s", b.kills[0].Checker, c.first)
			}
		})
	}
	h := hunt{clean: clean, profile: "lite", patience: time.Minute}
	if _, err := h.seeds(t.Context(), program(t, "echo bad flag >&2; exit 64\n"), []uint64{0}, false); err == nil || !strings.Contains(err.Error(), "bad flag") {
		t.Errorf("a program that does not understand: %v", err)
	}
}

// Seeds to kill follow from the share that kills, with Wilson's interval; no kill at all says something, too.
func TestSeedsToKill(t *testing.T) {
	for _, c := range []struct {
		k, n int
		want string
	}{
		{300, 300, "1 (1–1)"}, {150, 300, "1 (1–2)"}, {3, 300, "69 (24–204)"}, {1, 300, "208 (37–1178)"},
	} {
		if got := medianSeeds(c.k, c.n); got != c.want {
			t.Errorf("%d of %d: %s, want %s", c.k, c.n, got, c.want)
		}
	}
	if got := seedsWithout(300); got != "69" {
		t.Errorf("none of 300: more than %s, want 69", got)
	}
}

// A kill without a kind of fault shows that the fault is not needed; what is not counted has to be tried.
func TestWhatAKillDoesNotNeed(t *testing.T) {
	kills := []kill{
		{seedLine: seedLine{Faults: map[sim.FaultKind]int{"crash": 1, "pause": 2}, Packets: map[string]uint64{"loss": 3, "dup": 0}}},
		{seedLine: seedLine{Faults: map[sim.FaultKind]int{"crash": 1}, Packets: map[string]uint64{"loss": 1, "dup": 4}}},
	}
	for what, needless := range map[string]bool{"crash": false, "pause": true, "isolate": true, "loss": false, "dup": true, "slow": false} {
		if got := struckWithout(kills, what); got != needless {
			t.Errorf("%s: %t, want %t", what, got, needless)
		}
	}
}

// The curve counts who is alive after so many seeds, the tables who is found by one thing only.
func TestTablesOfMutants(t *testing.T) {
	dead := trial{m: &mutant{id: "M1", file: "M1-a-b.patch", expects: "raft"}, only: []string{"crash", "raft"},
		bag: &bag{tried: 4, kills: []kill{{nth: 2, seedLine: seedLine{Seed: 2, Checker: "raft"}}}}}
	alive := trial{m: &mutant{id: "M2", file: "M2-c.patch", expects: "digest"}, bag: &bag{tried: 4}}
	trials := []trial{dead, alive}
	if got := curveOf(trials, 4); !strings.HasSuffix(got, "| alive | 2 | 2 | 1 |\n") {
		t.Errorf("%s", got)
	}
	if got := ablationTable(trials); !strings.Contains(got, "| crash | M1 |") || !strings.Contains(got, "| raft | M1 |") || !strings.Contains(got, "| pause |  |") {
		t.Errorf("%s", got)
	}
	if got := dead.row(); !strings.HasPrefix(got, "| M1 | a b | 2 | 1 of 4 | ") {
		t.Errorf("%s", got)
	}
	if !dead.dead() || alive.dead() {
		t.Error("who is dead is not")
	}
}
