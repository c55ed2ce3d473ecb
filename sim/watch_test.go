package sim

import (
	"slices"
	"strings"
	"testing"
	"time"
)

// A canary fails whatever its seed, and by the checker that guards what a disk acknowledges.
func TestEveryCanaryDies(t *testing.T) {
	for seed := range uint64(25) {
		p := Canary(seed)
		if err := p.Check(); err != nil {
			t.Fatalf("seed %d: %v", seed, err)
		}
		if r := Run(p); r.Failure == nil || r.Failure.Checker != "durable-ack" {
			t.Errorf("seed %d: %v", seed, r.Failure)
		}
		if r := Run(p.lessFaults()); r.Failure != nil {
			t.Errorf("seed %d without its lie: %v", seed, r.Failure)
		}
	}
}

func (p Plan) lessFaults() Plan {
	p.Faults = nil
	return p
}

// No seed draws what is beyond what Parley promises, and a plan may hold it.
func TestNoSeedDrawsWhatIsBeyond(t *testing.T) {
	if slices.Contains(FaultKinds(), LyingDisk) {
		t.Errorf("%s is among the faults of seeds: %v", LyingDisk, FaultKinds())
	}
	for seed := range uint64(50) {
		for _, f := range Generate(seed, Std).Faults {
			if !slices.Contains(FaultKinds(), f.Kind) {
				t.Errorf("seed %d draws %v", seed, f)
			}
		}
	}
}

// Looking at a world at an event shows how everybody stands, and is not a failure; the same run goes
// to its end elsewhere.
func TestAWorldCanBeLookedAtHalfway(t *testing.T) {
	p := Generate(3, Lite)
	whole := Run(p)
	half := RunWith(p, Options{Until: whole.Stats.Events / 2})
	if half.Failure != nil || half.Stats.Events != whole.Stats.Events/2 {
		t.Fatalf("stopped after %d of %d events: %v", half.Stats.Events, whole.Stats.Events, half.Failure)
	}
	for _, who := range []string{"n1: ", "c0: ", "entries committed"} {
		if !strings.Contains(half.States, who) {
			t.Errorf("%q is not in\n%s", who, half.States)
		}
	}
	if again := RunWith(p, Options{Until: whole.Stats.Events / 2}); again.States != half.States {
		t.Errorf("looked at again:\n%s\nbefore:\n%s", again.States, half.States)
	}
}

// A checker that is not heard leaves what it would have said to the others. What a lying disk does is
// seen by several, an invariant of the machines among them.
func TestACheckerCanBeLeftOut(t *testing.T) {
	p := Canary(1)
	var spoke []string
	for range 10 {
		r := RunWith(p, Options{Without: spoke})
		if r.Failure == nil {
			break
		}
		if slices.Contains(spoke, r.Failure.Checker) {
			t.Fatalf("%s was left out and spoke: %v", r.Failure.Checker, r.Failure)
		}
		spoke = append(spoke, r.Failure.Checker)
	}
	if len(spoke) < 2 || !slices.Contains(spoke, "invariant") {
		t.Errorf("one after the other spoke: %q", spoke)
	}
}

// What panics in a machine ends the run with a failure: our invariants are a verdict, what the runtime
// finds is a crash.
func TestAPanicIsAFailure(t *testing.T) {
	for _, c := range []struct{ says, checker string }{
		{"raft: invariant broken: x", "invariant"},
		{"core/session: x", "invariant"},
		{"runtime error: index out of range [3] with length 3", "crash"},
		{"raft", "crash"},
	} {
		w := newWorld(calm(1), Options{})
		w.after(time.Second, "bug", 0, func() { panic(c.says) })
		w.guarded(false, func() { w.run(2 * time.Second) })
		if f := w.failure; f == nil || f.Checker != c.checker || f.Text != c.says || f.At != time.Second {
			t.Errorf("%q became %v, want %s", c.says, f, c.checker)
		}
	}
}

// A plan without a kind of fault has all others, with their own draws; what does not exist is refused.
func TestAKindOfFaultCanBeLeftOut(t *testing.T) {
	p := Generate(8, Std)
	for _, f := range p.Faults {
		less, err := p.Without(string(f.Kind), "loss")
		if err != nil {
			t.Fatal(err)
		}
		if len(less.Faults) == len(p.Faults) || less.Network.LossPpm != 0 {
			t.Errorf("without %s: %d of %d faults, loss %d", f.Kind, len(less.Faults), len(p.Faults), less.Network.LossPpm)
		}
		if r := Run(less); r.Stats.Faults[f.Kind] != 0 {
			t.Errorf("without %s it struck %d times", f.Kind, r.Stats.Faults[f.Kind])
		}
	}
	if _, err := p.Without("rain"); err == nil || !strings.Contains(err.Error(), `no fault "rain"`) {
		t.Errorf("without rain: %v", err)
	}
}
