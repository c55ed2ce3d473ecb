package session

import "slices"

// Codes of other rooms that mean something to the client. (Those of the door are replica's, the
// rest chat's.)
const (
	notLeader    = "E_NOT_LEADER"
	unavailable  = "E_UNAVAILABLE"
	busy         = "E_BUSY"
	rate         = "E_RATE"
	badPassword  = "E_BAD_PASSWORD"
	otherHistory = "E_OTHER_HISTORY"
	fenced       = "E_FENCED"
	askAgain     = "E_RETRY"
)

// answered takes in a server's reply to one attempt.
func (c *Client) answered(from int, r Reply, out *ClientOutput) {
	if from < 0 || from >= len(c.route.servers) || r.ID > c.route.attempt {
		return
	}
	c.route.servers[from] = server{}
	switch {
	case r.Code == otherHistory:
		c.foreign = r.Pos
	case r.Pos.After(c.pos):
		c.pos = r.Pos
	}
	if r.DSeq == 0 {
		c.askAnswered(from, r, out)
		return
	}
	i := c.find(r.DSeq)
	if i < 0 || c.numbers[i].settled || r.ID <= c.numbers[i].from {
		return
	}
	a, open := c.numbers[i].answered(r.ID)
	switch {
	case r.Code == string(Window):
		c.forgotten(i, r, out)
	case r.Class == Applied || r.Class == Rejected:
		c.found(from, out)
		c.decided(i, r, out)
	case r.Class == NotApplied && open:
		c.refused(i, from, r, a, out)
	}
}

// decided takes in what the log made of a number: that is final.
func (c *Client) decided(i int, r Reply, out *ClientOutput) {
	n := &c.numbers[i]
	c.floor = max(c.floor, n.DSeq)
	first := n.First && r.Class == Rejected && r.Code != string(SeqReused)
	switch {
	case n.Void && r.Code != string(SeqReused): // given up long ago
	case n.voidFrom != 0:
		n.decidedVoid(r, out)
	case r.Code == askAgain && c.mayAskAgain(i):
		c.askAgain(i)
	default:
		n.tell(r, out)
	}
	c.settle(i)
	switch {
	case r.Code == fenced:
		c.halt(fenced, out)
	case first:
		c.halt(string(NoSession), out) // a refused device never opens
	}
}

// decidedVoid tells those who wait for a command and for its Void which of the two came first.
func (n *number) decidedVoid(r Reply, out *ClientOutput) {
	toVoid, reused := n.isVoid(r.ID), r.Code == string(SeqReused)
	forVoid, forCommand := r, r
	switch {
	case toVoid != reused: // the Void
		if !toVoid {
			forVoid.Class, forVoid.Code = Applied, ""
		}
		forCommand = Reply{Class: NotApplied, Code: string(Voided), Pos: r.Pos}
	case !toVoid: // the command, as it says itself
		forVoid.Class, forVoid.Code = Rejected, string(SeqReused)
	}
	if n.id != 0 || n.void == 0 {
		n.tell(forCommand, out)
	}
	n.tellVoid(forVoid, out)
}

// mayAskAgain tells whether a command answered with E_RETRY can have the next number: somebody
// waits for it, who has its secret, and nothing that was given later has left before it.
func (c *Client) mayAskAgain(i int) bool {
	n := &c.numbers[i]
	behind := c.numbers[i+1:]
	free := c.stopped == "" || n.DSeq == c.ahead
	return n.again && n.id != 0 && free && c.next == n.DSeq+1+uint64(len(behind)) &&
		!slices.ContainsFunc(behind, func(m number) bool { return !m.untouched() })
}

func (c *Client) askAgain(i int) {
	n := &c.numbers[i]
	again := number{
		Line: n.Line, id: n.id, deadline: n.deadline, again: true,
		persist: n.persist, dirty: n.persist, due: true,
	}
	n.id, n.deadline = 0, Never
	c.insert(i+1, again)
	if c.stopped != "" {
		c.ahead++
	}
}

