package sim

import (
	"fmt"
	"strings"
)

// cardWidth is how wide a line of a card may be.
const cardWidth = 150

// Card tells a failure in at most forty lines.
func Card(c *Case) string {
	var b strings.Builder
	f := c.Result.Failure
	line := func(label, format string, args ...any) {
		fmt.Fprintf(&b, "%-7s %s\n", label, cutTo(plainText(fmt.Sprintf(format, args...)), cardWidth))
	}
	head, rest := c.headline()
	fmt.Fprintf(&b, "FAIL %s: %s\n", f.Checker, cutTo(plainText(head), cardWidth))
	if c.Repro != "" {
		line("repro", "%s", c.Repro)
	}
	c.sizes(line)
	line("want", "%s", demand(f))
	for _, text := range rest {
		line("got", "%s", text)
	}
	for _, text := range f.State {
		line("then", "%s", text)
	}
	for i, l := range c.Story() {
		text := fmt.Sprintf("%2d %11s  %s", i+1, seconds(c.Tape.Steps[l.Step].At), cutTo(l.Text, cardWidth-20))
		if l.Here {
			text += "   <- here"
		}
		b.WriteString(text + "\n")
	}
	if c.Was != nil {
		for _, o := range c.Was.Others[:min(3, len(c.Was.Others))] {
			line("also", "%s", o.Signature())
		}
	}
	if c.Report != "" {
		line("report", "%s", c.Report)
	}
	if c.Log != "" {
		line("log", "%s", c.Log)
	}
	line("trace", "%016x, event %d at %s s   %s", c.Result.Trace, f.Event, seconds(f.At), c.Build)
	return b.String()
}

// headline is what is wrong, in one line, and what more there is to say about it.
func (c *Case) headline() (string, []string) {
	head, rest := c.said()
	for i := range rest {
		rest[i] = c.Tape.named(rest[i])
	}
	return c.Tape.named(head), rest
}

func (c *Case) said() (string, []string) {
	f := c.Result.Failure
	r := &c.Result.Report
	if f.Checker != "history" || len(r.Findings) == 0 {
		head, rest, _ := strings.Cut(f.Text, "\n")
		var more []string
		for _, l := range strings.Split(rest, "\n") {
			if l = strings.TrimSpace(l); l != "" {
				more = append(more, l)
			}
		}
		return head, more[:min(len(more), 8)]
	}
	var rest []string
	if r.Core != nil {
		rest = append(rest, r.Core.Text[:min(len(r.Core.Text), 8)]...)
	}
	return r.Findings[0].Rule + ": " + r.Findings[0].Text, rest
}

// sizes are those of the plan, and of what it was made from.
func (c *Case) sizes(line func(label, format string, args ...any)) {
	if c.Was == nil {
		line("was", "%s", sizeOf(&c.Result.Plan))
		return
	}
	line("was", "%s", sizeOf(&c.Was.Was.Plan))
	more := ""
	if !c.Was.Whole {
		more = ", and it would go on"
	}
	line("now", "%s   after %d runs%s", sizeOf(&c.Result.Plan), c.Was.Tried, more)
}

func sizeOf(p *Plan) string {
	dice := "dice on"
	if p.Still {
		dice = "dice off, " + count(len(p.Deviations), "accident")
	}
	return fmt.Sprintf("seed %d %s: %s, %s, %s, %s, %s", p.Seed, p.Profile, count(len(p.Faults), "fault"), count(len(p.Ops), "op"),
		dice, count(p.Voters, "node"), count(p.Clients, "client"))
}

func count(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

// demand says what the checker wants to be true.
func demand(f *Failure) string {
	switch f.Checker {
	case "order":
		return "term, commit and applied never go back; one vote a term"
	case "raft":
		return "one leader a term; committed entries are written once; a leader counts only entries of its own term"
	case "completeness":
		return "who becomes leader has every committed entry"
	case "durable-ack":
		return "votes and acknowledgements are on the sender's disk first, committed entries on a majority of disks"
	case "digest":
		return "who has applied the same entries has the same state"
	case "exactly-once":
		return "every answer to a number equals the first one"
	case "feed":
		return "a feed has no gap, no double, and keeps its order"
	case "position":
		return "whatever a client is told says where in the log it stands"
	case "incarnation":
		return "a device belongs to one incarnation of one account for ever"
	case "history":
		return "what the clients saw could have happened one after the other, in real time's order"
	case "liveness":
		return "after all has healed, everything that was promised comes true in time"
	case "halt":
		return "a replica stops itself only for damage"
	case "disk":
		return "a store is never asked for what a correct machine does not ask for"
	case "client":
		return "a client's machine keeps its rules and is answered in words it knows"
	case "recovery":
		return "what was saved can be recovered"
	case "invariant", "crash":
		return "invariants of the product hold"
	case "budget":
		return "a run ends"
	}
	return "the rules of checker " + f.Checker
}
