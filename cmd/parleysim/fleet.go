package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"runtime"
	"strings"
	"sync"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"parley/sim"
)

// fleet is `parleysim fleet`: many worlds on all cores. Whatever the number of workers, what it says of
// a set of seeds is the same, but for the time it took.
type fleet struct {
	stdio
	conditions
	text  string // of --seeds
	seeds seedSet
	jobs  int
	out   string // directory for plans that fail
	json  bool
	each  bool
	first bool
	blind bool // no canary
	large bool // failures are left as they are
	most  int  // plans tried to make one small
}

func newFleet(io stdio) *cobra.Command {
	c := &fleet{stdio: io}
	cmd := &cobra.Command{
		Use: "fleet --seeds=A-B", Short: "Run many worlds on all cores",
		Long: `fleet runs the worlds of many seeds, and sums them up. Failures that look alike are told once, and the
first of each is made small; with --out, its plan as it struck, the small one and a page about it are
kept.

A fleet fails if a world does, and also if it does not test what it should: if more than a tenth of
its worlds answer less than a fifth of what clients try, or show the judge too little; if in 10,000
worlds or more a common mark is never reached, a kind of fault never strikes, or a checker never looks. One world beside the
seeds is a canary, in which a disk lies: if nobody notices, the fleet is blind.

On a terminal it shows how far it is; elsewhere it writes a JSON object a line: "failure" for each new
one, "progress" every half minute, "seed" for each world with --each, and "summary" at the end.
Ctrl+C ends it early, with the summary of what ran.`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if !cmd.Flags().Changed("json") {
				c.json = !isTerminal(io.out)
			}
			return c.run(cmd.Context())
		},
	}
	f := cmd.Flags()
	c.flags(f, mixed)
	f.StringVar(&c.text, "seeds", "", "the worlds of these seeds: `A-B`, or a list such as 1-5,9")
	f.IntVar(&c.jobs, "jobs", runtime.GOMAXPROCS(0), "worlds at a time")
	f.StringVar(&c.out, "out", "", "keep the plans of failures in `DIR`")
	f.BoolVar(&c.json, "json", false, "write JSON, a line each (default: unless on a terminal)")
	f.BoolVar(&c.each, "each", false, "tell of each world")
	f.BoolVar(&c.first, "first", false, "stop after the first failure")
	f.BoolVar(&c.large, "no-shrink", false, "leave failures as they are found")
	f.IntVar(&c.most, "most", 0, "try `N` plans at most to make one small (default: as many as package sim thinks right)")
	f.BoolVar(&c.blind, "no-canary", false, "run without a canary")
	return cmd
}

func isTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}

func (c *fleet) check() (err error) {
	if c.text == "" {
		return usage("fleet needs --seeds=A-B")
	}
	if c.seeds, err = parseSeeds(c.text); err != nil {
		return err
	}
	if c.jobs < 1 {
		return usage("--jobs=%d: want at least 1", c.jobs)
	}
	return c.conditions.check()
}

func (c *fleet) run(ctx context.Context) error {
	if err := c.check(); err != nil {
		return err
	}
	if c.out != "" {
		if err := os.MkdirAll(c.out, 0o777); err != nil {
			return err
		}
	}
	t := newTally(&c.conditions)
	voice := c.voice(t)
	if !c.blind {
		t.Canary = c.canary()
	}
	var failed error
	start := time.Now()
	for o := range c.outcomes(ctx) {
		isNew := t.add(&o)
		if isNew && failed == nil {
			failed = c.keep(t, &o)
		}
		voice.outcome(&o, isNew)
		if failed != nil || c.first && o.failure != nil {
			break
		}
	}
	t.close(time.Since(start), ctx.Err() != nil)
	if failed == nil && !c.large {
		failed = c.shrinkAll(ctx, t, voice)
	}
	voice.summary()
	switch {
	case failed != nil:
		return failed
	case t.Canary == canaryLived:
		return &exitError{exitBlind, fmt.Errorf("the canary lived: this fleet sees nothing"), "parleysim run --plan on a plan with a lying-disk fault shows why"}
	case t.Interrupted:
		return said(exitInterrupted)
	case len(t.Failures) > 0 || len(t.Holes) > 0:
		return said(exitNo)
	}
	return nil
}

