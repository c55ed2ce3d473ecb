package sqlite_test

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"reflect"
	"testing"
	"time"

	"parley/core/raft"
	"parley/core/replica"
	"parley/core/replica/storagetest"
	"parley/core/row"
	"parley/realnet/sqlite"
)

var (
	crashesEach = flag.Int("crashes", 1, "disks of each kind of loss for every moment in TestPowerLoss")
	crashSeed   = flag.Uint64("crashseed", 1, "for the random ones among them")
)

// truth is what a store must hold after each of its saves, found out by the reference.
type truth struct {
	saves  []replica.Save // saves[i] makes states[i+1]
	states []content
}

// content is all that can be seen of a store, but for its boot number.
type content struct {
	rec  replica.Recovered
	snap replica.Snapshot
}

func contentOf(s replica.Store) (c content, err error) {
	if c.rec, err = s.Recover(); err == nil {
		c.snap, err = s.Export()
	}
	return c, err
}

// differs says in what c is not want, the save number aside.
func (c content) differs(want content) string {
	got, rec := c.rec, want.rec
	got.Seq, got.Boot, rec.Seq, rec.Boot = 0, 0, 0, 0
	switch {
	case got.Raft.Hard != rec.Raft.Hard, got.Raft.Applied != rec.Raft.Applied, got.Raft.Compact != rec.Raft.Compact:
		return fmt.Sprintf("recovered %+v applied %d compact %+v, want %+v %d %+v",
			got.Raft.Hard, got.Raft.Applied, got.Raft.Compact, rec.Raft.Hard, rec.Raft.Applied, rec.Raft.Compact)
	case len(got.Raft.Entries) != len(rec.Raft.Entries):
		return fmt.Sprintf("recovered %d entries, want %d", len(got.Raft.Entries), len(rec.Raft.Entries))
	case fmt.Sprint(got.Raft.Entries) != fmt.Sprint(rec.Raft.Entries):
		return "recovered other entries"
	case got.Digest != rec.Digest, len(got.Hot) != len(rec.Hot), len(got.Hot) > 0 && !reflect.DeepEqual(got.Hot, rec.Hot):
		return "recovered other hot rows"
	case c.snap.Mark != want.snap.Mark, c.snap.Digest != want.snap.Digest, !bytes.Equal(c.snap.Data, want.snap.Data):
		return "exported other rows"
	}
	return ""
}

// truthOf carries saves out on the reference, each made from what was there before.
func truthOf(t testing.TB, steps int, next func(step int, l *life) replica.Save) *truth {
	t.Helper()
	site := storagetest.NewMemory(birth)
	tr := &truth{}
	var l *life
	for step := 0; ; step++ {
		site.Crash()
		s, err := site.Open(birth.Cluster, birth.Node)
		if err != nil {
			t.Fatal(err)
		}
		c, err := contentOf(s)
		if err != nil {
			t.Fatal(err)
		}
		if tr.states = append(tr.states, c); l == nil {
			l = lifeOf(c.rec)
		}
		if step == steps {
			return tr
		}
		v := next(step, l)
		save(t, s, v)
		tr.saves = append(tr.saves, v)
	}
}

// someTruth has saves of all kinds: small and larger ones, cuts, compaction, votes, one of nothing,
// and a snapshot installed over it all.
func someTruth(t testing.TB) *truth {
	return truthOf(t, 26, func(step int, l *life) replica.Save {
		switch step {
		case 9:
			l.seq++
			return replica.Save{Seq: l.seq}
		case 17:
			return l.install(t, birth)
		}
		return l.next(1+step%4, 20+step%3*400)
	})
}

