package sim

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"parley/core/chat"
	"parley/core/raft"
	"parley/core/replica"
)

// server is one replica's place in the world: its disk stays, its lives come and go.
type server struct {
	w    *world
	id   raft.ID
	name Target
	disk *disk

	life        int
	up          bool
	paused      bool
	frozen      time.Duration   // since when the clock stands still; 0: it does not
	inbox       []replica.Input // what arrived during a pause
	machine     *replica.Machine
	status      replica.Status // after the last step
	firstCommit raft.Term      // the last term in which it committed something as leader
	out         replica.Output
	clock       clock
	wall        wall
	tickAt      time.Duration // local time of the deadline event that counts
	ticks       uint64        // its generation
	born        time.Duration
	led         raft.Term // the term that it led when it was paused
	untold      bool      // a save is durable, and the machine does not know
	midway      *Fault    // it is to die with half of a step done
	slow        int       // slow-disk faults that are on
	stalled     int       // stalls that are on …
	held        []func()  // … and what waits for their end
	dangers     dangers
	tries       uint64        // starts that were refused
	halted      string        // why it waits for a person; empty: it does not
	rolledBack  bool          // its disk is one of the past
	known       known         // of its peers' lives; it survives its own
	leaving     bool          // asked to resign …
	away        time.Duration // … and to stay away so long
	saves       uint64
	sent        [maxVoters + 1]raft.Mark // the end of the last entries sent to each peer
	offered     [maxVoters + 1]raft.Mark // the last snapshot
	saveAt      time.Duration            // when it began
	saving      nthSaying                // the save in flight
	shell       uint64                   // draws for what the shell does
	conns       []*stream
	passwords   map[call]passwords
}

type call struct {
	conn replica.Conn
	id   uint64
}

type passwords struct{ old, new string }

func (w *world) server(id raft.ID) *server { return w.servers[id-1] }

// start begins a life.
func (s *server) start() {
	w := s.w
	if s.halted != "" || w.exiles.holds(s.id) { // who is down for good stays so
		return
	}
	rec, ok := s.open()
	if !ok {
		return
	}
	s.life++
	r := w.dice.roll(diceClock, uint64(s.id)<<16|uint64(s.life))
	s.clock = clock{start: r.between(time.Second, time.Hour), since: w.now, ppm: int64(r.upTo(2*w.plan.Knobs.DriftPpm+1) - w.plan.Knobs.DriftPpm)}
	machine, err := replica.New(w.config(s), rec, s.clock.local(w.now))
	if err != nil {
		w.mark(RefusedDamaged, s.name)
		s.halt("recover: " + err.Error())
		return
	}
	s.machine = machine
	s.up, s.paused, s.frozen, s.leaving, s.inbox, s.conns = true, false, 0, false, nil, nil
	s.passwords = map[call]passwords{}
	s.born, s.untold, s.midway = w.now, false, nil
	s.status, s.firstCommit = replica.Status{}, 0
	s.tickAt = noTick
	w.tape.tell(Fact{Kind: FactBorn, On: node(s.id), N: uint64(s.life), M: uint64(s.disk.last())})
	w.greet(s)
	s.take(replica.Tick{})
}

// config is what a replica runs with in the life that it begins.
func (w *world) config(s *server) replica.Config {
	return replica.Config{
		Raft: raft.Config{
			ID: s.id, Voters: w.plan.voters(), Chain: w.chain, MaxAppendBytes: w.plan.Knobs.MaxAppend,
			MaxInflight: w.plan.Knobs.MaxInflight, MaxUncommitted: w.plan.Knobs.MaxUncommitted,
			Seed: w.dice.draw(diceLife, uint64(s.id), uint64(s.life)),
		},
		Epoch: 1, KeepEntries: w.plan.Knobs.KeepEntries, EffectDelay: time.Duration(w.plan.Knobs.Effects),
		Chunk: w.plan.Knobs.SnapshotChunk,
	}
}

// crash ends a life: memory is gone, the save in flight is whole or not there, connections break.
func (s *server) crash() {
	if !s.up {
		return
	}
	w := s.w
	s.up = false
	w.died(s)
	there := w.dice.draw(diceDisk, uint64(s.id)<<16|uint64(s.life), 0)&1 == 0
	if w.plan.Still {
		there = w.still.has(s.saving, Keep)
	}
	w.tape.died(s, there)
	if err := s.disk.crash(there); err != nil {
		w.fail("disk", "n%d: %v", s.id, err)
	}
	w.checks.durable(s)
	for _, c := range s.conns {
		c.breakOff()
	}
	s.machine, s.conns, s.inbox = nil, nil, nil
	for _, p := range w.servers {
		if p == s {
			continue
		}
		if w.plan.Network.Streams {
			w.resetLink(w.link(s.id, p.id))
			w.resetLink(w.link(p.id, s.id))
		}
		if p.up && w.open(s.id, p.id) {
			w.hint(p, s.id, 5*time.Millisecond, w.dice.roll(diceShell, uint64(s.id)<<8|uint64(p.id)|uint64(s.life)<<16))
		}
	}
}

