package sqlite_test

import (
	"flag"
	"os"
	"path/filepath"
	"testing"

	"parley/core/replica/storagetest"
)

var golden = flag.String("golden", "", "TestOldStores also leaves stores as they are written today in this new directory")

// goldenSaves is how many saves the stores in testdata hold.
const goldenSaves = 9

// A store that an earlier version wrote opens with everything in it, closed or killed, and goes on.
// To keep today's format for later: go test ./realnet/sqlite -run TestOldStores -golden=DIR, and
// move DIR to testdata/v2, say.
func TestOldStores(t *testing.T) {
	if *golden != "" {
		leaveStores(t, *golden)
	}
	versions, err := filepath.Glob("testdata/v*")
	if err != nil || len(versions) == 0 {
		t.Fatalf("no old stores: %v", err)
	}
	for _, version := range versions {
		for _, end := range []string{"closed", "killed"} {
			t.Run(filepath.Base(version)+" "+end, func(t *testing.T) {
				dir := filepath.Join(scratch(t), "data")
				copyStore(t, filepath.Join(version, end), dir)
				checkOldStore(t, dir)
			})
		}
	}
}

func checkOldStore(t *testing.T, dir string) {
	ref, err := storagetest.NewMemory(birth).Open(birth.Cluster, birth.Node)
	if err != nil {
		t.Fatal(err)
	}
	rec, err := ref.Recover()
	if err != nil {
		t.Fatal(err)
	}
	twin := lifeOf(rec)
	for range goldenSaves {
		save(t, ref, twin.next(2, 50))
	}
	s, l := reopened(t, dir)
	if l.seq != goldenSaves || l.hard != twin.hard {
		t.Fatalf("recovered save %d with %+v, want %d with %+v", l.seq, l.hard, goldenSaves, twin.hard)
	}
	sameStores(t, s, ref)
	for range 5 {
		save(t, s, l.next(2, 50))
		save(t, ref, twin.next(2, 50))
	}
	sameStores(t, s, ref)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
}

// leaveStores writes a store that was closed, and one that was killed.
func leaveStores(t *testing.T, to string) {
	dir := filepath.Join(scratch(t), "data")
	s, l := opened(t, dir)
	fill := func(n int) {
		for range n {
			save(t, s, l.next(2, 50))
		}
	}
	fill(goldenSaves / 2)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s, l = reopened(t, dir)
	fill(goldenSaves - goldenSaves/2)
	copyStore(t, dir, filepath.Join(to, "killed"))
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	copyStore(t, dir, filepath.Join(to, "closed"))
}

func copyStore(t *testing.T, from, to string) {
	t.Helper()
	if err := os.CopyFS(to, os.DirFS(from)); err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(filepath.Join(to, "node.db-shm")); err != nil && !os.IsNotExist(err) {
		t.Fatal(err)
	}
}
