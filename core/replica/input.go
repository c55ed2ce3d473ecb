package replica

import (
	"time"

	"parley/core/chat"
	"parley/core/raft"
	"parley/core/row"
	"parley/core/session"
)

// Everything that can happen to a replica, and everything it can ask for. Read this file first.

// Conn is one client's connection to this replica; the shell numbers them and never uses one twice.
type Conn uint64

// Pos is a place in the cluster's history: the log index, with the epoch of the cluster so that a
// place from before a restore is recognised.
type Pos struct {
	Epoch uint64
	Index raft.Index
}

// Input is one thing that happens to a Machine; the set is closed.
type Input interface{ isInput() }

type (
	// Tick says that the deadline may have come.
	Tick struct{}

	// Peer is a message from another replica. It may be late, doubled or missing, never altered.
	Peer struct{ Message *PeerMessage }

	// PeerDown hints that a peer's process is gone: reset, end of stream, refusal; never a timeout.
	PeerDown struct{ Peer raft.ID }

	// Stored is the store's answer to the Save that is out. A store's error never comes in here: it
	// ends the life.
	Stored struct{ Saved Saved }

	// Fetched answers a Fetch.
	Fetched struct {
		ID   uint64
		Rows Rows
	}

	// Exported answers an Export.
	Exported struct {
		ID       uint64
		Snapshot Snapshot
	}

	// Calls are commands and reads of clients, in the order of their arrival.
	Calls struct{ List []Call }

	// Verified answers a Verify, Hashed a Hash. Busy: the queue for passwords is full.
	Verified struct {
		ID   uint64
		OK   bool
		Busy bool
	}
	Hashed struct {
		ID   uint64
		Hash string
		Busy bool
	}

	// Attach asks for the feed of a device. A connection may hold several, told apart by Sub.
	Attach struct {
		Conn       Conn
		Sub        uint64
		Device     session.DeviceID
		Token      session.Token
		After      uint64 // deliver from After+1 on; with FromCursor where the device's cursor stands
		FromCursor bool
		Pos        Pos // serve only once applied this far: what the client has seen elsewhere
	}

	// Ack says that a device has stored its feed up to N, and the messages named by Marks.
	Ack struct {
		Conn  Conn
		Sub   uint64
		N     uint64
		Marks []chat.Mark
	}

	// Detach ends one feed, Hangup all feeds of a connection: nobody is there any more. Its calls go on,
	// and their replies go nowhere.
	Detach struct {
		Conn Conn
		Sub  uint64
	}
	Hangup struct{ Conn Conn }

	// Resign asks the replica to stop gracefully: hand over, answer what is owed. Output.Idle says
	// when nothing is.
	Resign struct{}
)

func (Tick) isInput()     {}
func (Peer) isInput()     {}
func (PeerDown) isInput() {}
func (Stored) isInput()   {}
func (Fetched) isInput()  {}
func (Exported) isInput() {}
func (Calls) isInput()    {}
func (Verified) isInput() {}
func (Hashed) isInput()   {}
func (Attach) isInput()   {}
func (Ack) isInput()      {}
func (Detach) isInput()   {}
func (Hangup) isInput()   {}
func (Resign) isInput()   {}

// Call is one attempt of a client: a Command under a number, or a Query.
type Call struct {
	Conn    Conn
	ID      uint64 // the reply carries it; the client's, unique per connection
	Device  session.DeviceID
	Token   session.Token // SHA-256 of what the client presented
	DSeq    uint64        // commands only
	Through uint64        // commands only: the client has every answer up to here
	Pos     Pos           // the highest position the client has seen
	Command chat.Command  // or nil
	Query   Query         // or nil
	Secret  bool          // a password came along; the shell keeps it under (Conn, ID). With Passwd
	// there are two: Verify is about the present one, Hash about the new one
	Stale  bool   // queries: answer from what is here, however old
	Origin string // where first contacts are counted: the client's address
	Date   int64  // the shell's wall clock, Unix milliseconds
}

