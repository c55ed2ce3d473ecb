package sim

import (
	"time"

	"parley/core/raft"
	"parley/core/replica"
)

// Mark names something that should happen sometimes: a sweep in which it never does has a hole. A mark
// is also a moment at which a fault may strike.
type Mark string

// markInfo is a mark that the simulator makes.
type markInfo struct {
	mark Mark
	rare bool // a sweep of ten thousand seeds may miss it
}

// marks are all there are.
func marks() []markInfo {
	var all []markInfo
	all = append(all, raftMarks()...)
	all = append(all, logMarks()...)
	all = append(all, readMarks()...)
	all = append(all, snapshotMarks()...)
	all = append(all, sessionMarks()...)
	all = append(all, feedMarks()...)
	all = append(all, momentMarks()...)
	all = append(all, diskMarks()...)
	all = append(all, netMarks()...)
	all = append(all, lifeMarks()...)
	all = append(all, workMarks()...)
	return all
}

// mark notes that something happened to somebody, and wakes the faults that wait for it.
func (w *world) mark(m Mark, on Target) {
	w.stats.Marks[m]++
	for i := range w.lurking {
		l := &w.lurking[i]
		if l.fault.When != m || l.left == 0 || w.now < time.Duration(l.fault.At) || w.healed {
			continue
		}
		if l.left--; l.left == 0 {
			f := l.fault
			if f.On == ThatOne {
				f.On = on
			}
			w.after(0, "fault", f.ID, func() { w.strike(f) })
		}
	}
}

// lurker is a fault that waits for a mark.
type lurker struct {
	fault Fault
	left  int // occurrences to come
}

// watched marks what a step of a server came to; was is the status before it.
func (w *world) watched(s *server, in replica.Input, was *raft.Status) {
	w.watchElection(s, in, was)
	w.watchLog(s, in, was)
	w.watchReads(s, in)
	w.watchSnapshots(s, in, was)
	w.watchCalls(s, in)
	w.watchFeeds(s, in)
	now := &s.status.Raft
	on := s.name
	leads, led := now.Role.Kind == raft.Leader, was.Role.Kind == raft.Leader && was.Role.Term == now.Role.Term
	switch {
	case leads && !led:
		w.mark(ElectionWon, on)
		w.won(s)
		if s.disk.last() < now.Last.Index {
			w.mark(LeaderUnsaved, on)
		}
	case was.Role.Kind == raft.Leader && !leads:
		w.mark(LeaderDeposed, on)
	case leads && was.Commit < now.Commit && s.firstCommit != now.Role.Term:
		s.firstCommit = now.Role.Term
		w.mark(LeaderCommitted, on)
	}
}
