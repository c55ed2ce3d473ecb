package explore

import (
	"fmt"
	"slices"
	"time"

	"parley/core/raft"
)

// node is one server at one moment: its machine, its disk, and the save on its way there. A node is
// never changed: a step makes another.
type node struct {
	machine *raft.Machine
	disk    disk
	saving  *raft.Save // begun and not finished; nil: none
	life    uint64     // counted only where lives can be told apart

	// What the rules look at, taken once.
	status raft.Status
	log    []raft.Mark // in memory: log[i] is entry i+1
}

// disk is what survives a crash. There is no compaction: it holds the log from its first entry.
type disk struct {
	hard    raft.Hard
	entries []raft.Entry
}

func (d *disk) mark(i raft.Index) (raft.Mark, bool) {
	if i == 0 {
		return raft.Mark{Chain: seed}, true
	}
	if int(i) > len(d.entries) {
		return raft.Mark{}, false
	}
	e := &d.entries[i-1]
	return raft.Mark{Index: e.Index, Term: e.Term, Chain: e.Chain, Time: e.Time}, true
}

// save carries out a Save on a copy, and says what about it breaks the rules of a store.
func (d disk) save(s *raft.Save) (disk, string) {
	committed := d.hard.Commit // before: what replaces the cut may be committed by the same save
	if h := s.Hard; h != nil {
		switch {
		case h.Term < d.hard.Term, h.Term == d.hard.Term && d.hard.Vote != 0 && h.Vote != d.hard.Vote:
			return d, fmt.Sprintf("the disk is to hold %+v after %+v", *h, d.hard)
		}
		d.hard = *h
	}
	if from := int(s.CutFrom); from != 0 && from <= len(d.entries) {
		if s.CutFrom <= committed {
			return d, fmt.Sprintf("the disk is to cut entry %d, and %d is committed", from, d.hard.Commit)
		}
		d.entries = slices.Clip(d.entries[:from-1])
	}
	for _, e := range s.Append {
		if int(e.Index) != len(d.entries)+1 {
			return d, fmt.Sprintf("the disk is to append entry %d and ends at %d", e.Index, len(d.entries))
		}
		d.entries = append(slices.Clip(d.entries), e)
	}
	return d, ""
}

// seed is where all hash chains begin.
var seed = raft.Chain{'e', 'x', 'p'}

// The clock of a levelled machine stands: what a step needs to let pass is added to its deadline.
const (
	heartbeat = 50 * time.Millisecond
	patience  = 200 * time.Millisecond // the election timeout
)

func (x *explorer) config(id raft.ID, life uint64) raft.Config {
	return raft.Config{ID: id, Voters: x.voters, Seed: uint64(id)<<32 | life, Chain: seed,
		Heartbeat: heartbeat, Base: patience, MaxAppendBytes: x.scope.Append}
}

// born is a server that starts from its disk.
func (x *explorer) born(id raft.ID, d disk, life uint64) (*node, *outcome) {
	rec := raft.Recovered{Hard: d.hard, Entries: slices.Clone(d.entries)}
	m, err := raft.New(x.config(id, life), rec, raft.Noon)
	o := &outcome{}
	if err != nil {
		o.broke("recovery", "%v does not come back: %v", id, err)
		return nil, o
	}
	m.Level()
	n := &node{machine: m, disk: d, life: life}
	x.run(n, raft.Tick{}, 0, o)
	return n, o
}

// outcome is what a step of one server came to, whoever else there is.
type outcome struct {
	to     uint32 // the node afterwards
	sends  []uint32
	faults []Failure // rules that this server broke all by itself

	silent  bool        // nothing came of it at all
	logged  bool        // its log or disk is another now
	handed  []raft.Mark // given out to be applied
	grants  []raft.Grant
	placed  bool // a proposal was taken
	renewed bool // another life
}

func (o *outcome) broke(rule, format string, args ...any) {
	o.faults = append(o.faults, Failure{Rule: rule, Text: fmt.Sprintf(format, args...)})
}

// step is the one way in which a node becomes another. What comes of an input depends on the node
// alone, so that it is found out once, however many states of the world the node stands in.
func (x *explorer) step(from uint32, c choice) *outcome {
	if c.kind() == hearAgain {
		c = makeChoice(hear, 0, c.arg())
	}
	key := uint64(from)<<32 | uint64(c&^nodeMask)
	if o, ok := x.steps[key]; ok {
		return o
	}
	was := x.nodes[from]
	n := &node{disk: was.disk, saving: was.saving, life: was.life}
	o := &outcome{}
	if c.kind() == crash || c.kind() == crashSaved {
		n, o = x.crash(was, c.kind() == crashSaved)
	} else {
		n.machine = was.machine.Clone()
		in, after := x.input(n, c, o)
		if in != nil {
			x.run(n, in, after, o)
		}
	}
	if len(o.faults) == 0 {
		o.to = x.internNode(n)
		o.logged = !slices.Equal(n.log, was.log) || !slices.EqualFunc(n.disk.entries, was.disk.entries, sameEntry)
		o.silent = o.to == from && len(o.sends) == 0 && len(o.grants) == 0 && len(o.handed) == 0 && !o.renewed
	}
	x.steps[key] = o
	return o
}

func sameEntry(a, b raft.Entry) bool { return a.Chain == b.Chain }

