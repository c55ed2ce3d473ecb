package chat

import (
	"bytes"
	"slices"
	"testing"

	"parley/core/row"
)

func sameRow(a, b row.Row) bool {
	return a.Table == b.Table && bytes.Equal(a.Append(nil), b.Append(nil))
}

func sorted(t *row.Table, rows []row.Row) []row.Row {
	slices.SortFunc(rows, func(a, b row.Row) int { return row.CompareKeys(t, a.Key(), b.Key()) })
	return rows
}

// Whatever commands come, from whomever, at whatever times: Apply never fails, what it leaves is
// sound, and its rows give the same state again. Four bytes of the script make one entry.
func FuzzApply(f *testing.F) {
	f.Add([]byte("\x00aaa\x01baa\x02caa"))
	f.Add([]byte{0, 6, 1, 1, 1, 6, 0, 1, 3, 8, 0, 9, 0x42, 2, 0, 1, 3, 9, 0, 2, 1, 5, 0, 0, 0, 6, 1, 1})
	f.Fuzz(func(t *testing.T, script []byte) {
		w := newWorld(t, queue(2), devices(2), func(s *Settings) { s.MultiLogin = len(script)%2 == 0 })
		w.signup("ada", "bob")
		for ; len(script) >= 4 && w.at.Index < 200; script = script[4:] {
			w.step(script[0], script[1], script[2], script[3])
		}
		w.reload()
	})
}

// step lets one of a few devices, or the leader, give a command. Some come with times and evidence
// that no leader would write.
func (w *world) step(who, kind, x, y byte) {
	if who&0x80 != 0 {
		w.at.Time += int64(int8(who)) << (x % 64)
	}
	w.at.Time += int64(who>>4&7) * 9 * second
	cmd := command(kind, x, y)
	switch id := fuzzDevice(who); {
	case who%8 == 7:
		w.internal(cmd)
	case who%8 == 6:
		w.try(id, cmd, Evidence{Version: uint64(y)})
	default:
		w.do(id, cmd)
	}
}

func fuzzDevice(b byte) DeviceID {
	return []DeviceID{dev("ada"), dev("bob"), dev("a"), dev("b")}[b%4]
}

func command(kind, x, y byte) Command {
	name := []string{"ada", "BOB", "a", "system", "é", ""}[x%6]
	switch kind % 12 {
	case 1:
		return Signup{Name: name, Label: string([]byte{y})}
	case 2:
		return Login{Name: name, Label: string([]byte{y}), Takeover: y%2 == 0}
	case 3:
		return Logout{}
	case 4:
		return Passwd{CloseOthers: x%2 == 0}
	case 5:
		return DeleteAccount{}
	case 6:
		return Send{To: name, Body: []string{"", "x", "\x00", "\xff"}[y%4], ToUID: UID(y >> 3), ReplyTo: uint64(x)}
	case 7:
		return Void{}
	case 8:
		return Heard{Items: []HeardItem{
			{Device: fuzzDevice(x), Epoch: uint64(x >> 4), Cursor: uint64(y), Marks: []Mark{{ConversationID(y), uint64(x)}}},
			{Device: fuzzDevice(y), Epoch: uint64(y >> 4), Cursor: 1 << (x % 64)},
		}}
	case 9:
		return Expire{Leases: []Lapse{{fuzzDevice(x), uint64(y)}, {fuzzDevice(y), 1}}}
	case 10:
		return CloseIdle{Devices: []DeviceID{fuzzDevice(x), fuzzDevice(y)}}
	}
	return nil
}

// Load takes rows or refuses them, and never fails. What it takes is sound, and has exactly the rows
// it was made from.
func FuzzLoad(f *testing.F) {
	for _, policy := range []func(*Settings){multi, open} {
		w := lived(f, policy)
		w.reload()
		f.Add(packed(w.store.hot()))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		rows := unpacked(b)
		s := New(DefaultSettings())
		if s.Load(rows) != nil {
			return
		}
		if err := s.Check(); err != nil {
			t.Fatal(err)
		}
		if len(rows) == 0 || rows[0].Table != settingTable {
			rows = append(Genesis(s.settings), rows...)
		}
		var want row.Digest
		for _, r := range rows {
			want.Add(r)
		}
		equal(t, "hash", s.Hash(), want[0])
		equal(t, "hash of a clone", s.Clone().Hash(), want[0])
	})
}

// packed puts rows into bytes, each behind the number of its table.
func packed(rows []row.Row) (b []byte) {
	for _, r := range rows {
		b = r.Append(append(b, byte(slices.Index(Tables(), r.Table))))
	}
	return b
}

func unpacked(b []byte) (rows []row.Row) {
	tables := Tables()
	for len(b) > 0 && int(b[0]) < len(tables) {
		r, rest, err := row.Decode(tables[b[0]], b[1:])
		if err != nil {
			break
		}
		rows, b = append(rows, r), rest
	}
	return rows
}
