package session

import (
	"bytes"
	"encoding/hex"
	"flag"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"parley/core/row"
)

var rewrite = flag.Bool("rewrite", false, "write the golden files anew; read the difference")

// golden compares lines of hex with a file. What stands there was once written to disks.
func golden(t *testing.T, name string, lines [][]byte) {
	t.Helper()
	var b strings.Builder
	for _, l := range lines {
		b.WriteString(hex.EncodeToString(l) + "\n")
	}
	path := filepath.Join("testdata", name+".golden")
	if *rewrite {
		if err := os.WriteFile(path, []byte(b.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if b.String() != string(want) {
		t.Errorf("%s: got\n%s\nwant\n%s", path, &b, want)
	}
}

// someRows are one session of each kind.
func someRows() []row.Row {
	tab := opened()
	ran(tab, request(2, 0), strings.Repeat("long ", 30), 300)
	ran(tab, request(3, 1), "", 1<<40)
	tab.Open(Request{Device: bob, DSeq: 1, Fingerprint: 1<<64 - 1}, bobToken, nil, 9)
	tab.Close(bob, 5)
	tab.Refused(Request{Device: DeviceID{0xc}, DSeq: 1}, Token{0xc1}, []byte("no"), 11, 7e9)
	var rows []row.Row
	for _, e := range tab.Flush(nil) {
		rows = append(rows, e.Row)
	}
	return rows
}

// The rows of the session table are what they always were.
func TestGoldenRows(t *testing.T) {
	var lines [][]byte
	for _, r := range someRows() {
		lines = append(lines, r.Append(nil))
	}
	golden(t, "rows", lines)
}

func someSaves() []*Save {
	return []*Save{
		{Seq: 1, Next: 2, Add: []Line{{DSeq: 1, First: true, Secret: true, Command: []byte("signup")}}},
		{Seq: 300, Next: 9, Through: 5, Pos: Pos{2, 1 << 33}, Settle: []uint64{3, 5}, Add: []Line{
			{DSeq: 6, Alone: true}, {DSeq: 7, Void: true, Command: []byte{0}}, {DSeq: 8, Command: make([]byte, 130)}}},
		{},
	}
}

// Saves of the outbox are what they always were.
func TestGoldenSaves(t *testing.T) {
	var lines [][]byte
	for _, s := range someSaves() {
		lines = append(lines, s.Append(nil))
	}
	golden(t, "saves", lines)
}

// A fingerprint is part of what replicas agree on.
func TestFingerprint(t *testing.T) {
	if got := Fingerprint([]byte("send")); got != 0x27ce1d1bf4270020 {
		t.Errorf("%#x", got)
	}
}

// spoiled gives b, b cut short everywhere, and b with each byte changed.
func spoiled(b []byte) [][]byte {
	list := [][]byte{b}
	for i := range b {
		list = append(list, b[:i:i])
		for _, x := range []byte{0, b[i] + 1, b[i] ^ 0x80, 0xff} {
			c := bytes.Clone(b)
			c[i] = x
			list = append(list, c)
		}
	}
	return append(list, append(bytes.Clone(b), 0))
}

// Load takes what Flush makes and nothing else; what it takes, Flush makes again.
func FuzzLoad(f *testing.F) {
	for _, r := range someRows() {
		for _, b := range spoiled(r.Append(nil)) {
			f.Add(b)
		}
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		r, rest, err := row.Decode(sessionTable, b)
		if err != nil || len(rest) > 0 {
			return
		}
		tab := NewTable()
		if tab.Load([]row.Row{r}) != nil {
			return
		}
		if err := tab.Check(); err != nil {
			t.Fatalf("loaded, but %v", err)
		}
		s := &tab.sessions[0]
		if got := s.row().Append(nil); !bytes.Equal(got, b) {
			t.Fatalf("another row: %x, was %x", got, b)
		}
		for d := s.through + 1; d <= s.last; d++ {
			if v := tab.Begin(Request{Device: s.device, DSeq: d}, false); v.Decision != Replay {
				t.Fatalf("number %d: %+v", d, v)
			}
		}
	})
}

// DecodeSave takes what Append makes and nothing else.
func FuzzSave(f *testing.F) {
	for _, s := range someSaves() {
		for _, b := range spoiled(s.Append(nil)) {
			f.Add(b)
		}
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		s, err := DecodeSave(b)
		if err != nil {
			return
		}
		if got := s.Append(nil); !bytes.Equal(got, b) {
			t.Fatalf("another save: %x, was %x", got, b)
		}
		var j Journal
		j.Apply(s)
	})
}

// Every flag of a line survives.
func TestSaveRoundTrip(t *testing.T) {
	for _, s := range someSaves() {
		got, err := DecodeSave(s.Append(nil))
		if err != nil {
			t.Fatal(err)
		}
		for i := range got.Add {
			if len(got.Add[i].Command) == 0 {
				got.Add[i].Command = s.Add[i].Command
			}
		}
		if !reflect.DeepEqual(got, s) {
			t.Errorf("got %+v, want %+v", got, s)
		}
	}
}

// A journal written anew amounts to the same.
func TestJournalWhole(t *testing.T) {
	var j, k Journal
	for _, s := range someSaves()[:2] {
		j.Apply(s)
	}
	k.Apply(j.Whole())
	if !reflect.DeepEqual(j.Recovered(), k.Recovered()) {
		t.Errorf("got %+v, want %+v", k.Recovered(), j.Recovered())
	}
	if rec := j.Recovered(); len(rec.Lines) != 4 || rec.NextDSeq != 9 || rec.Through != 5 {
		t.Errorf("recovered %+v", rec)
	}
}
