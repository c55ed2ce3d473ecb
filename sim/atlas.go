package sim

import "parley/core/raft"

// atlas knows which copy of what is damaged or missing where. Whoever wants to damage something asks
// it first, and it refuses what the protocol does not promise to survive: as long as a majority of
// disks is intact, what is committed has an intact copy, and a majority can go on without the rest.
// Checkers ask it, too: a copy that was there when it was acknowledged, and is damaged since, was
// promised honestly; and only who has damage may halt.
type atlas struct{ w *world }

// allows says whether the disk of s may be damaged. A plan that goes beyond may do anything: then
// right answers and loud halts are all that is asked for.
func (a atlas) allows(s *server) bool {
	if a.w.plan.Beyond {
		return true
	}
	lost := 0
	for _, o := range a.w.servers {
		if o == s || a.damaged(o) {
			lost++
		}
	}
	return lost <= (len(a.w.servers)-1)/2
}

// damaged says that a disk does not hold what its replica was told is saved.
func (a atlas) damaged(s *server) bool {
	return s.halted != "" || s.disk.wiped || s.rolledBack || len(s.disk.scars) > 0
}

// excuses says whether a replica has a reason to halt: damage of its own, or, in a plan that goes
// beyond, of anybody's, because what a forgetful peer says contradicts what was.
func (a atlas) excuses(s *server) bool {
	if a.damaged(s) {
		return true
	}
	if a.w.plan.Beyond {
		for _, o := range a.w.servers {
			if a.damaged(o) {
				return true
			}
		}
	}
	return false
}

// holds says whether the disk of s durably holds entry i, or did until it was damaged. It may be
// compacted away there.
func (a atlas) holds(s *server, i raft.Index, chain raft.Chain) bool {
	d := s.disk.durable()
	if scar := d.scarAt(i); scar != nil {
		return scar.chain == chain
	}
	e, ok := d.entry(i)
	return ok && e.Chain == chain || d.compact.Index >= i
}

// excused says that nothing more can be asked of this cluster: it went beyond what is survived, and no
// majority is left that has not halted.
func (a atlas) excused() bool {
	return a.w.plan.Beyond && 2*len(a.w.standing()) <= len(a.w.servers)
}
