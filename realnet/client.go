package realnet

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
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

	Store   ClientStore   // where the outbox is kept; nil: nowhere
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

// ClientStore keeps what a client must not forget. Its methods are called one at a time.
type ClientStore interface {
	// Load gives what the store holds: once, before anything else.
	Load() (Outbox, error)
	// Save makes changes durable, in this order, before it returns.
	Save([]OutboxChange) error
}

// Outbox is what a client finds when it starts.
type Outbox struct {
	Last    uint64        // the highest number ever drawn
	Through uint64        // every number up to here is settled
	Pos     replica.Pos   // the highest position seen when last saved
	Lines   []PendingLine // drawn and not settled, by number
}

// PendingLine is a command whose outcome is not known yet.
type PendingLine struct {
	DSeq    uint64
	Command chat.Command
	Secret  bool // a password belongs to it, which is never kept
}

// OutboxChange is one step of an outbox: a line put in, or a number settled.
type OutboxChange struct {
	Put     *PendingLine
	Settled uint64 // this number has its answer; 0: none
	Pos     replica.Pos
}

// Outcome is how a command ended. Err is nil if the cluster decided it: Reply then says what, which
// may well be a refusal (Reply.Code). Else it is an *UnknownError, a *NotAppliedError or the context's.
type Outcome struct {
	DSeq  uint64
	Reply replica.Reply
	Err   error
}

// UnknownError says that a command was sent and nobody answered for it: it may or may not have been
// applied, and its line stays in the outbox. (Exit code 75.)
type UnknownError struct{ DSeq uint64 }

func (e *UnknownError) Error() string {
	return fmt.Sprintf("no answer to command %d: it may or may not have been applied", e.DSeq)
}

// NotAppliedError says that every attempt left no trace. (Exit code 69; Code tells more.)
type NotAppliedError struct {
	Code  string // E_UNAVAILABLE, E_BUSY, E_BAD_PASSWORD …
	Reply replica.Reply
}

func (e *NotAppliedError) Error() string { return "not applied: " + e.Code }

// GapError says that a feed left out an event: the one thing a feed never does. (Exit code 70.)
type GapError struct{ Want, Got uint64 }

func (e *GapError) Error() string {
	return fmt.Sprintf("feed has a gap: event %d came where %d was due", e.Got, e.Want)
}

// FeedEndedError says that the cluster ended a feed for good.
type FeedEndedError struct {
	Why replica.Why
	By  string // replica.TakenOver: the label of the device that took over
	Pos replica.Pos
}

func (e *FeedEndedError) Error() string { return "feed ended: " + WhyText(e.Why, e.By) }

// ErrClosed is the answer to whatever is asked of a closed Client.
var ErrClosed = errors.New("client is closed")

// Client is one device talking to a cluster: every command takes effect exactly once or is refused,
// whichever servers come and go. It is safe for concurrent use.
type Client struct{}

// NewClient loads the outbox and starts looking for the cluster. What is in the outbox waits for
// Resume.
func NewClient(cfg ClientConfig) (*Client, error) { return nil, ErrClosed }

// Do has the cluster decide a command, and waits for it: at most Timeout, or as long as ctx says.
// password belongs to Signup, Login, Passwd and DeleteAccount.
func (c *Client) Do(ctx context.Context, cmd chat.Command, password string) (replica.Reply, error) {
	return replica.Reply{}, ErrClosed
}

// Submit is Do without waiting. Commands apply in the order in which they were submitted; the
// channel gives one Outcome. There is no timeout: a command is repeated until it is decided, the
// client closed, or it can never be (the device is fenced, or not known).
func (c *Client) Submit(cmd chat.Command, password string) <-chan Outcome { return nil }

// SubmitFunc is Submit for those who count goroutines: done is called on the goroutine that owns
// the client, and must not wait for anything.
func (c *Client) SubmitFunc(cmd chat.Command, password string, done func(Outcome)) {}

// Ask reads. A stale read is answered by whichever server is reached, however old.
func (c *Client) Ask(ctx context.Context, q replica.Query, stale bool) (replica.Reply, error) {
	return replica.Reply{}, ErrClosed
}

