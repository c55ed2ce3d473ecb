package sim

import (
	"time"

	"parley/core/raft"
)

// world is everything there is in one run, moved by one queue of events. Nothing in it is shared
// with another world, and nothing happens but by an event.
type world struct {
	plan  Plan
	dice  Dice
	now   time.Duration
	queue queue
	chain raft.Chain

	servers []*server
	clients []*client
	links   links
	streams streams

	history recorder
	checks  checks
	atlas   atlas
	stats   Stats
	trace   trace

	strikes map[FaultKind]strike
	codec   Codec   // of packets; nil: a deep copy
	pinned  []Fault // that struck, and whom
	lurking []lurker
	hunts   []hunt
	healed  bool
	living  *living // the second phase, while it lasts
	exiles  exiles
	exiled  []Exile // pinned
	budget  uint64  // events
	tape    *Tape   // nil: nothing is recorded
	still   stillness
	until   uint64 // stop behind this event; 0: do not
	without []string
	failure *Failure
}

// event is one thing that will happen. It holds no pointer, so that the heap moves it cheaply; what it
// does lies in a slot beside.
type event struct {
	at    time.Duration
	tie   uint64 // events of one instant come in the order of a seeded hash …
	birth uint64 // … and then of their making
	slot  int32
}

// act is what an event does, to whom and called what, for the trace.
type act struct {
	do    func()
	name  string
	who   uint64
	cause int // step of the tape
}

// queue is a heap of events, earliest first.
type queue struct {
	heap   []event
	acts   []act
	free   []int32 // slots of acts
	births uint64
}

func (e *event) before(f *event) bool {
	switch {
	case e.at != f.at:
		return e.at < f.at
	case e.tie != f.tie:
		return e.tie < f.tie
	}
	return e.birth < f.birth
}

func (q *queue) push(at time.Duration, tie uint64, a act) {
	q.births++
	e := event{at: at, tie: tie, birth: q.births}
	if n := len(q.free); n > 0 {
		e.slot, q.free = q.free[n-1], q.free[:n-1]
		q.acts[e.slot] = a
	} else {
		e.slot = int32(len(q.acts))
		q.acts = append(q.acts, a)
	}
	q.heap = append(q.heap, e)
	i := len(q.heap) - 1
	for i > 0 && q.heap[i].before(&q.heap[(i-1)/2]) {
		q.heap[i], q.heap[(i-1)/2] = q.heap[(i-1)/2], q.heap[i]
		i = (i - 1) / 2
	}
}

func (q *queue) pop() (time.Duration, act) {
	top, last := q.heap[0], len(q.heap)-1
	a := q.acts[top.slot]
	q.acts[top.slot] = act{}
	q.free = append(q.free, top.slot)
	q.heap[0] = q.heap[last]
	q.heap = q.heap[:last]
	for i := 0; ; {
		l, r, least := 2*i+1, 2*i+2, i
		if l < last && q.heap[l].before(&q.heap[least]) {
			least = l
		}
		if r < last && q.heap[r].before(&q.heap[least]) {
			least = r
		}
		if least == i {
			return top.at, a
		}
		q.heap[i], q.heap[least] = q.heap[least], q.heap[i]
		i = least
	}
}

// after makes something happen in the future, to whom and called what, for the trace.
func (w *world) after(d time.Duration, name string, who uint64, do func()) {
	at := w.now + d
	w.queue.push(at, w.dice.draw(diceTie, who, hashText(name)^uint64(at)), act{do, name, who, w.tape.here()})
}

// run lets the world go on until the time, the end of all events, or a failure.
func (w *world) run(until time.Duration) {
	for len(w.queue.heap) > 0 && w.queue.heap[0].at <= until && w.failure == nil {
		w.step()
	}
	if w.failure == nil {
		w.now = max(w.now, until)
	}
}

// runUntil lets the world go on until something is so, and says whether it came to be within the
// time. It looks after every event.
func (w *world) runUntil(limit time.Duration, done func() bool) bool {
	until := w.now + limit
	for w.failure == nil {
		if done() {
			return true
		}
		if len(w.queue.heap) == 0 || w.queue.heap[0].at > until {
			return false
		}
		w.step()
	}
	return false
}

// maxEvents ends a run that does not end by itself: a verdict never depends on how fast the machine
// was.
const (
	maxEvents      = 3_000_000
	maxEventsPerOp = 1_000
)

func (w *world) step() {
	at, e := w.queue.pop()
	w.now = at
	w.stats.Events++
	if w.stats.Events > w.budget {
		w.fail("budget", "no end after %d events at %v", w.budget, w.now)
		return
	}
	w.trace.event(w.now, e.name, e.who)
	w.tape.begin(w, e.name, e.cause)
	e.do()
	if w.stats.Events == w.until {
		w.fail(stopped, "")
	}
}