// install is a save that installs the snapshot of a replica that is ahead.
func (l *life) install(t testing.TB, b storagetest.Birth) replica.Save {
	t.Helper()
	ahead, err := storagetest.NewMemory(b).Open(b.Cluster, b.Node)
	if err != nil {
		t.Fatal(err)
	}
	rec, err := ahead.Recover()
	if err != nil {
		t.Fatal(err)
	}
	other := lifeOf(rec)
	for other.applied <= l.marks[len(l.marks)-1].Index {
		save(t, ahead, other.next(5, 30))
	}
	snap, err := ahead.Export()
	if err != nil {
		t.Fatal(err)
	}
	l.seq++
	l.hard.Term = max(l.hard.Term, other.hard.Term) + 1
	l.hard.Vote, l.hard.Commit, l.applied, l.marks = 0, snap.Mark.Index, snap.Mark.Index, []raft.Mark{snap.Mark}
	hard := l.hard
	return replica.Save{Seq: l.seq, Hard: &hard, Install: &snap}
}

// recorded is a run of the truth on a platter: made, filled, closed, killed, with checkpoints and
// readers at work. tune is called with every store that is opened.
func recorded(t testing.TB, tr *truth, tune func(*sqlite.Store)) *sqlite.Record {
	t.Helper()
	p := sqlite.NewPlatter()
	t.Cleanup(p.Scrap)
	r := p.Record()
	if err := sqlite.InitOn(p, identity, birth.Genesis, tables); err != nil {
		t.Fatal(err)
	}
	p.Note(func(n *sqlite.Note) { n.Made = true })
	done := 0
	open := func() *sqlite.Store {
		s, err := sqlite.OpenOn(p, identity, tables)
		if err != nil {
			t.Fatal(err)
		}
		rec, err := s.Recover()
		if err != nil {
			t.Fatal(err)
		}
		p.Note(func(n *sqlite.Note) { n.Boot = rec.Boot })
		s.SetWALLimit(100_000)
		tune(s)
		return s
	}
	saves := func(s *sqlite.Store, until int) {
		for ; done < until; done++ {
			v := tr.saves[done]
			p.Note(func(n *sqlite.Note) { n.Begun = v.Seq })
			save(t, s, v)
			p.Note(func(n *sqlite.Note) { n.Acked = v.Seq })
			if _, err := s.Rows([]row.Range{{Table: messages, To: 1 << 40}}); err != nil { // beside a checkpoint, perhaps
				t.Fatal(err)
			}
		}
	}
	s := open()
	saves(s, 8)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s = open()
	saves(s, 13)
	p.Kill()
	s.Close()
	s = open()
	saves(s, len(tr.saves))
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	return r
}

// findings are what became of the disks.
type findings struct {
	disks, again   int // again: with a second power cut while they were recovered
	lost, wrong    int
	refused        map[string]int
	first, example string
	took           time.Duration
}

func (f *findings) String() string {
	s := fmt.Sprintf("%d disks, %d of them lost power again: %d lost something, %d were wrong", f.disks, f.again, f.lost, f.wrong)
	for why, n := range f.refused {
		s += fmt.Sprintf(", %d refused as %s", n, why)
	}
	return s + fmt.Sprintf(" (%v)", f.took.Round(time.Millisecond))
}

