package sim

import (
	"time"

	"parley/core/raft"
	"parley/core/replica"
)

// The fault model of lives: replicas and clients die at any moment and are started again, stop as an
// operator stops them, or do nothing for a while and wake in the future.
const (
	Crash       FaultKind = "crash"        // a replica dies and is started again
	CrashLeader FaultKind = "crash-leader" // whoever leads when it strikes
	CrashLoop   FaultKind = "crash-loop"   // a replica dies again soon after each start
	KillWinners FaultKind = "kill-winners" // for a while whoever wins an election dies soon after
	Rolling     FaultKind = "rolling"      // one replica after the other is stopped and started, gracefully or not
	PowerCut    FaultKind = "power-cut"    // all replicas at once
	Pause       FaultKind = "pause"        // a replica does nothing, then everything
	PauseLeader FaultKind = "pause-leader" // the leader, long enough for a successor; its links stay
	Suspend     FaultKind = "suspend"      // the leader's whole machine stops, clock and all, and comes back before its links do
	Resign      FaultKind = "resign"       // a replica is stopped gracefully and started again
	ClientCrash FaultKind = "client-crash" // a client dies and comes back with its outbox
)

func lifeFaults() []family {
	return []family{
		{kind: Crash, aim: someServer, strike: (*world).strikeCrash},
		{kind: CrashLeader, aim: theLeader, strike: (*world).strikeCrash},
		{kind: CrashLoop, aim: someServer, shortest: 300 * time.Millisecond, strike: (*world).crashLoop},
		{kind: KillWinners, aim: nobody, shortest: time.Second, lasting: 1, strike: func(w *world, f Fault) {
			w.hunts = append(w.hunts, hunt{f, w.now + time.Duration(f.For), w.dice.roll(diceLife, 1<<58|f.ID)})
		}},
		{kind: Rolling, aim: nobody, shortest: 200 * time.Millisecond, strike: (*world).rolling},
		{kind: PowerCut, aim: nobody, strike: func(w *world, f Fault) {
			for _, s := range w.servers {
				r := w.dice.roll(diceLife, f.ID<<8|uint64(s.id))
				w.kill(s, time.Duration(f.For)+r.between(0, 50*time.Millisecond))
				s.losePower()
			}
		}},
		{kind: Pause, aim: someServer, strike: func(w *world, f Fault) { w.pause(w.serverOf(f), time.Duration(f.For)) }},
		{kind: PauseLeader, aim: theLeader, shortest: 250 * time.Millisecond, strike: func(w *world, f Fault) {
			w.pause(w.serverOf(f), time.Duration(f.For))
		}},
		// Long enough for a successor.
		{kind: Suspend, aim: theLeader, shortest: 250 * time.Millisecond, times: 2, strike: (*world).suspend},
		{kind: Resign, aim: someServer, strike: func(w *world, f Fault) { w.stop(w.serverOf(f), time.Duration(f.For)) }},
		{kind: ClientCrash, aim: aClient, strike: func(w *world, f Fault) { w.killClient(w.clientOf(f), time.Duration(f.For)) }},
	}
}

func (w *world) strikeCrash(f Fault) { w.kill(w.serverOf(f), time.Duration(f.For)) }

// hunt is after the winners of elections.
type hunt struct {
	fault Fault
	until time.Duration
	roll  *roll
}

// won lets those who hunt have the winner, after a moment: before its first entry is saved, or after
// it has committed some.
func (w *world) won(s *server) {
	for _, h := range w.hunts {
		if w.healed || w.now >= h.until {
			continue
		}
		wait, down := h.roll.between(0, 40*time.Millisecond), h.roll.between(50*time.Millisecond, 800*time.Millisecond)
		s.later(wait, "hunted", func() {
			if !w.healed {
				w.mark(WinnerKilled, s.name)
				w.kill(s, down)
			}
		})
	}
}

func (w *world) crashLoop(f Fault) {
	s, end := w.serverOf(f), w.now+time.Duration(f.For)
	r := w.dice.roll(diceLife, 1<<59|f.ID)
	var again func()
	again = func() {
		if w.healed || w.now > end {
			return
		}
		w.kill(s, r.between(time.Millisecond, 100*time.Millisecond))
		w.after(r.between(20*time.Millisecond, 300*time.Millisecond), "crash-loop", f.ID, again)
	}
	again()
}

func (w *world) rolling(f Fault) {
	gap := time.Duration(f.For) / time.Duration(len(w.servers))
	for i, s := range w.shuffled(f) {
		r := w.dice.roll(diceLife, 1<<60|f.ID<<8|uint64(s.id))
		w.after(time.Duration(i)*gap, "rolling", f.ID, func() {
			switch {
			case w.healed:
			case f.ID%2 == 0:
				w.stop(s, r.between(gap/2, gap))
			default:
				w.kill(s, r.between(gap/2, gap))
			}
		})
	}
}

func (w *world) suspend(f Fault) {
	s := w.serverOf(f)
	if !s.up || s.paused {
		return
	}
	s.frozen = w.now
	w.pause(s, time.Duration(f.For))
	// What is on its way arrives yet, and waits: an old acknowledgement is read after a new request.
	cut := f
	cut.For += Span(w.dice.roll(diceLink, f.ID).between(0, 400*time.Millisecond))
	w.after(20*time.Millisecond, "cut", f.ID, func() { w.isolate(s, cut) })
}

func (w *world) kill(s *server, down time.Duration) {
	if !s.up {
		return
	}
	s.crash()
	if w.best(func(*server) uint64 { return 1 }) == nil {
		w.mark(AllDown, s.name)
	}
	w.after(down, "restart", uint64(s.id), func() {
		if !s.up {
			s.start()
		}
	})
}

func (w *world) pause(s *server, d time.Duration) {
	if !s.up || s.paused {
		return
	}
	s.paused, s.led = true, s.leads()
	w.tape.tell(Fact{Kind: FactPaused, On: node(s.id), M: uint64(d)})
	s.later(d, "resume", s.resume)
}

// leads is the term that a server leads, or 0.
func (s *server) leads() raft.Term {
	if r := s.status.Raft.Role; r.Kind == raft.Leader {
		return r.Term
	}
	return 0
}

// stop ends a server as an operator does: it hands over, and goes when nothing is owed, or after
// five seconds.
func (w *world) stop(s *server, down time.Duration) {
	if !s.up || s.paused || s.leaving {
		return
	}
	s.leaving, s.away, s.led = true, down, s.leads()
	s.later(5*time.Second, "stop", func() { w.kill(s, down) })
	s.take(replica.Resign{})
}

func (w *world) killClient(c *client, down time.Duration) {
	if !c.up {
		return
	}
	c.crash()
	w.after(down, "client-restart", uint64(c.n), func() {
		if !c.up {
			c.restart()
		}
	})
}
