package replica

import (
	"time"

	"parley/core/raft"
)

// stepRaft gives raft an input and does what it asks for.
func (m *Machine) stepRaft(now time.Duration, in raft.Input, out *Output) {
	m.rout.Reset()
	m.raft.Step(now, in, &m.rout)
	r := &m.rout
	if r.Fatal != "" {
		m.stop("raft: %s", r.Fatal)
		return
	}
	for i := range r.Sends {
		msg := r.Sends[i]
		out.Sends = append(out.Sends, PeerMessage{From: msg.From, To: msg.To, Raft: &msg})
	}
	if r.Save.Seq != 0 {
		invariant(m.store.raft.Seq == 0, "raft saves %d while %d is waiting", r.Save.Seq, m.store.raft.Seq)
		m.store.raft = r.Save
		if r.Save.Hard != nil { // it is raft's own, and only lent
			hard := *r.Save.Hard
			m.store.raft.Hard = &hard
		}
	}
	if r.Changed {
		m.roleChanged(now, r.Role, out)
	}
	m.courier.want(r.Snapshots)
	m.reads.granted(r.Reads)
	for i := range r.Committed {
		m.apply(now, &r.Committed[i], out)
	}
}

func (m *Machine) roleChanged(now time.Duration, role raft.Role, out *Output) {
	was := m.role
	m.role = role
	m.ready = m.ready && role.Kind == raft.Leader && role.Term == was.Term
	if role.Leader == 0 && was.Leader != 0 {
		m.feeds.leaderlessSince = now
		out.Notes = append(out.Notes, Note{Kind: LeaderLost, Peer: was.Leader, Term: was.Term})
	}
	if role.Leader != 0 && (was.Leader != role.Leader || was.Term != role.Term) {
		out.Notes = append(out.Notes, Note{Kind: LeaderElected, Peer: role.Leader, Term: role.Term})
	}
	if was.Kind == raft.Leader && role.Kind != raft.Leader {
		m.deposed()
	}
}

// deposed forgets what only a leader does, but for the addresses of strangers: they get no new start by it.
func (m *Machine) deposed() {
	m.courier.transfers, m.courier.kept = nil, nil
	m.heard.items = nil
	m.door.rates = nil
}

func (m *Machine) leads() bool { return m.role.Kind == raft.Leader }

// clusterNow guesses what cluster time the leader would stamp now; a little early at most.
func (m *Machine) clusterNow(now time.Duration) int64 {
	return int64(m.clock) + int64(now-m.clockedAt)
}

// peer takes a message from another replica.
func (m *Machine) peer(now time.Duration, p *PeerMessage, out *Output) {
	switch {
	case p == nil:
	case p.Raft != nil:
		m.stepRaft(now, raft.Received{Message: p.Raft}, out)
	case p.Presence != nil:
		m.hearItems(now, p.Presence.Items)
	case p.Chunk != nil:
		m.chunk(now, p.From, p.Chunk, out)
	case p.ChunkAck != nil:
		m.chunkAck(now, p.From, p.ChunkAck, out)
	}
}

// logSize knows how much log is kept, so that it can be decided where to cut it.
type logSize struct {
	compact raft.Index // entries ≤ compact are gone
	bytes   int        // of entries applied since
	marks   []logMark  // in order
}

type logMark struct {
	index raft.Index
	bytes int // of entries between the mark before and this one
}

// entriesPerMark is how finely logSize remembers: 256 entries.
const entriesPerMark = 256

// entryOverhead is what an entry costs beyond its data, roughly.
const entryOverhead = 64

func (l *logSize) add(e *raft.Entry) {
	n := len(e.Data) + entryOverhead
	l.bytes += n
	if len(l.marks) == 0 || e.Index%entriesPerMark == 0 {
		l.marks = append(l.marks, logMark{index: e.Index})
	}
	last := &l.marks[len(l.marks)-1]
	last.index, last.bytes = e.Index, last.bytes+n
}

// excess says up to where to compact, if more is kept than asked for: half of it goes at once, so
// that it does not happen all the time.
func (l *logSize) excess(keepBytes, keepEntries int, durable raft.Index) raft.Index {
	entries := int(durable) - int(l.compact)
	if durable <= l.compact || l.bytes <= keepBytes && entries <= keepEntries {
		return 0
	}
	to, left := l.compact, l.bytes
	for _, mark := range l.marks {
		if mark.index > durable || left <= keepBytes/2 && int(durable)-int(mark.index) < keepEntries/2 {
			break
		}
		to, left = mark.index, left-mark.bytes
	}
	if to <= l.compact {
		return 0
	}
	return to
}

func (l *logSize) cut(to raft.Index) {
	n := 0
	for n < len(l.marks) && l.marks[n].index <= to {
		l.bytes -= l.marks[n].bytes
		n++
	}
	l.marks = append([]logMark(nil), l.marks[n:]...)
	l.compact = to
}

// patienceWithLog is how many times the log may outgrow its bounds for the sake of a peer that is
// catching up.
const patienceWithLog = 4

// compact drops old entries from the log, whoever still waits for them: they get a snapshot. A peer
// that a snapshot is under way to would need the next one at once, and a live one that reads the log
// would need one in the middle of it, so up to a point those are waited for.
func (m *Machine) compact(now time.Duration, out *Output) {
	upTo := m.store.durable
	if m.log.bytes < patienceWithLog*m.cfg.KeepLog {
		upTo = min(upTo, m.courier.carried())
		if int(upTo)-int(m.log.compact) < patienceWithLog*m.cfg.KeepEntries {
			upTo = min(upTo, m.raft.Behind())
		}
	}
	if to := m.log.excess(m.cfg.KeepLog, m.cfg.KeepEntries, upTo); to != 0 {
		m.log.cut(to)
		m.stepRaft(now, raft.Compact{To: to}, out)
		out.Notes = append(out.Notes, Note{Kind: LogCompacted, Index: to})
	}
}
