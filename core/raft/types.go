package raft

import "time"

// ID names a server. People see it as "n1". Lower ids are preferred as leaders.
type ID uint64

// Term numbers the periods of leadership (Raft dissertation §3.3).
type Term uint64

// Index is a place in the log. The first entry has index 1.
type Index uint64

// ClusterTime is nanoseconds of cluster time: stamped into entries by leaders, it never goes back
// and stands still without a leader. It has nothing to do with any server's clock.
type ClusterTime int64

// Chain is the hash chain over the log: SHA-256(previous chain ‖ index ‖ term ‖ kind ‖ time ‖ data),
// cut to 16 bytes. Equal chains mean equal logs up to there.
type Chain [16]byte

// Kind says what an entry is for.
type Kind uint8

const (
	// Noop opens a term; its Data is empty.
	Noop Kind = iota
	// Command carries bytes for the state machine.
	Command
)

// Entry is one place in the log.
type Entry struct {
	Index Index
	Term  Term
	Kind  Kind
	Time  ClusterTime
	Chain Chain
	Data  []byte // immutable once proposed
}

// Mark is what remains known of an entry after it is compacted away.
type Mark struct {
	Index Index
	Term  Term
	Chain Chain
	Time  ClusterTime
}

// Hard is what a server must never forget: one row, never split.
type Hard struct {
	Term   Term
	Vote   ID // 0: none
	Commit Index
}

// Recovered is what a server finds in its store when it starts.
type Recovered struct {
	Hard    Hard
	Compact Mark    // entries ≤ Compact.Index are gone; zero Index with the chain's seed at birth
	Entries []Entry // from Compact.Index+1, contiguous
	Applied Index   // effects up to here are in the rows; Compact.Index ≤ Applied ≤ last
}

// Config is fixed for the life of a Machine.
type Config struct {
	ID     ID
	Voters []ID   // 1 to 7, sorted, ID among them
	Seed   uint64 // of this life's generator, derived from (seed, node, life); never equal on two nodes
	Chain  Chain  // the chain's seed: cluster id and epoch

	Heartbeat time.Duration // 0: 50 ms
	Base      time.Duration // election timeout, 0: 200 ms
	Stagger   time.Duration // per rank, 0: 25 ms

	MaxAppendBytes int // entries per message, 0: 256 KiB
	MaxInflight    int // bytes sent to a peer and not acknowledged, 0: 4 MiB
	MaxUncommitted int // bytes of entries not committed, then proposals are refused; 0: 16 MiB
}

// Input is one thing that happens to a Machine; the set is closed.
type Input interface{ isInput() }

type (
	// Tick says that the deadline may have come. A Tick too early is harmless.
	Tick struct{}

	// Received is a message from a peer.
	Received struct{ Message *Message }

	// Saved says that the Save with this Seq, and all before it, will survive a power cut.
	Saved struct{ Seq uint64 }

	// PeerDown hints that a peer's process is gone (connection reset or refused, never a timeout).
	PeerDown struct{ Peer ID }

	// Propose asks for entries with these data, in this order. All or none are taken;
	// Output.Proposed answers within the same Step.
	Propose struct{ Data [][]byte }

	// Read asks for an index at which a read may be served; Output.Reads answers, now or later,
	// on a leader or a follower. The caller does not use an ID twice in the life of this Machine.
	Read struct{ ID uint64 }

	// Transfer asks the leader to hand over to a voter; 0 lets it choose the lowest caught-up one.
	Transfer struct{ To ID }

	// Compact says that entries ≤ To may go. To is at most what is durably applied.
	Compact struct{ To Index }

	// SnapshotReceived says that a whole, verified snapshot at Mark is at hand. If it is newer than
	// what is committed here, the next Save carries it as Install.
	//
	// Term is the term in which the sender led when it sent the snapshot. Zero: not known, then the
	// snapshot is taken only if From leads here and now.
	SnapshotReceived struct {
		From ID
		Mark Mark
		Term Term
	}

	// SnapshotFailed says that the snapshot for Peer could not be brought over: try again later.
	SnapshotFailed struct{ Peer ID }
)

func (Tick) isInput()             {}
func (Received) isInput()         {}
func (Saved) isInput()            {}
func (PeerDown) isInput()         {}
func (Propose) isInput()          {}
func (Read) isInput()             {}
func (Transfer) isInput()         {}
func (Compact) isInput()          {}
func (SnapshotReceived) isInput() {}
func (SnapshotFailed) isInput()   {}

