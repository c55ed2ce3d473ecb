package raft

import (
	"slices"
	"time"
)

// Elections (Raft dissertation §3.4, §4.2.3, §9.6), from all sides.
//
// A server that has lost its leader first asks who would vote for it (pre-vote), which changes
// nothing at anybody, and raises its term only with a quorum of answers. It asks for votes once its
// own is saved; a voter answers once its vote is saved. A server that heard a leader within the
// base timeout helps nobody to depose it, unless that leader wished so.
//
// The lowest id is preferred by deadlines alone: rank delays asking, and never refuses a vote.

// election is what a server knows of the leader it hears, and of its own campaign.
type election struct {
	at      time.Duration // when to campaign, unless a leader is heard
	contact bool          // a leader was heard, and nothing said it is gone
	heard   time.Duration // when; counts only with contact
	hinted  time.Duration // until then a refused pre-vote is asked again after one stagger

	votes    uint8 // by position among the voters, of the pre-vote or vote being held
	transfer bool  // the campaign is the old leader's wish
	voteOwed bool  // hard.Vote is to be told to its candidate once saved
}

// firstRound is how long to wait for the leader lost before campaigning.
func (m *Machine) firstRound(lost ID) time.Duration { return m.cfg.Base + m.turn(lost) }

// turn staggers servers by their position among the voters without the leader lost.
func (m *Machine) turn(lost ID) time.Duration {
	rank := m.self
	if lost != 0 && lost < m.cfg.ID {
		rank--
	}
	return time.Duration(rank)*m.cfg.Stagger + m.random.below(m.cfg.Stagger)
}

// laterRound is plainly random: whatever order there was did not lead to a leader.
func (m *Machine) laterRound() time.Duration { return m.cfg.Base + m.random.below(m.cfg.Base) }

// sticky says that this server has a live leader. A leader hears itself.
func (m *Machine) sticky() bool {
	return m.role == Leader || m.election.contact && m.now-m.election.heard < m.cfg.Base
}

// heed notes that leader leads this term, and was heard just now.
func (m *Machine) heed(leader ID, out *Output) bool {
	if m.role == Leader || m.termLeader != 0 && m.termLeader != leader {
		m.damaged("both %v and %v lead", m.termLeader, leader)
		return false
	}
	if m.role != Follower || m.leader != leader {
		m.follow(m.hard.Term, leader, out)
	}
	m.termLeader = leader
	m.election.contact, m.election.heard, m.election.hinted = true, m.now, 0
	m.election.at = m.now + m.firstRound(leader)
	return true
}

// follow makes this server a follower in term. What it had begun as a leader or candidate ends.
// A higher term alone does not move the election deadline: or a server that cannot win could keep
// those who can from trying (https://github.com/tikv/raft-rs/issues/14).
func (m *Machine) follow(term Term, leader ID, out *Output) {
	if m.role == Leader {
		m.abdicate(out)
		m.election.at = m.now + m.laterRound()
	}
	if term > m.hard.Term {
		m.enter(term)
	}
	m.role, m.leader = Follower, leader
	if leader != 0 {
		m.heirs = 0
	}
	m.asking.sent = false // ask the new leader
}

// enter starts a new term, in which this server has promised nothing yet.
func (m *Machine) enter(term Term) {
	if term <= m.hard.Term || term >= limit {
		broken("term %d after term %d", term, m.hard.Term)
	}
	m.hard.Term, m.hard.Vote = term, 0
	m.termLeader, m.leader = 0, 0
	m.following = following{}
	m.election.voteOwed, m.election.contact = false, false
}

func (m *Machine) tickElection(out *Output) {
	if m.now < m.election.at {
		return
	}
	// Without a working disk no campaign can be won, and while a snapshot is on its way to the disk
	// the log is not what it will be.
	if m.disk.installing() || m.disk.hung(m.now, m.cfg.Base) {
		m.election.at = m.now + m.laterRound()
		return
	}
	m.preCampaign(out)
}

// preCampaign asks who would vote for this server. It ends the contact with the old leader: or two
// servers could hold each other back (https://github.com/etcd-io/etcd/issues/8334).
func (m *Machine) preCampaign(out *Output) {
	if m.hard.Term+1 >= limit {
		m.election.at = m.now + m.laterRound()
		return
	}
	m.role, m.leader = PreCandidate, 0
	m.election.contact = false
	m.election.votes = 1 << m.self
	m.election.at = m.now + m.laterRound()
	if m.won() {
		m.campaign(false)
		return
	}
	last := m.log.last
	m.sendAll(out, Message{Kind: PreVote, Term: m.hard.Term + 1, Index: last.Index, LogTerm: last.Term, Chain: last.Chain})
}

