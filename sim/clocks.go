package sim

import "time"

// The fault model of clocks. Every life of a node has a monotonic clock that starts anywhere and runs
// a little wrong, now more and now less. Every node has a clock on the wall besides, which outlives
// its lives: it jumps, back too, and stands still. Its reading goes into entries as a date for people;
// nothing may depend on it, which TestWallClocksDecideNothing holds.
const (
	ClockJump   FaultKind = "clock-jump"   // a replica's wall clock is set, by ten milliseconds to an hour; every other time back again
	ClockFreeze FaultKind = "clock-freeze" // a replica's wall clock stands still
	ClockDrift  FaultKind = "clock-drift"  // a replica's monotonic clock runs up to 5 % wrong, whatever the knob says
)

// maxDriftPpm is the worst monotonic clock there is.
const maxDriftPpm = 50_000

// clock is a node's monotonic clock.
type clock struct {
	start time.Duration // what it showed …
	since time.Duration // … at this time of the world
	ppm   int64
}

func (c clock) local(t time.Duration) time.Duration {
	t -= c.since
	return c.start + t + time.Duration(int64(t)/1_000_000*c.ppm)
}

// run sets another rate; the clock goes on from what it shows.
func (c *clock) run(now time.Duration, ppm int64) {
	c.start, c.since, c.ppm = c.local(now), now, ppm
}

// when is the world's time at which the clock will show at least local.
func (c clock) when(local, now time.Duration) time.Duration {
	ahead := local - c.local(now)
	if ahead <= 0 {
		return 0
	}
	if ahead > time.Hour {
		return time.Hour
	}
	return ahead*1_000_000/time.Duration(1_000_000+c.ppm) + 1
}

// wall is a node's wall clock.
type wall struct {
	ahead  time.Duration // of the world
	frozen []int64       // readings at which faults hold it
}

// birthday is the wall clock's reading when a world begins, in Unix milliseconds.
const birthday = 1_767_225_600_000

// date is what a server's wall clock shows.
func (s *server) date() int64 {
	if n := len(s.wall.frozen); n > 0 && !s.w.healed {
		return s.wall.frozen[n-1]
	}
	return birthday + s.w.now.Milliseconds() + s.wall.ahead.Milliseconds()
}

func clockFaults() []family {
	return []family{
		{kind: ClockJump, aim: aJump, strike: (*world).jumpClock},
		{kind: ClockFreeze, aim: someServer, strike: func(w *world, f Fault) {
			s := w.serverOf(f)
			s.wall.frozen = append(s.wall.frozen, s.date())
			w.mark(ClockFroze, s.name)
			w.after(time.Duration(f.For), "relief", f.ID, func() { s.wall.frozen = s.wall.frozen[1:] })
		}},
		{kind: ClockDrift, aim: aDrift, shortest: 300 * time.Millisecond, strike: (*world).driftClock},
	}
}

// aJump draws how far, in milliseconds; the lowest bit of Arg says back, the next that it stays so.
func aJump(r *roll, p *Plan, f *Fault) {
	someServer(r, p, f)
	f.Arg = uint64(9+r.logUpTo(3_600_000))<<2 | uint64(r.upTo(4))
}

func aDrift(r *roll, p *Plan, f *Fault) {
	someServer(r, p, f)
	f.Arg = uint64(r.upTo(2*maxDriftPpm + 1))
}

func (w *world) jumpClock(f Fault) {
	s := w.serverOf(f)
	by := time.Duration(f.Arg>>2%3_600_010) * time.Millisecond
	if f.Arg&1 == 1 {
		by = -by
	}
	set := func(by time.Duration) {
		s.wall.ahead += by
		if by < 0 {
			w.mark(ClockJumpedBack, s.name)
		} else {
			w.mark(ClockJumpedAhead, s.name)
		}
	}
	set(by)
	if f.Arg&2 == 0 {
		w.after(time.Duration(f.For), "relief", f.ID, func() { set(-by) })
	}
}

func (w *world) driftClock(f Fault) {
	s := w.serverOf(f)
	was := s.clock.ppm
	s.setRate(int64(f.Arg%(2*maxDriftPpm+1)) - maxDriftPpm)
	w.mark(ClockDrifted, s.name)
	life := s.life
	w.after(time.Duration(f.For), "relief", f.ID, func() {
		if s.life == life {
			s.setRate(was)
		}
	})
}

// setRate also looks anew when the next deadline is.
func (s *server) setRate(ppm int64) {
	if !s.up || s.frozen != 0 {
		return
	}
	s.clock.run(s.w.now, ppm)
	s.tickAt = noTick
	s.schedule()
}