// Query is a read; the set is closed.
type Query interface{ isQuery() }

type (
	// List asks for names beginning with Prefix, after the key After.
	List struct {
		Prefix string
		After  string
		Limit  int
	}
	// History asks for messages of a conversation: with the account now called With, or, if
	// Members is not zero, between these two uids. After: forwards from After+1. Before ≠ 0: the
	// Limit messages before it. Both zero with Latest: the last Limit.
	History struct {
		With    string
		Members [2]chat.UID
		After   uint64
		Before  uint64
		Latest  bool
		Limit   int
	}
	// Whoami asks who the device is.
	Whoami struct{}
	// Barrier asks for nothing but a position: this replica has applied all that was acknowledged, by
	// anybody, before the call. It needs no device; the shell asks it for itself.
	Barrier struct{}
)

func (Barrier) isQuery() {}
func (List) isQuery()    {}
func (History) isQuery() {}
func (Whoami) isQuery()  {}

// Code is why the door did not let a call pass; the answers of session and chat come on top.
type Code string

// The door's own answers. All are session.NotApplied.
const (
	NotLeader   Code = "E_NOT_LEADER"
	Unavailable Code = "E_UNAVAILABLE" // no leader, or no majority
	Busy        Code = "E_BUSY"
	NoSpace     Code = "E_NO_SPACE"
	Rate        Code = "E_RATE"
	BadPassword Code = "E_BAD_PASSWORD"
	// History of another epoch: the client's position is not of this cluster's present.
	WrongEpoch Code = "E_OTHER_HISTORY"
)

// Reply answers a Call.
type Reply struct {
	Conn     Conn
	ID       uint64
	Class    session.Class
	Code     string  // empty: done. Else a Code of replica, session or chat
	Pos      Pos     // a command's own entry; a read's applied index; the door's: what it had applied
	Leader   raft.ID // E_NOT_LEADER: who leads, 0 if nobody known
	AfterMs  int64   // E_RATE, E_BUSY: worth asking again then
	Expected uint64  // E_SEQ_GAP
	Replayed bool    // the recorded answer of an earlier attempt

	Result   chat.Result    // commands
	Page     *Page          // List
	Thread   *Thread        // History
	Identity *chat.Identity // Whoami
}

// Page is a page of names in key order.
type Page struct {
	Names []string
	More  bool
}

// Thread is a page of a conversation, in order.
type Thread struct {
	Conversation chat.ConversationID
	Members      [2]chat.UID
	Names        [2]string // as they are shown: "alice (deleted)"
	Messages     []chat.Message
	Last         uint64 // the conversation's last number
}

// Push is one event of a feed, made whole: it goes to a subscription in order.
type Push struct {
	Conn  Conn
	Sub   uint64
	Event chat.Event
	Pos   Pos
	// Members and Names are those of the event's conversation, sorted by uid.
	Members   [2]chat.UID
	Names     [2]string
	Message   *chat.Message // message events
	Recreated int64         // a message event that is the first with a re-created account: see chat.Result
}

// Attached answers an Attach that was granted: events follow from After+1.
type Attached struct {
	Conn  Conn
	Sub   uint64
	UID   chat.UID
	Epoch uint64
	After uint64
	Pos   Pos
}

// Closing ends a feed from this side. Detach need not follow.
type Closing struct {
	Conn Conn
	Sub  uint64
	Why  Why
	By   string // TakenOver: the label of the device that took over
	Pos  Pos
}

// Why says why a feed ended.
type Why uint8

const (
	Resume Why = iota + 1 // attach again, here or elsewhere: nothing is wrong
	LoggedOut
	TakenOver
	AccountDeleted
	DeviceClosed
	NoSession // the device is not known, or the token is not its own
	Fenced
	OtherHistory // the position or cursor the client showed is not of this cluster's history
)

// PeerMessage is what replicas say to each other; one of its parts is set.
type PeerMessage struct {
	From, To raft.ID
	Raft     *raft.Message
	Presence *Presence
	Chunk    *Chunk
	ChunkAck *ChunkAck
}

