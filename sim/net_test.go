package sim

import (
	"slices"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"
	"parley/core/raft"
	"parley/core/replica"
	"parley/realnet/wire"
)

// struck is a calm world of so many voters in which one fault strikes after two seconds, a moment
// after it has.
func struck(t *testing.T, voters int, f Fault) *world {
	t.Helper()
	p := calm(3)
	p.Voters = voters
	f.ID, f.At = 1, Span(2*time.Second)
	p.Faults = []Fault{f}
	if err := p.Check(); err != nil {
		t.Fatal(err)
	}
	w := newWorld(p, Options{})
	w.run(2*time.Second + time.Microsecond)
	if w.failure != nil || w.stats.Faults[f.Kind] != 1 {
		t.Fatalf("%v: it struck %v, %v", f, w.stats.Faults, w.failure)
	}
	return w
}

// sees is which servers one can talk with, itself included.
func (w *world) sees(id raft.ID) []raft.ID {
	var ids []raft.ID
	for _, s := range w.servers {
		if s.id == id || w.open(id, s.id) && w.open(s.id, id) {
			ids = append(ids, s.id)
		}
	}
	return ids
}

// finish lets a world come to its end and expects that nothing was found.
func (w *world) finish(t *testing.T) {
	t.Helper()
	w.run(time.Duration(w.plan.Chaos))
	w.recover()
	if w.failure != nil {
		t.Error(w.failure)
	}
}

// Every kind of partition looks as its name says, and is over when it should be.
func TestPartitionsLookAsTheyAreCalled(t *testing.T) {
	const length = Span(700 * time.Millisecond)
	shut := func(w *world) (n int) {
		w.everyLink(func(l *link) { n += min(1, l.shut) })
		return n
	}
	for _, c := range []struct {
		name   string
		voters int
		fault  Fault
		looks  func(w *world) bool
	}{
		{"bridge", 5, Fault{Kind: Bridge, On: "n2"}, func(w *world) bool {
			ok := len(w.sees(2)) == 5
			for _, id := range []raft.ID{1, 3, 4, 5} {
				ok = ok && len(w.sees(id)) == 3 && slices.Contains(w.sees(id), 2)
			}
			return ok
		}},
		{"ring", 5, Fault{Kind: Ring}, func(w *world) bool {
			views := map[string]bool{}
			for id := raft.ID(1); id <= 5; id++ {
				views[string(proto5(w.sees(id)))] = len(w.sees(id)) == 3
			}
			return len(views) == 5
		}},
		{"three groups", 7, Fault{Kind: Groups}, func(w *world) bool {
			for id := raft.ID(1); id <= 7; id++ {
				for _, other := range w.sees(id) {
					if !slices.Equal(w.sees(id), w.sees(other)) {
						return false
					}
				}
			}
			return len(w.sees(1)) <= 3
		}},
		{"one way", 3, Fault{Kind: OneWay, On: "n3"}, func(w *world) bool {
			return !w.open(3, 1) && !w.open(3, 2) && w.open(1, 3) && w.open(2, 3)
		}},
		{"deaf", 3, Fault{Kind: Deaf, On: "n3"}, func(w *world) bool {
			return w.open(3, 1) && w.open(3, 2) && !w.open(1, 3) && !w.open(2, 3)
		}},
		{"half a link", 3, Fault{Kind: CutLink, On: "n1"}, func(w *world) bool { return shut(w) == 1 && !w.open(1, 2) }},
		{"a link", 3, Fault{Kind: CutLink, On: "n1", Arg: 1}, func(w *world) bool {
			return shut(w) == 2 && !w.open(1, 2) && !w.open(2, 1)
		}},
		{"next in rank", 3, Fault{Kind: IsolateNext, On: TheNext}, func(w *world) bool {
			return len(w.sees(w.next().id)) == 1 && len(w.sees(w.leader().id)) == 2
		}},
	} {
		c.fault.For = length
		w := struck(t, c.voters, c.fault)
		if !c.looks(w) {
			t.Errorf("%s: it looks otherwise", c.name)
		}
		w.run(w.now + time.Duration(length))
		if n := shut(w); n != 0 {
			t.Errorf("%s: %d links are shut when it is over", c.name, n)
		}
		w.finish(t)
	}
}

func proto5(ids []raft.ID) (b []byte) {
	for _, id := range ids {
		b = append(b, byte(id))
	}
	return b
}

