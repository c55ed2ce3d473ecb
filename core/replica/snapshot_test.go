package replica_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"flag"
	"os"
	"slices"
	"strings"
	"testing"

	"parley/core/raft"
	"parley/core/replica"
	"parley/core/row"
)

var updateSnapshot = flag.Bool("update-snapshot", false, "rewrite testdata/snapshot.golden")

var (
	snapshotWords = &row.Table{
		Name:    "words",
		Columns: []row.Column{{Name: "word", Kind: row.Text}, {Name: "n", Kind: row.Int}},
		Key:     1,
	}
	snapshotEmpty = &row.Table{Name: "empty", Columns: []row.Column{{Name: "id", Kind: row.Int}}, Key: 1}
	snapshotPairs = &row.Table{
		Name: "pairs",
		Columns: []row.Column{
			{Name: "a", Kind: row.Int}, {Name: "b", Kind: row.Int}, {Name: "bytes", Kind: row.Blob},
		},
		Key: 2,
	}
	snapshotTables = []*row.Table{snapshotWords, snapshotEmpty, snapshotPairs}
)

func snapshotRows() []row.Row {
	return []row.Row{
		{Table: snapshotWords, Values: []row.Value{row.S(""), row.I(0)}},
		{Table: snapshotWords, Values: []row.Value{row.S("a\x00b"), row.I(-1)}},
		{Table: snapshotWords, Values: []row.Value{row.S("ä"), row.I(1 << 62)}},
		{Table: snapshotPairs, Values: []row.Value{row.I(-5), row.I(9), row.S("")}},
		{Table: snapshotPairs, Values: []row.Value{row.I(7), row.I(-9), row.S("\xff\x00")}},
		{Table: snapshotPairs, Values: []row.Value{row.I(7), row.I(0), row.S(strings.Repeat("x", 300))}},
	}
}

var snapshotMark = raft.Mark{Index: 4711, Term: 3, Chain: raft.Chain{1, 2, 3, 15: 16}, Time: 1e15}

func writeSnapshot(t testing.TB, rows []row.Row, tables ...*row.Table) replica.Snapshot {
	t.Helper()
	w := replica.NewSnapshotWriter(snapshotMark)
	for _, table := range tables {
		w.Table(table)
		for _, r := range rows {
			if r.Table != table {
				continue
			}
			if err := w.Row(r); err != nil {
				t.Fatal(err)
			}
		}
	}
	return w.Finish()
}

func sameRows(a, b []row.Row) bool {
	return slices.EqualFunc(a, b, func(x, y row.Row) bool {
		return x.Table == y.Table && slices.Equal(x.Values, y.Values)
	})
}

