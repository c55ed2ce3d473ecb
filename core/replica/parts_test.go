package replica

import (
	"bytes"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"parley/core/chat"
	"parley/core/raft"
	"parley/core/row"
	"parley/core/session"
)

// What an entry says survives its bytes.
func TestEntriesRoundTrip(t *testing.T) {
	for _, e := range []entry{
		{date: -5, command: []byte{1, 2, 3}},
		{date: 1 << 40, numbered: true, request: session.Request{Device: session.DeviceID{9}, DSeq: 300, Through: 299}, command: []byte{3}, evidence: []byte("e")},
	} {
		got, err := decodeEntry(e.encode())
		if err != nil {
			t.Fatal(err)
		}
		if e.numbered {
			e.request.Fingerprint = chat.Fingerprint(e.command)
		}
		if got.date != e.date || got.request != e.request || !bytes.Equal(got.command, e.command) || !bytes.Equal(got.evidence, e.evidence) {
			t.Errorf("%+v came back as %+v", e, got)
		}
	}
}

// No bytes make the decoder panic, and what it reads it writes back the same.
func FuzzDecodeEntry(f *testing.F) {
	f.Add((&entry{date: 7, command: []byte{3}}).encode())
	f.Add((&entry{numbered: true, request: session.Request{DSeq: 1}, command: chat.EncodeCommand(chat.Void{})}).encode())
	f.Add([]byte{1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 255})
	f.Fuzz(func(t *testing.T, b []byte) {
		e, err := decodeEntry(b)
		if err != nil {
			return
		}
		again, err := decodeEntry(e.encode())
		if err != nil || again.request != e.request || !bytes.Equal(again.command, e.command) {
			t.Errorf("%x reads as %+v, written and read again as %+v, %v", b, e, again, err)
		}
	})
}

// A view of any age, merged with the overlay, shows the present.
func TestTheOverlayBringsAnyViewUpToDate(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var o overlay
		views := [][]row.Row{nil} // by index: the rows of conversation 1 as they were
		n := rapid.IntRange(1, 30).Draw(t, "entries")
		for i := 1; i <= n; i++ {
			now := slices.Clone(views[i-1])
			var effects []row.Effect
			if rapid.Bool().Draw(t, "message") {
				conv := chat.ConversationID(rapid.IntRange(1, 2).Draw(t, "conversation"))
				m := chat.MessageRow(chat.Message{Index: uint64(i), Conversation: conv, Seq: uint64(i), Body: "x"})
				effects = append(effects, row.Effect{Op: row.Insert, Row: m})
				if conv == 1 {
					now = append(now, m)
				}
			}
			o.add(raft.Index(i), effects)
			views = append(views, now)
		}
		floor := rapid.IntRange(0, n).Draw(t, "floor")
		o.drop(raft.Index(floor))
		at := rapid.IntRange(floor, n).Draw(t, "view at")
		from, to := uint64(rapid.IntRange(1, n).Draw(t, "from")), uint64(rapid.IntRange(1, n).Draw(t, "to"))
		r := chat.MessageRange(1, from, to, rapid.Bool().Draw(t, "desc"), rapid.IntRange(0, 5).Draw(t, "limit"))
		got := o.merge(r, raft.Index(at), pickRows(r, views[at]))
		if want := pickRows(r, views[n]); !slices.EqualFunc(got, want, func(a, b row.Row) bool { return slices.Equal(a.Values, b.Values) }) {
			t.Fatalf("%+v of a view at %d: got %v, want %v", r, at, got, want)
		}
	})
}

func pickRows(r row.Range, rows []row.Row) []row.Row {
	var picked []row.Row
	for _, v := range rows {
		if within(r, v) {
			picked = append(picked, v)
		}
	}
	if r.Desc {
		slices.Reverse(picked)
	}
	if r.Limit > 0 && len(picked) > r.Limit {
		picked = picked[:r.Limit]
	}
	return picked
}

// Which messages a History asks for, of a conversation with ten.
func TestSpans(t *testing.T) {
	for _, c := range []struct {
		q        History
		limit    uint64
		from, to uint64
	}{
		{History{}, 3, 1, 3}, {History{After: 8}, 5, 9, 10}, {History{After: 10}, 5, 1, 0},
		{History{Before: 5}, 3, 2, 4}, {History{Before: 2}, 3, 1, 1}, {History{Before: 1}, 3, 1, 0}, {History{Before: 99}, 3, 8, 10},
		{History{Latest: true}, 4, 7, 10}, {History{Latest: true}, 40, 1, 10},
	} {
		if from, to := c.q.span(10, c.limit); from != c.from || to != c.to {
			t.Errorf("%+v limit %d: %d…%d, want %d…%d", c.q, c.limit, from, to, c.from, c.to)
		}
	}
}

// A bucket lets a burst pass, then one at a time.
func TestBuckets(t *testing.T) {
	var full, after time.Duration
	var got []time.Duration
	for _, now := range []time.Duration{0, 0, 0, 50, 100, 100} {
		full, after = spend(now*time.Millisecond, full, 100*time.Millisecond, 2)
		got = append(got, after/time.Millisecond)
	}
	if want := []time.Duration{0, 0, 100, 50, 0, 100}; !slices.Equal(got, want) {
		t.Errorf("waits %v, want %v", got, want)
	}
}

// The log is cut when too much is kept, by bytes or entries, half of it at once and never beyond
// what is durable.
func TestTheLogIsCutInHalves(t *testing.T) {
	var l logSize
	for i := raft.Index(1); i <= 1000; i++ {
		l.add(&raft.Entry{Index: i, Data: make([]byte, 36)})
	}
	for _, c := range []struct {
		bytes, entries int
		durable, want  raft.Index
	}{
		{1 << 20, 2000, 1000, 0}, {50_000, 2000, 1000, 767}, {1 << 20, 500, 1000, 511}, {50_000, 2000, 600, 511}, {1, 1, 0, 0},
	} {
		if got := l.excess(c.bytes, c.entries, c.durable); got != c.want {
			t.Errorf("keeping %d bytes or %d entries, durable %d: cut to %d, want %d", c.bytes, c.entries, c.durable, got, c.want)
		}
	}
	before := l.bytes
	l.cut(511)
	if l.compact != 511 || l.bytes >= before || l.excess(1<<30, 2000, 1000) != 0 {
		t.Errorf("after the cut: %d, %d bytes", l.compact, l.bytes)
	}
}
