package sim

import (
	"fmt"

	"parley/core/chat"
	"parley/core/raft"
	"parley/core/replica"
	"parley/core/row"
	"parley/core/session"
)

// checks knows what no replica can know: all of them at once, and all that ever was. It looks after
// every step, and says what is wrong in the words of the rule that is broken.
type checks struct {
	w       *world
	seen    []sight                        // by server
	leaders map[raft.Term]raft.ID          // election safety
	votes   map[ballot]raft.ID             // one vote a term
	entries map[raft.Chain]raft.Entry      // all that anybody ever began to save
	ghost   []raft.Entry                   // the committed log, written once
	digests map[raft.Index]row.Digest      // of the rows, by applied index
	ended   map[raft.Index][]chat.DeviceID // leases that an entry ended
	repeats map[[2]uint64]settledCall
	answers map[numbered]answer // the first to each command
	owners  map[session.DeviceID]chat.UID
}

type numbered struct {
	dev  session.DeviceID
	dseq uint64
}

type answer struct {
	code string
	pos  replica.Pos
}

// sight is what was last seen of a server, in this life.
type sight struct {
	life            int
	term            raft.Term
	led             raft.Term // it led this term
	commit, applied raft.Index
}

type ballot struct {
	voter raft.ID
	term  raft.Term
}

func newChecks(w *world) checks {
	return checks{w: w, seen: make([]sight, w.plan.Voters), leaders: map[raft.Term]raft.ID{},
		votes: map[ballot]raft.ID{}, entries: map[raft.Chain]raft.Entry{},
		digests: map[raft.Index]row.Digest{}, ended: map[raft.Index][]chat.DeviceID{},
		repeats: map[[2]uint64]settledCall{}, answers: map[numbered]answer{}, owners: map[session.DeviceID]chat.UID{}}
}

// stepped looks at a server that has just taken a step, before its output is carried out.
func (k *checks) stepped(s *server) {
	k.w.stats.Checks++
	st := &s.status.Raft
	if err := s.machine.Raft().Check(); err != nil {
		k.w.fail("order", "n%d: %v", s.id, err)
		return
	}
	k.order(s, st)
	k.leadership(s, st)
	if s.out.Save != nil {
		for _, e := range s.out.Save.Append {
			k.entries[e.Chain] = e
		}
	}
	k.committed(s, st)
	for i := range s.out.Sends {
		if m := s.out.Sends[i].Raft; m != nil {
			k.sent(s, m)
		}
	}
	for _, n := range s.out.Notes {
		if n.Kind == replica.LeaseEnded {
			k.leaseEnded(n)
		}
	}
	if s.status.Applied > 0 {
		k.positions(s)
	}
}

// positions demands that all that clients are told says where in the log it stands.
func (k *checks) positions(s *server) {
	at := func(what string, p replica.Pos, detail any) {
		if p.Epoch != 1 || p.Index == 0 {
			k.w.fail("position", "n%d, which has applied %d, says %s at %+v: %+v", s.id, s.status.Applied, what, p, detail)
		}
	}
	for i := range s.out.Replies {
		r := &s.out.Replies[i]
		at("reply", r.Pos, r)
	}
	for i := range s.out.Attached {
		a := &s.out.Attached[i]
		at("attached", a.Pos, a)
	}
	for i := range s.out.Pushes {
		p := &s.out.Pushes[i]
		at("push", p.Pos, p)
	}
	for i := range s.out.Closings {
		c := &s.out.Closings[i]
		at("closing", c.Pos, c)
	}
}

// owner demands that a device belongs to one incarnation of one account for ever: a number of a feed
// and a cursor mean nothing without it.
func (k *checks) owner(dev session.DeviceID, uid chat.UID, told string) {
	switch was, known := k.owners[dev]; {
	case uid == 0:
		k.w.fail("incarnation", "%s tells device %s no uid", told, device(dev))
	case known && was != uid:
		k.w.fail("incarnation", "%s tells device %s uid %d, before it was %d", told, device(dev), uid, was)
	default:
		k.owners[dev] = uid
	}
}

func (k *checks) leaseEnded(n replica.Note) {
	for _, d := range k.ended[n.Index] {
		if d == n.Device {
			return
		}
	}
	k.ended[n.Index] = append(k.ended[n.Index], n.Device)
}