// What is written is what is read.
func TestSnapshotRoundTrip(t *testing.T) {
	s := writeSnapshot(t, snapshotRows(), snapshotTables...)
	var got []row.Row
	err := replica.ReadSnapshot(s, snapshotTables, func(r row.Row) error { got = append(got, r); return nil })
	if err != nil {
		t.Fatal(err)
	}
	if want := snapshotRows(); !sameRows(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	var digest row.Digest
	for _, r := range got {
		digest.Add(r)
	}
	if digest != s.Digest || s.Mark != snapshotMark {
		t.Errorf("snapshot says %v at %v, want %v at %v", s.Digest, s.Mark, digest, snapshotMark)
	}
}

// The bytes are a promise to every other replica and to every backup.
func TestSnapshotGolden(t *testing.T) {
	s := writeSnapshot(t, snapshotRows(), snapshotTables...)
	got := hex.Dump(s.Data)
	const file = "testdata/snapshot.golden"
	if *updateSnapshot {
		if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("other bytes than in %s:\n%s", file, got)
	}
}

// Every single altered, missing or added byte is noticed, and nothing is installed from it.
func TestSnapshotDamage(t *testing.T) {
	whole := writeSnapshot(t, snapshotRows(), snapshotTables...)
	refused := func(what string, data []byte, wantRows bool) {
		t.Helper()
		s, rows := whole, 0
		s.Data = data
		err := replica.ReadSnapshot(s, snapshotTables, func(row.Row) error { rows++; return nil })
		if err == nil {
			t.Errorf("%s: accepted", what)
		}
		if rows > 0 && !wantRows {
			t.Errorf("%s: %d rows were given out before the hash was checked", what, rows)
		}
	}
	for i := range whole.Data {
		data := bytes.Clone(whole.Data)
		data[i] ^= 0x40
		refused("altered byte", data, false)
		refused("cut", whole.Data[:i], false)
		if n := len(whole.Data) - sha256.Size; i < n {
			refused("altered byte under a right hash", resealed(data[:n]), true)
			refused("cut under a right hash", resealed(bytes.Clone(data[:i])), true)
		}
	}
	refused("longer", append(bytes.Clone(whole.Data), 0), false)
	body := bytes.Clone(whole.Data[:len(whole.Data)-sha256.Size])
	refused("longer under a right hash", resealed(append(body, 0)), true)
}

func resealed(body []byte) []byte {
	sum := sha256.Sum256(body)
	return append(body, sum[:]...)
}

// A snapshot is for one mark, one digest and one catalogue, and says so itself.
func TestSnapshotMismatch(t *testing.T) {
	whole := writeSnapshot(t, snapshotRows(), snapshotTables...)
	wider := *snapshotEmpty
	wider.Columns = append(slices.Clone(wider.Columns), row.Column{Name: "more", Kind: row.Int})
	cases := []struct {
		name   string
		alter  func(*replica.Snapshot)
		tables []*row.Table
	}{
		{"index", func(s *replica.Snapshot) { s.Mark.Index++ }, snapshotTables},
		{"term", func(s *replica.Snapshot) { s.Mark.Term++ }, snapshotTables},
		{"chain", func(s *replica.Snapshot) { s.Mark.Chain[3]++ }, snapshotTables},
		{"time", func(s *replica.Snapshot) { s.Mark.Time++ }, snapshotTables},
		{"digest", func(s *replica.Snapshot) { s.Digest[2]++ }, snapshotTables},
		{"fewer tables", func(*replica.Snapshot) {}, snapshotTables[:2]},
		{"more tables", func(*replica.Snapshot) {}, append(slices.Clone(snapshotTables), snapshotEmpty)},
		{"other order", func(*replica.Snapshot) {}, []*row.Table{snapshotEmpty, snapshotWords, snapshotPairs}},
		{"other columns", func(*replica.Snapshot) {}, []*row.Table{snapshotWords, &wider, snapshotPairs}},
	}
	for _, c := range cases {
		s := whole
		c.alter(&s)
		if err := replica.ReadSnapshot(s, c.tables, func(row.Row) error { return nil }); err == nil {
			t.Errorf("%s: accepted", c.name)
		}
	}
}

// The writer takes no row twice, none out of order and none of another table.
func TestSnapshotWriterRefuses(t *testing.T) {
	rows := snapshotRows()
	for name, pair := range map[string][]row.Row{
		"twice":         {rows[1], rows[1]},
		"out of order":  {rows[2], rows[1]},
		"another table": {rows[1], rows[3]},
		"too few":       {rows[1], {Table: snapshotWords, Values: rows[2].Values[:1]}},
	} {
		w := replica.NewSnapshotWriter(snapshotMark)
		w.Table(snapshotWords)
		if err := w.Row(pair[0]); err != nil {
			t.Fatal(err)
		}
		if err := w.Row(pair[1]); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}

// Hostile bytes under a right hash never panic, and what is accepted is exactly what would be written.
func FuzzReadSnapshot(f *testing.F) {
	whole := writeSnapshot(f, snapshotRows(), snapshotTables...)
	header := len("PARLSNAP") + 1 + 8 + 8 + 16 + 8
	f.Add(whole.Data[header:len(whole.Data)-sha256.Size], true)
	none := writeSnapshot(f, nil, snapshotTables...)
	f.Add(none.Data[header:len(none.Data)-sha256.Size], true)
	f.Add([]byte(nil), false)
	f.Fuzz(func(t *testing.T, body []byte, reseal bool) {
		s := replica.Snapshot{Mark: snapshotMark, Data: body}
		if reseal {
			s.Data = resealed(append(bytes.Clone(whole.Data[:header]), body...))
		}
		if n := len(body); n >= 32 {
			for i := range s.Digest {
				for _, b := range body[n-32+8*i : n-24+8*i] {
					s.Digest[i] = s.Digest[i]<<8 | uint64(b)
				}
			}
		}
		var rows []row.Row
		err := replica.ReadSnapshot(s, snapshotTables, func(r row.Row) error { rows = append(rows, r); return nil })
		if err != nil {
			return
		}
		if again := writeSnapshot(t, rows, snapshotTables...); !bytes.Equal(again.Data, s.Data) {
			t.Errorf("accepted, but written again it differs")
		}
	})
}
