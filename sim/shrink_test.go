package sim

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"
)

// lyingAfterACrash is a world with a planted bug: once n2 has crashed, its disk reports saves that it does
// not keep.
func lyingAfterACrash(p Plan, o Options) *world {
	w := newWorld(p, o)
	crash := w.strikes[Crash]
	lie := crash
	lie.do = func(w *world, f Fault) {
		crash.do(w, f)
		if f.On == "n2" {
			w.server(2).disk.lies = true
		}
	}
	w.strikes[Crash] = lie
	return w
}

// planted is a plan that shows the bug above, among much else. A failed sync would be another way to it.
func planted(t *testing.T) Plan {
	t.Helper()
	for seed := range uint64(200) {
		p := Generate(seed, Lite)
		p.Faults = slices.DeleteFunc(p.Faults, func(f Fault) bool { // the only disk in trouble is the lying one
			return slices.ContainsFunc(diskFaults(), func(d family) bool { return d.kind == f.Kind })
		})
		crash := slices.ContainsFunc(p.Faults, func(f Fault) bool { return f.Kind == Crash && f.On == "n2" })
		if p, _ = p.Without(string(FsyncError)); crash && p.Voters == 3 && len(p.Faults) > 8 && len(p.Ops) > 100 {
			w := lyingAfterACrash(p, Options{})
			w.live()
			if w.failure != nil && w.failure.Checker == "durable-ack" {
				return p
			}
		}
	}
	t.Fatal("no seed shows the planted bug")
	return Plan{}
}

func tryPlanted(trials []Trial, good func(Result) bool) []Result {
	out := make([]Result, len(trials))
	for i, tr := range trials {
		w := lyingAfterACrash(tr.Plan, Options{Events: tr.Events})
		w.live()
		if out[i] = w.result(); good(out[i]) {
			break
		}
	}
	return out
}

// Of hundreds of things in a plan the minimizer leaves the one that matters, and says what it did.
func TestAPlantedBugIsMadeSmall(t *testing.T) {
	p := planted(t)
	s := Shrink(ShrinkOptions{Plan: p, Try: tryPlanted})
	now := &s.Now.Plan
	if !s.Whole || s.Now.Signature() != s.Signature || s.Now.Signature() != s.Was.Signature() {
		t.Fatalf("%q became %q, whole %t", s.Was.Signature(), s.Now.Signature(), s.Whole)
	}
	crash := func(f Fault) bool { return f.Kind == Crash && f.On == "n2" }
	if len(now.Faults) > 2 || !slices.ContainsFunc(now.Faults, crash) {
		t.Errorf("faults %v, want the crash of n2 and at most one more", now.Faults)
	}
	if len(now.Ops) > 1 || now.Voters > 3 || now.Chaos >= p.Chaos || !now.Still {
		t.Errorf("there is more to take away:\n%s", now.Encode())
	}
	if err := now.Check(); err != nil {
		t.Errorf("what is left is no plan: %v", err)
	}
	for _, o := range s.Others {
		if o.Signature() == s.Signature || o.Failure == nil {
			t.Errorf("among the others: %v", o.Failure)
		}
	}
	t.Logf("%d items became %d in %d trials", p.Items(), now.Items(), s.Tried)

	// It is the same search however trials are run: here from the last to the first.
	backwards := func(trials []Trial, _ func(Result) bool) []Result {
		out := make([]Result, len(trials))
		for i := len(trials) - 1; i >= 0; i-- {
			out[i] = tryPlanted(trials[i:i+1], func(Result) bool { return true })[0]
		}
		return out
	}
	again := Shrink(ShrinkOptions{Plan: p, Try: backwards})
	if !bytes.Equal(again.Now.Plan.Encode(), now.Encode()) || again.Tried != s.Tried {
		t.Errorf("tried backwards it becomes another plan, after %d trials instead of %d", again.Tried, s.Tried)
	}
}

// The search ends where the caller wants it to, with what it has.
func TestAMinimizerCanBeStopped(t *testing.T) {
	p := planted(t)
	few := Shrink(ShrinkOptions{Plan: p, Try: tryPlanted, Most: 5})
	if few.Whole || few.Tried > 5+batch || few.Now.Signature() != few.Signature {
		t.Errorf("of 5 trials: %d, whole %t", few.Tried, few.Whole)
	}
	calls := 0
	s := Shrink(ShrinkOptions{Plan: p, Try: func(trials []Trial, good func(Result) bool) []Result {
		if calls++; calls > 3 {
			return nil
		}
		return tryPlanted(trials, good)
	}})
	if s.Whole || calls > 4 || s.Now.Signature() != s.Signature {
		t.Errorf("called %d times after the end, whole %t", calls, s.Whole)
	}
	if s := Shrink(ShrinkOptions{Plan: calm(3)}); s.Signature != "" || s.Tried != 0 {
		t.Errorf("a plan that does not fail: %q, %d trials", s.Signature, s.Tried)
	}
}