// input is what a choice means to a machine, and how much time it lets pass before.
func (x *explorer) input(n *node, c choice, o *outcome) (raft.Input, time.Duration) {
	switch c.kind() {
	case hear, hearAgain:
		return raft.Received{Message: &x.messages[c.arg()].body}, 0
	case timeout:
		return raft.Tick{}, patience
	case beat:
		return raft.Tick{}, heartbeat
	case saved:
		d, wrong := n.disk.save(n.saving)
		if wrong != "" {
			o.broke("disk", "%v: %s", n.machine.Status().ID, wrong)
			return nil, 0
		}
		if !x.forgetful {
			n.disk = d
		}
		n.saving = nil
		return raft.Saved{Seq: 1}, 0
	case propose:
		return raft.Propose{Data: [][]byte{{byte('a' + c.arg())}}}, 0
	case read:
		return raft.Read{ID: uint64(c.arg()) + 1}, 0
	case hint:
		return raft.PeerDown{Peer: raft.ID(c.arg())}, 0
	case transfer:
		return raft.Transfer{}, 0
	}
	panic(fmt.Sprintf("explore: choice %d is none", c.kind()))
}

// run steps the machine of a node that is being made, and looks at all that only this server has to
// answer for.
func (x *explorer) run(n *node, in raft.Input, after time.Duration, o *outcome) {
	id := n.machine.Status().ID
	for in != nil {
		var out raft.Output
		if text := stepped(n.machine, after, in, &out); text != "" {
			o.broke("invariant", "%v: %s", id, text)
			return
		}
		after, in = 0, nil
		if err := n.machine.Check(); err != nil {
			o.broke("order", "%v", err)
		}
		if out.Fatal != "" {
			o.broke("halt", "nothing is wrong, and yet: %s", out.Fatal)
		}
		for i := range out.Sends {
			n.durable(&out.Sends[i], o)
			o.sends = append(o.sends, x.internMessage(out.Sends[i]))
		}
		for _, e := range out.Committed {
			o.handed = append(o.handed, raft.Mark{Index: e.Index, Term: e.Term, Chain: e.Chain, Time: e.Time})
		}
		o.grants = append(o.grants, out.Reads...)
		o.placed = o.placed || out.Proposed.First != 0
		if out.Save.Seq == 0 {
			break
		}
		save := out.Save
		if save.Hard != nil {
			hard := *save.Hard
			save.Hard = &hard
		}
		n.saving = &save
		if x.scope.Instant { // it is done before anything else happens
			in = raft.Saved{Seq: save.Seq}
			d, wrong := n.disk.save(&save)
			if wrong != "" {
				o.broke("disk", "%v: %s", id, wrong)
				return
			}
			n.disk, n.saving = d, nil
		}
	}
	n.machine.Level()
	if n.saving != nil {
		n.saving.Seq = 1
	}
	n.status = n.machine.Status()
	n.log = nil
	for i := raft.Index(1); i <= n.status.Last.Index; i++ {
		mark, _ := n.machine.Mark(i)
		n.log = append(n.log, mark)
	}
}

// stepped catches what a machine says of itself when it breaks its own rules.
func stepped(m *raft.Machine, after time.Duration, in raft.Input, out *raft.Output) (broken string) {
	defer func() {
		if r := recover(); r != nil {
			broken = fmt.Sprint(r)
		}
	}()
	m.Step(raft.Noon+after, in, out)
	return ""
}

// crash ends a life and begins the next. The save in flight is on the disk, whole, or it is not.
func (x *explorer) crash(was *node, kept bool) (*node, *outcome) {
	id, d := was.status.ID, was.disk
	if kept {
		var wrong string
		if d, wrong = d.save(was.saving); wrong != "" {
			o := &outcome{}
			o.broke("disk", "%v: %s", id, wrong)
			return nil, o
		}
	}
	life := was.life
	if x.scope.Reads > 0 {
		life++ // an answer to a question of the life before must not pass for one to this life's
	}
	n, o := x.born(id, d, life)
	o.renewed = true
	return n, o
}

// durable demands that what a message promises is on the disk of who sends it.
func (n *node) durable(m *raft.Message, o *outcome) {
	hard := n.disk.hard
	to := m.From
	switch {
	case m.Kind == raft.AppendReply && !m.Reject:
		mark, ok := n.machine.Mark(m.Index)
		held, on := n.disk.mark(m.Index)
		if !on || ok && held.Chain != mark.Chain || hard.Term < m.Term {
			o.broke("durable-ack", "%v acknowledges entry %d in term %d; its disk ends at %d and knows term %d",
				m.From, m.Index, m.Term, len(n.disk.entries), hard.Term)
		}
		return
	case m.Kind == raft.VoteReply && !m.Reject:
		to = m.To
	case m.Kind != raft.Vote:
		return
	}
	if hard.Term < m.Term || hard.Term == m.Term && hard.Vote != to {
		o.broke("durable-ack", "%v votes for %v in term %d; its disk says %v in term %d", m.From, to, m.Term, hard.Vote, hard.Term)
	}
}

// hash is of all by which two nodes can behave differently.
func (n *node) hash() key {
	h := newHash()
	h.add(n.machine.Hash())
	h.add(uint64(n.disk.hard.Term))
	h.add(uint64(n.disk.hard.Vote))
	h.add(uint64(n.disk.hard.Commit))
	h.entries(n.disk.entries)
	h.add(n.life)
	if s := n.saving; s != nil {
		h.add(1)
		if s.Hard != nil {
			h.add(uint64(s.Hard.Term))
			h.add(uint64(s.Hard.Vote))
			h.add(uint64(s.Hard.Commit))
		}
		h.add(uint64(s.CutFrom))
		h.entries(s.Append)
	}
	return h.key
}

func (x *explorer) internNode(n *node) uint32 {
	k := n.hash()
	if id, ok := x.nodeIDs[k]; ok {
		return id
	}
	id := uint32(len(x.nodes))
	x.nodes = append(x.nodes, n)
	x.nodeIDs[k] = id
	return id
}
