package sim

import "parley/core/raft"

// The checker "durable-ack": what a message promises is on the sender's disk before it leaves, and
// what is committed is on the disks of a majority, not in their memories.

// first notes an entry that nobody has committed before.
func (k *checks) first(s *server, i raft.Index, m raft.Mark) {
	k.looked(ofDurableAck)
	e := k.book.find(i, m.Chain)
	if e == nil || int(i) != len(k.ghost)+1 {
		k.fail(ofDurableAck, "n%d commits entry %d, which nobody began to save; %d are committed", s.id, i, len(k.ghost))
		return
	}
	on := 0
	for _, o := range k.w.servers {
		if k.w.atlas.holds(o, i, m.Chain) {
			on++
		}
	}
	if on <= len(k.w.servers)/2 {
		k.fail(ofDurableAck, "n%d commits entry %d of term %d, on %d of %d disks", s.id, i, m.Term, on, len(k.w.servers))
	}
	k.ghost, k.since, k.when = append(k.ghost, *e), append(k.since, s.status.Raft.Role.Term), append(k.when, k.w.now)
}

// sent: what a message promises is on the sender's disk before it leaves.
func (k *checks) sent(s *server, m *raft.Message) {
	hard := s.disk.durable().hard
	switch m.Kind {
	case raft.PreVote, raft.PreVoteReply: // a pre-vote proposes a term, and promises nothing
		return
	case raft.AppendReply:
		k.acknowledged(s, m)
	case raft.Vote:
		k.vote(s, m.Term, s.id)
	case raft.VoteReply:
		if !m.Reject {
			k.vote(s, m.Term, m.To)
		}
	}
	k.looked(ofDurableAck)
	if hard.Term < m.Term {
		k.fail(ofDurableAck, "n%d speaks in term %d (%v); its disk knows term %d", s.id, m.Term, m.Kind, hard.Term)
	}
}

func (k *checks) acknowledged(s *server, m *raft.Message) {
	d := s.disk.durable()
	if m.Reject || m.Index <= d.compact.Index {
		return
	}
	k.looked(ofDurableAck)
	mark, ok := s.machine.Raft().Mark(m.Index)
	if _, on := d.entry(m.Index); !on || ok && !k.w.atlas.holds(s, m.Index, mark.Chain) {
		k.fail(ofDurableAck, "n%d acknowledges entry %d in term %d; its disk ends at %d", s.id, m.Index, m.Term, d.last())
	}
}
