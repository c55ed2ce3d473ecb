package session

import (
	"slices"
	"time"
)

// The outbox remembers, across crashes, which numbers were given to which commands and have no
// answer. Two rules make it worth having:
//
//   - A number is sent only when the outbox holds its line: what was sent can be sent again.
//   - The cluster is told "I have every answer up to n", after which it forgets them, only when the
//     outbox holds no line up to n: what comes back from a crash can still be answered.

// outbox is how the client's side of the outbox stands.
type outbox struct {
	seq      uint64   // of the last Save
	saving   bool     // … which is still out
	gone     []uint64 // numbers whose lines must go although no number needs settling
	told     []told   // outcomes that must not be known before a Save is
	settleAt time.Duration
}

// told is an outcome that waits for the Save of its Seq; 0: for the next one.
type told struct {
	seq     uint64
	outcome Outcome
}

func (c *Client) submit(in Submit, out *ClientOutput) {
	invariant(in.ID != 0, "a Submit without an ID")
	n := number{
		Line: Line{First: in.First, Alone: in.Alone, Secret: in.Secret, Command: in.Command},
		id:   in.ID, deadline: c.until(in.Timeout), again: in.Again && !in.First,
		persist: in.Persist, dirty: in.Persist, due: true,
	}
	i := len(c.numbers)
	switch {
	case c.stopped != "" && (c.stopped != fenced || !in.Ahead):
		n.tell(Reply{Class: NotApplied, Code: c.stopped}, out)
		return
	case in.First && c.next != 1:
		n.tell(Reply{Class: NotApplied, Code: string(Misuse)}, out)
		return
	case c.stopped != "":
		i = c.firstUntouched()
	}
	c.insert(i, n)
	if c.stopped != "" {
		c.ahead = c.numbers[i].DSeq
		c.voidLost(i)
	}
}

// voidLost voids, up to a place, what a fence would refuse, nobody waits for here, and cannot go without
// its secret: else a login would wait for the password of the one before it.
func (c *Client) voidLost(before int) {
	for i := range before {
		if n := &c.numbers[i]; n.Secret && n.asleep && n.id == 0 && n.voidable() {
			n.burn(c.route.attempt)
		}
	}
}

func (c *Client) until(timeout time.Duration) time.Duration {
	if timeout <= 0 {
		return Never
	}
	return c.now + timeout
}

// firstUntouched is where the numbers begin that never left and are not about to: they may still be
// given out anew.
func (c *Client) firstUntouched() int {
	i := len(c.numbers)
	for i > 0 && c.numbers[i-1].untouched() && c.numbers[i-1].DSeq > c.ahead {
		i--
	}
	return i
}

// insert puts a number in, at a place from which on all are untouched: those move up by one.
func (c *Client) insert(i int, n number) {
	n.DSeq, n.from = c.next, c.route.attempt
	for j := i; j < len(c.numbers); j++ {
		m := &c.numbers[j]
		if j == i {
			n.DSeq = m.DSeq
		}
		if m.persist {
			c.outbox.gone, m.dirty = append(c.outbox.gone, m.DSeq), true
		}
		m.DSeq++
	}
	c.numbers = slices.Insert(c.numbers, i, n)
	c.next++
}

// through says up to where every answer is here, and the outbox knows it.
func (c *Client) through() uint64 {
	if len(c.numbers) == 0 {
		return c.next - 1
	}
	return c.numbers[0].DSeq - 1
}

// settle ends a number: its answer is here. It goes when the outbox has heard.
func (c *Client) settle(i int) {
	n := &c.numbers[i]
	n.settled, n.due, n.open, n.saving = true, false, nil, false
	n.id, n.void, n.deadline = 0, 0, Never
	if !n.persist {
		c.numbers = slices.Delete(c.numbers, i, i+1)
		return
	}
	if c.outbox.settleAt == Never {
		c.outbox.settleAt = c.now + c.cfg.SettleDelay
	}
}

