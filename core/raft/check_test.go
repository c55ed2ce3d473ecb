package raft

import (
	"strings"
	"testing"
	"time"
)

// A check that cannot fail checks nothing: each kind of damage, planted, is found by name.
func TestCheckFindsDamage(t *testing.T) {
	for want, plant := range map[string]func(m *Machine){
		"compact":                   func(m *Machine) { m.log.compact.Index = m.applied + 1 },
		"beyond commit":             func(m *Machine) { m.applied, m.disk.saved = m.hard.Commit+1, m.hard.Commit+1 },
		"beyond saved":              func(m *Machine) { m.disk.saved = m.applied - 1 },
		"beyond last":               func(m *Machine) { m.hard.Commit = m.log.last.Index + 1 },
		"beyond written":            func(m *Machine) { m.disk.written = m.disk.saved - 1 },
		"beyond the end":            func(m *Machine) { m.disk.end = m.disk.written - 1 },
		"verified":                  func(m *Machine) { m.following.verified = m.log.last.Index + 1 },
		"applied went back":         func(m *Machine) { m.applied-- },
		"commit went back":          func(m *Machine) { m.hard.Commit--; m.applied--; m.seen.applied-- },
		"term went back":            func(m *Machine) { m.hard.Term-- },
		"the last entry has term":   func(m *Machine) { m.log.last.Term = m.hard.Term + 1 },
		"is on disk":                func(m *Machine) { m.disk.hard.Term = m.hard.Term + 1 },
		"leads with vote":           func(m *Machine) { m.hard.Vote = 2 },
		"saved in term":             func(m *Machine) { m.disk.hard.Vote = 2 },
		"stands":                    func(m *Machine) { m.role, m.leader, m.hard.Vote = Candidate, 0, 2 },
		"takes n2 for the leader":   func(m *Machine) { m.leader = 2 },
		"takes itself":              func(m *Machine) { m.role = Follower },
		"voted for n1, then for n2": func(m *Machine) { m.role, m.leader, m.hard.Vote = Follower, 2, 2 },
		"followed n1, then n2":      func(m *Machine) { m.role, m.leader, m.termLeader = Follower, 2, 2 },
		"led, then became":          func(m *Machine) { m.role, m.leader = Candidate, 0 },
		"shrank":                    func(m *Machine) { m.log.cut(5); m.disk.written, m.disk.saved = 4, 4 },
		"is never":                  func(m *Machine) { m.role, m.leader, m.election.at = Follower, 0, never },
		"n2 matches up to":          func(m *Machine) { m.leading.peers[0].match = m.log.last.Index + 1 },
		"n2 is next sent":           func(m *Machine) { m.leading.peers[0].next = m.leading.peers[0].match },
		"but the last entry":        func(m *Machine) { m.leading.peers[0].next = m.log.last.Index + 2 },
		"match of n3 went back":     func(m *Machine) { m.leading.peers[1].match-- },
		"echoed round":              func(m *Machine) { m.leading.peers[0].echo = m.leading.round + 1 },
		"was committed":             func(m *Machine) { m.seen.checked, m.seen.last = 2, m.log.at(3).mark() },
		"does not continue":         func(m *Machine) { m.seen.any = false; m.log.at(3).Chain[0]++ },
		"cluster time goes back":    func(m *Machine) { m.seen.any = false; m.log.at(3).Time = -1 },
		"term goes back":            func(m *Machine) { m.seen.any = false; m.log.at(5).Term = 0 },
		"follows entry":             func(m *Machine) { m.seen.any = false; m.log.at(3).Index++ },
		"but the last entry is 5/1": func(m *Machine) { m.seen.any = false; m.log.last.Chain[0]++ },
	} {
		c := newTrio(t).lead(3)
		c.step(0, Propose{[][]byte{nil}}, 0) // 5 is saved, and not committed
		m := c.machines[0]
		if err := m.Check(); err != nil {
			t.Fatal(err)
		}
		plant(m)
		if err := m.Check(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %q", err, want)
		}
	}
}

// trio is three machines with instant wires and disks.
type trio struct {
	t        testing.TB
	machines [3]*Machine
	outs     [3]Output
	msgs     []Message
	applied  [3]Index
}

func newTrio(t testing.TB) *trio {
	c := &trio{t: t}
	for i := range c.machines {
		m, err := New(Config{ID: ID(i + 1), Voters: []ID{1, 2, 3}, Seed: uint64(i)}, Recovered{}, 0)
		if err != nil {
			t.Fatal(err)
		}
		c.machines[i] = m
	}
	return c
}

// lead makes n1 the leader, with k commands committed by all.
func (c *trio) lead(k int) *trio {
	c.step(0, Tick{}, c.machines[0].Deadline())
	c.settle()
	for range k {
		c.step(0, Propose{[][]byte{[]byte("x")}}, 0)
		c.settle()
	}
	if s := c.machines[0].Status(); s.Role.Kind != Leader || int(s.Commit) != k+1 {
		c.t.Fatalf("no leader: %+v", s)
	}
	return c
}

func (c *trio) step(i int, in Input, now time.Duration) {
	out := &c.outs[i]
	c.machines[i].Step(now, in, out)
	c.msgs = append(c.msgs, out.Sends...)
	for j := range out.Committed {
		c.applied[i] = out.Committed[j].Index
	}
	seq := out.Save.Seq
	out.Reset()
	if seq != 0 {
		c.step(i, Saved{seq}, now)
	}
}

func (c *trio) settle() {
	for n := 0; n < len(c.msgs); n++ {
		c.step(int(c.msgs[n].To-1), Received{&c.msgs[n]}, 0)
	}
	c.msgs = c.msgs[:0]
}
