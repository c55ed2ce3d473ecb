package sim

import (
	"fmt"
	"time"

	"parley/core/chat"
	"parley/core/raft"
	"parley/core/replica"
)

// The checker "liveness". In the second phase of a run the core owes what is promised, and each debt has a
// time within which it is to be paid. One that is overdue is a failure that names the debt, unless the
// world knows an excuse: a small proof that can be checked (excuse.go).

// The limits, in election timeouts. The fleet is what they are tried on: no clean world has needed more.
const (
	leaderWithin   = 20 * electionBase // one leader, that all of the core follow, with an entry of its own committed
	commitWithin   = 5 * electionBase  // what a leader has in its log
	catchUpWithin  = 25 * electionBase // what is committed, by the others
	handOverWithin = 4 * electionBase  // a resigning leader
	answerWithin   = 2 * time.Second   // for each replica that a client may ask first: a call is held for one second, and silence believed after 0.7
	needlessAtMost = 2                 // elections with an excuse, for each exile
)

// living is the second phase while it lasts.
type living struct {
	began   time.Duration
	leader  raft.ID       // settled: all of the core follow it; 0: not yet
	term    raft.Term     // then
	late    time.Duration // when a stream of the core last carried what was sent before all healed
	handing bool          // the leader was asked to hand over: an election is due
	heir    raft.ID       // outside the core, who was told to stand
	excused int
	commit  debt // of the leader's log
	acts    acts
	chatter [maxVoters + 1][maxVoters + 1]chatter // from, to
	applied [maxVoters + 1]debt                   // by replica
}

// debt is something to be reached, and since when.
type debt struct {
	goal  raft.Index
	got   raft.Index // of the way there
	since time.Duration
}

// overdue notes how far it has got, and says whether the goal is still not reached after the limit. A goal
// that is reached gives way to the next.
func (d *debt) overdue(got, next raft.Index, now, limit time.Duration) bool {
	if got >= d.goal {
		d.goal, d.since = next, now
	}
	return got < d.goal && now-d.since > limit
}

// duty is the second phase.
func (w *world) duty() {
	if w.failure != nil || w.plan.Liveness.For == 0 {
		return
	}
	w.heal()
	if w.plan.Beyond { // nothing is promised
		return
	}
	w.banish()
	for _, s := range w.core() {
		if s.leaving { // what was ordered during the chaos is over, too
			s.crash()
			s.start()
		}
	}
	w.history.phase("liveness")
	w.living = &living{began: w.now}
	probe := w.probe() // who has nothing to save may lead for ever with a disk that is worn
	w.await(leaderWithin, w.unsettled)
	w.run(w.now + time.Duration(w.plan.Liveness.For))
	w.handOver()
	probe.script = probe.script[:probe.item]
	owed := func() string { return w.owed(probe) }
	limit := answerWithin * time.Duration(2*len(w.servers))
	for had := w.caughtUp(); owed() != "" && w.failure == nil; had = w.caughtUp() {
		if !w.runUntil(limit, func() bool { return owed() == "" }) && w.caughtUp() == had {
			w.await(0, owed)
		}
	}
	w.living = nil
	w.pardon()
	for _, s := range w.servers {
		if s.up && s.status.Resigning {
			s.crash()
		}
	}
}

// caughtUp counts what the core has applied: who applies more, however slowly, is catching up.
func (w *world) caughtUp() uint64 {
	n := uint64(0)
	for _, s := range w.core() {
		n += uint64(s.status.Applied)
	}
	return n
}

// await lets the world go on until nothing is owed any more.
func (w *world) await(limit time.Duration, owed func() string) {
	w.checks.looked(ofLiveness)
	if w.failure == nil && !w.runUntil(limit, func() bool { return owed() == "" }) {
		w.fail("liveness", "%v after it was due, with %s: %s", limit, w.wrong(), owed())
	}
}

