package sim

import (
	"slices"
	"testing"
	"time"
)

// How fast worlds go by, all checkers on: events a second, and milliseconds for a seed in the median.
//
//	GOMAXPROCS=1 go test ./sim -run '^$' -bench Seeds -benchtime 1x
func BenchmarkSeeds(b *testing.B) {
	for _, c := range []struct {
		profile Profile
		seeds   uint64
	}{{Lite, 100}, {Std, 20}} {
		b.Run(string(c.profile), func(b *testing.B) {
			var events uint64
			var took []time.Duration
			for b.Loop() {
				for seed := range c.seeds {
					start := time.Now()
					r := Run(Generate(seed+1, c.profile))
					took = append(took, time.Since(start))
					if r.Failure != nil {
						b.Fatalf("seed %d: %v", seed+1, r.Failure)
					}
					events += r.Stats.Events
				}
			}
			slices.Sort(took)
			b.ReportMetric(float64(events)/b.Elapsed().Seconds(), "events/s")
			b.ReportMetric(float64(took[len(took)/2].Microseconds())/1000, "ms/seed")
		})
	}
}
