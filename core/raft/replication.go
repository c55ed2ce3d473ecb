package raft

import (
	"slices"
	"time"
)

// Replication, the leader's side (Raft dissertation §3.5, §10.2). The follower's is in follow.go.
//
// To each peer the leader is in one of three states. In probe it does not know where the logs
// agree, and has one message out. In stream it sends optimistically, up to a window of bytes, and
// takes a rejection as news of a loss. In snapshot it has compacted what the peer needs, and only
// keeps the peer's company until a snapshot has come over some other way.
//
// A peer's match only grows, and only by an acknowledgement: not by what was sent.

// leading is what a leader knows. It counts only while role is Leader.
type leading struct {
	peers    []peer // all voters but this one, by id
	first    Index  // the no-op that opened the term
	clock    ClusterTime
	clockAt  time.Duration // when cluster time was clock
	round    uint64        // of reads: the last one sent
	reads    []read        // by round
	transfer transfer
	gray     bool // the disk hangs, and leadership was offered away
}

type peerState uint8

const (
	probe peerState = iota
	stream
	snapshot
)

// peer is what a leader believes of another voter. Invariant: match < next, match ≤ last.
type peer struct {
	id    ID
	state peerState

	match  Index         // saved there, by its own word
	next   Index         // the first entry to send
	probed Index         // probe: the last entry sent along
	asked  bool          // probe: one is out
	hint   Index         // the newest entry it is known to have had, though maybe another than ours
	askAt  time.Duration // snapshot: when to ask the caller (again) for one

	heard  time.Duration // last answer
	sent   time.Duration // last append
	commit Index         // told
	round  uint64        // sent
	echo   uint64        // the highest round that came back
}

// lead makes a candidate the leader of its term.
func (m *Machine) lead() {
	m.role, m.leader, m.termLeader = Leader, m.cfg.ID, m.cfg.ID
	m.election.contact = false
	l := &m.leading
	*l = leading{peers: l.peers, reads: l.reads[:0], first: m.log.last.Index + 1,
		clock: m.log.last.Time, clockAt: m.now}
	for i := range l.peers {
		l.peers[i] = peer{id: l.peers[i].id, next: l.first, heard: m.now, sent: m.now}
	}
	m.put(Noop, nil) // without it nothing older could be committed (Raft dissertation §3.6.2)
	m.takeOverReads()
}

// abdicate ends a leadership: whoever waited for it hears so.
func (m *Machine) abdicate(out *Output) {
	m.refuseReads(out)
	l := &m.leading
	*l = leading{peers: l.peers, reads: l.reads[:0]}
	for i := range l.peers {
		l.peers[i] = peer{id: l.peers[i].id}
	}
}

// put appends an entry, stamped with cluster time: the last entry's, plus what passed here since.
func (m *Machine) put(kind Kind, data []byte) {
	l, last := &m.leading, m.log.last
	stamp := l.clock + ClusterTime(m.now-l.clockAt)
	e := Entry{Index: last.Index + 1, Term: m.hard.Term, Kind: kind, Time: max(last.Time, stamp), Data: data}
	e.Chain = ChainNext(last.Chain, &e)
	m.log.append(e)
}

// propose appends commands, or says why not.
func (m *Machine) propose(data [][]byte) Placed {
	if m.role != Leader {
		return Placed{Refused: NotLeader}
	}
	if m.leading.transfer.to != 0 {
		return Placed{Refused: Transferring}
	}
	size := uint64(0)
	for _, d := range data {
		size += uint64(len(d)) + entryOverhead
	}
	if open := m.log.bytes(m.hard.Commit, m.log.last.Index); open > 0 && open+size > uint64(m.cfg.MaxUncommitted) {
		return Placed{Refused: Busy}
	}
	first := m.log.last.Index + 1
	for _, d := range data {
		m.put(Command, d)
	}
	return Placed{First: first, Term: m.hard.Term}
}

