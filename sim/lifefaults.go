package sim

import (
	"time"

	"parley/core/replica"
)

// The fault model of lives: replicas and clients die at any moment and are started again, stop as an
// operator stops them, or do nothing for a while and wake in the future.
const (
	Crash       FaultKind = "crash"        // a replica dies and is started again
	CrashLeader FaultKind = "crash-leader" // whoever leads when it strikes
	PowerCut    FaultKind = "power-cut"    // all replicas at once
	Pause       FaultKind = "pause"        // a replica does nothing, then everything
	Suspend     FaultKind = "suspend"      // the leader's whole machine stops, clock and all, and comes back before its links do
	Resign      FaultKind = "resign"       // a replica is stopped gracefully and started again
	ClientCrash FaultKind = "client-crash" // a client dies and comes back with its outbox
)

func lifeFaults() []family {
	return []family{
		{kind: Crash, aim: aServer, strike: (*world).strikeCrash},
		{kind: CrashLeader, aim: theLeader, strike: (*world).strikeCrash},
		{kind: PowerCut, aim: nobody, strike: func(w *world, f Fault) {
			for _, s := range w.servers {
				r := w.dice.roll(diceLife, f.ID<<8|uint64(s.id))
				w.kill(s, time.Duration(f.For)+r.between(0, 50*time.Millisecond))
				s.losePower()
			}
		}},
		{kind: Pause, aim: aServer, strike: func(w *world, f Fault) { w.pause(w.serverOf(f), time.Duration(f.For)) }},
		// Long enough for a successor.
		{kind: Suspend, aim: theLeader, shortest: 250 * time.Millisecond, times: 2, strike: (*world).suspend},
		{kind: Resign, aim: aServer, strike: func(w *world, f Fault) { w.stop(w.serverOf(f), time.Duration(f.For)) }},
		{kind: ClientCrash, aim: aClient, strike: func(w *world, f Fault) { w.killClient(w.clientOf(f), time.Duration(f.For)) }},
	}
}

func (w *world) strikeCrash(f Fault) { w.kill(w.serverOf(f), time.Duration(f.For)) }

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
	s.paused = true
	w.tape.tell(Fact{Kind: FactPaused, On: node(s.id), M: uint64(d)})
	s.later(d, "resume", s.resume)
}

// stop ends a server as an operator does: it hands over, and goes when nothing is owed, or after
// five seconds.
func (w *world) stop(s *server, down time.Duration) {
	if !s.up || s.paused || s.leaving {
		return
	}
	s.leaving, s.away = true, down
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
