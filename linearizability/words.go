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

	// recent has, by hash, numbers of words that came lately: a table for a million is far away.
	recent []uint32
}

const recentWords = 1 << 14

// A wordSlot is free if its number, counted from 1, is 0. The tag is the word's hash, for to compare
// tags is cheaper than to fetch words.
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
	tag := uint32(maphash.String(seed, s))
	at, no := w.find(tag, func(known string) bool { return known == s })
	if no == 0 {
		no = w.add(at, tag, w.keep(s))
	}
	return no
}

// numberOf is number without a string for a word that is known.
func (w *words) numberOf(b []byte) uint32 {
	if len(b) == 0 {
		return 0
	}
	tag := uint32(maphash.Bytes(seed, b))
	if w.recent != nil {
		if no := w.recent[tag%recentWords]; w.at(no) == string(b) {
			return no
		}
	}
	at, no := w.find(tag, func(known string) bool { return known == string(b) })
	if no == 0 {
		no = w.add(at, tag, w.keep(string(b)))
	}
	if w.recent != nil {
		w.recent[tag%recentWords] = no
	}
	return no
}

// find returns a word's number, or 0 and where it should stand.
func (w *words) find(tag uint32, same func(string) bool) (at, no uint32) {
	mask := uint32(len(w.slots) - 1)
	for i := tag & mask; ; i = (i + 1) & mask {
		switch slot := w.slots[i]; {
		case slot.number == 0:
			return i, 0
		case slot.tag == tag && same(w.at(slot.number-1)):
			return i, slot.number - 1
		}
	}
}

func (w *words) add(at, tag uint32, s string) uint32 {
	w.list.add(s)
	w.slots[at] = wordSlot{tag, uint32(w.list.len())}
	if w.list.len() > len(w.slots)/4*3 {
		w.grow()
	}
	return uint32(w.list.len() - 1)
}

func (w *words) grow() {
	slots := make([]wordSlot, 2*len(w.slots))
	mask := uint32(len(slots) - 1)
	for _, slot := range w.slots {
		if slot.number == 0 {
			continue
		}
		i := slot.tag & mask
		for slots[i].number != 0 {
			i = (i + 1) & mask
		}
		slots[i] = slot
	}
	w.slots = slots
	if w.recent == nil && len(slots) > recentWords {
		w.recent = make([]uint32, recentWords)
	}
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

// done lets go of what only serves to find words.
func (w *words) done() { w.slots, w.recent = nil, nil }