// Void settles the doubt about a number: it takes the place of the lost command, which then never
// applies (the reply has no code), or brings what became of it (E_SEQ_REUSED, with its result).
func (c *Client) Void(ctx context.Context, dseq uint64) (replica.Reply, error) {
	return replica.Reply{}, ErrClosed
}

// Pending lists the outbox: commands whose outcome is not known, by number.
func (c *Client) Pending() []PendingLine { return nil }

// Resume sends what an earlier life left in the outbox, under its old numbers. The channel gives
// one Outcome for each and is closed. password goes with lines that need one.
func (c *Client) Resume(password string) <-chan Outcome { return nil }

// Pos is the highest position this client has seen.
func (c *Client) Pos() replica.Pos { return replica.Pos{} }

// WatchFrom says where a feed begins.
type WatchFrom struct {
	Cursor bool   // where the cluster believes this device stands; else
	After  uint64 // behind this event
	Pos    replica.Pos
}

// Watch attaches to the device's feed, on any server that is up to it, and stays attached.
func (c *Client) Watch(ctx context.Context, from WatchFrom) (*Feed, error) { return nil, ErrClosed }

// Feed is the device's feed: every event once, in order, whichever servers come and go.
type Feed struct{}

// Next waits for the next event. It fails with a *FeedEndedError or *GapError, for good, or with
// the context's error.
func (f *Feed) Next(ctx context.Context) (replica.Push, error) { return replica.Push{}, ErrClosed }

// Attached says as whom and after which event the feed was first attached.
func (f *Feed) Attached() replica.Attached { return replica.Attached{} }

// Ack says that everything up to event n is stored here, and the messages that marks name.
func (f *Feed) Ack(n uint64, marks ...chat.Mark) {}

// Close detaches.
func (f *Feed) Close() {}

// Note is news about the connection, for people.
type Note struct {
	Kind   NoteKind
	Server string   // the one it is about
	Trying []string // ServerLost: who is tried next
	Kept   int      // NoMajority: commands waiting
}

// NoteKind says what a Note tells.
type NoteKind uint8

const (
	ServerLost NoteKind = iota + 1 // the server in use is gone
	ServerBack                     // answers come again, from Server
	NoMajority                     // servers answer, and say that nobody leads
)

// Events gives connection news. News that nobody reads is dropped.
func (c *Client) Events() <-chan Note { return nil }

// ServerStatus is what one server says about itself, or why it does not.
type ServerStatus struct {
	Address string
	Err     error
	Node    uint64 // n1 is 1
	Cluster string
	Version string
	Role    string // leader, follower, candidate
	Term    uint64
	Leader  uint64
	Applied uint64
	Digest  string
	Feeds   int
}

// Status asks all servers, at the same time.
func (c *Client) Status(ctx context.Context) []ServerStatus { return nil }

// Close ends the client. What is not settled stays in the outbox.
func (c *Client) Close() error { return nil }

// ClientPool is shared by clients of one process: one TCP connection per server and every so many
// clients, and a few goroutines that own them.
type ClientPool struct{}

// WhyText says in words why a feed ended.
func WhyText(why replica.Why, by string) string { return "" }

// Observation is one thing a client did or saw, as a recorder of histories needs it.
type Observation struct {
	Kind ObservationKind
	Op   uint64 // Called … Unsettled: the operation, unique in the process

	Device   session.DeviceID
	DSeq     uint64        // commands
	Command  chat.Command  // Called, of commands
	Query    replica.Query // Called, of reads
	Server   string        // Tried, Attached
	Reply    replica.Reply // Answered
	Err      error         // Failed, Unsettled
	Feed     uint64        // Attached … FeedClosed: the subscription, unique in the process
	After    uint64        // Attached
	Push     *replica.Push // Pushed
	N        uint64        // Acked
	Closing  string        // FeedClosed: why
	Attempts int           // Answered, Failed, Unsettled
}

// ObservationKind says what was observed.
type ObservationKind uint8

const (
	Called    ObservationKind = iota + 1 // an operation begins
	Tried                                // one attempt leaves for Server
	Answered                             // decided: Reply, a refusal included
	Failed                               // certainly without a trace
	Unsettled                            // given up without knowing
	Attached                             // a feed runs, after After
	Pushed
	Acked
	FeedClosed
)
