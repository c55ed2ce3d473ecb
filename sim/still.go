package sim

import (
	"fmt"
	"slices"
	"time"

	"parley/core/replica"
)

// In a still plan the dice of links and disks are off: a packet takes the least time that the network
// allows, a save the least that the knobs allow, and what else happens to them is listed. An accident
// names its packet by what the packet says, not by its number, so that it still means the same packet
// when something before it is cut out.

// Deviation is one accident of a still plan.
type Deviation struct {
	Do Accident `json:"do"`
	Saying
	Nth int  `json:"nth"`          // of those that say the same, from 1
	By  Span `json:"by,omitempty"` // slow: so much longer; double and late: the copy comes so much later
}

// Accident names what may happen to a packet or a save.
type Accident string

// What may happen. Keep and Slow are for saves, too.
const (
	Lose   Accident = "lose"
	Double Accident = "double"
	Late   Accident = "late" // a copy arrives much later
	Slow   Accident = "slow"
	Keep   Accident = "keep" // the save in flight when a replica dies is there afterwards
)

// saveKind is what a Saying calls a save.
const saveKind = "save"

func (p *Plan) checkDeviation(d Deviation) error {
	known := []Accident{Lose, Double, Late, Slow, Keep}
	save := d.Kind == saveKind
	switch {
	case !slices.Contains(known, d.Do):
		return fmt.Errorf("there is no accident %q; there are %v", d.Do, known)
	case d.From < 1 || int(d.From) > p.Voters || !save && (d.To < 1 || int(d.To) > p.Voters):
		return fmt.Errorf("%v: want replicas 1 to %d", d.Saying, p.Voters)
	case d.Nth < 1:
		return fmt.Errorf("%v for the %dth time", d.Saying, d.Nth)
	case save && d.Do != Slow && d.Do != Keep || !save && d.Do == Keep:
		return fmt.Errorf("%v: that cannot be %q", d.Saying, d.Do)
	}
	return nil
}

func (d Deviation) String() string {
	text := fmt.Sprintf("%s %v", d.Do, d.Saying)
	if d.Nth > 1 {
		text += fmt.Sprintf(", no. %d", d.Nth)
	}
	if d.By > 0 {
		text += fmt.Sprintf(", by %v", d.By)
	}
	return text
}

// nthSaying names one packet or save.
type nthSaying struct {
	Saying
	nth int
}

// stillness knows what has been said, and the accidents to come.
type stillness struct {
	said map[Saying]int
	by   map[accident]Span // looked up only
}

type accident struct {
	do Accident
	id nthSaying
}

func (s *stillness) list(all []Deviation) {
	s.said, s.by = map[Saying]int{}, map[accident]Span{}
	for _, d := range all {
		s.by[accident{d.Do, nthSaying{d.Saying, d.Nth}}] = d.By
	}
}

func (s *stillness) has(id nthSaying, do Accident) bool {
	_, ok := s.by[accident{do, id}]
	return ok
}

// name names a packet, if anybody wants to know.
func (w *world) name(m *replica.PeerMessage) nthSaying {
	if w.tape == nil && !w.plan.Still {
		return nthSaying{}
	}
	return w.nth(sayingOf(m))
}

// nameSave names a save by its first entry, or by what it says was applied.
func (w *world) nameSave(s *server, save *replica.Save) nthSaying {
	if w.tape == nil && !w.plan.Still {
		return nthSaying{}
	}
	id := Saying{From: s.id, Kind: saveKind, Term: s.status.Raft.Role.Term}
	if len(save.Append) > 0 {
		id.Index = save.Append[0].Index
	}
	return w.nth(id)
}

func (w *world) nth(id Saying) nthSaying {
	w.still.said[id]++
	return nthSaying{id, w.still.said[id]}
}

// chance is what the dice say or, without them, whether the accident is listed.
func (w *world) chance(r *roll, ppm uint32, id nthSaying, do Accident) bool {
	if w.plan.Still {
		return w.still.has(id, do)
	}
	return r.ppm(ppm)
}

// extra is by how much a packet or a save deviates from the least time.
func (w *world) extra(id nthSaying, do Accident) time.Duration {
	if !w.plan.Still || w.healed {
		return 0
	}
	return time.Duration(w.still.by[accident{do, id}])
}

// later is when a late copy comes.
func (w *world) later(drawn time.Duration, id nthSaying) time.Duration {
	if w.plan.Still {
		return time.Duration(w.plan.Network.DelayMin) + w.extra(id, Late)
	}
	return drawn
}

// slowSave is what a slow disk adds to each save of a still plan.
const slowSave = 300 * time.Millisecond

func (w *world) saveTime(s *server, drawn time.Duration) time.Duration {
	if !w.plan.Still {
		return drawn
	}
	return w.leastSave(s) + w.extra(s.saving, Slow)
}

func (w *world) leastSave(s *server) time.Duration {
	d := time.Duration(w.plan.Knobs.SaveMin)
	if s.slow > 0 {
		d += slowSave
	}
	return d
}

// accidents are the deviations that a recorded run of the plan had: those that are accidents by name
// and, if all are wanted, every packet and save that took longer than the least time.
func accidents(p *Plan, t *Tape, all bool) []Deviation {
	var list []Deviation
	add := func(do Accident, f *Fact, by time.Duration) {
		list = append(list, Deviation{Do: do, Saying: f.Say, Nth: f.Nth, By: Span(by)})
	}
	usual, save := time.Duration(p.Network.DelayMax), time.Duration(p.Knobs.SaveMax)
	if all {
		usual, save = time.Duration(p.Network.DelayMin), time.Duration(p.Knobs.SaveMin)
	}
	for i := range t.Facts {
		f := &t.Facts[i]
		took := time.Duration(f.M)
		switch {
		case f.Kind == FactHealed:
			return list
		case f.Kind == FactLost && f.N == 0:
			add(Lose, f, 0)
		case f.Kind == FactSent && copyOf(f.N) == doubled:
			add(Double, f, max(0, took-time.Duration(p.Network.DelayMin)))
		case f.Kind == FactSent && copyOf(f.N) == late:
			add(Late, f, max(0, took-time.Duration(p.Network.DelayMin)))
		case f.Kind == FactSent && took > usual:
			add(Slow, f, took-time.Duration(p.Network.DelayMin))
		case f.Kind == FactBegun && took > save:
			add(Slow, f, took-time.Duration(p.Knobs.SaveMin))
		case f.Kind == FactKept:
			add(Keep, f, 0)
		}
	}
	return list
}

// copyOf tells the copies of a packet apart.
type copyOf uint64

const (
	once copyOf = iota
	doubled
	late
)
