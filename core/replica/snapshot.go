package replica

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"fmt"

	"parley/core/raft"
	"parley/core/row"
)

// A snapshot is all replicated rows at one index, as a stream in which nothing is left to choice:
// the same index gives the same bytes on every replica, whatever store it has. Term, vote and
// identity are not in it (rule D10).
//
//	header   "PARLSNAP", version 1 (1 byte)
//	         index, term (8 bytes each), chain (16 bytes), time (8 bytes): the mark
//	table    1 (1 byte), then the table as the writer knows it: name, number of key columns,
//	         number of columns, and for each its kind (1 byte) and name
//	row      2 (1 byte), then the row's canonical bytes (package row); keys only grow
//	         … and so on, every table of the catalogue in its order, also those without rows
//	end      3 (1 byte), the number of rows of each table (8 bytes each), digest (32 bytes)
//	trailer  SHA-256 of everything before
//
// Integers are big-endian; names are a uvarint length, then their bytes; numbers of columns are
// uvarints. A reader with other tables than the writer's refuses the snapshot.

const (
	snapshotMagic   = "PARLSNAP"
	snapshotVersion = 1

	snapshotTable byte = 1
	snapshotRow   byte = 2
	snapshotEnd   byte = 3
)

// SnapshotWriter builds a Snapshot: Table for each table of the catalogue, in its order, and behind
// each Table its rows by key.
type SnapshotWriter struct {
	mark   raft.Mark
	buf    []byte
	counts []uint64
	digest row.Digest
	last   row.Row // the row before; nil Table: none of this table yet
	table  *row.Table
}

// NewSnapshotWriter starts a snapshot of the rows as they are once the entry at mark is applied.
func NewSnapshotWriter(mark raft.Mark) *SnapshotWriter {
	return &SnapshotWriter{mark: mark, buf: appendSnapshotHeader(nil, mark)}
}

// Table begins the next table.
func (w *SnapshotWriter) Table(t *row.Table) {
	w.table, w.last = t, row.Row{}
	w.counts = append(w.counts, 0)
	w.buf = appendSnapshotTable(w.buf, t)
}

// Row adds a row to the table begun last. It is an error if r is not one of its rows or not behind
// the row before: a store with a damaged index would give such.
func (w *SnapshotWriter) Row(r row.Row) error {
	if err := snapshotFollows(w.table, w.last, r); err != nil {
		return fmt.Errorf("write snapshot: %w", err)
	}
	w.last = r
	w.counts[len(w.counts)-1]++
	w.digest.Add(r)
	w.buf = r.Append(append(w.buf, snapshotRow))
	return nil
}

// Finish ends the snapshot. The writer is of no more use.
func (w *SnapshotWriter) Finish() Snapshot {
	b := append(w.buf, snapshotEnd)
	for _, n := range w.counts {
		b = binary.BigEndian.AppendUint64(b, n)
	}
	b = appendSnapshotDigest(b, w.digest)
	sum := sha256.Sum256(b)
	return Snapshot{Mark: w.mark, Digest: w.digest, Data: append(b, sum[:]...)}
}

// ReadSnapshot checks s against its own trailer, its Mark and Digest and the tables wanted, and
// calls fn for every row in order. Any bytes may come in. fn sees rows before the last of the
// checks is done, so what it did must be undone if ReadSnapshot returns an error.
func ReadSnapshot(s Snapshot, tables []*row.Table, fn func(row.Row) error) error {
	if err := readSnapshot(s, tables, fn); err != nil {
		return fmt.Errorf("read snapshot at %d: %w", s.Mark.Index, err)
	}
	return nil
}

func readSnapshot(s Snapshot, tables []*row.Table, fn func(row.Row) error) error {
	r, err := openSnapshot(s)
	if err != nil {
		return err
	}
	for _, t := range tables {
		if err := r.readTable(t, fn); err != nil {
			return err
		}
	}
	return r.readEnd(s.Digest)
}

// snapshotReader is a snapshot whose first len(data)-len(rest) bytes are read.
type snapshotReader struct {
	rest   []byte // without the trailer
	counts []uint64
	digest row.Digest
}

