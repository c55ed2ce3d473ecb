// Command parleysim runs simulated worlds: one, or many on all cores; looks into them, makes failing
// ones small, and measures how many planted bugs they find.
//
// What a world is, and what is checked in it, is in package sim; this is files, processes, cores and
// words around it. Every failure passes through one place, report, which prints it and picks the exit
// code.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime/debug"
	"strings"
	"syscall"

	"github.com/spf13/cobra"

	"parley/sim"
)

func main() {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(800) // a world is small and soon gone
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second Ctrl+C ends at once
	os.Exit(run(ctx, os.Args[1:], stdio{os.Stdin, os.Stdout, os.Stderr}))
}

// stdio is where a command reads and writes.
type stdio struct {
	in       io.Reader
	out, err io.Writer
}

// Exit codes.
const (
	exitOK          = 0
	exitNo          = 1  // something was found, or an error without a better number
	exitUsage       = 64 // wrong usage
	exitData        = 65 // a file is no plan
	exitNoInput     = 66 // a file could not be read
	exitBlind       = 70 // the canary lived: what was said of other worlds means nothing
	exitInterrupted = 130
)

// exitError is an error with its exit code and, when there is one, a remedy. Without a text, all has
// been said.
type exitError struct {
	code int
	err  error
	hint string
}

func (e *exitError) Error() string { return e.err.Error() }
func (e *exitError) Unwrap() error { return e.err }

func usage(format string, args ...any) error {
	return &exitError{code: exitUsage, err: fmt.Errorf(format, args...)}
}

// said ends a command whose output has told why.
func said(code int) error { return &exitError{code: code, err: errors.New("")} }

// run is the program without the process.
func run(ctx context.Context, args []string, io stdio) int {
	root := newRoot(io)
	root.SetArgs(args)
	return report(root.ExecuteContext(ctx), io.err)
}

// report prints an error and picks the exit code.
func report(err error, w io.Writer) int {
	if err == nil {
		return exitOK
	}
	code, hint := exitNo, ""
	var exit *exitError
	switch {
	case errors.As(err, &exit):
		code, hint = exit.code, exit.hint
	case errors.Is(err, context.Canceled):
		code, err = exitInterrupted, errors.New("interrupted")
	case strings.HasPrefix(err.Error(), "unknown command"):
		code, hint = exitUsage, "parleysim help shows all commands"
	}
	if text := err.Error(); text != "" {
		fmt.Fprintf(w, "parleysim: %s\n", text)
	}
	if hint != "" {
		fmt.Fprintf(w, "hint: %s\n", hint)
	}
	return code
}

func newRoot(io stdio) *cobra.Command {
	root := &cobra.Command{
		Use:   "parleysim",
		Short: "Run simulated worlds",
		Long: "parleysim runs whole Parleys, servers and clients, in virtual time and from a seed, with faults\n" +
			"injected and everything checked.\n\n" +
			"  parleysim run --seed=4711         one world\n" +
			"  parleysim fleet --seeds=1-10000   many, on all cores\n" +
			"  parleysim replay --plan=FILE      look into one\n" +
			"  parleysim mutants                 plant bugs, and count how many are found\n\n" +
			"Exit codes: 0 nothing found; 1 something was; 64 wrong usage; 65 a file is no plan; 66 a file\n" +
			"could not be read; 70 the canary lived, so the fleet is blind; 130 interrupted.",
		SilenceUsage:  true,
		SilenceErrors: true,
		Args:          cobra.NoArgs,
		RunE:          func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	root.SetIn(io.in)
	root.SetOut(io.out)
	root.SetErr(io.err)
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
		return &exitError{exitUsage, err, cmd.CommandPath() + " --help shows its flags"}
	})
	root.AddCommand(newRun(io), newFleet(io), newReplay(io), newShrink(io), newReport(io), newMutants(io), newExplore(io))
	for _, c := range root.Commands() {
		if c.Args == nil {
			c.Args = noArgs
		}
	}
	return root
}

func noArgs(cmd *cobra.Command, args []string) error {
	if len(args) > 0 {
		return usage("%s takes no argument %q", cmd.CommandPath(), args[0])
	}
	return nil
}

// readPlan reads the plan in a file; - is standard input.
func readPlan(io stdio, name string) (sim.Plan, error) {
	in := io.in
	if name != "-" {
		f, err := os.Open(name)
		if err != nil {
			return sim.Plan{}, &exitError{code: exitNoInput, err: err}
		}
		defer f.Close()
		in = f
	}
	p, err := sim.ReadPlan(in)
	if err != nil {
		return p, &exitError{exitData, fmt.Errorf("%s: %w", name, err), "sim/plan.go says what a plan holds; parleysim run --seed=1 --save=FILE writes one"}
	}
	return p, nil
}
