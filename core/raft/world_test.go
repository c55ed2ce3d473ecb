package raft

import (
	"cmp"
	"container/heap"
	"fmt"
	"slices"
	"strings"
	"time"
)

// world is a cluster in a box: machines, disks, a network and accidents, all from one seed. It is
// the small brother of the simulator, for this package alone. Everything it knows of the truth is
// in ghost; every Step is checked against it.
type world struct {
	seed   uint64
	rand   random
	now    time.Duration
	events events
	order  uint64
	nodes  []*node
	voters []ID

	drop, dup     uint64 // in 1000
	delay, fsync  time.Duration
	stagger       time.Duration // 0: the default
	late          uint64        // messages in 1000 that take very long
	stall         uint64        // fsyncs in 1000 that take very long
	cut           map[[2]ID]bool
	calm          bool // the second phase: no more accidents
	snapshotRound bool // give SnapshotReceived a Term

	ghost     []Mark              // committed, ghost[i] is index i; written once
	ghostTerm []Term              // in which it was committed
	chains    map[[2]uint64]Chain // of every entry ever saved, by index and term
	leaders   map[Term]ID
	reads     map[uint64]Index // outstanding: what was committed when it began
	readSeq   uint64
	granted   int
	denied    int
	value     uint64
	trace     *strings.Builder
	hash      hasher // of everything said, for twins
	fail      error
	stats     stats
}

type stats struct{ elections, installs, cuts, transfers, crashes, steps int }

type node struct {
	id      ID
	m       *Machine
	life    uint64
	up      bool
	paused  time.Duration // until
	offset  time.Duration // of this life's clock
	out     Output
	tickAt  time.Duration
	store   store
	applied Index
	saving  *Save
	savingA Index // applied when it left
	given   Index // committed, as last seen
}

// store is a disk: what a crash leaves behind.
type store struct {
	hard    Hard
	compact Mark
	entries []Entry
	applied Index
}

func (s *store) last() Mark {
	if n := len(s.entries); n > 0 {
		return s.entries[n-1].mark()
	}
	return s.compact
}

func (s *store) mark(i Index) (Mark, bool) {
	if i == s.compact.Index {
		return s.compact, true
	}
	if i < s.compact.Index || i > s.last().Index {
		return Mark{}, false
	}
	return s.entries[i-s.compact.Index-1].mark(), true
}

// save does what Save's fields say, in their order.
func (s *store) save(save *Save, applied Index) error {
	committed := s.hard.Commit
	if save.Hard != nil {
		s.hard = *save.Hard
	}
	if save.Install != nil {
		if err := s.installAt(*save.Install, save.CutFrom); err != nil {
			return err
		}
	}
	if from := max(save.CutFrom, s.compact.Index+1); save.CutFrom != 0 && from <= s.last().Index {
		if save.CutFrom <= committed {
			return fmt.Errorf("cut at %d, but %d is stored as committed", save.CutFrom, committed)
		}
		s.entries = slices.Clip(s.entries[:from-s.compact.Index-1])
	}
	for _, e := range save.Append {
		if err := follows(s.last(), &e); err != nil {
			return err
		}
		s.entries = append(s.entries, e)
	}
	s.applied = max(s.applied, applied)
	if save.Compact != 0 {
		mark, ok := s.mark(save.Compact)
		if !ok || save.Compact > s.applied {
			return fmt.Errorf("compact to %d of a stored log (%d, %d], applied %d", save.Compact, s.compact.Index, s.last().Index, s.applied)
		}
		s.entries = s.entries[save.Compact-s.compact.Index:]
		s.compact = mark
	}
	return nil
}

// installAt lets the log begin behind mark.
func (s *store) installAt(mark Mark, cutFrom Index) error {
	if mark.Index < s.applied {
		return fmt.Errorf("snapshot at %v, but %d is applied", mark, s.applied)
	}
	var kept []Entry
	if mark.Index < s.last().Index {
		kept = s.entries[mark.Index-s.compact.Index:]
		if have, _ := s.mark(mark.Index); have != mark && (cutFrom == 0 || cutFrom > mark.Index+1) {
			return fmt.Errorf("entries kept behind snapshot at %v continue %v", mark, have)
		}
	}
	s.compact, s.entries, s.applied = mark, kept, mark.Index
	return nil
}

type event struct {
	at    time.Duration
	order uint64
	node  *node
	life  uint64 // 0: whichever
	in    Input
	do    func()
	save  uint64
}

type events []event

func (e events) Len() int { return len(e) }
func (e events) Less(i, j int) bool {
	return cmp.Or(cmp.Compare(e[i].at, e[j].at), cmp.Compare(e[i].order, e[j].order)) < 0
}
func (e events) Swap(i, j int) { e[i], e[j] = e[j], e[i] }
func (e *events) Push(x any)   { *e = append(*e, x.(event)) }
func (e *events) Pop() any {
	old := *e
	last := old[len(old)-1]
	old[len(old)-1] = event{}
	*e = old[:len(old)-1]
	return last
}

