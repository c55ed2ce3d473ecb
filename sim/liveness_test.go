package sim

import (
	"strings"
	"testing"
	"time"

	"parley/core/raft"
)

// secondPhase runs a calm plan of five replicas into its second phase, with these exiles, and lets plant
// do harm when the core has its leader.
func secondPhase(exiles []Exile, plant func(w *world)) *world {
	p := calm(3)
	p.Voters = 5
	p.Liveness = Liveness{For: Span(time.Second), Exiles: exiles}
	w := newWorld(p, Options{})
	w.run(1500 * time.Millisecond)
	if plant != nil {
		var due func()
		due = func() {
			if w.living != nil && w.living.leader != 0 {
				plant(w)
				return
			}
			w.after(10*time.Millisecond, "due", 0, due)
		}
		w.after(0, "due", 0, due)
	}
	w.duty()
	return w
}

// With any of the things that can be wrong for good the core pays what it owes, and then all heals.
func TestTheCoreLivesWithAnyExile(t *testing.T) {
	for _, how := range wrongs() {
		for _, on := range []Target{TheLeader, "n5"} {
			w := secondPhase([]Exile{{On: on, How: how}}, nil)
			if w.failure != nil {
				t.Errorf("%s %s: %v", on, how, w.failure)
				continue
			}
			if len(w.exiled) != 1 || w.exiled[0].On == TheLeader {
				t.Errorf("%s %s: exiled %v", on, how, w.exiled)
			}
			if w.recover(); w.failure != nil {
				t.Errorf("%s %s, all healed: %v", on, how, w.failure)
			}
		}
	}
}

// What is wrong with an exile is what it says.
func TestExilesAreWhatTheyAreCalled(t *testing.T) {
	reach := func(w *world, id raft.ID) (hears, heard int) {
		for _, s := range w.core() {
			if w.open(s.id, id) {
				hears++
			}
			if w.open(id, s.id) {
				heard++
			}
		}
		return hears, heard
	}
	for how, want := range map[Wrong][2]int{Down: {4, 4}, Asleep: {4, 4}, CutOff: {0, 0}, Mute: {4, 0}, HardOfHearing: {0, 4},
		Bridged: {1, 1}, Whispers: {4, 1}, FarOff: {4, 4}, WornDisk: {4, 4}} {
		p := calm(3)
		p.Voters = 5
		w := newWorld(p, Options{})
		w.run(time.Second)
		w.plan.Liveness.Exiles = []Exile{{On: "n2", How: how, Arg: 1}}
		w.banish()
		s := w.server(2)
		if hears, heard := reach(w, 2); hears != want[0] || heard != want[1] {
			t.Errorf("%s: n2 hears %d of the core and is heard by %d, want %v", how, hears, heard, want)
		}
		if down, asleep := !s.up, s.paused; down != (how == Down) || asleep != (how == Asleep) {
			t.Errorf("%s: n2 is down: %t, asleep: %t", how, down, asleep)
		}
		if far := w.exiles.lag(2, 1) > electionBase; far != (how == FarOff) {
			t.Errorf("%s: far off: %t", how, far)
		}
		saves, took := s.saves, time.Duration(0)
		w.runUntil(3*time.Second, func() bool {
			if s.saves > saves && s.disk.inFlight != nil {
				took = max(took, w.now-s.saveAt)
			}
			return took > 30*time.Millisecond
		})
		if worn := took > 30*time.Millisecond; worn != (how == WornDisk) {
			t.Errorf("%s: a save took %v", how, took)
		}
		w.pardon()
		w.heal()
		if hears, heard := reach(w, 2); hears+heard != 10 || !s.up || s.paused {
			t.Errorf("%s: not pardoned: hears %d, heard by %d", how, hears, heard)
		}
	}
}

