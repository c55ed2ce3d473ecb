package session

import (
	"fmt"
	"slices"
	"time"
)

// Clone copies c.
func (c *Client) Clone() *Client {
	d := *c
	d.numbers = slices.Clone(c.numbers)
	for i := range d.numbers {
		d.numbers[i].open = slices.Clone(c.numbers[i].open)
	}
	d.asks = slices.Clone(c.asks)
	for i := range d.asks {
		d.asks[i].attempts = slices.Clone(c.asks[i].attempts)
	}
	d.outbox.gone, d.outbox.told = slices.Clone(c.outbox.gone), slices.Clone(c.outbox.told)
	d.route.servers = slices.Clone(c.route.servers)
	return &d
}

// Hash tells clients apart that behave differently. Times count as they stand to now.
func (c *Client) Hash() uint64 {
	h := newHasher()
	for _, v := range []uint64{c.rand, c.next, c.floor, c.ahead, c.pos.Epoch, c.pos.Index,
		c.foreign.Epoch, c.foreign.Index, uint64(len(c.numbers)), uint64(len(c.asks))} {
		h.word(v)
	}
	h.text(c.stopped)
	h.flag(c.greeted)
	for i := range c.numbers {
		c.numbers[i].hash(&h, c.now)
	}
	for i := range c.asks {
		c.asks[i].hash(&h, c.now)
	}
	c.outbox.hash(&h, c.now)
	c.route.hash(&h, c.now)
	return uint64(h)
}

func (h *hasher) time(t, now time.Duration) {
	if t != Never {
		t = max(t-now, -1)
	}
	h.word(uint64(t))
}

func (n *number) hash(h *hasher, now time.Duration) {
	for _, v := range []uint64{n.DSeq, n.id, n.void, n.voidFrom, uint64(n.gaps), n.from, n.newest,
		uint64(len(n.open))} {
		h.word(v)
	}
	h.flag(n.First, n.Alone, n.Secret, n.Void, n.again, n.persist, n.dirty, n.saving, n.settled, n.due,
		n.sent, n.asleep, n.parked, n.maybe)
	h.text(string(n.Command))
	h.text(n.code)
	h.time(n.deadline, now)
	h.time(n.at, now)
	for _, a := range n.open {
		h.word(a.id)
		h.word(a.floor)
	}
}

func (a *ask) hash(h *hasher, now time.Duration) {
	h.word(a.id)
	h.text(string(a.query))
	h.flag(a.due)
	for _, t := range []time.Duration{a.deadline, a.hold, a.at} {
		h.time(t, now)
	}
	for _, id := range a.attempts {
		h.word(id)
	}
}

func (b *outbox) hash(h *hasher, now time.Duration) {
	h.word(b.seq)
	h.flag(b.saving)
	h.time(b.settleAt, now)
	for _, d := range b.gone {
		h.word(d)
	}
	for _, t := range b.told {
		h.word(t.seq)
		h.word(t.outcome.ID)
		h.word(t.outcome.DSeq)
		h.text(t.outcome.Reply.Code)
	}
}

func (r *route) hash(h *hasher, now time.Duration) {
	for _, v := range []uint64{uint64(r.server), r.attempt, uint64(r.waits), uint64(r.hops), uint64(r.fails)} {
		h.word(v)
	}
	h.flag(r.lost, r.dark)
	h.time(r.pause, now)
	h.time(r.hold, now)
	for _, s := range r.servers {
		h.word(uint64(s.downs))
		h.time(s.retry, now)
	}
}

func (c *Client) mustBeSound() {
	err := c.Check()
	invariant(err == nil, "client: %v", err)
}

// Check looks for damage in what must always hold.
func (c *Client) Check() error {
	flying, lone := 0, false
	var waiting []uint64
	for i := range c.numbers {
		n := &c.numbers[i]
		if n.DSeq == 0 || n.DSeq >= c.next || i > 0 && n.DSeq <= c.numbers[i-1].DSeq {
			return fmt.Errorf("number %d at place %d, next is %d", n.DSeq, i, c.next)
		}
		if err := n.check(); err != nil {
			return fmt.Errorf("number %d: %w", n.DSeq, err)
		}
		if n.flying() {
			flying++
			lone = lone || n.voidFrom == 0 && (n.Alone || n.First)
		}
		if n.id != 0 {
			waiting = append(waiting, n.id)
		}
		if n.void != 0 {
			waiting = append(waiting, n.void)
		}
	}
	switch {
	case flying > c.cfg.Window:
		return fmt.Errorf("%d numbers in flight, window %d", flying, c.cfg.Window)
	case lone && flying > 1:
		return fmt.Errorf("%d numbers in flight, one of which must be alone", flying)
	case c.route.server < 0 || c.route.server >= len(c.route.servers):
		return fmt.Errorf("server %d of %d", c.route.server, len(c.route.servers))
	}
	return c.checkWaiting(waiting)
}

// check is what must hold of one number.
func (n *number) check() error {
	switch {
	case n.sent && !n.settled && !n.stored():
		return fmt.Errorf("sent before the outbox has it")
	case n.settled && (n.id != 0 || n.void != 0):
		return fmt.Errorf("settled, and %d waits", max(n.id, n.void))
	case n.settled && n.due:
		return fmt.Errorf("settled, and to be sent")
	case len(n.open) > maxOpen:
		return fmt.Errorf("%d open attempts", len(n.open))
	case n.id == 0 && n.deadline != Never:
		return fmt.Errorf("a deadline, but nobody waits")
	case n.void != 0 && n.voidFrom == 0:
		return fmt.Errorf("%d waits for a Void that is none", n.void)
	}
	return nil
}

// checkWaiting: nobody is told twice.
func (c *Client) checkWaiting(ids []uint64) error {
	for i := range c.asks {
		ids = append(ids, c.asks[i].id)
	}
	for _, t := range c.outbox.told {
		if t.seq > c.outbox.seq {
			return fmt.Errorf("an outcome waits for save %d, the last is %d", t.seq, c.outbox.seq)
		}
		if t.outcome.ID != 0 {
			ids = append(ids, t.outcome.ID)
		}
	}
	slices.Sort(ids)
	for i := 1; i < len(ids); i++ {
		if ids[i] == ids[i-1] {
			return fmt.Errorf("two wait under ID %d", ids[i])
		}
	}
	return nil
}
