package chat

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"slices"

	"parley/core/row"
)

// changes are the objects whose hot rows differ from what was flushed last, each named once, except
// that a device may be named again when it is closed.
type changes struct {
	accounts      []*account
	mailboxes     []*account
	devices       []DeviceID
	conversations []*conversation
}

func (s *State) touch(a *account) {
	if !a.dirty {
		a.dirty = true
		s.changed.accounts = append(s.changed.accounts, a)
	}
}

func (s *State) touchMailbox(a *account) {
	if !a.busy {
		a.busy = true
		s.changed.mailboxes = append(s.changed.mailboxes, a)
	}
}

func (s *State) touchDevice(d *device) {
	if !d.dirty {
		d.dirty = true
		s.changed.devices = append(s.changed.devices, d.id)
	}
}

func (s *State) touchConversation(c *conversation) {
	if !c.dirty {
		c.dirty = true
		s.changed.conversations = append(s.changed.conversations, c)
	}
}

// Flush appends what makes the hot rows agree with the state again: one effect for each row that
// changed since the last Flush, table by table, by key.
func (s *State) Flush(eff []row.Effect) []row.Effect {
	eff = s.flushAccounts(eff)
	eff = s.flushMailboxes(eff)
	eff = s.flushDevices(eff)
	return s.flushConversations(eff)
}

func (s *State) flushAccounts(eff []row.Effect) []row.Effect {
	slices.SortFunc(s.changed.accounts, byUID)
	for _, a := range s.changed.accounts {
		a.dirty = false
		eff = append(eff, row.Effect{Op: row.Put, Row: s.accountRow(a)})
	}
	s.changed.accounts = emptied(s.changed.accounts)
	return eff
}

func (s *State) flushMailboxes(eff []row.Effect) []row.Effect {
	slices.SortFunc(s.changed.mailboxes, byUID)
	for _, a := range s.changed.mailboxes {
		a.busy = false
		e := row.Effect{Op: row.Put}
		if a.ended != 0 {
			e.Op = row.Delete
			e.Row = row.Row{Table: mailboxTable, Values: s.cut(1)}
			e.Row.Values[0].Int = int64(a.uid)
		} else {
			e.Row = s.mailboxRow(a)
		}
		eff = append(eff, e)
	}
	s.changed.mailboxes = emptied(s.changed.mailboxes)
	return eff
}

func (s *State) flushDevices(eff []row.Effect) []row.Effect {
	slices.SortFunc(s.changed.devices, func(a, b DeviceID) int { return bytes.Compare(a[:], b[:]) })
	s.changed.devices = slices.Compact(s.changed.devices)
	for i := range s.changed.devices {
		id := s.changed.devices[i]
		e := row.Effect{Op: row.Put}
		if d := s.devices[id]; d != nil {
			d.dirty = false
			e.Row = s.deviceRow(d)
		} else {
			e.Op = row.Delete
			e.Row = row.Row{Table: deviceTable, Values: s.cut(1)}
			e.Row.Values[0].Str = string(id[:])
		}
		eff = append(eff, e)
	}
	s.changed.devices = s.changed.devices[:0]
	return eff
}

func (s *State) flushConversations(eff []row.Effect) []row.Effect {
	slices.SortFunc(s.changed.conversations, func(a, b *conversation) int { return cmp.Compare(a.id, b.id) })
	for _, c := range s.changed.conversations {
		c.dirty = false
		eff = append(eff, row.Effect{Op: row.Put, Row: s.conversationRow(c)})
	}
	s.changed.conversations = emptied(s.changed.conversations)
	return eff
}

func byUID(a, b *account) int { return cmp.Compare(a.uid, b.uid) }

func emptied[T any](list []T) []T {
	clear(list)
	return list[:0]
}

func (s *State) accountRow(a *account) row.Row {
	v := s.cut(len(accountTable.Columns))
	v[0].Int, v[1].Str, v[2].Int = int64(a.uid), a.name, a.recreated
	v[3].Int, v[4].Int, v[5].Str = int64(a.epoch), int64(a.version), a.hash
	v[6].Int, v[7].Int = int64(a.ended), a.endedDate
	return row.Row{Table: accountTable, Values: v}
}

func (s *State) mailboxRow(a *account) row.Row {
	v := s.cut(len(mailboxTable.Columns))
	v[0].Int, v[1].Int = int64(a.uid), int64(a.length)
	v[2].Int, v[3].Int = int64(a.cursor), int64(a.floor)
	var one [24]byte // there is seldom more than one
	leases := one[:0]
	for _, d := range a.devices {
		if d.lease.held {
			leases = append(leases, d.id[:]...)
			leases = binary.BigEndian.AppendUint64(leases, uint64(d.lease.until))
		}
	}
	v[4].Str = string(leases)
	return row.Row{Table: mailboxTable, Values: v}
}

func (s *State) deviceRow(d *device) row.Row {
	v := s.cut(len(deviceTable.Columns))
	v[0].Str, v[1].Int, v[2].Str = string(d.id[:]), int64(d.owner.uid), d.label
	v[3].Int, v[4].Int, v[5].Int, v[6].Int = int64(d.epoch), d.since, int64(d.cursor), d.seen
	return row.Row{Table: deviceTable, Values: v}
}

func (s *State) conversationRow(c *conversation) row.Row {
	v := s.cut(len(conversationTable.Columns))
	v[0].Int, v[1].Int, v[2].Int = int64(c.id), int64(c.members[0].uid), int64(c.members[1].uid)
	v[3].Int, v[4].Str = int64(c.last), string(c.chain[:])
	v[5].Int, v[6].Int = int64(c.sides[0].delivered), int64(c.sides[1].delivered)
	v[7].Int, v[8].Int = int64(c.sides[0].deferred), int64(c.sides[1].deferred)
	return row.Row{Table: conversationTable, Values: v}
}

// hotRows calls f with every hot row, table by table, by key but for the devices, which come by
// account.
func (s *State) hotRows(f func(row.Row)) {
	for _, r := range Genesis(s.settings) {
		f(r)
	}
	for _, a := range s.accounts {
		f(s.accountRow(a))
		if a.ended == 0 {
			f(s.mailboxRow(a))
		}
		for _, d := range a.devices {
			f(s.deviceRow(d))
		}
	}
	for _, c := range s.conversations {
		f(s.conversationRow(c))
	}
}

// Hash is a digest of all hot state: equal states have equal hashes, however they came about.
func (s *State) Hash() uint64 {
	var d row.Digest
	s.hotRows(func(r row.Row) { d.Add(r) })
	return d[0]
}
