package sim

import (
	"strings"
	"testing"
	"time"

	"parley/core/raft"
	"parley/core/replica"
)

// underWay is a calm world of three in which people have been talking for a while.
func underWay(t *testing.T, seed uint64, change func(p *Plan)) *world {
	t.Helper()
	p := calm(seed)
	if change != nil {
		change(&p)
	}
	w := newWorld(p, Options{})
	w.run(1500 * time.Millisecond)
	if w.failure != nil || w.leader() == nil {
		t.Fatalf("before the fault: %v", w.failure)
	}
	return w
}

// Each trouble of a disk does what it says, and is survived.
func TestTroublesOfADisk(t *testing.T) {
	for _, c := range []struct {
		fault Fault
		on    func(*world) *server
		marks []Mark
	}{
		{Fault{Kind: Stall, For: Span(3 * time.Second)}, (*world).leader, []Mark{StallOutlasted}},
		{Fault{Kind: Stall, For: Span(25 * time.Second)}, (*world).leader, []Mark{StallOutlasted, SaveOverdue}},
		{Fault{Kind: TornSave, For: Span(200 * time.Millisecond)}, follower, []Mark{TornDropped}},
		{Fault{Kind: FsyncError, Arg: 0}, follower, []Mark{SaveFailed}},
		{Fault{Kind: FsyncError, Arg: 1}, follower, []Mark{SaveFailed, VisibleNotDurable}},
		{Fault{Kind: FsyncError, Arg: 3}, follower, []Mark{SaveFailed, VisibleLost}},
		{Fault{Kind: FsyncError, Arg: 3}, (*world).leader, []Mark{SaveFailed, VisibleLost}},
		{Fault{Kind: NoSpace, For: Span(2 * time.Second)}, follower, []Mark{SaveFailed, OutOfSpace, RefusedForSpace}},
		{Fault{Kind: NoSpace, For: Span(2 * time.Second)}, (*world).leader, []Mark{SaveFailed, OutOfSpace, RefusedForSpace}},
	} {
		w := underWay(t, 7, nil)
		s := c.on(w)
		c.fault.ID, c.fault.On = 1, s.name
		life := s.life
		w.strike(c.fault)
		w.run(w.now + time.Duration(c.fault.For) + 2*time.Second)
		for _, m := range c.marks {
			if w.stats.Marks[m] == 0 {
				t.Errorf("%v: %q was not seen; seen: %v", c.fault, m, w.stats.Marks)
			}
		}
		if c.fault.For != Span(3*time.Second) && s.life == life {
			t.Errorf("%v: it is still life %d", c.fault, life)
		}
		w.recover()
		if w.failure != nil || s.halted != "" {
			t.Errorf("%v: %v %s", c.fault, w.failure, s.halted)
		}
	}
}

// A disk that cannot be read ends the life that wants to read, and refuses starts as long as it lasts.
func TestADiskThatCannotBeRead(t *testing.T) {
	w := underWay(t, 7, nil)
	s := follower(w)
	w.strike(Fault{ID: 1, Kind: ReadError, On: s.name, For: Span(2 * time.Second)})
	s.fetch(replica.Fetch{ID: 1 << 40})
	if s.up {
		t.Error("it read on")
	}
	w.run(w.now + 1900*time.Millisecond)
	if s.up || w.stats.Marks[RefusedUnreadable] == 0 {
		t.Errorf("up: %t, starts refused: %d", s.up, w.stats.Marks[RefusedUnreadable])
	}
	w.recover()
	if w.failure != nil {
		t.Error(w.failure)
	}
}

// What rots on a replica stops it when it is next opened, with the reason; the others go on without it.
func TestRotStopsAReplica(t *testing.T) {
	for i, kind := range rots() {
		for seed := range uint64(3) {
			w := underWay(t, seed, nil)
			s := follower(w)
			w.strike(Fault{ID: 40 + seed, Kind: Rot, On: s.name, Arg: uint64(2*i + 1), For: Span(100 * time.Millisecond)})
			if len(s.disk.scars) != 1 {
				t.Fatalf("%s, seed %d: %d scars", kind.name, seed, len(s.disk.scars))
			}
			cold := s.disk.scars[0].row.Table != nil && !s.disk.scars[0].row.Table.Hot
			w.recover()
			if w.failure != nil {
				t.Errorf("%s, seed %d: %v", kind.name, seed, w.failure)
			}
			if !strings.Contains(s.halted, kind.says) || s.halted == "" && !cold {
				t.Errorf("%s, seed %d: it halts for %q, want %q", kind.name, seed, s.halted, kind.says)
			}
			if s.halted != "" && s.up {
				t.Errorf("%s, seed %d: it halts and is up", kind.name, seed)
			}
		}
	}
}

