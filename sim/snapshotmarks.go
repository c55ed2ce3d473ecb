package sim

import (
	"parley/core/raft"
	"parley/core/replica"
)

// The marks of snapshots.
const (
	SnapshotNeeded    Mark = "peer needs a snapshot"
	SnapshotExported  Mark = "snapshot asked of the disk"
	SnapshotOffered   Mark = "snapshot offered"
	SnapshotResumed   Mark = "snapshot sent again"
	SnapshotArrived   Mark = "snapshot arrives"
	SnapshotOlder     Mark = "snapshot refused as older"
	SnapshotInstalled Mark = "snapshot installed"
	SnapshotCuts      Mark = "snapshot replaced a log that does not lead to it"
)

func snapshotMarks() []markInfo {
	return []markInfo{{SnapshotNeeded, false}, {SnapshotExported, false}, {SnapshotOffered, false}, {SnapshotResumed, false}, {SnapshotArrived, false}, {SnapshotOlder, false}, {SnapshotInstalled, false}, {SnapshotCuts, true}}
}

// watchSnapshots marks what a step was about snapshots.
func (w *world) watchSnapshots(s *server, in replica.Input, was *raft.Status) {
	now := &s.status.Raft
	if len(s.out.Exports) > 0 {
		w.mark(SnapshotExported, s.name)
	}
	for i := range now.Progress {
		if now.Progress[i].Snapshot && (len(was.Progress) == 0 || !was.Progress[i].Snapshot) {
			w.mark(SnapshotNeeded, s.name)
		}
	}
	for i := range s.out.Sends {
		if c := s.out.Sends[i].Chunk; c != nil {
			last := &s.offered[s.out.Sends[i].To]
			switch {
			case last.Index == c.Mark.Index && c.Offset == 0:
				w.mark(SnapshotResumed, s.name)
			case c.Offset == 0:
				w.mark(SnapshotOffered, s.name)
			}
			*last = c.Mark
		}
	}
	if save := s.out.Save; save != nil && save.Install != nil && save.CutFrom != 0 {
		w.mark(SnapshotCuts, s.name)
	}
	for i := range s.out.Notes {
		if s.out.Notes[i].Kind == replica.SnapshotInstalled {
			w.mark(SnapshotInstalled, s.name)
		}
	}
	if p, ok := in.(replica.Peer); ok && p.Message.Chunk != nil {
		w.mark(SnapshotArrived, s.name)
		if p.Message.Chunk.Mark.Index <= was.Commit {
			w.mark(SnapshotOlder, s.name)
		}
	}
}
