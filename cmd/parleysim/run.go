package main

import (
	"fmt"
	"os"
	"runtime/debug"

	"github.com/spf13/cobra"

	"parley/sim"
)

// runCommand is `parleysim run`.
type runCommand struct {
	stdio
	conditions
	seed, plan, save string
	panics           bool
}

func newRun(io stdio) *cobra.Command {
	c := &runCommand{stdio: io}
	cmd := &cobra.Command{
		Use: "run --seed=SEED|--plan=FILE", Short: "Run one world",
		Long: "run runs one world, and prints it in one line, or what was found in it.\n\n" +
			"A seed is a number or any text, a commit id for example. A plan is a file that run --save or a\n" +
			"fleet has written, or somebody by hand.",
		RunE: func(*cobra.Command, []string) error { return c.run() },
	}
	f := cmd.Flags()
	c.flags(f, string(sim.Lite))
	f.StringVar(&c.seed, "seed", "", "the world of this seed")
	f.StringVar(&c.plan, "plan", "", "the world of the plan in `FILE`; - is standard input")
	f.StringVar(&c.save, "save", "", "write the plan to `FILE`, with faults aimed at whom they hit")
	f.BoolVar(&c.panics, "panics", false, "let a panic of a machine through, to see its stack")
	return cmd
}

func (c *runCommand) run() error {
	p, err := c.chosen(c.stdio, c.seed, c.plan)
	if err != nil {
		return err
	}
	var r sim.Result
	if c.panics {
		r = sim.RunWith(p, sim.Options{Without: c.noCheckers})
	} else {
		r = c.world(p, sim.Options{})
	}
	if c.save != "" {
		if err := os.WriteFile(c.save, r.Pinned.Encode(), 0o666); err != nil {
			return fmt.Errorf("save the plan: %w", err)
		}
	}
	if r.Failure != nil {
		fmt.Fprint(c.out, c.card(&r, c.repro(&p, c.plan)))
		return said(exitNo)
	}
	fmt.Fprintln(c.out, r.String())
	return nil
}

// chosen gives the plan of a seed or of a file, under the conditions.
func (c *conditions) chosen(io stdio, seed, file string) (sim.Plan, error) {
	if err := c.check(); err != nil {
		return sim.Plan{}, err
	}
	switch {
	case (seed == "") == (file == ""):
		return sim.Plan{}, usage("want either --seed or --plan")
	case file != "":
		p, err := readPlan(io, file)
		if err != nil {
			return p, err
		}
		return c.apply(p), nil
	}
	return c.plan(sim.SeedOf(seed)), nil
}

// repro is the command that runs a plan of a file, or of a seed.
func (c *conditions) repro(p *sim.Plan, file string) string {
	if file != "" {
		return fmt.Sprintf("go run ./cmd/parleysim run --plan=%s%s", file, c.words())
	}
	return c.again(p)
}

// card is what is said of a world in which something was found. It is run once more, with a tape.
func (c *conditions) card(r *sim.Result, repro string) string {
	told := sim.Case{Result: *r, Repro: repro, Build: build()}
	if f := r.Failure.Checker; f != crash && f != twin {
		told.Tape = &sim.Tape{}
		told.Result = guarded(r.Plan, sim.Options{Tape: told.Tape, Without: c.noCheckers})
	}
	return sim.Card(&told)
}

// build says which program this is.
func build() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return ""
	}
	text := info.GoVersion
	for _, s := range info.Settings {
		if s.Key == "vcs.revision" && len(s.Value) > 12 {
			text = "commit " + s.Value[:12] + " " + text
		}
	}
	return text
}