// order: within a life term, commit and applied never go back.
func (k *checks) order(s *server, st *raft.Status) {
	was := &k.seen[s.id-1]
	if was.life != s.life {
		*was = sight{life: s.life, term: was.term}
	}
	applied := s.status.Applied
	if st.Role.Term < was.term || st.Commit < was.commit || applied < was.applied {
		k.w.fail("order", "n%d goes back: term %d to %d, commit %d to %d, applied %d to %d", s.id,
			was.term, st.Role.Term, was.commit, st.Commit, was.applied, applied)
	}
	was.term, was.applied = st.Role.Term, applied
}

// endedLife forgets what a server had only in memory.
func (k *checks) endedLife(s *server) { k.seen[s.id-1].term = s.disk.hard.Term }

// leadership: one leader a term, by the votes of a majority, and it has every committed entry.
func (k *checks) leadership(s *server, st *raft.Status) {
	if st.Role.Kind != raft.Leader {
		return
	}
	switch first, ok := k.leaders[st.Role.Term]; {
	case ok && first != s.id:
		k.w.fail("raft", "two leaders in term %d: n%d and n%d", st.Role.Term, first, s.id)
		return
	case ok:
		return
	}
	k.leaders[st.Role.Term] = s.id
	k.w.stats.Elections++
	k.elected(s, st.Role.Term)
	for i := st.Compact.Index + 1; int(i) <= len(k.ghost); i++ {
		if m, ok := s.machine.Raft().Mark(i); !ok || m.Chain != k.ghost[i-1].Chain {
			k.w.fail("completeness", "n%d leads term %d without the committed entry %d", s.id, st.Role.Term, i)
			return
		}
	}
}

// elected: whoever leads was given votes, whoever counted them.
func (k *checks) elected(s *server, t raft.Term) {
	votes := 0
	for _, v := range k.w.plan.voters() {
		if v == s.id || k.votes[ballot{v, t}] == s.id {
			votes++
		}
	}
	if votes <= len(k.w.plan.voters())/2 {
		k.w.fail("raft", "n%d leads term %d by %d votes of %d", s.id, t, votes, len(k.w.plan.voters()))
	}
}

// committed: what is committed is written once, everywhere the same, and is on the disks of a
// majority when it first becomes so.
func (k *checks) committed(s *server, st *raft.Status) {
	was := &k.seen[s.id-1]
	for i := max(was.commit, st.Compact.Index) + 1; i <= st.Commit && k.w.failure == nil; i++ {
		m, ok := s.machine.Raft().Mark(i)
		switch {
		case !ok:
			k.w.fail("raft", "n%d: commit %d, but entry %d is not there", s.id, st.Commit, i)
		case int(i) <= len(k.ghost):
			if k.ghost[i-1].Chain != m.Chain {
				k.w.fail("raft", "n%d commits another entry %d than was committed before", s.id, i)
			}
		default:
			k.first(s, i, m)
		}
	}
	// Raft dissertation §3.6.2: a leader commits by counting only entries of its own term.
	if m, ok := s.machine.Raft().Mark(st.Commit); ok && st.Commit > was.commit && was.led == st.Role.Term &&
		st.Role.Kind == raft.Leader && m.Term != st.Role.Term {
		k.w.fail("raft", "n%d leads term %d and commits up to entry %d of term %d", s.id, st.Role.Term, st.Commit, m.Term)
	}
	was.commit, was.led = st.Commit, 0
	if st.Role.Kind == raft.Leader {
		was.led = st.Role.Term
	}
}

func (k *checks) first(s *server, i raft.Index, m raft.Mark) {
	e, ok := k.entries[m.Chain]
	if !ok || int(i) != len(k.ghost)+1 {
		k.w.fail("durable-ack", "n%d commits entry %d, which nobody began to save; %d are committed", s.id, i, len(k.ghost))
		return
	}
	on := 0
	for _, d := range k.w.servers {
		if held, ok := d.disk.entry(i); ok && held.Chain == m.Chain || d.disk.compact.Index >= i {
			on++
		}
	}
	if on <= len(k.w.servers)/2 {
		k.w.fail("durable-ack", "n%d commits entry %d of term %d, on %d of %d disks", s.id, i, m.Term, on, len(k.w.servers))
	}
	k.ghost = append(k.ghost, e)
}

