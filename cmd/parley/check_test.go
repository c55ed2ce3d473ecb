package main

import (
	"runtime/debug"
	"testing"
)

// What the collector is told for one file it forgets before the next.
func TestSpare(t *testing.T) {
	t.Setenv("GOMEMLIMIT", "")
	t.Setenv("GOGC", "")
	before := debug.SetMemoryLimit(-1)
	end := spare(600 << 20)
	if limit := debug.SetMemoryLimit(-1); limit != 525<<20 {
		t.Errorf("limit %d", limit)
	}
	end()
	spare(0)()
	if limit := debug.SetMemoryLimit(-1); limit != before {
		t.Errorf("limit %d, before %d", limit, before)
	}
}
