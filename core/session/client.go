package session

import "time"

// Client is one device's end of the promise.
type Client struct {
	now time.Duration
}

// NewClient makes a client from what its outbox holds.
func NewClient(cfg ClientConfig, rec ClientRecovered, now time.Duration) *Client {
	return &Client{now: now}
}

// Step is the only way in.
func (c *Client) Step(now time.Duration, in ClientInput, out *ClientOutput) { out.Reset() }

// Deadline says when Step(now, Tick{}) is next worth calling.
func (c *Client) Deadline() time.Duration { return Never }

// Never is a deadline that does not come.
const Never time.Duration = 1<<63 - 1

// Stopped tells whether and why nothing new is sent: E_FENCED, E_NO_SESSION, …; empty: it is.
func (c *Client) Stopped() string { return "" }

// Outbox lists the numbers that have no answer.
func (c *Client) Outbox() []Line { return nil }

// Idle tells whether nothing is owed: no number is open and the outbox knows it.
func (c *Client) Idle() bool { return true }

// Pos is the highest position seen.
func (c *Client) Pos() Pos { return Pos{} }

// Server is the one believed to lead.
func (c *Client) Server() int { return 0 }

// Clone copies c.
func (c *Client) Clone() *Client { d := *c; return &d }

// Hash tells clients apart that behave differently.
func (c *Client) Hash() uint64 { return 0 }

// Check looks for damage in what must always hold.
func (c *Client) Check() error { return nil }
