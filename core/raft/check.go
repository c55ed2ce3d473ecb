package raft

import "fmt"

// seen is what the last Check saw, for what must not go back.
type seen struct {
	any        bool
	hard       Hard
	role       RoleKind
	termLeader ID
	applied    Index
	last       Mark
	match      [7]Index
	checked    Index // entries ≤ checked have been looked at and not been cut since
}

// Check says what is wrong with this Machine, by itself and against what the last Check saw. It
// costs little: entries are looked at once. Call it after every Step of a test or a simulation.
//
// What relates one server to another is for those who see all of them.
func (m *Machine) Check() error {
	for _, check := range []func() error{m.checkOrder, m.checkTerm, m.checkTime, m.checkPeers, m.checkLog} {
		if err := check(); err != nil {
			return fmt.Errorf("%v in term %d: %w", m.cfg.ID, m.hard.Term, err)
		}
	}
	s := &m.seen
	s.any, s.hard, s.role, s.termLeader = true, m.hard, m.role, m.termLeader
	s.applied, s.last, s.checked = m.applied, m.log.last, m.log.last.Index
	for i := range m.leading.peers {
		s.match[i] = m.leading.peers[i].match
	}
	return nil
}

// checkOrder: the indexes stand in order. compact ≤ applied ≤ min(commit, saved); saved ≤ last.
func (m *Machine) checkOrder() error {
	d, l := &m.disk, &m.log
	switch {
	case l.compact.Index > m.applied:
		return fmt.Errorf("compact %d beyond applied %d", l.compact.Index, m.applied)
	case m.applied > m.hard.Commit:
		return fmt.Errorf("applied %d beyond commit %d", m.applied, m.hard.Commit)
	case m.applied > d.saved:
		return fmt.Errorf("applied %d beyond saved %d", m.applied, d.saved)
	case m.hard.Commit > l.last.Index:
		return fmt.Errorf("commit %d beyond last %d", m.hard.Commit, l.last.Index)
	case d.saved > d.written:
		return fmt.Errorf("saved %d beyond written %d", d.saved, d.written)
	case d.written > l.last.Index:
		return fmt.Errorf("written %d beyond last %d", d.written, l.last.Index)
	case d.written > d.end:
		return fmt.Errorf("written %d beyond the end %d of the stored log", d.written, d.end)
	case m.following.verified > l.last.Index:
		return fmt.Errorf("verified %d beyond last %d", m.following.verified, l.last.Index)
	case m.applied < m.seen.applied:
		return fmt.Errorf("applied went back from %d to %d", m.seen.applied, m.applied)
	case m.hard.Commit < m.seen.hard.Commit:
		return fmt.Errorf("commit went back from %d to %d", m.seen.hard.Commit, m.hard.Commit)
	}
	return nil
}

// checkTerm: terms grow; one vote and one leader per term; who leads voted for itself, durably.
func (m *Machine) checkTerm() error {
	s, d := &m.seen, &m.disk
	switch {
	case m.hard.Term < s.hard.Term:
		return fmt.Errorf("term went back from %d", s.hard.Term)
	case m.hard.Term < m.log.last.Term:
		return fmt.Errorf("the last entry has term %d", m.log.last.Term)
	case d.hard.Term > m.hard.Term:
		return fmt.Errorf("term %d is on disk", d.hard.Term)
	case m.role == Leader && (m.hard.Vote != m.cfg.ID || !m.voteSaved()):
		return fmt.Errorf("leads with vote %v, and %v saved in term %d", m.hard.Vote, d.hard.Vote, d.hard.Term)
	case m.role == Candidate && m.hard.Vote != m.cfg.ID:
		return fmt.Errorf("stands, but voted for %v", m.hard.Vote)
	case m.role == Leader && (m.leader != m.cfg.ID || m.termLeader != m.cfg.ID):
		return fmt.Errorf("leads, but takes %v for the leader", m.leader)
	case m.role != Leader && m.leader == m.cfg.ID:
		return fmt.Errorf("is a %v, but takes itself for the leader", m.role)
	}
	if !s.any || m.hard.Term != s.hard.Term {
		return nil
	}
	switch {
	case s.hard.Vote != 0 && m.hard.Vote != s.hard.Vote:
		return fmt.Errorf("voted for %v, then for %v", s.hard.Vote, m.hard.Vote)
	case s.termLeader != 0 && m.termLeader != s.termLeader:
		return fmt.Errorf("followed %v, then %v", s.termLeader, m.termLeader)
	case s.role == Leader && m.role != Leader && m.role != Follower && m.role != PreCandidate:
		return fmt.Errorf("led, then became a %v", m.role)
	case s.role == Leader && m.role == Leader && m.log.last.Index < s.last.Index:
		return fmt.Errorf("a leader's log shrank from %d to %d", s.last.Index, m.log.last.Index)
	}
	return nil
}

// checkTime: something will happen by itself, sooner or later.
func (m *Machine) checkTime() error {
	if m.fatal == "" && m.quorum > 1 && m.Deadline() > m.now+1000*m.cfg.Base {
		return fmt.Errorf("deadline %v at %v is never", m.Deadline(), m.now)
	}
	return nil
}

// checkPeers: match ≤ last, next > match, and match does not go back within a term.
func (m *Machine) checkPeers() error {
	if m.role != Leader {
		return nil
	}
	for i := range m.leading.peers {
		p := &m.leading.peers[i]
		switch {
		case p.match > m.log.last.Index:
			return fmt.Errorf("%v matches up to %d, but the last entry is %d", p.id, p.match, m.log.last.Index)
		case p.next <= p.match:
			return fmt.Errorf("%v is next sent %d, but matches up to %d", p.id, p.next, p.match)
		case p.next > m.log.last.Index+1:
			return fmt.Errorf("%v is next sent %d, but the last entry is %d", p.id, p.next, m.log.last.Index)
		case m.seen.role == Leader && m.seen.hard.Term == m.hard.Term && p.match < m.seen.match[i]:
			return fmt.Errorf("match of %v went back from %d to %d", p.id, m.seen.match[i], p.match)
		case p.echo > m.leading.round:
			return fmt.Errorf("%v echoed round %d, but the last was %d", p.id, p.echo, m.leading.round)
		}
	}
	return nil
}

// checkLog: entries new since the last Check continue the chain; what was committed is not cut.
func (m *Machine) checkLog() error {
	s, l := &m.seen, &m.log
	from := l.compact
	if mark, ok := l.mark(s.checked); ok && s.any && mark == s.last {
		from = mark
	} else if ok && s.any && s.checked <= s.hard.Commit && mark != s.last {
		return fmt.Errorf("entry %d was committed with chain %v and is now %v", s.checked, s.last.Chain, mark.Chain)
	}
	for i := from.Index + 1; i <= l.last.Index; i++ {
		e := l.at(i)
		if err := follows(from, e); err != nil {
			return err
		}
		from = e.mark()
	}
	if from != l.last {
		return fmt.Errorf("last is %v, but the last entry is %v", l.last, from)
	}
	return nil
}
