package session

import (
	"slices"
	"time"
)

// Client is one device's end of the promise: commands go in, each comes out as one Outcome, and
// takes effect exactly once or not at all, whatever servers and this machine go through.
//
// Everything is level-triggered. An input only changes what is known: an answer is had, a line is
// stored, a server is gone. Then, at the end of every Step, save and dispatch look at all of it and
// do what can be done. So there is one place where bytes go to the outbox, and one where they leave.
type Client struct {
	cfg  ClientConfig
	now  time.Duration // of the last Step
	rand uint64

	// The numbers without an answer, and those whose answer the outbox does not know yet. Invariant:
	// ascending, below next.
	numbers []number
	next    uint64 // the next number to give. It goes back when the last number is withdrawn
	floor   uint64 // the cluster has decided all numbers up to here

	stopped string // why nothing new is sent; empty: it is
	ahead   uint64 // while stopped, numbers up to here are sent all the same
	foreign Pos    // E_OTHER_HISTORY: where that history is
	greeted bool   // notes about what was recovered have been given

	outbox outbox
	asks   []ask
	route  route
	pos    Pos // the highest seen
}

// NewClient makes a client from what its outbox holds. Lines that need no secret are sent again by
// themselves; the others wait for a Retry or a Void.
func NewClient(cfg ClientConfig, rec ClientRecovered, now time.Duration) *Client {
	cfg = cfg.withDefaults()
	c := &Client{
		cfg: cfg, now: now, rand: cfg.Seed, next: max(1, rec.NextDSeq), floor: rec.Through, pos: rec.Pos,
		outbox: outbox{settleAt: Never},
		route:  route{servers: make([]server, cfg.Servers), server: rec.Server},
	}
	if rec.Server < 0 || rec.Server >= cfg.Servers {
		c.route.server = 0
	}
	c.route.attempt = c.draw()>>2 | 1 // so that replies to an earlier life are known by their ID
	for _, l := range slices.SortedFunc(slices.Values(rec.Lines), byDSeq) {
		n := number{Line: l, deadline: Never, persist: true, due: true, from: c.route.attempt}
		n.maybe = true // an earlier life may have sent it
		n.asleep = l.Secret || cfg.Hold
		c.numbers = append(c.numbers, n)
		c.next = max(c.next, l.DSeq+1)
	}
	c.mustBeSound()
	return c
}

func (cfg ClientConfig) withDefaults() ClientConfig {
	invariant(cfg.Servers > 0, "a client of %d servers", cfg.Servers)
	if cfg.Window <= 0 || cfg.Window > MaxAhead {
		cfg.Window = MaxAhead
	}
	for _, d := range []struct {
		value *time.Duration
		usual time.Duration
	}{
		{&cfg.Silence, 2 * time.Second},
		{&cfg.BackoffMin, 20 * time.Millisecond},
		{&cfg.BackoffMax, 2 * time.Second},
		{&cfg.SettleDelay, 10 * time.Millisecond},
	} {
		if *d.value <= 0 {
			*d.value = d.usual
		}
	}
	return cfg
}

// Step is the only way in.
func (c *Client) Step(now time.Duration, in ClientInput, out *ClientOutput) {
	out.Reset()
	c.now = max(c.now, now)
	c.greet(out)
	switch in := in.(type) {
	case Tick:
	case Submit:
		c.submit(in, out)
	case Ask:
		c.ask(in)
	case Void:
		c.void(in, out)
	case Retry:
		c.retry(in, out)
	case Resume:
		c.resume()
	case StoredOutbox:
		c.storedOutbox(in.Seq, out)
	case Answered:
		c.answered(in.Server, in.Reply, out)
	case ServerDown:
		c.serverDown(in, out)
	case ServerUp:
		c.serverUp(in.Server)
	}
	c.expire(out)
	c.save(out)
	c.dispatch(out)
}

// Never is a deadline that does not come.
const Never time.Duration = 1<<63 - 1

// Deadline says when Step(now, Tick{}) is next worth calling.
func (c *Client) Deadline() time.Duration {
	at := Never
	if !c.outbox.saving {
		at = c.outbox.settleAt
	}
	due := false
	for i := range c.numbers {
		n := &c.numbers[i]
		at = min(at, n.deadline)
		if n.flying() {
			at = min(at, n.at+c.cfg.Silence)
		}
		due = due || n.due && !n.settled
	}
	if wait := max(c.route.pause, c.route.hold); due && wait > c.now {
		at = min(at, wait)
	}
	for i := range c.asks {
		at = min(at, c.asks[i].wakes(c))
	}
	return at
}

// Stopped tells why nothing new is sent: E_FENCED, E_NO_SESSION, E_OTHER_HISTORY, or E_SEQ_GAP if
// the cluster has forgotten what it acknowledged. Empty: nothing is wrong. Numbers that were being
// asked after are asked after still when fenced, for they have true answers; no other is sent until
// Resume.
func (c *Client) Stopped() string { return c.stopped }

// Outbox lists the numbers that have no answer yet, Voids included.
func (c *Client) Outbox() []Line {
	var lines []Line
	for i := range c.numbers {
		if n := &c.numbers[i]; !n.settled {
			lines = append(lines, n.Line)
		}
	}
	return lines
}

// Idle tells whether nothing is owed: no number and no read is without an answer, and the outbox
// knows it.
func (c *Client) Idle() bool {
	return len(c.numbers)+len(c.asks)+len(c.outbox.gone) == 0 && !c.outbox.saving
}

// Pos is the highest position seen.
func (c *Client) Pos() Pos { return c.pos }

// Server is the one believed to lead.
func (c *Client) Server() int { return c.route.server }

// Now is the time of the last Step.
func (c *Client) Now() time.Duration { return c.now }

// greet tells once which of the recovered numbers wait for a secret.
func (c *Client) greet(out *ClientOutput) {
	if c.greeted {
		return
	}
	c.greeted = true
	for i := range c.numbers {
		if n := &c.numbers[i]; n.Secret {
			out.Notes = append(out.Notes, ClientNote{Kind: NeedsSecret, DSeq: n.DSeq})
		}
	}
}

// expire lets time have its effect: callers who have waited long enough are told so, and a server
// that has been silent for long enough is left for the next.
func (c *Client) expire(out *ClientOutput) {
	for i := len(c.numbers) - 1; i >= 0; i-- {
		if i < len(c.numbers) && c.numbers[i].deadline <= c.now {
			c.timeout(i, out)
		}
	}
	c.expireAsks(out)
	silent := func(n number) bool { return n.flying() && n.at+c.cfg.Silence <= c.now }
	silentAsk := func(a ask) bool { return a.flying() && a.at+c.cfg.Silence <= c.now }
	if slices.ContainsFunc(c.numbers, silent) || slices.ContainsFunc(c.asks, silentAsk) {
		c.lose(c.route.server, out)
	}
}

// draw is splitmix64: the client's own chance, from ClientConfig.Seed.
func (c *Client) draw() uint64 {
	c.rand += 0x9e3779b97f4a7c15
	z := c.rand
	z = (z ^ z>>30) * 0xbf58476d1ce4e5b9
	z = (z ^ z>>27) * 0x94d049bb133111eb
	return z ^ z>>31
}

func done(out *ClientOutput, o Outcome) { out.Done = append(out.Done, o) }
