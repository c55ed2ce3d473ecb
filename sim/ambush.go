package sim

import (
	"time"

	"parley/core/raft"
	"parley/core/replica"
)

// Faults that look before they strike: random times rarely hit a narrow moment, so these wait for one.
const (
	CrashWhen   FaultKind = "crash-when"   // a replica dies at a moment
	PauseWhen   FaultKind = "pause-when"   // … does nothing for a while from then on
	IsolateWhen FaultKind = "isolate-when" // … is cut off from its peers
	CrashMidway FaultKind = "crash-midway" // a replica dies having done only part of what a step asked for
)

// The moments, beside those of elections.
const (
	CampaignBegun      Mark = "votes asked for"
	VoteUnsaved        Mark = "vote granted, not yet saved"
	VoteTold           Mark = "vote told"
	SaveUntold         Mark = "save durable, not yet told"
	TransferBegun      Mark = "successor told to stand"
	ReadWaiting        Mark = "read waiting for its round"
	SnapshotSending    Mark = "snapshot begun to be sent"
	SnapshotHalf       Mark = "snapshot half arrived"
	SnapshotInstalling Mark = "snapshot being installed"
	DiedMidway         Mark = "died with half of a step done"
)

func momentMarks() []markInfo {
	return []markInfo{{CampaignBegun, false}, {VoteUnsaved, false}, {VoteTold, false}, {SaveUntold, false}, {TransferBegun, false},
		{ReadWaiting, false}, {SnapshotSending, false}, {SnapshotHalf, true}, {SnapshotInstalling, false}, {DiedMidway, false}}
}

// moment is one to wait for, and of how many in a row one is drawn.
type moment struct {
	mark Mark
	nth  int
}

func moments() []moment {
	return []moment{{ElectionWon, 6}, {LeaderUnsaved, 4}, {LeaderCommitted, 4}, {LeaderDeposed, 4}, {CampaignBegun, 6}, {VoteUnsaved, 8},
		{VoteTold, 8}, {SaveUntold, 300}, {TransferBegun, 2}, {ReadWaiting, 60}, {SnapshotSending, 4}, {SnapshotHalf, 4},
		{SnapshotInstalling, 4}}
}

func aMoment(r *roll, _ *Plan, f *Fault) {
	m := moments()[r.upTo(len(moments()))]
	f.On, f.When, f.Nth = ThatOne, m.mark, r.logUpTo(m.nth)
	f.At /= 4 // it may have to wait
}

func ambushes() []family {
	return []family{
		{kind: CrashWhen, aim: aMoment, times: 2, strike: (*world).strikeCrash},
		{kind: PauseWhen, aim: aMoment, strike: func(w *world, f Fault) { w.pause(w.serverOf(f), time.Duration(f.For)) }},
		{kind: IsolateWhen, aim: aMoment, strike: func(w *world, f Fault) { w.isolate(w.serverOf(f), f) }},
		{kind: CrashMidway, aim: someServer, strike: func(w *world, f Fault) {
			if s := w.serverOf(f); s.up {
				s.midway = &f
			}
		}},
	}
}

// dieMidway cuts an output short at a drawn place. What is left may be done in any order, so every
// subset could have been.
func (s *server) dieMidway() bool {
	f, out := s.midway, &s.out
	if f == nil || s.w.healed || out.Save == nil && len(out.Replies) == 0 {
		return false
	}
	s.midway = nil
	r := s.w.dice.roll(diceLife, 1<<57|f.ID)
	out.Sends = out.Sends[:r.upTo(len(out.Sends)+1)]
	if r.upTo(2) == 0 {
		out.Save = nil
	}
	if r.upTo(2) == 0 {
		out.Attached, out.Pushes, out.Closings = nil, nil, nil
		out.Replies = nil
	}
	s.w.mark(DiedMidway, s.name)
	return true
}

// lookedAt marks the moments of a step: it came to s.out, which is about to be carried out.
func (w *world) lookedAt(s *server, in replica.Input) {
	out, now := &s.out, &s.status.Raft
	w.served(s)
	if save := out.Save; save != nil {
		if h := save.Hard; h != nil && h.Vote != 0 && h.Vote != s.id && (h.Vote != s.disk.hard.Vote || h.Term != s.disk.hard.Term) {
			w.mark(VoteUnsaved, s.name)
		}
		if save.Install != nil {
			w.mark(SnapshotInstalling, s.name)
		}
	}
	campaign := false
	for i := range out.Sends {
		switch m := out.Sends[i].Raft; {
		case out.Sends[i].Chunk != nil && out.Sends[i].Chunk.Offset == 0:
			w.mark(SnapshotSending, s.name)
		case m == nil:
		case m.Kind == raft.Vote:
			campaign = true
		case m.Kind == raft.VoteReply && !m.Reject:
			w.mark(VoteTold, s.name)
		case m.Kind == raft.TimeoutNow:
			w.mark(TransferBegun, s.name)
		}
	}
	if campaign {
		w.mark(CampaignBegun, s.name)
	}
	switch in := in.(type) {
	case replica.Calls:
		if now.Role.Kind == raft.Leader && in.List[0].Query != nil && !in.List[0].Stale {
			w.mark(ReadWaiting, s.name)
		}
	case replica.Peer:
		if c := in.Message.Chunk; c != nil && c.Offset+uint64(len(c.Data)) < c.Size {
			w.mark(SnapshotHalf, s.name)
		}
	}
}
