package sqlite_test

import (
	"database/sql"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"parley/core/replica"
	"parley/core/row"
)

// lockOut begins a write transaction of another program's; what it returns ends it.
func lockOut(t *testing.T, dir string) func() error {
	t.Helper()
	db, err := sql.Open("sqlite", "file:"+filepath.Join(dir, "node.db")+"?_txlock=immediate")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	tx, err := db.Begin()
	if err != nil {
		t.Fatal(err)
	}
	return tx.Rollback
}

func walSize(t *testing.T, dir string) int64 {
	t.Helper()
	info, err := os.Stat(filepath.Join(dir, "node.db-wal"))
	if os.IsNotExist(err) {
		return 0
	}
	if err != nil {
		t.Fatal(err)
	}
	return info.Size()
}

// The WAL is emptied again and again, with nobody reading and with readers who overlap without end.
func TestWALIsBounded(t *testing.T) {
	for name, readers := range map[string]int{"no readers": 0, "three readers": 3} {
		t.Run(name, func(t *testing.T) {
			dir := filepath.Join(scratch(t), "data")
			s, l := opened(t, dir)
			done := make(chan struct{})
			var wg sync.WaitGroup
			for range readers {
				wg.Go(func() { readUntil(t, s, done) })
			}
			var most, total int64
			for range 150 {
				before := walSize(t, dir)
				save(t, s, l.next(16, 8000))
				size := walSize(t, dir)
				most, total = max(most, size), total+max(size-before, 0)
			}
			close(done)
			wg.Wait()
			t.Logf("at most %d KiB, %d KiB written in all", most>>10, total>>10)
			if most > 28<<20 {
				t.Errorf("the WAL grew to %d bytes", most)
			}
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
			if size := walSize(t, dir); size != 0 {
				t.Errorf("after closing it has %d bytes", size)
			}
		})
	}
}

func readUntil(t *testing.T, s replica.Store, done chan struct{}) {
	for {
		if _, err := s.Rows([]row.Range{{Table: messages, From: 0, To: 1 << 40, Limit: 200}}); err != nil {
			t.Error(err)
			return
		}
		select {
		case <-done:
			return
		default:
		}
	}
}
