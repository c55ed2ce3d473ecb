package sim

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"parley/core/raft"
	lin "parley/linearizability"
)

// A wall clock jumps by what the fault says, and back if it says so.
func TestWallClocksJump(t *testing.T) {
	const hour = 3_600_000
	for _, c := range []struct {
		arg        uint64
		then, last int64 // ahead, in milliseconds
	}{
		{hour<<2 | 3, -hour, -hour},
		{hour << 2, hour, 0},
		{10<<2 | 2, 10, 10},
	} {
		w := struck(t, 3, Fault{Kind: ClockJump, On: "n2", Arg: c.arg, For: Span(time.Second)})
		ahead := func() int64 { return w.server(2).date() - w.server(1).date() }
		then := ahead()
		w.run(w.now + 2*time.Second)
		if last := ahead(); then != c.then || last != c.last {
			t.Errorf("%d: ahead by %d, then %d, want %d and %d", c.arg, then, last, c.then, c.last)
		}
		w.finish(t)
	}
	w := struck(t, 3, Fault{Kind: ClockFreeze, On: "n2", For: Span(time.Second)})
	at := w.server(2).date()
	w.run(w.now + 900*time.Millisecond)
	if w.server(2).date() != at || w.server(1).date() == at {
		t.Error("a frozen clock goes on, or another stands still")
	}
	w.run(w.now + 200*time.Millisecond)
	if w.server(2).date() != w.server(1).date() {
		t.Error("a clock that was frozen is behind")
	}
	w.finish(t)
}

// What clients see is the same whatever wall clocks show.
func TestWallClocksDecideNothing(t *testing.T) {
	seen := func(p Plan) string {
		r := Run(p)
		if r.Failure != nil {
			t.Errorf("seed %d: %v", p.Seed, r.Failure)
		}
		text := ""
		for _, e := range r.History.Events {
			if e.E != lin.Fault && e.E != lin.End {
				e.T = 0
				text += fmt.Sprintf("%+v\n", e)
			}
		}
		return text
	}
	without := map[FaultKind]bool{ClockJump: true, ClockFreeze: true}
	for _, f := range diskFaults() { // damage strikes bytes, and a date is some
		without[f.kind] = true
	}
	for seed := range uint64(3) {
		p := Generate(seed, Lite)
		p.Faults = slices.DeleteFunc(p.Faults, func(f Fault) bool { return without[f.Kind] })
		calm := seen(p)
		for i := range uint64(20) {
			f := Fault{ID: 1000 + i, At: Span(time.Duration(i) * 400 * time.Millisecond), For: Span(time.Second),
				Kind: ClockJump, On: "n1", Arg: 1_000_000<<2 | i}
			if i%3 == 0 {
				f.Kind = ClockFreeze
			}
			p.Faults = append(p.Faults, f)
		}
		if seen(p) != calm {
			t.Errorf("seed %d: clients see something else when wall clocks jump", seed)
		}
	}
}

// A clock that changes its pace never jumps, and is wrong by as much as it was told.
func TestClocksDrift(t *testing.T) {
	w := struck(t, 3, Fault{Kind: ClockDrift, On: "n1", Arg: 2 * maxDriftPpm, For: Span(10 * time.Second)})
	s := w.server(1)
	at, from := s.clock.local(w.now), w.now
	w.run(w.now + 2*time.Second)
	if took := s.clock.local(w.now) - at; (took - (w.now-from)*105/100).Abs() > time.Millisecond {
		t.Errorf("in two seconds a clock that is 5 %% too fast went on by %v", took)
	}
	c := clock{start: time.Hour, since: time.Minute, ppm: 20_000}
	was := c.local(time.Hour)
	c.run(time.Hour, -50_000)
	if now := c.local(time.Hour); now != was {
		t.Errorf("a clock jumps by %v when its pace changes", now-was)
	}
	for _, ahead := range []time.Duration{1, time.Millisecond, 3 * time.Second} {
		d := c.when(was+ahead, time.Hour)
		if shows := c.local(time.Hour + d); shows < was+ahead {
			t.Errorf("after %v it shows %v less than asked for", d, was+ahead-shows)
		}
	}
	w.finish(t)
}

// Whoever wins an election while winners are hunted dies soon after.
func TestWinnersAreHunted(t *testing.T) {
	w := struck(t, 5, Fault{Kind: KillWinners, For: Span(4 * time.Second)})
	w.leader().crash()
	won := w.stats.Marks[ElectionWon]
	w.run(w.now + 4*time.Second)
	if won, killed := w.stats.Marks[ElectionWon]-won, w.stats.Marks[WinnerKilled]; won < 4 || killed < won-1 {
		t.Errorf("%d elections won, %d winners killed", won, killed)
	}
	w.finish(t)
}

