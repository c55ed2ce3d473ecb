package sqlite_test

import (
	"bufio"
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"parley/core/replica"
	"parley/core/replica/storagetest"
)

const childEnv = "PARLEY_SQLITE_KILL_ME"

// TestMain is also the child that is killed: it saves for ever and says what is durable.
func TestMain(m *testing.M) {
	dir := os.Getenv(childEnv)
	if dir == "" {
		os.Exit(m.Run())
	}
	if err := saveForever(dir); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func saveForever(dir string) error {
	s, l, err := tryOpen(dir)
	if err != nil {
		return err
	}
	for {
		saved, err := s.Save(l.next(killEntries(l), 300))
		if err != nil {
			return err
		}
		fmt.Printf("%d %x\n", saved.Seq, saved.Digest)
	}
}

func killEntries(l *life) int { return 1 + int(l.seq*l.seq%13) }

func tryOpen(dir string) (replica.Store, *life, error) {
	f := site{birth: birth, dir: dir}
	s, err := f.Open(birth.Cluster, birth.Node)
	if err != nil {
		return nil, nil, err
	}
	rec, err := s.Recover()
	return s, lifeOf(rec), err
}

// A process killed at any moment leaves a prefix of its saves, with all that it said were durable.
func TestKill(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data")
	if s, _ := opened(t, dir); s.Close() != nil {
		t.Fatal("close")
	}
	twin := storagetest.NewMemory(birth)
	ref, err := twin.Open(birth.Cluster, birth.Node)
	if err != nil {
		t.Fatal(err)
	}
	rec, err := ref.Recover()
	if err != nil {
		t.Fatal(err)
	}
	expect := lifeOf(rec)
	for round := range 20 {
		last, digest := killAfter(t, dir, 1+round*7%40)
		s, l, err := tryOpen(dir)
		if err != nil {
			t.Fatalf("round %d: %v", round, err)
		}
		if l.seq != last && l.seq != last+1 {
			t.Fatalf("round %d: recovered save %d, %d was the last reported", round, l.seq, last)
		}
		for expect.seq < l.seq {
			saved := save(t, ref, expect.next(killEntries(expect), 300))
			if got := fmt.Sprintf("%x", saved.Digest); saved.Seq == last && got != digest {
				t.Fatalf("round %d: save %d reported digest %s, want %s", round, last, digest, got)
			}
		}
		sameStores(t, s, ref)
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
	t.Logf("%d saves in 20 lives", expect.seq)
}

// killAfter starts the child, kills it after so many lines, and gives the last line it wrote.
func killAfter(t *testing.T, dir string, lines int) (seq uint64, digest string) {
	t.Helper()
	child := exec.Command(os.Args[0])
	child.Env = append(os.Environ(), childEnv+"="+dir)
	child.Stderr = os.Stderr
	out, err := child.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	scanner := bufio.NewScanner(out)
	for n := 0; scanner.Scan(); n++ { // what it still wrote before it died counts too
		if _, err := fmt.Sscan(scanner.Text(), &seq, &digest); err != nil {
			t.Fatalf("child said %q: %v", scanner.Text(), err)
		}
		if n == lines {
			if err := child.Process.Kill(); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := child.Wait(); err == nil || seq == 0 {
		t.Fatalf("child ended by itself after save %d: %v", seq, err)
	}
	return seq, digest
}

func sameStores(t *testing.T, a, b replica.Store) {
	t.Helper()
	x, err := a.Export()
	if err != nil {
		t.Fatal(err)
	}
	y, err := b.Export()
	if err != nil {
		t.Fatal(err)
	}
	if x.Mark != y.Mark || !bytes.Equal(x.Data, y.Data) {
		t.Fatalf("snapshots at %v and %v differ", x.Mark, y.Mark)
	}
}
