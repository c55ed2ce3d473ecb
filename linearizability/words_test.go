package linearizability

import (
	"fmt"
	"strings"
	"testing"
)

// A word has one number and a number one word, however many there are and however long.
func TestWords(t *testing.T) {
	w := newWords()
	word := func(i int) string { return fmt.Sprint("m", i, strings.Repeat("x", i%97*i%4099)) }
	const n = 20_000
	for round := range 2 {
		for i := range n {
			no := w.number(word(i))
			if again := w.numberOf([]byte(word(i))); no != uint32(i+1) || again != no || w.at(no) != word(i) {
				t.Fatalf("round %d: %.20s has number %d, then %d, which is %.20s", round, word(i), no, again, w.at(no))
			}
		}
	}
	if w.number("") != 0 || w.numberOf(nil) != 0 || w.len() != n+1 {
		t.Errorf("%d words", w.len())
	}
}

// A numbering has what was put last, dense or not, and nothing else.
func TestNumbering(t *testing.T) {
	var n numbering
	want := map[uint64]uint32{}
	for i := range uint64(10_000) {
		for _, id := range []uint64{i, i * i, 1<<40 + i} {
			n.put(id, uint32(i))
			want[id] = uint32(i)
		}
	}
	for id, v := range want {
		if got, known := n.get(id); !known || got != v {
			t.Fatalf("%d has %d, %v, not %d", id, got, known, v)
		}
	}
	if v, known := n.get(1 << 50); known {
		t.Errorf("has %d without having been told", v)
	}
}