func (w *world) roll(n uint64) uint64       { return w.rand.next() % n }
func (w *world) chance(inMille uint64) bool { return w.roll(1000) < inMille }

func (w *world) errorf(format string, args ...any) {
	if w.fail == nil {
		w.fail = fmt.Errorf("seed %d at %v: %w", w.seed, w.now, fmt.Errorf(format, args...))
	}
}

func (w *world) at(after time.Duration, e event) {
	w.order++
	e.at, e.order = w.now+after, w.order
	heap.Push(&w.events, e)
}

var testChain = Chain{1, 2, 3}

func newWorld(seed uint64, n int) *world {
	w := &world{seed: seed, rand: random(seed), cut: map[[2]ID]bool{}, chains: map[[2]uint64]Chain{},
		leaders: map[Term]ID{}, reads: map[uint64]Index{}, ghost: []Mark{{Chain: testChain}}, ghostTerm: []Term{0},
		delay: 2 * time.Millisecond, fsync: 4 * time.Millisecond}
	for i := range n {
		w.voters = append(w.voters, ID(i+1))
	}
	for _, id := range w.voters {
		node := &node{id: id}
		node.store.compact.Chain = testChain
		w.nodes = append(w.nodes, node)
	}
	return w
}

// start begins a life of n from what its disk holds.
func (w *world) start(n *node) {
	if n.up || w.fail != nil {
		return
	}
	n.life++
	n.up, n.saving, n.paused = true, nil, 0
	n.offset = time.Duration(w.roll(uint64(time.Second)))
	cfg := Config{ID: n.id, Voters: w.voters, Seed: w.seed ^ mix(uint64(n.id)<<32|n.life), Chain: testChain}
	cfg.Stagger = w.stagger
	if w.seed%3 != 0 {
		cfg.MaxAppendBytes, cfg.MaxInflight, cfg.MaxUncommitted = 300, 1000, 4000
	}
	s := &n.store
	rec := Recovered{Hard: s.hard, Compact: s.compact, Entries: slices.Clone(s.entries), Applied: s.applied}
	m, err := New(cfg, rec, w.now+n.offset)
	if err != nil {
		w.errorf("%v does not start: %w", n.id, err)
		return
	}
	n.m, n.applied, n.given, n.tickAt = m, s.applied, 0, never
	w.step(n, Tick{})
}

func (w *world) crash(n *node) {
	if !n.up {
		return
	}
	w.stats.crashes++
	if n.saving != nil && w.chance(500) { // whole or not at all; nobody was told
		if err := n.store.save(n.saving, n.savingA); err != nil {
			w.errorf("%v: %w", n.id, err)
		}
	}
	n.up, n.m, n.saving = false, nil, nil
	for id := range w.reads {
		if ID(id&255) == n.id {
			delete(w.reads, id)
		}
	}
	for _, other := range w.nodes {
		if w.chance(700) && !w.cut[[2]ID{n.id, other.id}] {
			w.at(time.Duration(w.roll(5))*time.Millisecond, event{node: other, life: other.life, in: PeerDown{n.id}})
		}
	}
}

// step is the only door to a machine: it checks, then does what the output asks for.
func (w *world) step(n *node, in Input) {
	if !n.up || w.fail != nil {
		return
	}
	if w.stats.steps++; w.stats.steps > 200_000 {
		w.errorf("chatter without end")
	}
	if w.trace != nil {
		fmt.Fprintf(w.trace, "%v %v %T %s\n", w.now, n.id, in, describe(in))
	}
	before := n.m.Status()
	n.m.Step(w.now+n.offset, in, &n.out)
	w.check(n, before.Role)
	w.act(n)
	n.out.Reset()
	if at := n.m.Deadline() - n.offset; at < n.tickAt && at < 1<<60 {
		n.tickAt = at
		w.at(max(0, at-w.now), event{node: n, life: n.life, in: Tick{}})
	}
}

func describe(in Input) string {
	if r, ok := in.(Received); ok {
		return r.Message.String()
	}
	return fmt.Sprintf("%+v", in)
}

func (w *world) act(n *node) {
	out := &n.out
	for _, msg := range out.Sends {
		w.send(n, msg)
	}
	if out.Save.Seq != 0 {
		if n.saving != nil {
			w.errorf("%v: save %d while %d is out", n.id, out.Save.Seq, n.saving.Seq)
		}
		save := out.Save
		n.saving, n.savingA = &save, n.applied
		latency := time.Duration(w.roll(uint64(w.fsync)) + uint64(w.fsync)/4)
		if w.chance(w.stall) {
			latency += time.Duration(w.roll(uint64(time.Second)))
		}
		w.at(latency, event{node: n, life: n.life, save: save.Seq})
	}
	for _, id := range out.Snapshots {
		w.carry(n, w.nodes[id-1])
	}
}

