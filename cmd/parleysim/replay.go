package main

import (
	"bufio"
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"

	"parley/sim"
)

// replayCommand is `parleysim replay`.
type replayCommand struct {
	stdio
	conditions
	seed, plan, log string
	until           uint64
}

func newReplay(s stdio) *cobra.Command {
	c := &replayCommand{stdio: s}
	cmd := &cobra.Command{
		Use: "replay --plan=FILE|--seed=SEED", Short: "Look into a world",
		Long: "replay runs a world up to an event, prints how everybody stands there, and writes all that\n" +
			"happened before it to a file. Failures name the event at which they were found.",
		RunE: func(*cobra.Command, []string) error { return c.run() },
	}
	f := cmd.Flags()
	c.flags(f, string(sim.Lite))
	f.StringVar(&c.seed, "seed", "", "the world of this seed")
	f.StringVar(&c.plan, "plan", "", "the world of the plan in `FILE`; - is standard input")
	f.Uint64Var(&c.until, "until", 0, "stop after this many events `N` (default: the last one)")
	f.StringVar(&c.log, "log", "", "write what happens to `FILE`, an event a line")
	return cmd
}

func (c *replayCommand) run() error {
	p, err := c.chosen(c.stdio, c.seed, c.plan)
	if err != nil {
		return err
	}
	told := sim.Case{Tape: &sim.Tape{}, Repro: c.repro(&p, c.plan), Build: build()}
	told.Result = guarded(p, sim.Options{Until: c.until, Tape: told.Tape, Without: c.noCheckers})
	if c.log != "" {
		if err := writeFile(c.log, func(w io.Writer) error { return sim.WriteLog(w, &told) }); err != nil {
			return err
		}
	}
	switch r := &told.Result; {
	case r.Stopped != "":
		fmt.Fprint(c.out, r.Stopped)
	case r.Failure != nil:
		fmt.Fprint(c.out, sim.Card(&told))
		return said(exitNo)
	case c.until > r.Stats.Events:
		return usage("--until=%d: the world ends after %d events", c.until, r.Stats.Events)
	default:
		fmt.Fprintln(c.out, r.String())
	}
	return nil
}

// writeFile writes a file through a buffer.
func writeFile(name string, write func(io.Writer) error) error {
	f, err := os.Create(name)
	if err != nil {
		return err
	}
	defer f.Close()
	w := bufio.NewWriter(f)
	if err := write(w); err != nil {
		return fmt.Errorf("write %s: %w", name, err)
	}
	if err := w.Flush(); err != nil {
		return err
	}
	return f.Close()
}
