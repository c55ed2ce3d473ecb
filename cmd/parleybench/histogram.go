package main

import (
	"math/bits"
	"time"
)

// histogram counts durations in buckets whose width is 1/32 of what they hold, so what it tells is
// within 3 %.
type histogram struct {
	count   uint64
	max     time.Duration
	buckets [64 * 32]uint32
}

func (h *histogram) add(d time.Duration) {
	h.count++
	h.max = max(h.max, d)
	h.buckets[bucketOf(uint64(max(d, 0)))]++
}

// bucketOf keeps the five bits below the highest.
func bucketOf(n uint64) int {
	if n < 32 {
		return int(n)
	}
	e := bits.Len64(n) - 6
	return (e+1)*32 + int(n>>e)&31
}

// bucketEnd is the largest duration in a bucket.
func bucketEnd(b int) time.Duration {
	if b < 32 {
		return time.Duration(b)
	}
	e := b/32 - 1
	return time.Duration((uint64(b%32)+33)<<e - 1)
}

func (h *histogram) merge(o *histogram) {
	h.count += o.count
	h.max = max(h.max, o.max)
	for i, n := range o.buckets {
		h.buckets[i] += n
	}
}

// quantile is the duration that a share q of all do not exceed.
func (h *histogram) quantile(q float64) time.Duration {
	rank, seen := uint64(q*float64(h.count)), uint64(0)
	for i, n := range h.buckets {
		if seen += uint64(n); n > 0 && seen > rank {
			return min(bucketEnd(i), h.max)
		}
	}
	return h.max
}