// A rotten row that is not held in memory stops the replica that reads it, whoever asks.
func TestARottenRowIsNotServed(t *testing.T) {
	w := underWay(t, 7, nil)
	s := follower(w)
	for _, table := range s.disk.tables {
		r, ok := s.disk.table(table).rows.any(w.dice.roll(diceDisk, 1))
		if table.Hot || !ok {
			continue
		}
		was := r.Sum()
		s.disk.table(table).remove(r)
		r = bumped(r, len(table.Columns)-1)
		s.disk.table(table).insert(r)
		s.disk.scarred(scar{row: r, sum: was})
		s.export(1 << 40)
		break
	}
	if !strings.Contains(s.halted, "does not have the sum") {
		t.Errorf("it halts for %q", s.halted)
	}
	w.recover()
	if w.failure != nil {
		t.Error(w.failure)
	}
}

// Every kind of damage says what comes of it, and there is no other.
func TestDamagesAreAllThereAre(t *testing.T) {
	told := map[FaultKind]int{}
	for _, d := range damages() {
		told[d.kind]++
		if d.what == "" || d.outcome == "" {
			t.Errorf("%+v says too little", d)
		}
	}
	for _, f := range families() {
		if (f.damage || f.byHand || f.kind == BadExport) != (told[f.kind] > 0) {
			t.Errorf("%s is told of %d times", f.kind, told[f.kind])
		}
	}
	if told[Rot] != len(rots()) {
		t.Errorf("%d kinds of rot are told of, there are %d", told[Rot], len(rots()))
	}
}

// An empty directory is not a new replica.
func TestAWipedDirectoryRefusesToStart(t *testing.T) {
	w := underWay(t, 7, nil)
	s := follower(w)
	w.strike(Fault{ID: 1, Kind: Wipe, On: s.name, For: Span(100 * time.Millisecond)})
	w.recover()
	if w.failure != nil || s.up || !strings.Contains(s.halted, "there is no store") {
		t.Errorf("%v, up: %t, halted: %q", w.failure, s.up, s.halted)
	}
}

// A snapshot that comes off the disk changed is not taken; another one is sent.
func TestAChangedSnapshotIsNotTaken(t *testing.T) {
	w := underWay(t, 7, func(p *Plan) { p.Knobs.KeepEntries = 1 })
	s := follower(w)
	for _, o := range w.servers {
		w.strike(Fault{ID: uint64(o.id), Kind: BadExport, On: o.name})
	}
	w.kill(s, 1500*time.Millisecond)
	w.run(w.now + 3*time.Second)
	if w.stats.Marks[SnapshotSpoiled] == 0 {
		t.Fatal("no snapshot was changed")
	}
	w.recover()
	if w.failure != nil || s.halted != "" || s.disk.compact.Index == 0 {
		t.Errorf("%v, halted: %q, snapshot at %d", w.failure, s.halted, s.disk.compact.Index)
	}
}

// Opening a store does not count its rows: one that is gone, and that nobody misses at start, is found
// when all of them are read.
func TestALostRowIsFoundByASnapshot(t *testing.T) {
	missed := 0
	for seed := range uint64(6) {
		w := underWay(t, seed, nil)
		s := follower(w)
		w.strike(Fault{ID: 3, Kind: LostRow, On: s.name, For: Span(50 * time.Millisecond)})
		w.run(w.now + 60*time.Millisecond)
		if s.halted != "" {
			continue
		}
		missed++
		s.export(1 << 40)
		if !strings.Contains(s.halted, "digest") || w.failure != nil {
			t.Errorf("seed %d: %v, halted: %q", seed, w.failure, s.halted)
		}
	}
	if missed == 0 {
		t.Error("each was missed at start: then the table says too little")
	}
}

// Saves that are gone without a trace are not noticed by the store, and what was acknowledged can be
// lost: the checkers say so.
func TestALostSuffixIsNotSurvived(t *testing.T) {
	w := underWay(t, 7, nil)
	lead, forgetful := w.leader(), follower(w)
	other := w.servers[6-int(lead.id)-int(forgetful.id)-1]
	cut := func(a, b *server, by int) {
		w.shutLink(a.id, b.id, by)
		w.shutLink(b.id, a.id, by)
	}
	cut(lead, other, 1)
	cut(forgetful, other, 1)
	w.run(w.now + 50*time.Millisecond)
	w.strike(Fault{ID: 1, Kind: LostSuffix, On: forgetful.name, For: Span(time.Second)})
	w.run(w.now + 990*time.Millisecond)
	had := forgetful.disk.last()
	w.run(w.now + 10*time.Millisecond)
	lead.crash()
	cut(forgetful, other, -1)
	w.run(w.now + 70*time.Millisecond)
	if !forgetful.up || forgetful.halted != "" || forgetful.disk.last() >= had {
		t.Fatalf("up: %t, halted: %q, its log ended with %d, now with %d", forgetful.up, forgetful.halted, had, forgetful.disk.last())
	}
	w.run(w.now + 5*time.Second)
	if w.failure == nil {
		t.Fatal("nobody noticed")
	}
	if c := w.failure.Checker; c != "completeness" && c != "raft" && c != "durable-ack" {
		t.Errorf("%v", w.failure)
	}
}

