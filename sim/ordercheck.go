package sim

import (
	"parley/core/raft"
)

// The checker "order": what only grows does not go back, within a life, and where it was on the disk
// not across lives either; and nobody votes twice in a term.

type orderCheck struct {
	seen  []sight            // by server
	votes map[ballot]raft.ID // that were told to anybody
}

func newOrderCheck(w *world) orderCheck {
	return orderCheck{seen: make([]sight, w.plan.Voters), votes: map[ballot]raft.ID{}}
}

// sight is what was last seen of a server.
type sight struct {
	life                            int
	term                            raft.Term
	led                             raft.Term // it led this term
	commit, applied, durable, saved raft.Index
	match                           [maxVoters]raft.Index // of its peers, while it leads
	looked                          raft.Index            // its log was compared with what is committed up to here, in this life

	// What its disk has held, in any life.
	hard raft.Hard
	kept raft.Index // applied
}

type ballot struct {
	voter raft.ID
	term  raft.Term
}

// ordered compares a server with what was last seen of it.
func (k *checks) ordered(s *server, st *raft.Status) {
	k.looked(ofOrder)
	was := &k.order.seen[s.id-1]
	if was.life != s.life {
		*was = sight{life: s.life, term: was.hard.Term, commit: was.hard.Commit, applied: was.kept, durable: was.kept, hard: was.hard, kept: was.kept}
		was.saved = was.commit // an uncommitted end may have been cut by the save that a crash left whole
	}
	now := &s.status
	if st.Role.Term < was.term || st.Commit < was.commit || now.Applied < was.applied || now.Durable < was.durable {
		k.fail(ofOrder, "n%d goes back: term %d to %d, commit %d to %d, applied %d to %d, durable %d to %d", s.id,
			was.term, st.Role.Term, was.commit, st.Commit, was.applied, now.Applied, was.durable, now.Durable)
	}
	if st.Saved < min(was.saved, was.commit) {
		k.fail(ofOrder, "n%d goes back: its log was saved up to %d and committed up to %d, now it is saved up to %d", s.id, was.saved, was.commit, st.Saved)
	}
	if st.Role.Kind != raft.Leader || was.led != st.Role.Term {
		return
	}
	for i := range st.Progress {
		if p := &st.Progress[i]; p.Match < was.match[i] {
			k.fail(ofOrder, "n%d, leading term %d, goes back: n%d matched up to %d, now up to %d", s.id, st.Role.Term, p.Peer, was.match[i], p.Match)
		}
	}
}

// look keeps what is seen of a server after a step.
func (k *sight) look(s *server) {
	st := &s.status.Raft
	k.term, k.commit, k.looked, k.saved = st.Role.Term, st.Commit, st.Commit, st.Saved
	k.applied, k.durable = s.status.Applied, s.status.Durable
	k.led = 0
	if st.Role.Kind == raft.Leader {
		k.led = st.Role.Term
		for i := range st.Progress {
			k.match[i] = st.Progress[i].Match
		}
	}
}

// durable compares a disk with what it held before.
func (k *checks) durable(s *server) {
	k.looked(ofOrder)
	was, d := &k.order.seen[s.id-1], s.disk.durable()
	if d.hard.Term < was.hard.Term || d.hard.Commit < was.hard.Commit || d.applied < was.kept ||
		d.hard.Term == was.hard.Term && was.hard.Vote != 0 && d.hard.Vote != was.hard.Vote {
		k.fail(ofOrder, "the disk of n%d goes back: %+v to %+v, applied %d to %d", s.id, was.hard, d.hard, was.kept, d.applied)
	}
	was.hard, was.kept = d.hard, d.applied
}

// rolledBack takes a disk for what it is now: it was put back there.
func (k *checks) rolledBack(s *server) {
	d := s.disk.durable()
	was := &k.order.seen[s.id-1]
	*was = sight{life: was.life, hard: d.hard, kept: d.applied}
}

// vote demands that a vote is on the voter's disk when it is told, and that it is its only one.
func (k *checks) vote(s *server, t raft.Term, to raft.ID) {
	k.looked(ofDurableAck)
	hard := s.disk.durable().hard
	if hard.Term < t || hard.Term == t && hard.Vote != to {
		k.fail(ofDurableAck, "n%d votes for n%d in term %d; its disk says n%d in term %d", s.id, to, t, hard.Vote, hard.Term)
	}
	if first, ok := k.order.votes[ballot{s.id, t}]; ok && first != to {
		k.fail(ofOrder, "n%d votes for n%d and n%d in term %d", s.id, first, to, t)
	}
	k.order.votes[ballot{s.id, t}] = to
}
