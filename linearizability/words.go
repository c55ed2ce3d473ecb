package linearizability

import (
	"hash/maphash"
	"strings"
)

// words numbers strings, each kept once, one behind the other in large pieces. Number 0 is the
// empty one.
type words struct {
	list  blocks[string]
	slots []wordSlot // open addressing; a power of two
	piece strings.Builder
}

// A wordSlot is free if its number, counted from 1, is 0. The tag is part of the word's hash: to
// compare tags is cheaper than to fetch words.
type wordSlot struct{ tag, number uint32 }

func newWords() *words {
	w := &words{slots: make([]wordSlot, 1<<8)}
	w.list.add("")
	return w
}

// at is the word with a number.
func (w *words) at(no uint32) string { return *w.list.at(int(no)) }

func (w *words) len() int { return w.list.len() }

func (w *words) number(s string) uint32 {
	if s == "" {
		return 0
	}
	h := maphash.String(seed, s)
	tag, mask := uint32(h>>32), uint64(len(w.slots)-1)
	for i := h & mask; ; i = (i + 1) & mask {
		switch slot := w.slots[i]; {
		case slot.number == 0:
			return w.add(int(i), tag, w.keep(s))
		case slot.tag == tag && w.at(slot.number-1) == s:
			return slot.number - 1
		}
	}
}

// numberOf is number without a string for a word that is known.
func (w *words) numberOf(b []byte) uint32 {
	if len(b) == 0 {
		return 0
	}
	h := maphash.Bytes(seed, b)
	tag, mask := uint32(h>>32), uint64(len(w.slots)-1)
	for i := h & mask; ; i = (i + 1) & mask {
		switch slot := w.slots[i]; {
		case slot.number == 0:
			return w.add(int(i), tag, w.keep(string(b)))
		case slot.tag == tag && w.at(slot.number-1) == string(b):
			return slot.number - 1
		}
	}
}

func (w *words) add(at int, tag uint32, s string) uint32 {
	w.list.add(s)
	w.slots[at] = wordSlot{tag, uint32(w.list.len())}
	if w.list.len() > len(w.slots)/4*3 {
		w.grow()
	}
	return uint32(w.list.len() - 1)
}

// keep copies a word into the piece that is being filled.
func (w *words) keep(s string) string {
	const most = 1 << 16
	if len(s) > most/16 {
		return strings.Clone(s)
	}
	if w.piece.Cap()-w.piece.Len() < len(s) {
		size := max(w.piece.Cap(), 1<<10)
		w.piece = strings.Builder{}
		w.piece.Grow(min(2*size, most))
	}
	from := w.piece.Len()
	w.piece.WriteString(s)
	return w.piece.String()[from:]
}

func (w *words) grow() {
	slots := make([]wordSlot, 2*len(w.slots))
	mask := uint64(len(slots) - 1)
	for _, slot := range w.slots {
		if slot.number == 0 {
			continue
		}
		i := maphash.String(seed, w.at(slot.number-1)) & mask
		for slots[i].number != 0 {
			i = (i + 1) & mask
		}
		slots[i].tag, slots[i].number = slot.tag, slot.number
	}
	w.slots = slots
}

// done lets go of what only serves to find words.
func (w *words) done() { w.slots = nil }
