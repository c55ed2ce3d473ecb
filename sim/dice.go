package sim

import (
	"math/bits"
	"time"
)

// Dice is randomness with an address: there is no generator to draw from, only a function of who
// asks, what for and for the how-manieth time. Taking one fault out of a plan leaves every other
// draw where it was; what changes is what the fault caused.
type Dice uint64

// domain keeps draws for different purposes apart.
type domain uint64

const (
	diceTie domain = iota + 1
	dicePlan
	diceLink
	diceDisk
	diceLife
	diceClock
	diceStream
	diceShell
	diceOp
)

// draw is a 64-bit hash of its arguments (the finalizer of splitmix64, chained).
func (d Dice) draw(dom domain, actor, ordinal uint64) uint64 {
	x := mix(uint64(d) ^ mix(uint64(dom)+0x9e3779b97f4a7c15))
	return mix(mix(x+actor) + ordinal)
}

func mix(x uint64) uint64 {
	x += 0x9e3779b97f4a7c15
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}

// roll is a row of draws for one purpose.
type roll struct {
	dice    Dice
	dom     domain
	actor   uint64
	ordinal uint64
}

func (d Dice) roll(dom domain, actor uint64) *roll { return &roll{dice: d, dom: dom, actor: actor} }

func (r *roll) next() uint64 {
	r.ordinal++
	return r.dice.draw(r.dom, r.actor, r.ordinal)
}

// upTo gives 0 … n-1.
func (r *roll) upTo(n int) int { return int(r.next() % uint64(n)) }

// between gives lo … hi.
func (r *roll) between(lo, hi time.Duration) time.Duration {
	return lo + time.Duration(r.next()%uint64(hi-lo+1))
}

// logUpTo gives 1 … n; small numbers are as likely as large ones.
func (r *roll) logUpTo(n int) int {
	top := 1 << r.upTo(bits.Len(uint(n)))
	return min(n, top+r.upTo(top))
}

// ppm is true so many times in a million.
func (r *roll) ppm(n uint32) bool { return r.next()%1_000_000 < uint64(n) }

// hashText makes a seed of any text; a number is itself.
func hashText(s string) uint64 {
	h := uint64(14695981039346656037)
	for i := 0; i < len(s); i++ {
		h = (h ^ uint64(s[i])) * 1099511628211
	}
	return mix(h)
}
