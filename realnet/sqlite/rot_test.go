package sqlite_test

import (
	"errors"
	"flag"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"parley/core/replica"
	"parley/realnet/sqlite"
)

// The stride is a prime, so that every bit of a byte and all places of a page have their turn.
var rotStride = flag.Int("rot", 67, "TestRot flips every so manieth bit of every file")

// Whichever bit of whichever file rots, closed or killed, the store is what it was, or says that it is
// damaged and what to do. It is never another one.
func TestRot(t *testing.T) {
	tr := truthOf(t, 7, func(_ int, l *life) (v replica.Save) { return l.next(2, 20) })
	for _, end := range []string{"closed", "killed"} {
		t.Run(end, func(t *testing.T) {
			t.Parallel()
			p := rotting(t, tr, end == "killed")
			found := map[string]int{}
			for _, file := range []string{"node.db", "node.db-wal", "marker", "LOCK"} {
				size := p.Bits(file)
				for bit := 0; bit < size; bit += *rotStride {
					found[file+": "+flip(t, p, tr, file, bit)]++
				}
			}
			for _, check := range mustSpeak[end] {
				if !slices.ContainsFunc(slices.Collect(maps.Keys(found)), func(s string) bool { return strings.HasSuffix(s, check) }) {
					t.Errorf("the %s found nothing", check)
				}
			}
			total := 0
			for _, what := range slices.Sorted(maps.Keys(found)) {
				t.Logf("%6d %s", found[what], what)
				total += found[what]
			}
			t.Logf("%6d flips", total)
		})
	}
}

// mustSpeak are checks without which some flips would pass.
var mustSpeak = map[string][]string{
	"closed": {"sum of a row", "index", "SQLite"},
	"killed": {"scan of the WAL", "marker", "SQLite"},
}

// rotting is a small store that was closed, or killed with saves in its WAL.
func rotting(t *testing.T, tr *truth, killed bool) *sqlite.Platter {
	t.Helper()
	p := sqlite.NewPlatter()
	t.Cleanup(p.Scrap)
	if err := sqlite.InitOn(p, identity, birth.Genesis, tables); err != nil {
		t.Fatal(err)
	}
	for _, saves := range [][]replica.Save{tr.saves[:4], tr.saves[4:]} {
		s, err := sqlite.OpenOn(p, identity, tables)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := s.Recover(); err != nil {
			t.Fatal(err)
		}
		for _, v := range saves {
			save(t, s, v)
		}
		if killed && len(saves) == 3 {
			p.Kill()
			_ = s.Close()
		} else if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
	return p
}

// flip opens a copy of p with one bit changed and says what happened.
func flip(t *testing.T, p *sqlite.Platter, tr *truth, file string, bit int) string {
	q := p.Rotten(file, bit)
	defer q.Scrap()
	where := fmt.Sprintf("bit %d of byte %d of %s", bit%8, bit/8, file)
	s, err := sqlite.OpenOn(q, identity, tables)
	if err != nil {
		return verdictOn(t, where, err)
	}
	defer s.Close()
	defer q.Kill()
	got, err := contentOf(s)
	if err != nil {
		t.Errorf("%s: opened, then %v", where, err)
		return "found late"
	}
	want := tr.states[len(tr.states)-1]
	if what := got.differs(want); what != "" || got.rec.Seq != want.rec.Seq || got.rec.Boot != 3 {
		t.Errorf("%s: save %d, boot %d: %s", where, got.rec.Seq, got.rec.Boot, what)
		return "another state"
	}
	return "clean and identical"
}

// verdictOn names the check that spoke.
func verdictOn(t *testing.T, where string, err error) string {
	var refused *sqlite.Refused
	if !errors.As(err, &refused) || refused.Hint == "" {
		t.Errorf("%s: %v, without a word on what to do", where, err)
		return "an error"
	}
	if refused.Reason == sqlite.Newer || refused.Reason == sqlite.Foreign {
		return "refused as newer or not ours"
	}
	if refused.Reason != sqlite.Damaged || refused.Verdict == sqlite.Clean {
		t.Errorf("%s: %v is no damage", where, err)
	}
	for _, check := range []struct{ says, name string }{
		{"malformed", "SQLite"}, {"of the WAL", "scan of the WAL"}, {"head of the WAL", "scan of the WAL"}, {"on this disk", "marker"},
		{"the sum stored", "sum of a row"}, {"digest", "digest"}, {"log:", "chain of the log"}, {"index", "index"},
		{"out of order", "order"}, {"not a database", "SQLite"}, {"SQL", "SQLite"},
	} {
		if strings.Contains(err.Error(), check.says) {
			return fmt.Sprintf("%v, by %s", refused.Verdict, check.name)
		}
	}
	return fmt.Sprintf("%v, by structure", refused.Verdict)
}

// After a power cut the marker may be gone, and only the scan of the WAL is left. It finds rot in all
// but the last transactions; in those it is as if they had never been, which the store cannot know.
func TestRotWithoutMarker(t *testing.T) {
	t.Parallel()
	tr := truthOf(t, 9, func(_ int, l *life) replica.Save { return l.next(2, 20) })
	p := sqlite.NewPlatter()
	t.Cleanup(p.Scrap)
	if err := sqlite.InitOn(p, identity, birth.Genesis, tables); err != nil {
		t.Fatal(err)
	}
	s, err := sqlite.OpenOn(p, identity, tables)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Recover(); err != nil {
		t.Fatal(err)
	}
	var ends []int // of the saves in the WAL
	for _, v := range tr.saves {
		save(t, s, v)
		ends = append(ends, p.Bits("node.db-wal"))
	}
	p.Kill()
	_ = s.Close()
	p.Lose("marker")
	refused, late := 0, 0
	for bit := 0; bit < p.Bits("node.db-wal"); bit += 13 * *rotStride {
		q := p.Rotten("node.db-wal", bit)
		s, err := sqlite.OpenOn(q, identity, tables)
		if err != nil {
			if refusal(t, err).Verdict != sqlite.LostTail {
				t.Errorf("bit %d: %v", bit, err)
			}
			refused++
		} else {
			late++
			got, err := contentOf(s)
			if last := len(tr.saves); err != nil || bit < ends[last-3] || int(got.rec.Seq) < last-2 || got.differs(tr.states[got.rec.Seq]) != "" {
				t.Errorf("bit %d, the last save but two ends at %d: opened with save %d, %v", bit, ends[last-3], got.rec.Seq, err)
			}
			q.Kill()
			s.Close()
		}
		q.Scrap()
	}
	t.Logf("%d flips: %d refused, %d passed for a torn end", refused+late, refused, late)
	if refused == 0 {
		t.Error("the scan found nothing")
	}
}
