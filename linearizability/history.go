package linearizability

import "iter"

// A History is what was recorded, in the order of the file: Events[i] stands on line i+2, below
// the meta line.
type History struct {
	Meta   Meta
	Events []Event // as built in memory; what Read returns has none, see All

	packed *tape // as read; does not change
}

// All goes through the events in their order, whether built in memory or read from a file, where
// each would take five hundred bytes. An event's slices must not be changed.
func (h *History) All() iter.Seq[Event] {
	return func(yield func(Event) bool) {
		if h.packed != nil {
			for l := range h.packed.all() {
				if !yield(l.Event) {
					return
				}
			}
		}
		for _, e := range h.Events {
			if !yield(e) {
				return
			}
		}
	}
}

// Len is the number of events.
func (h *History) Len() int {
	if h.packed != nil {
		return h.packed.events + len(h.Events)
	}
	return len(h.Events)
}

// End closes the history: without an end that counts its lines a history is taken for one that
// was cut short, and never passes.
func (h *History) End(t uint64) {
	h.Events = append(h.Events, Event{E: End, T: t, Lines: uint64(h.Len()) + 1})
}

// Format and Version are what the meta line must say.
const (
	Format  = "parley-history"
	Version = 1
)

// Meta is the first line: under which rules the rest is to be read. The cluster starts empty.
type Meta struct {
	Clock     string // ClockEvent or ClockMono
	Positions string // PositionsEvery or PositionsNone
	Rules     Rules
	Skew      uint64 // ns by which two recorders' clocks may differ; widens every interval
	Seed      uint64 // annotation
}

// Rules are the settings of the server that change what its clients may see.
type Rules struct {
	Login  string // LoginExclusive or LoginMulti
	Expiry string // ExpiryNever, ExpiryLogged or ExpiryAny
}

// The words of the meta line.
const (
	ClockEvent = "event" // t rises strictly, by event
	ClockMono  = "mono"  // t is monotonic, in ns

	PositionsEvery = "every"
	PositionsNone  = "none"

	LoginExclusive = "exclusive"
	LoginMulti     = "multi"

	ExpiryNever  = "never"
	ExpiryLogged = "logged" // leases end only where an entry with op expire says so
	ExpiryAny    = "any"    // leases may end at any time
)

// A Kind says what an event is, and with Op which of its fields count.
type Kind string

// The kinds. The comment lists the fields that count, beside E; the names in the file are the
// same in lower case. An answer's fields follow from the operation it answers.
const (
	Inv      Kind = "inv"      // ID P T Op, arguments: called
	OK       Kind = "ok"       // ID T Pos, results: answered
	Err      Kind = "err"      // ID T Pos Code: refused, decided in the log or by a read
	Fail     Kind = "fail"     // ID T Why: certainly never took effect
	Info     Kind = "info"     // ID T Why: outcome unknown; its process is retired
	Resolved Kind = "resolved" // ID T, then as OK, or as Err if Code is set, or Never: an info settled
	Try      Kind = "try"      // ID T On Why: one attempt; annotation
	Sub      Kind = "sub"      // Sub T Dev After: feed attached after event number After
	Push     Kind = "push"     // Sub T N Pos Kind, then by Kind: event delivered
	Ack      Kind = "ack"      // Sub T N: events up to N are stored
	Close    Kind = "close"    // Sub T Why: feed ended
	Entry    Kind = "entry"    // Pos, then Dev Dseq, or Op (expire) Dev: what the log holds; no T
	Phase    Kind = "phase"    // T Name: PhaseHealed, PhaseDrained or any other
	Fault    Kind = "fault"    // T Until Kind On: annotation
	End      Kind = "end"      // T Lines: lines before it
)

// An Op names an operation.
type Op string

// The operations, with arguments and results. All but history and list also have Dseq.
const (
	OpSignup  Op = "signup"  // Dev Name → UID
	OpLogin   Op = "login"   // Dev Name Takeover → UID Epoch Cursor
	OpLogout  Op = "logout"  // Dev
	OpDelete  Op = "delete"  // Dev
	OpPasswd  Op = "passwd"  // Dev
	OpVoid    Op = "void"    // Dev: burns the number Dseq, also of a command that has none else
	OpSend    Op = "send"    // Dev To Body → Conv Seq
	OpHistory Op = "history" // Dev Conv After Limit → Rows Last
	OpList    Op = "list"    // Dev Prefix AfterKey Limit → Names More
	OpExpire  Op = "expire"  // Dev; only in entries, and only where it ended a lease
)

// What the kind of a push, and the name of a phase, may be; others are allowed and only numbered.
const (
	PushMessage = "message"  // Conv Seq From Body
	PushCatchUp = "catch-up" // Conv Seq ToSeq: messages Seq to ToSeq, deferred earlier
	PushSkipped = "skipped"  // under multi, the one announced gap: the next number may be any higher

	PhaseHealed  = "healed"
	PhaseDrained = "drained" // nothing is under way
)

// An Event is one line. It is flat: which fields count follows from E, Op and Kind; the others
// are zero.
type Event struct {
	E  Kind
	ID uint64 // of the operation; unique
	P  uint64 // process; has one open operation
	T  uint64
	Op Op // in inv and entry only

	Pos uint64 // log index; 0 where none was given

	Dev      string
	Dseq     uint64
	Name     string // account; in phase the phase
	Takeover bool
	To       string // recipient's name
	Body     string // equal exactly when payloads are
	Conv     []uint64
	After    uint64 // history, sub
	Prefix   string
	AfterKey string // list; "after" in the file
	Limit    uint64

	UID    uint64
	Epoch  uint64
	Cursor uint64
	Seq    uint64
	Rows   []Row
	Last   uint64
	Names  []string
	More   bool

	Code  string // E_…
	Why   string
	Never bool

	Sub   uint64 // of the feed; unique
	N     uint64
	Kind  string // of push and fault
	From  uint64 // author's uid
	ToSeq uint64 // catch-up; "to" in the file

	On    string
	Until uint64
	Lines uint64
}

// A Row is one message of a page of history.
type Row struct {
	Seq  uint64
	Pos  uint64 // 0 where none was given
	From uint64
	Body string
}
