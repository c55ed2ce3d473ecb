package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"runtime/debug"
	"strings"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	lin "parley/linearizability"
)

// A checker is `parley check`: it needs no server, no profile and no other part of Parley than the
// package that judges.
type checker struct {
	*app
	options lin.Options
	html    output
	core    output
}

func checkCommand(a *app) *cobra.Command {
	c := &checker{app: a, html: output{flag: "html", suffix: ".html"}, core: output{flag: "core", suffix: ".core.jsonl"}}
	cmd := &cobra.Command{
		Use: "check FILE…", Short: "Judge recorded histories", Args: args(cobra.MinimumNArgs(1)),
		Long: `Decide of each history whether a correct server, doing one thing at a time, could have shown it; if
not, say why. - is standard input. A history holds everything that the clients of a cluster did
since it was empty (parley --record, parleybench --record, the simulator): see
docs/linearizability.md.

The certificate follows the positions that the servers gave, the search looks for any order without
looking at them. With neither flag, the search is used where there are no positions, or where they
explain nothing.

The exit code is that of the worst file:
  0  pass: an order that explains everything was exhibited
 10  illegal: no order does
 11  position contract: the order that the positions claim does not
 12  unknown: budget spent, recording cut short, or too little seen
 65  a file is no history         (if none is worse than unknown)
 66  a file could not be read     (the same)`,
		Annotations: map[string]string{offline: "it reads what others recorded"},
		ValidArgsFunction: func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
			return []string{"jsonl"}, cobra.ShellCompDirectiveFilterFileExt
		},
		RunE: func(_ *cobra.Command, files []string) error {
			if c.options.Budget < 0 {
				return usage("--budget %d: at least 1, or 0 for the usual one", c.options.Budget)
			}
			return c.judgeAll(files)
		},
	}
	f := cmd.Flags()
	f.BoolVar(&c.options.Certificate, "certificate", false, "verify the order that the positions claim")
	f.BoolVar(&c.options.Search, "search", false, "search for any order, without looking at positions")
	f.StringVar(&c.core.path, "core", "", "write the few operations that fail alone, as a history: the file `OUT`, or one for each file in the directory OUT")
	f.StringVar(&c.html.path, "html", "", "draw what was found: the page `OUT`, or one for each file in the directory OUT")
	f.IntVar(&c.options.Budget, "budget", 0, fmt.Sprintf("`CONFIGURATIONS` per engine, then it gives up; the search adds 16 for each operation (default %d)", lin.DefaultBudget))
	return cmd
}

// judgeAll goes on after a file that is none, and ends with the exit code of the worst.
func (c *checker) judgeAll(files []string) error {
	for _, o := range []*output{&c.html, &c.core} {
		if err := o.prepare(files); err != nil {
			return err
		}
	}
	worst := &problem{quiet: true}
	for _, file := range files {
		report, err := c.check(file)
		if err == nil {
			err = c.tell(file, len(files) > 1, report)
		}
		p := &problem{exit: report.Verdict.ExitCode()}
		switch {
		case errors.As(err, &p):
			c.complain(p)
		case err != nil:
			return err // nobody reads what we print
		}
		if severity(p.exit) > severity(worst.exit) {
			worst.exit = p.exit
		}
	}
	if worst.exit == exitOK {
		return nil
	}
	return worst
}

// severity orders exit codes: what was found in one file is not hidden by another that cannot be
// read, but that one hides what could not be decided.
func severity(exit int) int {
	order := []int{exitOK, lin.Unknown.ExitCode(), exitNoInput, exitData, lin.PositionContract.ExitCode(), lin.Illegal.ExitCode()}
	for i, code := range order {
		if code == exit {
			return i
		}
	}
	return len(order)
}

// complain is what end would do, of one file among several.
func (c *checker) complain(p *problem) {
	if c.settings.json {
		printJSON(c.stdout, p.shape())
	}
	report(c.stderr, p)
}

func (c *checker) check(file string) (lin.Report, error) {
	in, size, err := c.open(file)
	if err != nil {
		return lin.Report{}, &problem{exit: exitNoInput, text: err.Error()}
	}
	defer in.Close()
	defer spare(size)()
	h, err := c.read(file, in, size)
	if err != nil {
		return lin.Report{}, err
	}
	r := lin.Check(h, c.options)
	if r.Verdict > lin.Unknown {
		if n := strangers(h); n > 0 {
			c.note("%s: %d devices act that never signed up or logged in here. A history holds all that the clients of a "+
				"cluster did, from its first account on; of a part of it the verdict means nothing.", safe(file), n)
		}
	}
	return r, errors.Join(
		c.html.write(file, func(w io.Writer) error { return r.HTML(w, h) }),
		c.writeCore(file, r),
	)
}

