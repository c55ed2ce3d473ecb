package sim

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"parley/core/raft"
	"parley/core/replica"
)

// A canary fails whatever its seed, and by the checker that guards what a disk acknowledges.
func TestEveryCanaryDies(t *testing.T) {
	for seed := range uint64(25) {
		p := Canary(seed)
		if err := p.Check(); err != nil {
			t.Fatalf("seed %d: %v", seed, err)
		}
		if r := Run(p); r.Failure == nil || r.Failure.Checker != "durable-ack" {
			t.Errorf("seed %d: %v", seed, r.Failure)
		}
		if r := Run(p.lessFaults()); r.Failure != nil {
			t.Errorf("seed %d without its lie: %v", seed, r.Failure)
		}
	}
}

func (p Plan) lessFaults() Plan {
	p.Faults = nil
	return p
}

// No seed draws what Parley does not promise to survive; a plan written by hand may hold it.
func TestNoSeedDrawsWhatIsForHands(t *testing.T) {
	if slices.Contains(FaultKinds(), LyingDisk) {
		t.Errorf("%s is among the faults of seeds: %v", LyingDisk, FaultKinds())
	}
	for seed := range uint64(50) {
		for _, f := range Generate(seed, Std).Faults {
			if !slices.Contains(FaultKinds(), f.Kind) {
				t.Errorf("seed %d draws %v", seed, f)
			}
		}
	}
}

// A checker that is not heard leaves what it would have said to the others. What a lying disk does is
// seen by several, the disk itself among them: it is asked for what does not fit to what it kept.
func TestACheckerCanBeLeftOut(t *testing.T) {
	p := Canary(1)
	var spoke []string
	for range 2 {
		r := RunWith(p, Options{Without: spoke})
		if r.Failure == nil {
			break
		}
		if slices.Contains(spoke, r.Failure.Checker) {
			t.Fatalf("%s was left out and spoke: %v", r.Failure.Checker, r.Failure)
		}
		spoke = append(spoke, r.Failure.Checker)
	}
	if len(spoke) < 2 || !slices.Contains(spoke, "disk") {
		t.Errorf("one after the other spoke: %q", spoke)
	}
}

// A plan without a kind of fault has all others, with their own draws; what does not exist is refused.
func TestAKindOfFaultCanBeLeftOut(t *testing.T) {
	p := Generate(8, Lite)
	for _, f := range p.Faults {
		less, err := p.Without(string(f.Kind), "loss")
		if err != nil {
			t.Fatal(err)
		}
		if len(less.Faults) == len(p.Faults) || less.Network.LossPpm != 0 {
			t.Errorf("without %s: %d of %d faults, loss %d", f.Kind, len(less.Faults), len(p.Faults), less.Network.LossPpm)
		}
		if r := Run(less); r.Stats.Faults[f.Kind] != 0 {
			t.Errorf("without %s it struck %d times", f.Kind, r.Stats.Faults[f.Kind])
		}
	}
	if _, err := p.Without("rain"); err == nil || !strings.Contains(err.Error(), `no fault "rain"`) {
		t.Errorf("without rain: %v", err)
	}
}

// A few dozen seeds ask for all there is to ask, and meet all there is to meet: a generator that leaves
// something out would pass every other test. (Which marks are reached is asked of ten thousand: fleet.)
func TestSeedsDoAllThereIs(t *testing.T) {
	ops, faults := map[OpKind]int{}, faultCounts{}
	var all Stats
	for seed := range uint64(40) {
		r := Run(Generate(seed, Lite))
		for _, o := range r.Plan.Ops {
			ops[o.Kind]++
		}
		for _, k := range FaultKinds() {
			faults[k] += r.Stats.Faults[k]
		}
		all.Lost += r.Stats.Lost
		all.Doubled += r.Stats.Doubled
		all.Late += r.Stats.Late
		all.Replayed += r.Stats.Replayed
		all.Snapshots += r.Stats.Snapshots
	}
	for _, k := range opKinds() {
		if ops[k] == 0 {
			t.Errorf("no seed asks for %q", k)
		}
	}
	for k, n := range faults {
		if n == 0 {
			t.Errorf("no fault %q struck", k)
		}
	}
	if all.Lost == 0 || all.Doubled == 0 || all.Late == 0 || all.Replayed == 0 || all.Snapshots == 0 {
		t.Errorf("lost %d, doubled %d, late %d, repeats answered %d, snapshots %d", all.Lost, all.Doubled, all.Late, all.Replayed, all.Snapshots)
	}
}

// What crosses a link shares no memory with who sent it, whatever kind of message it is.
func TestWhatCrossesALinkIsACopy(t *testing.T) {
	w := newWorld(calm(1), Options{})
	for _, msg := range []*replica.PeerMessage{
		{From: 1, To: 2, Raft: &raft.Message{Term: 3, Entries: []raft.Entry{{Index: 1, Data: []byte("a")}}, Order: []raft.ID{1, 2}}},
		{From: 1, To: 2, Chunk: &replica.Chunk{Size: 3, Data: []byte("abc")}},
		{From: 1, To: 2, ChunkAck: &replica.ChunkAck{Next: 4}},
	} {
		c := w.copy(msg)
		was := fmt.Sprintf("%+v %+v %+v", c.Raft, c.Chunk, c.ChunkAck)
		switch {
		case msg.Raft != nil:
			msg.Raft.Term, msg.Raft.Entries[0].Data[0], msg.Raft.Order[0] = 9, 'z', 9
			msg.Raft.Entries[0].Index = 9
		case msg.Chunk != nil:
			msg.Chunk.Size, msg.Chunk.Data[0] = 9, 'z'
		case msg.ChunkAck != nil:
			msg.ChunkAck.Next = 9
		}
		if now := fmt.Sprintf("%+v %+v %+v", c.Raft, c.Chunk, c.ChunkAck); now != was {
			t.Errorf("the sender changed its message, and %s\nbecame %s", was, now)
		}
	}
}
