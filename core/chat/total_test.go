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

// Whatever commands come, from whomever, at whatever times: Apply never fails, what it leaves is
// sound, and its rows give the same state again.
func FuzzApply(f *testing.F) {
	var all []byte
	for _, cmd := range commands() {
		b := EncodeCommand(cmd)
		all = append(append(all, 1, byte(len(b))), b...)
	}
	f.Add(all)
	f.Add([]byte("\x01\x29\x01\x01a\x05label" + "01234567890123456789012345678901" + "\x01\x08\x06\x01a\x00\x02hi\x00"))
	f.Fuzz(func(t *testing.T, script []byte) {
		w := newWorld(t, queue(2), devices(2), func(s *Settings) { s.MultiLogin = len(script)%2 == 0 })
		w.signup("ada", "bob")
		for len(script) >= 2 && w.at.Index < 200 {
			who, n := script[0], min(int(script[1]), len(script)-2)
			cmd, err := DecodeCommand(script[2 : 2+n])
			script = script[2+n:]
			if err != nil {
				cmd = Void{}
			}
			w.step(who, cmd)
		}
		w.reload()
	})
}

// step lets one of a few devices, or the leader, give a command.
func (w *world) step(who byte, cmd Command) {
	w.at.Time += int64(who>>4) * 20 * second
	if who%4 == 3 {
		w.internal(cmd)
		return
	}
	id := []DeviceID{dev("ada"), dev("bob"), dev("a")}[who%4]
	w.do(id, cmd)
}

func sorted(t *row.Table, rows []row.Row) []row.Row {
	slices.SortFunc(rows, func(a, b row.Row) int { return row.CompareKeys(t, a.Key(), b.Key()) })
	return rows
}