// A flapping link is shut and open in turn, and open in the end.
func TestAFlappingLinkComesToRest(t *testing.T) {
	w := struck(t, 3, Fault{Kind: Flap, On: "n1", For: Span(2 * time.Second)})
	turns, was := 0, true
	for range 400 {
		w.run(w.now + 10*time.Millisecond)
		if open := w.open(1, 2); open != was {
			turns, was = turns+1, open
		}
	}
	if turns < 6 || !was || w.stats.Marks[FlapEnded] != 1 {
		t.Errorf("%d turns, open in the end: %t", turns, was)
	}
	w.finish(t)
}

// What a clogged link held comes all at once, and nothing of it is lost.
func TestAClogHoldsAndLetsGo(t *testing.T) {
	w := struck(t, 3, Fault{Kind: Clog, On: TheLeader, Arg: 1, For: Span(300 * time.Millisecond)})
	w.run(w.now + 250*time.Millisecond)
	_, at := w.pinned[0].On.place()
	held, lost := 0, w.stats.Lost
	w.everyLink(func(l *link) {
		if len(l.held) > 0 && int(l.from) != at {
			t.Errorf("the link %d→%d holds %d packets", l.from, l.to, len(l.held))
		}
		held += len(l.held)
	})
	if held < 6 {
		t.Errorf("%d packets are held of a leader's heartbeats of a quarter of a second", held)
	}
	w.run(w.now + 100*time.Millisecond)
	if w.stats.Marks[ClogReleased] == 0 || w.stats.Lost != lost {
		t.Errorf("released %d times, %d packets lost", w.stats.Marks[ClogReleased], w.stats.Lost-lost)
	}
	w.finish(t)
}

// A swizzle clogs one after the other, and the order of the releases is another.
func TestASwizzleEndsOtherwiseThanItBegan(t *testing.T) {
	w := struck(t, 5, Fault{Kind: Swizzle, For: Span(2 * time.Second)})
	var begun, ended []raft.ID
	clogged := map[raft.ID]bool{}
	for range 500 {
		w.run(w.now + 5*time.Millisecond)
		for _, s := range w.servers {
			n := 0
			w.everyLink(func(l *link) {
				if l.from == s.id && l.clogged > 0 {
					n++
				}
			})
			switch whole := n == 4; {
			case whole && !clogged[s.id]:
				begun, clogged[s.id] = append(begun, s.id), true
			case !whole && clogged[s.id]:
				ended, clogged[s.id] = append(ended, s.id), false
			}
		}
	}
	if len(begun) != 3 || len(ended) != 3 || slices.Equal(begun, ended) {
		t.Errorf("clogged in the order %v, released in %v", begun, ended)
	}
	w.finish(t)
}

// Delays have the shape that they are called by.
func TestDelaysHaveTheirShapes(t *testing.T) {
	const n = 20_000
	least, most := 10*time.Millisecond, 90*time.Millisecond
	for _, c := range []struct {
		shape              Shape
		median, beyond, at time.Duration // beyond: how many of a hundred exceed at
	}{
		{Uniform, 50 * time.Millisecond, 0, most},
		{Constant, most, 0, most},
		{Exponential, least + 13863*time.Microsecond, 2, most},
		{TwoMode, least + 5300*time.Microsecond, 6, most},
	} {
		d := Delays{Span(least), Span(most), c.shape}
		r := Dice(1).roll(diceLink, 7)
		var all []time.Duration
		beyond := 0
		for range n {
			x := d.draw(r)
			if x < least {
				t.Fatalf("%q: %v is less than the least", c.shape, x)
			}
			if x > c.at {
				beyond++
			}
			all = append(all, x)
		}
		slices.Sort(all)
		if off := all[n/2] - c.median; off.Abs() > c.median/20 {
			t.Errorf("%q: the median is %v, want about %v", c.shape, all[n/2], c.median)
		}
		if percent := (beyond + n/200) / (n / 100); percent != int(c.beyond) {
			t.Errorf("%q: %d in a hundred are greater than the greatest, want %d", c.shape, percent, c.beyond)
		}
	}
}

// Datagrams overtake each other, packets of streams do not; and of a connection that breaks nothing
// that was under way arrives.
func TestStreamsKeepTheirOrder(t *testing.T) {
	overtaken := map[bool]int{}
	for seed := range uint64(12) {
		for _, streams := range []bool{false, true} {
			p := Generate(seed, Lite)
			p.Network.Streams, p.Network.Shape, p.Network.SlowPpm = streams, Uniform, 20_000
			r := Run(p)
			overtaken[streams] += r.Stats.Marks[Overtaken]
			if r.Failure != nil {
				t.Errorf("seed %d, streams %t: %v", seed, streams, r.Failure)
			}
		}
	}
	if overtaken[true] != 0 || overtaken[false] == 0 {
		t.Errorf("%d packets of streams were overtaken, %d datagrams", overtaken[true], overtaken[false])
	}
	p := calm(3)
	p.Network.Streams = true
	w := newWorld(p, Options{})
	w.run(2 * time.Second)
	l, old := w.link(1, 2), *w.link(1, 2)
	msg := &replica.PeerMessage{From: 1, To: 2, Raft: &raft.Message{From: 1, To: 2, Kind: raft.AppendReply, Term: 1}}
	w.send(msg)
	w.resetLink(l)
	arrived := l.latest
	w.run(w.now + time.Duration(p.Network.DelayMax))
	if l.latest != arrived || l.conn == old.conn {
		t.Error("what was under way when the connection broke has arrived")
	}
	w.finish(t)
}

