package explore

import (
	"errors"
	"fmt"

	"parley/core/raft"
)

// Scope is what may happen, and how often: the bounds of an exploration. Whatever can be done within
// them is done, in every order.
type Scope struct {
	Name  string // for people
	Nodes int    // 2 to 5

	Timeouts  int       // so often somebody's patience ends: it campaigns, or resigns for want of a quorum
	Impatient []raft.ID // whose; empty: anybody's
	Beats     int       // so often a heartbeat's time passes at somebody
	Crashes   int       // each with the save in flight kept or lost, and a new life at once
	Again     int       // messages delivered a second time
	Lost      int       // messages lost; only with Streams, where what is lost would otherwise block
	Commands  int       // proposed to whoever leads
	Reads     int       // begun anywhere
	Hints     int       // "your leader's process is gone", true or not
	Transfers int       // leaders told to hand over

	Instant bool // disks finish at once: saves are not choices
	Streams bool // messages arrive in the order of their link; otherwise in any, or never
	Append  int  // bytes of entries in a message, 0: no limit that matters; 1: one entry each

	// Begin is how it begins: lines like those of a counterexample, each of which may be cut short
	// behind a word. All that happens in them counts against the bounds above, but for what is lost:
	// "lost n1→n3 vote" loses one message, "all lost" all that are on their way.
	Begin []string

	Depth  int // steps from the beginning, 0: no bound
	States int // an exploration that has met so many different states gives up; 0: 20 million
}

// defaultStates takes about 2 GB.
const defaultStates = 20_000_000

const (
	maxNodes = 5
	maxCount = 99 // of anything in a scope
)

// Check says what about a scope makes no sense.
func (s *Scope) Check() error {
	if s.Nodes < 2 || s.Nodes > maxNodes {
		return fmt.Errorf("%d nodes, want 2 to %d", s.Nodes, maxNodes)
	}
	for _, n := range s.counts() {
		if n < 0 || n > maxCount {
			return fmt.Errorf("%d of something, want 0 to %d", n, maxCount)
		}
	}
	for _, id := range s.Impatient {
		if id < 1 || int(id) > s.Nodes {
			return fmt.Errorf("impatient %v is none of %d nodes", id, s.Nodes)
		}
	}
	switch {
	case s.Commands > 26:
		return errors.New("more than 26 commands, and they are called a to z")
	case s.Lost > 0 && !s.Streams:
		return errors.New("lost without streams: a message that is never delivered is lost already")
	case s.Append < 0 || s.Depth < 0 || s.States < 0:
		return errors.New("a bound is negative")
	case s.States > 1<<31:
		return errors.New("more than 2^31 states cannot be numbered")
	}
	return nil
}

func (s *Scope) counts() [budgets]int {
	return [budgets]int{s.Timeouts, s.Beats, s.Crashes, s.Again, s.Lost, s.Commands, s.Reads, s.Hints, s.Transfers}
}

// What is counted down in a state.
const (
	timeoutsLeft = iota
	beatsLeft
	crashesLeft
	againLeft
	lostLeft
	commandsLeft
	readsLeft
	hintsLeft
	transfersLeft
	budgets
)

func (s *Scope) impatient(id raft.ID) bool {
	for _, i := range s.Impatient {
		if i == id {
			return true
		}
	}
	return len(s.Impatient) == 0
}

// Elect is the beginning in which a node wins an election with the vote of another, as far as its
// first entry, which is on its own disk and on its way to the others. Of the election they have not
// heard otherwise.
func (s *Scope) Elect(id, voter raft.ID) []string {
	var lines []string
	add := func(format string, args ...any) { lines = append(lines, fmt.Sprintf(format, args...)) }
	save := func(id raft.ID) {
		if !s.Instant {
			add("%v saved", id)
		}
	}
	lose := func(kind raft.MessageKind) {
		for other := raft.ID(1); int(other) <= s.Nodes; other++ {
			if other != id && other != voter {
				add("%s%v→%v %v", lostLine, id, other, kind)
			}
		}
	}
	add("%v timeout", id)
	lose(raft.PreVote)
	add("%v hears %v→%v pre-vote", voter, id, voter)
	add("%v hears %v→%v pre-vote-reply", id, voter, id)
	save(id)
	lose(raft.Vote)
	add("%v hears %v→%v vote", voter, id, voter)
	save(voter)
	add("%v hears %v→%v vote-reply", id, voter, id)
	save(id)
	return lines
}
