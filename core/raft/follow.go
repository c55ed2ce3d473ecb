package raft

import "time"

// Replication, the follower's side (Raft dissertation §3.5). The leader's side is in replication.go.
//
// Three indexes must not be confused. What is in the log may still be cut. What is verified matches
// the log of this term's leader, by hash chain. What is saved survives a power cut. Only what is
// both verified and saved is acknowledged, and only what is verified is committed on the leader's
// word.

// following is what a server knows about the log of this term's leader. A new term empties it.
type following struct {
	verified Index         // the log matches the leader's up to here. Invariant: verified ≤ last
	told     Index         // acknowledged so far
	toldAt   time.Duration // when the leader last got an answer
	round    uint64
	due      bool // an answer is owed as soon as the term is saved
	refused  bool // … and it is that the log may agree at hint, but not at what was sent
	hint     Mark
}

// appended takes entries, or a heartbeat, from a leader.
func (m *Machine) appended(msg *Message, out *Output) {
	if msg.Term < m.hard.Term {
		// An old leader must learn that it is one (https://github.com/etcd-io/etcd/issues/8501).
		if m.termSaved() {
			m.send(out, Message{Kind: AppendReply, To: msg.From, Term: m.hard.Term, Reject: true})
		}
		return
	}
	if !wellFormed(msg) {
		return
	}
	if msg.Term > m.hard.Term {
		m.follow(msg.Term, msg.From, out)
	}
	if !m.heed(msg.From, out) {
		return
	}
	f := &m.following
	news := msg.Round > f.round
	f.round = max(f.round, msg.Round)
	if m.disk.installing() {
		m.refuse(m.log.last, out) // the log stands still
		return
	}
	if !m.accept(msg, out) {
		return
	}
	m.hard.Commit = max(m.hard.Commit, min(msg.Commit, f.verified))
	m.answer(msg, news, out)
}

// wellFormed says that the entries could stand in a row behind msg.Index in a log of msg.Term.
func wellFormed(msg *Message) bool {
	term := msg.LogTerm
	for i := range msg.Entries {
		e := &msg.Entries[i]
		if e.Index != msg.Index+1+Index(i) || e.Term < term || e.Term > msg.Term || e.Term == 0 {
			return false
		}
		term = e.Term
	}
	return msg.Index+Index(len(msg.Entries)) < limit
}

// accept fits msg's entries into the log. It is false if they do not fit; that is answered already.
func (m *Machine) accept(msg *Message, out *Output) bool {
	f, l := &m.following, &m.log
	prev, entries := Mark{Index: msg.Index, Term: msg.LogTerm, Chain: msg.Chain}, msg.Entries
	if prev.Index+Index(len(entries)) <= f.verified {
		return true // late or doubled: no reason to look at it again, let alone to cut
	}
	if prev.Index < l.compact.Index {
		gone := int(l.compact.Index - prev.Index)
		if gone > len(entries) {
			m.refuse(l.compact, out)
			return false
		}
		prev, entries = entries[gone-1].mark(), entries[gone:]
	}
	have, ok := l.mark(prev.Index)
	switch {
	case !ok:
		m.refuse(l.last, out)
		return false
	case have.Term != prev.Term:
		if prev.Index <= m.hard.Commit {
			m.damaged("entry %d has term %d here and is committed, but term %d at %v", prev.Index, have.Term, prev.Term, msg.From)
			return false
		}
		// What is of a later term than the leader's entry here cannot agree further down either.
		hint, _ := l.mark(l.lastAtMost(prev.Term, m.hard.Commit, prev.Index-1))
		m.refuse(hint, out)
		return false
	case have.Chain != prev.Chain:
		m.damaged("entry %d of term %d has chain %v here, but %v at %v", prev.Index, prev.Term, have.Chain, prev.Chain, msg.From)
		return false
	}
	return m.extend(prev.Index, entries, msg.From, out)
}

// extend puts entries behind from, where the log agrees with the leader's. It cuts at the first
// real conflict only: the message may be shorter than what the leader has sent since
// (https://github.com/databendlabs/openraft/commit/9540c904).
func (m *Machine) extend(from Index, entries []Entry, leader ID, out *Output) bool {
	f, l := &m.following, &m.log
	for len(entries) > 0 && entries[0].Index <= l.last.Index {
		e, have := &entries[0], l.at(entries[0].Index)
		if e.Term == have.Term && e.Chain != have.Chain {
			m.damaged("entry %d of term %d has chain %v here, but %v at %v", e.Index, e.Term, have.Chain, e.Chain, leader)
			return false
		}
		if e.Term != have.Term {
			if e.Index <= m.hard.Commit {
				m.damaged("entry %d has term %d here and is committed, but term %d at %v", e.Index, have.Term, e.Term, leader)
				return false
			}
			if e.Index <= f.verified {
				m.damaged("%v sent entry %d with another term before", leader, e.Index)
				return false
			}
			m.cut(e.Index, out)
			break
		}
		from, entries = e.Index, entries[1:]
	}
	for i := range entries {
		if follows(l.last, &entries[i]) != nil {
			return false // spoilt on its way: what came before it is good
		}
		l.append(entries[i])
		from = entries[i].Index
	}
	f.verified = max(f.verified, from)
	f.refused = false
	return true
}

// answer acknowledges msg now if there is something to say that its Save will not say soon.
// Appends that only tell of commits, between two answers, need none.
func (m *Machine) answer(msg *Message, news bool, out *Output) {
	f := &m.following
	index := min(f.verified, m.disk.saved)
	repeated := len(msg.Entries) > 0 && f.verified <= m.disk.saved // our answer was lost
	silent := m.now-f.toldAt >= m.cfg.Heartbeat/2
	if news || repeated || silent || index > f.told {
		f.due = true
	}
	if m.termSaved() {
		m.acknowledge(out)
	}
}

// refuse says that the log may agree with the leader's at hint, but does not where it was asked.
func (m *Machine) refuse(hint Mark, out *Output) {
	f := &m.following
	f.due, f.refused, f.hint = true, true, hint
	if m.termSaved() {
		m.acknowledge(out)
	}
}

// acknowledge answers the leader if an answer is owed or there is more to acknowledge. The term
// must be saved. One answer stands for all that came before.
func (m *Machine) acknowledge(out *Output) {
	f := &m.following
	index := min(f.verified, m.disk.saved)
	if m.termLeader == 0 || m.termLeader == m.cfg.ID || !f.due && index <= f.told {
		return
	}
	reply := Message{Kind: AppendReply, To: m.termLeader, Term: m.hard.Term, Index: index, Round: f.round}
	if f.refused {
		reply.Reject, reply.Index, reply.LogTerm = true, f.hint.Index, f.hint.Term
	} else {
		f.told = max(f.told, index)
	}
	f.due, f.refused, f.toldAt = false, false, m.now
	m.send(out, reply)
}
