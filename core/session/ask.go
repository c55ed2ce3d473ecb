package session

import (
	"slices"
	"time"
)

// ask is a read without an answer. It changes nothing, so any attempt's answer will do.
type ask struct {
	id       uint64
	query    []byte
	deadline time.Duration
	attempts []uint64 // the last few
	due      bool
	hold     time.Duration // not sent before
	at       time.Duration // of the newest attempt
}

func (a *ask) flying() bool { return !a.due }

// wakes says when time matters to a.
func (a *ask) wakes(c *Client) time.Duration {
	if a.flying() {
		return min(a.deadline, a.at+c.cfg.Silence)
	}
	if wait := max(a.hold, c.route.pause); wait > c.now {
		return min(a.deadline, wait)
	}
	return a.deadline
}

func (c *Client) ask(in Ask) {
	invariant(in.ID != 0, "an Ask without an ID")
	c.asks = append(c.asks, ask{id: in.ID, query: in.Query, deadline: c.until(in.Timeout), due: true})
}

func (c *Client) dispatchAsks(out *ClientOutput) {
	for i := range c.asks {
		a := &c.asks[i]
		if !a.due || a.hold > c.now {
			continue
		}
		c.route.attempt++
		if len(a.attempts) == maxOpen {
			a.attempts = slices.Delete(a.attempts, 0, 1)
		}
		a.attempts = append(a.attempts, c.route.attempt)
		a.due, a.at = false, c.now
		out.Sends = append(out.Sends, ClientSend{
			Server: c.route.server, ID: c.route.attempt, For: a.id, MinPos: c.pos, Query: a.query,
		})
	}
}

func (c *Client) expireAsks(out *ClientOutput) {
	c.asks = slices.DeleteFunc(c.asks, func(a ask) bool {
		late := a.deadline <= c.now
		if late {
			done(out, Outcome{ID: a.id, Reply: Reply{Code: string(Timeout), Pos: c.pos}})
		}
		return late
	})
}

func (c *Client) askAnswered(from int, r Reply, out *ClientOutput) {
	i := slices.IndexFunc(c.asks, func(a ask) bool { return slices.Contains(a.attempts, r.ID) })
	if i < 0 || r.Class == Unknown {
		return
	}
	a := &c.asks[i]
	if r.Class != NotApplied || !passing(r.Code) {
		if r.Class != NotApplied {
			c.found(from, out)
		}
		done(out, Outcome{ID: a.id, Reply: r})
		c.asks = slices.Delete(c.asks, i, i+1)
		return
	}
	if a.due || r.ID != a.attempts[len(a.attempts)-1] {
		return
	}
	a.due = true
	c.askRefused(a, from, r, out)
}

// passing tells the refusals that will be over some time from those that need somebody's attention.
func passing(code string) bool {
	switch code {
	case string(NoSession), badPassword, otherHistory:
		return false
	}
	return true
}

func (c *Client) askRefused(a *ask, from int, r Reply, out *ClientOutput) {
	if r.Code == notLeader {
		c.redirect(from, r.Leader, out)
		return
	}
	c.route.waits++
	a.hold = c.now + c.backoff(c.route.waits)
	if r.AfterMs > 0 {
		a.hold = c.now + time.Duration(min(r.AfterMs, 3600_000))*time.Millisecond
	}
	if r.Code == unavailable {
		c.failed(out)
		c.move(c.nextServer(from))
	}
}
