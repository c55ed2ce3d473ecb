// Command parleyd runs a server of a Parley cluster, and looks after it.
//
// Flags and one call: what a server does is in package realnet. Every failure passes through one
// place, report, which prints it with what to do next and picks the exit code.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/spf13/cobra"

	"parley/realnet"
)

func main() {
	os.Exit(run(os.Args[1:], stdio{os.Stdin, os.Stdout, os.Stderr}))
}

// stdio is where a command reads and writes.
type stdio struct {
	in       io.Reader
	out, err io.Writer
}

// Exit codes (docs: cli).
const (
	exitOK       = 0
	exitNo       = 1 // the answer is no, or an error without a better number
	exitNoQuorum = 2 // status
	exitUsage    = 64
	exitNobody   = 69 // no server answers
	exitBug      = 70
	exitDisk     = 74
	exitConfig   = 78
)

// exitError is an error with its exit code and, when there is one, a remedy.
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

func config(err error, hint string) error { return &exitError{exitConfig, err, hint} }

// run is the program without the process.
func run(args []string, io stdio) int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
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
	var fatal *realnet.FatalError
	switch {
	case errors.As(err, &exit):
		code, hint = exit.code, exit.hint
	case errors.As(err, &fatal):
		code, hint = exitDisk, "nothing acknowledged is lost; repair the disk, then start the server again"
	case strings.HasPrefix(err.Error(), "unknown command"):
		code, hint = exitUsage, "parleyd help shows all commands"
	}
	if text := err.Error(); text != "" {
		fmt.Fprintf(w, "parleyd: %s\n", text)
	}
	if hint != "" {
		fmt.Fprintf(w, "hint: %s\n", hint)
	}
	return code
}

// newRoot builds the command tree.
func newRoot(io stdio) *cobra.Command {
	root := &cobra.Command{
		Use:   "parleyd",
		Short: "Run servers of a Parley cluster",
		Long: "parleyd runs the servers of a Parley cluster.\n\n" +
			"  parleyd dev       three servers on this machine, to try things out\n" +
			"  parleyd init      make a server's directory\n" +
			"  parleyd serve     run it\n" +
			"  parleyd status    see how the cluster is\n" +
			"  parleyd backup    keep its data in a file, and make a new cluster of it\n" +
			"  parleyd verify    look whether a server's data is sound",
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
	root.AddCommand(newInit(io), newServe(io), newDev(io), newStatus(io), newVerify(io), newVersion(io))
	for _, c := range root.Commands() {
		c.Args = noArgs
	}
	root.AddCommand(newBackup(io), newLog(io))
	return root
}

func noArgs(cmd *cobra.Command, args []string) error {
	if len(args) > 0 {
		return usage("%s takes no argument %q", cmd.CommandPath(), args[0])
	}
	return nil
}

func newVersion(io stdio) *cobra.Command {
	return &cobra.Command{
		Use: "version", Short: "Print the version",
		Run: func(*cobra.Command, []string) { fmt.Fprintln(io.out, "parleyd", realnet.Version) },
	}
}
