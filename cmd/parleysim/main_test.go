package main

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"parley/sim"
)

// result is what a command came to.
type result struct {
	code     int
	out, err string
}

func parleysim(t testing.TB, args ...string) result {
	t.Helper()
	return parleysimIn(t.Context(), "", args...)
}

func parleysimIn(ctx context.Context, in string, args ...string) result {
	var out, err bytes.Buffer
	code := run(ctx, args, stdio{strings.NewReader(in), &out, &err})
	return result{code, out.String(), err.String()}
}

// file writes a file of the test.
func file(t testing.TB, name, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(text), 0o666); err != nil {
		t.Fatal(err)
	}
	return path
}

// lines are JSON objects, one a line.
func lines(t testing.TB, out string) []map[string]any {
	t.Helper()
	var all []map[string]any
	for line := range strings.Lines(out) {
		var one map[string]any
		if err := json.Unmarshal([]byte(line), &one); err != nil {
			t.Fatalf("%v: %s", err, line)
		}
		all = append(all, one)
	}
	return all
}

// What is typed wrong, and what cannot be read, has an exit code and one line that says what.
func TestWrongUsageHasItsCode(t *testing.T) {
	canary := sim.Canary(1)
	plan := file(t, "plan.json", string(canary.Encode()))
	for _, c := range []struct {
		args string
		code int
		says string
	}{
		{"nonsense", exitUsage, `unknown command "nonsense"`},
		{"run", exitUsage, "either --seed or --plan"},
		{"run --seed=1 --plan=" + plan, exitUsage, "either --seed or --plan"},
		{"run --sneed=1", exitUsage, "--sneed"},
		{"run 5", exitUsage, `takes no argument "5"`},
		{"run --seed=1 --profile=huge", exitUsage, "--profile=huge"},
		{"run --seed=1 --no-fault=rain", exitUsage, `no fault "rain"`},
		{"run --seed=1 --no-checker=budget", exitUsage, "--no-checker=budget: want one of"},
		{"run --seed=1 --codec=xml", exitUsage, "--codec=xml"},
		{"run --plan=/nowhere/plan.json", exitNoInput, "no such file"},
		{"run --plan=" + file(t, "empty.json", ""), exitData, "read a plan"},
		{"run --plan=" + file(t, "other.json", `{"format":1,"seed":3}`), exitData, "0 voters"},
		{"run --plan=" + file(t, "twice.json", strings.Repeat(string(canary.Encode()), 2)), exitData, "more in the file"},
		{"fleet", exitUsage, "--seeds=A-B"},
		{"fleet --seeds=9-1", exitUsage, "--seeds=9-1"},
		{"fleet --seeds=1-2,x", exitUsage, "--seeds=1-2,x"},
		{"fleet --seeds=1-2 --jobs=0", exitUsage, "--jobs=0"},
		{"replay --seed=1 --until=99999999", exitUsage, "the world ends after"},
		{"shrink --seed=1 --no-checker=order", exitUsage, "mean nothing here"},
		{"shrink --seed=1", exitNo, "nothing is wrong in this world"},
		{"mutants --seeds=0", exitUsage, "want at least 1"},
		{"mutants M01 --table", exitUsage, "--table wants all mutants"},
		{"explore --nodes=9", exitUsage, "9 nodes"},
		{"report --seed=1", exitUsage, "--html=FILE or --log=FILE"},
	} {
		r := parleysim(t, strings.Fields(c.args)...)
		if r.code != c.code || !strings.HasPrefix(r.err, "parleysim: ") || !strings.Contains(r.err, c.says) || r.out != "" {
			t.Errorf("%s: exit %d, want %d with %q\nstdout %s\nstderr %s", c.args, r.code, c.code, c.says, r.out, r.err)
		}
	}
}

// Help is there for every command, and names its flags.
func TestEveryCommandHasHelp(t *testing.T) {
	r := parleysim(t)
	if r.code != exitOK {
		t.Fatalf("without arguments: exit %d, %s", r.code, r.err)
	}
	for _, c := range newRoot(stdio{}).Commands() {
		if c.Short == "" || !strings.Contains(r.out, c.Name()) {
			t.Errorf("%s is not in\n%s", c.Name(), r.out)
		}
		if h := parleysim(t, c.Name(), "--help"); h.code != exitOK || !strings.Contains(h.out, "Flags:") {
			t.Errorf("%s --help: exit %d\n%s", c.Name(), h.code, h.out)
		}
	}
}

