package linearizability

import "hash/maphash"

// A key stands for a state or a configuration: 128 bits, so that two that differ have the same one
// about once in 10¹⁹ searches of a billion configurations. It is built up as things change; parts
// without an order are joined by xor.
type key struct{ a, b uint64 }

// seed and salt differ from run to run, so that nobody can prepare a file that collides.
var (
	seed = maphash.MakeSeed()
	salt = key{maphash.String(seed, "a"), maphash.String(seed, "b")}
)

func (k key) xor(o key) key { return key{k.a ^ o.a, k.b ^ o.b} }

// with is the key of k followed by v.
func (k key) with(v uint64) key { return k.withKey(key{v, v}) }

func (k key) withKey(v key) key {
	return key{mix(k.a, v.a), mix(k.b^0x2545f4914f6cdd1d, v.b)}
}

func mix(h, v uint64) uint64 {
	h ^= v + 0x9e3779b97f4a7c15
	h *= 0xbf58476d1ce4e5b9
	h ^= h >> 29
	h *= 0x94d049bb133111eb
	return h ^ h>>32
}

// A keySet holds keys by open addressing: 16 bytes for a key, at most four thirds of that for the
// room between. The zero keySet is empty.
type keySet struct {
	slots []key // a power of two; the zero key is a free slot
	n     int
}

func (s *keySet) has(k key) bool {
	return len(s.slots) > 0 && s.slots[s.slot(k)] == taken(k)
}

func (s *keySet) add(k key) {
	if s.n >= len(s.slots)/4*3 {
		s.grow()
	}
	if at := s.slot(k); s.slots[at] == (key{}) {
		s.slots[at] = taken(k)
		s.n++
	}
}

// slot is where k is, or would be.
func (s *keySet) slot(k key) int {
	k, mask := taken(k), len(s.slots)-1
	at := int(k.a) & mask
	for s.slots[at] != k && s.slots[at] != (key{}) {
		at = (at + 1) & mask
	}
	return at
}

func (s *keySet) grow() {
	old := s.slots
	s.slots, s.n = make([]key, max(64, 2*len(old))), 0
	for _, k := range old {
		if k != (key{}) {
			s.add(k)
		}
	}
}

// clear empties the set, and lets go of more memory than a usual search needs.
func (s *keySet) clear() {
	const usual = 1 << 12
	if len(s.slots) > usual {
		s.slots = nil
	}
	clear(s.slots)
	s.n = 0
}

// taken is the key as it stands in a slot, where zero means free.
func taken(k key) key {
	if k == (key{}) {
		k.b = 1
	}
	return k
}
