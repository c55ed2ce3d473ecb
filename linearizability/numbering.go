package linearizability

// A numbering keeps a small number for each large one, cheaply if the large ones are dense.
type numbering struct {
	dense blocks[uint32] // number + 1, or 0
	far   map[uint64]uint32
	count int
}

func (n *numbering) get(id uint64) (uint32, bool) {
	if id < uint64(n.dense.n) {
		if v := *n.dense.at(int(id)); v != 0 {
			return v - 1, true
		}
	}
	if n.far == nil {
		return 0, false
	}
	v, ok := n.far[id]
	return v, ok
}

// put notes a number, in place of what was noted before.
func (n *numbering) put(id uint64, v uint32) {
	if id < uint64(n.dense.n) {
		*n.dense.at(int(id)) = v + 1
		return
	}
	n.count++
	if id >= 1024+2*uint64(n.count) {
		if n.far == nil {
			n.far = map[uint64]uint32{}
		}
		n.far[id] = v
		return
	}
	for uint64(n.dense.n) < id {
		n.dense.add(0)
	}
	n.dense.add(v + 1)
}
