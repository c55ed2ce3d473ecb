package linearizability

import (
	"hash/maphash"
	"strings"
)

// words numbers strings, each kept once. Number 0 is the empty one.
type words struct {
	list  []string
	slots []uint32 // open addressing; number + 1, or 0
}

func newWords() *words { return &words{list: []string{""}, slots: make([]uint32, 1<<10)} }

func (w *words) number(s string) uint32 {
	if s == "" {
		return 0
	}
	return w.slot(maphash.String(seeds[0], s), func(known string) bool { return known == s }, func() string { return strings.Clone(s) })
}

func (w *words) numberOf(b []byte) uint32 {
	if len(b) == 0 {
		return 0
	}
	return w.slot(maphash.Bytes(seeds[0], b), func(known string) bool { return known == string(b) }, func() string { return string(b) })
}

func (w *words) slot(h uint64, same func(string) bool, make func() string) uint32 {
	mask := uint64(len(w.slots) - 1)
	for i := h & mask; ; i = (i + 1) & mask {
		switch n := w.slots[i]; {
		case n == 0:
			w.list = append(w.list, make())
			w.slots[i] = uint32(len(w.list))
			if 2*len(w.list) > len(w.slots) {
				w.grow()
			}
			return uint32(len(w.list) - 1)
		case same(w.list[n-1]):
			return n - 1
		}
	}
}

func (w *words) grow() {
	slots := make([]uint32, 2*len(w.slots))
	mask := uint64(len(slots) - 1)
	for n, s := range w.list[1:] {
		i := maphash.String(seeds[0], s) & mask
		for slots[i] != 0 {
			i = (i + 1) & mask
		}
		slots[i] = uint32(n) + 2
	}
	w.slots = slots
}

// A numbering keeps a small number for each large one, cheaply if the large ones are dense.
type numbering struct {
	dense []uint32
	far   map[uint64]uint32
	count int
}

func (n *numbering) get(id uint64) (uint32, bool) {
	if id < uint64(len(n.dense)) && n.dense[id] != 0 {
		return n.dense[id] - 1, true
	}
	v, ok := n.far[id]
	return v, ok
}

// put notes a number that is not there yet.
func (n *numbering) put(id uint64, v uint32) {
	n.count++
	if id >= 1024+2*uint64(n.count) {
		if n.far == nil {
			n.far = map[uint64]uint32{}
		}
		n.far[id] = v
		return
	}
	for uint64(len(n.dense)) <= id {
		n.dense = append(n.dense, 0)
	}
	n.dense[id] = v + 1
}
