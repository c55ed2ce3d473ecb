package raft

import (
	"fmt"
	"slices"
	"testing"
	"time"
)

// calm is a world without accidents, on a local network with disks like those we measured slow.
func calm(seed uint64, n int) *world {
	w := newWorld(seed, n)
	w.rand, w.calm = random(mix(seed)), true
	w.delay, w.fsync = time.Millisecond, 12*time.Millisecond
	for _, node := range w.nodes {
		w.start(node)
	}
	w.run(time.Second)
	return w
}

// After kill -9 the connections break at once, and the lowest id left takes over in less than a
// tenth of a second; without that news, after the election timeout.
func TestFailover(t *testing.T) {
	for _, c := range []struct {
		name         string
		hints        bool
		median, most time.Duration
	}{
		{"reset", true, 100 * time.Millisecond, 300 * time.Millisecond},
		{"silence", false, 350 * time.Millisecond, 800 * time.Millisecond},
	} {
		const runs = 60
		var took []time.Duration
		lowest := 0
		for seed := uint64(1); seed <= runs; seed++ {
			w := calm(seed, []int{3, 5}[seed%2])
			old := w.leader()
			if old == nil {
				t.Fatalf("seed %d: no leader after a second", seed)
			}
			w.crash(old)
			w.events = slices.DeleteFunc(w.events, func(e event) bool { _, ok := e.in.(PeerDown); return ok })
			began, committed := w.now, w.committed()
			if c.hints {
				for i, n := range w.nodes {
					w.at(time.Duration(1+i)*time.Millisecond, event{node: n, life: n.life, in: PeerDown{old.id}})
				}
			}
			heapOrder(w)
			for w.committed() == committed && w.now < began+5*time.Second {
				w.run(w.now + time.Millisecond)
			}
			if w.fail != nil {
				t.Fatal(w.fail)
			}
			took = append(took, w.now-began)
			first := w.nodes[0]
			if first == old {
				first = w.nodes[1]
			}
			if w.leader() == first {
				lowest++
			}
		}
		slices.Sort(took)
		t.Logf("%s: median %v, worst of %d %v; the lowest id took over in %d", c.name, took[runs/2], runs, took[runs-1], lowest)
		if took[runs/2] > c.median || took[runs-1] > c.most {
			t.Errorf("%s: want a median of %v and %v at most", c.name, c.median, c.most)
		}
		if c.hints && lowest < runs*9/10 {
			t.Errorf("%s: the lowest id took over in %d of %d", c.name, lowest, runs)
		}
	}
}

// heapOrder mends the queue after events were taken out.
func heapOrder(w *world) {
	slices.SortFunc(w.events, func(a, b event) int {
		if events([]event{a, b}).Less(0, 1) {
			return -1
		}
		return 1
	})
}

// Wires that stay cut, also in one direction only, do not keep a cluster from committing as long as
// somebody reaches a quorum both ways, and nobody raises terms for ever (Cloudflare, 2020; openraft
// #2080, #2083).
func TestPartialPartitions(t *testing.T) {
	both := func(pairs ...[2]ID) [][2]ID {
		for _, p := range pairs {
			pairs = append(pairs, [2]ID{p[1], p[0]})
		}
		return pairs
	}
	for name, c := range map[string]struct {
		n   int
		cut [][2]ID
	}{
		"chain, n2 in the middle": {3, both([2]ID{1, 3})},
		"chain, n1 in the middle": {3, both([2]ID{2, 3})},
		"n1 hears nobody":         {3, [][2]ID{{2, 1}, {3, 1}}},
		"n1 is heard by nobody":   {3, [][2]ID{{1, 2}, {1, 3}}},
		"n1 does not hear n2":     {3, [][2]ID{{2, 1}}},
		"n3 does not hear n1":     {3, [][2]ID{{1, 3}}},
		"a ring of deafness":      {5, [][2]ID{{1, 2}, {2, 3}, {3, 4}, {4, 5}, {5, 1}}},
		"bridge n3":               {5, both([2]ID{1, 4}, [2]ID{1, 5}, [2]ID{2, 4}, [2]ID{2, 5})},
		"star around n5": {5, both([2]ID{1, 2}, [2]ID{1, 3}, [2]ID{1, 4}, [2]ID{2, 3}, [2]ID{2, 4},
			[2]ID{3, 4})},
	} {
		t.Run(name, func(t *testing.T) {
			for seed := range uint64(8) {
				w := calm(seed, c.n)
				if to := ID(seed%uint64(c.n) + 1); w.leader() != nil { // whoever leads
					w.step(w.leader(), Transfer{to})
					w.run(w.now + 300*time.Millisecond)
				}
				for _, pair := range c.cut {
					w.cut[pair] = true
				}
				w.run(w.now + 4*time.Second)
				committed, term := w.committed(), w.highest()
				for range 40 {
					for _, n := range w.nodes {
						w.propose(n, 1)
					}
					w.run(w.now + 100*time.Millisecond)
				}
				if w.fail != nil {
					t.Fatal(w.fail)
				}
				if w.committed() == committed {
					t.Fatalf("seed %d: nothing is committed: %s", seed, w.roles())
				}
				if w.highest() != term {
					t.Errorf("seed %d: terms go on from %d to %d: %s", seed, term, w.highest(), w.roles())
				}
			}
		})
	}
}

func (w *world) highest() (term Term) {
	for _, n := range w.nodes {
		term = max(term, n.m.hard.Term)
	}
	return term
}

func (w *world) roles() (s string) {
	for _, n := range w.nodes {
		s += fmt.Sprintf("%v %v; ", n.id, n.m.part())
	}
	return s
}
