package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"golang.org/x/term"

	"parley/realnet/recording"
)

// app is what every command needs of the world, so that a test can give it another one.
type app struct {
	stdin  io.Reader
	stdout io.Writer
	stderr io.Writer
	getenv func(string) string
	dial   dialer

	settings settings
	places   places
	started  bool // a command has begun: errors from here on are not about usage
	recorder *recording.Recorder
	input    *bufio.Reader // of stdin, once somebody reads lines of it
	signals  chan os.Signal
}

func main() { os.Exit(mainExit()) }

// mainExit is main with the exit code, so that deferred calls run before the process ends.
func mainExit() int {
	signal.Ignore(syscall.SIGPIPE) // a closed pipe is an error of the write, and ends us quietly
	a := &app{stdin: os.Stdin, stdout: os.Stdout, stderr: os.Stderr, getenv: os.Getenv, dial: dialReal}
	return a.run(context.Background(), os.Args[1:])
}

// run is one life of the program. The first SIGINT, SIGTERM or SIGHUP cancels what runs, the second
// ends the process.
func (a *app) run(ctx context.Context, args []string) int {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	a.signals = make(chan os.Signal, 1)
	signal.Notify(a.signals, os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	defer signal.Stop(a.signals)
	go func() {
		select {
		case s := <-a.signals:
			signal.Stop(a.signals)
			cancel(signalled{s})
		case <-ctx.Done():
		}
	}()
	root := newTree(a)
	root.SetArgs(args)
	err := root.ExecuteContext(ctx)
	return a.end(ctx, errors.Join(err, a.stopRecording()))
}

// signalled is why a command was cancelled.
type signalled struct{ os.Signal }

func (s signalled) Error() string { return "stopped by " + s.Signal.String() }

// end reports what went wrong, on stderr and with --json on stdout, and gives the exit code.
func (a *app) end(ctx context.Context, err error) int {
	if err == nil {
		return exitOK
	}
	p := &problem{}
	switch cause := context.Cause(ctx); {
	case errors.Is(err, syscall.EPIPE): // who read us has seen enough
		if errors.As(err, &p) {
			return p.exit
		}
		return exitOK
	case errors.Is(err, context.Canceled) && cause == signalled{os.Interrupt}:
		return exitInterrupted
	case errors.Is(err, context.Canceled) && errors.As(cause, &signalled{}):
		return exitOK // asked to leave, and left
	case !a.started && !errors.As(err, &p):
		err = usage("%s", err)
	}
	if p := asProblem(err); a.settings.json && !p.quiet {
		printJSON(a.stdout, p.shape())
	}
	return report(a.stderr, err)
}

// terminal is stdin and stdout, if both are one that can redraw a line.
func (a *app) terminal() (in, out *os.File, ok bool) {
	in, ok1 := a.stdin.(*os.File)
	out, ok2 := a.stdout.(*os.File)
	ok = ok1 && ok2 && term.IsTerminal(int(in.Fd())) && term.IsTerminal(int(out.Fd())) && a.getenv("TERM") != "dumb"
	return in, out, ok
}

// typedAt reports whether a person sits at standard input, at whatever kind of terminal.
func (a *app) typedAt() bool {
	in, ok := a.stdin.(*os.File)
	return ok && term.IsTerminal(int(in.Fd()))
}

func (a *app) painter() painter {
	out, ok := a.stdout.(*os.File)
	return newPainter(a.settings.color, ok && term.IsTerminal(int(out.Fd())), a.getenv)
}

// print writes data, note everything else; -q leaves the latter out.
func (a *app) print(format string, args ...any) error {
	_, err := fmt.Fprintf(a.stdout, format+"\n", args...)
	return err
}

func (a *app) note(format string, args ...any) {
	if !a.settings.quiet {
		fmt.Fprintf(a.stderr, "parley: "+format+"\n", args...)
	}
}

// show prints an object with --json, and otherwise the line, if there is one.
func (a *app) show(object any, line string) error {
	switch {
	case a.settings.json:
		return printJSON(a.stdout, object)
	case line == "":
		return nil
	}
	return a.print("%s", line)
}

// line reads one line of standard input.
func (a *app) line() (string, error) {
	if a.input == nil {
		a.input = bufio.NewReader(a.stdin)
	}
	text, err := a.input.ReadString('\n')
	if err == io.EOF && text != "" {
		err = nil
	}
	return strings.TrimSuffix(strings.TrimSuffix(text, "\n"), "\r"), err
}