// tickLeader does what a leader does by the clock.
func (m *Machine) tickLeader(out *Output) {
	if m.now >= m.quorumHeard()+m.cfg.Base {
		m.follow(m.hard.Term, 0, out) // check-quorum (Raft dissertation §6.2)
		return
	}
	m.tickTransfer(out)
	if m.role != Leader {
		return
	}
	for i := range m.leading.peers {
		if p := &m.leading.peers[i]; m.now >= p.sent+m.cfg.Heartbeat {
			m.joinRound()
			m.heartbeat(p, out)
		}
	}
}

// heartbeat repeats what may have been lost: the round, the commit index, the question where the
// logs agree. In stream it claims the optimistic position, so that a lost tail is found out.
func (m *Machine) heartbeat(p *peer, out *Output) {
	if p.state == probe {
		p.asked, p.probed = true, p.next-1
	}
	m.sendAppend(p, nil, out)
	if t := &m.leading.transfer; t.sent && t.to == p.id {
		m.send(out, Message{Kind: TimeoutNow, To: p.id, Term: m.hard.Term})
	}
}

// replicate sends every peer what it is due.
func (m *Machine) replicate(out *Output) {
	for i := range m.leading.peers {
		p := &m.leading.peers[i]
		if p.next <= m.log.compact.Index && p.state != snapshot {
			p.state, p.askAt = snapshot, m.now
		}
		sent := false
		switch p.state {
		case probe:
			if !p.asked {
				entries := m.pick(p)
				p.asked, p.probed, sent = true, p.next-1+Index(len(entries)), true
				m.sendAppend(p, entries, out)
			}
		case stream:
			for p.next <= m.log.last.Index && m.log.bytes(p.match, p.next-1) < uint64(m.cfg.MaxInflight) {
				entries := m.pick(p)
				m.sendAppend(p, entries, out)
				p.next += Index(len(entries))
				sent = true
			}
		case snapshot:
			m.askSnapshot(p, out)
		}
		// Followers serve feeds: they hear of a commit at once. Readers wait for the round.
		if !sent && (p.state == stream && p.commit < m.hard.Commit || p.round < m.leading.round) {
			m.sendAppend(p, nil, out)
		}
	}
}

// pick takes the entries of the next message to p.
func (m *Machine) pick(p *peer) []Entry {
	if p.next > m.log.last.Index {
		return nil
	}
	return m.log.slice(p.next, m.cfg.MaxAppendBytes)
}

// sendAppend sends entries that follow p.next-1. To a peer in snapshot it names the oldest entry it
// knows: if the peer has got that far, it will say so.
func (m *Machine) sendAppend(p *peer, entries []Entry, out *Output) {
	prev, ok := m.log.mark(p.next - 1)
	if !ok {
		prev = m.log.compact
	}
	p.sent, p.commit, p.round = m.now, m.hard.Commit, m.leading.round
	m.send(out, Message{Kind: Append, To: p.id, Term: m.hard.Term, Index: prev.Index, LogTerm: prev.Term,
		Chain: prev.Chain, Entries: entries, Commit: m.hard.Commit, Round: m.leading.round})
}

// appendAnswered takes a follower's answer.
func (m *Machine) appendAnswered(msg *Message, out *Output) {
	if msg.Term > m.hard.Term {
		m.follow(msg.Term, 0, out)
		return
	}
	if m.role != Leader || msg.Term < m.hard.Term || msg.Index > limit || msg.Round > m.leading.round {
		return
	}
	p := m.peer(msg.From)
	p.heard = m.now
	p.echo = max(p.echo, msg.Round)
	if msg.Reject {
		m.rejected(p, msg)
		return
	}
	if msg.Index > m.log.last.Index {
		return // nobody can have saved what we never wrote
	}
	p.match = max(p.match, msg.Index)
	switch {
	case p.state == probe:
		p.state, p.next = stream, max(p.probed+1, p.next)
	case p.state == snapshot && p.match >= m.log.compact.Index:
		p.state, p.next = stream, p.match+1
	}
	p.next = max(p.next, p.match+1)
}

