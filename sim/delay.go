package sim

import (
	"fmt"
	"math/bits"
	"time"
)

// Delays say how long a link takes.
type Delays struct {
	Min   Span  `json:"min"`
	Max   Span  `json:"max"`
	Shape Shape `json:"shape,omitempty"`
}

// Shape says how delays spread between the least and the greatest.
type Shape string

// The shapes.
const (
	Uniform     Shape = ""            // anything between, which reorders
	Constant    Shape = "constant"    // always the greatest: nothing is ever overtaken
	Exponential Shape = "exponential" // half of them within a sixth of the way, one in fifty beyond the greatest
	TwoMode     Shape = "two-mode"    // mostly near the least; one in sixteen far beyond the greatest
)

func shapes() []Shape { return []Shape{Uniform, Constant, Exponential, TwoMode} }

func (d *Delays) check() error {
	known := false
	for _, s := range shapes() {
		known = known || s == d.Shape
	}
	switch {
	case !known:
		return fmt.Errorf("there is no shape of delays %q; there are %q", d.Shape, shapes())
	case d.Min > d.Max:
		return fmt.Errorf("a packet takes %v to %v", d.Min, d.Max)
	}
	return nil
}

// draw gives one delay.
func (d *Delays) draw(r *roll) time.Duration {
	least, most := time.Duration(d.Min), time.Duration(d.Max)
	switch d.Shape {
	case Constant:
		return most
	case Exponential:
		return least + exponential(r.next(), (most-least)/4)
	case TwoMode:
		if r.upTo(16) == 0 {
			return r.between(most, 12*most)
		}
		return r.between(least, least+(most-least)/8)
	}
	return r.between(least, most)
}

// exponential turns 64 random bits into an exponentially distributed length of this mean, without a
// floating point number: leading zeros give -log2 of the bits as a fraction of one, what follows the
// first one its fraction, on a straight line. 45,426 is ln 2 in parts of 65,536.
func exponential(x uint64, mean time.Duration) time.Duration {
	zeros := bits.LeadingZeros64(x | 1)
	fraction := (x << zeros << 1) >> 48
	log2 := uint64(zeros+1)<<16 - fraction
	return time.Duration(log2 * 45_426 >> 16 * uint64(mean) >> 16)
}