// Save is what must be durable before Step(Saved{Seq}). Seq 0: nothing to save.
// At most one is out at a time. Its parts take effect in the order of the fields.
type Save struct {
	Seq     uint64
	Hard    *Hard // stays as it is until the next Save has come back; copy it to keep it longer
	Install *Mark // the snapshot last given with SnapshotReceived at this Mark replaces the state and
	// all entries up to there: the stored log begins behind it, and Append goes on from it or from
	// what is kept. Log entries that do not continue its chain are dropped with CutFrom, which may
	// then lie at or below the Mark
	CutFrom Index   // drop entries ≥ CutFrom first; 0: none
	Append  []Entry // then append these, contiguous. Immutable: the caller may keep them.
	Compact Index   // drop entries ≤ Compact; 0: none
}

// Grant lets a read be served once Applied ≥ Index. OK false: leadership was lost or is unknown, ask again.
type Grant struct {
	ID    uint64
	Index Index
	OK    bool
}

// Refusal says why a proposal was not taken.
type Refusal uint8

const (
	NotRefused   Refusal = iota
	NotLeader            // this server does not lead
	Busy                 // too much is uncommitted
	Transferring         // leadership is being handed over: park it and ask again
)

// Placed answers a Propose: entries First… of Term hold the data, if Refused is zero.
type Placed struct {
	First   Index
	Term    Term
	Refused Refusal
}

// RoleKind is what a server is in its term.
type RoleKind uint8

const (
	Follower RoleKind = iota
	PreCandidate
	Candidate
	Leader
)

// Role is a server's part in its term, and who it believes leads (0: nobody it knows of).
type Role struct {
	Kind   RoleKind
	Term   Term
	Leader ID
}

// Output is what a Step asks of the caller, who owns it. Steps append to it; Reset empties it and
// keeps its capacity.
type Output struct {
	Sends     []Message // may all leave now, in any order, or be lost
	Save      Save      // one at most is out at a time
	Committed []Entry   // to apply now, in order; saved here already
	Reads     []Grant
	Proposed  Placed // of a Propose
	CutFrom   Index  // entries ≥ CutFrom, seen before, are gone from the log; 0: none
	Snapshots []ID   // leader: these peers need entries that are compacted away; asked once per need
	Role      Role   // after the last Step
	Changed   bool   // Role differs from before the Step
	Fatal     string // damage that forbids to go on: this Machine does nothing more. Empty: none
}

// Reset empties o and keeps its capacity.
func (o *Output) Reset() {
	*o = Output{Sends: o.Sends[:0], Committed: o.Committed[:0], Reads: o.Reads[:0], Snapshots: o.Snapshots[:0]}
}

// MessageKind says what a Message is.
type MessageKind uint8

const (
	PreVote MessageKind = iota + 1
	PreVoteReply
	Vote
	VoteReply
	Append // a heartbeat is an Append without entries
	AppendReply
	TimeoutNow // the leader tells its successor to stand at once
	Successors // a resigning leader names the order of succession
	ReadIndex  // a follower asks the leader for a read index
	ReadIndexReply
)

// Message is what servers say to each other. Which fields count depends on Kind.
type Message struct {
	Kind     MessageKind
	From, To ID
	Term     Term

	// Index, LogTerm and Chain are the entry before Entries (Append), or the sender's last entry
	// (votes). In an AppendReply Index is what is saved and verified against this leader, or with
	// Reject the highest index where the follower's log may still agree, and LogTerm the term there.
	Index   Index
	LogTerm Term
	Chain   Chain

	Entries []Entry // immutable
	Commit  Index   // Append: the leader's commit index. ReadIndexReply: the index granted
	Round   uint64  // Append, AppendReply: the round of reads this belongs to
	Reject  bool
	// Transfer marks votes asked for at the leader's own wish: stickiness does not apply.
	Transfer bool
	ReadID   uint64 // ReadIndex and its reply
	Order    []ID   // Successors
}

// Progress is what a leader believes of one peer.
type Progress struct {
	Peer        ID
	Match, Next Index
	Snapshot    bool
}

// Status is a copy of a Machine's state, for checks and metrics.
type Status struct {
	ID       ID
	Role     Role
	Vote     ID
	Commit   Index
	Applied  Index // handed out as Committed
	Saved    Index // durable here
	Last     Mark
	Compact  Mark
	Progress []Progress // leader only, by id
	Transfer ID         // the successor being brought level, 0: none
	Fatal    string     // as in Output
}
