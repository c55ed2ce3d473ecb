package raft

import (
	"flag"
	"testing"
	"time"
)

var (
	seedFlag  = flag.Uint64("seed", 0, "run only this seed, and print what happens")
	seedsFlag = flag.Uint64("seeds", 200, "run so many seeds")
	firstFlag = flag.Uint64("first", 1, "the first of them")
)

// Whatever happens to messages, disks and processes, no two servers disagree about what is
// committed; and once the accidents end, there is a leader, new entries commit, and all catch up.
func TestStorm(t *testing.T) {
	if *seedFlag != 0 {
		w := storm(*seedFlag, true)
		t.Log(w.trace.String())
		t.Logf("%+v granted %d denied %d committed %d", w.stats, w.granted, w.denied, w.committed())
		if w.fail != nil {
			t.Fatal(w.fail)
		}
		return
	}
	var sum stats
	var committed, granted, denied int
	for seed := *firstFlag; seed < *firstFlag+*seedsFlag; seed++ {
		w := storm(seed, false)
		if w.fail != nil {
			t.Fatalf("%v\nrepeat: go test ./core/raft -run TestStorm -seed=%d", w.fail, seed)
		}
		s := w.stats
		sum.elections += s.elections
		sum.installs += s.installs
		sum.cuts += s.cuts
		sum.transfers += s.transfers
		sum.crashes += s.crashes
		sum.steps += s.steps
		committed += int(w.committed())
		granted += w.granted
		denied += w.denied
	}
	t.Logf("%d seeds: %+v committed %d granted %d denied %d", *seedsFlag, sum, committed, granted, denied)
	if sum.elections == 0 || sum.installs == 0 || sum.cuts == 0 || sum.transfers == 0 || sum.crashes == 0 || granted == 0 || denied == 0 {
		t.Error("something never happened: the storm is blind to it")
	}
}

// Equal seeds give equal conversations.
func TestTwin(t *testing.T) {
	for seed := uint64(1); seed <= 5; seed++ {
		a, b := storm(seed, false), storm(seed, false)
		if a.hash != b.hash || a.stats != b.stats {
			t.Errorf("seed %d: %x %+v, then %x %+v", seed, a.hash, a.stats, b.hash, b.stats)
		}
	}
}

// mood is what a storm is made of, besides lost and late messages.
type mood int

const (
	mixed   mood = iota // anything
	killer              // leaders die soon after they were elected, and come back
	mutiny              // leaders are cut off, with some others, and declared dead while they live
	flaps               // wires are cut and mended all the time
	drizzle             // nothing happens
	moods
)

func storm(seed uint64, trace bool) *world {
	sizes := []int{3, 3, 3, 5, 2, 4, 1, 5, 3, 7}
	w := newWorld(seed, sizes[seed%10])
	if trace {
		w.trace = newTrace()
	}
	w.rand = random(mix(seed))
	w.drop, w.dup = []uint64{0, 20, 100, 250}[w.roll(4)], []uint64{0, 30, 300}[w.roll(3)]
	w.delay = time.Duration([]int{1, 3, 10, 40}[w.roll(4)]) * time.Millisecond
	w.fsync = time.Duration([]int{1, 5, 20, 80}[w.roll(4)]) * time.Millisecond
	w.stall = []uint64{0, 0, 10, 50}[w.roll(4)]
	w.late = []uint64{0, 20, 100}[w.roll(3)]
	w.stagger = []time.Duration{0, 1, 5 * time.Millisecond}[w.roll(3)]
	w.snapshotRound = w.chance(700)
	for _, n := range w.nodes {
		w.start(n)
	}
	m := mood(w.roll(uint64(moods)))
	for w.now < 4*time.Second && w.fail == nil {
		w.run(w.now + time.Duration(w.roll(uint64(10*time.Millisecond))))
		w.load()
		w.trouble(m)
	}
	w.heal()
	w.run(w.now + 3*time.Second)
	for range 20 {
		if n := w.leader(); n != nil && w.propose(n, 1).Refused == NotRefused {
			break
		}
		w.run(w.now + 100*time.Millisecond)
	}
	for _, n := range w.nodes {
		w.read(n)
	}
	denied := w.denied
	w.run(w.now + 2*time.Second)
	if w.fail == nil && w.denied > denied {
		w.errorf("reads are refused in calm weather")
	}
	if w.fail == nil {
		w.checkConverged()
	}
	return w
}

