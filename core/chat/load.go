package chat

import (
	"cmp"
	"encoding/binary"
	"fmt"
	"slices"

	"parley/core/row"
)

// Load replaces the state by what its hot rows say: all of them, table by table in the order of
// Tables, by key, as a store gives them. Without rows of settings those given to New stay: such a
// store holds nothing yet. After an error the state is of no use.
func (s *State) Load(rows []row.Row) error {
	s.empty()
	settings, rest := split(rows, settingTable)
	if err := s.loadSettings(settings); err != nil {
		return err
	}
	l := loader{s: s}
	for _, kind := range []struct {
		table *row.Table
		load  func(v []row.Value) error
	}{
		{accountTable, l.account}, {mailboxTable, l.mailbox}, {deviceTable, l.device},
		{conversationTable, l.conversation},
	} {
		var these []row.Row
		these, rest = split(rest, kind.table)
		if err := loadAll(these, kind.table, kind.load); err != nil {
			return err
		}
	}
	if len(rest) != 0 {
		return fmt.Errorf("%d hot rows that are not the chat's or not in place, the first of %s",
			len(rest), tableName(rest[0]))
	}
	if err := l.settle(); err != nil {
		return err
	}
	return s.Check()
}

// loader holds what waits for rows that come later.
type loader struct {
	s         *State
	mailboxes int
	leases    []leasesOf
}

type leasesOf struct {
	owner *account
	bytes []byte
}

func tableName(r row.Row) string {
	if r.Table == nil {
		return "no table"
	}
	return r.Table.Name
}

// split cuts the rows of table t off the front.
func split(rows []row.Row, t *row.Table) (these, rest []row.Row) {
	n := 0
	for n < len(rows) && rows[n].Table == t {
		n++
	}
	return rows[:n], rows[n:]
}

func loadAll(rows []row.Row, t *row.Table, load func([]row.Value) error) error {
	for i, r := range rows {
		if err := fits(r, t); err != nil {
			return err
		}
		if i > 0 && row.CompareKeys(t, rows[i-1].Key(), r.Key()) >= 0 {
			return fmt.Errorf("row %d of %s is not in the order of keys", i, t.Name)
		}
		if err := load(r.Values); err != nil {
			return fmt.Errorf("row %d of %s: %w", i, t.Name, err)
		}
	}
	return nil
}

func (l *loader) account(v []row.Value) error {
	a := &account{
		uid: UID(v[0].Int), name: v[1].Str, key: fold(v[1].Str), recreated: v[2].Int,
		epoch: uint64(v[3].Int), version: uint64(v[4].Int), hash: v[5].Str,
		ended: uint64(v[6].Int), endedDate: v[7].Int,
	}
	s := l.s
	if other := s.names[a.key]; other != nil && a.ended == 0 {
		return fmt.Errorf("accounts %d and %d are both called %q", other.uid, a.uid, a.key)
	}
	// As addAccount, but byKey is sorted once, at the end.
	s.accounts = append(s.accounts, a)
	s.byUID[a.uid] = a
	if a.ended != 0 {
		s.deleted[a.key] = a.endedDate
		return nil
	}
	s.names[a.key] = a
	s.byKey = append(s.byKey, a)
	return nil
}

func (l *loader) mailbox(v []row.Value) error {
	a, err := l.living(v[0].Int)
	if err != nil {
		return err
	}
	a.length, a.cursor, a.floor = uint64(v[1].Int), uint64(v[2].Int), uint64(v[3].Int)
	l.mailboxes++
	if v[4].Str != "" {
		l.leases = append(l.leases, leasesOf{a, []byte(v[4].Str)})
	}
	return nil
}

func (l *loader) living(uid int64) (*account, error) {
	a := l.s.byUID[UID(uid)]
	switch {
	case a == nil:
		return nil, fmt.Errorf("no account %d", uid)
	case a.ended != 0:
		return nil, fmt.Errorf("account %d was deleted at %d", uid, a.ended)
	}
	return a, nil
}

func (l *loader) device(v []row.Value) error {
	a, err := l.living(v[1].Int)
	if err != nil {
		return err
	}
	if len(v[0].Str) != len(DeviceID{}) {
		return fmt.Errorf("device id of %d bytes", len(v[0].Str))
	}
	l.s.addDevice(&device{
		id: DeviceID([]byte(v[0].Str)), owner: a, label: v[2].Str, epoch: uint64(v[3].Int),
		since: v[4].Int, cursor: uint64(v[5].Int), seen: v[6].Int,
	})
	return nil
}

func (l *loader) conversation(v []row.Value) error {
	low, high := l.s.byUID[UID(v[1].Int)], l.s.byUID[UID(v[2].Int)]
	if low == nil || high == nil {
		return fmt.Errorf("members %d and %d: no such account", v[1].Int, v[2].Int)
	}
	if l.s.pairs[pairOf(low.uid, high.uid)] != nil {
		return fmt.Errorf("a second conversation of %d and %d", low.uid, high.uid)
	}
	if len(v[4].Str) != len(Chain{}) {
		return fmt.Errorf("chain of %d bytes", len(v[4].Str))
	}
	l.s.addConversation(&conversation{
		id: ConversationID(v[0].Int), members: [2]*account{low, high},
		last: uint64(v[3].Int), chain: Chain([]byte(v[4].Str)),
		sides: [2]side{
			{delivered: uint64(v[5].Int), deferred: uint64(v[7].Int)},
			{delivered: uint64(v[6].Int), deferred: uint64(v[8].Int)},
		},
	})
	return nil
}

// settle brings in what needed all the rows.
func (l *loader) settle() error {
	s := l.s
	slices.SortFunc(s.byKey, func(a, b *account) int { return compareKey(a, b.key) })
	if l.mailboxes != len(s.byKey) {
		return fmt.Errorf("%d mailboxes for %d accounts", l.mailboxes, len(s.byKey))
	}
	var held []*device
	for _, of := range l.leases {
		devices, err := s.leasesOf(of)
		if err != nil {
			return fmt.Errorf("leases of account %d: %w", of.owner.uid, err)
		}
		held = append(held, devices...)
	}
	slices.SortFunc(held, func(a, b *device) int {
		return cmp.Or(cmp.Compare(a.lease.until, b.lease.until), compareDevice(a, b.id))
	})
	for _, d := range held {
		s.leases.add(d)
	}
	return nil
}

// leasesOf finds the devices of a mailbox's leases and notes until when; they are not granted yet.
func (s *State) leasesOf(of leasesOf) (held []*device, err error) {
	const size = len(DeviceID{}) + 8
	b := of.bytes
	for ; len(b) >= size; b = b[size:] {
		id := DeviceID(b[:len(DeviceID{})])
		d := s.devices[id]
		if d == nil || d.owner != of.owner {
			return nil, fmt.Errorf("%x is none of its devices", id)
		}
		if len(held) > 0 && compareDevice(held[len(held)-1], id) >= 0 {
			return nil, fmt.Errorf("%x is not in the order of devices", id)
		}
		d.lease.until = int64(binary.BigEndian.Uint64(b[len(id):]))
		held = append(held, d)
	}
	if len(b) != 0 {
		return nil, fmt.Errorf("%d bytes too many", len(b))
	}
	return held, nil
}
