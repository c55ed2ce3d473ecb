package raft

import (
	"encoding/binary"
	"time"
)

// hasher folds numbers into one. Its result is the same in every process.
type hasher uint64

func (h *hasher) add(values ...uint64) {
	for _, v := range values {
		*h = hasher(mix(uint64(*h)*0x9e3779b97f4a7c15 ^ mix(v)))
	}
}

func (h *hasher) bools(values ...bool) {
	for _, v := range values {
		if v {
			h.add(1)
		} else {
			h.add(2)
		}
	}
}

func (h *hasher) times(values ...time.Duration) {
	for _, v := range values {
		h.add(uint64(v))
	}
}

func (h *hasher) mark(m Mark) {
	h.add(uint64(m.Index), uint64(m.Term), uint64(m.Time),
		binary.BigEndian.Uint64(m.Chain[:8]), binary.BigEndian.Uint64(m.Chain[8:]))
}

func (h *hasher) hard(s Hard) { h.add(uint64(s.Term), uint64(s.Vote), uint64(s.Commit)) }

func (h *hasher) text(s string) {
	h.add(uint64(len(s)))
	for i := range len(s) {
		h.add(uint64(s[i]))
	}
}

// Hash is a digest of the whole state: two Machines with equal hashes behave alike. It is stable
// across processes. The chains stand for the entries.
func (m *Machine) Hash() uint64 {
	h := hasher(0)
	h.add(uint64(m.cfg.ID), uint64(m.random), uint64(m.applied), uint64(m.role), uint64(m.leader), uint64(m.termLeader), uint64(m.heirs))
	h.times(m.now)
	h.text(m.fatal)
	h.hard(m.hard)
	h.mark(m.log.compact)
	h.mark(m.log.last)

	d := &m.disk
	h.hard(d.hard)
	h.hard(d.slots[d.seq%2])
	h.mark(d.install)
	h.add(d.seq, uint64(d.saved), uint64(d.written), uint64(d.end), uint64(d.compact))
	h.bools(d.out, d.installed)
	h.times(d.since)

	e, f := &m.election, &m.following
	h.times(e.at, e.heard, e.hinted, f.toldAt)
	h.bools(e.contact, e.transfer, e.voteOwed, f.due, f.refused)
	h.add(uint64(e.votes), uint64(f.verified), uint64(f.told), f.round)
	h.mark(f.hint)

	a := &m.asking
	h.add(a.number, uint64(len(a.reads)))
	h.bools(a.sent)
	h.times(a.again)
	for _, r := range a.reads {
		h.add(r.id, r.number)
		h.times(r.until)
	}
	m.leading.hash(&h)
	return uint64(h)
}

func (l *leading) hash(h *hasher) {
	h.add(uint64(l.first), uint64(l.clock), l.round, uint64(len(l.reads)), uint64(l.transfer.to))
	h.times(l.clockAt, l.transfer.until)
	h.bools(l.transfer.sent, l.gray)
	for _, r := range l.reads {
		h.add(r.id, uint64(r.from), uint64(r.index), r.round)
	}
	for i := range l.peers {
		p := &l.peers[i]
		h.add(uint64(p.id), uint64(p.state), uint64(p.match), uint64(p.next), uint64(p.probed), uint64(p.commit), p.round, p.echo)
		h.bools(p.asked)
		h.times(p.askAt, p.heard, p.sent)
	}
}
