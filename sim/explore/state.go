package explore

import "slices"

// state is the world at one moment, in numbers: what was (the ghost), what is left of the bounds, the
// nodes, and what is on its way. Two states are the same if these are.
//
//	[0]      the ghost
//	[1…3]    what is left of the bounds, a byte each
//	[4…4+n)  the nodes
//	[4+n…]   messages: sorted, or with Streams by link and in their order
type state []uint32

const (
	leftAt  = 1
	nodesAt = 4
)

func (s state) left(what int) int { return int(s[leftAt+what/4] >> (what % 4 * 8) & 0xff) }

func (s state) spend(what int) { s[leftAt+what/4] -= 1 << (what % 4 * 8) }

func (s state) node(i int) uint32 { return s[nodesAt+i] }

func (s state) net(nodes int) []uint32 { return s[nodesAt+nodes:] }

func (s state) key() key {
	h := newHash()
	for i := 0; i < len(s); i += 2 {
		v := uint64(s[i])
		if i+1 < len(s) {
			v |= uint64(s[i+1]+1) << 32
		}
		h.add(v)
	}
	return h.key
}

// add puts a message on its way.
func (x *explorer) add(s state, id uint32) state {
	from := nodesAt + len(x.voters)
	at := len(s)
	for at > from && x.after(s[at-1], id) {
		at--
	}
	return slices.Insert(s, at, id)
}

func (x *explorer) after(a, b uint32) bool {
	if x.scope.Streams {
		return x.messages[a].link > x.messages[b].link
	}
	return a > b
}

// remove takes one message out: of a stream the first, as it is found first.
func (x *explorer) remove(s state, id uint32) state {
	from := nodesAt + len(x.voters)
	at := from + slices.Index(s[from:], id)
	return slices.Delete(s, at, at+1)
}

// visited is the set of states met so far, each with how it was met first. States are numbered in the
// order in which they are met.
type visited struct {
	keys   []key
	parent []uint32
	by     []choice
	table  []uint32 // number+1, by key; 0: free
}

// bytesPerState is what visited needs, while its table grows; what is known of the frontier comes on top.
func (v *visited) insert(k key, parent uint32, by choice) bool {
	if 2*len(v.keys) >= len(v.table) {
		v.grow()
	}
	mask := uint64(len(v.table) - 1)
	at := k[0] & mask
	for ; v.table[at] != 0; at = (at + 1) & mask {
		if v.keys[v.table[at]-1] == k {
			return false
		}
	}
	v.keys = append(v.keys, k)
	v.parent = append(v.parent, parent)
	v.by = append(v.by, by)
	v.table[at] = uint32(len(v.keys))
	return true
}

func (v *visited) grow() {
	v.table = make([]uint32, max(1<<16, 2*len(v.table)))
	mask := uint64(len(v.table) - 1)
	for i, k := range v.keys {
		at := k[0] & mask
		for v.table[at] != 0 {
			at = (at + 1) & mask
		}
		v.table[at] = uint32(i + 1)
	}
}