// ddmin finds parts that only matter together, wherever they are.
func TestThinKeepsWhatBelongsTogether(t *testing.T) {
	for _, want := range [][]uint64{{}, {1}, {40}, {1, 40}, {3, 17, 18, 33}} {
		p := calm(1)
		p.Faults = nil
		for id := range uint64(40) {
			p.Faults = append(p.Faults, Fault{ID: id + 1, Kind: PowerCut, At: Span(time.Hour)})
		}
		try := func(trials []Trial, _ func(Result) bool) []Result {
			var out []Result
			for _, tr := range trials {
				var ids []uint64
				for _, f := range tr.Plan.Faults {
					ids = append(ids, f.ID)
				}
				r := Result{Plan: tr.Plan}
				if !slices.ContainsFunc(want, func(id uint64) bool { return !slices.Contains(ids, id) }) {
					r.Failure = &Failure{Checker: "test", Rule: "all of them"}
				}
				out = append(out, r)
			}
			return out
		}
		s := shrinker{o: ShrinkOptions{Try: try, Most: 10_000}, out: Shrunk{Signature: "test | all of them",
			Now: Result{Plan: p, Failure: &Failure{Checker: "test", Rule: "all of them"}}}}
		s.thinFaults()
		var left []uint64
		for _, f := range s.plan().Faults {
			left = append(left, f.ID)
		}
		if !slices.Equal(left, want) && len(left)+len(want) > 0 {
			t.Errorf("left %v, want %v", left, want)
		}
	}
}

// A kept plan is a file that can be read again and says what it showed.
func TestAKeptPlanIsAPlan(t *testing.T) {
	s := Shrink(ShrinkOptions{Plan: planted(t), Try: tryPlanted})
	name, p := s.Keep()
	again, err := ReadPlan(bytes.NewReader(p.Encode()))
	if err != nil || !samePlan(&again, &p) {
		t.Errorf("%v\n%s", err, p.Encode())
	}
	if !strings.HasPrefix(name, "durable-ack-") || !strings.HasSuffix(name, ".json") || !strings.Contains(p.Note, "disk") {
		t.Errorf("it is called %q, its note is %q", name, p.Note)
	}
}

// Two failures of one kind have one signature, whatever their ids, numbers and names; others have another.
func TestSignatures(t *testing.T) {
	same := [][2]string{
		{"n1 commits entry 78 of term 2, on 1 of 3 disks", "n3 commits entry 5 of term 11, on 2 of 5 disks"},
		{`number 3 of device e3ad3ef0 was answered "E_A" at 5`, `number 41 of device 01ab was answered "" at 17`},
		{"c3 at 7 got event 9: gap", "c0 at 71 got event 91: gap"},
	}
	for _, s := range same {
		if a, b := ruleOf("x", s[0]), ruleOf("x", s[1]); a != b {
			t.Errorf("%q and %q", a, b)
		}
	}
	state := "two minutes after all healed: c%d: up true, member %t, entering false, item %d of 4"
	if a, b := ruleOf("liveness", fmt.Sprintf(state, 1, true, 3)), ruleOf("liveness", fmt.Sprintf(state, 2, false, 4)); a != b {
		t.Errorf("%q and %q", a, b)
	}
	for text, want := range map[string]Who{"n3: entry c1 is lost": {'n', 3}, "entry 4 of c12's, at n1": {'c', 12}, "nobody leads": {}, "": {}} {
		if got := firstNamed(text); got != want {
			t.Errorf("%q names %v first, want %v", text, got, want)
		}
	}
	for _, s := range [][2]string{
		{"n1 commits entry 78 of term 2, on 1 of 3 disks", "n1 commits entry 78, which nobody began to save"},
		{"two leaders in term 3: n1 and n2", "n1 votes for n2 and n3 in term 3"},
	} {
		if a, b := ruleOf("x", s[0]), ruleOf("x", s[1]); a == b {
			t.Errorf("%q for both %q and %q", a, s[0], s[1])
		}
	}
}
