package explore

import (
	"fmt"

	"parley/core/raft"
)

// look is one step, seen by one who sees all servers: what node i was and is, and everybody now.
type look struct {
	x     *explorer
	was   *node
	now   *node
	o     *outcome
	all   []uint32 // the nodes now
	ghost *ghost
	own   bool // ghost is a copy that may be changed
	fault *Failure
}

func (k *look) broke(rule, format string, args ...any) {
	if k.fault == nil {
		k.fault = &Failure{Rule: rule, Text: fmt.Sprintf(format, args...)}
	}
}

// change gives a ghost that may be changed.
func (k *look) change() *ghost {
	if !k.own {
		k.ghost, k.own = k.ghost.clone(), true
	}
	return k.ghost
}

// judge looks at a step that has just been taken.
func (k *look) judge() {
	k.leadership()
	k.commits()
	if k.o.logged {
		k.matching()
	}
	k.applies()
	k.grants()
}

func (k *look) leads() bool { return k.now.status.Role.Kind == raft.Leader }

// led says that it led this term before the step, in this life.
func (k *look) led() bool {
	return !k.o.renewed && k.was.status.Role.Kind == raft.Leader && k.was.status.Role.Term == k.now.status.Role.Term
}

// leadership: one leader a term, with the votes of a quorum, and with all that is committed.
func (k *look) leadership() {
	if !k.leads() || k.led() {
		return
	}
	id, term := k.now.status.ID, k.now.status.Role.Term
	for _, l := range k.ghost.leaders {
		if l.term == term && l.id != id {
			k.broke("raft", "two leaders in term %d: %v and %v", term, l.id, id)
		}
	}
	g := k.change()
	g.leaders = append(g.leaders, leader{term, id})
	votes := 0
	for _, n := range k.all { // a voter that has gone on to another term may have voted for anybody
		if hard := k.x.nodes[n].disk.hard; hard.Term > term || hard.Term == term && hard.Vote == id {
			votes++
		}
	}
	if 2*votes <= len(k.all) {
		k.broke("votes", "%v leads term %d by at most %d votes of %d", id, term, votes, len(k.all))
	}
	for _, c := range k.ghost.committed {
		k.complete(k.now, c)
	}
}

// complete: a leader has what was committed in the terms before its own.
func (k *look) complete(n *node, c committed) {
	if n.status.Role.Kind != raft.Leader || n.status.Role.Term <= c.term {
		return
	}
	if i := int(c.mark.Index); i > len(n.log) || n.log[i-1].Chain != c.mark.Chain {
		k.broke("completeness", "%v leads term %d without the committed entry %v", n.status.ID, n.status.Role.Term, c.mark)
	}
}

// commits: what is committed is written once, and is on the disks of a quorum when it first becomes so.
func (k *look) commits() {
	was, now := k.was.status.Commit, k.now.status.Commit
	if k.o.renewed {
		was = 0
	}
	if was == now {
		return
	}
	id, term := k.now.status.ID, k.now.status.Role.Term
	// Raft dissertation §3.6.2: a leader commits by counting only entries of its own term.
	if mark := k.now.log[now-1]; k.leads() && k.led() && mark.Term != term {
		k.broke("raft", "%v leads term %d and commits up to entry %v", id, term, mark)
	}
	for i := was + 1; i <= now; i++ {
		mark := k.now.log[i-1]
		if int(i) > len(k.ghost.committed) {
			k.first(committed{mark, term})
		} else if k.ghost.committed[i-1].mark != mark {
			k.broke("raft", "%v commits entry %v where %v was committed before", id, mark, k.ghost.committed[i-1].mark)
		}
	}
}

func (k *look) first(c committed) {
	on := 0
	for _, n := range k.all {
		if held, ok := k.x.nodes[n].disk.mark(c.mark.Index); ok && held == c.mark {
			on++
		}
	}
	if 2*on <= len(k.all) {
		k.broke("durable-ack", "%v commits entry %v on %d of %d disks", k.now.status.ID, c.mark, on, len(k.all))
	}
	g := k.change()
	g.committed = append(g.committed, c)
	for _, n := range k.all {
		k.complete(k.x.nodes[n], c)
	}
}

// matching: entries of one index and term are one entry, with one past, in every memory and on every
// disk.
func (k *look) matching() {
	for _, n := range k.all {
		other := k.x.nodes[n]
		for _, mine := range k.now.log {
			i := int(mine.Index)
			if i <= len(other.log) && other.log[i-1].Term == mine.Term && other.log[i-1].Chain != mine.Chain {
				k.broke("raft", "%v and %v have different entries %v", k.now.status.ID, other.status.ID, mine)
			}
			if held, ok := other.disk.mark(mine.Index); ok && held.Term == mine.Term && held.Chain != mine.Chain {
				k.broke("raft", "%v has another entry %v than the disk of %v", k.now.status.ID, mine, other.status.ID)
			}
		}
	}
}

// applies: what is handed out is what was committed.
func (k *look) applies() {
	for _, mark := range k.o.handed {
		if int(mark.Index) > len(k.ghost.committed) || k.ghost.committed[mark.Index-1].mark != mark {
			k.broke("raft", "%v applies entry %v, which was not committed", k.now.status.ID, mark)
		}
	}
}

// begins notes what a read that begins now must see.
func (k *look) begins(id uint64) {
	g := k.change()
	g.reads = append(g.reads, begun{id, k.now.status.ID, raft.Index(len(g.committed))})
}

// grants: a read sees all that was committed when it began.
func (k *look) grants() {
	if k.o.renewed || len(k.o.grants) > 0 {
		k.forget(func(r begun) bool { return k.o.renewed && r.at == k.now.status.ID })
	}
	for _, grant := range k.o.grants {
		known := false
		k.forget(func(r begun) bool {
			if r.id != grant.ID || r.at != k.now.status.ID {
				return false
			}
			known = true
			if grant.OK && grant.Index < r.index {
				k.broke("freshness", "%v grants a read at %d, and %d was committed when it began", r.at, grant.Index, r.index)
			}
			return true
		})
		if !known {
			k.broke("freshness", "%v grants read %d, which nobody waits for", k.now.status.ID, grant.ID)
		}
	}
}

// forget drops reads that nobody waits for any more.
func (k *look) forget(which func(begun) bool) {
	var kept []begun
	for _, r := range k.ghost.reads {
		if !which(r) {
			kept = append(kept, r)
		}
	}
	if len(kept) != len(k.ghost.reads) {
		k.change().reads = kept
	}
}
