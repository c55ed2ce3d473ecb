package sqlite_test

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"parley/core/replica"
	"parley/core/row"
	"parley/realnet/sqlite"
)

// Every operation of a store's life fails once, or from then on for ever; a failed write may be done
// by half; and what a failed sync should have kept stays visible without being kept. The store says
// so or has not noticed, does nothing more once it noticed, and has every acknowledged save
// afterwards: when it is started again, when it goes on and then loses power, and when it loses power
// at once.
func TestFailingDisk(t *testing.T) {
	t.Parallel()
	tr := truthOf(t, 14, func(step int, l *life) replica.Save { return l.next(1+step%3, 300) })
	base := sqlite.NewPlatter()
	t.Cleanup(base.Scrap)
	used := used{t: t, tr: tr}
	used.first(base)
	healthy := base.Copy()
	used.again(healthy)
	runs, noticed := 0, 0
	for _, kind := range sqlite.Kinds {
		ops := healthy.Done(kind)
		if ops == 0 && kind != sqlite.Renaming {
			t.Errorf("no %s ever happens", kind)
		}
		for nth := 1; nth <= ops; nth++ {
			for mode := range 3 {
				f := sqlite.Failure{Kind: kind, Nth: nth, Ever: mode == 1, Half: mode == 2}
				if f.Half && kind != sqlite.Writing {
					continue
				}
				runs++
				if used.failing(base.Copy(), f) {
					noticed++
				}
				if t.Failed() {
					return
				}
			}
		}
	}
	t.Logf("%d failures, %d noticed, %d disks looked at afterwards", runs, noticed, used.disks)
}

// used is the use of a store while its disk fails.
type used struct {
	t     testing.TB
	tr    *truth
	note  sqlite.Note
	disks int
}

// first makes the store, and leaves some saves in its WAL.
func (u *used) first(p *sqlite.Platter) {
	if err := sqlite.InitOn(p, identity, birth.Genesis, tables); err != nil {
		u.t.Fatal(err)
	}
	if _, err := u.run(p, 5, false); err != nil {
		u.t.Fatal(err)
	}
	p.Kill()
}

// again opens it, goes on saving, with checkpoints and a reader, and closes it.
func (u *used) again(p *sqlite.Platter) {
	p.Fail(sqlite.Failure{})
	if _, err := u.run(p, 12, true); err != nil {
		u.t.Fatal(err)
	}
}

// run saves until so many are saved. It notes what was begun and acknowledged, and demands that after
// an error nothing works.
func (u *used) run(p *sqlite.Platter, until int, end bool) (*sqlite.Store, error) {
	s, err := sqlite.OpenOn(p, identity, tables)
	if err != nil {
		return nil, err
	}
	defer func() {
		if !end {
			p.Kill()
		}
		if closed := s.Close(); err == nil && end {
			err = closed
		}
	}()
	s.SetWALLimit(40_000)
	rec, err := s.Recover()
	if err != nil {
		return nil, err
	}
	u.note.Boot = rec.Boot
	for next := int(rec.Seq); next < until; next++ {
		u.note.Begun = uint64(next + 1)
		if _, err := s.Save(u.tr.saves[next]); err != nil {
			if _, again := s.Save(u.tr.saves[next]); again == nil {
				u.t.Errorf("saved after %v", err)
			}
			return s, err
		}
		u.note.Acked = uint64(next + 1)
		if _, err := s.Rows([]row.Range{{Table: messages, To: 1 << 40}}); err != nil {
			return s, err
		}
	}
	return s, nil
}

// failing uses the store on a disk that fails, and looks at what is left. It says whether the store
// noticed.
func (u *used) failing(p *sqlite.Platter, f sqlite.Failure) bool {
	defer p.Scrap()
	u.note = sqlite.Note{Made: true, Acked: 5, Begun: 5, Boot: 1}
	p.Fail(f)
	_, err := u.run(p, 12, true)
	p.Kill()
	p.Fail(sqlite.Failure{})
	for _, loss := range []sqlite.Loss{sqlite.Nothing, sqlite.Everything, sqlite.Prefix + sqlite.Loss(f.Nth)%(sqlite.Losses-sqlite.Prefix)} {
		u.look(p.Crash(loss, rand.New(rand.NewPCG(uint64(f.Nth), 1))), f, fmt.Sprintf("lost power, %v kept", loss))
	}
	u.look(p.Copy(), f, "started again")
	// Started again on what the cache shows, it goes on; then power fails.
	before := u.note
	if _, err := u.run(p, min(int(before.Begun)+1, 14), false); err != nil {
		u.t.Errorf("%+v: started again: %v", f, err)
	}
	u.look(p.Crash(sqlite.Nothing, rand.New(rand.NewPCG(1, 1))), f, "started again, went on, lost power")
	return err != nil
}

// look opens what is left and compares it with what may be there.
func (u *used) look(p *sqlite.Platter, f sqlite.Failure, after string) {
	defer p.Scrap()
	u.disks++
	s, err := sqlite.OpenOn(p, identity, tables)
	if err != nil {
		u.t.Errorf("%+v, %s: %v", f, after, err)
		return
	}
	defer s.Close()
	defer p.Kill()
	got, err := contentOf(s)
	switch seq := got.rec.Seq; {
	case err != nil:
		u.t.Errorf("%+v, %s: %v", f, after, err)
	case seq < u.note.Acked || seq > u.note.Begun || got.rec.Boot <= u.note.Boot:
		u.t.Errorf("%+v, %s: save %d, boot %d, noted was %+v", f, after, seq, got.rec.Boot, u.note)
	default:
		if what := got.differs(u.tr.states[seq]); what != "" {
			u.t.Errorf("%+v, %s: %s", f, after, what)
		}
	}
	if p.Bits("SUSPECT") > 0 {
		u.t.Errorf("%+v, %s: the store is still suspect", f, after)
	}
}
