package main

import (
	"bytes"
	"io"
	"strings"
	"sync"
	"testing"
)

// typist is an editor between a keyboard and a screen: both are this test's.
type typist struct {
	t      *testing.T
	keys   *io.PipeWriter
	screen *screen
	*editor
}

// screen keeps what was written to it, and says when there is more.
type screen struct {
	mu   sync.Mutex
	cond *sync.Cond
	bytes.Buffer
}

func newScreen() *screen {
	s := &screen{}
	s.cond = sync.NewCond(&s.mu)
	return s
}

func (s *screen) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.Buffer.Write(p)
	s.cond.Broadcast()
	return len(p), nil
}

// wait returns all that was written, once it ends with suffix.
func (s *screen) wait(suffix string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	for !strings.HasSuffix(s.Buffer.String(), suffix) {
		s.cond.Wait()
	}
	return s.Buffer.String()
}

func newTypist(t *testing.T, width int) *typist {
	r, w := io.Pipe()
	s := newScreen()
	e := newEditor(r, s, width, nil)
	t.Cleanup(func() { w.Close(); close(e.ask) })
	return &typist{t: t, keys: w, screen: s, editor: e}
}

func (ty *typist) press(keys string) { io.WriteString(ty.keys, keys) }

func (ty *typist) next() typedLine { return <-ty.lines }

// A line is read with its prompt; what is printed meanwhile goes above it.
func TestEditorPrintsAboveTheLineBeingTyped(t *testing.T) {
	ty := newTypist(t, 80)
	ty.ask <- question{prompt: "[@bob] "}
	ty.screen.wait("[@bob] ")
	ty.press("hel")
	ty.screen.wait("hel")
	ty.say("R[alice] hi")
	ty.press("lo\r")
	if got := ty.next(); got.text != "hello" || got.err != nil {
		t.Fatalf("typed line: %+v", got)
	}
	want := "[@bob] hel\r\x1b[JR[alice] hi\r\n[@bob] hello\r\n"
	if got := ty.screen.wait("hello\r\n"); got != want {
		t.Errorf("screen\n got %q\nwant %q", got, want)
	}
}

// The cursor comes back to where it was, in columns, whatever the width of what stands before it.
func TestEditorPrintsAboveWideText(t *testing.T) {
	ty := newTypist(t, 80)
	ty.ask <- question{prompt: ""}
	ty.press("世界👋 é")
	ty.screen.wait("é")
	ty.press("\x1b[D\x1b[D") // left of the space
	ty.screen.wait("\r\x1b[6C")
	ty.say("R[alice] hi")
	ty.press("!\r")
	if got := ty.next(); got.text != "世界👋! é" {
		t.Fatalf("typed line: %q", got.text)
	}
	want := "世界👋 é\r\x1b[6C" + "\r\x1b[JR[alice] hi\r\n" + "世界👋 é\r\x1b[6C" + "\x1b[J! é\r\n"
	if got := ty.screen.wait("\r\n"); got != want {
		t.Errorf("screen\n got %q\nwant %q", got, want)
	}
}

// A line longer than the screen is wide is taken away whole before something is printed above.
func TestEditorPrintsAboveWrappedLine(t *testing.T) {
	ty := newTypist(t, 10)
	ty.ask <- question{prompt: "> "}
	ty.press("abcdefghijkl")
	ty.screen.wait("l")
	ty.say("R[x] y")
	ty.press("\r")
	if got := ty.next(); got.text != "abcdefghijkl" {
		t.Fatalf("typed line: %q", got.text)
	}
	want := "> abcdefghijkl\x1b[1A\r\x1b[JR[x] y\r\n> abcdefghijkl\r\n"
	if got := ty.screen.wait("l\r\n"); got != want {
		t.Errorf("screen\n got %q\nwant %q", got, want)
	}
}

