package main

import (
	"errors"
	"io"
	"strings"

	"golang.org/x/term"
)

// errInterrupt says that Ctrl+C was typed where there was nothing to clear, errWithdrawn that the
// question was withdrawn.
var (
	errInterrupt = errors.New("interrupted")
	errWithdrawn = errors.New("withdrawn")
)

// question asks for one line.
type question struct {
	prompt string
	secret bool // not echoed, not in the history
}

// typedLine answers a question, or tells what was typed instead: err is errInterrupt or io.EOF.
type typedLine struct {
	text    string
	err     error
	between bool // Ctrl+C between two questions: it answers none
}

// editor reads lines from a terminal in raw mode and prints above the one being typed. Say may be
// called at any time; one goroutine, run, does the reading.
type editor struct {
	terminal *term.Terminal
	display  *display
	keys     *keys

	ask   chan question
	lines chan typedLine
}

// newEditor reads what comes from in and draws on out.
func newEditor(in io.Reader, out io.Writer, width int, history term.History) *editor {
	d := newDisplay(out, width)
	k := &keys{chunks: chunksOf(in), withdraw: make(chan struct{}, 1)}
	t := term.NewTerminal(struct {
		io.Reader
		io.Writer
	}{k, d}, "")
	t.SetSize(editorWidth, 24)
	t.AutoCompleteCallback = k.callback
	if history != nil {
		t.History = history
	}
	e := &editor{terminal: t, display: d, keys: k, ask: make(chan question), lines: make(chan typedLine, 1)}
	go e.run()
	return e
}

// chunksOf reads a terminal for as long as it gives something. Its goroutine ends with the input,
// which for a terminal is the end of the process.
func chunksOf(in io.Reader) <-chan []byte {
	chunks := make(chan []byte)
	go func() {
		defer close(chunks)
		for {
			buf := make([]byte, 4096)
			n, err := in.Read(buf)
			if n > 0 {
				chunks <- buf[:n]
			}
			if err != nil {
				return
			}
		}
	}()
	return chunks
}

// run answers questions, one at a time, until ask is closed. Between two of them it looks out for
// Ctrl+C.
func (e *editor) run() {
	defer close(e.lines)
	chunks := e.keys.chunks
	for {
		select {
		case q, ok := <-e.ask:
			if !ok {
				return
			}
			e.lines <- e.read(q)
		case chunk, ok := <-chunks:
			if !ok {
				chunks = nil
			} else if e.keys.idle(chunk) {
				select {
				case e.lines <- typedLine{err: errInterrupt, between: true}:
				default: // one that was not heard yet is as good as two
				}
			}
		}
	}
}

func (e *editor) read(q question) typedLine {
	e.keys.secret = q.secret
	var text string
	var err error
	prompt := string(homeMark) + q.prompt
	if q.secret {
		text, err = e.terminal.ReadPassword(prompt)
	} else {
		e.terminal.SetPrompt(prompt)
		text, err = e.terminal.ReadLine()
	}
	if err == term.ErrPasteIndicator {
		err = nil
	}
	if why := e.keys.ended; why != nil {
		e.keys.ended = nil
		return typedLine{err: why}
	}
	return typedLine{text: strings.ReplaceAll(text, string(lineMark), "\n"), err: err}
}

// redo withdraws the question that is open. There must be one.
func (e *editor) redo() { e.keys.withdraw <- struct{}{} }

// say prints one or more whole lines above the one being typed.
func (e *editor) say(text string) error {
	_, err := e.terminal.Write([]byte(text + "\n"))
	return err
}

// setPasteMode asks the terminal to mark what is pasted.
func setPasteMode(out io.Writer, on bool) {
	if on {
		io.WriteString(out, "\x1b[?2004h")
	} else {
		io.WriteString(out, "\x1b[?2004l")
	}
}
