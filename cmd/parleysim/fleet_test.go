package main

import (
	"context"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"parley/sim"
)

// A fleet sums up what its worlds came to, its canary dies, and the number of workers makes no
// difference to what it says.
func TestAFleetSaysTheSameWithAnyNumberOfWorkers(t *testing.T) {
	var first []map[string]any
	for _, jobs := range []int{1, 3} {
		r := parleysim(t, "fleet", "--seeds=0-2,5,7", "--each", "--twin", fmt.Sprintf("--jobs=%d", jobs))
		if r.code != exitOK {
			t.Fatalf("exit %d\n%s%s", r.code, r.out, r.err)
		}
		all := lines(t, r.out)
		sum := all[len(all)-1]
		delete(sum, "s")
		if first == nil {
			first = all
		} else if got, want := fmt.Sprint(all), fmt.Sprint(first); got != want {
			t.Errorf("with %d jobs:\n%s\nwith one:\n%s", jobs, got, want)
		}
		if len(all) != 6 || sum["t"] != "summary" || sum["seeds"] != 5.0 || sum["canary"] != "died of durable-ack" {
			t.Errorf("%d lines, the last: %v", len(all), sum)
		}
		if got := fmt.Sprint(sum["profiles"]); got != "map[lite:4 std:1]" {
			t.Errorf("profiles are %s", got)
		}
		events := 0.0
		for _, l := range all[:5] {
			events += l["events"].(float64)
		}
		if sum["events"] != events || events == 0 {
			t.Errorf("%v events, the worlds have %v", sum["events"], events)
		}
	}
}

// On a terminal, or if so wanted, it speaks in words.
func TestAFleetSpeaksInWords(t *testing.T) {
	r := parleysim(t, "fleet", "--seeds=1-3", "--json=false", "--each")
	for _, want := range []string{"seed 2 lite: ", "worlds     3 (3 lite)", "canary     died", "so         nothing found"} {
		if r.code != exitOK || !strings.Contains(r.out, want) {
			t.Errorf("exit %d, want %q in\n%s%s", r.code, want, r.out, r.err)
		}
	}
}

// If nobody sees the canary's lie, the fleet says that it is blind, whatever else it saw.
func TestABlindFleetIsNoticed(t *testing.T) {
	deaf := append(sim.Checkers(), sim.Refusals()...)
	args := []string{"fleet", "--seeds=1", "--no-checker=" + strings.Join(deaf, ",")}
	r := parleysim(t, args...)
	if r.code != exitBlind || !strings.Contains(r.err, "the canary lived") {
		t.Errorf("without %q: exit %d\n%s%s", deaf, r.code, r.out, r.err)
	}
	if r := parleysim(t, append(args, "--no-canary")...); r.code != exitOK {
		t.Errorf("without a canary: exit %d\n%s%s", r.code, r.out, r.err)
	}
}

// An interrupted fleet gives the summary of what ran.
func TestAnInterruptedFleetSumsUp(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	r := parleysimIn(ctx, "", "fleet", "--seeds=1-100000000")
	all := lines(t, r.out)
	sum := all[len(all)-1]
	if r.code != exitInterrupted || sum["t"] != "summary" || sum["interrupted"] != true || sum["seeds"].(float64) < 1 {
		t.Errorf("exit %d, %v, %s", r.code, sum, r.err)
	}
}

// failing is an outcome as a world with a lying disk has it.
func failing(order int, seed uint64) outcome {
	p := sim.Canary(seed)
	r := sim.Run(p)
	return outcome{order: order, seed: seed, profile: p.Profile, stats: r.Stats, failure: r.Failure, sign: r.Signature(), pinned: r.Pinned}
}

// What looks alike is one failure, told by its first seed, with a plan that shows it again.
func TestFailuresThatLookAlikeAreOne(t *testing.T) {
	c := fleet{out: t.TempDir()}
	sum := newTally(&c.conditions)
	signs := map[string]bool{}
	for i := range 6 {
		o := failing(i, uint64(i))
		if isNew := sum.add(&o); isNew == signs[o.sign] {
			t.Errorf("seed %d, %q: new %t", i, o.sign, isNew)
		} else if isNew {
			if err := c.keep(sum, &o); err != nil {
				t.Fatal(err)
			}
		}
		signs[o.sign] = true
	}
	count := 0
	for _, f := range sum.Failures {
		count += f.Count
		if r := parleysim(t, "run", "--plan="+f.Plan); r.code != exitNo || !strings.Contains(r.out, "FAIL "+f.Checker) {
			t.Errorf("the plan kept of seed %d: exit %d\n%s%s", f.Seed, r.code, r.out, r.err)
		}
	}
	if len(sum.Failures) != len(signs) || count != 6 || len(signs) == 6 {
		t.Errorf("%d failures of %d worlds, %d signatures", len(sum.Failures), count, len(signs))
	}
	kept, err := filepath.Glob(filepath.Join(c.out, "*.json"))
	if err != nil || len(kept) != len(signs) {
		t.Errorf("kept: %q, %v", kept, err)
	}
}

