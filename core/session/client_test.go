package session

import (
	"flag"
	"testing"
)

var (
	seedFlag  = flag.Uint64("seed", 0, "play only this seed, and tell its story")
	seedsFlag = flag.Uint64("seeds", 3000, "how many worlds to play")
)

func play(seed uint64, tell bool, plant func(*world)) (*world, error) {
	w := newWorld(seed, NewTable())
	if tell {
		w.story = []string{}
	}
	if plant != nil {
		plant(w)
	}
	return w, w.run(30)
}

// Whatever the network, the servers and the client's own machine do: each command takes effect
// exactly once or is reported, in order.
func TestExactlyOnce(t *testing.T) {
	if *seedFlag != 0 {
		w, err := play(*seedFlag, true, nil)
		for _, line := range w.story {
			t.Log(line)
		}
		if err != nil {
			t.Fatal(err)
		}
		return
	}
	failed := 0
	for seed := range *seedsFlag {
		if _, err := play(seed+1, false, nil); err != nil {
			t.Errorf("-seed=%d: %v", seed+1, err)
			if failed++; failed == 5 {
				t.FailNow()
			}
		}
	}
}
