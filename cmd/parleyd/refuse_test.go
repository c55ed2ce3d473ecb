package main

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"parley/realnet"
	"parley/realnet/realnettest"
)

// says runs parleyd and compares its exit code and a piece of what it prints on standard error.
func says(t *testing.T, code int, text string, args ...string) {
	t.Helper()
	got, stdout, stderr := outcome(t, args...)
	if got != code || !strings.Contains(stderr, text) {
		t.Errorf("parleyd %s: code %d, want %d with %q, said\n%s%s", strings.Join(args, " "), got, code, text, stdout, stderr)
	}
}

// What is dangerous or makes no sense is refused, with the reason and what to do.
func TestRefusals(t *testing.T) {
	s := found(t, 3)
	other := found(t, 3)
	empty := t.TempDir()
	says(t, exitUsage, "serve needs --data", "serve")
	says(t, exitUsage, "unknown flag", "serve", "--nonsense")
	says(t, exitUsage, "unknown command", "nonsense")
	says(t, exitUsage, "takes no argument", "serve", "nonsense")
	says(t, exitUsage, "they are n1, n2", "init", "--name", "ada", "--data", filepath.Join(empty, "x"))
	says(t, exitUsage, "want password or open", "init", "--name", "n1", "--auth", "secret", "--data", filepath.Join(empty, "x"))
	says(t, exitUsage, "not a cluster token", "init", "--name", "n2", "--cluster", "x", "--data", filepath.Join(empty, "x"))
	says(t, exitUsage, "both have address", "init", "--name", "n1", "--peers", "n1=a:1,n2=a:1", "--data", filepath.Join(empty, "x"))
	says(t, exitUsage, "is in the token already", "init", "--name", "n2", "--cluster", "x", "--auth", "open")
	says(t, exitConfig, "not a member", "init", "--name", "n9", "--data", filepath.Join(empty, "x"))
	says(t, exitConfig, "there is data already", "init", "--name", "n1", "--data", s.dirs[0])
	says(t, exitConfig, "holds no server", "serve", "--data", empty)
	says(t, exitConfig, "refuse to listen on 0.0.0.0:0", "serve", "--data", s.dirs[0], "--listen", "0.0.0.0:0")
	says(t, exitNoQuorum, "no server answers", "status", "--data", s.dirs[0])
	if entries, err := os.ReadDir(empty); err != nil || len(entries) > 0 {
		t.Errorf("something was left behind: %v %v", entries, err)
	}

	// A store of another cluster under this server's name; a store that is gone; one in use.
	foreign := filepath.Join(t.TempDir(), "n1")
	copyTree(t, s.dirs[0], foreign)
	if err := os.RemoveAll(filepath.Join(foreign, "store")); err != nil {
		t.Fatal(err)
	}
	says(t, exitConfig, "no store", "serve", "--data", foreign)
	copyTree(t, filepath.Join(other.dirs[0], "store"), filepath.Join(foreign, "store"))
	says(t, exitConfig, "belongs to cluster", "serve", "--data", foreign)
	if err := os.Chmod(filepath.Join(foreign, "node.json"), 0o644); err != nil {
		t.Fatal(err)
	}
	says(t, exitConfig, "is open to others", "serve", "--data", foreign)
	s.startAll()
	s.leader()
	says(t, exitConfig, "in use", "serve", "--data", s.dirs[0], "--listen", "127.0.0.1:0")
}

// A server whose directory was wiped and made again under its old name has forgotten what it
// promised: the others do not listen to it, and go on without it.
func TestWipedDirectoryRefused(t *testing.T) {
	s := found(t, 3, "--auth", "open", "--send-rate", "0")
	s.startAll()
	c := talk(t, s)
	c.say(10)
	s.level()
	victim := s.leader()
	s.signal(victim, syscall.SIGKILL)
	s.wait(victim)
	token := tokenOf(t, s.dirs[(victim+1)%3])
	if err := os.RemoveAll(s.dirs[victim]); err != nil {
		t.Fatal(err)
	}
	says(t, exitConfig, "holds no server", "serve", "--data", s.dirs[victim])
	says(t, 0, "made", "init", "--name", name(victim), "--data", s.dirs[victim], "--cluster", token)
	s.start(victim)
	realnettest.Until(t, "the refusal", func() bool {
		return strings.Contains(s.running[victim].log.String(), "has lost data")
	})
	c.say(10)
	if leader := s.leader(); leader == victim {
		t.Errorf("%s leads, having forgotten everything", name(victim))
	}
	c.check(realnettest.NewFeed(c.bob))
}

// A server of another cluster at a member's address is not listened to, and not listening.
func TestForeignPeerRefused(t *testing.T) {
	s := found(t, 3, "--auth", "open")
	other := found(t, 3, "--auth", "open")
	s.start(0)
	s.start(1)
	s.leader()
	// n3 of the other cluster comes to the address of n3, and knows nobody else's.
	stranger := parleyd("serve", "--data", other.dirs[2], "--listen", s.addresses[2])
	log := &logBuffer{}
	stranger.Stderr = log
	if err := stranger.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() {
		_ = stranger.Process.Kill()
		_ = stranger.Wait()
	}()
	realnettest.Until(t, "the refusal", func() bool {
		return strings.Contains(s.running[0].log.String(), "another cluster") &&
			strings.Contains(log.String(), "refused a peer")
	})
	s.leader()
}

func copyTree(t *testing.T, from, to string) {
	t.Helper()
	if err := os.CopyFS(to, os.DirFS(from)); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(filepath.Join(to, "node.json"), 0o600); err != nil && !os.IsNotExist(err) {
		t.Fatal(err)
	}
}

// tokenOf rebuilds the token from a founder's directory.
func tokenOf(t *testing.T, dir string) string {
	t.Helper()
	home, err := realnet.LoadHome(dir)
	if err != nil {
		t.Fatal(err)
	}
	return home.Token()
}
