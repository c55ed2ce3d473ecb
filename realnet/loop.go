package realnet

import (
	"context"
	"errors"
	"fmt"
	"time"

	"parley/core/replica"
	"parley/realnet/wire"
)

// happening is what others tell the loop; one of its parts is set.
type happening struct {
	input replica.Input  // as it is
	calls []replica.Call // of one frame; those that stand together become one Calls …
	keep  []keptSecret   // … and the passwords that came with them
	join  *chatSession   // a session begins
	ask   chan<- *wire.StatusReply
	// Somebody in this process asks for a barrier; there is room for the answer.
	barrier chan<- replica.Reply
	took    time.Duration // with a Stored: how long the save took
}

type keptSecret struct {
	call    uint64
	secrets wire.Secrets
}

const (
	inboxSize  = 4096
	roundLimit = 1024 // happenings taken in one round, before what came of them goes out
)

// stopLimit is how long a resigning replica may take to hand over.
const stopLimit = 5 * time.Second

// loop owns the replica: nobody else touches the machine, or what is here.
type loop struct {
	*Server
	out   replica.Output
	calls []replica.Call  // gathered, not yet given to the machine
	again []replica.Input // answers found while handing out

	keeper    *storeKeeper
	readers   *rowReaders
	passwords *passwordPool
	conns     map[replica.Conn]*chatSession
	barriers  map[replica.Conn]chan<- replica.Reply
	asked     []chan<- *wire.StatusReply

	saveTimes   durations
	leaderSince time.Duration
	graceUntil  time.Duration // 0: the clock is to be believed
	idle        bool
}

func newLoop(s *Server) *loop {
	l := &loop{Server: s, conns: map[replica.Conn]*chatSession{}, barriers: map[replica.Conn]chan<- replica.Reply{}}
	l.keeper = newStoreKeeper(s)
	l.readers = newRowReaders(s)
	l.passwords = newPasswordPool(s.cfg.Argon, func(job passwordJob, ok bool, hash string) {
		s.post(happening{input: passwordAnswer(job, ok, hash)})
	})
	return l
}

func passwordAnswer(job passwordJob, ok bool, hash string) replica.Input {
	if job.verify {
		return replica.Verified{ID: job.id, OK: ok}
	}
	return replica.Hashed{ID: job.id, Hash: hash}
}

// close ends what the loop began.
func (l *loop) close() {
	l.passwords.close()
	l.readers.close()
	l.keeper.close()
}

// run is the loop. Nothing in it waits, except the select.
func (l *loop) run(ctx context.Context) error {
	stopping, timeUp := ctx.Done(), (<-chan time.Time)(nil)
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case h := <-l.inbox:
			l.take(h)
			l.takeMore()
		case <-timer.C:
		case <-stopping:
			l.log.Info("stopping: handing over")
			stopping, timeUp = nil, time.After(stopLimit)
			l.step(replica.Resign{})
		case err := <-l.fatal:
			return err
		case <-l.aborted.Done():
			return nil
		case <-timeUp:
			l.log.Warn("stopping: could not hand over in time")
			return nil
		}
		if err := l.finish(); err != nil {
			return err
		}
		if timeUp != nil && l.idle {
			return nil
		}
		timer.Reset(l.wake())
	}
}

// takeMore takes what has gathered in the meantime: a batch forms while the loop is busy.
func (l *loop) takeMore() {
	for range roundLimit {
		select {
		case h := <-l.inbox:
			l.take(h)
		default:
			return
		}
	}
}

func (l *loop) take(h happening) {
	switch {
	case h.calls != nil:
		l.takeCalls(&h)
	case h.input != nil:
		l.flushCalls()
		l.takeInput(&h)
	case h.join != nil:
		l.conns[h.join.conn] = h.join
	case h.ask != nil:
		l.asked = append(l.asked, h.ask)
	case h.barrier != nil:
		conn := replica.Conn(l.nextConn.Add(1))
		l.barriers[conn] = h.barrier
		l.calls = append(l.calls, replica.Call{Conn: conn, Query: replica.Barrier{}})
	}
}

func (l *loop) takeCalls(h *happening) {
	s := l.conns[h.calls[0].Conn]
	if s == nil || !s.admit(len(h.calls)) {
		return
	}
	l.calls = append(l.calls, h.calls...)
	for _, k := range h.keep {
		s.secrets[k.call] = k.secrets
	}
}

func (l *loop) takeInput(h *happening) {
	switch in := h.input.(type) {
	case replica.Stored:
		l.saveTimes.add(h.took)
	case replica.Attach:
		if s := l.conns[in.Conn]; s == nil || !s.addSub(in.Sub) {
			return
		}
	case replica.Detach:
		if s := l.conns[in.Conn]; s != nil {
			delete(s.subs, in.Sub)
		}
	case replica.Hangup:
		delete(l.conns, in.Conn)
	}
	l.step(h.input)
}

func (l *loop) flushCalls() {
	if len(l.calls) == 0 {
		return
	}
	date := l.cfg.WallDate()
	for i := range l.calls {
		l.calls[i].Date = date
	}
	calls := l.calls
	l.calls = nil
	l.step(replica.Calls{List: calls})
}

func (l *loop) step(in replica.Input) { l.machine.Step(l.now(), in, &l.out) }

