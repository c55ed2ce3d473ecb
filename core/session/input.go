package session

import "time"

// Everything that can happen to a client, and everything it can ask for.

// Pos is a place in the cluster's history: the log index, with the epoch of the cluster.
type Pos struct{ Epoch, Index uint64 }

// After says whether p is further than q.
func (p Pos) After(q Pos) bool {
	return p.Epoch > q.Epoch || p.Epoch == q.Epoch && p.Index > q.Index
}

// ClientInput is one thing that happens to a Client; the set is closed. Byte slices that come in
// with one are kept, and must not change afterwards.
type ClientInput interface{ isClientInput() }

type (
	// Tick says that the deadline may have come.
	Tick struct{}

	// Submit gives a command. It ends with one Outcome under ID.
	//
	// With Ahead it goes although a fence has Stopped the client, before what was never sent; and what
	// was perhaps sent, but cannot be again without a secret that nobody here has any more, is voided.
	Submit struct {
		ID      uint64 // the caller's, not 0, never used twice
		Command []byte
		First   bool          // first contact: takes number 1, and nothing else goes before it is answered
		Alone   bool          // carries evidence or a secret: no other command is in flight beside it
		Secret  bool          // needs a password, which the shell keeps under ID until the Outcome, no longer
		Again   bool          // when the answer is E_RETRY, ask again under the next number
		Ahead   bool          // a re-login, a logout: see above
		Persist bool          // goes to the outbox first. Without, a crash forgets it and its number
		Timeout time.Duration // 0: repeat until it is decided
	}

	// Ask gives a read: it has no number and is freely repeated. It ends with one Outcome under ID.
	Ask struct {
		ID      uint64 // as Submit's, from the same numbers
		Query   []byte
		Timeout time.Duration // 0: repeat until it is answered
	}

	// Void settles the doubt about a number: it takes the place of the command, which then never
	// applies, or meets what became of it. It ends with one Outcome under ID: Code is E_SEQ_REUSED
	// if the command stood first, and the reply is then the one to the command. A first contact
	// cannot be voided. What has a smaller number goes first, so while Stopped void from the front.
	Void struct {
		ID   uint64
		DSeq uint64
	}

	// Retry takes up a number for which nobody waits, after a timeout or a crash: its answer will be
	// the Outcome under ID, under which the shell has the secret again, if it needs one.
	Retry struct {
		ID      uint64
		DSeq    uint64
		Timeout time.Duration
	}

	// Resume sends again what Stopped held back, after the device has logged in again, or what was
	// recovered and is held by ClientConfig.Hold.
	Resume struct{}

	// StoredOutbox says that the outbox has the Save of this Seq, synced.
	StoredOutbox struct{ Seq uint64 }

	// Answered is a server's reply to one attempt. It may be late, doubled or missing.
	Answered struct {
		Server int
		Reply  Reply
	}

	// ServerDown says that the connection to a server broke, or could not be made: no reply to what
	// was sent there will come. ServerUp says that there is one again.
	ServerDown struct {
		Server int
		Unsent []uint64 // attempts that never left
	}
	ServerUp struct{ Server int }
)

func (Tick) isClientInput()         {}
func (Submit) isClientInput()       {}
func (Ask) isClientInput()          {}
func (Void) isClientInput()         {}
func (Retry) isClientInput()        {}
func (Resume) isClientInput()       {}
func (StoredOutbox) isClientInput() {}
func (Answered) isClientInput()     {}
func (ServerDown) isClientInput()   {}
func (ServerUp) isClientInput()     {}

// ClientConfig is fixed for the life of a Client.
type ClientConfig struct {
	Servers int    // they are numbered 0 … Servers-1
	Seed    uint64 // another one in each life
	Void    []byte // the command that does nothing, encoded
	Window  int    // commands in flight at once, 0 or more than MaxAhead: MaxAhead
	Hold    bool   // what is recovered waits for Resume, and what comes later for that

	Silence     time.Duration // without an answer for so long, the next server is asked; 0: 2 s
	BackoffMin  time.Duration // 0: 20 ms
	BackoffMax  time.Duration // 0: 2 s
	SettleDelay time.Duration // a Save that only settles waits so long for company, 0: 10 ms
}

