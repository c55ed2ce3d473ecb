package sqlite_test

import (
	"flag"
	"os"
	"path/filepath"
	"testing"

	"pgregory.net/rapid"

	"parley/core/raft"
	"parley/core/replica"
	"parley/core/replica/storagetest"
	"parley/realnet/sqlite"
)

// site is a store in a directory.
type site struct {
	t     testing.TB
	birth storagetest.Birth
	dir   string
	open  *sqlite.Store
}

func factory(t testing.TB, b storagetest.Birth) storagetest.Site {
	s := &site{t: t, birth: b, dir: filepath.Join(scratch(t), "data ?%#")}
	id := sqlite.Identity{Cluster: b.Cluster, Node: b.Node, Store: sqlite.FounderStore(b.Cluster, b.Node), Chain: b.Chain}
	if err := sqlite.Init(s.dir, id, b.Genesis, b.Tables); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.abandon) // before the directory goes
	return s
}

func (s *site) Open(cluster [16]byte, node raft.ID) (replica.Store, error) {
	store, err := sqlite.Open(s.dir, sqlite.Identity{Cluster: cluster, Node: node}, s.birth.Tables)
	if err != nil {
		return nil, err
	}
	s.open = store
	return store, nil
}

// Crash leaves the store as a kill would: its files as they are, in another place, because this
// process cannot let go of the old ones without tidying up.
func (s *site) Crash() {
	dir := filepath.Join(scratch(s.t), "data")
	if err := os.MkdirAll(dir, 0o700); err != nil {
		s.t.Fatal(err)
	}
	for _, name := range []string{"node.db", "node.db-wal", "LOCK"} {
		data, err := os.ReadFile(filepath.Join(s.dir, name))
		if os.IsNotExist(err) {
			continue
		}
		if err != nil {
			s.t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, name), data, 0o600); err != nil {
			s.t.Fatal(err)
		}
	}
	s.abandon()
	s.dir = dir
}

func (s *site) abandon() {
	if s.open != nil {
		s.open.Close()
		s.open = nil
	}
}

// The store keeps the contract.
func TestContract(t *testing.T) { storagetest.Run(t, factory) }

// scratch is a directory in memory where there is one: no power cut happens here, and syncs wait for
// everyone else's.
func scratch(t testing.TB) string {
	dir, err := os.MkdirTemp("/dev/shm", "parley-sqlite-*")
	if err != nil {
		return t.TempDir()
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	return dir
}

// few lowers the number of random lives, unless it was asked for: each costs some hundred syncs.
func few(t *testing.T) {
	if f := flag.Lookup("rapid.checks"); f.Value.String() == f.DefValue {
		if err := f.Value.Set("25"); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { f.Value.Set(f.DefValue) })
	}
}

// Random lives of this store and of the reference are the same.
func TestDiffer(t *testing.T) {
	few(t)
	rapid.Check(t, func(rt *rapid.T) {
		pick := func(n int) int { return rapid.IntRange(0, n-1).Draw(rt, "pick") }
		if err := storagetest.Differ(t, factory, 25, pick); err != nil {
			rt.Fatal(err)
		}
	})
}