// openSnapshot checks what can be checked before any row is read: trailer and header.
func openSnapshot(s Snapshot) (*snapshotReader, error) {
	header := appendSnapshotHeader(nil, s.Mark)
	body := len(s.Data) - sha256.Size
	switch {
	case body < len(header):
		return nil, fmt.Errorf("cut short to %d bytes", len(s.Data))
	case sha256.Sum256(s.Data[:body]) != [sha256.Size]byte(s.Data[body:]):
		return nil, fmt.Errorf("the SHA-256 of its %d bytes does not match the trailer", len(s.Data))
	case !bytes.HasPrefix(s.Data, []byte(snapshotMagic)):
		return nil, fmt.Errorf("not a snapshot")
	case s.Data[len(snapshotMagic)] != snapshotVersion:
		return nil, fmt.Errorf("version %d, can read %d", s.Data[len(snapshotMagic)], snapshotVersion)
	case !bytes.HasPrefix(s.Data, header):
		return nil, fmt.Errorf("the mark inside is another one")
	}
	return &snapshotReader{rest: s.Data[len(header):body]}, nil
}

func (r *snapshotReader) readTable(t *row.Table, fn func(row.Row) error) error {
	want := appendSnapshotTable(nil, t)
	if !bytes.HasPrefix(r.rest, want) {
		return fmt.Errorf("table %s is not next, or has other columns", t.Name)
	}
	r.rest = r.rest[len(want):]
	var n uint64
	var last row.Row
	for ; len(r.rest) > 0 && r.rest[0] == snapshotRow; n++ {
		next, rest, err := row.Decode(t, r.rest[1:])
		if err != nil {
			return err
		}
		if err := snapshotFollows(t, last, next); err != nil {
			return err
		}
		if err := fn(next); err != nil {
			return err
		}
		r.digest.Add(next)
		r.rest, last = rest, next
	}
	r.counts = append(r.counts, n)
	return nil
}

// readEnd compares what was counted with what was promised.
func (r *snapshotReader) readEnd(digest row.Digest) error {
	want := []byte{snapshotEnd}
	for _, n := range r.counts {
		want = binary.BigEndian.AppendUint64(want, n)
	}
	want = appendSnapshotDigest(want, r.digest)
	switch {
	case !bytes.Equal(r.rest, want):
		return fmt.Errorf("after the last table: other counts or digest than those of the rows, or more tables")
	case r.digest != digest:
		return fmt.Errorf("digest %v, want %v", r.digest, digest)
	}
	return nil
}

// snapshotFollows says whether r may come after last in table t.
func snapshotFollows(t *row.Table, last, r row.Row) error {
	switch {
	case t == nil || r.Table != t || len(r.Values) != len(t.Columns):
		return fmt.Errorf("a row that is not one of the table begun")
	case last.Table != nil && row.CompareKeys(t, last.Key(), r.Key()) >= 0:
		return fmt.Errorf("table %s: key %v is not behind %v", t.Name, r.Key(), last.Key())
	}
	return nil
}

func appendSnapshotHeader(b []byte, m raft.Mark) []byte {
	b = append(append(b, snapshotMagic...), snapshotVersion)
	b = binary.BigEndian.AppendUint64(b, uint64(m.Index))
	b = binary.BigEndian.AppendUint64(b, uint64(m.Term))
	b = append(b, m.Chain[:]...)
	return binary.BigEndian.AppendUint64(b, uint64(m.Time))
}

func appendSnapshotTable(b []byte, t *row.Table) []byte {
	b = appendSnapshotName(append(b, snapshotTable), t.Name)
	b = binary.AppendUvarint(b, uint64(t.Key))
	b = binary.AppendUvarint(b, uint64(len(t.Columns)))
	for _, c := range t.Columns {
		b = appendSnapshotName(append(b, byte(c.Kind)), c.Name)
	}
	return b
}

func appendSnapshotName(b []byte, name string) []byte {
	return append(binary.AppendUvarint(b, uint64(len(name))), name...)
}

func appendSnapshotDigest(b []byte, d row.Digest) []byte {
	for _, lane := range d {
		b = binary.BigEndian.AppendUint64(b, lane)
	}
	return b
}
