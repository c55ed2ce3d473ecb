package sim

import (
	"errors"
	"slices"
	"time"

	"parley/core/replica"
)

// What a server has to do with its disk: it saves, reads, waits for it when it stalls, and ends when
// it fails. What an answer of the disk comes to is for core/replica to say, here as in a real shell.

// dangers are faults that have been aimed at a server and wait for their moment.
type dangers struct {
	sync []Fault // the next save's sync fails
	tear []Fault // the life ends in the middle of the next save
}

func (s *server) save(save *replica.Save) {
	w := s.w
	if err := s.disk.begin(save); err != nil {
		s.later(0, "saved", func() { s.saved(save, replica.Saved{}, err, 0) })
		return
	}
	s.saves++
	s.saveAt = w.now
	w.stats.Saves++
	r := w.dice.roll(diceDisk, uint64(s.id)<<48|s.saves)
	d := r.between(time.Duration(w.plan.Knobs.SaveMin), time.Duration(w.plan.Knobs.SaveMax))
	if s.slow > 0 && !w.healed || w.exiles.how[s.id] == WornDisk {
		d += r.between(50*time.Millisecond, 700*time.Millisecond)
	}
	s.saving = w.nameSave(s, save)
	d = w.saveTime(s, d)
	w.tape.begun(s, save, d)
	ear := r.between(0, 200*time.Microsecond)
	s.later(d, "saved", func() {
		if s.stalled > 0 {
			s.later(replica.SaveLimit-d, "overdue", func() { s.overdue(save) })
		}
		s.unstalled(func() { s.finish(save, ear) })
	})
	if len(s.dangers.tear) > 0 {
		s.later(d/2, "tear", s.tear)
	}
}

// overdue ends the life if a save has not come back.
func (s *server) overdue(save *replica.Save) {
	if s.disk.inFlight == save {
		s.w.mark(SaveOverdue, s.name)
		s.die(replica.SaveOverdue(save))
	}
}

// finish is the moment at which the disk has done a save, or has not.
func (s *server) finish(save *replica.Save, ear time.Duration) {
	if n := len(s.dangers.sync); n > 0 {
		f := s.dangers.sync[0]
		s.dangers.sync = s.dangers.sync[1:]
		s.failSync(save, f)
		return
	}
	saved, err := s.disk.finish()
	s.saved(save, saved, err, ear)
}

func (s *server) saved(save *replica.Save, saved replica.Saved, err error, ear time.Duration) {
	if err != nil {
		var t trouble
		s.w.mark(SaveFailed, s.name)
		s.w.markIf(errors.As(err, &t) && t.kind == NoSpace, OutOfSpace, s.name)
	} else {
		s.w.tape.tell(Fact{Kind: FactDurable, On: node(s.id), N: saved.Seq, M: uint64(s.disk.last())})
		s.w.trace.saved(&saved)
		s.w.checks.saved(s, saved)
		s.untold = true
		s.w.mark(SaveUntold, s.name)
	}
	in, stop := replica.SaveAnswer(save, saved, err)
	// The crash that hits between the disk's word and the machine's ear is a case of its own.
	s.answered(in, stop, ear, "stored")
}

// answered takes what an answer of the disk came to.
func (s *server) answered(in replica.Input, stop *replica.Stop, d time.Duration, name string) {
	if stop != nil {
		s.die(stop)
		return
	}
	if in != nil {
		s.later(d, name, func() {
			s.untold = s.untold && name != "stored"
			s.take(in)
		})
	}
}

func (s *server) fetch(f replica.Fetch) {
	s.unstalled(func() {
		rows, err := s.disk.Rows(f.Ranges)
		in, stop := replica.FetchAnswer(&f, rows, err)
		s.answered(in, stop, s.readDelay(), "fetched")
	})
}

func (s *server) export(id uint64) {
	s.unstalled(func() {
		spoiled := s.disk.trouble.spoiled
		snap, err := s.disk.Export()
		s.w.markIf(spoiled && err == nil, SnapshotSpoiled, s.name)
		s.w.stats.Snapshots++
		if err == nil && !spoiled {
			s.w.checks.exported(s, &snap)
		}
		in, stop := replica.ExportAnswer(id, snap, err)
		s.answered(in, stop, s.readDelay(), "exported")
	})
}

// readDelay is how long the disk takes to answer what is not a save.
func (s *server) readDelay() time.Duration {
	d := s.shellDelay()
	if s.slow > 0 {
		d *= 100
	}
	return d
}

