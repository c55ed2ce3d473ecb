package row

import (
	"bytes"
	"math"
	"reflect"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

var people = &Table{
	Name: "people",
	Columns: []Column{
		{Name: "town", Kind: Text}, {Name: "number", Kind: Int}, {Name: "face", Kind: Blob},
	},
	Key: 2,
}

func person(town string, number int64, face string) Row {
	return Row{Table: people, Values: []Value{S(town), I(number), S(face)}}
}

// The canonical bytes are these, and stay these.
func TestBytes(t *testing.T) {
	got := person("ab", -2, strings.Repeat("\x00", 200)).Append([]byte("before "))
	want := "before " + "\x02ab" + "\xff\xff\xff\xff\xff\xff\xff\xfe" + "\xc8\x01" + strings.Repeat("\x00", 200)
	if string(got) != want {
		t.Errorf("got %x, want %x", got, want)
	}
}

// A row comes back from its bytes, and what follows it is left.
func TestRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		want := draw(t)
		got, rest, err := Decode(people, want.Append(nil))
		if err != nil || len(rest) != 0 || !reflect.DeepEqual(got, want) {
			t.Fatalf("got %v, %d bytes and %v, want %v", got, len(rest), err, want)
		}
		if _, rest, _ := Decode(people, append(want.Append(nil), "rest"...)); string(rest) != "rest" {
			t.Fatalf("got %q behind the row", rest)
		}
		b := want.Append(nil)
		if _, _, err := Decode(people, b[:rapid.IntRange(0, len(b)-1).Draw(t, "cut")]); err == nil {
			t.Fatal("took a part of a row")
		}
	})
}

func draw(t *rapid.T) Row {
	face := rapid.SliceOf(rapid.Byte()).Draw(t, "face")
	return person(rapid.String().Draw(t, "town"), rapid.Int64().Draw(t, "number"), string(face))
}

// A length in more bytes than it needs, or beyond the end, is refused: one row has one encoding.
func TestDecodeRefuses(t *testing.T) {
	for _, s := range []string{
		"", "\x01", "\x81\x00a", "\x00\x00\x00\x00", "\x00" + "12345678", "\x00" + "12345678" + "\x05abcd",
		"\xff\xff\xff\xff\xff\xff\xff\xff\xff\x7f", "\xff\xff\xff\xff\xff\xff\xff\xff\x7f",
	} {
		if r, _, err := Decode(people, []byte(s)); err == nil {
			t.Errorf("took %q for %v", s, r)
		}
	}
}

// Whatever Decode takes is exactly what Append gives for it.
func FuzzDecode(f *testing.F) {
	f.Add(person("ab", -2, "c").Append(nil))
	f.Add(append(person("", math.MaxInt64, strings.Repeat("x", 300)).Append(nil), 1, 2, 3))
	f.Add([]byte("\x81\x00a"))
	f.Fuzz(func(t *testing.T, b []byte) {
		r, rest, err := Decode(people, b)
		if err != nil {
			return
		}
		if again := append(r.Append(nil), rest...); !bytes.Equal(again, b) {
			t.Fatalf("%x came back as %x", b, again)
		}
	})
}

// Keys are ordered column by column, integers by value and the rest byte by byte.
func TestCompareKeys(t *testing.T) {
	ordered := []Row{
		person("", 5, ""), person("a", math.MinInt64, ""), person("a", -1, ""), person("a", 0, ""), person("a", 256, ""),
		person("aa", 0, ""), person("b", -7, ""), person("é", 0, ""), person("\xff", 0, ""),
	}
	for i, a := range ordered {
		for j, b := range ordered {
			if got, want := CompareKeys(people, a.Key(), b.Key()), compareValue(Int, I(int64(i)), I(int64(j))); got != want {
				t.Errorf("%v to %v: got %d, want %d", a.Key(), b.Key(), got, want)
			}
		}
	}
	if CompareKeys(people, person("a", 1, "x").Key(), person("a", 1, "y").Key()) != 0 {
		t.Error("what is not key counts")
	}
}

// Sum and Hash notice every change of a value, and a row that landed in another table.
func TestSumNoticesChanges(t *testing.T) {
	strangers := *people
	strangers.Name = "strangers"
	a := person("ab", 1, "c")
	for _, b := range []Row{
		person("a", 1, "bc"), person("ab", 2, "c"), person("ab", 1, "d"), {Table: &strangers, Values: a.Values},
	} {
		if a.Sum() == b.Sum() || a.Hash() == b.Hash() {
			t.Errorf("%v and %v look the same", a, b)
		}
	}
	if b := person("ab", 1, "c"); a.Sum() != b.Sum() || a.Hash() != b.Hash() {
		t.Error("equal rows look different")
	}
}

// Marks and SumIn say the same as Sum and Hash, whatever the buffer was used for before.
func TestMarks(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var buf []byte
		for range 3 {
			r := draw(t)
			var sum, again uint32
			var hash [32]byte
			sum, hash, buf = r.Marks(buf)
			again, buf = r.SumIn(buf)
			if sum != r.Sum() || again != sum || hash != r.Hash() {
				t.Fatalf("marks %x and %x, %x, want %x and %x", sum, hash, again, r.Sum(), r.Hash())
			}
		}
	})
}

// A digest is that of the set of rows, whatever the order in which they came and went.
func TestDigestForgetsOrder(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		rows := rapid.SliceOfN(rapid.Custom(draw), 1, 8).Draw(t, "rows")
		passing := draw(t)
		var one, other Digest
		for _, r := range rows {
			one.Add(r)
		}
		other.Add(passing)
		slices.Reverse(rows)
		for _, r := range rows {
			other.Add(r)
		}
		if one == other {
			t.Fatal("a row more makes no difference")
		}
		other.Remove(passing)
		if one != other {
			t.Fatalf("got %v, want %v", other, one)
		}
		for _, r := range rows {
			one.Remove(r)
		}
		if one != (Digest{}) {
			t.Fatalf("of nothing: %v", one)
		}
	})
}

// A digest is shown as two short groups.
func TestDigestString(t *testing.T) {
	if got := (Digest{0x5c1e90aa00000000}).String(); got != "5c1e 90aa" {
		t.Errorf("got %q", got)
	}
}
