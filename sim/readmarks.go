package sim

import (
	"parley/core/raft"
	"parley/core/replica"
)

// The marks of reads.
const (
	ReadIndexAsked  Mark = "read index asked for"
	ReadIndexGiven  Mark = "read index granted to a follower"
	ReadIndexDenied Mark = "read index denied to a follower"
	ReadRound       Mark = "read waited for a round"
	ReadTooYoung    Mark = "read asked of a leader too young"
	ReadLeaderless  Mark = "read asked where no leader is known"
	ReadByLeader    Mark = "read served by the leader"
	ReadByFollower  Mark = "read served by a follower"
	ReadGivenUp     Mark = "read given up"
	ReadFetches     Mark = "read fetched from the disk"
)

func readMarks() []markInfo {
	return []markInfo{{ReadIndexAsked, false}, {ReadIndexGiven, false}, {ReadIndexDenied, false}, {ReadRound, false}, {ReadTooYoung, false}, {ReadLeaderless, false}, {ReadByLeader, false}, {ReadByFollower, false}, {ReadGivenUp, false}, {ReadFetches, false}}
}

// watchReads marks what a step was about reads.
func (w *world) watchReads(s *server, in replica.Input) {
	for i := range s.out.Sends {
		m := s.out.Sends[i].Raft
		switch {
		case m == nil:
		case m.Kind == raft.ReadIndex:
			w.mark(ReadIndexAsked, s.name)
		case m.Kind == raft.ReadIndexReply && m.Reject:
			w.mark(ReadIndexDenied, s.name)
		case m.Kind == raft.ReadIndexReply:
			w.mark(ReadIndexGiven, s.name)
		}
	}
	leads := s.status.Raft.Role.Kind == raft.Leader
	for i := range s.out.Replies {
		switch r := &s.out.Replies[i]; {
		case r.Page == nil && r.Thread == nil && r.Identity == nil:
		case leads:
			w.mark(ReadByLeader, s.name)
		default:
			w.mark(ReadByFollower, s.name)
		}
	}
	if len(s.out.Fetches) > 0 {
		w.mark(ReadFetches, s.name)
	}
	switch in := in.(type) {
	case replica.Calls:
		if in.List[0].Query == nil || len(s.out.Replies) > 0 {
			return
		}
		switch role := s.status.Raft.Role; {
		case role.Leader == 0:
			w.mark(ReadLeaderless, s.name)
		case leads && s.firstCommit != role.Term:
			w.mark(ReadTooYoung, s.name)
		case leads:
			w.mark(ReadRound, s.name)
		}
	case replica.Tick:
		for i := range s.out.Replies {
			if s.out.Replies[i].Code == string(replica.Unavailable) {
				w.mark(ReadGivenUp, s.name)
			}
		}
	}
}