// take steps the machine and does what it asks for.
func (s *server) take(in replica.Input) {
	if s.paused {
		s.inbox = append(s.inbox, in)
		return
	}
	w := s.w
	s.out.Reset()
	was, applied := s.status.Raft, s.status.Applied
	s.machine.Step(s.clock.local(w.now), in, &s.out)
	s.status = s.machine.Status()
	w.trace.step(s)
	w.tape.stepped(s, in, &was, applied)
	if w.checks.halted(s) {
		s.halt(s.out.Fatal)
		return
	}
	w.checks.stepped(s, in)
	w.watched(s, in, &was)
	w.lookedAt(s, in)
	died := s.midway != nil && s.dieMidway()
	s.perform()
	if died {
		w.kill(s, time.Duration(w.dice.draw(diceLife, uint64(s.id), 1<<40|uint64(s.life))%uint64(500*time.Millisecond)))
		return
	}
	if s.leaving && s.out.Idle && w.failure == nil {
		if s.led != 0 {
			w.mark(ResignedLeader, s.name)
		}
		w.kill(s, s.away)
		return
	}
	if w.failure == nil {
		s.schedule()
	}
}

func (s *server) resume() {
	if s.w.exiles.holds(s.id) { // who sleeps for good sleeps on
		return
	}
	s.paused = false
	if s.frozen != 0 {
		s.clock.start -= s.clock.local(s.w.now) - s.clock.local(s.frozen)
		s.frozen = 0
	}
	inbox := s.inbox
	s.inbox = nil
	s.w.woke(s, len(inbox))
	s.w.tape.tell(Fact{Kind: FactWoke, On: node(s.id)})
	s.take(replica.Tick{})
	slices.SortStableFunc(inbox, s.drained)
	for _, in := range inbox {
		if s.up && s.w.failure == nil {
			s.take(in)
		}
	}
}

// drained orders what waited: each connection kept its order, but they are read in any.
func (s *server) drained(a, b replica.Input) int {
	turn := func(in replica.Input) uint64 {
		return s.w.dice.draw(diceShell, uint64(s.id)<<32|uint64(s.life), s.ticks<<40|connection(in))
	}
	return cmp.Compare(turn(a), turn(b))
}

// connection tells apart what inputs come through. 0: the shell itself.
func connection(in replica.Input) uint64 {
	switch in := in.(type) {
	case replica.Peer:
		return uint64(in.Message.From)
	case replica.PeerDown:
		return uint64(in.Peer)
	case replica.Calls:
		return 8 + uint64(in.List[0].Conn)
	case replica.Attach:
		return 8 + uint64(in.Conn)
	case replica.Ack:
		return 8 + uint64(in.Conn)
	case replica.Detach:
		return 8 + uint64(in.Conn)
	case replica.Hangup:
		return 8 + uint64(in.Conn)
	}
	return 0
}

// noTick is no deadline: a machine may well say 0, which is long past and means at once.
const noTick = time.Duration(-1)

func (s *server) schedule() {
	d := s.machine.Deadline()
	if d == s.tickAt {
		return
	}
	s.tickAt = d
	s.ticks++
	life, gen := s.life, s.ticks
	s.w.after(s.clock.when(d, s.w.now), "tick", uint64(s.id), func() {
		if s.up && s.life == life && s.ticks == gen {
			s.tickAt = noTick
			s.take(replica.Tick{})
		}
	})
}

// later makes something happen to this life of the server.
func (s *server) later(d time.Duration, name string, do func()) {
	life := s.life
	s.w.after(d, name, uint64(s.id), func() {
		if s.up && s.life == life {
			do()
		}
	})
}

// perform carries out an Output, as every shell must.
func (s *server) perform() {
	w, out := s.w, &s.out
	for i := range out.Sends {
		w.send(&out.Sends[i])
	}
	if out.Save != nil {
		s.save(out.Save)
	}
	for _, f := range out.Fetches {
		s.later(s.readDelay(), "fetch", func() { s.fetch(f) })
	}
	for _, id := range out.Exports {
		s.later(s.readDelay(), "export", func() { s.export(id) })
	}
	s.secrets(out)
	s.toClients(out)
}

func (s *server) shellDelay() time.Duration {
	s.shell++
	return s.w.dice.roll(diceShell, uint64(s.id)<<48|s.shell).between(10*time.Microsecond, 3*time.Millisecond)
}

// secrets does what the password pool of a real shell does, with a hash that is no hash: salted, so
// that two of one password differ, and cheap.
func (s *server) secrets(out *replica.Output) {
	for _, v := range out.Verifies {
		p := s.passwords[call{v.Conn, v.Call}]
		ok := v.Hash != "" && verify(v.Hash, p.old)
		s.later(s.shellDelay(), "verified", func() { s.take(replica.Verified{ID: v.ID, OK: ok}) })
	}
	for _, h := range out.Hashes {
		p := s.passwords[call{h.Conn, h.Call}]
		s.shell++
		hash := fmt.Sprintf("%x$%s", s.w.dice.draw(diceShell, uint64(s.id)<<56, s.shell), p.new)
		s.later(s.shellDelay(), "hashed", func() { s.take(replica.Hashed{ID: h.ID, Hash: hash}) })
	}
	for _, f := range out.Forget {
		delete(s.passwords, call{f.Conn, f.Call})
	}
}

func verify(hash, password string) bool {
	for i := range hash {
		if hash[i] == '$' {
			return hash[i+1:] == password
		}
	}
	return false
}

// settings are those of the cluster's birth.
func (p *Plan) settings() chat.Settings {
	set := chat.DefaultSettings()
	set.OpenAuth, set.MultiLogin, set.SendPerSec = !p.Password, p.Multi, 0
	set.MaxQueue, set.LeaseNs = p.Knobs.MaxQueue, int64(p.Knobs.Lease)
	return set
}