// sent: what a message promises is on the sender's disk before it leaves.
func (k *checks) sent(s *server, m *raft.Message) {
	hard := s.disk.hard
	switch {
	case m.Kind == raft.AppendReply && !m.Reject:
		mark, ok := s.machine.Raft().Mark(m.Index)
		held, on := s.disk.entry(m.Index)
		if m.Index > s.disk.compact.Index && (!on || ok && held.Chain != mark.Chain) {
			k.w.fail("durable-ack", "n%d acknowledges entry %d in term %d; its disk ends at %d", s.id, m.Index, m.Term, s.disk.last())
		}
		if hard.Term < m.Term {
			k.w.fail("durable-ack", "n%d acknowledges in term %d; its disk knows term %d", s.id, m.Term, hard.Term)
		}
	case m.Kind == raft.Vote:
		k.vote(s, m.Term, s.id)
	case m.Kind == raft.VoteReply && !m.Reject:
		k.vote(s, m.Term, m.To)
	}
}

func (k *checks) vote(s *server, t raft.Term, to raft.ID) {
	hard := s.disk.hard
	if hard.Term < t || hard.Term == t && hard.Vote != to {
		k.w.fail("durable-ack", "n%d votes for n%d in term %d; its disk says n%d in term %d", s.id, to, t, hard.Vote, hard.Term)
	}
	if first, ok := k.votes[ballot{s.id, t}]; ok && first != to {
		k.w.fail("order", "n%d votes for n%d and n%d in term %d", s.id, first, to, t)
	}
	k.votes[ballot{s.id, t}] = to
}

// saved: equal applied index, equal rows.
func (k *checks) saved(s *server, saved replica.Saved) {
	at := s.disk.applied
	if first, ok := k.digests[at]; ok && first != saved.Digest {
		k.w.fail("digest", "n%d at %d has digest %v, another replica had %v", s.id, at, saved.Digest, first)
	}
	k.digests[at] = saved.Digest
}

// answered: every answer to a number equals the first one.
func (k *checks) answered(dev session.DeviceID, dseq uint64, r *replica.Reply) {
	if r.Class == session.NotApplied {
		return
	}
	got := answer{r.Code, r.Pos}
	if r.Code == string(session.SeqReused) {
		return // the number belongs to another command, whose answer this carries
	}
	first, ok := k.answers[numbered{dev, dseq}]
	if ok && first != got {
		k.w.fail("exactly-once", "number %d of device %s was answered %q at %d, and then %q at %d",
			dseq, device(dev), first.code, first.pos.Index, got.code, got.pos.Index)
	}
	k.answers[numbered{dev, dseq}] = got
}

// repeated notes that a settled command is being asked once more, beside the client's machine.
func (k *checks) repeated(id, client uint64, want settledCall) {
	k.repeats[[2]uint64{client, id}] = want
}

// repeatAnswered: it gets the same answer as at first, or none; never another.
func (k *checks) repeatAnswered(r replica.Reply, client uint64) bool {
	want, ok := k.repeats[[2]uint64{client, r.ID}]
	if !ok {
		return false
	}
	forgotten := r.Code == string(session.Window) || r.Code == string(session.NoSession)
	if r.Class == session.NotApplied || forgotten {
		return true
	}
	k.w.stats.Replayed++
	if r.Code != want.code || r.Pos != want.pos {
		k.w.fail("exactly-once", "number %d of device %s was answered %q at %d, and then %q at %d",
			want.dseq, device(want.dev.id), want.code, want.pos.Index, r.Code, r.Pos.Index)
	}
	return true
}

// converged says what still keeps the replicas from being equal, or nothing.
func (k *checks) converged() string {
	var first *server
	for _, s := range k.w.servers {
		if !s.up {
			return fmt.Sprintf("n%d is down", s.id)
		}
		st := s.machine.Status()
		if int(st.Applied) != len(k.ghost) || st.Durable != st.Applied {
			return fmt.Sprintf("n%d has applied %d (durable %d) of %d committed entries", s.id, st.Applied, st.Durable, len(k.ghost))
		}
		if first == nil {
			first = s
		}
	}
	return ""
}

// equal: replicas that have applied the same are the same.
func (k *checks) equal() {
	one := k.w.servers[0]
	for _, s := range k.w.servers[1:] {
		if s.machine.Chat().Hash() != one.machine.Chat().Hash() || s.machine.Sessions().Hash() != one.machine.Sessions().Hash() {
			k.w.fail("digest", "n%d and n%d have applied %d entries and differ, chat: %t, sessions: %t", one.id, s.id, len(k.ghost),
				s.machine.Chat().Hash() != one.machine.Chat().Hash(), s.machine.Sessions().Hash() != one.machine.Sessions().Hash())
		}
	}
	for _, s := range k.w.servers {
		if err := s.machine.Check(); err != nil {
			k.w.fail("invariant", "n%d: %v", s.id, err)
		}
	}
}
