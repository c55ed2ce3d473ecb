package sim

import (
	"fmt"
	"strconv"
	"time"

	"parley/core/raft"
	"parley/core/replica"
)

// Tape is a recording of a run: what happened, in order, and because of what. Only a run that is asked
// to records (Options.Tape), and it goes the same way as without. Nothing on a tape points into the
// world it was made in.
type Tape struct {
	Steps []Step
	Facts []Fact

	devices [][2]string // as histories call them, and whose they are
}

// Step is one event of a run, or a stretch of it outside any event: the beginning, the healing.
type Step struct {
	At    time.Duration
	Event uint64 // its number; of a stretch that of the event before it
	Cause int    // the step in which it was scheduled; -1: none
	Name  string // as in the trace
	Facts int    // place of its first fact
	Lines int    // of the history before it
}

// Who names somebody on a tape: 'n' and a replica's id, 'c' and a client's place. The zero Who is the
// world.
type Who struct {
	Kind byte
	N    int
}

func (w Who) String() string {
	if w.Kind == 0 {
		return "--"
	}
	return string(w.Kind) + strconv.Itoa(w.N)
}

func node(id raft.ID) Who { return Who{'n', int(id)} }
func person(n int) Who    { return Who{'c', n} }

// FactKind says what a Fact tells.
type FactKind uint8

// What can be told. N and M are what the comment says.
const (
	FactNote    FactKind = iota // words only
	FactTook                    // a machine took an input: Text
	FactSent                    // a packet left; N: 0, or 1 for a double, 2 for a copy that comes late; M: ns on its way
	FactLost                    // a packet never left; N: 1 if the link was shut
	FactMissed                  // a packet arrived at nobody: its receiver was down or the link shut; N as in FactSent
	FactArrived                 // a packet arrived; N as in FactSent
	FactBegun                   // a save began; N: its number, M: ns that it will take
	FactDurable                 // … is durable; M: where the log on the disk ends now
	FactKept                    // … was in flight when its replica died, and is there
	FactGone                    // … and is not there
	FactBorn                    // a life began; N: which, M: where the log on the disk ends
	FactDied                    // a life ended
	FactPaused                  // nothing is taken any more …
	FactWoke                    // … and again
	FactRole                    // a replica's role changed; N: term, M: raft.RoleKind, To: the leader it knows
	FactCommit                  // a replica's commit index grew; N: to, M: from
	FactApplied                 // a replica's applied index grew; N: to
	FactLog                     // where the log in memory ends has changed; N: to
	FactAsked                   // a person asked its client for something: Text
	FactCall                    // a client sent an attempt; N: number of the command
	FactReply                   // a server answered a client; N: position
	FactPush                    // a server sent an event of a feed; N: its number
	FactHeard                   // a client heard from a server: Text
	FactFault                   // a fault struck; N: its id, M: ns that it lasts
	FactMark                    // a mark was made: Text
	FactHealed                  // the first half of the run is over
	FactBroken                  // the violation: Text
)

// Fact is something that a step came to.
type Fact struct {
	Step int
	Kind FactKind
	On   Who
	To   Who // the other one
	N, M uint64
	Say  Saying // packets, and saves: their first entry as Index, their term
	Last uint64 // packets and saves with entries: the last one's index
	Nth  int    // packets and saves: the how-manieth that says the same
	Text string
}

// Saying is what a packet says, as far as it names the packet.
type Saying struct {
	From  raft.ID    `json:"from"`
	To    raft.ID    `json:"to,omitempty"`
	Kind  string     `json:"kind"`
	Term  raft.Term  `json:"term,omitempty"`
	Index raft.Index `json:"index,omitempty"`
}

// sayingOf names a packet by what it says.
func sayingOf(m *replica.PeerMessage) Saying {
	s := Saying{From: m.From, To: m.To}
	switch {
	case m.Raft != nil:
		s.Kind, s.Term, s.Index = m.Raft.Kind.String(), m.Raft.Term, m.Raft.Index
		if m.Raft.Reject {
			s.Kind += "-no"
		}
		if m.Raft.Kind == raft.Append && len(m.Raft.Entries) == 0 {
			s.Kind = "heartbeat"
		}
	case m.Presence != nil:
		s.Kind = "presence"
	case m.Chunk != nil:
		s.Kind, s.Term, s.Index = "chunk", m.Chunk.Mark.Term, m.Chunk.Mark.Index
	case m.ChunkAck != nil:
		s.Kind, s.Term, s.Index = "chunk-ack", m.ChunkAck.Mark.Term, m.ChunkAck.Mark.Index
	}
	return s
}

func (s Saying) String() string {
	text := fmt.Sprintf("%s %v", s.Kind, s.From)
	if s.To != 0 {
		text += "→" + s.To.String()
	}
	if s.Term != 0 {
		text += fmt.Sprintf(" term %d", s.Term)
	}
	if s.Index != 0 {
		text += fmt.Sprintf(" index %d", s.Index)
	}
	return text
}

// here is the step that is going on: the cause of what it schedules.
func (t *Tape) here() int {
	if t == nil {
		return -1
	}
	return len(t.Steps) - 1
}

// begin starts a step.
func (t *Tape) begin(w *world, name string, cause int) {
	if t != nil {
		t.Steps = append(t.Steps, Step{At: w.now, Event: w.stats.Events, Cause: cause, Name: name, Facts: len(t.Facts),
			Lines: w.history.written + len(w.history.h.Events)})
	}
}

// tell adds a fact to the step that is going on.
func (t *Tape) tell(f Fact) {
	if t != nil {
		f.Step = t.here()
		t.Facts = append(t.Facts, f)
	}
}

// facts are those of one step.
func (t *Tape) facts(step int) []Fact {
	to := len(t.Facts)
	if step+1 < len(t.Steps) {
		to = t.Steps[step+1].Facts
	}
	return t.Facts[t.Steps[step].Facts:to]
}
