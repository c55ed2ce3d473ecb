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
			total := 0
			for _, what := range slices.Sorted(maps.Keys(found)) {
				t.Logf("%6d %s", found[what], what)
				total += found[what]
			}
			t.Logf("%6d flips", total)
		})
	}
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