// unstalled does something now, or when the disk of this life moves again.
func (s *server) unstalled(do func()) {
	if s.stalled == 0 {
		do()
		return
	}
	life := s.life
	s.held = append(s.held, func() {
		if s.up && s.life == life {
			do()
		}
	})
}

// stall lets nothing finish that the disk is asked for, for a while.
func (s *server) stall(f Fault) {
	w := s.w
	led := s.up && w.leader() == s
	s.stalled++
	w.after(time.Duration(f.For), "relief", f.ID, func() {
		if l := w.leader(); led && l != nil && l != s {
			w.mark(StallOutlasted, s.name)
		}
		s.flow()
	})
}

// flow is the end of one stall.
func (s *server) flow() {
	if s.stalled--; s.stalled > 0 {
		return
	}
	s.stalled = 0
	held := s.held
	s.held = nil
	for _, do := range held {
		do()
	}
}

// failSync ends the save in flight and this life. Arg says what is left: 0 nothing, 1 and 2 what was
// written, 3 the same until the power fails, which it does before the next start.
func (s *server) failSync(save *replica.Save, f Fault) {
	err := s.disk.failSync(f.Arg%4 != 0)
	s.saved(save, replica.Saved{}, err, 0)
	if f.Arg%4 == 3 && !s.up {
		s.losePower()
	}
}

// losePower takes from the disk what is not durable.
func (s *server) losePower() {
	s.w.markIf(s.disk.losePower(), VisibleLost, s.name)
}

// tear ends the life in the middle of the save that is in flight, if one is.
func (s *server) tear() {
	if s.disk.inFlight == nil || len(s.dangers.tear) == 0 {
		return
	}
	f := s.dangers.tear[0]
	s.dangers.tear = s.dangers.tear[1:]
	s.disk.tear()
	s.w.kill(s, time.Duration(f.For))
}

// die ends a life as the process does whose store has failed. A disk in trouble is tried again
// later; one that is damaged waits for a person.
func (s *server) die(stop *replica.Stop) {
	w := s.w
	w.say(node(s.id), "stops: %v", stop)
	switch {
	case isDamage(stop):
		s.halt(stop.Error())
	case isTrouble(stop) || s.stalled > 0:
		w.kill(s, w.dice.roll(diceLife, uint64(s.id)<<16|uint64(s.life)).between(20*time.Millisecond, time.Second))
	default:
		w.fail("disk", "n%d: %v", s.id, stop)
	}
}

// open opens the store, or says why this is no moment for it.
func (s *server) open() (replica.Recovered, bool) {
	w, d := s.w, s.disk
	torn, hidden := d.torn, d.unsynced != nil
	err := d.reopen()
	var rec replica.Recovered
	if err == nil {
		rec, err = d.Recover()
	}
	if err == nil {
		w.markIf(torn, TornDropped, s.name)
		w.markIf(hidden, VisibleNotDurable, s.name)
		return rec, true
	}
	var t trouble
	switch {
	case isDamage(err):
		w.mark(RefusedDamaged, s.name)
		s.halt(err.Error())
	case errors.As(err, &t):
		w.markIf(t.kind == NoSpace, RefusedForSpace, s.name)
		w.markIf(t.kind == ReadError, RefusedUnreadable, s.name)
		s.tries++
		pause := w.dice.roll(diceLife, uint64(s.id)<<32|s.tries).between(100*time.Millisecond, 500*time.Millisecond)
		w.after(pause, "restart", uint64(s.id), func() {
			if !s.up {
				s.start()
			}
		})
	default:
		w.fail("disk", "open n%d: %v", s.id, err)
	}
	return rec, false
}

// halt ends a replica until a person has looked at it, which nobody does in a run. That is right only
// where the atlas lists damage.
func (s *server) halt(why string) {
	w := s.w
	if !w.checks.honest(s, why) {
		return
	}
	w.say(node(s.id), "halts: %s", why)
	w.mark(HaltedForDamage, s.name)
	s.halted = why
	s.crash()
}

// mendDisk ends the troubles of a disk. Damage stays.
func (s *server) mendDisk() {
	s.disk.trouble, s.dangers, s.slow = troubles{}, dangers{}, 0
	if s.stalled > 0 {
		s.stalled = 1
		s.flow()
	}
}

// standing are the servers that have not halted for good.
func (w *world) standing() []*server {
	return slices.DeleteFunc(slices.Clone(w.servers), func(s *server) bool { return s.halted != "" })
}