// judge opens the disk of a crash and compares it with what may be there. Sometimes power fails again
// meanwhile; what is left is judged, too.
func (f *findings) judge(tr *truth, c sqlite.Crash, random *rand.Rand) {
	f.disks++
	p := c.Spin()
	defer p.Scrap()
	twice := random.IntN(4) == 0
	var r *sqlite.Record
	if twice {
		r = p.Record()
		p.Note(func(n *sqlite.Note) { *n = c.Note })
	}
	s, err := sqlite.OpenOn(p, identity, tables)
	if err != nil {
		f.failed(c, err)
		return
	}
	defer s.Close()
	defer p.Kill() // first: a dead process closes fast
	got, err := contentOf(s)
	if err != nil {
		f.failed(c, err)
		return
	}
	what := ""
	switch seq := got.rec.Seq; {
	case seq < c.Note.Acked:
		f.lost++
		f.say(&f.first, "%v: save %d is gone, there are %d", c, c.Note.Acked, seq)
		return
	case seq > c.Note.Begun:
		what = fmt.Sprintf("save %d is there, %d was the last", seq, c.Note.Begun)
	case got.rec.Boot <= c.Note.Boot:
		what = fmt.Sprintf("boot %d after boot %d", got.rec.Boot, c.Note.Boot)
	default:
		what = got.differs(tr.states[min(int(seq), len(tr.states)-1)])
	}
	if what != "" {
		f.wrong++
		f.say(&f.first, "%v: %s", c, what)
		return
	}
	if !twice {
		return
	}
	f.again++
	p.Note(func(n *sqlite.Note) { n.Acked, n.Boot = got.rec.Seq, got.rec.Boot })
	if next := int(got.rec.Seq); next < len(tr.saves) {
		p.Note(func(n *sqlite.Note) { n.Begun = max(n.Begun, got.rec.Seq+1) })
		if _, err := s.Save(tr.saves[next]); err != nil {
			f.wrong++
			f.say(&f.first, "%v: then %v", c, err)
			return
		}
		p.Note(func(n *sqlite.Note) { n.Acked++ })
	}
	f.judgeAgain(tr, r.One(random), random)
}

func (f *findings) judgeAgain(tr *truth, c sqlite.Crash, random *rand.Rand) {
	f.judge(tr, c, rand.New(rand.NewPCG(random.Uint64(), 1)))
}

// failed counts a store that did not open, which is right only before Init was done.
func (f *findings) failed(c sqlite.Crash, err error) {
	var refused *sqlite.Refused
	if errors.As(err, &refused) && refused.Reason == sqlite.Missing && !c.Note.Made {
		return
	}
	f.say(&f.example, "%v: %v", c, err)
	if f.refused == nil {
		f.refused = map[string]int{}
	}
	if refused != nil {
		f.refused[fmt.Sprintf("%d, %v", refused.Reason, refused.Verdict)]++
	} else {
		f.refused["broken"]++
	}
}

func (f *findings) say(to *string, format string, args ...any) {
	if *to == "" {
		*to = fmt.Sprintf(format, args...)
	}
}

// sweep judges every stride-th disk.
func sweep(tr *truth, r *sqlite.Record, each, stride int) *findings {
	f := &findings{}
	begin, n := time.Now(), 0
	r.Crashes(*crashSeed, each, func(c sqlite.Crash) bool {
		if n++; n%stride == 0 {
			f.judge(tr, c, rand.New(rand.NewPCG(*crashSeed, uint64(n))))
		}
		return true
	})
	f.took = time.Since(begin)
	return f
}

// Whenever power fails, and whatever the disk makes of what was not synced, the store has every save
// that was acknowledged, at most the one under way besides, and nothing else; and so it is when power
// fails again while that is found out.
func TestPowerLoss(t *testing.T) {
	t.Parallel()
	tr := someTruth(t)
	r := recorded(t, tr, func(*sqlite.Store) {})
	f := sweep(tr, r, *crashesEach, 1)
	t.Logf("%d changes: %v", r.Ops(), f)
	if f.lost+f.wrong > 0 || len(f.refused) > 0 {
		t.Errorf("%s\n%s", f.first, f.example)
	}
}

// Without its syncs a store loses what it acknowledged, and the sweep sees that: it is not blind.
func TestPowerLossIsSeen(t *testing.T) {
	for _, level := range []string{"NORMAL", "OFF"} {
		t.Run(level, func(t *testing.T) {
			t.Parallel()
			tr := someTruth(t)
			r := recorded(t, tr, func(s *sqlite.Store) {
				if err := s.Exec("PRAGMA synchronous = " + level); err != nil {
					t.Fatal(err)
				}
			})
			f := sweep(tr, r, 1, 8)
			t.Log(f)
			if f.lost == 0 {
				t.Errorf("of %d disks without syncs none lost anything", f.disks)
			}
		})
	}
}