// A fleet that does not test what it should has holes, and they are counted.
func TestAFleetThatTestsLittleHasHoles(t *testing.T) {
	dull := func(n int, o outcome) *tally {
		sum := newTally(&conditions{})
		sum.add(&o)
		sum.Seeds, sum.Low, sum.Vacuous = uint64(n), n*sum.Low, n*sum.Vacuous // as if so many had been like it
		sum.close(time.Second, false)
		return sum
	}
	common, _ := sim.Marks()
	marks := map[sim.Mark]int{}
	for _, m := range common {
		marks[m] = 1
	}
	faults := map[sim.FaultKind]int{}
	for _, k := range sim.FaultKinds() {
		faults[k] = 1
	}
	var looked sim.Evaluations
	for i := range looked {
		looked[i] = 1
	}
	good := outcome{stats: sim.Stats{Attempts: 10, Acknowledged: 2, Faults: faults, Marks: marks, Checks: looked}}
	for _, c := range []struct {
		name  string
		n     int
		alter func(o *outcome)
		says  string
	}{
		{"all is well", manySeeds, func(*outcome) {}, ""},
		{"little is answered", enoughSeeds, func(o *outcome) { o.stats.Acknowledged = 1 }, "answer less than a fifth"},
		{"the judge sees little", enoughSeeds, func(o *outcome) { o.vacuous = true }, "show the judge too little"},
		{"few worlds are no fleet", enoughSeeds - 1, func(o *outcome) { o.vacuous = true }, ""},
		{"a mark is missing", manySeeds, func(o *outcome) { o.stats.Marks = nil }, fmt.Sprintf("reached the mark %q", common[0])},
		{"a fault is missing", manySeeds, func(o *outcome) { o.stats.Faults = nil }, "no fault \"crash\" struck"},
		{"a checker sleeps", manySeeds, func(o *outcome) { o.stats.Checks[0] = 0 }, fmt.Sprintf("the checker %q never looked", sim.Checkers()[0])},
		{"few worlds may miss a mark", manySeeds - 1, func(o *outcome) { o.stats.Marks = nil }, ""},
	} {
		o := good
		c.alter(&o)
		holes := dull(c.n, o).Holes
		if c.says == "" && len(holes) > 0 || c.says != "" && !slices.ContainsFunc(holes, func(h string) bool { return strings.Contains(h, c.says) }) {
			t.Errorf("%s: %q, want %q", c.name, holes, c.says)
		}
	}
	sum := newTally(&conditions{noFaults: []string{"crash"}})
	o := good
	o.stats.Faults = map[sim.FaultKind]int{}
	sum.add(&o)
	sum.Seeds = manySeeds
	sum.close(time.Second, false)
	if slices.ContainsFunc(sum.Holes, func(h string) bool { return strings.Contains(h, `"crash"`) }) {
		t.Errorf("a fault that was left out is missed: %q", sum.Holes)
	}
}

// Novelty grows with marks and with pairs of marks that one world reaches.
func TestNoveltyCountsPairs(t *testing.T) {
	sum := newTally(&conditions{})
	for seed, marks := range [][]sim.Mark{{"a"}, {"b"}, {"a", "b"}, {"a", "b"}, {"a", "b", "c"}, {"c"}} {
		o := outcome{seed: uint64(seed), stats: sim.Stats{Marks: map[sim.Mark]int{}}}
		for _, m := range marks {
			o.stats.Marks[m] = 3
		}
		sum.add(&o)
	}
	sum.close(time.Second, false)
	want := []novelty{{1, 1, 0}, {2, 2, 0}, {4, 2, 1}, {6, 3, 3}}
	if !slices.Equal(sum.Novelty, want) || sum.Newest != 4 || sum.Marks["a"] != 4 {
		t.Errorf("%v, newest %d, marks %v", sum.Novelty, sum.Newest, sum.Marks)
	}
}

// A plan that struck a world is made small by any number of workers in the same way.
func TestTrialsComeBackInOrder(t *testing.T) {
	var trials []sim.Trial
	for seed := range uint64(8) {
		p := sim.Canary(seed)
		if seed%4 != 3 {
			p.Faults = nil
		}
		trials = append(trials, sim.Trial{Plan: p})
	}
	bad := func(r sim.Result) bool { return r.Failure != nil }
	for _, jobs := range []int{1, 3} {
		results := tryAll(t.Context(), trials, bad, jobs)
		for i := range 4 {
			if results[i].Plan.Seed != uint64(i) || bad(results[i]) != (i == 3) {
				t.Errorf("%d jobs: trial %d came back as seed %d, %v", jobs, i, results[i].Plan.Seed, results[i].Failure)
			}
		}
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if got := tryAll(ended, trials, bad, 2); got != nil {
		t.Errorf("interrupted: %d results, want none", len(got))
	}
}

// What the runtime refuses is a failure of that world alone.
func TestACrashEndsOneWorld(t *testing.T) {
	p := sim.Canary(1)
	p.Voters = -1 // ReadPlan would have refused it
	if r := guarded(p, sim.Options{}); r.Failure == nil || r.Failure.Checker != crash {
		t.Errorf("%v", r.Failure)
	}
}
