package replica

import (
	"encoding/binary"
	"fmt"
	"hash/fnv"
	"slices"
)

// Check reports the first broken invariant, its own or that of a machine inside.
func (m *Machine) Check() error {
	st := m.raft.Status()
	s := &m.store
	switch {
	case m.applied != st.Applied:
		return fmt.Errorf("replica: applied %d, raft handed out %d", m.applied, st.Applied)
	case s.durable > m.applied:
		return fmt.Errorf("replica: durable %d beyond applied %d", s.durable, m.applied)
	case st.Compact.Index > s.durable:
		return fmt.Errorf("replica: compacted to %d, durable %d", st.Compact.Index, s.durable)
	case m.overlay.floor > s.durable:
		return fmt.Errorf("replica: overlay begins after %d, durable %d", m.overlay.floor, s.durable)
	case s.carried != 0 && !s.out:
		return fmt.Errorf("replica: raft's save %d is carried by none", s.carried)
	case len(m.feeds.subs) != m.feeds.hub.Len():
		return fmt.Errorf("replica: %d subscriptions, the hub has %d", len(m.feeds.subs), m.feeds.hub.Len())
	}
	for _, check := range []func() error{m.raft.Check, m.chat.Check, m.sessions.Check, m.feeds.hub.Check} {
		if err := check(); err != nil {
			return err
		}
	}
	return nil
}

// Clone returns a machine that goes its own way from here: it shares nothing that either changes.
func (m *Machine) Clone() *Machine {
	c := *m
	c.raft, c.sessions, c.chat = m.raft.Clone(), m.sessions.Clone(), m.chat.Clone()
	c.rout.Reset()
	c.rout.Sends, c.rout.Committed, c.rout.Reads, c.rout.Snapshots = nil, nil, nil, nil
	c.outcome.Effects, c.outcome.Events, c.outcome.Endings = nil, nil, nil
	c.outcome.Lapsed, c.outcome.Closed = nil, nil
	c.store.cold, c.store.sealed = slices.Clone(m.store.cold), slices.Clone(m.store.sealed)
	c.overlay, c.door, c.feeds = m.overlay.clone(), m.door.clone(), m.feeds.clone()
	c.heard, c.courier = m.heard.clone(), m.courier.clone()
	c.fetches.out = cloneFetches(m.fetches.out)
	c.reads.pending = slices.Clone(m.reads.pending)
	c.log.marks = slices.Clone(m.log.marks)
	return &c
}

// cloneFetches copies what a fetch gathers; what it only reads is shared.
func cloneFetches(list []fetch) []fetch {
	c := slices.Clone(list)
	for i := range c {
		if c[i].reply == nil {
			continue
		}
		r := *c[i].reply
		t := *r.Thread
		r.Thread, c[i].reply = &t, &r
	}
	return c
}

// Hash tells machines apart that would behave differently; equal ones are equal in every process.
func (m *Machine) Hash() uint64 {
	f := fnv.New64a()
	s, d := &m.store, &m.door
	for _, v := range [...]uint64{
		m.raft.Hash(), m.chat.Hash(), m.sessions.Hash(), m.feeds.hub.Hash(),
		uint64(m.applied), uint64(m.clock), uint64(m.clockedAt), uint64(m.date), flag(m.ready), flag(m.resigning),
		s.seq, flag(s.out), s.carried, uint64(s.durable), s.raft.Seq, uint64(len(s.cold)), uint64(len(s.sealed)),
		uint64(m.overlay.floor), uint64(len(m.overlay.entries)), m.fetches.nextID, uint64(len(m.fetches.out)),
		uint64(len(d.held)), uint64(len(d.placed)), uint64(len(d.waiting)), uint64(len(d.secrets)), d.nextID,
		m.reads.lastID, uint64(len(m.reads.pending)), uint64(m.heard.nextTell), uint64(m.heard.nextHeard),
		uint64(m.heard.nextExpire), uint64(len(m.heard.items)), uint64(len(m.courier.transfers)),
		uint64(m.log.compact), uint64(m.log.bytes), m.courier.lastID,
	} {
		var b [8]byte
		binary.BigEndian.PutUint64(b[:], v)
		f.Write(b[:])
	}
	return f.Sum64()
}

func flag(b bool) uint64 {
	if b {
		return 1
	}
	return 0
}
