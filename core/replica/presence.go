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
	hurry    bool // some subscription has acknowledged very much since it was told

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
	due := now >= m.heard.nextTell
	if len(m.feeds.subs) == 0 || m.role.Leader == 0 || !due && !m.heard.hurry {
		return
	}
	var items []chat.HeardItem
	for i := range m.feeds.subs {
		s := &m.feeds.subs[i]
		acked := m.feeds.hub.Acknowledged(s.sub)
		if due && (acked > s.told || s.risen || now >= s.toldAt+renewEvery || s.toldAt == 0) || acked >= s.told+urgentAfter {
			items = append(items, m.heardItem(s, acked))
			s.told, s.toldAt, s.risen = acked, now, false
		}
	}
	m.heard.hurry = false
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

// heardItem is what to tell of a subscription. Marks are told until the state shows them: a report may
// be lost on its way, and so may the leader who had it.
func (m *Machine) heardItem(s *subscription, acked uint64) chat.HeardItem {
	uid, epoch, _ := m.chat.DeviceState(s.device) // the epoch rises when the device logs in again
	s.marks = slices.DeleteFunc(slices.Clone(s.marks), func(k chat.Mark) bool {
		return m.chat.Delivered(uid, k.Conversation) >= k.Seq
	})
	return chat.HeardItem{Device: s.device, Epoch: epoch, Cursor: acked, Marks: s.marks}
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
		if _, _, open := m.chat.DeviceState(it.Device); !open || len(it.Marks) > maxMarks {
			continue
		}
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
	a.Marks = s.marks[:min(len(s.marks), maxMarks)]
	return a
}

// lead does the leader's own chores: Heard, Expire, CloseIdle.
func (m *Machine) lead(now time.Duration, out *Output) {
	if !m.leads() || !m.ready || m.resigning {
		return
	}
	p := &m.heard
	if len(p.items) > 0 && (now >= p.nextHeard || p.urgent) {
		at := m.clusterNow(now)
		items := slices.DeleteFunc(p.items, func(it chat.HeardItem) bool { return !m.chat.NeedsHeard(it, at) })
		p.items, p.urgent, p.nextHeard = nil, false, now+tellEvery
		for len(items) > 0 {
			n := heardInOne(items)
			m.proposeOwn(now, chat.Heard{Items: items[:n]}, out)
			items = items[n:]
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

// heardInOne is how many of the items go into one entry: all replicas must be able to read it.
func heardInOne(items []chat.HeardItem) int {
	const itemBytes, markBytes = 40, 20 // at most
	size, n := 0, 0
	for n < len(items) && n < chat.MaxItems {
		size += itemBytes + markBytes*len(items[n].Marks)
		if n > 0 && size > chat.MaxCommand/4 {
			break
		}
		n++
	}
	return n
}

func (m *Machine) proposeOwn(now time.Duration, cmd chat.Command, out *Output) {
	e := entry{date: m.date, command: chat.EncodeCommand(cmd)}
	invariant(len(e.command) <= chat.MaxCommand, "%T of %d bytes", cmd, len(e.command))
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
