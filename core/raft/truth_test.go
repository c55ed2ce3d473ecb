package raft

import "slices"

// What must hold in the whole cluster after every Step, as far as the Step could have changed it.

func (w *world) check(n *node, before Role) {
	if err := n.m.Check(); err != nil {
		w.errorf("%w", err)
	}
	out := &n.out
	if out.Fatal != "" {
		w.errorf("fatal: %s", out.Fatal)
	}
	status := n.m.Status()
	if out.Changed != (out.Role != before) || out.Role != status.Role {
		w.errorf("%v was %v and is %v, and says changed %v", n.id, before, status.Role, out.Changed)
	}
	if status.Role.Kind == Leader && before != status.Role {
		w.checkElection(n)
	}
	if out.CutFrom != 0 {
		w.stats.cuts++
		if out.CutFrom <= n.given {
			w.errorf("%v cut at %d, but %d is committed", n.id, out.CutFrom, n.given)
		}
	}
	w.checkCommit(n, status.Commit)
	for i := range out.Sends {
		w.checkSend(n, &out.Sends[i])
	}
	w.checkSave(&out.Save)
	w.checkApplied(n)
	for _, g := range out.Reads {
		w.checkGrant(n, g)
	}
}

// checkElection: one leader per term, and it has all that is committed.
func (w *world) checkElection(n *node) {
	w.stats.elections++
	term := n.m.hard.Term
	if other, ok := w.leaders[term]; ok && other != n.id {
		w.errorf("two leaders in term %d: %v and %v", term, other, n.id)
	}
	w.leaders[term] = n.id
	i := len(w.ghost) - 1
	for w.ghostTerm[i] >= term && i > 0 { // a late winner need not know what later terms committed
		i--
	}
	last := w.ghost[i]
	if have, ok := n.m.log.mark(last.Index); ok && have != last || !ok && n.m.log.last.Index < last.Index {
		w.errorf("leader %v of term %d lacks committed entry %v: it has %v, last %v", n.id, term, last, have, n.m.log.last)
	}
}

// checkCommit: what is committed is written once, and is on the disks of a quorum.
func (w *world) checkCommit(n *node, commit Index) {
	for i := max(n.given, n.m.log.compact.Index) + 1; i <= commit; i++ {
		mark, _ := n.m.log.mark(i)
		if i <= w.committed() {
			if w.ghost[i] != mark {
				w.errorf("%v commits %v at %d with chain %v, but it was %v with chain %v", n.id, mark, i, mark.Chain, w.ghost[i], w.ghost[i].Chain)
			}
			continue
		}
		disks := 0
		for _, other := range w.nodes {
			if have, ok := other.store.mark(i); ok && have == mark || i < other.store.compact.Index {
				disks++
			}
		}
		if disks < len(w.nodes)/2+1 {
			w.errorf("%v commits %v, which is on %d disks of %d", n.id, mark, disks, len(w.nodes))
		}
		w.ghost = append(w.ghost, mark)
		w.ghostTerm = append(w.ghostTerm, n.m.hard.Term)
	}
	n.given = max(n.given, commit)
}

// checkSend: what a message promises or claims is on the sender's disk.
func (w *world) checkSend(n *node, msg *Message) {
	w.hash.add(uint64(msg.Kind), uint64(msg.From), uint64(msg.To), uint64(msg.Term), uint64(msg.Index), uint64(len(msg.Entries)), uint64(w.now))
	s := &n.store
	switch msg.Kind {
	case PreVote, PreVoteReply:
		return
	case Vote:
		if s.hard.Term != msg.Term || s.hard.Vote != n.id {
			w.errorf("%v sends %v, but its disk has %+v", n.id, msg, s.hard)
		}
	case VoteReply:
		if !msg.Reject && (s.hard.Term != msg.Term || s.hard.Vote != msg.To) {
			w.errorf("%v sends %v, but its disk has %+v", n.id, msg, s.hard)
		}
	case AppendReply:
		leader := w.nodes[msg.To-1]
		if msg.Reject || !leader.up || leader.m.hard.Term != msg.Term {
			break
		}
		truth, ok := leader.m.log.mark(msg.Index)
		have, here := s.mark(msg.Index)
		if ok && here && truth != have || !here && msg.Index > s.compact.Index {
			w.errorf("%v sends %v, but its disk has %v, the leader %v", n.id, msg, have, truth)
		}
	}
	if s.hard.Term < msg.Term {
		w.errorf("%v sends %v, but its disk has %+v", n.id, msg, s.hard)
	}
}

// checkSave: equal index and term mean equal chains, everywhere and for ever.
func (w *world) checkSave(save *Save) {
	for _, e := range save.Append {
		key := [2]uint64{uint64(e.Index), uint64(e.Term)}
		if chain, ok := w.chains[key]; ok && chain != e.Chain {
			w.errorf("entry %d of term %d has two chains", e.Index, e.Term)
		}
		w.chains[key] = e.Chain
	}
}

// checkApplied: what is handed out comes in order, is committed, and is on this disk.
func (w *world) checkApplied(n *node) {
	if len(n.out.Committed) > 0 && n.saving != nil && n.saving.Install != nil {
		w.errorf("%v applies while it installs", n.id)
	}
	for _, e := range n.out.Committed {
		if e.Index != n.applied+1 || e.Index > w.committed() || e.mark() != w.ghost[e.Index] {
			w.errorf("%v applies %v after %d", n.id, e, n.applied)
			return
		}
		if have, ok := n.store.mark(e.Index); !ok || have != e.mark() {
			w.errorf("%v applies %v, but its disk has %v", n.id, e, have)
		}
		n.applied = e.Index
	}
}

func (w *world) checkGrant(n *node, g Grant) {
	begun, ok := w.reads[g.ID]
	if !ok {
		w.errorf("%v grants read %d twice", n.id, g.ID)
	}
	delete(w.reads, g.ID)
	if !g.OK {
		w.denied++
		return
	}
	w.granted++
	if g.Index < begun {
		w.errorf("%v grants read %d at %d, but %d was committed when it began", n.id, g.ID, g.Index, begun)
	}
}

// checkConverged: after a calm time there is one leader, all have the same, nobody waits.
func (w *world) checkConverged() {
	leader := w.leader()
	if leader == nil {
		w.errorf("no leader")
		return
	}
	if id := leader.m.Transferring(); id != 0 {
		w.errorf("%v still hands over to %v", leader.id, id)
	}
	for _, n := range w.nodes {
		s := n.m.Status()
		if s.Role.Term != leader.m.hard.Term || s.Role.Leader != leader.id {
			w.errorf("%v is %v, but %v leads term %d", n.id, s.Role, leader.id, leader.m.hard.Term)
		}
		if s.Commit != w.committed() || s.Applied != s.Commit || s.Last.Index != s.Commit || s.Saved != s.Commit || n.applied != s.Commit {
			w.errorf("%v has last %d saved %d commit %d applied %d, want %d", n.id, s.Last.Index, s.Saved, s.Commit, s.Applied, w.committed())
		}
	}
	for _, p := range leader.m.Status().Progress {
		if p.Match != w.committed() || p.Snapshot {
			w.errorf("the leader believes %+v, want match %d", p, w.committed())
		}
	}
	if n := len(w.reads); n > 0 {
		ids := []uint64{}
		for id := range w.reads {
			ids = append(ids, id)
		}
		slices.Sort(ids)
		w.errorf("%d reads were never answered: %v", n, ids)
	}
}
