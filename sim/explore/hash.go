package explore

import (
	"encoding/binary"

	"parley/core/raft"
)

// key tells states apart: 128 bits, so that among a thousand million states two fall together with
// a probability of one in 10^21.
type key [2]uint64

// hash makes a key of numbers, the same in every process.
type hash struct{ key }

func newHash() hash { return hash{key{0x243f6a8885a308d3, 0x13198a2e03707344}} }

func (h *hash) add(v uint64) {
	h.key[0] = mix(h.key[0]*0x9e3779b97f4a7c15 + v)
	h.key[1] = mix(h.key[1]*0xd1342543de82ef95 ^ (v + 0x452821e638d01377))
}

func (h *hash) text(s string) {
	h.add(uint64(len(s)))
	for i := range len(s) {
		h.add(uint64(s[i]))
	}
}

func (h *hash) chain(c raft.Chain) {
	h.add(binary.BigEndian.Uint64(c[:8]))
	h.add(binary.BigEndian.Uint64(c[8:]))
}

// entries go by their chains, which cover all else.
func (h *hash) entries(list []raft.Entry) {
	h.add(uint64(len(list)))
	for i := range list {
		h.chain(list[i].Chain)
	}
}

// mix is the finalizer of splitmix64.
func mix(z uint64) uint64 {
	z = (z ^ z>>30) * 0xbf58476d1ce4e5b9
	z = (z ^ z>>27) * 0x94d049bb133111eb
	return z ^ z>>31
}
