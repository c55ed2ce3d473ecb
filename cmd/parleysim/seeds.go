package main

import (
	"iter"
	"strconv"
	"strings"
)

// seedSet is a list of seeds and ranges of them: "7", "0-299", "1-5,9".
type seedSet []seedRange

type seedRange struct{ from, to uint64 }

func parseSeeds(text string) (seedSet, error) {
	var set seedSet
	for part := range strings.SplitSeq(text, ",") {
		a, b, isRange := strings.Cut(part, "-")
		if !isRange {
			b = a
		}
		from, errA := strconv.ParseUint(a, 10, 64)
		to, errB := strconv.ParseUint(b, 10, 64)
		if errA != nil || errB != nil || to < from {
			return nil, usage("--seeds=%s: want a seed, a range or several, such as 7 or 0-299 or 1-5,9", text)
		}
		set = append(set, seedRange{from, to})
	}
	return set, nil
}

func (s seedSet) count() uint64 {
	var n uint64
	for _, r := range s {
		n += r.to - r.from + 1
	}
	return n
}

func (s seedSet) all() iter.Seq[uint64] {
	return func(yield func(uint64) bool) {
		for _, r := range s {
			for seed := r.from; ; seed++ {
				if !yield(seed) {
					return
				}
				if seed == r.to {
					break // before it wraps around
				}
			}
		}
	}
}
