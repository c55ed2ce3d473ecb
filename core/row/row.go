// Package row is the replicated row: typed columns, a key, canonical bytes, a checksum and a digest.
//
// The machines say what is to be kept as rows, the stores keep rows, snapshots carry rows, and
// replicas compare digests of rows. None of them needs to know what the others mean by one, which
// is why this package knows neither chat nor SQL. (docs/adr/0002 says why it is a room of its own.)
//
// # Bytes
//
// A row's canonical bytes are its columns in order: an Int is 8 bytes, big-endian two's complement;
// a Text or Blob is its length as a uvarint, then its bytes. The table's name is not part of them;
// Sum and Hash prefix it, so that a row that lands in the wrong table is noticed.
package row

import (
	"cmp"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"strings"
)

// Kind is the type of a column.
type Kind uint8

// The column types: a signed 64-bit integer, valid UTF-8, and any bytes.
const (
	Int Kind = iota
	Text
	Blob
)

// Column is one column of a table.
type Column struct {
	Name string
	Kind Kind
}

// Table describes the rows of one kind. Tables are declared once, by the package that owns the
// rows, and compared by pointer.
type Table struct {
	Name    string
	Columns []Column
	// Key is how many leading columns form the primary key.
	Key int
	// Index is a second, unique access path: positions of columns. Empty: there is none.
	Index []int
	// Hot rows are what deciding needs: they are few, read once at start, and kept in memory.
	Hot bool
	// Sequential tables have a single Int key that only ever grows.
	Sequential bool
}

// Value is one column's value. Int columns use Int, the others Str, which may hold any bytes.
type Value struct {
	Int int64
	Str string
}

// I makes an Int value, S a Text or Blob.
func I(v int64) Value  { return Value{Int: v} }
func S(v string) Value { return Value{Str: v} }

// Row is one row of a table. As the argument of a Delete only its key columns need be there.
type Row struct {
	Table  *Table
	Values []Value
}

// Op is what an Effect does to a row.
type Op uint8

const (
	// Put inserts the row or replaces the one with the same key.
	Put Op = iota
	// Insert adds a row that is known to be new, so that no store need look for an old one.
	Insert
	// Delete removes the row with this key. It is no error if there is none.
	Delete
)

// Effect is one change to the rows.
type Effect struct {
	Op  Op
	Row Row
}

// Key returns the key columns.
func (r Row) Key() []Value { return r.Values[:r.Table.Key] }

// CompareKeys orders rows of one table by key: integers by value, the rest byte by byte.
func CompareKeys(t *Table, a, b []Value) int {
	for i := range t.Key {
		if c := compareValue(t.Columns[i].Kind, a[i], b[i]); c != 0 {
			return c
		}
	}
	return 0
}

func compareValue(k Kind, a, b Value) int {
	if k == Int {
		return cmp.Compare(a.Int, b.Int)
	}
	return strings.Compare(a.Str, b.Str)
}

// Append appends the canonical bytes of r to b.
func (r Row) Append(b []byte) []byte {
	for i, v := range r.Values {
		b = appendValue(b, r.Table.Columns[i].Kind, v)
	}
	return b
}

func appendValue(b []byte, k Kind, v Value) []byte {
	if k == Int {
		return binary.BigEndian.AppendUint64(b, uint64(v.Int))
	}
	b = binary.AppendUvarint(b, uint64(len(v.Str)))
	return append(b, v.Str...)
}

// Decode reads one row of table t from the front of b and returns what follows it.
func Decode(t *Table, b []byte) (r Row, rest []byte, err error) {
	r = Row{Table: t, Values: make([]Value, len(t.Columns))}
	for i, c := range t.Columns {
		if r.Values[i], b, err = decodeValue(c, b); err != nil {
			return Row{}, nil, fmt.Errorf("row of %s: %w", t.Name, err)
		}
	}
	return r, b, nil
}

func decodeValue(c Column, b []byte) (Value, []byte, error) {
	if c.Kind == Int {
		if len(b) < 8 {
			return Value{}, nil, fmt.Errorf("column %s: %d bytes left, want 8", c.Name, len(b))
		}
		return I(int64(binary.BigEndian.Uint64(b))), b[8:], nil
	}
	n, w := binary.Uvarint(b)
	if w <= 0 || n > uint64(len(b)-w) {
		return Value{}, nil, fmt.Errorf("column %s: bad length in the %d bytes left", c.Name, len(b))
	}
	if canonical := len(binary.AppendUvarint(nil, n)); canonical != w {
		return Value{}, nil, fmt.Errorf("column %s: length in %d bytes, canonical is %d", c.Name, w, canonical)
	}
	b = b[w:]
	return S(string(b[:n])), b[n:], nil
}

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// Sum is CRC32C over the table's name and the canonical bytes. Stores keep it beside the row, where
// it finds rot and rows that landed in the wrong place.
func (r Row) Sum() uint32 { return crc32.Checksum(r.named(), castagnoli) }

// Hash is SHA-256 over the same bytes as Sum.
func (r Row) Hash() [32]byte { return sha256.Sum256(r.named()) }

// Marks gives Sum and Hash of r in one go. It writes to buf[:0] and returns it, grown if need be, for
// the next row.
func (r Row) Marks(buf []byte) (sum uint32, hash [32]byte, _ []byte) {
	buf = r.appendNamed(buf[:0])
	return crc32.Checksum(buf, castagnoli), sha256.Sum256(buf), buf
}

// SumIn is Sum; it writes to buf[:0] and returns it, grown if need be, for the next row.
func (r Row) SumIn(buf []byte) (uint32, []byte) {
	buf = r.appendNamed(buf[:0])
	return crc32.Checksum(buf, castagnoli), buf
}

func (r Row) named() []byte {
	size := 64 + len(r.Table.Name)
	for _, v := range r.Values {
		size += 8 + len(v.Str)
	}
	return r.appendNamed(make([]byte, 0, size))
}

func (r Row) appendNamed(b []byte) []byte { return r.Append(append(append(b, r.Table.Name...), 0)) }

// Digest is the sum of the hashes of a set of rows, lane by lane modulo 2⁶⁴: equal sets have equal
// digests, whatever the order in which the rows came and went.
type Digest [4]uint64

// Add counts a row in.
func (d *Digest) Add(r Row) { d.AddHash(r.Hash()) }

// AddHash counts in the row with this Hash.
func (d *Digest) AddHash(h [32]byte) {
	for i := range d {
		d[i] += binary.BigEndian.Uint64(h[8*i:])
	}
}

// Remove counts a row out again.
func (d *Digest) Remove(r Row) { d.RemoveHash(r.Hash()) }

// RemoveHash counts out the row with this Hash.
func (d *Digest) RemoveHash(h [32]byte) {
	for i := range d {
		d[i] -= binary.BigEndian.Uint64(h[8*i:])
	}
}

// String shows the first bytes of the digest, enough for people to compare.
func (d Digest) String() string {
	s := fmt.Sprintf("%016x", d[0]^d[1]^d[2]^d[3])
	return s[:4] + " " + s[4:8]
}

// Range asks a table for rows along its key, or along its Index. Where that path has two columns
// the first must equal Eq; the last lies in [From, To]. All three are Int columns.
type Range struct {
	Table    *Table
	ByIndex  bool
	Eq       int64
	From, To int64
	Desc     bool
	Limit    int // at most so many rows; 0 is all
}