// ClientRecovered is what an outbox holds when it is opened. The zero value is a new device's.
type ClientRecovered struct {
	Lines    []Line // by DSeq
	NextDSeq uint64 // the next number to give
	Through  uint64
	Pos      Pos
	Server   int // the first to ask
}

// Line is a command in the outbox: its number is given, its answer not known.
type Line struct {
	DSeq    uint64
	First   bool
	Alone   bool
	Secret  bool // it needs a secret, which is never written down
	Void    bool // Command is the Void: nobody waits for the answer
	Command []byte
}

// Save is one atomic step of the outbox: drop the lines of Settle, then add those of Add, each in
// the place of a line of its number if there is one. Next, Through and Pos replace what was there.
// At most one Save is out at a time.
type Save struct {
	Seq     uint64 // 1, 2, 3, … in each life
	Settle  []uint64
	Add     []Line
	Next    uint64
	Through uint64
	Pos     Pos
}

// ClientSend is one attempt, to go to a server: a command or a query. Those to one server keep their
// order.
type ClientSend struct {
	Server  int
	ID      uint64 // of the attempt; the reply carries it
	For     uint64 // the ID of the Submit, Ask or Retry: where the secret is. 0: nobody waits
	DSeq    uint64 // commands
	Through uint64 // commands
	MinPos  Pos    // the highest position seen
	First   bool
	Secret  bool   // the secret of For goes along
	Command []byte // or nil
	Query   []byte // or nil
}

// Reply is a server's answer to one attempt.
type Reply struct {
	ID       uint64 // of the attempt
	DSeq     uint64 // of a command; 0: a query's
	Class    Class
	Code     string
	Leader   int    // E_NOT_LEADER: who leads, -1 if nobody known
	Expected uint64 // E_SEQ_GAP
	AfterMs  int64  // E_RATE, E_BUSY: worth asking again then
	Pos      Pos
	Replayed bool
	Body     []byte // the result, opaque
}

// Outcome is how a Submit, Ask, Void or Retry ended, one each. With ID 0 it is the answer to a
// number for which nobody waits any more: after a timeout, or after a crash.
//
// Reply.Class NotApplied means that no attempt left a trace and none will: it is safe to give the
// command again. Unknown means that the number is open and stays in the outbox. (Only after
// E_WINDOW, which is a bug of somebody's, it does not.)
type Outcome struct {
	ID      uint64
	DSeq    uint64 // 0: a read, or no number was given
	Command []byte // of that number
	Reply   Reply
}

// The codes that the client itself gives.
const (
	// Timeout: no answer in time.
	Timeout Code = "E_TIMEOUT"
	// Voided: the command's number was burnt by a Void, so it never applies.
	Voided Code = "E_VOIDED"
	// Misuse: what was asked for makes no sense: an unknown number, a first contact that is none.
	Misuse Code = "E_MISUSE"
)

// ClientNote is something that the person in front may want to know.
type ClientNote struct {
	Kind   ClientNoteKind
	Server int    // ServerLost, ServerFound
	Trying []int  // ServerLost: who is asked next, in this order
	Kept   int    // NoMajority, Halted: commands without an answer
	DSeq   uint64 // NeedsSecret
	Code   string // Halted
}

// ClientNoteKind says what a ClientNote tells.
type ClientNoteKind uint8

const (
	ServerLost  ClientNoteKind = iota + 1 // the server in use is silent or gone
	ServerFound                           // this one answers, after others did not
	NoMajority                            // all were tried; none could
	NeedsSecret                           // this number waits for a Retry, or a Void
	Halted                                // see Client.Stopped
)

// ClientOutput is what a Step asks of the shell, which owns it. All of it may be done at once.
type ClientOutput struct {
	Save  *Save
	Sends []ClientSend
	Done  []Outcome
	Notes []ClientNote
}

// Reset empties o and keeps its capacity; Step begins with it.
func (o *ClientOutput) Reset() {
	*o = ClientOutput{Sends: o.Sends[:0], Done: o.Done[:0], Notes: o.Notes[:0]}
}
