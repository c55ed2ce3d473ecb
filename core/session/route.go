package session

import "time"

// route is where attempts go: to one server, the one believed to lead, until it is silent, gone, or
// says that another does.
type route struct {
	server  int
	servers []server
	attempt uint64        // the last one made
	pause   time.Duration // nothing is sent before: there is no server to send to
	hold    time.Duration // no command is sent before: the cluster asked for patience
	waits   int           // refusals in a row, for the backoff
	hops    int           // redirects in a row

	// What people were told, so that they are told once: the server is lost; all of them are.
	lost, dark bool
	fails      int // servers in a row that were of no use
}

// server is what is known of one.
type server struct {
	downs int           // connections in a row that broke or failed
	retry time.Duration // not worth trying before
}

// dispatch sends what is due, in the order of the numbers: duty 2. A number leaves only when the
// outbox has it (duty 1), when all before it have left for the same server, and, if it must be
// alone, when all before it have their answers (duty 3).
func (c *Client) dispatch(out *ClientOutput) {
	if c.route.pause > c.now {
		return
	}
	c.dispatchAsks(out)
	if c.route.hold > c.now {
		return
	}
	limit := c.through() + uint64(c.cfg.Window)
	before := 0 // numbers without an answer
	for i := range c.numbers {
		n := &c.numbers[i]
		if n.settled || n.parked {
			continue
		}
		lone := n.Alone || n.First
		if n.DSeq > limit || lone && before > 0 || n.asleep || c.holds(n) || !n.stored() {
			return
		}
		if n.due {
			c.send(n, out)
		}
		if before++; lone {
			return
		}
	}
}

// holds tells whether a number stays here because the client is stopped.
func (c *Client) holds(n *number) bool {
	return c.stopped != "" && !n.sent && !n.Void && n.voidFrom == 0 && n.DSeq > c.ahead
}

func (c *Client) send(n *number, out *ClientOutput) {
	c.route.attempt++
	s := ClientSend{
		Server: c.route.server, ID: c.route.attempt, For: n.id, DSeq: n.DSeq, Through: c.through(),
		MinPos: c.pos, First: n.First, Secret: n.Secret, Command: n.Command,
	}
	if n.voidFrom != 0 {
		s.For, s.Secret, s.Command = n.void, false, c.cfg.Void
	}
	out.Sends = append(out.Sends, s)
	n.try(attempt{s.ID, c.floor}, c.now)
}

// move turns to another server, and has all asked again that is without an answer.
func (c *Client) move(to int) {
	c.route.server = to
	for i := range c.numbers {
		if n := &c.numbers[i]; n.flying() {
			n.due = true
		}
	}
	for i := range c.asks {
		c.asks[i].due = true
	}
}

// lose leaves a server that is silent or gone for the next.
func (c *Client) lose(from int, out *ClientOutput) {
	c.move(c.nextServer(from))
	if !c.route.lost {
		c.route.lost = true
		out.Notes = append(out.Notes, ClientNote{Kind: ServerLost, Server: from, Trying: c.others(from)})
	}
	c.failed(out)
}

// failed counts a server that was of no use.
func (c *Client) failed(out *ClientOutput) {
	c.route.fails++
	if c.route.dark || c.route.fails < len(c.route.servers) {
		return
	}
	c.route.dark = true
	out.Notes = append(out.Notes, ClientNote{Kind: NoMajority, Kept: c.kept()})
}

// found says that a server serves.
func (c *Client) found(server int, out *ClientOutput) {
	r := &c.route
	if r.lost || r.dark {
		out.Notes = append(out.Notes, ClientNote{Kind: ServerFound, Server: server})
	}
	r.lost, r.dark, r.fails, r.waits, r.hops = false, false, 0, 0, 0
}

// kept counts the commands without an answer.
func (c *Client) kept() int {
	kept := 0
	for i := range c.numbers {
		if n := &c.numbers[i]; !n.settled && !n.Void {
			kept++
		}
	}
	return kept
}

func (c *Client) others(than int) []int {
	var list []int
	for i := 1; i < len(c.route.servers); i++ {
		list = append(list, (than+i)%len(c.route.servers))
	}
	return list
}

// nextServer is the one after this that is not known to be gone. If all are, it is the one worth
// trying first, and nothing is sent until then.
func (c *Client) nextServer(after int) int {
	best := after
	for i := 1; i <= len(c.route.servers); i++ {
		s := (after + i) % len(c.route.servers)
		if c.route.servers[s].retry <= c.now {
			return s
		}
		if i == 1 || c.route.servers[s].retry < c.route.servers[best].retry {
			best = s
		}
	}
	c.route.pause = c.route.servers[best].retry
	return best
}

func (c *Client) serverDown(in ServerDown, out *ClientOutput) {
	s := in.Server
	if s < 0 || s >= len(c.route.servers) {
		return
	}
	for i := range c.numbers {
		for _, attempt := range in.Unsent {
			if _, open := c.numbers[i].answered(attempt); open {
				c.numbers[i].code = unavailable
			}
		}
	}
	down := &c.route.servers[s]
	down.downs++
	down.retry = c.now + c.backoff(down.downs)
	if s == c.route.server {
		c.lose(s, out)
	}
}

func (c *Client) serverUp(s int) {
	if s < 0 || s >= len(c.route.servers) {
		return
	}
	c.route.servers[s] = server{}
	if c.route.pause > c.now {
		c.route.pause = 0
		c.move(s)
	}
}

// redirect follows a hint to the leader, unless hints go round in circles, or to one who is gone.
func (c *Client) redirect(from, leader int, out *ClientOutput) {
	r := &c.route
	r.hops++
	known := leader >= 0 && leader < len(r.servers) && leader != from
	if known && r.servers[leader].retry <= c.now && r.hops <= len(r.servers) {
		c.move(leader)
		return
	}
	if r.hops > len(r.servers) {
		r.hops = 0
	}
	c.failed(out)
	c.wait(0)
	c.move(c.nextServer(from))
}

// wait holds commands back, for as long as the cluster asked for, or for the backoff.
func (c *Client) wait(afterMs int64) {
	c.route.waits++
	d := c.backoff(c.route.waits)
	if afterMs > 0 {
		after := time.Duration(min(afterMs, 3600_000)) * time.Millisecond
		d = after + c.jitter(c.cfg.BackoffMin)
	}
	c.route.hold = max(c.route.hold, c.now+d)
}

// backoff doubles with each time in a row, up to a bound; the upper half of it is chance, so that
// clients that failed together do not come back together.
func (c *Client) backoff(times int) time.Duration {
	d := c.cfg.BackoffMin
	for range times - 1 {
		if d >= c.cfg.BackoffMax {
			break
		}
		d *= 2
	}
	d = min(d, c.cfg.BackoffMax)
	return d/2 + c.jitter(d/2)
}

// jitter draws from [0, d].
func (c *Client) jitter(d time.Duration) time.Duration {
	return time.Duration(c.draw() % (uint64(d) + 1))
}
