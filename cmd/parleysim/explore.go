package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"parley/sim/explore"
)

func newExplore(io stdio) *cobra.Command {
	s := explore.Scope{}
	cmd := &cobra.Command{
		Use: "explore", Short: "Do everything that can happen in a small world",
		Long: "explore takes the real consensus machine through all that can happen among a few nodes, in every\n" +
			"order, within the bounds that the flags set. What is found is the shortest way to it.",
		RunE: func(*cobra.Command, []string) error {
			if err := s.Check(); err != nil {
				return usage("%w", err)
			}
			s.Name = "explore"
			r := explore.Run(s, func(r explore.Result) { fmt.Fprintf(io.err, "%v\n", &r) })
			fmt.Fprintf(io.out, "%v\n", &r)
			if r.Failure == nil {
				return nil
			}
			for i, step := range r.Failure.Path {
				fmt.Fprintf(io.out, "%3d  %s\n", i+1, step)
			}
			return said(exitNo)
		},
	}
	f := cmd.Flags()
	f.IntVar(&s.Nodes, "nodes", 3, "how many")
	for _, bound := range []struct {
		n     *int
		name  string
		usual int
		what  string
	}{
		{&s.Timeouts, "timeouts", 2, "so often somebody's patience ends"},
		{&s.Beats, "beats", 0, "so often a heartbeat's time passes"},
		{&s.Crashes, "crashes", 0, "so many crashes, with the save in flight kept or lost"},
		{&s.Again, "again", 0, "so many messages are delivered twice"},
		{&s.Lost, "lost", 0, "so many are lost (with --streams; without, any may never arrive)"},
		{&s.Commands, "commands", 1, "so many proposals"},
		{&s.Reads, "reads", 0, "so many reads"},
		{&s.Hints, "hints", 0, "so often a node hears that its leader is gone"},
		{&s.Transfers, "transfers", 0, "so many leaders hand over"},
		{&s.Depth, "depth", 0, "so many steps at most; 0: no bound"},
		{&s.States, "states", 0, "give up after so many states; 0: 20 million"},
	} {
		f.IntVar(bound.n, bound.name, bound.usual, bound.what)
	}
	f.BoolVar(&s.Instant, "instant", false, "disks finish at once")
	f.BoolVar(&s.Streams, "streams", false, "messages arrive in the order of their link")
	return cmd
}
