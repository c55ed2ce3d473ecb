package sim

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"parley/core/raft"
)

// Fault is one thing that goes wrong, at a time, for a time.
type Fault struct {
	ID   uint64    `json:"id"` // its own draws hang on it
	At   Span      `json:"at"`
	For  Span      `json:"for,omitempty"`
	Kind FaultKind `json:"kind"`
	On   Target    `json:"on,omitempty"`
	Arg  uint64    `json:"arg,omitempty"` // what the kind makes of it

	// A fault with When looks before it strikes: it waits, from At on, for the Nth time that the mark is
	// made.
	When Mark `json:"when,omitempty"`
	Nth  int  `json:"nth,omitempty"`
}

// FaultKind names a family of faults.
type FaultKind string

// Target says whom a fault strikes: a replica by its id, "n2", a client by its place, "c0", or
// whoever fits when the fault strikes.
type Target string

// Targets that are found when the fault strikes. If nobody fits, nothing happens.
const (
	TheLeader Target = "leader"   // of the newest term
	ThatOne   Target = "that one" // whom the mark is about that the fault waits for
)

func aServer(r *roll, p *Plan, f *Fault)   { f.On = Target(fmt.Sprintf("n%d", 1+r.upTo(p.Voters))) }
func aClient(r *roll, p *Plan, f *Fault)   { f.On = Target(fmt.Sprintf("c%d", r.upTo(p.Clients))) }
func theLeader(_ *roll, _ *Plan, f *Fault) { f.On = TheLeader }
func nobody(*roll, *Plan, *Fault)          {}

// family is a kind of fault: how a plan draws one, and what it does.
type family struct {
	kind     FaultKind
	shortest time.Duration // it lasts at least so long
	times    int           // so many times as often as others
	chance   uint32        // so many seeds in a million have it; 0: one half
	damage   bool          // what it does is there to stay; plans that go beyond always have it
	byHand   bool          // only plans written by hand have it: it is not survived, and not noticed either
	aim      func(r *roll, p *Plan, f *Fault)
	strike   func(w *world, f Fault)
}

// families are all faults there are. A seed draws each or not.
func families() []family {
	var all []family
	all = append(all, lifeFaults()...)
	all = append(all, netFaults()...)
	all = append(all, diskFaults()...)
	for i := range all {
		f := &all[i]
		f.shortest, f.chance = cmp.Or(f.shortest, 20*time.Millisecond), cmp.Or(f.chance, 500_000)
	}
	return all
}

// often is how many faults there are where others have n.
func (f *family) often(n int) int { return n * max(1, f.times) }

// schedule puts the plan's faults into the queue.
func (w *world) schedule() {
	for _, f := range w.plan.Faults {
		if f.When != "" {
			w.lurking = append(w.lurking, lurker{f, f.Nth})
			continue
		}
		w.after(time.Duration(f.At), "fault", f.ID, func() {
			if !w.healed {
				w.strike(f)
			}
		})
	}
}

// strike lets a fault happen to whom it is aimed at, and notes who that was.
func (w *world) strike(f Fault) {
	on, ok := w.resolve(f.On)
	w.say("--", "%v", f)
	if !ok {
		return
	}
	f.On, f.At, f.When, f.Nth = on, Span(w.now), "", 0
	w.pinned = append(w.pinned, f)
	w.stats.Faults.add(f.Kind)
	w.history.fault(f)
	w.strikes[f.Kind](w, f)
}

// resolve finds whom a target means now.
func (w *world) resolve(t Target) (Target, bool) {
	switch t {
	case TheLeader:
		if s := w.leader(); s != nil {
			return Target(fmt.Sprintf("n%d", s.id)), true
		}
		return "", false
	}
	return t, true
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

// checkFault says what about a fault makes no sense.
func (p *Plan) checkFault(f Fault) error {
	if f.When != "" || f.Nth != 0 {
		if !slices.ContainsFunc(marks(), func(m markInfo) bool { return m.mark == f.When }) {
			return fmt.Errorf("%s waits for %q, which is no mark", f.Kind, f.When)
		}
		if f.Nth < 1 {
			return fmt.Errorf("%s waits for %q for the %dth time", f.Kind, f.When, f.Nth)
		}
	}
	known := false
	for _, fam := range families() {
		if fam.kind == f.Kind {
			known = true
			var drawn Fault
			fam.aim(Dice(0).roll(dicePlan, 0), p, &drawn)
			if (drawn.On == "") != (f.On == "") {
				return fmt.Errorf("%s strikes %q, want somebody like %q", f.Kind, f.On, drawn.On)
			}
			if was, _ := drawn.On.place(); was == 'c' {
				if kind, n := f.On.place(); kind != 'c' || n >= p.Clients {
					return fmt.Errorf("%s strikes %q, want a client", f.Kind, f.On)
				}
				return nil
			}
		}
	}
	if !known {
		return fmt.Errorf("there is no fault %q", f.Kind)
	}
	switch kind, n := f.On.place(); {
	case f.On == "" || f.On == TheLeader || f.On == ThatOne && f.When != "":
	case kind != 'n' || n < 1 || n > p.Voters:
		return fmt.Errorf("%s strikes %q, want a replica", f.Kind, f.On)
	}
	return nil
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

// heal ends all faults.
func (w *world) heal() {
	w.healed = true
	for _, s := range w.servers {
		s.mendDisk()
	}
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

func (f Fault) String() string {
	on := ""
	if f.On != "" {
		on = " on " + string(f.On)
	}
	return fmt.Sprintf("fault %d: %s%s at %v for %v", f.ID, f.Kind, on, f.At, f.For)
}
