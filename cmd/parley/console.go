package main

import (
	"fmt"
	"os"
	"os/signal"
	"strings"

	"golang.org/x/term"
)

// console is where line mode asks and prints: a terminal, or a pipe. One question is open at a time.
type console interface {
	ask(question)
	lines() <-chan typedLine
	// redo withdraws the open question, which is answered with errWithdrawn: something else is to
	// be asked.
	redo()
	say(text string) error
	note(text string)
	fail(words string, p *problem) error
	close()
}

// terminalConsole is a terminal in raw mode.
type terminalConsole struct {
	*editor
	in    *os.File
	out   *os.File
	state *term.State
	size  chan os.Signal
	done  chan struct{}
}

func newTerminalConsole(in, out *os.File, history term.History) (*terminalConsole, error) {
	state, err := term.MakeRaw(int(in.Fd()))
	if err != nil {
		return nil, fmt.Errorf("open the terminal: %w", err)
	}
	width, _, err := term.GetSize(int(out.Fd()))
	if err != nil || width <= 0 {
		width = 80
	}
	c := &terminalConsole{in: in, out: out, state: state, size: make(chan os.Signal, 1), done: make(chan struct{})}
	c.editor = newEditor(in, out, width, history)
	setPasteMode(out, true)
	notifySize(c.size)
	go c.watchSize()
	return c, nil
}

func (c *terminalConsole) watchSize() {
	for {
		select {
		case <-c.size:
			if width, _, err := term.GetSize(int(c.out.Fd())); err == nil && width > 0 {
				c.display.resize(width)
			}
		case <-c.done:
			return
		}
	}
}

func (c *terminalConsole) ask(q question)          { c.editor.ask <- q }
func (c *terminalConsole) lines() <-chan typedLine { return c.editor.lines }
func (c *terminalConsole) redo()                   { c.editor.redo() }

func (c *terminalConsole) say(text string) error { return c.editor.say(text) }
func (c *terminalConsole) note(text string)      { c.editor.say("-- " + text) }

func (c *terminalConsole) fail(words string, p *problem) error {
	if words == "" {
		words = "-- " + safe(p.text)
	}
	return c.editor.say(words)
}

// close leaves the terminal as it was, with the cursor on a line of its own.
func (c *terminalConsole) close() {
	signal.Stop(c.size)
	close(c.done)
	c.display.leave()
	setPasteMode(c.out, false)
	term.Restore(int(c.in.Fd()), c.state)
}

// pipeConsole is for scripts: lines in, lines out. With prompts (--plain) it is a pipe that looks
// like the original's terminal.
type pipeConsole struct {
	app     *app
	prompts bool
	answers chan typedLine
}

func newPipeConsole(a *app, prompts bool) *pipeConsole {
	return &pipeConsole{app: a, prompts: prompts, answers: make(chan typedLine, 1)}
}

func (c *pipeConsole) ask(q question) {
	if c.prompts {
		fmt.Fprint(c.app.stdout, q.prompt)
	}
	go func() {
		text, err := c.app.line()
		if err != nil && c.prompts {
			fmt.Fprintln(c.app.stdout)
		}
		c.answers <- typedLine{text: text, err: err}
	}()
}

func (c *pipeConsole) lines() <-chan typedLine { return c.answers }

// redo does nothing: the next line of a script is what it is, whatever has happened meanwhile.
func (c *pipeConsole) redo() {}

func (c *pipeConsole) say(text string) error { return c.app.print("%s", text) }

func (c *pipeConsole) note(text string) {
	switch {
	case c.prompts:
		c.app.print("-- %s", text)
	case !strings.HasPrefix(text, "logged in as"):
		c.app.note("%s", text)
	}
}

func (c *pipeConsole) fail(words string, p *problem) error {
	switch {
	case c.app.settings.json:
		return printJSON(c.app.stdout, p.shape())
	case c.prompts && words != "":
		return c.say(words)
	case c.prompts:
		return c.say("-- " + safe(p.text))
	}
	report(c.app.stderr, p)
	return nil
}

func (c *pipeConsole) close() {}