// A wide rune that does not fit begins the next row, and a line that fills its row leaves the
// cursor on the next one, as on the terminal.
func TestDisplayPlaces(t *testing.T) {
	d := newDisplay(io.Discard, 10)
	for _, c := range []struct {
		line     string
		row, col int
	}{
		{"", 0, 0}, {"abc", 0, 3}, {"世界", 0, 4}, {"abcdefghi", 0, 9}, {"abcdefghij", 1, 0},
		{"abcdefghi世", 1, 2}, {"世界世界世", 1, 0}, {"世界世界世a", 1, 1}, {"e\u0301", 0, 1}, {"👋🏽", 0, 2},
	} {
		d.shown = d.shown[:0]
		for _, r := range c.line {
			d.shown = append(d.shown, cell{string(r), columns(r)})
		}
		if row, col := d.place(len(d.shown)); row != c.row || col != c.col {
			t.Errorf("%q ends at row %d column %d, want %d, %d", c.line, row, col, c.row, c.col)
		}
	}
}

// Ctrl+C clears a line that is not empty, and interrupts on one that is; Ctrl+D ends an empty line.
func TestEditorControlKeys(t *testing.T) {
	ty := newTypist(t, 80)
	ty.ask <- question{prompt: "> "}
	ty.press("abc\x03def\r")
	if got := ty.next(); got.text != "def" || got.err != nil {
		t.Errorf("after Ctrl+C in a line: %+v, want def", got)
	}
	ty.ask <- question{prompt: "> "}
	ty.press("\x03")
	if got := ty.next(); got.err != errInterrupt {
		t.Errorf("Ctrl+C on an empty line: %+v, want errInterrupt", got)
	}
	ty.ask <- question{prompt: "> "}
	ty.press("\x04")
	if got := ty.next(); got.err != io.EOF {
		t.Errorf("Ctrl+D on an empty line: %+v, want io.EOF", got)
	}
}

// A password is not echoed, and Ctrl+C leaves it at once.
func TestEditorPassword(t *testing.T) {
	ty := newTypist(t, 80)
	ty.ask <- question{prompt: "Password: ", secret: true}
	ty.press("s3cret\r")
	if got := ty.next(); got.text != "s3cret" || got.err != nil {
		t.Errorf("password: %+v", got)
	}
	ty.ask <- question{prompt: "Password: ", secret: true}
	ty.press("abc")
	ty.press("\x03")
	if got := ty.next(); got.err != errInterrupt {
		t.Errorf("Ctrl+C in a password: %+v, want errInterrupt", got)
	}
	if got, want := ty.screen.wait("\r\n"), "Password: \r\nPassword: \r\n"; got != want {
		t.Errorf("screen %q, want %q", got, want)
	}
}

// Ctrl+C is heard while no line is read, and forgets what was typed ahead.
func TestEditorInterruptBetweenLines(t *testing.T) {
	ty := newTypist(t, 80)
	ty.press("ahead\x03")
	if got := ty.next(); got.err != errInterrupt {
		t.Fatalf("Ctrl+C between lines: %+v", got)
	}
	ty.ask <- question{prompt: "> "}
	ty.press("x\r")
	if got := ty.next(); got.text != "x" {
		t.Errorf("next line %q, want x", got.text)
	}
}

// What is pasted arrives as one line with its newlines, without controls, and whole, however long.
func TestEditorPaste(t *testing.T) {
	long := strings.Repeat("0123456789", 1000)
	for _, c := range []struct{ name, keys, want string }{
		{"two lines", "\x1b[200~one\rtwo\r\x1b[201~\r", "one\ntwo"},
		{"inside a line", "say \x1b[200~one\r\ntwo\x1b[201~!\r", "say one\ntwo!"},
		{"escape and Ctrl+C", "\x1b[200~a\x1b[31m\x03b\xff\x1b[201~\r", "a[31mb"},
		{"long", "\x1b[200~" + long + "\x1b[201~\r", long},
		{"long, without brackets", long + "\r", long},
		{"arrows of both kinds", "ac\x1bODb\x1b[D\x1b[3~\r", "ac"},
		{"wide", "世\x7f界\r", "界"},
	} {
		ty := newTypist(t, 80)
		ty.ask <- question{}
		ty.press(c.keys)
		if got := ty.next(); got.text != c.want || got.err != nil {
			t.Errorf("%s: got %.60q, %v; want %.60q", c.name, got.text, got.err, c.want)
		}
	}
}