// wrong says what is wrong for good.
func (w *world) wrong() string {
	text := ""
	for _, s := range w.servers {
		if how := w.exiles.how[s.id]; how != "" {
			text += fmt.Sprintf("n%d %s, ", s.id, how)
		}
	}
	if text == "" {
		return "nothing wrong"
	}
	return text[:len(text)-2]
}

// unsettled says why there is no leader yet that all of the core follow.
func (w *world) unsettled() string {
	l := w.living
	l.leader = 0
	lead := w.leader()
	switch {
	case lead == nil:
		return "nobody leads"
	case w.now < l.began+electionBase:
		return "a leader may still resign for what it did not hear before all healed"
	case w.exiles.holds(lead.id):
		return fmt.Sprintf("n%d leads, from outside the core", lead.id)
	case lead.firstCommit != lead.status.Raft.Role.Term:
		return fmt.Sprintf("n%d leads term %d and has committed nothing in it", lead.id, lead.status.Raft.Role.Term)
	}
	role := lead.status.Raft.Role
	for _, s := range w.core() {
		switch r := s.status.Raft.Role; {
		case r.Term != role.Term || r.Leader != lead.id:
			return fmt.Sprintf("n%d leads term %d; n%d is in term %d and follows n%d", lead.id, role.Term, s.id, r.Term, r.Leader)
		case s.disk.inFlight != nil && s.saveAt < l.began:
			return fmt.Sprintf("n%d still saves what it began before all healed", s.id)
		}
		for _, o := range w.core() { // a stream keeps its order, so what is sent now waits for what was
			if late := w.link(s.id, o.id).last - w.now; late > electionBase/10 {
				l.late = w.now
				return fmt.Sprintf("the stream from n%d to n%d still carries what was sent before all healed, for %v", s.id, o.id, late)
			}
		}
	}
	if w.now-l.late < electionBase { // what a leader has heard since then counts
		return "the streams have only just come up to date"
	}
	l.leader, l.term, l.handing = lead.id, role.Term, false
	l.commit = debt{since: w.now}
	for i := range l.applied {
		l.applied[i] = debt{since: w.now}
	}
	return ""
}

// lively looks at a replica that has just taken a step in the second phase.
func (k *checks) lively(s *server) {
	w := k.w
	l := w.living
	if l == nil || l.leader == 0 || w.exiles.holds(s.id) {
		return
	}
	k.looked(ofLiveness)
	if l.handing && s.id == l.leader {
		l.heirs(w, s.out.Sends)
	}
	st := &s.status.Raft
	switch {
	case l.handing || w.server(l.leader).status.Resigning: // it may take more than one heir
	case st.Role.Term > l.term, s.id == l.leader && st.Role.Kind != raft.Leader:
		k.needless(s)
		return
	case s.id == l.leader && l.commit.overdue(st.Commit, st.Last.Index, w.now, commitWithin):
		k.fail(ofLiveness, "commit: n%d leads term %d with %s, and entry %d is not committed after %v (commit %d)",
			s.id, l.term, w.wrong(), l.commit.goal, w.now-l.commit.since, st.Commit)
	}
	d := &l.applied[s.id]
	if s.status.Applied > d.got { // some worlds send one entry at a time
		d.got, d.since = s.status.Applied, w.now
	}
	if d.overdue(s.status.Applied, raft.Index(len(k.ghost)), w.now, catchUpWithin) {
		if why := w.lastCopyOutside(s.status.Applied + 1); why != "" {
			d.since = w.now
			return
		}
		k.fail(ofLiveness, "catch-up: with %s, n%d has applied %d entries; entry %d was committed %v ago", w.wrong(), s.id,
			s.status.Applied, d.goal, w.now-d.since)
	}
}

// heirs notes who is told to stand.
func (l *living) heirs(w *world, sends []replica.PeerMessage) {
	for i := range sends {
		if m := sends[i].Raft; m != nil && m.Kind == raft.TimeoutNow && w.exiles.holds(m.To) {
			l.heir = m.To
		}
	}
}

