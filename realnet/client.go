package realnet

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"sync"
	"time"

	"parley/core/chat"
	"parley/core/replica"
	"parley/core/session"
)

// DefaultServers are where replicas listen when nobody says otherwise.
var DefaultServers = []string{"127.0.0.1:2056", "127.0.0.1:3056", "127.0.0.1:4056"}

// ClientConfig is fixed for the life of a Client.
type ClientConfig struct {
	Servers []string         // host:port; none: DefaultServers
	Device  session.DeviceID // who this client is
	Secret  [32]byte         // shown to servers, which keep only its SHA-256
	Agent   string           // program and version, for the servers' logs

	Store   ClientStore   // where the outbox is kept; nil: nowhere
	Hold    bool          // what the outbox holds at first waits for Resume, and new commands for that
	Timeout time.Duration // of Do, Ask and Void when the context has no earlier end; 0: 10 s
	Window  int           // commands in flight at once; 0: as many as the session allows

	// Loopback servers are spoken to in clear. All others need TLS, or Insecure.
	TLS      *tls.Config
	Insecure bool

	// Pool lets many clients share TCP connections and owner goroutines; nil: this one has its own.
	Pool *ClientPool

	// Record is told of every call, attempt, answer, push and acknowledgement: calls and attempts
	// before their first byte leaves, answers and pushes after they arrived. It stamps them itself,
	// must not block for long, and may be called from several goroutines.
	Record func(Observation)
}

// Request is one thing asked of a cluster: one of Command, Query, Void and Retry is set.
type Request struct {
	Command chat.Command
	Query   replica.Query
	Void    uint64 // settle the doubt about this number
	Retry   uint64 // take up this number of the outbox again

	// Password goes with Signup, Login, DeleteAccount and Passwd, NewPassword with Passwd, and
	// both with a Retry of one of them. They live here no longer than the request.
	Password, NewPassword string

	Stale   bool          // a query is answered by whichever server is reached, however old
	Timeout time.Duration // 0: repeat until it is decided

	// Done gets the outcome, on the goroutine that owns the client; it must not wait for anything.
	Done func(Outcome)
}

// Outcome is how a request ended. With Err nil the cluster decided it, and Reply says how, which may
// well be a refusal (Reply.Code). Else Err is an *UnknownError, a *NotAppliedError, an error of the
// outbox, or ErrClosed.
type Outcome struct {
	DSeq  uint64 // 0: a read, or no number was given
	Reply replica.Reply
	Err   error
}

// UnknownError says that a command was sent and nobody answered for it: it may or may not have been
// applied, and it stays in the outbox: Retry it, or Void it. (Exit code 75.)
type UnknownError struct {
	DSeq  uint64
	Code  string // what was heard last
	Cause error  // the last trouble with a connection, or nil
}

func (e *UnknownError) Error() string {
	return withCause(fmt.Sprintf("command %d may or may not have been applied", e.DSeq), e.Cause)
}

func (e *UnknownError) Unwrap() error { return e.Cause }

// NotAppliedError says that no attempt left a trace, and none will. (Exit code 69; Code tells more:
// E_BAD_PASSWORD is 77.)
type NotAppliedError struct {
	Code    string // E_UNAVAILABLE, E_BUSY, E_TIMEOUT, E_BAD_PASSWORD, E_NO_SESSION …
	AfterMs int64  // E_RATE, E_BUSY: worth asking again then
	Cause   error  // the last trouble with a connection, or nil
}

func (e *NotAppliedError) Error() string { return withCause("not applied: "+e.Code, e.Cause) }

func (e *NotAppliedError) Unwrap() error { return e.Cause }

func withCause(s string, cause error) string {
	if cause != nil {
		s += " (" + cause.Error() + ")"
	}
	return s
}

// ErrClosed is the answer to whatever is asked of a closed Client.
var ErrClosed = errors.New("client is closed")

// Client is one device talking to a cluster: every command takes effect exactly once or is refused,
// whichever servers come and go. It is safe for concurrent use.
//
// It is the shell of session.Client: that machine numbers, repeats and settles; here are the
// streams, the outbox file, the clock and the people who wait.
type Client struct {
	cfg     ClientConfig
	pool    *ClientPool
	ownPool bool
	owner   *owner
	closed  chan struct{}
	notes   chan Note
	running sync.WaitGroup // the links' goroutines
	closing sync.Once

	clientState // belongs to the owner
}

// NewClient loads the outbox and starts to look for the cluster. What is in the outbox is sent, but
// for lines that need a password, and unless the configuration says Hold.
func NewClient(cfg ClientConfig) (*Client, error) {
	if len(cfg.Servers) == 0 {
		cfg.Servers = DefaultServers
	}
	if cfg.Timeout == 0 {
		cfg.Timeout = 10 * time.Second
	}
	if cfg.Agent == "" {
		cfg.Agent = "parley"
	}
	c := &Client{cfg: cfg, pool: cfg.Pool, closed: make(chan struct{}), notes: make(chan Note, 64)}
	if err := c.birth(); err != nil {
		return nil, err
	}
	if c.pool == nil {
		c.pool, c.ownPool = NewClientPool(1, 0), true
	}
	c.owner = c.pool.owner()
	c.owner.post(c, clientBorn{})
	return c, nil
}