// Lives end and begin as the faults say.
func TestLivesComeAndGo(t *testing.T) {
	for _, c := range []struct {
		fault Fault
		so    func(w *world) bool
	}{
		{Fault{ID: 2, Kind: Rolling}, func(w *world) bool {
			return w.server(1).life == 2 && w.server(2).life == 2 && w.server(3).life == 2
		}},
		{Fault{Kind: CrashLoop, On: "n3"}, func(w *world) bool {
			return w.server(3).life > 3 && w.stats.Marks[ShortLife] > 0 && w.server(1).life == 1
		}},
		{Fault{Kind: PauseLeader, On: TheLeader}, func(w *world) bool { return w.stats.Marks[WokeDeposed] == 1 }},
		{Fault{Kind: PowerCut}, func(w *world) bool { return w.stats.Marks[AllDown] == 1 }},
		{Fault{Kind: Resign, On: TheLeader}, func(w *world) bool {
			return w.stats.Marks[ResignedLeader] == 1 && w.stats.Marks[TransferBegun] > 0
		}},
		{Fault{Kind: CrashMidway, On: TheLeader}, func(w *world) bool { return w.stats.Marks[DiedMidway] == 1 }},
	} {
		c.fault.For = Span(1500 * time.Millisecond)
		w := struck(t, 3, c.fault)
		w.run(w.now + 3*time.Second)
		if !c.so(w) {
			t.Errorf("%s: it did something else: lives %d %d %d, marks %v", c.fault.Kind, w.server(1).life, w.server(2).life,
				w.server(3).life, w.stats.Marks)
		}
		w.finish(t)
	}
}

// Every moment comes, a fault that waits for it strikes then, and strikes whom the moment is about.
func TestFaultsWaitForTheirMoment(t *testing.T) {
	for _, m := range moments() {
		hit := false
		for seed := uint64(0); seed < 60 && !hit; seed++ {
			p := Generate(seed, Lite)
			if seed < 20 {
				p = calm(seed)
				p.Knobs.KeepEntries, p.Knobs.SnapshotChunk, p.Network.Streams = 1, 300, true
			}
			p.Faults = []Fault{
				{ID: 1, At: Span(2 * time.Second), For: Span(time.Second), Kind: Resign, On: TheLeader},
				{ID: 2, At: Span(4 * time.Second), For: Span(2 * time.Second), Kind: Isolate, On: TheLeader},
				{ID: 3, Kind: CrashWhen, On: ThatOne, When: m.mark, Nth: 2, At: Span(time.Second)},
			}
			w := newWorld(p, Options{})
			for w.now < time.Duration(p.Chaos) && w.failure == nil && !hit {
				made := w.stats.Marks[m.mark]
				w.step()
				hit = w.stats.Faults[CrashWhen] == 1
				if hit && made == 0 {
					t.Errorf("%s: the fault strikes and the mark was not made", m.mark)
				}
			}
			if !hit {
				continue
			}
			f := w.pinned[len(w.pinned)-1]
			if w.serverOf(f).up {
				t.Errorf("%s: %v, and it is up", m.mark, f)
			}
			w.finish(t)
		}
		if !hit {
			t.Errorf("%s: in sixty worlds the moment did not come twice", m.mark)
		}
	}
}

// Targets are whom they are called.
func TestTargetsFit(t *testing.T) {
	times := map[Target]int{}
	for seed := range uint64(6) {
		w := newWorld(Generate(seed, Lite), Options{})
		for range 200 {
			w.run(w.now + 20*time.Millisecond)
			for _, target := range found() {
				on, ok := w.resolve(target)
				if !ok {
					continue
				}
				times[target]++
				s, lead := w.serverOf(Fault{On: on}), w.leader()
				fits := false
				switch last := s.status.Raft.Last; target {
				case TheLeader:
					fits = s == lead
				case TheNext:
					fits = s != lead && s.up
				case TheLongest:
					fits = w.best(func(o *server) uint64 {
						if l := o.status.Raft.Last; l.Term > last.Term || l.Term == last.Term && l.Index > last.Index {
							return 1
						}
						return 0
					}) == nil
				case TheSaver:
					fits = s.disk.inFlight != nil
				case TheSole:
					on := 0
					for _, o := range w.servers {
						if e, ok := o.disk.entry(s.disk.last()); ok && e.Chain == s.disk.log[len(s.disk.log)-1].Chain {
							on++
						}
					}
					fits = on == 1
				case TheLaggard:
					fits = last.Index < lead.status.Raft.Last.Index
				}
				if !fits {
					t.Errorf("seed %d at %v: %s is %s", seed, w.now, target, on)
				}
			}
		}
	}
	for _, target := range found() {
		if times[target] == 0 {
			t.Errorf("there was never a %s", target)
		}
	}
}

// A leader that dies before its first entry is saved leaves no trace of its term's entries.
func TestAWinnerDiesUnsaved(t *testing.T) {
	p := calm(3)
	p.Faults = []Fault{{ID: 1, Kind: CrashWhen, On: ThatOne, When: LeaderUnsaved, Nth: 1, For: Span(time.Second)}}
	w := newWorld(p, Options{})
	if !w.runUntil(3*time.Second, func() bool { return len(w.pinned) == 1 }) {
		t.Fatal("no fault struck")
	}
	s := w.serverOf(w.pinned[0])
	term := s.disk.hard.Term
	for i := raft.Index(1); i <= s.disk.last(); i++ {
		if e, ok := s.disk.entry(i); ok && e.Term == term {
			t.Logf("entry %d of term %d was saved by the crash, which the dice may say", i, term)
		}
	}
	if s.up || w.stats.Marks[DiedSaving] != 1 {
		t.Error("it is up, or had nothing to save")
	}
	w.finish(t)
}