// load is what clients do.
func (w *world) load() {
	n := w.nodes[w.roll(uint64(len(w.nodes)))]
	switch w.roll(10) {
	case 0, 1, 2:
		if l := w.leader(); l != nil {
			n = l
		}
		for range 1 + w.roll(3) {
			w.propose(n, int(1+w.roll(3)))
		}
	case 3:
		for _, n := range w.nodes { // an old leader, too
			w.propose(n, 1)
		}
	case 4, 5:
		w.read(n)
	case 6:
		for _, n := range w.nodes {
			w.read(n)
		}
	case 7:
		if n.up && n.store.applied > 0 {
			w.deliver(n, Compact{Index(w.roll(uint64(n.store.applied) + 1))})
		}
	}
}

func (w *world) trouble(m mood) {
	n, leader := w.nodes[w.roll(uint64(len(w.nodes)))], w.leader()
	switch m {
	case mixed:
		if w.chance(60) {
			w.accident()
		}
	case killer:
		if leader != nil && w.chance(150) {
			w.crash(leader)
		}
		if w.chance(20) {
			w.crash(n)
		}
		if w.chance(150) {
			w.start(n)
		}
	case mutiny:
		if leader != nil && w.chance(60) {
			group := 1<<leader.id | w.roll(256)&w.roll(256)
			for _, n := range w.nodes {
				if group>>n.id&1 == 0 {
					w.deliver(n, PeerDown{leader.id})
				}
			}
			w.split(group, w.chance(300))
		}
		if w.chance(40) {
			clear(w.cut)
		}
		if w.chance(20) {
			w.accident()
		}
	case flaps:
		if w.chance(100) {
			w.isolate(n, w.chance(500))
		}
		if w.chance(100) {
			clear(w.cut)
		}
		if w.chance(10) {
			w.accident()
		}
	}
}

// isolate cuts the wires of n, or only those on which it hears.
func (w *world) isolate(n *node, oneWay bool) {
	for _, o := range w.nodes {
		w.cut[[2]ID{o.id, n.id}] = true
		if !oneWay {
			w.cut[[2]ID{n.id, o.id}] = true
		}
	}
}

// split cuts the wires between a group of servers, as bits, and the others, or only one way.
func (w *world) split(group uint64, oneWay bool) {
	for _, a := range w.nodes {
		for _, b := range w.nodes {
			if group>>a.id&1 == 1 && group>>b.id&1 == 0 {
				w.cut[[2]ID{b.id, a.id}] = true
				if !oneWay {
					w.cut[[2]ID{a.id, b.id}] = true
				}
			}
		}
	}
}

// accident is what happens to servers and wires.
func (w *world) accident() {
	n, o := w.nodes[w.roll(uint64(len(w.nodes)))], w.nodes[w.roll(uint64(len(w.nodes)))]
	if l := w.leader(); l != nil && w.chance(400) {
		n = l
	}
	switch w.roll(12) {
	case 0, 1, 2:
		w.crash(n)
	case 3, 4, 5:
		w.start(n)
	case 6: // one way, or both
		w.cut[[2]ID{n.id, o.id}] = true
		if w.chance(500) {
			w.cut[[2]ID{o.id, n.id}] = true
		}
	case 7:
		w.isolate(n, false)
	case 8:
		clear(w.cut)
	case 9:
		if n.up {
			n.paused = w.now + time.Duration(w.roll(uint64(800*time.Millisecond)))
		}
	case 10:
		w.stats.transfers++
		w.deliver(n, Transfer{ID(w.roll(uint64(len(w.nodes) + 1)))})
	case 11:
		if w.chance(200) { // the lights go out
			for _, n := range w.nodes {
				w.crash(n)
			}
		}
		w.deliver(n, PeerDown{o.id}) // a wrong hint
	}
}

// heal ends all accidents.
func (w *world) heal() {
	w.calm = true
	clear(w.cut)
	w.stall, w.delay, w.fsync = 0, 2*time.Millisecond, 4*time.Millisecond
	for _, n := range w.nodes {
		n.paused = 0
		w.start(n)
	}
}
