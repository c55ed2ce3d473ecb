package sim

import (
	"parley/core/raft"
	"parley/core/replica"
)

// The marks of the log.
const (
	AppendRefused      Mark = "append rejected"
	AppendGap          Mark = "append leaves a gap"
	AppendKnown        Mark = "append of what is there"
	AppendOldLeader    Mark = "append of an old leader answered"
	LogConflict        Mark = "log conflict truncated"
	LogConflictUnsaved Mark = "truncation of an unsaved suffix"
	OldTermCommitted   Mark = "entry of an older term committed under a new one"
	EntriesResent      Mark = "entries sent again"
	AckLate            Mark = "acknowledgement overtaken by a later one"
	RejectLate         Mark = "rejection overtaken by an acknowledgement"
	CommitUnsaved      Mark = "follower committed beyond its save"
	ApplyHeld          Mark = "committed and not yet applied"
	AppendLong         Mark = "append of sixteen entries"
	CommitLong         Mark = "ten entries committed at once"
	SaveCutAppend      Mark = "save with cut and append"
	SaveGathers        Mark = "save out while more arrives"
	SaveLong           Mark = "save of sixteen entries"
	SavePromise        Mark = "save of a term or vote alone"
	SaveRows           Mark = "save of rows alone"
	SaveBoth           Mark = "save of entries and rows"
	LogShort           Mark = "log compacted"
	ReplayedAtStart    Mark = "committed log replayed at a start"
)

func logMarks() []markInfo {
	return []markInfo{{AppendRefused, false}, {AppendGap, false}, {AppendKnown, false}, {AppendOldLeader, false}, {LogConflict, false}, {LogConflictUnsaved, false}, {OldTermCommitted, false}, {EntriesResent, false}, {AckLate, false}, {RejectLate, false}, {CommitUnsaved, false}, {ApplyHeld, false}, {AppendLong, false}, {CommitLong, false}, {SaveCutAppend, false}, {SaveGathers, false}, {SaveLong, false}, {SavePromise, false}, {SaveRows, false}, {SaveBoth, false}, {LogShort, false}, {ReplayedAtStart, false}}
}

// watchLog marks what a step was about the log.
func (w *world) watchLog(s *server, in replica.Input, was *raft.Status) {
	now := &s.status.Raft
	if now.Commit > was.Commit {
		w.watchCommit(s, was)
	}
	if s.status.Applied < now.Commit {
		w.mark(ApplyHeld, s.name)
	}
	if s.out.Save != nil {
		w.watchSave(s, s.out.Save)
	} else if now.Last.Index > was.Last.Index && s.disk.inFlight != nil {
		w.mark(SaveGathers, s.name)
	}
	for i := range s.out.Notes {
		if s.out.Notes[i].Kind == replica.LogCompacted {
			w.mark(LogShort, s.name)
		}
	}
	for i := range s.out.Sends {
		if m := s.out.Sends[i].Raft; m != nil {
			w.watchSent(s, m, in)
		}
	}
	if m := raftIn(in); m != nil {
		w.watchHeard(s, m, was)
	}
}

func (w *world) watchCommit(s *server, was *raft.Status) {
	now := &s.status.Raft
	if now.Commit > now.Saved {
		w.mark(CommitUnsaved, s.name)
	}
	if now.Commit >= was.Commit+10 {
		w.mark(CommitLong, s.name)
	}
	if was.ID == 0 && now.Commit > now.Compact.Index {
		w.mark(ReplayedAtStart, s.name)
	}
	if m, ok := s.machine.Raft().Mark(was.Commit + 1); ok && now.Role.Kind == raft.Leader && m.Term < now.Role.Term {
		w.mark(OldTermCommitted, s.name)
	}
}

func (w *world) watchSave(s *server, save *replica.Save) {
	switch {
	case save.CutFrom != 0 && len(save.Append) > 0:
		w.mark(SaveCutAppend, s.name)
	case len(save.Append) > 0 && save.Applied > 0:
		w.mark(SaveBoth, s.name)
	case save.Applied > 0:
		w.mark(SaveRows, s.name)
	case save.Hard != nil && len(save.Append) == 0 && save.Install == nil:
		w.mark(SavePromise, s.name)
	}
	if len(save.Append) >= 16 {
		w.mark(SaveLong, s.name)
	}
}

func (w *world) watchSent(s *server, m *raft.Message, in replica.Input) {
	switch {
	case m.Kind == raft.AppendReply && m.Reject:
		if old := raftIn(in); old != nil && old.Kind == raft.Append && old.Term < m.Term {
			w.mark(AppendOldLeader, s.name)
			return
		}
		w.mark(AppendRefused, s.name)
	case m.Kind == raft.Append && len(m.Entries) > 0:
		if len(m.Entries) >= 16 {
			w.mark(AppendLong, s.name)
		}
		last := &s.sent[m.To]
		if m.Term == last.Term && m.Index < last.Index {
			w.mark(EntriesResent, s.name)
		}
		*last = raft.Mark{Index: m.Index + raft.Index(len(m.Entries)), Term: m.Term}
	}
}

func (w *world) watchHeard(s *server, m *raft.Message, was *raft.Status) {
	now := &s.status.Raft
	switch {
	case m.Kind == raft.Append && m.Term == now.Role.Term && m.Index > was.Last.Index:
		w.mark(AppendGap, s.name)
	case m.Kind == raft.Append && len(m.Entries) > 0 && now.Last == was.Last:
		w.mark(AppendKnown, s.name)
	case m.Kind == raft.Append && len(m.Entries) > 0:
		if kept, ok := s.machine.Raft().Mark(was.Last.Index); ok && kept.Chain == was.Last.Chain {
			return
		}
		w.mark(LogConflict, s.name)
		if was.Saved < was.Last.Index {
			w.mark(LogConflictUnsaved, s.name)
		}
	case m.Kind == raft.AppendReply && m.Term == was.Role.Term && was.Role.Kind == raft.Leader:
		for i := range was.Progress {
			if p := &was.Progress[i]; p.Peer == m.From && m.Index < p.Match {
				if m.Reject {
					w.mark(RejectLate, s.name)
				} else {
					w.mark(AckLate, s.name)
				}
			}
		}
	}
}
