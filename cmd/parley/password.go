package main

import (
	"context"
	"fmt"
	"os"
	"strings"

	"github.com/spf13/pflag"
	"golang.org/x/term"
)

// passwords is where a command gets its passwords from: typed without echo, the lines of a file, or
// those of standard input. There is no flag with the password itself; ps would show it.
type passwords struct {
	app   *app
	stdin bool
	file  string
	lines []string // of the file, not used yet
	read  bool
}

func (p *passwords) flags(f *pflag.FlagSet) {
	f.BoolVar(&p.stdin, "password-stdin", false, "read the password from standard input, one line")
	f.StringVar(&p.file, "password-file", "", "read the password from the first line of `FILE`")
}

// next gives a password. twice: a new one is typed twice, so that it is the one meant.
func (p *passwords) next(ctx context.Context, prompt string, twice bool) (string, error) {
	switch {
	case p.stdin:
		line, err := p.app.line()
		if err != nil {
			return "", usage("--password-stdin: no line on standard input")
		}
		return line, nil
	case p.file != "":
		return p.fromFile()
	}
	if !p.app.typedAt() {
		return "", &problem{exit: exitUsage, text: "a password is needed, and nobody is there to type it",
			hint: "--password-stdin or --password-file FILE"}
	}
	in := p.app.stdin.(*os.File)
	first, err := p.typed(ctx, in, prompt)
	if err != nil || !twice {
		return first, err
	}
	second, err := p.typed(ctx, in, prompt)
	if err == nil && first != second {
		err = usage("the two passwords differ")
	}
	return first, err
}

func (p *passwords) fromFile() (string, error) {
	if !p.read {
		data, err := os.ReadFile(p.file)
		if err != nil {
			return "", badConfig("", "read the password: %v", err)
		}
		p.lines, p.read = strings.Split(strings.ReplaceAll(string(data), "\r\n", "\n"), "\n"), true
	}
	if len(p.lines) == 0 || len(p.lines) == 1 && p.lines[0] == "" {
		return "", badConfig("one password per line", "%s holds no further password", p.file)
	}
	line := p.lines[0]
	p.lines = p.lines[1:]
	return line, nil
}

// typed asks at the terminal, and leaves it as it was when the command is cancelled.
func (p *passwords) typed(ctx context.Context, in *os.File, prompt string) (string, error) {
	state, err := term.GetState(int(in.Fd()))
	if err != nil {
		return "", err
	}
	fmt.Fprint(p.app.stderr, prompt)
	defer fmt.Fprintln(p.app.stderr)
	type answer struct {
		text []byte
		err  error
	}
	done := make(chan answer, 1)
	go func() {
		text, err := term.ReadPassword(int(in.Fd()))
		done <- answer{text, err}
	}()
	select {
	case a := <-done:
		return string(a.text), a.err
	case <-ctx.Done():
		term.Restore(int(in.Fd()), state)
		return "", ctx.Err()
	}
}

// ifNeeded is next, where the cluster has passwords at all.
func (p *passwords) ifNeeded(ctx context.Context, s *seat, prompt string, twice bool) (string, error) {
	policy, err := s.policy(ctx)
	if err != nil || policy.OpenAuth {
		return "", err
	}
	return p.next(ctx, prompt, twice)
}
