package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"runtime"
	"sync"
	"sync/atomic"

	"github.com/spf13/cobra"

	"parley/sim"
)

// shrinkCommand is `parleysim shrink`, and `parleysim report`, which shrinks first if so wanted.
type shrinkCommand struct {
	stdio
	conditions
	seed, plan string
	out        string // the small plan
	html, log  string
	jobs, most int
	json       bool
}

func newShrink(io stdio) *cobra.Command {
	c := &shrinkCommand{stdio: io}
	cmd := &cobra.Command{
		Use: "shrink --plan=FILE|--seed=SEED", Short: "Make a failing world small",
		Long: "shrink looks for the smallest plan that fails in the same way, and tells it. Ctrl+C ends the\n" +
			"search with the smallest so far. It exits with 1, as run would, because the world still fails.",
		RunE: func(cmd *cobra.Command, _ []string) error { return c.run(cmd.Context(), true) },
	}
	c.common(cmd)
	f := cmd.Flags()
	f.StringVar(&c.out, "out", "", "write the small plan to `FILE`")
	f.StringVar(&c.html, "html", "", "write a page about it to `FILE`")
	f.BoolVar(&c.json, "json", false, "print the size of the small plan as JSON")
	f.IntVar(&c.most, "most", 0, "try `N` plans at most (default: as many as package sim thinks right)")
	f.IntVar(&c.jobs, "jobs", runtime.GOMAXPROCS(0), "worlds at a time")
	return cmd
}

func newReport(io stdio) *cobra.Command {
	c := &shrinkCommand{stdio: io}
	cmd := &cobra.Command{
		Use: "report --plan=FILE|--seed=SEED", Short: "Draw a world",
		Long: "report writes what happened in a world, failing or not, as a page that needs no network and no\n" +
			"other file, or as a log with a line for each event and a column for each node.",
		RunE: func(cmd *cobra.Command, _ []string) error {
			if c.html == "" && c.log == "" {
				return usage("report needs --html=FILE or --log=FILE")
			}
			return c.run(cmd.Context(), false)
		},
	}
	c.common(cmd)
	f := cmd.Flags()
	f.StringVar(&c.html, "html", "", "write the page to `FILE`")
	f.StringVar(&c.log, "log", "", "write the log to `FILE`")
	return cmd
}

func (c *shrinkCommand) common(cmd *cobra.Command) {
	f := cmd.Flags()
	c.flags(f, string(sim.Lite))
	_ = f.MarkHidden("twin")       // two runs say nothing here
	_ = f.MarkHidden("no-checker") // what is left out cannot be what is told
	f.StringVar(&c.seed, "seed", "", "the world of this seed")
	f.StringVar(&c.plan, "plan", "", "the world of the plan in `FILE`; - is standard input")
}

func (c *shrinkCommand) run(ctx context.Context, small bool) error {
	if len(c.noCheckers) > 0 || c.twin {
		return usage("--no-checker and --twin mean nothing here")
	}
	p, err := c.chosen(c.stdio, c.seed, c.plan)
	if err != nil {
		return err
	}
	told := sim.Case{Tape: &sim.Tape{}, Repro: c.repro(&p, c.plan), Report: c.html, Log: c.log, Build: build()}
	if small {
		s := shrink(ctx, p, c.jobs, c.most)
		if s.Signature == "" {
			return fmt.Errorf("nothing is wrong in this world: %s", s.Was.String())
		}
		told.Was, p = &s, s.Now.Plan
		if c.json {
			return c.sizes(&s)
		}
		if c.out != "" {
			if err := os.WriteFile(c.out, p.Encode(), 0o666); err != nil {
				return fmt.Errorf("write the plan: %w", err)
			}
			told.Repro = c.repro(&p, c.out)
		}
	}
	told.Result = guarded(p, sim.Options{Tape: told.Tape})
	return c.tell(&told)
}

// tell writes the files that are wanted, and prints the card.
func (c *shrinkCommand) tell(told *sim.Case) error {
	for _, file := range []struct {
		name  string
		write func(io.Writer, *sim.Case) error
	}{{c.html, sim.WriteReport}, {c.log, sim.WriteLog}} {
		if file.name == "" {
			continue
		}
		if err := writeFile(file.name, func(w io.Writer) error { return file.write(w, told) }); err != nil {
			return err
		}
	}
	if told.Result.Failure == nil {
		fmt.Fprintln(c.stdio.out, told.Result.String())
		return nil
	}
	fmt.Fprint(c.stdio.out, sim.Card(told))
	return said(exitNo)
}

// size is how large a plan is.
type size struct {
	Faults     int `json:"faults"`
	Ops        int `json:"ops"`
	Deviations int `json:"deviations,omitempty"`
	Replicas   int `json:"replicas"`
	Clients    int `json:"clients"`
}

func sizeOf(p *sim.Plan) size {
	return size{len(p.Faults), len(p.Ops), len(p.Deviations), p.Voters, p.Clients}
}

// sizes prints what was and what is.
func (c *shrinkCommand) sizes(s *sim.Shrunk) error {
	v := voice{out: c.stdio.out}
	v.line(struct {
		V         int    `json:"v"`
		T         string `json:"t"`
		Signature string `json:"signature"`
		Was       size   `json:"was"`
		Now       size   `json:"now"`
		Tried     int    `json:"tried"`
	}{1, "shrunk", s.Signature, sizeOf(&s.Was.Plan), sizeOf(&s.Now.Plan), s.Tried})
	return said(exitNo)
}

// shrink makes a plan small on so many cores.
func shrink(ctx context.Context, p sim.Plan, jobs, most int) sim.Shrunk {
	return sim.Shrink(sim.ShrinkOptions{Plan: p, Most: most, Try: func(trials []sim.Trial, good func(sim.Result) bool) []sim.Result {
		return tryAll(ctx, trials, good, jobs)
	}})
}

// tryAll runs trials, some at a time and those in front first, until one is good and all before it have
// been run. When ctx ends it gives none, which ends the search.
func tryAll(ctx context.Context, trials []sim.Trial, good func(sim.Result) bool, jobs int) []sim.Result {
	results := make([]sim.Result, len(trials))
	var next, best atomic.Int64
	best.Store(int64(len(trials)))
	var workers sync.WaitGroup
	for range min(jobs, len(trials)) {
		workers.Go(func() {
			for i := next.Add(1) - 1; i < best.Load() && ctx.Err() == nil; i = next.Add(1) - 1 {
				results[i] = trials[i].Run()
				if good(results[i]) {
					lower(&best, i)
				}
			}
		})
	}
	workers.Wait()
	if ctx.Err() != nil {
		return nil
	}
	return results
}

// lower sets v to n if that is less.
func lower(v *atomic.Int64, n int64) {
	for was := v.Load(); n < was && !v.CompareAndSwap(was, n); was = v.Load() {
	}
}
