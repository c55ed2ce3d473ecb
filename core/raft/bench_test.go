package raft

import (
	"fmt"
	"testing"
)

// One proposal through three machines: appended, sent, saved and acknowledged, committed, told and
// handed out by all three. size is the data of an entry, batch how many one Propose takes.
func BenchmarkReplicate(b *testing.B) {
	for _, batch := range []int{1, 16, 256} {
		b.Run(fmt.Sprintf("256B/batch=%d", batch), func(b *testing.B) {
			c := newTrio(b).lead(1)
			data := make([][]byte, batch)
			for i := range data {
				data[i] = make([]byte, 256)
			}
			in := Propose{data}
			var to Index
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				c.step(0, in, 0)
				c.settle()
				if to += Index(batch); i%64 == 63 {
					for j := range c.machines {
						c.step(j, Compact{min(to, c.applied[j])}, 0)
					}
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*batch), "ns/entry")
			if int(c.applied[2]) < b.N*batch {
				b.Fatalf("n3 applied %d of %d", c.applied[2], b.N*batch)
			}
		})
	}
}

// A linearizable read on the leader, a round of its own each.
func BenchmarkRead(b *testing.B) {
	c := newTrio(b).lead(1)
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		c.step(0, Read{uint64(i)}, 0)
		c.settle()
	}
}

func BenchmarkChainNext(b *testing.B) {
	e := Entry{Data: make([]byte, 256)}
	b.ReportAllocs()
	for b.Loop() {
		e.Chain = ChainNext(e.Chain, &e)
	}
}

func BenchmarkElection(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		newTrio(b).lead(0)
	}
}