// giveUp ends a number that is known to have left no trace, without an answer. Before anybody is
// told so, the outbox must know: a line that came back from a crash would be sent, and apply after
// all. The number itself is withdrawn if it is the last, else a Void is left in its place, for the
// cluster will want to see it.
func (c *Client) giveUp(i int, r Reply, out *ClientOutput) {
	n := &c.numbers[i]
	invariant(n.clean() && !n.settled, "give up %d, which may apply", n.DSeq)
	r.Class = NotApplied
	o, persist, first, burn := n.outcome(r), n.persist, n.First, !n.First && Code(r.Code) != NoSession
	if burn {
		n.Line = Line{DSeq: n.DSeq, Void: true, Command: c.cfg.Void}
		n.id, n.deadline, n.again = 0, Never, false
		n.due, n.sent, n.asleep, n.dirty = true, false, false, persist
	} else {
		c.withdraw(i)
	}
	c.trim()
	if persist {
		c.outbox.told = append(c.outbox.told, told{outcome: o})
	} else {
		done(out, o)
	}
	if first && len(c.numbers) > 0 {
		c.halt(string(NoSession), out) // what was to follow has nothing to follow
	}
}

// withdraw takes a number out that left no trace.
func (c *Client) withdraw(i int) {
	n := &c.numbers[i]
	if n.persist {
		c.outbox.gone = append(c.outbox.gone, n.DSeq)
	}
	if n.DSeq == c.next-1 {
		c.next--
	}
	c.numbers = slices.Delete(c.numbers, i, i+1)
}

// trim withdraws the Voids at the end that nobody has seen.
func (c *Client) trim() {
	for i := len(c.numbers) - 1; i >= 0; i-- {
		if n := &c.numbers[i]; !n.Void || !n.untouched() || n.DSeq != c.next-1 {
			return
		}
		c.withdraw(i)
	}
}

// save writes what the outbox does not know, if it is not busy. What only settles waits a little
// for company: a line written a moment later takes it along, and saves a sync.
func (c *Client) save(out *ClientOutput) {
	b := &c.outbox
	if b.saving || !c.unsaved() {
		return
	}
	s := &Save{Settle: b.gone}
	for i := range c.numbers {
		n := &c.numbers[i]
		switch {
		case n.settled:
			s.Settle = append(s.Settle, n.DSeq)
			n.dirty, n.saving = false, true
		case n.dirty:
			s.Add = append(s.Add, n.Line)
			n.dirty, n.saving = false, true
		}
	}
	slices.Sort(s.Settle)
	s.Settle = slices.Compact(s.Settle)
	b.seq++
	b.gone, b.saving, b.settleAt = nil, true, Never
	for i := range b.told {
		b.told[i].seq = b.seq
	}
	s.Seq, s.Next, s.Through, s.Pos = b.seq, c.next, c.through(), c.pos
	out.Save = s
}

// unsaved tells whether there is something to save now.
func (c *Client) unsaved() bool {
	if len(c.outbox.gone) > 0 {
		return true
	}
	settled := 0
	for i := range c.numbers {
		if c.numbers[i].dirty {
			return true
		}
		if c.numbers[i].settled {
			settled++
		}
	}
	return settled > 0 && (c.outbox.settleAt <= c.now || 2*settled >= c.cfg.Window)
}

// storedOutbox is the only proof that the outbox knows.
func (c *Client) storedOutbox(seq uint64, out *ClientOutput) {
	b := &c.outbox
	if !b.saving || seq != b.seq {
		return
	}
	b.saving = false
	c.numbers = slices.DeleteFunc(c.numbers, func(n number) bool { return n.settled && n.saving })
	for i := range c.numbers {
		c.numbers[i].saving = false
	}
	for _, t := range b.told {
		if t.seq == seq {
			done(out, t.outcome)
		}
	}
	b.told = slices.DeleteFunc(b.told, func(t told) bool { return t.seq == seq })
}