// finish ends a round: all that was taken is stepped, all that came of it is handed out.
func (l *loop) finish() error {
	l.flushCalls()
	l.tick()
	for {
		if l.out.Fatal != "" {
			return &FatalError{"run the replica", errors.New(l.out.Fatal)}
		}
		l.handOut()
		l.idle = l.out.Idle
		l.out.Reset()
		if len(l.again) == 0 {
			break
		}
		again := l.again
		l.again = nil
		for _, in := range again {
			l.step(in)
		}
	}
	for _, answer := range l.asked {
		answer <- l.status() // has room for it
	}
	l.asked = nil
	return nil
}

// A process that was not given the CPU for so long hears first what came in meanwhile, before it
// judges others by their silence.
const (
	stalled = 20 * time.Millisecond
	grace   = 10 * time.Millisecond
)

// tick tells the machine that its deadline has come.
func (l *loop) tick() {
	now, due := l.now(), l.machine.Deadline()
	switch {
	case now < due:
	case l.graceUntil == 0 && now > due+stalled:
		l.graceUntil = now + grace
		return
	case now < l.graceUntil:
		return
	default:
		l.machine.Step(now, replica.Tick{}, &l.out)
	}
	l.graceUntil = 0
}

// wake is when to look again if nothing happens.
func (l *loop) wake() time.Duration { return max(l.machine.Deadline(), l.graceUntil) - l.now() }

// handOut gives everything that the machine asks for to whoever does it.
func (l *loop) handOut() {
	o := &l.out
	for i := range o.Sends {
		if p := l.peers[o.Sends[i].To]; p != nil {
			p.offer(o.Sends[i])
		}
	}
	if o.Save != nil {
		l.keeper.saves <- *o.Save // one is out at a time: there is room
	}
	for _, f := range o.Fetches {
		l.readers.put(readJob{fetch: &f})
	}
	for _, id := range o.Exports {
		l.readers.put(readJob{export: id})
	}
	l.handOutPasswords()
	l.handOutToClients()
	for _, n := range o.Notes {
		l.note(n)
	}
}

func (l *loop) handOutPasswords() {
	for _, v := range l.out.Verifies {
		s, ok := l.secretsOf(v.Conn, v.Call)
		job := passwordJob{id: v.ID, password: s.Password, verify: true, hash: v.Hash}
		switch {
		case !ok: // the connection is gone, and so is whoever wanted to know
			l.again = append(l.again, replica.Verified{ID: v.ID})
		case !l.passwords.try(job):
			l.again = append(l.again, replica.Verified{ID: v.ID, Busy: true})
		}
	}
	for _, h := range l.out.Hashes {
		s, ok := l.secretsOf(h.Conn, h.Call)
		job := passwordJob{id: h.ID, password: s.Password}
		if s.NewPassword != "" {
			job.password = s.NewPassword
		}
		if !ok || !l.passwords.try(job) {
			l.again = append(l.again, replica.Hashed{ID: h.ID, Busy: true})
		}
	}
	for _, f := range l.out.Forget {
		if s := l.conns[f.Conn]; s != nil {
			delete(s.secrets, f.Call)
		}
	}
}

func (l *loop) secretsOf(conn replica.Conn, call uint64) (wire.Secrets, bool) {
	s := l.conns[conn]
	if s == nil {
		return wire.Secrets{}, false
	}
	secrets, ok := s.secrets[call]
	return secrets, ok
}

// handOutToClients keeps the order that Output promises within a connection.
func (l *loop) handOutToClients() {
	o := &l.out
	for i := range o.Attached {
		if s := l.conns[o.Attached[i].Conn]; s != nil {
			s.attached(&o.Attached[i])
		}
	}
	for i := range o.Pushes {
		p := &o.Pushes[i]
		if s := l.conns[p.Conn]; s != nil && !s.push(p) {
			l.again = append(l.again, replica.Detach{Conn: p.Conn, Sub: p.Sub})
		}
	}
	for i := range o.Replies {
		r := &o.Replies[i]
		if s := l.conns[r.Conn]; s != nil {
			s.reply(r, l.addressOf(r))
		}
		if answer := l.barriers[r.Conn]; answer != nil {
			answer <- *r
			delete(l.barriers, r.Conn)
		}
	}
	for i := range o.Closings {
		if s := l.conns[o.Closings[i].Conn]; s != nil {
			s.closing(&o.Closings[i])
		}
	}
}

func (l *loop) addressOf(r *replica.Reply) string {
	if r.Leader == 0 {
		return ""
	}
	return l.home.Address(r.Leader)
}

// note tells an operator; names and indexes, never bodies.
func (l *loop) note(n replica.Note) {
	switch n.Kind {
	case replica.LeaderElected:
		l.leaderSince = l.now()
		l.log.Info("leader elected", "leader", NodeName(n.Peer), "term", n.Term)
	case replica.LeaderLost:
		l.log.Info("leader lost", "leader", NodeName(n.Peer), "term", n.Term)
	case replica.AccountMade:
		l.log.Info("account made", "name", n.Name, "index", n.Index)
	case replica.AccountEnded:
		l.log.Info("account ended", "name", n.Name, "index", n.Index)
	case replica.DeviceOpened:
		l.log.Info("logged in", "name", n.Name, "index", n.Index)
	case replica.LeaseEnded:
		l.log.Info("lease ended", "device", fmt.Sprintf("%.4x", n.Device), "index", n.Index)
	case replica.SnapshotSent:
		l.log.Info("snapshot sent", "to", NodeName(n.Peer), "index", n.Index)
	case replica.SnapshotInstalled:
		l.log.Info("snapshot installed", "index", n.Index)
	case replica.LogCompacted:
		l.log.Info("log compacted", "index", n.Index)
	}
}