// forgotten: the number was decided, but the answer is gone. It must be a bug, and asking again
// would not mend it.
func (c *Client) forgotten(i int, r Reply, out *ClientOutput) {
	n := &c.numbers[i]
	r.Class = Unknown
	n.tell(r, out)
	n.tellVoid(r, out)
	c.settle(i)
}

// refused takes in that an attempt left no trace. Only the newest one says what to do next; of
// the others it is good to know.
func (c *Client) refused(i, from int, r Reply, a attempt, out *ClientOutput) {
	n := &c.numbers[i]
	n.code = r.Code
	newest := r.ID == n.newest && !n.due
	switch r.Code {
	case string(NoSession), otherHistory:
		c.turnedAway(i, r, out)
		return
	case string(SeqGap):
		c.gap(i, r, a, out)
		return
	case badPassword:
		c.conclude(i, r, out)
		return
	}
	if !newest {
		return
	}
	n.due = true
	switch r.Code {
	case notLeader:
		c.redirect(from, r.Leader, out)
	case busy, rate:
		c.wait(r.AfterMs)
	case unavailable:
		c.wait(r.AfterMs)
		c.failed(out)
		c.move(c.nextServer(from))
	default:
		c.wait(r.AfterMs)
	}
}

// conclude ends the wait for a number that needs somebody's attention: given up if that is certain,
// else left asleep.
func (c *Client) conclude(i int, r Reply, out *ClientOutput) {
	n := &c.numbers[i]
	switch {
	case n.voidFrom != 0: // the Void will tell
	case n.clean():
		c.giveUp(i, r, out)
	default:
		n.Secret, n.due = true, true
		c.unknown(n, r, out)
	}
}

// unknown tells whoever waits for a number that it has no answer. It stays open; if it needs a
// secret, that is gone now.
func (c *Client) unknown(n *number, r Reply, out *ClientOutput) {
	if n.id != 0 {
		r.Class = Unknown
		n.tell(r, out)
	}
	if n.Secret && n.voidFrom == 0 && !n.asleep {
		n.asleep = true
		out.Notes = append(out.Notes, ClientNote{Kind: NeedsSecret, DSeq: n.DSeq})
	}
}

// timeout tells a caller that there is no answer in time.
func (c *Client) timeout(i int, out *ClientOutput) {
	n := &c.numbers[i]
	if n.clean() && n.voidFrom == 0 {
		code := n.code
		switch {
		case code != "":
		case c.route.dark:
			code = unavailable
		default:
			code = string(Timeout)
		}
		c.giveUp(i, Reply{Code: code, Pos: c.pos}, out)
		return
	}
	c.unknown(n, Reply{Code: string(Timeout), Pos: c.pos}, out)
}

// turnedAway: the cluster does not know this device, or not any more, or is another one. Nothing
// that was not decided will be, unless a person finds out what happened.
func (c *Client) turnedAway(i int, r Reply, out *ClientOutput) {
	n := &c.numbers[i]
	dseq := n.DSeq
	switch {
	case n.Void: // given up long ago
		c.settle(i)
	case n.voidFrom != 0 && r.Code == string(NoSession): // as good as burnt
		if n.id != 0 {
			n.tell(r, out)
		}
		n.tellVoid(r, out)
		c.settle(i)
	case n.voidFrom != 0:
		c.unknown(n, r, out)
		r.Class = Unknown
		n.tellVoid(r, out)
	case n.clean():
		c.giveUp(i, r, out)
	default:
		c.unknown(n, r, out)
	}
	c.halt(r.Code, out)
	if i = c.find(dseq); i >= 0 {
		c.numbers[i].parked = !c.numbers[i].settled
	}
}

