package main

import (
	"io"
	"strconv"
	"sync"
	"sync/atomic"
	"unicode/utf8"
)

// display stands between x/term's line editor and the terminal. The editor counts runes and takes
// each for one column; so it is told that lines are endless, and display keeps the line it means,
// cell by cell, and puts it on the screen with the true widths and the true line breaks.
//
// The editor writes under its own lock; mu is for the end, when somebody else does.
type display struct {
	mu    sync.Mutex
	out   io.Writer
	width atomic.Int32

	line []cell // what the editor believes stands on its line
	pos  int    // and its cursor, in cells

	shown []cell // what the screen shows of it
	at    int    // and where its cursor is, in cells
	fresh bool   // the cursor is on a new row of its own: the shown line fills its last row

	escape []byte // an unfinished escape sequence
	buf    []byte
}

// cell is what one rune of the line, or one colour sequence, puts on the screen.
type cell struct {
	text    string
	columns int
}

// editorWidth is what the line editor is told: wide enough that it never breaks a line itself.
const editorWidth = 1 << 24

// homeMark begins every prompt and is not shown. With its cursor in column 0 the editor believes that
// its line is empty, and would print over it.
const homeMark = '\ue000'

func newDisplay(out io.Writer, width int) *display {
	d := &display{out: out}
	d.resize(width)
	return d
}

func (d *display) resize(width int) { d.width.Store(int32(max(width, 4))) }

// Write takes what the editor writes: runes, line ends, and the few sequences x/term knows.
func (d *display) Write(p []byte) (int, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.buf = d.buf[:0]
	for rest := p; len(rest) > 0; {
		if len(d.escape) > 0 || rest[0] == 0x1b {
			d.escape = append(d.escape, rest[0])
			rest = rest[1:]
			if sequenceEnds(d.escape) {
				d.obey(d.escape)
				d.escape = d.escape[:0]
			}
			continue
		}
		r, size := utf8.DecodeRune(rest)
		rest = rest[size:]
		switch r {
		case '\r':
		case '\n':
			d.commit()
		default:
			d.put(r)
		}
	}
	d.trim()
	d.show(true)
	if len(d.buf) > 0 {
		if _, err := d.out.Write(d.buf); err != nil {
			return 0, err
		}
	}
	return len(p), nil
}

// sequenceEnds reports whether e, which begins with ESC, is complete.
func sequenceEnds(e []byte) bool {
	if len(e) < 3 {
		return len(e) == 2 && e[1] != '[' && e[1] != 'O'
	}
	c := e[len(e)-1]
	return c >= 0x40 && c <= 0x7e
}

// obey follows one escape sequence of the editor's; colours become cells without width.
func (d *display) obey(e []byte) {
	n := 1
	if len(e) > 3 {
		n, _ = strconv.Atoi(string(e[2 : len(e)-1]))
	}
	switch e[len(e)-1] {
	case 'C':
		d.pos += n
	case 'D':
		d.pos = max(d.pos-n, 0)
	case 'K':
		d.line = d.line[:min(d.pos, len(d.line))]
	case 'J': // the editor clears the screen; home and the line follow
		d.buf = append(d.buf, "\x1b[2J\x1b[H"...)
		d.line, d.pos, d.shown, d.at, d.fresh = d.line[:0], 0, d.shown[:0], 0, false
	case 'm':
		d.line = append(d.line[:min(d.pos, len(d.line))], cell{text: string(e)})
		d.pos++
	}
}

func (d *display) put(r rune) {
	c := cell{text: string(r), columns: columns(r)}
	switch {
	case r == homeMark && d.pos == 0:
		c = cell{}
	case !harmless(r):
		c.text = escaped(r)
		c.columns = len(c.text)
	}
	d.pad()
	if d.pos < len(d.line) {
		d.line[d.pos] = c
	} else {
		d.line = append(d.line, c)
	}
	d.pos++
}

// trim drops blanks right of the cursor: the editor erases by writing them. pad brings those back that
// it counts on.
func (d *display) trim() {
	d.pad()
	for n := len(d.line); n > d.pos && d.line[n-1].text == " "; n-- {
		d.line = d.line[:n-1]
	}
}

func (d *display) pad() {
	for len(d.line) < d.pos {
		d.line = append(d.line, cell{" ", 1})
	}
}

// commit leaves the line on the screen for good and goes to the next.
func (d *display) commit() {
	d.trim()
	d.pos = len(d.line)
	d.show(false)
	if !d.fresh {
		d.buf = append(d.buf, "\r\n"...)
	}
	d.line, d.pos, d.shown, d.at, d.fresh = d.line[:0], 0, d.shown[:0], 0, false
}

// show makes the screen say what line says, and puts the cursor where it belongs. editing: a line
// that fills its last row gets a fresh one below, for the cursor to stand on.
func (d *display) show(editing bool) {
	same := 0
	for same < len(d.line) && same < len(d.shown) && d.line[same] == d.shown[same] {
		same++
	}
	if same < len(d.shown) || same < len(d.line) {
		d.move(same)
		if same < len(d.shown) {
			d.buf = append(d.buf, "\x1b[J"...)
		}
		for _, c := range d.line[same:] {
			d.buf = append(d.buf, c.text...)
		}
		d.shown = append(d.shown[:0], d.line...)
		d.at, d.fresh = len(d.line), false
	}
	if row, col := d.place(len(d.shown)); editing && !d.fresh && d.at == len(d.shown) && col == 0 && row > 0 {
		d.buf = append(d.buf, " \r"...)
		d.fresh = true
	}
	d.move(min(d.pos, len(d.shown)))
}

// move brings the screen's cursor to cell i of the shown line.
func (d *display) move(i int) {
	if i == d.at {
		return
	}
	fromRow, fromCol := d.place(d.at)
	if d.at == len(d.shown) && fromCol == 0 && fromRow > 0 && !d.fresh {
		fromRow-- // the terminal has not wrapped yet
	}
	toRow, toCol := d.place(i)
	d.step(fromRow-toRow, 'A')
	d.step(toRow-fromRow, 'B')
	d.buf = append(d.buf, '\r')
	d.step(toCol, 'C')
	d.at = i
}

func (d *display) step(n int, direction byte) {
	if n > 0 {
		d.buf = append(d.buf, 0x1b, '[')
		d.buf = strconv.AppendInt(d.buf, int64(n), 10)
		d.buf = append(d.buf, direction)
	}
}

// place says where on the screen cell i of the shown line stands, from the line's first row.
func (d *display) place(i int) (row, col int) {
	width := int(d.width.Load())
	for _, c := range d.shown[:i] {
		if c.columns > 2 { // an escape: it may break anywhere
			col += c.columns
			row, col = row+col/width, col%width
			continue
		}
		if col+c.columns > width {
			row, col = row+1, 0
		}
		col += c.columns
	}
	if col >= width {
		row, col = row+1, 0
	}
	return row, col
}

// leave puts the cursor on a line of its own.
func (d *display) leave() {
	d.mu.Lock()
	open := len(d.line) > 0
	d.mu.Unlock()
	if open {
		io.WriteString(d, "\n")
	}
}
