package sqlite_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"parley/core/replica"
	"parley/realnet/sqlite"
)

func refusal(t *testing.T, err error) *sqlite.Refused {
	t.Helper()
	var refused *sqlite.Refused
	if !errors.As(err, &refused) {
		t.Fatalf("got %v, want a refusal", err)
	}
	return refused
}

// An older copy of the database, put back beside the marker, has forgotten something and says so.
func TestOlderCopyIsRefused(t *testing.T) {
	dir := closed(t)
	older := filepath.Join(scratch(t), "older")
	copyStore(t, dir, older)
	s, l := reopened(t, dir)
	save(t, s, l.next(1, 1))
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(filepath.Join(older, "node.db"))
	if err == nil {
		err = os.WriteFile(filepath.Join(dir, "node.db"), data, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		_, err = sqlite.Open(dir, identity, tables)
		refused := refusal(t, err)
		if refused.Verdict != sqlite.LostTail || !strings.Contains(err.Error(), "ends with save 20, but save 21") {
			t.Errorf("got %v: %v", refused.Verdict, err)
		}
	}
	s, _ = reopened(t, older) // whole, with its own marker, it is a store as it was
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
}

// A marker that is missing, or another store's, says nothing.
func TestMarkerMayBeMissing(t *testing.T) {
	dir := closed(t)
	path := filepath.Join(dir, "marker")
	for _, change := range []func() error{
		func() error { return os.Remove(path) },
		func() error { return os.WriteFile(path, nil, 0o600) },
		func() error { return os.WriteFile(path, []byte(strings.Repeat("x", 2000)), 0o600) },
	} {
		if err := change(); err != nil {
			t.Fatal(err)
		}
		s, l := reopened(t, dir)
		save(t, s, replica.Save{Seq: l.seq + 1})
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

// A store that failed leaves word of it. The next start reads everything; if all is well the word goes,
// and if not it is part of the message.
func TestSuspect(t *testing.T) {
	p := sqlite.NewPlatter()
	defer p.Scrap()
	if err := sqlite.InitOn(p, identity, birth.Genesis, tables); err != nil {
		t.Fatal(err)
	}
	s, err := sqlite.OpenOn(p, identity, tables)
	if err != nil {
		t.Fatal(err)
	}
	rec, err := s.Recover()
	if err != nil {
		t.Fatal(err)
	}
	l := lifeOf(rec)
	save(t, s, l.next(3, 10))
	p.Fail(sqlite.Failure{Kind: sqlite.Syncing, Nth: 1})
	if _, err := s.Save(l.next(1, 10)); err == nil {
		t.Fatal("saved without a sync")
	}
	p.Kill()
	_ = s.Close()
	if p.Bits("SUSPECT") == 0 {
		t.Fatal("left no word")
	}
	bad := p.Rotten("node.db-wal", 8*5000) // in the first of several transactions
	defer bad.Scrap()
	if _, err = sqlite.OpenOn(bad, identity, tables); !strings.Contains(err.Error(), "something failed: save 2: COMMIT") {
		t.Errorf("damaged after a failure: %v", err)
	}
	if bad.Bits("SUSPECT") == 0 {
		t.Error("a damaged store lost the word")
	}
	s, err = sqlite.OpenOn(p, identity, tables)
	if err != nil {
		t.Fatal(err)
	}
	if p.Bits("SUSPECT") > 0 {
		t.Error("a store that is well is still suspect")
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
}