// What the core owes and does not pay is a failure that names the debt.
func TestDebtsOfTheCoreAreNamed(t *testing.T) {
	cutAll := func(w *world) {
		for from := range w.exiles.cut {
			for to := range w.exiles.cut {
				w.exiles.cut[from][to] = true
			}
		}
	}
	for _, bug := range []struct {
		name, says string
		plant      func(w *world)
	}{
		{"a leader that stops for no reason", "needless election", func(w *world) {
			w.server(w.living.leader).paused = true
		}},
		{"nobody can talk to anybody", "nobody leads", func(w *world) {
			w.living.leader = 0
			cutAll(w)
			w.run(w.now + time.Second)
			w.await(leaderWithin, w.unsettled)
		}},
		{"nothing is committed", "commit: ", func(w *world) {
			w.living.commit = debt{goal: 1 << 40, since: w.now - commitWithin}
		}},
		{"a follower is left behind", "catch-up: ", func(w *world) {
			w.living.applied[1] = debt{goal: 1 << 40, got: 1 << 39, since: w.now - catchUpWithin}
			w.living.applied[2], w.living.applied[3] = w.living.applied[1], w.living.applied[1]
		}},
		{"a leader that does not hand over", "transfer: ", func(w *world) {
			for _, s := range w.core() {
				s.paused = true
			}
			w.handOver()
		}},
		{"elections without end", "elections without end", func(w *world) {
			w.living.excused = 100
			w.server(5).disk.hard.Term = 1 << 20 // an excuse, but once too often
			w.checks.needless(w.server(w.living.leader))
		}},
	} {
		w := secondPhase([]Exile{{On: "n5", How: CutOff}}, bug.plant)
		if w.failure == nil || w.failure.Checker != "liveness" || !strings.Contains(w.failure.Text, bug.says) {
			t.Errorf("%s: %v, want liveness to say %q", bug.name, w.failure, bug.says)
		}
	}
}

// Who floods a peer, or sends it the same entries for ever, is found out.
func TestChatterIsBounded(t *testing.T) {
	for says, plant := range map[string]func(c *chatter){
		"messages in":      func(c *chatter) { c.messages, c.floods = 1<<20, chatterAtMost-1 },
		"the same entries": func(c *chatter) { c.resends = 1 << 20 },
	} {
		w := secondPhase(nil, func(w *world) {
			lead := w.server(w.living.leader)
			w.living.acts = acts{since: w.now}
			w.plan.Network.Streams = true
			for _, s := range w.core() {
				plant(&w.living.chatter[lead.id][s.id])
			}
			last := lead.status.Raft.Last
			for to := range lead.sent {
				lead.sent[to] = raft.Mark{Index: last.Index + 100, Term: last.Term}
			}
		})
		if w.failure == nil || w.failure.Checker != "chatter" || !strings.Contains(w.failure.Text, says) {
			t.Errorf("%v, want chatter to say %q", w.failure, says)
		}
	}
}

// An excuse is a fact: it holds while it is one, and not longer.
func TestExcusesAreFacts(t *testing.T) {
	w := newWorld(calm(3), Options{})
	w.run(1500 * time.Millisecond)
	w.plan.Liveness.Exiles = []Exile{{On: "n3", How: CutOff}}
	w.banish()
	last := raft.Index(len(w.checks.ghost))
	if why := w.lastCopyOutside(last); why != "" {
		t.Errorf("two of three disks have entry %d, and yet: %s", last, why)
	}
	for _, s := range w.core() {
		s.disk.log = s.disk.log[:0]
	}
	if why := w.lastCopyOutside(last); !strings.Contains(why, "last intact copy on n3, outside the core") {
		t.Errorf("only n3 has entry %d, but the excuse is %q", last, why)
	}
	w.server(3).disk.log = nil
	if why := w.lastCopyOutside(last); why != "" {
		t.Errorf("nobody has entry %d, and yet: %s", last, why)
	}
	term := w.server(3).disk.hard.Term
	if why := w.termFromOutside(term); !strings.Contains(why, "n3, outside the core") {
		t.Errorf("n3 is in term %d, but the excuse is %q", term, why)
	}
	if why := w.termFromOutside(term + 1); why != "" {
		t.Errorf("nobody outside is in term %d, and yet: %s", term+1, why)
	}
}
