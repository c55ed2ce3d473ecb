package raft

import (
	"slices"
	"time"
)

// Handing over (Raft dissertation §3.10). The leader takes no more proposals, brings its successor
// level, and tells it to stand at once, without a pre-vote. It tells the others who comes next
// should that fail. What is not done within an election timeout is given up, and the flag with it:
// https://github.com/hashicorp/raft/issues/696 is about one that stayed.

// transfer is a handing over that has begun.
type transfer struct {
	to    ID // 0: none
	until time.Duration
	sent  bool // TimeoutNow is out
}

func (m *Machine) transfer(to ID, out *Output) {
	if m.role != Leader || to == m.cfg.ID || len(m.leading.peers) == 0 {
		return
	}
	if to == 0 {
		to = m.heir()
	}
	place := slices.Index(m.cfg.Voters, to)
	if place < 0 || to == m.leading.transfer.to {
		return
	}
	m.heirs |= 1 << place
	m.leading.transfer = transfer{to: to, until: m.now + m.cfg.Base}
}

// heir is the lowest live peer that has all that is committed, or failing that the lowest live one. Who was
// told before and could not win comes last: others may not hear it.
func (m *Machine) heir() ID {
	first := ID(0)
	for _, id := range m.succession(0) {
		if !m.alive(m.peer(id)) {
			continue
		}
		if m.heirs>>slices.Index(m.cfg.Voters, id)&1 == 0 {
			return id
		}
		if first == 0 {
			first = id
		}
	}
	m.heirs = 0
	return first
}

// succession orders the peers: first, then the caught-up and live ones by id, the live, the rest.
func (m *Machine) succession(first ID) []ID {
	class := func(p *peer) int {
		switch {
		case p.id == first:
			return 0
		case m.alive(p) && p.match >= m.hard.Commit:
			return 1
		case m.alive(p) && p.state != snapshot:
			return 2
		}
		return 3
	}
	order := make([]ID, 0, len(m.leading.peers))
	for c := range 4 {
		for i := range m.leading.peers {
			if p := &m.leading.peers[i]; class(p) == c {
				order = append(order, p.id)
			}
		}
	}
	return order
}

// advanceTransfer tells the successor to stand once it is level.
func (m *Machine) advanceTransfer(out *Output) {
	t := &m.leading.transfer
	if t.to == 0 || t.sent || m.peer(t.to).match != m.log.last.Index {
		return
	}
	t.sent = true
	m.send(out, Message{Kind: TimeoutNow, To: t.to, Term: m.hard.Term})
	m.announce(t.to, out)
}

// announce tells all peers but first the order of succession.
func (m *Machine) announce(first ID, out *Output) {
	order := m.succession(first)
	for i := range m.leading.peers {
		if id := m.leading.peers[i].id; id != first {
			m.send(out, Message{Kind: Successors, To: id, Term: m.hard.Term, Order: order})
		}
	}
}

// tickTransfer gives up a transfer that had no effect, and leadership if the disk hangs: with
// parallel writes the followers would carry a leader whose own disk does nothing
// (https://github.com/hashicorp/raft/issues/503).
func (m *Machine) tickTransfer(out *Output) {
	l := &m.leading
	if l.transfer.to != 0 && m.now >= l.transfer.until {
		l.transfer = transfer{}
	}
	if !m.disk.hung(m.now, m.cfg.Base) || m.disk.saved == m.log.last.Index || len(l.peers) == 0 {
		l.gray = false
		return
	}
	if l.transfer.to != 0 {
		return
	}
	if !l.gray {
		l.gray = true
		if m.transfer(0, out); l.transfer.to != 0 {
			return
		}
	}
	m.announce(0, out)
	m.follow(m.hard.Term, 0, out)
}

func (m *Machine) transferDeadline() time.Duration {
	l := &m.leading
	switch {
	case l.transfer.to != 0:
		return l.transfer.until
	case m.disk.out && m.disk.saved < m.log.last.Index:
		return m.disk.since + m.cfg.Base
	}
	return never
}

// timeoutNow is the leader's wish that this server succeed it. It is bound to its term.
func (m *Machine) timeoutNow(msg *Message, out *Output) {
	if msg.Term != m.hard.Term || msg.From != m.termLeader || m.role != Follower && m.role != PreCandidate {
		return
	}
	if m.disk.installing() || m.disk.hung(m.now, m.cfg.Base) {
		return
	}
	m.follow(m.hard.Term, 0, out)
	m.campaign(true)
}

// successors is the leader's word that it is leaving, and who is next.
func (m *Machine) successors(msg *Message) {
	if msg.Term != m.hard.Term || msg.From != m.termLeader || m.role != Follower || len(msg.Order) > len(m.cfg.Voters) {
		return
	}
	turn := slices.Index(msg.Order, m.cfg.ID)
	if turn < 0 {
		return
	}
	m.election.contact = false
	m.election.hinted = m.now + m.cfg.Base
	m.election.at = min(m.election.at, m.now+time.Duration(turn)*m.cfg.Stagger)
}
