package sim

import (
	"fmt"

	"parley/core/raft"
)

// Target says whom a fault strikes: a replica by its id, "n2", a client by its place, "c0", or
// whoever fits when the fault strikes.
type Target string

// Targets that are found when the fault strikes. If nobody fits, nothing happens.
const (
	TheLeader  Target = "leader"      // of the newest term
	TheNext    Target = "leader+1"    // the lowest live id beside it, who is preferred as its successor
	TheLongest Target = "longest log" // whose log is the most advanced
	TheSaver   Target = "saving"      // who has a save in flight
	TheSole    Target = "sole holder" // who has the end of its log on disk alone
	TheLaggard Target = "laggard"     // the follower that lags most
	ThatOne    Target = "that one"    // whom the mark is about that the fault waits for
)

// found are the targets that are found without a mark.
func found() []Target {
	return []Target{TheLeader, TheNext, TheLongest, TheSaver, TheSole, TheLaggard}
}

func aServer(r *roll, p *Plan, f *Fault) { f.On = Target(fmt.Sprintf("n%d", 1+r.upTo(p.Voters))) }
func aClient(r *roll, p *Plan, f *Fault) {
	f.On = Target(fmt.Sprintf("c%d", r.upTo(max(1, p.Clients))))
}
func theLeader(_ *roll, _ *Plan, f *Fault) { f.On = TheLeader }
func theNext(_ *roll, _ *Plan, f *Fault)   { f.On = TheNext }
func nobody(*roll, *Plan, *Fault)          {}

// someServer aims at any server, or at one in an interesting place.
func someServer(r *roll, p *Plan, f *Fault) {
	if r.ppm(500_000) {
		aServer(r, p, f)
		return
	}
	f.On = found()[r.upTo(len(found()))]
}

// resolve finds whom a target means now.
func (w *world) resolve(t Target) (Target, bool) {
	var s *server
	switch t {
	case TheLeader:
		s = w.leader()
	case TheNext:
		s = w.next()
	case TheLongest:
		s = w.best(func(s *server) uint64 { return uint64(s.lastMark().Term)<<40 | uint64(s.lastMark().Index) })
	case TheSaver:
		s = w.best(func(s *server) uint64 {
			if s.disk.inFlight == nil {
				return 0
			}
			return uint64(len(s.disk.inFlight.Append)) + 1
		})
	case TheSole:
		s = w.best(func(s *server) uint64 { return uint64(w.held(s)) })
	case TheLaggard:
		lead := w.leader()
		s = w.best(func(s *server) uint64 {
			if lead == nil || s == lead || s.status.Raft.Last.Index >= lead.status.Raft.Last.Index {
				return 0
			}
			return uint64(lead.status.Raft.Last.Index - s.status.Raft.Last.Index)
		})
	default:
		return t, true
	}
	if s == nil {
		return "", false
	}
	return s.name, true
}

// best is the live server with the highest score above nothing, the lowest id of several.
func (w *world) best(score func(*server) uint64) *server {
	var best *server
	most := uint64(0)
	for _, s := range w.servers {
		if s.up {
			if n := score(s); n > most {
				best, most = s, n
			}
		}
	}
	return best
}

// next is who leads next if nothing comes in between.
func (w *world) next() *server {
	lead := w.leader()
	if lead == nil {
		return nil
	}
	for _, s := range w.servers {
		if s.up && s != lead {
			return s
		}
	}
	return nil
}

func (s *server) lastMark() raft.Mark { return s.status.Raft.Last }

// held is how many entries at the end of a server's disk no other disk has.
func (w *world) held(s *server) int {
	n := 0
	for i := s.disk.last(); i > s.disk.compact.Index; i-- {
		e, _ := s.disk.entry(i)
		for _, o := range w.servers {
			if other, ok := o.disk.entry(i); o != s && (ok && other.Chain == e.Chain || o.disk.compact.Index >= i) {
				return n
			}
		}
		n++
	}
	return n
}

// place reads a target that names somebody: 'n' and the id of a replica, or 'c' and the place of a client.
func (t Target) place() (kind byte, n int) {
	if len(t) < 2 {
		return 0, 0
	}
	for _, d := range t[1:] {
		if d < '0' || d > '9' || n > 1000 {
			return 0, 0
		}
		n = 10*n + int(d-'0')
	}
	return t[0], n
}

func (w *world) serverOf(f Fault) *server {
	_, id := f.On.place()
	return w.server(raft.ID(id))
}

func (w *world) clientOf(f Fault) *client {
	_, n := f.On.place()
	return w.clients[n]
}

// check says what about a target makes no sense in a place where a fault is usually aimed like drawn.
func (t Target) check(p *Plan, drawn Target, waits bool) error {
	kind, n := t.place()
	was, _ := drawn.place()
	switch {
	case (drawn == "") != (t == ""):
		return fmt.Errorf("strikes %q, want somebody like %q", t, drawn)
	case t == "":
		return nil
	case was == 'c':
		if t == ThatOne && waits || kind == 'c' && n < p.Clients {
			return nil
		}
		return fmt.Errorf("strikes %q, want a client", t)
	case t == ThatOne && waits:
		return nil
	}
	for _, f := range found() {
		if t == f {
			return nil
		}
	}
	if kind != 'n' || n < 1 || n > p.Voters {
		return fmt.Errorf("strikes %q, want a replica", t)
	}
	return nil
}
