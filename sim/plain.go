package sim

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"time"
)

// The minimizer's passes over conditions and times: what is not the cause of a failure goes back to
// what is plain.

// plainKnobs are those that make nothing rare happen.
func plainKnobs() Knobs {
	ms := Span(time.Millisecond)
	return Knobs{KeepEntries: 1 << 20, MaxAppend: 1 << 20, MaxQueue: 10_000, Lease: 30_000 * ms, Effects: 20 * ms,
		Window: 1, Page: 50, SaveMin: ms / 10, SaveMax: ms}
}

// plainNetwork loses nothing.
func plainNetwork() Network {
	return Network{DelayMin: Span(100 * time.Microsecond), DelayMax: Span(time.Millisecond)}
}

// resetKnobs returns each condition to what is plain, all at once if that does, else one by one.
func (s *shrinker) resetKnobs() {
	all := *s.plan()
	all.Knobs, all.Network, all.Multi, all.Password, all.Search = plainKnobs(), plainNetwork(), false, false, false
	if all.Still || s.adopt([]Plan{all}) < 0 {
		s.reset(func(p *Plan) { p.Search = false })
		s.reset(func(p *Plan) { p.Multi = false })
		s.reset(func(p *Plan) { p.Password = false })
		resetFields(s, func(p *Plan) *Network { return &p.Network }, plainNetwork())
		resetFields(s, func(p *Plan) *Knobs { return &p.Knobs }, plainKnobs())
	}
}

func (s *shrinker) reset(change func(p *Plan)) {
	p := *s.plan()
	change(&p)
	if p.Check() == nil && !samePlan(&p, s.plan()) {
		s.adopt([]Plan{p})
	}
}

func samePlan(a, b *Plan) bool { return string(a.Encode()) == string(b.Encode()) }

// resetFields returns the fields of a part of the plan one by one, as they stand in a file: a field that is
// new some day is returned like the others.
func resetFields[T any](s *shrinker, of func(p *Plan) *T, plain T) {
	want := fields(plain)
	for _, key := range slices.Sorted(maps.Keys(fields(*of(s.plan())))) {
		s.reset(func(p *Plan) {
			now := fields(*of(p))
			if v, ok := want[key]; ok {
				now[key] = v
			} else {
				delete(now, key)
			}
			var changed T
			if err := json.Unmarshal(encoded(now), &changed); err == nil {
				*of(p) = changed
			}
		})
	}
}

func fields(part any) map[string]json.RawMessage {
	m := map[string]json.RawMessage{}
	if err := json.Unmarshal(encoded(part), &m); err != nil {
		panic(fmt.Sprintf("sim: a plan is plain data, and yet: %v", err))
	}
	return m
}

func encoded(v any) []byte {
	text, err := json.Marshal(v)
	if err != nil {
		panic(fmt.Sprintf("sim: a plan is plain data, and yet: %v", err))
	}
	return text
}

// fewDeviations is how long the list of accidents may be for a still plan to be plainer than dice.
const fewDeviations = 12

// stopDice turns the dice of links and disks into a list of accidents: none, those that are accidents by
// name, or all that took longer than it might. A long list explains nothing: then the dice stay.
func (s *shrinker) stopDice() {
	if s.plan().Still {
		return
	}
	before := s.out.Now
	c := NewCase(before.Plan)
	named, all := accidents(&before.Plan, c.Tape, false), accidents(&before.Plan, c.Tape, true)
	var plans []Plan
	for _, list := range [][]Deviation{nil, named} {
		for _, delay := range []Span{0, 1} {
			for _, save := range []Span{0, 1} {
				plans = append(plans, before.Plan.stilled(delay, save, list))
			}
		}
		if len(named) == 0 {
			break
		}
	}
	still := plans[:4:4]
	plans = append(plans, before.Plan.stilled(0, 0, all))
	if s.adopt(plans) < 0 && s.adopt(reseeded(still...)) < 0 {
		return
	}
	s.thinDeviations()
	if len(s.plan().Deviations) > fewDeviations {
		s.out.Now = before
	}
}

// stilled is the plan without dice. A packet takes the least time or, with delay 1, the middling; a save
// likewise.
func (p *Plan) stilled(delay, save Span, list []Deviation) Plan {
	q := *p
	q.Still, q.Deviations = true, slices.Clone(list)
	least := p.Network.DelayMin + delay*(p.Network.DelayMax-p.Network.DelayMin)/2
	q.Network = Network{DelayMin: least, DelayMax: least}
	q.Knobs.SaveMin += save * (p.Knobs.SaveMax - p.Knobs.SaveMin) / 2
	q.Knobs.SaveMax = q.Knobs.SaveMin
	return q
}

// roundTimes makes times short and round.
func (s *shrinker) roundTimes() {
	ms := Span(time.Millisecond)
	s.reset(func(p *Plan) { // nobody rests
		p.Ops = slices.Clone(p.Ops)
		for i := range p.Ops {
			p.Ops[i].Rest = 0
		}
	})
	for i := range s.plan().Ops {
		s.resetTime(func(p *Plan) *Span {
			p.Ops = slices.Clone(p.Ops)
			return &p.Ops[i].Rest
		}, 0, 1000*ms, 100*ms, 10*ms, ms)
	}
	for i := range s.plan().Faults {
		fault := func(p *Plan) *Fault {
			p.Faults = slices.Clone(p.Faults)
			return &p.Faults[i]
		}
		s.resetTime(func(p *Plan) *Span { return &fault(p).For }, 0, 1000*ms, 100*ms, 10*ms, ms)
		s.resetTime(func(p *Plan) *Span { return &fault(p).At }, 1000*ms, 100*ms, 10*ms, ms)
	}
	for i := range s.plan().Deviations {
		s.resetTime(func(p *Plan) *Span {
			p.Deviations = slices.Clone(p.Deviations)
			return &p.Deviations[i].By
		}, 0, 100*ms, 10*ms, ms)
	}
	s.resetTime(func(p *Plan) *Span { return &p.Chaos }, 1000*ms, 100*ms, 10*ms, ms)
}

// resetTime tries to make a time round: a multiple of each unit, the coarsest first; 0 is nothing at all.
func (s *shrinker) resetTime(of func(p *Plan) *Span, units ...Span) {
	probe := *s.plan()
	now := *of(&probe)
	var plans []Plan
	for _, u := range units {
		round := Span(0)
		if u > 0 {
			if now%u == 0 {
				break
			}
			round = (now + u - 1) / u * u
		}
		if round == now {
			break
		}
		p := *s.plan()
		*of(&p) = round
		if p.Check() == nil {
			plans = append(plans, p)
		}
	}
	s.adopt(plans)
}