// Start asks without waiting. Commands apply in the order in which they were started.
func (c *Client) Start(r Request) { c.owner.post(c, started{&op{request: r}}) }

// Do has the cluster decide a command, and waits for it: at most Timeout, or as long as ctx says.
// passwords are those of Request: first the present one, then, for Passwd, the new one.
func (c *Client) Do(ctx context.Context, cmd chat.Command, passwords ...string) (replica.Reply, error) {
	return c.wait(ctx, Request{Command: cmd}, passwords)
}

// Submit is Do without waiting, or giving up: a command is repeated until it is decided, the client
// closed, or it can never be (the device is fenced, or not known). The channel gives one Outcome.
func (c *Client) Submit(cmd chat.Command, passwords ...string) <-chan Outcome {
	return c.channel(Request{Command: cmd}, passwords)
}

// Ask reads. A stale read is answered by whichever server is reached, however old.
func (c *Client) Ask(ctx context.Context, q replica.Query, stale bool) (replica.Reply, error) {
	return c.wait(ctx, Request{Query: q, Stale: stale}, nil)
}

// Void settles the doubt about a number: it takes the place of the lost command, which then never
// applies (the reply has no code), or brings what became of it (E_SEQ_REUSED, with its result).
func (c *Client) Void(ctx context.Context, dseq uint64) (replica.Reply, error) {
	return c.wait(ctx, Request{Void: dseq}, nil)
}

// Retry takes up a number of the outbox for which nobody waits: after a timeout or a crash.
func (c *Client) Retry(ctx context.Context, dseq uint64, passwords ...string) (replica.Reply, error) {
	return c.wait(ctx, Request{Retry: dseq}, passwords)
}

// channel starts a request whose outcome goes to a channel.
func (c *Client) channel(r Request, passwords []string) <-chan Outcome {
	if len(passwords) > 0 {
		r.Password = passwords[0]
	}
	if len(passwords) > 1 {
		r.NewPassword = passwords[1]
	}
	done := make(chan Outcome, 1)
	r.Done = func(o Outcome) { done <- o }
	c.Start(r)
	return done
}

func (c *Client) wait(ctx context.Context, r Request, passwords []string) (replica.Reply, error) {
	r.Timeout = c.cfg.Timeout
	if end, ok := ctx.Deadline(); ok {
		r.Timeout = max(min(r.Timeout, time.Until(end)), time.Millisecond)
		// The machine knows better than the context what became of it, so it gets to say so.
		var cancel context.CancelFunc
		ctx, cancel = context.WithDeadline(context.WithoutCancel(ctx), end.Add(time.Second))
		defer cancel()
	}
	select {
	case o := <-c.channel(r, passwords):
		return o.Reply, o.Err
	case <-ctx.Done():
		return replica.Reply{}, ctx.Err()
	case <-c.closed:
		return replica.Reply{}, ErrClosed
	}
}

// PendingLine is a command of the outbox: its outcome is not known.
type PendingLine struct {
	DSeq    uint64
	Secret  bool         // a password belongs to it, which is never kept: Retry with one, or Void
	Void    bool         // it is being voided
	Command chat.Command // nil: not one that this version knows
}

// Pending lists the outbox, by number; of a closed client, what stays in it.
func (c *Client) Pending() []PendingLine { return inspect(c, (*Client).pending) }

// Stopped tells whether and why no commands are sent: E_FENCED, E_NO_SESSION; empty: they are. A
// Login or Logout goes all the same.
func (c *Client) Stopped() string {
	return inspect(c, func(c *Client) string { return c.machine.Stopped() })
}

// Pos is the highest position this client has seen.
func (c *Client) Pos() replica.Pos { return inspect(c, func(c *Client) replica.Pos { return c.pos }) }

// Resume sends what was held back: by Hold, or since the device was fenced.
func (c *Client) Resume() { c.owner.post(c, stepped{session.Resume{}}) }

// inspect runs look on the owner, or, of a closed client, right here: then it sees how things stood.
func inspect[T any](c *Client, look func(*Client) T) T {
	done := make(chan T, 1)
	c.owner.post(c, inspected(func(c *Client) { done <- look(c) }))
	return <-done
}

// Close ends the client, and waits until it has. What is not settled stays in the outbox.
func (c *Client) Close() error {
	c.closing.Do(func() {
		c.owner.post(c, clientClosed{})
		<-c.closed
		c.running.Wait()
		if c.ownPool {
			c.pool.Close()
		}
	})
	return nil
}

// Note is news about the connection, for people.
type Note struct {
	Kind   NoteKind
	Server string   // ServerLost, ServerBack
	Trying []string // ServerLost: who is asked next, in this order
	Kept   int      // NoMajority, Halted: commands without an answer
	DSeq   uint64   // NeedsPassword, Settled
	Code   string   // Halted
	Reply  *replica.Reply
}

// NoteKind says what a Note tells.
type NoteKind uint8

const (
	ServerLost    NoteKind = iota + 1 // the server in use is silent or gone
	ServerBack                        // this one answers, after others did not
	NoMajority                        // all were tried; none could
	NeedsPassword                     // this number waits for a Retry with its password, or a Void
	Halted                            // no commands are sent any more: see Stopped
	Settled                           // this number, for which nobody waits, got its answer: Reply
)

// Events gives the news. News that nobody reads is dropped.
func (c *Client) Events() <-chan Note { return c.notes }