func (w *world) saved(n *node, seq uint64) {
	if n.saving == nil || n.saving.Seq != seq {
		w.errorf("%v: save %d is lost", n.id, seq)
		return
	}
	save := n.saving
	if err := n.store.save(save, n.savingA); err != nil {
		w.errorf("%v: save %d: %w", n.id, seq, err)
		return
	}
	n.saving = nil
	if save.Install != nil {
		n.applied = save.Install.Index
		w.stats.installs++
	}
	w.step(n, Saved{seq})
}

func (w *world) send(n *node, msg Message) {
	if msg.From != n.id || msg.To == n.id || msg.To == 0 || int(msg.To) > len(w.nodes) {
		w.errorf("%v sends %v", n.id, &msg)
		return
	}
	if !w.calm && w.chance(w.drop) {
		return
	}
	copies := 1
	if !w.calm && w.chance(w.dup) {
		copies = 2
	}
	for range copies {
		late := time.Duration(w.roll(uint64(w.delay))) + w.delay/8
		if !w.calm && w.chance(w.late) {
			late += time.Duration(w.roll(uint64(600 * time.Millisecond)))
		}
		msg := msg
		to := w.nodes[msg.To-1]
		from := n
		w.at(late, event{do: func() {
			if !w.cut[[2]ID{from.id, to.id}] {
				w.deliver(to, Received{&msg})
			}
		}})
	}
}

// deliver steps now, or when the node's pause is over.
func (w *world) deliver(n *node, in Input) {
	if n.paused > w.now {
		w.at(n.paused-w.now, event{node: n, life: n.life, in: in})
		return
	}
	w.step(n, in)
}

// carry brings a snapshot of what is durable at from over to to.
func (w *world) carry(from, to *node) {
	mark, ok := from.store.mark(from.store.applied)
	if !ok {
		w.errorf("%v has applied %d, but not its entry", from.id, from.store.applied)
		return
	}
	term, life := from.m.Status().Role.Term, from.life
	if !w.snapshotRound {
		term = 0
	}
	failed := !w.calm && w.chance(300)
	w.at(time.Duration(w.roll(uint64(40*time.Millisecond))), event{do: func() {
		if failed || w.cut[[2]ID{from.id, to.id}] {
			if from.life == life {
				w.deliver(from, SnapshotFailed{to.id})
			}
			return
		}
		w.deliver(to, SnapshotReceived{From: from.id, Mark: mark, Term: term})
		if w.chance(100) { // and once more, when it is old
			w.at(time.Duration(w.roll(uint64(time.Second))), event{node: to, life: to.life,
				in: SnapshotReceived{From: from.id, Mark: mark, Term: term}})
		}
	}})
}

// run lets events happen until the time given.
func (w *world) run(until time.Duration) {
	for len(w.events) > 0 && w.events[0].at <= until && w.fail == nil {
		e := heap.Pop(&w.events).(event)
		w.now = e.at
		switch {
		case e.do != nil:
			e.do()
		case !e.node.up || e.life != e.node.life:
		case e.node.paused > w.now:
			w.order++
			e.at, e.order = e.node.paused, w.order
			heap.Push(&w.events, e)
		case e.save != 0:
			w.saved(e.node, e.save)
		default:
			if _, ok := e.in.(Tick); ok {
				e.node.tickAt = never
			}
			w.step(e.node, e.in)
		}
	}
	w.now = max(w.now, until)
}

func (w *world) committed() Index { return Index(len(w.ghost) - 1) }

func (w *world) leader() *node {
	var found *node
	for _, n := range w.nodes {
		if n.up && n.m.role == Leader && (found == nil || n.m.hard.Term > found.m.hard.Term) {
			found = n
		}
	}
	return found
}

// propose puts k values to n, whoever that is.
func (w *world) propose(n *node, k int) Placed {
	data := make([][]byte, k)
	for i := range data {
		w.value++
		data[i] = fmt.Appendf(nil, "v%d", w.value)
	}
	if !n.up || n.paused > w.now {
		return Placed{Refused: NotLeader}
	}
	var placed Placed
	n.m.Step(w.now+n.offset, Propose{data}, &n.out)
	placed = n.out.Proposed
	w.check(n, n.m.part())
	w.act(n)
	n.out.Reset()
	return placed
}

func (w *world) read(n *node) {
	if !n.up || n.paused > w.now {
		return
	}
	w.readSeq++
	id := w.readSeq<<8 | uint64(n.id)
	w.reads[id] = w.committed()
	w.step(n, Read{id})
}

func newTrace() *strings.Builder { return &strings.Builder{} }
