package chat

import (
	"encoding/binary"
	"fmt"
	"runtime"
	"strings"
	"testing"

	"parley/core/row"
)

// town is a state with n accounts, each with one device, and perhaps conversations.
func town(n, conversations int) (*State, []DeviceID, Stamp) {
	set := DefaultSettings()
	set.MaxQueue = 1_000_000
	s := New(set)
	at := Stamp{Index: 1, Time: 1, Date: 1}
	ids := make([]DeviceID, n)
	var out Outcome
	for i := range ids {
		binary.BigEndian.PutUint64(ids[i][:], uint64(i)*0x9e3779b97f4a7c15)
		at.Index++
		out.Reset()
		s.Apply(at, ids[i], Signup{Name: fmt.Sprintf("user%07d", i*7919%n), Label: "x"}, Evidence{Hash: strings.Repeat("h", 97)}, &out)
	}
	for i := range conversations {
		at.Index++
		out.Reset()
		to := s.accounts[(i%n+1+i/n)%n].name
		s.Apply(at, ids[i%n], Send{To: to, Body: "hello"}, Evidence{}, &out)
	}
	s.Flush(nil)
	return s, ids, at
}

// A send of 256 bytes between two of few or many, with the flush of a batch of 64.
func BenchmarkSend(b *testing.B) {
	for _, n := range []int{64, 10_000} {
		b.Run(fmt.Sprintf("accounts=%d", n), func(b *testing.B) { benchmarkSend(b, n) })
	}
}

func benchmarkSend(b *testing.B, n int) {
	s, ids, at := town(n, n)
	send := make([]Command, n)
	for i := range send {
		send[i] = Send{To: s.accounts[(i+1)%n].name, Body: strings.Repeat("b", 256)}
	}
	var out Outcome
	var eff []row.Effect
	b.ReportAllocs()
	b.ResetTimer()
	for i := range b.N {
		at.Index++
		at.Time += 1000
		out.Reset()
		s.Apply(at, ids[i%n], send[i%n], Evidence{}, &out)
		if out.Result.Code != OK {
			b.Fatal(out.Result.Code)
		}
		if i%64 == 63 {
			eff = s.Flush(eff[:0])
		}
	}
}

// Decoding a send of 256 bytes.
func BenchmarkDecodeSend(b *testing.B) {
	bytes := EncodeCommand(Send{To: "bob", Body: strings.Repeat("b", 256)})
	b.ReportAllocs()
	for range b.N {
		if _, err := DecodeCommand(bytes); err != nil {
			b.Fatal(err)
		}
	}
}

// Signups into 100,000 names.
func BenchmarkSignup(b *testing.B) {
	s, _, at := town(100_000, 0)
	var out Outcome
	var id DeviceID
	b.ReportAllocs()
	b.ResetTimer()
	for i := range b.N {
		at.Index++
		out.Reset()
		binary.BigEndian.PutUint64(id[8:], uint64(i)+1)
		s.Apply(at, id, Signup{Name: fmt.Sprintf("v%d", i*7919)}, Evidence{}, &out)
	}
}

// A report of 1,000 devices that each stored one message.
func BenchmarkHeard(b *testing.B) {
	s, ids, at := town(1000, 1000)
	var cmd Heard
	for _, id := range ids {
		cmd.Items = append(cmd.Items, HeardItem{Device: id, Epoch: 1, Cursor: 2})
	}
	var out Outcome
	b.ReportAllocs()
	b.ResetTimer()
	for range b.N {
		at.Index++
		at.Time += second
		out.Reset()
		s.ApplyInternal(at, cmd, &out)
	}
}

// Load and Check of 100,000 accounts and as many or 1,000,000 conversations, and the memory they take.
func BenchmarkLoad(b *testing.B) {
	for _, n := range []int{100_000, 1_000_000} {
		b.Run(fmt.Sprintf("conversations=%d", n), func(b *testing.B) { benchmarkLoad(b, n) })
	}
}

func benchmarkLoad(b *testing.B, conversations int) {
	if testing.Short() {
		b.Skip("takes a gigabyte")
	}
	s, _, _ := town(100_000, conversations)
	var rows []row.Row
	s.hotRows(func(r row.Row) { rows = append(rows, r) })
	rows = inOrder(rows)
	hash := s.Hash()
	s = nil
	b.ResetTimer()
	for range b.N {
		runtime.GC()
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		s = New(Settings{})
		if err := s.Load(rows); err != nil {
			b.Fatal(err)
		}
		b.StopTimer()
		runtime.GC()
		runtime.ReadMemStats(&after)
		b.ReportMetric(float64(after.HeapAlloc-before.HeapAlloc)/1e6, "MB")
		if s.Hash() != hash {
			b.Fatal("another hash")
		}
		b.StartTimer()
	}
}

func inOrder(rows []row.Row) (ordered []row.Row) {
	for _, t := range Tables() {
		var these []row.Row
		for _, r := range rows {
			if r.Table == t {
				these = append(these, r)
			}
		}
		ordered = append(ordered, sorted(t, these)...)
	}
	return ordered
}
