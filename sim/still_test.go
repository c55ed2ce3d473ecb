package sim

import (
	"bytes"
	"testing"
	"time"
)

// still is a calm plan without dice.
func still(list ...Deviation) Plan {
	p := calm(5)
	p.Still, p.Deviations = true, list
	return p
}

// In a still world nothing is lost, doubled or late, and every packet takes the same time.
func TestAStillWorldHasNoAccidents(t *testing.T) {
	p := still()
	p.Network.LossPpm, p.Network.DupPpm, p.Network.LatePpm, p.Network.SlowPpm = 500_000, 500_000, 500_000, 500_000
	c := NewCase(p)
	s := &c.Result.Stats
	if c.Result.Failure != nil || s.Lost+s.Doubled+s.Late != 0 || s.Packets == 0 {
		t.Errorf("%v, %+v", c.Result.Failure, s)
	}
	for _, f := range c.Tape.Facts {
		if f.Kind == FactSent && f.M != uint64(p.Network.DelayMin) {
			t.Fatalf("%v takes %v", f.Say, time.Duration(f.M))
		}
	}
}

// An accident that is listed happens to the packet or save that it names, and to no other.
func TestListedAccidentsHappen(t *testing.T) {
	calm := NewCase(still())
	var packet, save *Fact
	for i := range calm.Tape.Facts {
		f := &calm.Tape.Facts[i]
		if f.Kind == FactSent && f.Say.Kind == "append" && f.Say.Index > 3 && packet == nil {
			packet = f
		}
		if f.Kind == FactBegun && f.Say.Index > 3 && save == nil {
			save = f
		}
	}
	run := func(do Accident, of *Fact, by time.Duration) *Case {
		p := still(Deviation{Do: do, Saying: of.Say, Nth: of.Nth, By: Span(by)})
		if err := p.Check(); err != nil {
			t.Fatal(err)
		}
		again, err := ReadPlan(bytes.NewReader(p.Encode()))
		if err != nil || !samePlan(&p, &again) {
			t.Fatalf("%v: it does not survive its file", err)
		}
		c := NewCase(again)
		if c.Result.Failure != nil {
			t.Errorf("%s of %v: %v", do, of.Say, c.Result.Failure)
		}
		return &c
	}
	named := func(c *Case, kind FactKind, of *Fact) (list []Fact) {
		for _, f := range c.Tape.Facts {
			if f.Kind == kind && f.Say == of.Say && f.Nth == of.Nth {
				list = append(list, f)
			}
		}
		return list
	}
	c := run(Lose, packet, 0)
	if got := named(c, FactLost, packet); len(got) != 1 || c.Result.Stats.Lost != 1 {
		t.Errorf("lost: %d of that name, %d in all", len(got), c.Result.Stats.Lost)
	}
	c = run(Double, packet, time.Millisecond)
	if got := named(c, FactArrived, packet); len(got) != 2 || c.Result.Stats.Doubled != 1 {
		t.Errorf("doubled: it arrives %d times, %d doubles in all", len(got), c.Result.Stats.Doubled)
	}
	c = run(Late, packet, time.Second)
	if got := named(c, FactArrived, packet); len(got) != 2 || c.Tape.Steps[got[1].Step].At-c.Tape.Steps[got[0].Step].At != time.Second {
		t.Errorf("late: it arrives %d times", len(got))
	}
	c = run(Slow, packet, 30*time.Millisecond)
	if got := named(c, FactSent, packet); len(got) != 1 || got[0].M != uint64(30*time.Millisecond)+uint64(c.Result.Plan.Network.DelayMin) {
		t.Errorf("slow: %+v", got)
	}
	c = run(Slow, save, 40*time.Millisecond)
	if got := named(c, FactBegun, save); len(got) != 1 || got[0].M != uint64(40*time.Millisecond)+uint64(c.Result.Plan.Knobs.SaveMin) {
		t.Errorf("a slow save: %+v", got)
	}
}

// A save in flight when its replica dies is lost in a still world, unless the plan keeps it.
func TestASaveInFlightIsKeptOnlyIfListed(t *testing.T) {
	for _, keep := range []bool{false, true} {
		w := newWorld(still(), Options{Tape: &Tape{}})
		s := w.servers[0]
		if !w.runUntil(5*time.Second, func() bool { return s.up && s.disk.inFlight != nil }) {
			t.Fatal("nothing is ever saved")
		}
		seq := s.disk.seq
		if keep {
			w.still.list([]Deviation{{Do: Keep, Saying: s.saving.Saying, Nth: s.saving.nth}})
		}
		s.crash()
		if kept := s.disk.seq == seq+1; kept != keep {
			t.Errorf("kept %t, want %t", kept, keep)
		}
	}
}

// The accidents of a run with dice, listed, are those that it had.
func TestTheAccidentsOfARunAreFound(t *testing.T) {
	p := calm(9)
	p.Network.LossPpm, p.Network.DupPpm, p.Network.LatePpm = 20_000, 20_000, 5_000
	c := NewCase(p)
	count := map[Accident]uint64{}
	for _, d := range accidents(&p, c.Tape, false) {
		count[d.Do]++
	}
	s := &c.Result.Stats
	if count[Lose] != s.Lost || count[Double] != s.Doubled || count[Late] != s.Late || s.Lost == 0 || s.Doubled == 0 || s.Late == 0 {
		t.Errorf("found %v, there were %d lost, %d doubled, %d late", count, s.Lost, s.Doubled, s.Late)
	}
}

// Accidents that cannot be are refused.
func TestBadDeviationsAreRefused(t *testing.T) {
	good := Deviation{Do: Lose, Saying: Saying{From: 1, To: 2, Kind: "append"}, Nth: 1}
	for _, spoil := range []func(p *Plan, d *Deviation){
		func(p *Plan, d *Deviation) { p.Still = false },
		func(p *Plan, d *Deviation) { d.Do = "eat" },
		func(p *Plan, d *Deviation) { d.From = 9 },
		func(p *Plan, d *Deviation) { d.To = 0 },
		func(p *Plan, d *Deviation) { d.Nth = 0 },
		func(p *Plan, d *Deviation) { d.Do = Keep },
		func(p *Plan, d *Deviation) { d.Kind = saveKind },
	} {
		p, d := still(), good
		spoil(&p, &d)
		p.Deviations = []Deviation{d}
		if err := p.Check(); err == nil {
			t.Errorf("taken: still %t, %+v", p.Still, d)
		}
	}
	if p := still(good); p.Check() != nil {
		t.Error("a good one is refused")
	}
}
