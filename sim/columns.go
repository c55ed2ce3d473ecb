package sim

import (
	"bufio"
	"fmt"
	"io"
	"strings"
)

// The column log: one event a line, one column a node. Whoever does something has the text begin in his
// column; the others show how they are.

const columnWidth = 9

// WriteLog writes all that happened. Events that came to nothing (a timer that was set again) are left out.
func WriteLog(w io.Writer, c *Case) error {
	out := bufio.NewWriter(w)
	p := &c.Result.Plan
	var all []Who
	for n := range p.Voters {
		all = append(all, Who{'n', n + 1})
	}
	for n := range p.Clients {
		all = append(all, Who{'c', n})
	}
	cols := columns{all: all, signs: make([]byte, len(all))}
	for i := range cols.signs {
		cols.signs[i] = ' '
	}
	fmt.Fprintf(out, "%s\n\n", "  = leads   ? stands for election   | is up   ' stands still   (blank) is down")
	cols.head(out)
	for i := range c.Tape.Steps {
		cols.step(out, c.Tape, i)
	}
	if f := c.Result.Failure; f != nil {
		fmt.Fprintf(out, "\nFAIL %s: %s\n", f.Checker, strings.ReplaceAll(printable(f.Text), "\n", "\n     "))
	}
	if c.Result.Stopped != "" {
		fmt.Fprintf(out, "\n%s", printable(c.Result.Stopped))
	}
	return out.Flush()
}

// printable is plainText that keeps its lines.
func printable(s string) string {
	lines := strings.Split(s, "\n")
	for i := range lines {
		lines[i] = plainText(lines[i])
	}
	return strings.Join(lines, "\n")
}

type columns struct {
	all   []Who
	signs []byte
	rows  int
}

func (c *columns) head(out *bufio.Writer) {
	fmt.Fprintf(out, "%7s %11s  ", "event", "seconds")
	for _, who := range c.all {
		fmt.Fprintf(out, "%-*s", c.width(who), who)
	}
	out.WriteByte('\n')
}

// width is wider for replicas than for clients, of which there may be many.
func (c *columns) width(who Who) int {
	if who.Kind == 'c' {
		return 4
	}
	return columnWidth
}

func (c *columns) step(out *bufio.Writer, t *Tape, i int) {
	facts, who := t.facts(i), t.who(i)
	var parts []string
	for k := range facts {
		c.note(&facts[k])
		text := facts[k].words()
		if text != "" && facts[k].On.Kind != 0 && facts[k].On != who {
			text = facts[k].On.String() + " " + text
		}
		if text != "" {
			parts = append(parts, plainText(text))
		}
	}
	if len(parts) == 0 {
		return
	}
	if c.rows++; c.rows%60 == 0 {
		c.head(out)
	}
	s := &t.Steps[i]
	fmt.Fprintf(out, "%7d %11s  ", s.Event, seconds(s.At))
	if who.Kind == 0 {
		out.WriteString("-- ")
	}
	for k, w := range c.all {
		if w == who || who.Kind == 0 {
			break
		}
		fmt.Fprintf(out, "%-*c", c.width(w), c.signs[k])
	}
	out.WriteString(strings.Join(parts, "; "))
	out.WriteByte('\n')
}

// note keeps how everybody is.
func (c *columns) note(f *Fact) {
	for k, w := range c.all {
		if w == f.On {
			c.signs[k] = sign(c.signs[k], f)
		}
	}
}

func sign(was byte, f *Fact) byte {
	switch f.Kind {
	case FactBorn, FactWoke:
		return '|'
	case FactDied:
		return ' '
	case FactPaused:
		return '\''
	case FactRole:
		return "|??="[f.M&3]
	}
	return was
}