// halt stops sending: duty 4. When fenced, numbers that have left get true answers, so they are
// asked after still. Nobody waits any longer for those that stay.
func (c *Client) halt(code string, out *ClientOutput) {
	if c.stopped != "" {
		return
	}
	c.stopped, c.ahead = code, 0
	out.Notes = append(out.Notes, ClientNote{Kind: Halted, Code: code, Kept: c.kept()})
	for i := range c.numbers {
		n := &c.numbers[i]
		if n.settled || n.sent && (code == fenced || n.Void || n.voidFrom != 0) {
			continue
		}
		n.parked = n.parked || n.sent
		c.unknown(n, Reply{Code: code, Pos: c.pos}, out)
	}
}

func (c *Client) resume() {
	if c.stopped == otherHistory {
		c.pos = c.foreign
	}
	c.stopped, c.ahead = "", 0
	for i := range c.numbers {
		n := &c.numbers[i]
		n.due = n.due || n.parked
		n.parked, n.asleep = false, n.asleep && n.Secret
	}
}

// gap: the cluster missed a number before this one. All from there on are sent again, once for each
// round. If nobody here has that number, it was given in a life that left no line; a Void settles
// it. If its answer has been here before this was even asked, the cluster has lost what it
// acknowledged.
func (c *Client) gap(i int, r Reply, a attempt, out *ClientOutput) {
	if r.Expected > 0 && r.Expected <= a.floor {
		c.turnedAway(i, r, out)
		return
	}
	n := &c.numbers[i]
	n.gaps++
	if n.gaps > 3 || r.Expected == 0 || r.Expected >= n.DSeq {
		c.wait(0)
	}
	dseq := n.DSeq
	for j := range c.numbers {
		m := &c.numbers[j]
		if m.DSeq >= r.Expected && m.DSeq <= dseq && m.flying() && m.newest <= r.ID {
			m.due = true
		}
	}
	if r.Expected > c.floor {
		c.fill(r.Expected, dseq)
	}
}

// fill puts a Void under each number in [from, to) that nobody has.
func (c *Client) fill(from, to uint64) {
	for d := from; d < to; d++ {
		if c.find(d) >= 0 {
			continue
		}
		i, _ := slices.BinarySearchFunc(c.numbers, d, func(n number, d uint64) int { return byDSeq(n.Line, Line{DSeq: d}) })
		v := number{
			Line: Line{DSeq: d, Void: true, Command: c.cfg.Void}, deadline: Never, from: c.route.attempt,
			maybe: true, due: true,
		}
		c.numbers = slices.Insert(c.numbers, i, v)
	}
}

func (c *Client) void(in Void, out *ClientOutput) {
	invariant(in.ID != 0, "a Void without an ID")
	i := c.find(in.DSeq)
	if i < 0 || !c.numbers[i].voidable() {
		done(out, Outcome{ID: in.ID, DSeq: in.DSeq, Reply: Reply{Class: NotApplied, Code: string(Misuse)}})
		return
	}
	n := &c.numbers[i]
	n.void = in.ID
	n.burn(c.route.attempt)
}

// burn has attempts from now on carry the Void.
func (n *number) burn(now uint64) {
	n.due, n.asleep, n.parked = true, false, false
	if n.voidFrom == 0 {
		n.voidFrom = now
	}
}

func (n *number) voidable() bool { return !n.First && !n.Void && !n.settled && n.void == 0 }

func (c *Client) retry(in Retry, out *ClientOutput) {
	invariant(in.ID != 0, "a Retry without an ID")
	i := c.find(in.DSeq)
	if i < 0 || c.numbers[i].settled || c.numbers[i].Void || c.numbers[i].voidFrom != 0 || c.numbers[i].id != 0 {
		done(out, Outcome{ID: in.ID, DSeq: in.DSeq, Reply: Reply{Class: NotApplied, Code: string(Misuse)}})
		return
	}
	n := &c.numbers[i]
	n.id, n.deadline = in.ID, c.until(in.Timeout)
	if c.stopped != "" && !n.flying() {
		c.unknown(n, Reply{Code: c.stopped, Pos: c.pos}, out)
		return
	}
	n.due, n.asleep = n.due || n.asleep, false
}
