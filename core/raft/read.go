package raft

import (
	"slices"
	"time"
)

// Linearizable reads without the log (Raft dissertation §6.4). A leader may serve a read at its
// commit index once it knows that it still led after the read began: a quorum has echoed a round
// that was sent later. Rounds are numbered by the machine, per term, never by callers: an answer to
// an old round can then not pass for one to a new read (https://github.com/etcd-io/etcd/issues/20418).
//
// A follower asks the leader for such an index. One question is out at a time; reads that come
// meanwhile share the next.

// read waits at a leader. Reads are in the order of their rounds.
type read struct {
	id    uint64
	from  ID // 0: asked here
	index Index
	round uint64
}

// asking is a follower's side.
type asking struct {
	reads  []askedRead // in the order they came; those with a number first
	number uint64      // of the last question. It starts at random: no other life uses the same
	sent   bool        // the question is out, to the leader of now
	again  time.Duration
}

type askedRead struct {
	id     uint64
	number uint64        // of the first question that was sent after it came; 0: none yet
	until  time.Duration // then it is given up
}

// maxReads bounds what peers can make a leader remember.
const maxReads = 1 << 16

func (m *Machine) read(id uint64) {
	if m.role == Leader {
		m.joinNext(read{id: id})
		return
	}
	m.asking.reads = append(m.asking.reads, askedRead{id: id, until: m.now + m.cfg.Base})
}

// joinNext lets r wait for a round that has not been sent yet.
func (m *Machine) joinNext(r read) {
	l := &m.leading
	// Before the no-op is committed our commit index may lag behind what an earlier leader
	// committed and answered (https://github.com/etcd-io/etcd/issues/7331).
	r.index = max(m.hard.Commit, l.first)
	r.round = l.round + 1
	l.reads = append(l.reads, r)
}

// takeOverReads lets reads that waited for a leader wait for this one.
func (m *Machine) takeOverReads() {
	for _, r := range m.asking.reads {
		m.joinNext(read{id: r.id})
	}
	m.asking.reads, m.asking.sent = m.asking.reads[:0], false
}

// joinRound opens the next round if a read waits for it.
func (m *Machine) joinRound() {
	if n := len(m.leading.reads); n > 0 && m.leading.reads[n-1].round > m.leading.round {
		m.leading.round++
	}
}

// startRound opens the next round once the last is over. (A heartbeat does not wait for that.)
func (m *Machine) startRound() {
	if m.echoed() >= m.leading.round {
		m.joinRound()
	}
}

// echoed is the last round that a quorum has echoed.
func (m *Machine) echoed() uint64 {
	var values [7]uint64
	values[0] = m.leading.round
	for i := range m.leading.peers {
		values[i+1] = m.leading.peers[i].echo
	}
	return m.quorumOf(&values)
}

// grant lets reads go whose round is echoed, once an entry of this term is committed.
func (m *Machine) grant(out *Output) {
	l := &m.leading
	if len(l.reads) == 0 || m.hard.Commit < l.first {
		return
	}
	echoed, n := m.echoed(), 0
	for ; n < len(l.reads) && l.reads[n].round <= echoed; n++ {
		m.answerRead(&l.reads[n], true, out)
	}
	l.reads = slices.Delete(l.reads, 0, n)
}

func (m *Machine) answerRead(r *read, ok bool, out *Output) {
	if r.from == 0 {
		out.Reads = append(out.Reads, Grant{ID: r.id, Index: r.index, OK: ok})
		return
	}
	m.send(out, Message{Kind: ReadIndexReply, To: r.from, Term: m.hard.Term, ReadID: r.id, Commit: r.index, Reject: !ok})
}

// refuseReads ends all reads of a leadership that is over.
func (m *Machine) refuseReads(out *Output) {
	for i := range m.leading.reads {
		m.leading.reads[i].index = 0
		m.answerRead(&m.leading.reads[i], false, out)
	}
	m.leading.reads = m.leading.reads[:0]
}

// readIndexAsked takes a follower's question.
func (m *Machine) readIndexAsked(msg *Message, out *Output) {
	if msg.Term > m.hard.Term {
		m.follow(msg.Term, 0, out)
		return
	}
	if m.role == Leader && len(m.leading.reads) < maxReads {
		m.joinNext(read{id: msg.ReadID, from: msg.From})
	}
}

// ask puts a question to the leader, for all reads that no question stands for yet.
func (m *Machine) ask(out *Output) {
	a := &m.asking
	if len(a.reads) == 0 || m.leader == 0 || m.leader == m.cfg.ID || !m.termSaved() {
		return
	}
	if a.sent && a.reads[0].number != 0 {
		return // one is out
	}
	a.number++
	for i := len(a.reads) - 1; i >= 0 && a.reads[i].number == 0; i-- {
		a.reads[i].number = a.number
	}
	a.sent, a.again = true, m.now+m.cfg.Heartbeat
	m.send(out, Message{Kind: ReadIndex, To: m.leader, Term: m.hard.Term, ReadID: a.number})
}

// readIndexAnswered takes the leader's answer. Also one to an earlier question is good for all reads
// that came before that question.
func (m *Machine) readIndexAnswered(msg *Message, out *Output) {
	a := &m.asking
	if msg.Term > m.hard.Term {
		m.follow(msg.Term, 0, out)
	}
	if msg.Reject || msg.ReadID > a.number {
		return // asked again by the clock
	}
	n := 0
	for ; n < len(a.reads) && a.reads[n].number != 0 && a.reads[n].number <= msg.ReadID; n++ {
		out.Reads = append(out.Reads, Grant{ID: a.reads[n].id, Index: msg.Commit, OK: true})
	}
	a.reads = slices.Delete(a.reads, 0, n)
}

func (m *Machine) tickAsking(out *Output) {
	m.refuseAsked(m.now, out)
	if m.now >= m.asking.again {
		m.asking.sent = false
	}
}

// refuseAsked gives up the reads that waited until now.
func (m *Machine) refuseAsked(now time.Duration, out *Output) {
	a, n := &m.asking, 0
	for ; n < len(a.reads) && a.reads[n].until <= now; n++ {
		out.Reads = append(out.Reads, Grant{ID: a.reads[n].id})
	}
	a.reads = slices.Delete(a.reads, 0, n)
}

func (m *Machine) askingDeadline() time.Duration {
	a := &m.asking
	if len(a.reads) == 0 {
		return never
	}
	at := a.reads[0].until
	if a.sent {
		at = min(at, a.again)
	}
	return at
}
