package sim

import (
	"bytes"
	"strings"
	"testing"
)

// A plan that was written and read again is the same plan, and runs the same.
func TestAPlanSurvivesItsFile(t *testing.T) {
	for _, profile := range []Profile{Lite, Std, Long} {
		for seed := range uint64(20) {
			p := Generate(seed, profile)
			if err := p.Check(); err != nil {
				t.Fatalf("seed %d %s: what was generated is refused: %v", seed, profile, err)
			}
			again, err := ReadPlan(bytes.NewReader(p.Encode()))
			if err != nil {
				t.Fatalf("seed %d %s: %v\n%s", seed, profile, err, p.Encode())
			}
			if !bytes.Equal(again.Encode(), p.Encode()) {
				t.Errorf("seed %d %s: written twice, and differs", seed, profile)
			}
			if profile == Lite && seed < 3 {
				if a, b := Run(p), Run(again); a.Trace != b.Trace {
					t.Errorf("seed %d: trace %016x, from the file %016x", seed, a.Trace, b.Trace)
				}
			}
		}
	}
}

// What struck is a plan of its own, which no longer depends on who leads, and runs the same.
func TestThePinnedPlanRunsTheSame(t *testing.T) {
	for seed := range uint64(12) {
		r := Run(Generate(seed, Lite))
		for _, f := range r.Pinned.Faults {
			if kind, _ := f.On.place(); f.On != "" && kind == 0 {
				t.Errorf("seed %d: %v is not pinned", seed, f)
			}
		}
		if again := Run(r.Pinned); again.Stats.Faults.String() != r.Stats.Faults.String() || again.Failure != nil {
			t.Errorf("seed %d: faults %v, pinned %v, %v", seed, r.Stats.Faults, again.Stats.Faults, again.Failure)
		}
	}
}

// Plans that make no sense are refused, with the reason.
func TestBadPlansAreRefused(t *testing.T) {
	p := Generate(1, Lite)
	good := string(p.Encode())
	for _, c := range []struct{ from, to, why string }{
		{`"format": 1`, `"format": 9`, "its format is 9"},
		{`"format": 1`, `"colour": 1`, "unknown field"},
		{`"voters": `, `"voters": 9`, "voters, want 1 to 7"},
		{`"chaos": "8s"`, `"chaos": "-8s"`, "negative"},
		{`"chaos": "8s"`, `"chaos": "soon"`, "invalid duration"},
		{`"chaos": "8s"`, `"chaos": "800000h"`, "want at most"},
		{`"window": `, `"window": -`, "window"},
		{`"op":"send"`, `"op":"sing"`, `no op "sing"`},
		{`"client":1`, `"client":60`, "no client 60"},
		{`"faults": [`, `"faults": [{"id":1,"at":"1s","kind":"flood"},`, `no fault "flood"`},
		{`"faults": [`, `"faults": [{"id":1,"at":"1s","kind":"crash","on":"n9"},`, "want a replica"},
		{`"faults": [`, `"faults": [{"id":1,"at":"1s","kind":"crash","on":"n"},`, "want a replica"},
		{`"faults": [`, `"faults": [{"id":1,"at":"1s","kind":"crash"},`, "want somebody"},
		{`"faults": [`, `"faults": [{"id":1,"at":"1s","kind":"client-crash","on":"n1"},`, "want a client"},
		{"{", "[", "read a plan"},
	} {
		bad := strings.Replace(good, c.from, c.to, 1)
		if bad == good {
			t.Errorf("%s is not in the plan", c.from)
		}
		if _, err := ReadPlan(strings.NewReader(bad)); err == nil || !strings.Contains(err.Error(), c.why) {
			t.Errorf("%s: %v, want %q", c.to, err, c.why)
		}
	}
	if _, err := ReadPlan(strings.NewReader(good + good)); err == nil {
		t.Error("two plans in a file are read as one")
	}
}

func FuzzReadPlan(f *testing.F) {
	p := Generate(1, Lite)
	f.Add(p.Encode())
	f.Add([]byte(`{"format":1}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		p, err := ReadPlan(bytes.NewReader(data))
		if err != nil {
			return
		}
		if _, err := ReadPlan(bytes.NewReader(p.Encode())); err != nil {
			t.Errorf("what was read is not read again: %v", err)
		}
	})
}