// A narrow link carries no more than it can, and what finds no room in its queue is lost.
func TestANarrowLinkCarriesWhatItCan(t *testing.T) {
	for _, any := range []bool{false, true} {
		p := calm(3)
		p.Network.Rate, p.Network.Queue, p.Network.DropAny = 4_000, 1_000, any
		p.Clients, p.Ops = 0, nil
		w := newWorld(p, Options{})
		w.run(time.Second)
		l := w.link(2, 1)
		if !w.runUntil(time.Second, func() bool { return !l.sending }) {
			t.Fatal("the link is never idle")
		}
		before, lost := l.latest, w.stats.Lost
		var numbers []uint64
		for range 200 {
			w.send(&replica.PeerMessage{From: 2, To: 1, ChunkAck: &replica.ChunkAck{}})
		}
		for _, q := range l.queued {
			numbers = append(numbers, q.nth)
		}
		if got := w.stats.Lost - lost; got != 200-1-uint64(len(l.queued)) || l.bytes > 1_000 || len(l.queued) < 10 {
			t.Errorf("any %t: %d of 200 packets lost, %d with %d bytes wait", any, got, len(l.queued), l.bytes)
		}
		if newest := numbers[0] == l.packets-uint64(len(numbers))+1; newest == any {
			t.Errorf("any %t: those that wait are %v of %d", any, numbers, l.packets)
		}
		w.run(w.now + 100*time.Millisecond) // at 4 kB/s, six packets of 60 bytes
		if n := 16 - len(l.queued); l.latest == before || n < 4 || n > 8 {
			t.Errorf("any %t: %d left the queue in a tenth of a second", any, n)
		}
	}
}

// A leader that hears only the past goes on leading while another one is elected.
func TestLateAcknowledgementsCarryALeaderIntoThePast(t *testing.T) {
	w := struck(t, 3, Fault{Kind: LateAcks, On: TheLeader, For: Span(time.Second)})
	old := w.leader()
	if !w.runUntil(5*time.Second, func() bool { return w.leader() != old }) {
		t.Fatal("nobody else leads")
	}
	if r := old.status.Raft.Role; r.Kind != raft.Leader {
		t.Error("the old leader knows")
	}
	term := old.status.Raft.Role.Term
	w.run(w.now + 300*time.Millisecond) // longer than a leader lives that hears nobody
	if r := old.status.Raft.Role; r.Kind != raft.Leader || r.Term != term {
		t.Error("a moment later the old leader knows")
	}
	w.finish(t)
}

// Clients that are cut off from some servers still get their work done through others.
func TestAClientReachesOnlySome(t *testing.T) {
	w := struck(t, 3, Fault{Kind: ClientCut, On: "c0", For: Span(4 * time.Second)})
	cut := 0
	for place := range w.servers {
		cut += w.clients[0].cut[place]
	}
	was := w.stats.Acknowledged
	w.run(w.now + 3*time.Second)
	if cut == 0 || cut == len(w.servers) || w.stats.Acknowledged == was {
		t.Errorf("cut off from %d servers, %d answers meanwhile", cut, w.stats.Acknowledged-was)
	}
	w.finish(t)
}

// throughTheWire is what really crosses a link between servers.
func throughTheWire(m *replica.PeerMessage) (*replica.PeerMessage, error) {
	data, err := proto.Marshal(wire.EncodePeer(m))
	if err != nil {
		return nil, err
	}
	var w wire.PeerMessage
	if err := proto.Unmarshal(data, &w); err != nil {
		return nil, err
	}
	return wire.DecodePeer(&w)
}

// A run is the same whether messages are copied or encoded and decoded: nothing is shared, and the
// converters lose nothing.
func TestTheWireChangesNothing(t *testing.T) {
	for seed := range uint64(10) {
		p := Generate(seed, Lite)
		a, b := Run(p), RunWith(p, Options{Codec: throughTheWire})
		if a.Trace != b.Trace || b.Failure != nil {
			t.Errorf("seed %d: trace %016x, through the wire %016x, %v", seed, a.Trace, b.Trace, b.Failure)
		}
	}
}