// Presence tells the leader which devices are attached here and how far they have acknowledged.
type Presence struct{ Items []chat.HeardItem }

// Chunk is a piece of a snapshot; Whole is the SHA-256 of all of it, Size its length.
type Chunk struct {
	Mark   raft.Mark
	Digest row.Digest
	Whole  [32]byte
	Size   uint64
	Offset uint64
	Data   []byte // immutable
}

// ChunkAck says how much of the snapshot at Mark has arrived without gaps.
type ChunkAck struct {
	Mark    raft.Mark
	Whole   [32]byte
	Next    uint64
	Done    bool // it is installed, or not needed
	Refused bool // it arrived whole and is not what it claims to be, or raft did not want it
}

// Fetch asks the store for rows, from one view at an applied index of at least At.
type Fetch struct {
	ID     uint64
	At     raft.Index
	Ranges []row.Range
}

// Verify asks the shell to check the secret of a call against an encoded hash, which may be a
// dummy: the time it takes must not tell whether a name exists. Hash asks to make one.
type Verify struct {
	ID   uint64
	Conn Conn
	Call uint64
	Hash string
}
type Hash struct {
	ID   uint64
	Conn Conn
	Call uint64
}

// Note is something an operator may want to read in a log: a name or an index, never a body.
type Note struct {
	Kind   NoteKind
	Name   string
	Device chat.DeviceID // LeaseEnded
	Peer   raft.ID
	Term   raft.Term
	Index  raft.Index
}

// NoteKind says what a Note tells.
type NoteKind uint8

const (
	LeaderElected NoteKind = iota + 1
	LeaderLost
	AccountMade
	AccountEnded
	DeviceOpened
	LeaseEnded
	SnapshotSent
	SnapshotInstalled
	LogCompacted
)

// Output is what a Step asks of the shell, which owns it. All of it may be done at once and in any
// order, except that Replies, Attacheds, Pushes and Closings to one connection keep theirs, and
// within a connection Attacheds go before Pushes, Pushes before Replies, Replies before Closings.
type Output struct {
	Sends    []PeerMessage
	Save     *Save // at most one is out at a time
	Fetches  []Fetch
	Exports  []uint64 // ids
	Verifies []Verify
	Hashes   []Hash
	Forget   []Forget // secrets no longer needed
	Attached []Attached
	Pushes   []Push
	Replies  []Reply
	Closings []Closing
	Notes    []Note
	Idle     bool   // after Resign: nothing is owed any more
	Fatal    string // this replica must stop, for this reason; nothing else in Output counts
}

// Reset empties o and keeps its capacity.
func (o *Output) Reset() {
	*o = Output{Sends: o.Sends[:0], Fetches: o.Fetches[:0], Exports: o.Exports[:0], Verifies: o.Verifies[:0],
		Hashes: o.Hashes[:0], Forget: o.Forget[:0], Attached: o.Attached[:0], Pushes: o.Pushes[:0],
		Replies: o.Replies[:0], Closings: o.Closings[:0], Notes: o.Notes[:0]}
}

// Forget names a call whose secret the shell may drop.
type Forget struct {
	Conn Conn
	Call uint64
}

// Config is fixed for the life of a Machine.
type Config struct {
	Raft        raft.Config
	Epoch       uint64
	KeepLog     int           // bytes of entries kept behind the applied index, 0: 64 MiB
	KeepEntries int           // and at most so many, 0: 1,000,000
	EffectDelay time.Duration // effects wait so long for company, or for 1,024 entries; 0: 250 ms
	Chunk       int           // bytes of a snapshot in one message, 0: 256 KiB
	HoldCalls   time.Duration // calls wait so long for a leader, 0: 1 s
}

// Status is a copy of the replica's state, for checks, metrics and people.
type Status struct {
	Raft      raft.Status
	Applied   raft.Index // in memory
	Durable   raft.Index // applied index in the store
	Digest    row.Digest // of the rows at Durable
	Feeds     int
	Accounts  int
	Resigning bool
}
