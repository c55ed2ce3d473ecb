package sim

import (
	"time"

	"parley/core/raft"
	"parley/core/replica"
)

// schedule puts the plan's faults into the queue.
func (w *world) schedule() {
	for _, f := range w.plan.Faults {
		w.after(f.At, "fault", f.ID, func() {
			if !w.healed {
				w.strike(f)
			}
		})
	}
}

func (w *world) strike(f Fault) {
	w.stats.Faults = w.stats.Faults.add(f.Kind)
	w.history.fault(f)
	w.say("--", "%v", f)
	switch f.Kind {
	case Crash:
		w.kill(w.servers[f.On], f.For)
	case CrashLeader:
		if s := w.leader(); s != nil {
			w.kill(s, f.For)
		}
	case PowerCut:
		for _, s := range w.servers {
			r := w.dice.roll(diceLife, f.ID<<8|uint64(s.id))
			w.kill(s, f.For+r.between(0, 50*time.Millisecond))
		}
	case Partition:
		sides := w.dice.draw(diceLink, 0, f.ID)
		w.sever(f, func(a, b raft.ID) bool { return sides>>a&1 != sides>>b&1 })
	case OneWay:
		w.sever(f, func(from, to raft.ID) bool { return int(from)-1 == f.On })
	case Isolate:
		if s := w.leader(); s != nil {
			w.isolate(s, f)
		}
	case SlowDisk:
		s := w.servers[f.On]
		s.slow++
		w.after(f.For, "relief", f.ID, func() { s.slow-- })
	case Pause:
		w.pause(w.servers[f.On], f.For)
	case Suspend:
		if s := w.leader(); s != nil && !s.paused {
			s.frozen = w.now
			w.pause(s, f.For)
			// What is on its way arrives yet, and waits: an old acknowledgement is read after a new request.
			cut := f
			cut.For += w.dice.roll(diceLink, f.ID).between(0, 400*time.Millisecond)
			w.after(20*time.Millisecond, "cut", f.ID, func() { w.isolate(s, cut) })
		}
	case Resign:
		w.stop(w.servers[f.On], f.For)
	case ClientCrash:
		w.killClient(w.clients[f.On], f.For)
	case StreamReset:
		for _, t := range w.clients[f.On].streams {
			if t != nil {
				t.breakOff()
			}
		}
	}
}

// leader is the server that leads the newest term, if any is up.
func (w *world) leader() *server {
	var best *server
	var term raft.Term
	for _, s := range w.servers {
		if !s.up {
			continue
		}
		if r := s.machine.Raft().Status().Role; r.Kind == raft.Leader && r.Term > term {
			best, term = s, r.Term
		}
	}
	return best
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

func (w *world) sever(f Fault, cut func(from, to raft.ID) bool) {
	for _, a := range w.servers {
		for _, b := range w.servers {
			if a == b || !cut(a.id, b.id) {
				continue
			}
			w.shutLink(a.id, b.id, 1)
			w.after(f.For, "relief", f.ID, func() { w.shutLink(a.id, b.id, -1) })
		}
	}
}

// isolate cuts a server off from its peers.
func (w *world) isolate(s *server, f Fault) {
	w.sever(f, func(a, b raft.ID) bool { return a == s.id || b == s.id })
}

func (w *world) pause(s *server, d time.Duration) {
	if !s.up || s.paused {
		return
	}
	s.paused = true
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

// heal ends all faults.
func (w *world) heal() {
	w.healed = true
	for _, s := range w.servers {
		switch {
		case !s.up:
			s.start()
		case s.paused:
			s.resume()
		}
	}
	for _, c := range w.clients {
		if !c.up {
			c.restart()
		}
	}
	w.history.phase("healed")
}
