package sim

import (
	"fmt"
	"strings"
)

// checker numbers the checkers, so that each can count how often it has looked: one that never looks is
// blind, and a sweep that does not see this is worth nothing.
type checker int

const (
	ofOrder checker = iota
	ofRaft
	ofCompleteness
	ofDurableAck
	ofConfiguration
	ofDigest
	ofExactlyOnce
	ofFeed
	ofFreshness
	ofSnapshots
	ofReplay
	ofPosition
	ofIncarnation
	ofHalt
	ofInvariant
	ofLiveness
	ofChatter
	ofHistory
	checkerCount
)

// checkerNames are the names under which checkers fail.
var checkerNames = [checkerCount]string{"order", "raft", "completeness", "durable-ack", "configuration", "digest", "exactly-once",
	"feed", "freshness", "snapshots", "replay", "position", "incarnation", "halt", "invariant", "liveness", "chatter", "history"}

func (c checker) String() string { return checkerNames[c] }

// Evaluations counts how often each checker has looked.
type Evaluations [checkerCount]uint64

func (e *Evaluations) add(o *Evaluations) {
	for i := range e {
		e[i] += o[i]
	}
}

// Of is how often the checker of that name has looked.
func (e *Evaluations) Of(name string) uint64 {
	for i, n := range checkerNames {
		if n == name {
			return e[i]
		}
	}
	return 0
}

func (e *Evaluations) String() string {
	var parts []string
	for i, n := range e {
		parts = append(parts, fmt.Sprintf("%s %d", checkerNames[i], n))
	}
	return strings.Join(parts, ", ")
}

// looked counts an evaluation.
func (k *checks) looked(c checker) { k.w.stats.Checks[c]++ }

func (k *checks) fail(c checker, format string, args ...any) {
	k.w.fail(checkerNames[c], format, args...)
}
