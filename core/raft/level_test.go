package raft

import (
	"testing"
	"time"
)

// Two servers that lived through the same at different speeds are level with each other; two that lived
// through something else are not.
func TestLevel(t *testing.T) {
	fast, slow := levelled(t, 0, ""), levelled(t, time.Second, "")
	for i := range fast {
		if fast[i] != slow[i] {
			t.Errorf("after step %d: %x at one speed, %x at another", i, fast[i], slow[i])
		}
		if i > 0 && fast[i] == fast[i-1] {
			t.Errorf("step %d seems to have changed nothing", i)
		}
	}
	if other := levelled(t, 0, "another command"); other[len(other)-1] == fast[len(fast)-1] {
		t.Error("another command, and yet level")
	}
}

// levelled is the life of a server, levelled after each step: it stands, wins, leads, and is deposed.
// Before each step it waits, less than anybody's patience. It gives the hashes.
func levelled(t *testing.T, wait time.Duration, command string) (hashes []uint64) {
	t.Helper()
	m, err := New(Config{ID: 1, Voters: []ID{1, 2, 3}, Seed: 1, Chain: testChain, Base: 10 * time.Second, Heartbeat: 5 * time.Second}, Recovered{}, 0)
	if err != nil {
		t.Fatal(err)
	}
	m.Level()
	hear := func(msg Message) Input {
		msg.From, msg.To = 2, 1
		return Received{&msg}
	}
	noop := Entry{Index: 1, Term: 2}
	noop.Chain = ChainNext(testChain, &noop)
	for i, in := range []Input{
		Tick{}, hear(Message{Kind: PreVoteReply, Term: 1}), Saved{1}, hear(Message{Kind: VoteReply, Term: 1}), Saved{1},
		hear(Message{Kind: AppendReply, Term: 1, Index: 1}), Read{7}, hear(Message{Kind: AppendReply, Term: 1, Index: 1, Round: 1}),
		Propose{[][]byte{[]byte(command)}}, hear(Message{Kind: PreVoteReply, Reject: true, Term: 2}), Saved{1}, Saved{1},
	} {
		now := Noon + wait
		if i == 0 {
			now = Noon + 20*time.Second // its patience ends, whatever it is
		}
		if _, ok := in.(Propose); ok {
			now = Noon // an entry is stamped with what time has passed
		}
		var out Output
		before := m.Clone()
		m.Step(now, in, &out)
		if _, ok := in.(Propose); ok && out.Proposed.First == 0 {
			t.Fatal("it does not lead")
		}
		m.Level()
		if err := m.Check(); err != nil {
			t.Fatal(err)
		}
		again := m.Clone()
		if again.Level(); again.Hash() != m.Hash() || before.Hash() == m.Hash() {
			t.Fatalf("step %d, %T: level twice is not level once, or nothing happened", i, in)
		}
		hashes = append(hashes, m.Hash())
	}
	return hashes
}
