package main

import (
	"fmt"
	"io"
	"math/rand/v2"
	"strconv"
	"strings"
	"testing"
	"unicode/utf8"
)

// tube is a terminal: it obeys the few sequences that display sends, as a VT100 would, wide runes and
// late wrapping included. Lines that scroll out are kept.
type tube struct {
	width    int
	rows     [][]rune // wide runes are followed by 0
	row, col int
	late     bool // the last column is filled: the next rune wraps
	bad      string
}

func (t *tube) at(row int) []rune {
	for len(t.rows) <= row {
		t.rows = append(t.rows, []rune(strings.Repeat(" ", t.width)))
	}
	return t.rows[row]
}

func (t *tube) Write(p []byte) (int, error) {
	for s := string(p); s != ""; {
		if strings.HasPrefix(s, "\x1b[") {
			end := 2
			for s[end] < 0x40 {
				end++
			}
			t.obey(s[2:end], s[end])
			s = s[end+1:]
			continue
		}
		r, size := utf8.DecodeRuneInString(s)
		s = s[size:]
		switch r {
		case '\r':
			t.col, t.late = 0, false
		case '\n':
			t.row, t.late = t.row+1, false
		default:
			t.put(r)
		}
	}
	return len(p), nil
}

func (t *tube) obey(arg string, what byte) {
	n, err := strconv.Atoi(arg)
	if err != nil {
		n = 1
	}
	t.late = false
	switch what {
	case 'A':
		t.row -= n
	case 'B':
		t.row += n
	case 'C':
		t.col = min(t.col+n, t.width-1)
	case 'J':
		t.at(t.row)
		for c := t.col; c < t.width; c++ {
			t.rows[t.row][c] = ' '
		}
		t.rows = t.rows[:t.row+1]
	default:
		t.bad = fmt.Sprintf("sequence %s%c", arg, what)
	}
	if t.row < 0 {
		t.bad, t.row = "above the screen", 0
	}
}

func (t *tube) put(r rune) {
	w := columns(r)
	if w == 0 {
		return
	}
	if t.late || t.col+w > t.width {
		t.row, t.col, t.late = t.row+1, 0, false
	}
	line := t.at(t.row)
	line[t.col] = r
	if w == 2 {
		line[t.col+1] = 0
	}
	t.col += w
	if t.col == t.width {
		t.col, t.late = t.width-1, true
	}
}

func (t *tube) String() string {
	var b strings.Builder
	for _, row := range t.rows {
		b.WriteString(strings.TrimRight(strings.ReplaceAll(string(row), "\x00", ""), " ") + "\n")
	}
	return strings.TrimRight(b.String(), "\n")
}

// Whatever is typed and whatever comes in between, the screen shows what was said, then prompt and
// line, with the cursor where it belongs: as if the line had been written on a fresh screen.
func TestDisplayOnATerminal(t *testing.T) {
	keys := []string{"a", "b", " ", "世", "界", "👋", "é", "word ", "\x7f", "\x7f", "\x1b[D", "\x1b[D", "\x1b[C",
		"\x01", "\x05", "\x15", "\x0b", "\x17", "\x1b[3~", "\x14"}
	for seed := range uint64(100) {
		random := rand.New(rand.NewPCG(seed, 1))
		width := 8 + random.IntN(20)
		screen := &tube{width: width}
		r, w := io.Pipe()
		e := newEditor(r, screen, width, nil)
		e.ask <- question{prompt: []string{"", "[@bob] "}[random.IntN(2)]}
		var said []string
		for range 80 {
			if random.IntN(8) == 0 {
				said = append(said, strings.Repeat("R世", random.IntN(12))+".")
				e.say(said[len(said)-1])
			}
			io.WriteString(w, keys[random.IntN(len(keys))])
			settle(w)
		}
		want := freshScreen(e.display, said)
		if screen.String() != want.String() || screen.row != want.row || screen.col != want.col || screen.bad != "" {
			t.Errorf("seed %d, width %d: %s, cursor at %d,%d\n%s\nwant %d,%d\n%s", seed, width, screen.bad,
				screen.row, screen.col, screen, want.row, want.col, want)
		}
		io.WriteString(w, "\r")
		<-e.lines
		close(e.ask)
		w.Close()
	}
}

// settle waits until the editor has taken all keys. It reads no further before, and there is room for
// one chunk on the way.
func settle(w io.Writer) {
	io.WriteString(w, "\x1b[Z")
	io.WriteString(w, "\x1b[Z")
}

// freshScreen is a terminal that shows the same, drawn once.
func freshScreen(d *display, said []string) *tube {
	d.mu.Lock()
	defer d.mu.Unlock()
	screen := &tube{width: int(d.width.Load())}
	fresh := newDisplay(screen, screen.width)
	for _, text := range said {
		fmt.Fprintf(fresh, "%s\r\n", text)
	}
	text := ""
	for _, c := range d.line {
		text += c.text
	}
	if back := len(d.line) - d.pos; back > 0 {
		text += fmt.Sprintf("\x1b[%dD", back)
	}
	io.WriteString(fresh, text)
	return screen
}