// One world is one line; the same world from the plan that was saved goes the same way.
func TestARunIsALine(t *testing.T) {
	plan := filepath.Join(t.TempDir(), "plan.json")
	r := parleysim(t, "run", "--seed=3", "--twin", "--save="+plan)
	if r.code != exitOK || !strings.HasPrefix(r.out, "seed 3: ") || strings.Count(r.out, "\n") != 1 {
		t.Fatalf("exit %d\n%s%s", r.code, r.out, r.err)
	}
	text, err := os.ReadFile(plan)
	if err != nil {
		t.Fatal(err)
	}
	again := parleysim(t, "run", "--plan="+plan)
	piped := parleysimIn(t.Context(), string(text), "run", "--plan=-")
	if again.code != exitOK || again.out != piped.out {
		t.Errorf("from a file: exit %d %s%s\nfrom standard input: exit %d %s%s", again.code, again.out, again.err, piped.code, piped.out, piped.err)
	}
	if r := parleysim(t, "run", "--plan="+plan, "--codec=wire", "--twin"); r.out != again.out {
		t.Errorf("through the wire:\n%s%scopied:\n%s", r.out, r.err, again.out)
	}
	text1, text2 := parleysim(t, "run", "--seed=5c1e90aa"), parleysim(t, "run", "--seed=5c1e90ab")
	if text1.code != exitOK || text1.out == text2.out {
		t.Errorf("two texts are two seeds: %s%s", text1.out, text2.out)
	}
}

// A world in which something is found ends with 1, and says how to see it again.
func TestAFailureIsACard(t *testing.T) {
	canary := sim.Canary(1)
	plan := file(t, "canary.json", string(canary.Encode()))
	r := parleysim(t, "run", "--plan="+plan)
	if r.code != exitNo || !strings.HasPrefix(r.out, "FAIL durable-ack: ") || r.err != "" {
		t.Fatalf("exit %d\n%s%s", r.code, r.out, r.err)
	}
	found := sim.Run(canary).Failure
	until := parleysim(t, "replay", "--plan="+plan, "--until=500")
	if until.code != exitOK || !strings.Contains(until.out, "event 500") || !strings.Contains(until.out, "n3 ") {
		t.Errorf("replay: exit %d\n%s%s", until.code, until.out, until.err)
	}
	if r := parleysim(t, "run", "--plan="+plan, "--no-checker="+found.Checker); strings.Contains(r.out, "FAIL "+found.Checker) {
		t.Errorf("%s was left out and spoke: %s", found.Checker, r.out)
	}
	if r := parleysim(t, "run", "--plan="+plan, "--twin", "--no-fault=crash"); r.code != exitNo {
		t.Errorf("--no-fault=crash took the lie away: %s", r.out)
	}
}

// All that can happen between two nodes is looked at, and a bound that is reached is told.
func TestASmallWorldIsExplored(t *testing.T) {
	r := parleysim(t, "explore", "--nodes=2", "--timeouts=1", "--commands=1")
	if r.code != exitOK || !strings.Contains(r.out, "EXHAUSTED") {
		t.Errorf("exit %d\n%s%s", r.code, r.out, r.err)
	}
	if r := parleysim(t, "explore", "--states=10"); r.code != exitOK || !strings.Contains(r.out, "stopped") {
		t.Errorf("exit %d\n%s%s", r.code, r.out, r.err)
	}
}

// Lists of seeds are what they say, without overflow at their end.
func TestSeedsAreListsOfRanges(t *testing.T) {
	for text, want := range map[string][]uint64{
		"7": {7}, "0-3": {0, 1, 2, 3}, "1-2,9,4-5": {1, 2, 9, 4, 5},
		"18446744073709551614-18446744073709551615": {1<<64 - 2, 1<<64 - 1},
	} {
		set, err := parseSeeds(text)
		if err != nil {
			t.Errorf("%s: %v", text, err)
		}
		var got []uint64
		for s := range set.all() {
			got = append(got, s)
		}
		if len(got) != len(want) || uint64(len(want)) != set.count() {
			t.Errorf("%s: %d, want %d", text, got, want)
			continue
		}
		for i := range want {
			if got[i] != want[i] {
				t.Errorf("%s: %d, want %d", text, got, want)
			}
		}
	}
	for _, bad := range []string{"", "-", "1-", "-1", "3-2", "1,,2", "a-b", "1-2-3"} {
		if set, err := parseSeeds(bad); err == nil {
			t.Errorf("%q is taken for %v", bad, set)
		}
	}
}