// rejected moves the probe to where the logs may agree.
func (m *Machine) rejected(p *peer, msg *Message) {
	if msg.Index < p.match {
		return // overtaken by an acknowledgement
	}
	// The follower's entry at the hint may be of a later term than ours there. Then the logs can
	// agree only where ours is not later than that.
	hint := msg.Index
	known := hint <= m.log.last.Index
	hint = min(hint, m.log.last.Index)
	if hint > m.log.compact.Index && msg.LogTerm != 0 {
		if t := m.log.term(hint); t > msg.LogTerm {
			hint = max(p.match, m.log.lastAtMost(msg.LogTerm, p.match, hint))
		}
	}
	further := hint > p.hint
	p.hint = max(p.hint, hint)
	switch {
	case p.state == snapshot && hint < m.log.compact.Index:
		if further {
			p.askAt = m.now // one has come, but the log was cut again meanwhile
		}
		return // it still needs one
	case p.state == probe && hint == p.next-1:
		return // an echo of an earlier rejection: this very probe is out
	}
	p.state, p.next = probe, hint+1
	p.asked, p.probed = !known, hint // who claims more than we have is asked by heartbeat only
}

// peer finds a voter other than this server.
func (m *Machine) peer(id ID) *peer {
	i := slices.IndexFunc(m.leading.peers, func(p peer) bool { return p.id == id })
	return &m.leading.peers[i]
}

// peerLost takes the hint that what is on its way to a peer will not arrive.
func (m *Machine) peerLost(id ID) {
	i := slices.IndexFunc(m.leading.peers, func(p peer) bool { return p.id == id })
	if i < 0 {
		return
	}
	p := &m.leading.peers[i]
	if p.state == stream {
		p.state, p.next, p.asked, p.probed = probe, p.match+1, true, p.match
	}
	if m.leading.transfer.to == id {
		m.leading.transfer = transfer{}
	}
}

// advanceCommit counts servers whose disks hold an entry of this term. Entries of earlier terms
// are committed with it, never by counting (Raft dissertation §3.6.2, figure 3.7).
func (m *Machine) advanceCommit() {
	var values [7]uint64
	values[0] = uint64(m.disk.saved)
	for i := range m.leading.peers {
		values[i+1] = uint64(m.leading.peers[i].match)
	}
	index := Index(m.quorumOf(&values))
	if index > m.hard.Commit && m.log.term(index) == m.hard.Term {
		m.hard.Commit = index
	}
}

// quorumOf is the highest value that a quorum of the voters has reached.
func (m *Machine) quorumOf(values *[7]uint64) uint64 {
	v := values[:len(m.cfg.Voters)]
	slices.Sort(v)
	return v[len(v)-m.quorum]
}

// quorumHeard is when a quorum was last heard from, this server counting as now.
func (m *Machine) quorumHeard() time.Duration {
	var values [7]uint64
	values[0] = uint64(m.now)
	for i := range m.leading.peers {
		values[i+1] = uint64(m.leading.peers[i].heard)
	}
	return time.Duration(m.quorumOf(&values))
}

// leaderDeadline is when tickLeader has something to do.
func (m *Machine) leaderDeadline() time.Duration {
	l := &m.leading
	if len(l.peers) == 0 {
		return never
	}
	at := min(m.quorumHeard()+m.cfg.Base, m.transferDeadline())
	for i := range l.peers {
		p := &l.peers[i]
		at = min(at, p.sent+m.cfg.Heartbeat)
		if p.state == snapshot && m.alive(p) {
			at = min(at, p.askAt)
		}
	}
	return at
}

// alive says that p answered within an election timeout.
func (m *Machine) alive(p *peer) bool { return m.now-p.heard < m.cfg.Base }

// Behind is the lowest index that a live peer, fed from this leader's log, has saved. Whoever compacts
// further makes it need a snapshot.
func (m *Machine) Behind() Index {
	low := m.log.last.Index
	if m.role != Leader {
		return low
	}
	for i := range m.leading.peers {
		if p := &m.leading.peers[i]; p.state != snapshot && m.alive(p) {
			low = min(low, p.match)
		}
	}
	return low
}
