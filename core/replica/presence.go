package replica

import (
	"bytes"
	"slices"
	"time"

	"parley/core/chat"
	"parley/core/raft"
)

// presence is how acknowledgements reach the log. Every replica tells the leader which devices are
// attached to it and how far they are; the leader puts what moved into one Heard entry. That also
// renews leases. What has run out the leader ends with Expire.
type presence struct {
	nextTell time.Duration

	// Of the leader:
	items      []chat.HeardItem // by device
	urgent     bool
	nextHeard  time.Duration
	nextExpire time.Duration
}

const (
	tellEvery   = time.Second
	urgentAfter = 1000 // events acknowledged and not told
	renewEvery  = 8 * time.Second
	expireEvery = time.Second
)

// tellPresence reports what moved here since the last time, and everybody now and then.
func (m *Machine) tellPresence(now time.Duration, out *Output) {
	if len(m.feeds.subs) == 0 || m.role.Leader == 0 {
		return
	}
	due := now >= m.heard.nextTell
	var items []chat.HeardItem
	for i := range m.feeds.subs {
		s := &m.feeds.subs[i]
		acked := m.feeds.hub.Acknowledged(s.sub)
		if due && (acked > s.told || len(s.marks) > 0 || now >= s.toldAt+renewEvery || s.toldAt == 0) ||
			acked >= s.told+urgentAfter {
			_, epoch, _ := m.chat.DeviceState(s.device) // it rises when the device logs in again
			items = append(items, chat.HeardItem{Device: s.device, Epoch: epoch, Cursor: acked, Marks: s.marks})
			s.told, s.toldAt, s.marks = acked, now, nil
		}
	}
	if due {
		m.heard.nextTell = now + tellEvery
	}
	if len(items) == 0 {
		return
	}
	if m.leads() {
		m.hearItems(now, items)
		return
	}
	out.Sends = append(out.Sends, PeerMessage{From: m.cfg.Raft.ID, To: m.role.Leader, Presence: &Presence{items}})
}

func (m *Machine) presenceDeadline() time.Duration {
	if len(m.feeds.subs) == 0 || m.role.Leader == 0 {
		return never
	}
	return m.heard.nextTell
}

// hearItems gathers reports at the leader.
func (m *Machine) hearItems(now time.Duration, items []chat.HeardItem) {
	if !m.leads() {
		return
	}
	p := &m.heard
	for _, it := range items {
		i, ok := slices.BinarySearchFunc(p.items, it.Device, func(a chat.HeardItem, d chat.DeviceID) int {
			return bytes.Compare(a.Device[:], d[:])
		})
		if !ok {
			p.items = slices.Insert(p.items, i, it)
			continue
		}
		p.items[i] = joinItems(p.items[i], it)
	}
	for _, it := range items {
		uid, _, open := m.chat.DeviceState(it.Device)
		p.urgent = p.urgent || open && it.Cursor >= m.chat.Cursor(uid)+urgentAfter
	}
}

func joinItems(a, b chat.HeardItem) chat.HeardItem {
	if b.Epoch > a.Epoch {
		return b
	}
	if b.Epoch < a.Epoch {
		return a
	}
	a.Cursor = max(a.Cursor, b.Cursor)
	s := subscription{marks: slices.Clone(a.Marks)}
	for _, mark := range b.Marks {
		s.raise(mark)
	}
	a.Marks = s.marks
	return a
}

// lead does the leader's own chores: Heard, Expire, CloseIdle.
func (m *Machine) lead(now time.Duration, out *Output) {
	if !m.leads() || !m.ready || m.resigning {
		return
	}
	p := &m.heard
	if len(p.items) > 0 && (now >= p.nextHeard || p.urgent) {
		items := slices.DeleteFunc(p.items, func(it chat.HeardItem) bool { return !m.moves(now, it) })
		p.items, p.urgent, p.nextHeard = nil, false, now+tellEvery
		for part := range slices.Chunk(items, chat.MaxItems) {
			m.proposeOwn(now, chat.Heard{Items: part}, out)
		}
	}
	if now < p.nextExpire {
		return
	}
	at := m.clusterNow(now)
	if leases := m.chat.Lapsed(at); len(leases) > 0 {
		p.nextExpire = now + expireEvery
		m.proposeOwn(now, chat.Expire{Leases: leases}, out)
	}
	if idle := m.chat.Idle(at); len(idle) > 0 {
		p.nextExpire = now + expireEvery
		m.proposeOwn(now, chat.CloseIdle{Devices: idle}, out)
	}
}

// moves tells whether an item is worth an entry: something rose, or its lease wants renewing.
func (m *Machine) moves(now time.Duration, it chat.HeardItem) bool {
	return len(it.Marks) > 0 || m.chat.NeedsHeard(it, m.clusterNow(now))
}

func (m *Machine) proposeOwn(now time.Duration, cmd chat.Command, out *Output) {
	e := entry{date: m.date, command: chat.EncodeCommand(cmd)}
	m.stepRaft(now, raft.Propose{Data: [][]byte{e.encode()}}, out)
}

func (m *Machine) leadDeadline() time.Duration {
	if !m.leads() || !m.ready || m.resigning {
		return never
	}
	p := &m.heard
	d := never
	if len(p.items) > 0 {
		d = p.nextHeard
	}
	if lapse := m.chat.NextLapse(); lapse < int64(never)-int64(m.clockedAt) {
		d = min(d, max(p.nextExpire, m.clockedAt+time.Duration(max(0, lapse-int64(m.clock)))))
	}
	return d
}

func (p *presence) clone() presence {
	c := *p
	c.items = slices.Clone(p.items)
	return c
}
