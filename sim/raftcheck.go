package sim

import (
	"slices"

	"parley/core/raft"
)

// The checkers of the log: "raft" (one leader a term; logs that have an entry of one term at one index are
// equal up to there; what is committed is written once), "completeness" (a leader has all that is
// committed), and "configuration", which while membership is fixed only demands that everyone who
// leads counts the votes of the same servers.

type raftCheck struct {
	leaders map[raft.Term]raft.ID
}

func newRaftCheck() raftCheck { return raftCheck{leaders: map[raft.Term]raft.ID{}} }

// book is all entries that anybody ever began to save, by index. At one index there are few.
type book struct{ pages []page }

type page struct {
	first raft.Entry
	more  []raft.Entry
}

// find gives the entry at an index with a chain; nil: nobody began to save such a one.
func (b *book) find(i raft.Index, chain raft.Chain) *raft.Entry {
	if i == 0 || int(i) > len(b.pages) {
		return nil
	}
	p := &b.pages[i-1]
	if p.first.Chain == chain {
		return &p.first
	}
	for j := range p.more {
		if p.more[j].Chain == chain {
			return &p.more[j]
		}
	}
	return nil
}

// add writes an entry down, and gives the other of its index and term, if there is one.
func (b *book) add(e *raft.Entry) *raft.Entry {
	for int(e.Index) > len(b.pages) {
		b.pages = append(b.pages, page{})
	}
	p := &b.pages[e.Index-1]
	if p.first.Index == 0 {
		p.first = *e
		return nil
	}
	for j := -1; j < len(p.more); j++ {
		known := &p.first
		if j >= 0 {
			known = &p.more[j]
		}
		switch {
		case known.Chain == e.Chain:
			return nil
		case known.Term == e.Term:
			return known
		}
	}
	p.more = append(p.more, *e)
	return nil
}

// matches: the chain of an entry stands for the whole log up to it. So two entries of one index and term
// with different chains are two logs that should be equal and are not.
func (k *checks) matches(s *server, e *raft.Entry) {
	k.looked(ofRaft)
	if other := k.book.add(e); other != nil {
		k.fail(ofRaft, "logs do not match: n%d saves entry %d of term %d with chain %v, before it was %v", s.id, e.Index, e.Term, e.Chain, other.Chain)
	}
}

// leadership: one leader a term, elected, and it has every entry committed in an earlier one.
func (k *checks) leadership(s *server, st *raft.Status) {
	if st.Role.Kind != raft.Leader || k.order.seen[s.id-1].led == st.Role.Term {
		return
	}
	k.looked(ofRaft)
	switch first, ok := k.raft.leaders[st.Role.Term]; {
	case ok && first != s.id:
		k.fail(ofRaft, "two leaders in term %d: n%d and n%d", st.Role.Term, first, s.id)
		return
	case ok:
		return
	}
	k.raft.leaders[st.Role.Term] = s.id
	k.w.stats.Elections++
	k.elected(s, st)
	k.complete(s, st)
	k.configured(s, st)
}

// elected: a majority has voted for it.
func (k *checks) elected(s *server, st *raft.Status) {
	k.looked(ofRaft)
	votes := 0
	for _, o := range k.w.servers {
		if k.order.votes[ballot{o.id, st.Role.Term}] == s.id {
			votes++
		}
	}
	if n := len(k.w.servers); n > 1 && votes <= n/2 {
		k.fail(ofRaft, "n%d leads term %d by %d votes of %d", s.id, st.Role.Term, votes, n)
	}
}

// complete: one may win an old term very late; what was committed in later ones it need not have.
func (k *checks) complete(s *server, st *raft.Status) {
	k.looked(ofCompleteness)
	for i := max(1, st.Compact.Index); int(i) <= len(k.ghost) && k.since[i-1] < st.Role.Term; i++ {
		if m, ok := s.machine.Raft().Mark(i); !ok || m.Chain != k.ghost[i-1].Chain {
			k.fail(ofCompleteness, "n%d leads term %d without the committed entry %d", s.id, st.Role.Term, i)
			return
		}
	}
}

// configured: all count the same votes, so any two majorities have a server in common.
func (k *checks) configured(s *server, st *raft.Status) {
	k.looked(ofConfiguration)
	voters := []raft.ID{s.id}
	for _, p := range st.Progress {
		voters = append(voters, p.Peer)
	}
	slices.Sort(voters)
	if !slices.Equal(voters, k.w.plan.voters()) {
		k.fail(ofConfiguration, "n%d leads term %d and counts %v, but the voters are %v", s.id, st.Role.Term, voters, k.w.plan.voters())
	}
}

// committed: what is committed is written once, everywhere the same, and is on the disks of a
// majority when it first becomes so.
func (k *checks) committed(s *server, st *raft.Status) {
	was := &k.order.seen[s.id-1]
	for i := max(was.looked, st.Compact.Index) + 1; i <= st.Commit && k.w.failure == nil; i++ {
		k.looked(ofRaft)
		m, ok := s.machine.Raft().Mark(i)
		switch {
		case !ok:
			k.fail(ofRaft, "n%d: commit %d, but entry %d is not there", s.id, st.Commit, i)
		case int(i) <= len(k.ghost):
			if k.ghost[i-1].Chain != m.Chain {
				k.fail(ofRaft, "n%d commits another entry %d than was committed before", s.id, i)
			}
		default:
			k.first(s, i, m)
		}
	}
	// Raft dissertation §3.6.2: a leader commits by counting only entries of its own term.
	if m, ok := s.machine.Raft().Mark(st.Commit); ok && st.Commit > was.commit && was.led == st.Role.Term &&
		st.Role.Kind == raft.Leader && m.Term != st.Role.Term {
		k.fail(ofRaft, "n%d leads term %d and commits up to entry %d of term %d", s.id, st.Role.Term, st.Commit, m.Term)
	}
}
