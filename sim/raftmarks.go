package sim

import (
	"parley/core/raft"
	"parley/core/replica"
)

// The marks of elections and handing over.
const (
	ElectionWon        Mark = "election won"
	LeaderUnsaved      Mark = "election won, first entry not yet saved"
	LeaderDeposed      Mark = "leader deposed"
	LeaderCommitted    Mark = "first commit of a leader"
	PreVoteAsked       Mark = "pre-vote asked for"
	PreVoteGranted     Mark = "pre-vote granted"
	PreVoteRefused     Mark = "pre-vote refused"
	PreVoteBeside      Mark = "pre-vote refused beside a live leader"
	VoteRefused        Mark = "vote refused"
	VoteRefusedStale   Mark = "vote refused for an older log"
	VoteRefusedTaken   Mark = "vote refused, it was given to another"
	VoteIgnored        Mark = "vote request ignored beside a live leader"
	VoteRepeated       Mark = "vote told again"
	ElectionLost       Mark = "election lost to another"
	ElectionSplit      Mark = "election without a winner"
	CandidateOvertaken Mark = "candidate overtaken by a later term"
	QuorumLost         Mark = "leader steps down for lack of a quorum"
	LeaderOvertaken    Mark = "leader overtaken by a later term"
	TermLearned        Mark = "later term learned by a follower"
	LeaderFound        Mark = "leader found"
	LeaderAlone        Mark = "leader of one voter"
	ContactEnded       Mark = "leader lost from sight"
	TransferOpened     Mark = "transfer begun"
	TransferObeyed     Mark = "order to stand obeyed"
	TransferDone       Mark = "transfer finished"
	TransferTimedOut   Mark = "transfer given up"
	OldOrder           Mark = "order to stand of another term"
	SuccessionHeard    Mark = "succession heard"
	DiskHungHandOver   Mark = "leader with a hanging disk hands over"
	ResignAsked        Mark = "leader asked to resign"
	ResignIdle         Mark = "resigned replica owes nothing"
)

func raftMarks() []markInfo {
	return []markInfo{{ElectionWon, false}, {LeaderUnsaved, false}, {LeaderDeposed, false}, {LeaderCommitted, false}, {PreVoteAsked, false}, {PreVoteGranted, false}, {PreVoteRefused, false}, {PreVoteBeside, false}, {VoteRefused, false}, {VoteRefusedStale, false}, {VoteRefusedTaken, false}, {VoteIgnored, false}, {VoteRepeated, true}, {ElectionLost, false}, {ElectionSplit, false}, {CandidateOvertaken, false}, {QuorumLost, false}, {LeaderOvertaken, false}, {TermLearned, false}, {LeaderFound, false}, {LeaderAlone, false}, {ContactEnded, false}, {TransferOpened, false}, {TransferObeyed, false}, {TransferDone, false}, {TransferTimedOut, false}, {OldOrder, true}, {SuccessionHeard, false}, {DiskHungHandOver, false}, {ResignAsked, false}, {ResignIdle, false}}
}

// watchElection marks what a step was about elections and handing over.
func (w *world) watchElection(s *server, in replica.Input, was *raft.Status) {
	now := &s.status.Raft
	term, later := now.Role.Term, now.Role.Term > was.Role.Term
	if was.Role != now.Role {
		w.watchRole(s, was)
	}
	switch {
	case was.Transfer == 0 && now.Transfer != 0:
		w.mark(TransferOpened, s.name)
		if !s.status.Resigning {
			w.mark(DiskHungHandOver, s.name)
		}
	case was.Transfer != 0 && now.Transfer == 0 && later:
		w.mark(TransferDone, s.name)
	case was.Transfer != 0 && now.Transfer == 0 && now.Role.Kind == raft.Leader:
		w.mark(TransferTimedOut, s.name)
	}
	for i := range s.out.Sends {
		if m := s.out.Sends[i].Raft; m != nil {
			w.watchBallot(s, m)
		}
	}
	if _, ok := in.(replica.Resign); ok && was.Role.Kind == raft.Leader {
		w.mark(ResignAsked, s.name)
	}
	if s.out.Idle {
		w.mark(ResignIdle, s.name)
	}
	m := raftIn(in)
	if m == nil {
		return
	}
	switch {
	case m.Kind == raft.Vote && m.Term > was.Role.Term && m.Term > term:
		w.mark(VoteIgnored, s.name)
	case m.Kind == raft.TimeoutNow && later:
		w.mark(TransferObeyed, s.name)
	case m.Kind == raft.TimeoutNow && m.Term != was.Role.Term:
		w.mark(OldOrder, s.name)
	case m.Kind == raft.Successors:
		w.mark(SuccessionHeard, s.name)
	}
	w.watchRefusal(s, m, was)
}

// raftIn is the message of raft that came in, if one did.
func raftIn(in replica.Input) *raft.Message {
	if p, ok := in.(replica.Peer); ok {
		return p.Message.Raft
	}
	return nil
}

func (w *world) watchRole(s *server, was *raft.Status) {
	from, to := was.Role, s.status.Raft.Role
	later := to.Term > from.Term
	switch {
	case from.Kind == raft.Leader && later:
		w.mark(LeaderOvertaken, s.name)
	case from.Kind == raft.Leader && to.Kind == raft.Follower:
		w.mark(QuorumLost, s.name)
	case from.Kind == raft.Candidate && later && to.Kind == raft.Follower:
		w.mark(CandidateOvertaken, s.name)
	case from.Kind == raft.Candidate && to.Kind == raft.Follower:
		w.mark(ElectionLost, s.name)
	case from.Kind == raft.Candidate && to.Kind == raft.PreCandidate:
		w.mark(ElectionSplit, s.name)
	case from.Kind == raft.Follower && to.Kind == raft.Follower && later:
		w.mark(TermLearned, s.name)
	}
	switch {
	case to.Kind == raft.Leader && len(w.servers) == 1:
		w.mark(LeaderAlone, s.name)
	case to.Kind == raft.Follower && to.Leader != 0 && from.Leader == 0:
		w.mark(LeaderFound, s.name)
	case from.Kind == raft.Follower && from.Leader != 0 && to.Leader == 0:
		w.mark(ContactEnded, s.name)
	}
}

func (w *world) watchBallot(s *server, m *raft.Message) {
	switch {
	case m.Kind == raft.PreVote:
		w.mark(PreVoteAsked, s.name)
	case m.Kind == raft.PreVoteReply && m.Reject:
		w.mark(PreVoteRefused, s.name)
		if s.status.Raft.Role.Leader != 0 {
			w.mark(PreVoteBeside, s.name)
		}
	case m.Kind == raft.PreVoteReply:
		w.mark(PreVoteGranted, s.name)
	case m.Kind == raft.VoteReply && m.Reject:
		w.mark(VoteRefused, s.name)
	}
}

// watchRefusal marks why a vote is refused, or given once more.
func (w *world) watchRefusal(s *server, asked *raft.Message, was *raft.Status) {
	if asked.Kind != raft.Vote || len(s.out.Sends) == 0 {
		return
	}
	m, last := s.out.Sends[0].Raft, &was.Last
	if m == nil || m.Kind != raft.VoteReply {
		return
	}
	older := asked.LogTerm < last.Term || asked.LogTerm == last.Term && asked.Index < last.Index
	switch {
	case m.Reject && older:
		w.mark(VoteRefusedStale, s.name)
	case m.Reject && asked.Term == was.Role.Term && was.Vote != 0:
		w.mark(VoteRefusedTaken, s.name)
	case !m.Reject:
		w.mark(VoteRepeated, s.name) // one that is new is told only when it is saved
	}
}
