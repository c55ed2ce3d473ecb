package sim

import "time"

// What happens to disks. The first ones are over after a while; damage stays.
const (
	SlowDisk   FaultKind = "slow-disk"   // a replica's saves take very long
	Stall      FaultKind = "stall"       // nothing that a disk is asked for finishes, while packets flow
	TornSave   FaultKind = "torn-save"   // a replica dies in the middle of a save
	FsyncError FaultKind = "fsync-error" // a save fails, with unknown outcome
	NoSpace    FaultKind = "no-space"    // a disk has only so many bytes left
	ReadError  FaultKind = "read-error"  // a disk cannot be read
	Rot        FaultKind = "rot"         // something changes, goes, or lands elsewhere: see rots
	Wipe       FaultKind = "wipe"        // a directory is empty
	BadExport  FaultKind = "bad-export"  // a snapshot is not what was read from the disk
	LostRow    FaultKind = "lost-row"    // a row is gone, and nothing is where it was
	LostSuffix FaultKind = "lost-suffix" // the last saves, though acknowledged, are gone
	OldImage   FaultKind = "old-image"   // a directory is what it was some time ago
)

func diskFaults() []family {
	return []family{
		{kind: SlowDisk, aim: aServer, strike: func(w *world, f Fault) {
			s := w.serverOf(f)
			s.slow++
			w.after(time.Duration(f.For), "relief", f.ID, func() { s.slow = max(0, s.slow-1) })
		}},
		{kind: Stall, aim: aServerForLong, strike: func(w *world, f Fault) { w.serverOf(f).stall(f) }},
		{kind: TornSave, aim: aServer, strike: func(w *world, f Fault) {
			s := w.serverOf(f)
			s.dangers.tear = append(s.dangers.tear, f)
			s.tear()
		}},
		{kind: FsyncError, aim: aServerWith(4), strike: func(w *world, f Fault) {
			s := w.serverOf(f)
			s.dangers.sync = append(s.dangers.sync, f)
		}},
		{kind: NoSpace, aim: aServerWith(1 << 12), strike: func(w *world, f Fault) {
			t := &w.serverOf(f).disk.trouble
			t.full, t.room = t.full+1, int(min(f.Arg, 1<<30))
			w.after(time.Duration(f.For), "relief", f.ID, func() { t.full = max(0, t.full-1) })
		}},
		{kind: ReadError, aim: aServer, strike: func(w *world, f Fault) {
			t := &w.serverOf(f).disk.trouble
			t.failing++
			w.after(time.Duration(f.For), "relief", f.ID, func() { t.failing = max(0, t.failing-1) })
		}},
		{kind: BadExport, aim: aServer, strike: func(w *world, f Fault) { w.serverOf(f).disk.trouble.spoiled = true }},
		{kind: Rot, aim: aServerWith(len(rots()) * 2), chance: damageChance, damage: true, strike: (*world).rot},
		{kind: Wipe, aim: aServer, chance: damageChance, damage: true, strike: (*world).wipe},
		{kind: LostRow, aim: aServer, byHand: true, strike: func(w *world, f Fault) {
			s := w.serverOf(f)
			w.kill(s, time.Duration(f.For))
			loseRow(s.disk, w.dice.roll(diceDisk, 1<<63|f.ID))
		}},
		{kind: LostSuffix, aim: aServer, byHand: true, strike: func(w *world, f Fault) { w.goBack(f, false) }},
		{kind: OldImage, aim: aServer, byHand: true, strike: func(w *world, f Fault) { w.goBack(f, true) }},
	}
}

// damageChance is how many seeds in a million have a kind of damage: a replica that halts for it is
// missing for the rest of the run.
const damageChance = 150_000

// aServerForLong is long enough for a successor, and now and then for the patience with a disk to end.
func aServerForLong(r *roll, p *Plan, f *Fault) {
	aServer(r, p, f)
	f.For = Span(r.between(300*time.Millisecond, 6*time.Second))
	if r.ppm(100_000) {
		f.For *= 6
	}
}

func aServerWith(n int) func(*roll, *Plan, *Fault) {
	return func(r *roll, p *Plan, f *Fault) {
		aServer(r, p, f)
		f.Arg = uint64(r.upTo(n))
	}
}

// damageInfo says what comes of a kind of damage today.
type damageInfo struct {
	kind    FaultKind
	what    string
	outcome string
}

// damages are all kinds there are, with what a replica does about them today. What becomes of a
// replica whose disk is damaged, how it is mended, and that it may vote meanwhile, are verdicts that
// recovery does not have yet: today the only answer is to stop, loudly.
func damages() []damageInfo {
	list := []damageInfo{
		{BadExport, "a snapshot is changed on its way from the disk", "its receiver does not take it, and is sent another"},
		{Wipe, "the directory is empty", "refuses to start: nothing is made that was not asked for"},
		{LostRow, "a row is gone, and nothing is where it was",
			"stops when a snapshot is made of the rows, a range is shorter than it must be, or what is read at start does " +
				"not add up, and stays down; till then not detected yet: opening a store does not count its rows"},
		{LostSuffix, "the last saves, though acknowledged, are gone; what is left is in order",
			"not detected yet: nothing in the store remembers that there was more. The cluster may lose what it acknowledged"},
		{OldImage, "the directory is a copy from an earlier life",
			"starts, but peers have witnessed a later life and do not listen to it, until it has been opened as often as " +
				"the life they saw; from then on not detected yet"},
	}
	for _, r := range rots() {
		list = append(list, damageInfo{Rot, r.name, r.outcome})
	}
	return list
}

// rot lets something on a disk go bad: Arg says what, and whether while the replica runs (even) or
// while it is down.
func (w *world) rot(f Fault) {
	s, kinds := w.serverOf(f), rots()
	kind := kinds[f.Arg/2%uint64(len(kinds))]
	if !w.mayDamage(s) {
		return
	}
	if f.Arg%2 == 1 {
		w.kill(s, time.Duration(f.For))
	}
	if kind.spoil(s.disk, w.dice.roll(diceDisk, 1<<63|f.ID)) {
		w.say(node(s.id), "%s", kind.name)
	}
}

func (w *world) wipe(f Fault) {
	if s := w.serverOf(f); w.mayDamage(s) {
		w.kill(s, time.Duration(f.For))
		s.disk.wiped = true
	}
}

func (w *world) mayDamage(s *server) bool {
	ok := w.atlas.allows(s)
	w.markIf(!ok, DamageForbidden, s.name)
	return ok
}

// goBack takes a picture of a disk now, and puts it back after the time of the fault: all of it, or all
// but the boot number. Nobody asks the atlas: it is not survived.
func (w *world) goBack(f Fault, boot bool) {
	s := w.serverOf(f)
	then := s.disk.picture()
	was := s.disk.boot
	w.after(time.Duration(f.For), "back", f.ID, func() {
		w.kill(s, 50*time.Millisecond)
		s.disk.image, s.disk.unsynced = then, nil
		s.rolledBack = true
		if boot {
			s.disk.boot = was
		}
		w.checks.rolledBack(s)
	})
}