// A directory of an earlier life is noticed by those who have seen a later one, until it has been opened
// as often.
func TestAnOldImageIsNotListenedTo(t *testing.T) {
	w := underWay(t, 7, nil)
	s := follower(w)
	w.strike(Fault{ID: 1, Kind: OldImage, On: s.name, For: Span(2 * time.Second)})
	w.kill(s, 50*time.Millisecond)
	w.run(w.now + 500*time.Millisecond)
	w.kill(s, 50*time.Millisecond)
	w.run(w.now + 3*time.Second)
	if !s.up || w.stats.Marks[PeerNotBelieved] == 0 {
		t.Fatalf("up: %t, marks %v", s.up, w.stats.Marks)
	}
	for _, o := range w.servers {
		if o != s && o.listens(s.id, s.life, s.disk.boot) {
			t.Errorf("n%d listens to n%d", o.id, s.id)
		}
	}
	for range 2 {
		w.kill(s, 50*time.Millisecond)
		w.run(w.now + 500*time.Millisecond)
	}
	if !w.servers[s.id%3].listens(s.id, s.life, s.disk.boot) {
		t.Error("it is still not listened to: then the table says too little")
	}
	if w.failure != nil {
		t.Error(w.failure)
	}
}

// Damage stays within what is survived, unless the plan goes beyond; then those that are left ask for
// nothing.
func TestTheAtlasKeepsAMajorityIntact(t *testing.T) {
	for _, beyond := range []bool{false, true} {
		w := underWay(t, 7, func(p *Plan) { p.Beyond = beyond })
		for _, s := range w.servers {
			w.strike(Fault{ID: uint64(s.id), Kind: Wipe, On: s.name, For: Span(50 * time.Millisecond)})
		}
		w.run(w.now + 100*time.Millisecond)
		w.recover()
		if left := len(w.standing()); w.failure != nil || beyond != (left == 0) || !beyond && left != 2 {
			t.Errorf("beyond: %t: %d are left, %v", beyond, left, w.failure)
		}
		if beyond != (w.stats.Marks[BeyondExcused] > 0) || beyond == (w.stats.Marks[DamageForbidden] > 0) {
			t.Errorf("beyond: %t: marks %v", beyond, w.stats.Marks)
		}
	}
}

// What is visible after a failed sync is not durable until the store has been opened again.
func TestWhatIsVisibleNeedNotBeDurable(t *testing.T) {
	chain := raft.Chain{'t'}
	for _, c := range []struct {
		name  string
		hasty bool
		open  bool
		want  raft.Index // after the power cut
	}{
		{"the power fails at once", false, false, 1},
		{"the store is opened before", false, true, 3},
		{"the store is opened without a sync", true, true, 1},
	} {
		d := newDisk(chain, nil)
		d.hasty = c.hasty
		seq, last := uint64(0), raft.Mark{Chain: chain}
		next := func() replica.Save {
			e := raft.Entry{Index: last.Index + 1, Term: 1}
			e.Chain = raft.ChainNext(last.Chain, &e)
			last = markOf(e)
			seq++
			return replica.Save{Seq: seq, Hard: &raft.Hard{Term: 1}, Append: []raft.Entry{e}}
		}
		if _, err := d.Save(next()); err != nil {
			t.Fatal(err)
		}
		second := next()
		if err := d.begin(&second); err != nil {
			t.Fatal(err)
		}
		if err := d.failSync(true); err == nil || d.last() != 2 || d.durable().last() != 1 {
			t.Fatalf("%s: %v, visible up to %d, durable up to %d", c.name, err, d.last(), d.durable().last())
		}
		if c.open {
			if err := d.reopen(); err != nil {
				t.Fatal(err)
			}
			if _, err := d.Save(next()); err != nil {
				t.Fatal(err)
			}
		}
		if lost := d.losePower(); lost != (c.want == 1) || d.last() != c.want {
			t.Errorf("%s: the log ends with %d, want %d; lost: %t", c.name, d.last(), c.want, lost)
		}
	}
}