// needless: the core had a leader that all could hear, and elects again.
func (k *checks) needless(s *server) {
	w := k.w
	l, role := w.living, s.status.Raft.Role
	why := w.termFromOutside(role.Term)
	l.excused++
	switch {
	case why == "":
		k.fail(ofLiveness, "needless election: n%d led term %d with %s, and now n%d is a %v in term %d", l.leader, l.term, w.wrong(), s.id, role.Kind, role.Term)
	case l.excused > needlessAtMost*len(w.exiled):
		k.fail(ofLiveness, "elections without end: %d, of which the last is excused (%s)", l.excused, why)
	}
	w.say(Who{}, "an election, excused: %s", why)
	l.leader, l.handing = 0, false
	w.after(0, "unsettled", 0, func() { w.await(leaderWithin, w.unsettled) })
}

// handOver has the leader of the core resign, under load: a transfer must come to its end.
func (w *world) handOver() {
	l := w.living
	if w.failure != nil || l.leader == 0 || len(w.core()) < 2 {
		return
	}
	old := w.server(l.leader)
	l.handing = true
	w.say(Who{}, "n%d is asked to hand over", old.id)
	old.take(replica.Resign{})
	limit := handOverWithin
	if len(w.exiled) > 0 {
		limit = leaderWithin // the heir may be an exile, who takes a term and cannot win it
	}
	w.await(limit, func() string {
		if why := w.heirOutside(); why != "" {
			w.say(Who{}, "a transfer, excused: %s", why)
			return ""
		}
		if lead := w.leader(); lead == nil || lead == old {
			return fmt.Sprintf("transfer: n%d was asked to hand over and nobody else leads (its last entry is %d, commit %d, transfer to n%d)",
				old.id, old.status.Raft.Last.Index, old.status.Raft.Commit, old.status.Raft.Transfer)
		}
		return ""
	})
	w.await(leaderWithin, w.unsettled)
}

// owed says what the core still owes after the load has ended.
func (w *world) owed(probe *client) string {
	switch {
	case !probe.member || len(probe.ops) > 0 || probe.asking || !probe.finished:
		return "answers: " + probe.state()
	case w.living.leader == 0:
		return "leader: none that all of the core follow"
	}
	for _, s := range w.core() {
		if int(s.status.Applied) != len(w.checks.ghost) {
			return fmt.Sprintf("catch-up: n%d has applied %d of %d committed entries", s.id, s.status.Applied, len(w.checks.ghost))
		}
	}
	for _, c := range w.clients {
		if c.feed.sub == 0 || w.exiles.holds(c.feed.stream.server.id) {
			continue
		}
		a, code := c.feed.stream.server.machine.Chat().Attach(chat.DeviceID(c.dev.id))
		if code == chat.OK && c.cursor < a.Length {
			return fmt.Sprintf("feed: c%d, attached to n%d, has been shown %d of %d events", c.n, c.feed.stream.server.id, c.cursor, a.Length)
		}
	}
	return ""
}

// probe is a client that comes now, and keeps the core busy.
func (w *world) probe() *client {
	n := len(w.clients)
	c := &client{w: w, n: n, name: Target(fmt.Sprintf("c%d", n)), persona: persona{account: n, signup: true}}
	kinds := []OpKind{DoSend, DoSend, DoList, DoSend, DoHistory}
	r := w.dice.roll(diceOp, uint64(n)<<32)
	for i := range int(time.Duration(w.plan.Liveness.For)+leaderWithin) / int(5*time.Millisecond) {
		c.script = append(c.script, Op{ID: uint64(n)<<32 + uint64(i) + 1, Client: n, Kind: kinds[i%len(kinds)], To: r.upTo(n + 1),
			Rest: Span(r.between(0, 20*time.Millisecond))})
	}
	w.clients = append(w.clients, c)
	c.up = true
	c.next()
	return c
}