// campaign opens a term with a vote for oneself. Nobody hears of it before it is saved.
func (m *Machine) campaign(transfer bool) {
	if m.hard.Term+1 >= limit {
		return
	}
	m.enter(m.hard.Term + 1)
	m.hard.Vote = m.cfg.ID
	m.role = Candidate
	m.election.votes, m.election.transfer = 0, transfer
	m.election.at = m.now + m.laterRound()
}

// askVotes goes on with the campaign once term and own vote are saved.
func (m *Machine) askVotes(out *Output) {
	if !m.voteSaved() || m.election.votes != 0 {
		return
	}
	m.election.votes = 1 << m.self
	if m.won() {
		m.lead()
		return
	}
	last := m.log.last
	m.sendAll(out, Message{Kind: Vote, Term: m.hard.Term, Index: last.Index, LogTerm: last.Term, Chain: last.Chain,
		Transfer: m.election.transfer})
}

// count notes from's vote, however often it comes, and says whether it made a quorum.
func (m *Machine) count(from ID) bool {
	m.election.votes |= 1 << slices.Index(m.cfg.Voters, from)
	return m.won()
}

func (m *Machine) won() bool {
	n := 0
	for v := m.election.votes; v != 0; v &= v - 1 {
		n++
	}
	return n >= m.quorum
}

// upToDate says that a candidate's log ends no earlier than ours: with a later term, or with the
// same term and at least as many entries. It never says that two different entries are the same.
func (m *Machine) upToDate(msg *Message) bool {
	last := m.log.last
	if msg.LogTerm != last.Term {
		return msg.LogTerm > last.Term
	}
	return msg.Index > last.Index || msg.Index == last.Index && msg.Chain == last.Chain
}

// preVoteAsked says whether this server would vote for msg.From in msg.Term. It changes nothing.
func (m *Machine) preVoteAsked(msg *Message, out *Output) {
	reply := Message{Kind: PreVoteReply, To: msg.From, Term: msg.Term}
	if m.sticky() || msg.Term <= m.hard.Term || !m.upToDate(msg) {
		reply.Reject = true
		reply.Term = m.disk.hard.Term // who lags must learn it; a term not saved is not ours to tell
	}
	m.send(out, reply)
}

func (m *Machine) preVoteAnswered(msg *Message, out *Output) {
	if msg.Reject {
		if msg.Term > m.hard.Term {
			m.follow(msg.Term, 0, out)
		}
		if m.role != Leader && m.now < m.election.hinted {
			again := max(m.cfg.Stagger, m.cfg.Heartbeat/2) // a tiny stagger must not make a flood
			m.election.at = min(m.election.at, m.now+again)
		}
		return
	}
	if m.role == PreCandidate && msg.Term == m.hard.Term+1 && m.count(msg.From) {
		m.campaign(false)
	}
}

// voteAsked decides on a vote. It is told once it is saved.
func (m *Machine) voteAsked(msg *Message, out *Output) {
	if msg.Term < m.hard.Term || m.sticky() && !msg.Transfer {
		return
	}
	if msg.Term > m.hard.Term {
		m.follow(msg.Term, 0, out)
	}
	// A candidate and a leader have voted for themselves.
	if free := m.hard.Vote == 0 || m.hard.Vote == msg.From; !free || !m.upToDate(msg) {
		if m.termSaved() {
			m.send(out, Message{Kind: VoteReply, To: msg.From, Term: m.hard.Term, Reject: true})
		}
		return
	}
	if m.role == PreCandidate {
		m.role = Follower
	}
	m.hard.Vote = msg.From
	m.election.at = m.now + m.laterRound()
	m.election.voteOwed = true
	if m.voteSaved() {
		m.giveVote(out)
	}
}

// giveVote tells a saved vote to its candidate.
func (m *Machine) giveVote(out *Output) {
	m.election.voteOwed = false
	m.send(out, Message{Kind: VoteReply, To: m.hard.Vote, Term: m.hard.Term})
}

func (m *Machine) voteAnswered(msg *Message, out *Output) {
	if msg.Term > m.hard.Term {
		m.follow(msg.Term, 0, out)
		return
	}
	if m.role == Candidate && msg.Term == m.hard.Term && m.election.votes != 0 && !msg.Reject && m.count(msg.From) {
		m.lead()
	}
}

// peerDown takes the hint that a peer's process is gone. If the hint is wrong, those who still hear
// the leader refuse the pre-vote, and nothing happened.
func (m *Machine) peerDown(id ID) {
	if m.role == Leader {
		m.peerLost(id)
		return
	}
	if id == 0 || id != m.leader {
		return
	}
	m.leader = 0
	m.election.contact = false
	m.election.hinted = m.now + m.cfg.Base
	m.election.at = min(m.election.at, m.now+m.turn(id))
}