// shrinkAll makes the first of each kind of failure small. What is no verdict, and what two runs show
// only together, stays as it is.
func (c *fleet) shrinkAll(ctx context.Context, t *tally, voice *voice) error {
	for _, f := range t.Failures {
		if f.Checker == crash || f.Checker == budget || f.Checker == twin || len(c.noCheckers) > 0 || ctx.Err() != nil {
			continue
		}
		s := shrink(ctx, f.pinned, c.jobs, c.most)
		if s.Signature == "" {
			continue // the plan as it struck fails no more: told as it was found
		}
		now := sizeOf(&s.Now.Plan)
		f.Small = &now
		if c.out != "" {
			if err := c.keepSmall(f, &s); err != nil {
				return err
			}
		}
		voice.shrunk(f, &s)
	}
	return nil
}

// keepSmall writes a small plan, and the page about it.
func (c *fleet) keepSmall(f *failure, s *sim.Shrunk) error {
	base := strings.TrimSuffix(f.Plan, ".json")
	f.SmallPlan = base + "-small.json"
	if err := os.WriteFile(f.SmallPlan, s.Now.Plan.Encode(), 0o666); err != nil {
		return fmt.Errorf("keep a small plan: %w", err)
	}
	told := sim.Case{Tape: &sim.Tape{}, Was: s, Repro: c.repro(&s.Now.Plan, f.SmallPlan), Build: build()}
	told.Result = guarded(s.Now.Plan, sim.Options{Tape: told.Tape})
	return writeFile(base+".html", func(w io.Writer) error { return sim.WriteReport(w, &told) })
}

// canary runs the world that must fail, from its own written plan, as whoever repeats a failure would.
func (c *fleet) canary() string {
	var first uint64
	for first = range c.seeds.all() {
		break
	}
	p := sim.Canary(first)
	r := c.world(p, sim.Options{})
	if r.Failure == nil {
		return canaryLived
	}
	again, err := decode(r.Pinned.Encode())
	if err != nil {
		return canaryLived
	}
	if second := c.world(again, sim.Options{}); second.Signature() != r.Signature() {
		return canaryLived
	}
	return "died of " + r.Failure.Checker
}

const canaryLived = "lived"

// outcome is what became of one world, without what takes memory.
type outcome struct {
	order   int
	seed    uint64
	profile sim.Profile
	stats   sim.Stats
	asked   int // operations of the plan, without rests
	vacuous bool
	trace   uint64
	failure *sim.Failure
	sign    string   // its signature
	pinned  sim.Plan // if it failed
}

// try runs the world of a seed.
func (c *conditions) try(order int, seed uint64) outcome {
	p := c.plan(seed)
	r := c.world(p, sim.Options{})
	o := outcome{order: order, seed: seed, profile: p.Profile, stats: r.Stats, vacuous: r.Vacuous, trace: r.Trace, failure: r.Failure}
	for _, op := range p.Ops {
		if op.Kind != sim.DoRest {
			o.asked++
		}
	}
	if r.Failure != nil {
		o.sign, o.pinned = r.Signature(), r.Pinned
	}
	return o
}

// outcomes runs all worlds, some at a time, and gives what became of them in the order of the seeds.
// When the caller has heard enough, or ctx ends, no further world begins.
func (c *fleet) outcomes(ctx context.Context) func(yield func(outcome) bool) {
	return func(yield func(outcome) bool) {
		ctx, cancel := context.WithCancel(ctx)
		type task struct {
			order int
			seed  uint64
		}
		tasks, done := make(chan task), make(chan outcome, c.jobs)
		var workers sync.WaitGroup
		workers.Go(func() {
			defer close(tasks)
			order := 0
			for seed := range c.seeds.all() {
				select {
				case tasks <- task{order, seed}:
					order++
				case <-ctx.Done():
					return
				}
			}
		})
		for range c.jobs {
			workers.Go(func() {
				for t := range tasks {
					done <- c.try(t.order, t.seed)
				}
			})
		}
		go func() {
			workers.Wait()
			close(done)
		}()
		inOrder(done, yield)
		cancel()
		for range done { // worlds under way end by themselves
		}
	}
}

// inOrder gives outcomes on in the order of their seeds, until nobody wants more.
func inOrder(done <-chan outcome, yield func(outcome) bool) {
	waiting, next := map[int]outcome{}, 0
	for o := range done {
		waiting[o.order] = o
		for {
			o, ok := waiting[next]
			if !ok {
				break
			}
			delete(waiting, next)
			next++
			if !yield(o) {
				return
			}
		}
	}
}
