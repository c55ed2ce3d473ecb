package raft

import (
	"math/bits"
	"time"
)

// random is splitmix64 (Steele, Lea, Flood: Fast Splittable Pseudorandom Number Generators, 2014).
// It is state of the Machine like any other: cloned, hashed, and never shared by two servers.
// Equal generators mean equal deadlines, and those mean split votes without end
// (https://github.com/etcd-io/etcd/issues/15784).
type random uint64

func newRandom(seed uint64, id ID) random { return random(seed ^ mix(uint64(id))) }

func (r *random) next() uint64 {
	*r += 0x9e3779b97f4a7c15
	return mix(uint64(*r))
}

// below draws from [0, d), or 0 if there is nothing to draw from.
func (r *random) below(d time.Duration) time.Duration {
	if d <= 0 {
		return 0
	}
	hi, _ := bits.Mul64(r.next(), uint64(d))
	return time.Duration(hi)
}

func mix(z uint64) uint64 {
	z = (z ^ z>>30) * 0xbf58476d1ce4e5b9
	z = (z ^ z>>27) * 0x94d049bb133111eb
	return z ^ z>>31
}