// writeCore writes the core of what fails, which may have none, or no history of its own.
func (c *checker) writeCore(file string, r lin.Report) error {
	switch {
	case r.Core != nil && r.Core.History != nil:
		return c.core.write(file, r.Core.History.Write)
	case c.core.path != "" && r.Verdict > lin.Unknown:
		c.note("%s: no few operations were found that fail alone; --core writes nothing.", safe(file))
	}
	return nil
}

// strangers counts the devices that are served though nothing in the history opened them: a server
// that does so is wrong, or the recording is but a part.
func strangers(h *lin.History) int {
	device, opened, served := map[uint64]string{}, map[string]bool{}, map[string]bool{}
	for e := range h.All() {
		switch {
		case e.E == lin.Inv:
			device[e.ID] = e.Dev
			if e.Op == lin.OpSignup || e.Op == lin.OpLogin {
				opened[e.Dev] = true
			}
		case e.E == lin.Sub:
			served[e.Dev] = true
		case e.E == lin.OK, e.E == lin.Resolved && !e.Never && e.Code == "":
			served[device[e.ID]] = true
		}
	}
	n := 0
	for dev := range served {
		if !opened[dev] {
			n++
		}
	}
	return n
}

func (c *checker) read(name string, in io.Reader, size int64) (*lin.History, error) {
	progress, erase := c.progress(name, size)
	h, err := lin.ReadWith(in, lin.ReadOptions{Progress: progress})
	erase()
	var format *lin.FormatError
	switch {
	case errors.As(err, &format):
		return nil, &problem{exit: exitData, text: fmt.Sprintf("%s is no history: %v", name, format),
			hint: "docs/linearizability.md has the format"}
	case err != nil:
		return nil, &problem{exit: exitNoInput, text: fmt.Sprintf("%s: %s", name, cause(err))}
	}
	return h, nil
}

// spare has the collector aim at seven eighths of the file's length, which is what a judgement
// needs, and rest until then. GOMEMLIMIT and GOGC overrule it. What it returns ends that: the next
// file is another.
func spare(size int64) (end func()) {
	if os.Getenv("GOMEMLIMIT") != "" || os.Getenv("GOGC") != "" || size == 0 {
		return func() {}
	}
	const least = 256 << 20
	limit, percent := debug.SetMemoryLimit(max(size/8*7, least)), debug.SetGCPercent(1000)
	return func() {
		debug.SetMemoryLimit(limit)
		debug.SetGCPercent(percent)
	}
}

// open finds the file, and its size if it has one.
func (c *checker) open(name string) (io.ReadCloser, int64, error) {
	if name == "-" {
		return io.NopCloser(c.stdin), 0, nil
	}
	f, err := os.Open(name)
	if err != nil {
		return nil, 0, err
	}
	if info, err := f.Stat(); err == nil && info.Mode().IsRegular() {
		return f, info.Size(), nil
	}
	return f, 0, nil
}

// progress shows, on a terminal only, how far into a long file the reading is.
func (c *checker) progress(name string, size int64) (show func(lines int, bytes int64), erase func()) {
	err, ok := c.stderr.(*os.File)
	if !ok || !term.IsTerminal(int(err.Fd())) || c.settings.quiet {
		return nil, func() {}
	}
	show = func(lines int, bytes int64) {
		share := ""
		if size > 0 {
			share = fmt.Sprintf(", %d %%", 100*bytes/size)
		}
		fmt.Fprintf(err, "\r\x1b[Kparley: %s: %d lines%s", safe(name), lines, share)
	}
	return show, func() { fmt.Fprint(err, "\r\x1b[K") }
}

// jsonReport is the judgement on one file.
type jsonReport struct {
	V    int    `json:"v"`
	T    string `json:"t"` // history
	File string `json:"file"`
	lin.Report
}

// tell prints the judgement; of several files, each under its name.
func (c *checker) tell(file string, several bool, r lin.Report) error {
	if r.Findings == nil {
		r.Findings = []lin.Finding{}
	}
	var text strings.Builder
	if several {
		fmt.Fprintf(&text, "%s: ", safe(file))
	}
	for i, line := range strings.Split(strings.TrimSuffix(r.String(), "\n"), "\n") {
		if i > 0 {
			text.WriteByte('\n')
		}
		text.WriteString(safe(line)) // names and texts of a stranger's file
	}
	return c.show(jsonReport{1, "history", file, r}, text.String())
}
