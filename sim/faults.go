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

// family is a kind of fault: how a plan draws one, and what it does.
type family struct {
	kind     FaultKind
	shortest time.Duration // it lasts at least so long …
	longest  time.Duration // … and at most, a second and a half if 0
	times    int           // so many times as often as others
	chance   uint32        // so many seeds in a million have it; 0: one half
	damage   bool          // what it does is there to stay; plans that go beyond always have it
	byHand   bool          // only plans written by hand have it: it is not survived, and not noticed either
	lasting  int           // one in eight lasts until all heals, if not 0
	aim      func(r *roll, p *Plan, f *Fault)
	strike   func(w *world, f Fault)
}

// families are all faults there are. A seed draws each or not.
func families() []family {
	var all []family
	all = append(all, lifeFaults()...)
	all = append(all, ambushes()...)
	all = append(all, clockFaults()...)
	all = append(all, netFaults()...)
	all = append(all, diskFaults()...)
	all = append(all, canaries()...)
	for i := range all {
		f := &all[i]
		f.shortest, f.longest = cmp.Or(f.shortest, 20*time.Millisecond), cmp.Or(f.longest, 1500*time.Millisecond)
		f.chance = cmp.Or(f.chance, 500_000)
	}
	return all
}

// often is how many faults there are where others have n.
func (f *family) often(n int) int { return n * max(1, f.times) }

// strike is what a family does, and to what kind of victim: see Target.place.
type strike struct {
	do     func(*world, Fault)
	victim byte
}

func strikes(p *Plan) map[FaultKind]strike {
	all := map[FaultKind]strike{}
	for _, f := range families() {
		victim := byte('n')
		switch t := f.usually(p); {
		case t == "":
			victim = 0
		case t[0] == 'c':
			victim, _ = t.place()
		}
		all[f.kind] = strike{f.strike, victim}
	}
	return all
}

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
	if !ok {
		w.say(Who{}, "%v: nobody fits", f)
		return
	}
	strike := w.strikes[f.Kind]
	if kind, _ := on.place(); kind != strike.victim {
		return // the mark was about somebody of another kind
	}
	f.On, f.At, f.When, f.Nth = on, Span(w.now), "", 0
	w.pinned = append(w.pinned, f)
	w.stats.Faults.add(f.Kind)
	w.history.fault(f)
	w.tape.fault(f)
	strike.do(w, f)
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
	for _, fam := range families() {
		if fam.kind == f.Kind {
			if err := f.On.check(p, fam.usually(p), f.When != ""); err != nil {
				return fmt.Errorf("%s %w", f.Kind, err)
			}
			return nil
		}
	}
	return fmt.Errorf("there is no fault %q", f.Kind)
}

// usually is some target that a family would draw.
func (f *family) usually(p *Plan) Target {
	var drawn Fault
	f.aim(Dice(0).roll(dicePlan, 0), p, &drawn)
	return drawn.On
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
	w.tape.begin(w, "heal", -1)
	w.tape.tell(Fact{Kind: FactHealed})
	w.everyLink(w.reopen)
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
		for _, t := range c.streams {
			if t != nil && t.gap {
				t.breakOff()
			}
		}
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
