package sim

import (
	"fmt"
	"time"

	"parley/core/chat"
	"parley/core/raft"
	"parley/core/replica"
	"parley/core/row"
	"parley/core/session"
)

// checks knows what no replica can know: all of them at once, and all that ever was. It looks after
// every step, and says what is wrong in the words of the rule that is broken. Each checker has a file
// of its own.
//
// The chat itself is not modelled here: an independent model replays the committed log when the
// history is judged, at the end of every run (linearizability, Options.Certificate).
type checks struct {
	w     *world
	ghost []raft.Entry                   // the committed log, written once …
	since []raft.Term                    // … and in which term each was first known to be committed …
	when  []time.Duration                // … and when
	book  book                           // all that anybody ever began to save
	ended map[raft.Index][]chat.DeviceID // leases that an entry ended

	order  orderCheck
	raft   raftCheck
	digest digestCheck
	once   onceCheck
	feed   feedCheck
	fresh  freshCheck
	owners map[session.DeviceID]chat.UID
}

func newChecks(w *world) checks {
	return checks{w: w, ended: map[raft.Index][]chat.DeviceID{}, order: newOrderCheck(w), raft: newRaftCheck(), digest: newDigestCheck(),
		once: newOnceCheck(), feed: newFeedCheck(), owners: map[session.DeviceID]chat.UID{}}
}

// stepped looks at a server that has just taken a step, before its output is carried out.
func (k *checks) stepped(s *server, in replica.Input) {
	st := &s.status.Raft
	k.looked(ofInvariant)
	if err := s.machine.Raft().Check(); err != nil {
		k.fail(ofOrder, "n%d: %v", s.id, err)
		return
	}
	k.ordered(s, st)
	k.leadership(s, st)
	save := s.out.Save
	if save != nil {
		k.appending(s, save.Append)
	}
	k.committed(s, st)
	if save != nil {
		k.writing(s, save.Effects)
	}
	for i := range s.out.Sends {
		if m := s.out.Sends[i].Raft; m != nil {
			k.sent(s, m)
		}
	}
	for i := range s.out.Notes {
		if n := &s.out.Notes[i]; n.Kind == replica.LeaseEnded {
			k.leaseEnded(n)
		}
	}
	if s.status.Applied > 0 {
		k.positions(s)
	}
	k.states(s)
	k.lively(s)
	k.chatters(s, in)
	k.order.seen[s.id-1].look(s)
}

// appending looks at entries on their way to a disk, writing at rows.
func (k *checks) appending(s *server, entries []raft.Entry) {
	for i := range entries {
		k.matches(s, &entries[i])
	}
}

func (k *checks) writing(s *server, effects []row.Effect) {
	for i := range effects {
		k.written(s, &effects[i])
	}
}

// saved looks at a disk that has just finished a save.
func (k *checks) saved(s *server, saved replica.Saved) {
	k.durable(s)
	k.digestSaved(s, saved)
}

func (k *checks) leaseEnded(n *replica.Note) {
	for _, d := range k.ended[n.Index] {
		if d == n.Device {
			return
		}
	}
	k.ended[n.Index] = append(k.ended[n.Index], n.Device)
}

// halted says that a replica has stopped itself.
func (k *checks) halted(s *server) bool {
	k.looked(ofHalt)
	return s.out.Fatal != ""
}

// honest: a replica that stops for good points at damage that the atlas lists.
func (k *checks) honest(s *server, why string) bool {
	k.looked(ofHalt)
	if !k.w.atlas.excuses(s) {
		k.fail(ofHalt, "n%d stops itself, with nothing wrong: %s", s.id, why)
		return false
	}
	return true
}

// positions demands that all that clients are told says where in the log it stands.
func (k *checks) positions(s *server) {
	at := func(what string, p replica.Pos) bool {
		k.looked(ofPosition)
		if p.Epoch == 1 && p.Index != 0 {
			return true
		}
		k.fail(ofPosition, "n%d, which has applied %d, says %s at %+v", s.id, s.status.Applied, what, p)
		return false
	}
	for i := range s.out.Replies {
		if r := &s.out.Replies[i]; !at("reply", r.Pos) {
			return
		}
	}
	for i := range s.out.Attached {
		at("attached", s.out.Attached[i].Pos)
	}
	for i := range s.out.Pushes {
		at("push", s.out.Pushes[i].Pos)
	}
	for i := range s.out.Closings {
		at("closing", s.out.Closings[i].Pos)
	}
}

// owner demands that a device belongs to one incarnation of one account for ever: a number of a feed
// and a cursor mean nothing without it.
func (k *checks) owner(dev session.DeviceID, uid chat.UID, told string) {
	k.looked(ofIncarnation)
	switch was, known := k.owners[dev]; {
	case uid == 0:
		k.fail(ofIncarnation, "%s tells device %s no uid", told, device(dev))
	case known && was != uid:
		k.fail(ofIncarnation, "%s tells device %s uid %d, before it was %d", told, device(dev), uid, was)
	case !known:
		k.owners[dev] = uid
	}
}

// converged says what still keeps the replicas from being equal, or nothing.
func (k *checks) converged() string {
	if k.w.atlas.excused() {
		return ""
	}
	for _, s := range k.w.standing() {
		if !s.up {
			return fmt.Sprintf("n%d is down", s.id)
		}
		if st := &s.status; int(st.Applied) != len(k.ghost) || int(st.Durable) < k.old() {
			return fmt.Sprintf("n%d has applied %d (durable %d) of %d committed entries", s.id, st.Applied, st.Durable, len(k.ghost))
		}
	}
	return ""
}

// old counts the committed entries whose effects nobody has a reason to keep in memory any longer: leases
// and acknowledgements make new ones as long as a world lives.
func (k *checks) old() int {
	n := len(k.when)
	for n > 0 && k.when[n-1] > k.w.now-time.Duration(k.w.plan.Knobs.Effects)-2*time.Second {
		n--
	}
	return n
}

// equal: replicas that have applied the same are the same, and what the log comes to.
func (k *checks) equal() {
	standing := k.w.standing()
	if k.w.atlas.excused() {
		return
	}
	one := standing[0]
	for _, s := range standing[1:] {
		k.looked(ofDigest)
		if stateOf(s.machine) != stateOf(one.machine) {
			k.fail(ofDigest, "n%d and n%d have applied %d entries and differ, chat: %t, sessions: %t", one.id, s.id, len(k.ghost),
				s.machine.Chat().Hash() != one.machine.Chat().Hash(), s.machine.Sessions().Hash() != one.machine.Sessions().Hash())
		}
	}
	k.invariants()
	k.replayed()
}

// invariants: each replica finds itself in order.
func (k *checks) invariants() {
	for _, s := range k.w.standing() {
		k.looked(ofInvariant)
		if err := s.machine.Check(); err != nil {
			k.fail(ofInvariant, "n%d: %v", s.id, err)
		}
	}
}
