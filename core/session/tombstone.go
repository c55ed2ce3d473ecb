package session

import (
	"fmt"
	"slices"
)

// A tombstone is a session that can be asked what it was answered, and nothing else: a device that
// was closed, or a first contact that was refused. It stays for TombstoneNs of cluster time, no
// matter how many there are. The bound is kept at the other end: who would make one too many is
// turned away at the leader's door.

// grave says when a tombstone's time began.
type grave struct {
	ended  int64
	device DeviceID
}

// graveyard lists tombstones of one pool in the order of compareGraves.
type graveyard []grave

// Room says how many more closed devices and refused first contacts there is room for, never less
// than 0. What is in the log already may exceed the limits by a little.
func (t *Table) Room() (closed, refused int) {
	return max(0, MaxClosed-len(t.closed)), max(0, MaxRefused-len(t.refused))
}

func (t *Table) graves(s state) *graveyard {
	switch s {
	case closed:
		return &t.closed
	case refused:
		return &t.refused
	}
	return nil
}

// bury makes a tombstone of an open session. Cluster time does not go back, so the place is at or
// near the end.
func (t *Table) bury(s *session, as state, now int64) {
	s.state, s.ended = as, now
	g, at := t.graves(as), grave{now, s.device}
	i, _ := slices.BinarySearchFunc(*g, at, compareGraves)
	*g = slices.Insert(*g, i, at)
}

func (t *Table) checkGraves(of state) error {
	g := *t.graves(of)
	n := 0
	for i := range t.sessions {
		if t.sessions[i].state == of {
			n++
		}
	}
	if n != len(g) {
		return fmt.Errorf("%d tombstones of state %d, %d listed", n, of, len(g))
	}
	for i, at := range g {
		s := t.find(at.device)
		if s == nil || s.state != of || s.ended != at.ended {
			return fmt.Errorf("tombstone %x of state %d is not listed as it is", at.device, of)
		}
		if i > 0 && compareGraves(g[i-1], at) >= 0 {
			return fmt.Errorf("tombstone %x of state %d is out of order", at.device, of)
		}
	}
	return nil
}
