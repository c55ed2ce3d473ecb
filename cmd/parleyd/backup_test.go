package main

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"

	"parley/core/chat"
	"parley/core/replica"
	"parley/realnet/realnettest"
)

// A backup is taken from a follower under load. Restored, it is a new cluster, sound in every row, equal
// to the source at that position; all that was acknowledged before it was asked for is there, in order,
// and the cluster goes on from there.
func TestABackupUnderLoadRestores(t *testing.T) {
	old := cluster(t, 3)
	b := &ledger{ada: realnettest.NewPerson("ada", "", old.addresses), bob: realnettest.NewPerson("bob", "", old.addresses),
		acked: map[string]replica.Reply{}}
	defer b.ada.Close()
	defer b.bob.Close()
	b.ada.Signup(t)
	b.bob.Signup(t)
	var answered atomic.Int64
	stop, ended := make(chan struct{}), make(chan error, 1)
	go func() { ended <- b.load(patient(t), stop, &answered) }()
	realnettest.Until(t, "load", func() bool { return answered.Load() > 100 })

	before := answered.Load()
	file := filepath.Join(t.TempDir(), "home.backup")
	follower := (old.leader() + 1) % 3
	code, said, stderr := outcome(t, "backup", "create", file, "--data", old.dirs[follower])
	if code != 0 {
		t.Fatalf("backup create: %d %s", code, stderr)
	}
	realnettest.Until(t, "load goes on", func() bool { return answered.Load() > before+50 })
	close(stop)
	if err := <-ended; err != nil {
		t.Fatal(err)
	}
	place := regexp.MustCompile(`index (\d+), digest ([0-9a-f]+)`).FindStringSubmatch(said)
	if place == nil {
		t.Fatalf("backup create says no position: %s", said)
	}
	for i := range old.running {
		old.signal(i, syscall.SIGTERM)
	}
	for i := range old.running {
		old.wait(i)
	}

	next := restored(t, file, 3)
	for i := range next.dirs {
		code, out, stderr := outcome(t, "verify", "--deep", "--data", next.dirs[i])
		if code != 0 || !strings.Contains(out, "applied "+place[1]+", digest "+place[2]) || !strings.Contains(out, "sound:") {
			t.Errorf("verify --deep of %s, want index %s and digest %s: %d %s%s", name(i), place[1], place[2], code, out, stderr)
		}
	}
	next.startAll()
	next.level()
	checkRestored(t, b, next, int(before))
}

// restored makes the directories of a cluster of a backup, and starts nothing.
func restored(t *testing.T, file string, n int) *servers {
	t.Helper()
	s := &servers{t: t, addresses: realnettest.FreeAddresses(t, n), running: make([]*server, n)}
	root := t.TempDir()
	var peers []string
	for i, a := range s.addresses {
		s.dirs = append(s.dirs, filepath.Join(root, name(i)))
		peers = append(peers, name(i)+"="+a)
	}
	code, token, stderr := outcome(t, "backup", "restore", file, "--name", "n1", "--data", s.dirs[0], "--peers", strings.Join(peers, ","))
	if code != 0 {
		t.Fatalf("restore n1: %d %s", code, stderr)
	}
	token = strings.TrimSpace(token)
	says(t, exitConfig, "begins with a backup", "init", "--name", "n2", "--data", s.dirs[1], "--cluster", token)
	for i := 1; i < n; i++ {
		code, _, stderr := outcome(t, "backup", "restore", file, "--name", name(i), "--data", s.dirs[i], "--cluster", token)
		if code != 0 {
			t.Fatalf("restore %s: %d %s", name(i), code, stderr)
		}
	}
	t.Cleanup(s.close)
	return s
}

// checkRestored reads what ada said from the new cluster: a prefix of all, at least what was acknowledged
// before the backup. Who has seen more is told so, and new messages follow.
func checkRestored(t *testing.T, b *ledger, next *servers, acknowledged int) {
	t.Helper()
	again := realnettest.NewPerson("bob", "", next.addresses)
	defer again.Close()
	r, err := again.Command(patient(t), chat.Login{Name: "bob", Takeover: true})
	if err != nil || r.Code != "" {
		t.Fatalf("log in to the new cluster: %q %v", r.Code, err)
	}
	var bodies []string
	for after := uint64(0); ; {
		r, err := again.Query(patient(t), replica.History{With: "ada", After: after, Limit: 100})
		if err != nil || r.Thread == nil {
			t.Fatalf("read from the new cluster: %q %v", r.Code, err)
		}
		for _, m := range r.Thread.Messages {
			bodies = append(bodies, m.Body)
			after = m.Seq
		}
		if after == r.Thread.Last {
			break
		}
	}
	for i, body := range bodies {
		if want := fmt.Sprintf("ada %d", i+1); body != want {
			t.Fatalf("message %d is %q, want %q", i+1, body, want)
		}
	}
	if len(bodies) < acknowledged || len(bodies) >= len(b.acked) {
		t.Errorf("%d messages are restored; %d were acknowledged before the backup, %d in all", len(bodies), acknowledged, len(b.acked))
	}
	b.bob.Close()
	b.bob.Servers = next.addresses
	if r, err := b.bob.Query(patient(t), replica.Whoami{}); r.Code != string(replica.WrongEpoch) {
		t.Errorf("one who has seen the old cluster's future asks the new one: %q %v, want %s", r.Code, err, replica.WrongEpoch)
	}
	said, err := again.Command(patient(t), chat.Send{To: "ada", Body: "we are back"})
	if err != nil || said.Code != "" || said.Pos.Epoch != 2 {
		t.Errorf("the first message of the new cluster: %q at %+v, %v; want epoch 2", said.Code, said.Pos, err)
	}
}

// What makes no backup is refused, and nothing is written over.
func TestBackupRefusals(t *testing.T) {
	s := found(t, 1, "--auth", "open")
	dir := t.TempDir()
	file := filepath.Join(dir, "b")
	says(t, exitUsage, "takes one FILE", "backup", "create", "--data", s.dirs[0])
	says(t, exitUsage, "needs --data", "backup", "create", file)
	says(t, exitConfig, "holds no server", "backup", "create", file, "--data", dir)
	if code, _, stderr := outcome(t, "backup", "create", file, "--data", s.dirs[0]); code != 0 { // nobody runs: from the store
		t.Fatalf("backup of a server that does not run: %d %s", code, stderr)
	}
	says(t, exitConfig, "exists", "backup", "create", file, "--data", s.dirs[0])
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	for what, bad := range map[string][]byte{
		"cut short":       text[:len(text)-1],
		"more in the fil": append(append([]byte{}, text...), 'x'),
		"does not match":  append(append(append([]byte{}, text[:len(text)/2]...), text[len(text)/2]^1), text[len(text)/2+1:]...),
		"no backup":       append([]byte("x"), text...),
	} {
		path := filepath.Join(dir, "bad")
		if err := os.WriteFile(path, bad, 0o600); err != nil {
			t.Fatal(err)
		}
		says(t, exitNo, what, "backup", "verify", path)
		says(t, exitNo, what, "backup", "restore", path, "--name", "n1", "--data", filepath.Join(dir, "home"))
	}
	says(t, exitConfig, "there is data already", "backup", "restore", file, "--name", "n1", "--data", s.dirs[0])
	says(t, exitOK, "", "backup", "verify", file)

	// A founder of one restored cluster is not made of another backup.
	_, token, _ := outcome(t, "backup", "restore", file, "--name", "n1", "--data", filepath.Join(dir, "n1"), "--peers", "n1=127.0.0.1:1,n2=127.0.0.1:2")
	second := filepath.Join(dir, "second")
	other := found(t, 1, "--auth", "open")
	if code, _, stderr := outcome(t, "backup", "create", second, "--data", other.dirs[0]); code != 0 {
		t.Fatal(stderr)
	}
	says(t, exitConfig, "begins with backup", "backup", "restore", second, "--name", "n2", "--data", filepath.Join(dir, "n2"), "--cluster", strings.TrimSpace(token))
}

// The log is listed without what people wrote, and every entry's place in the chain is checked.
func TestLogInspect(t *testing.T) {
	s := cluster(t, 1)
	ada := realnettest.NewPerson("ada", "", s.addresses)
	defer ada.Close()
	ada.Signup(t)
	ada.Say(t, "ada", "nobody is to read this")
	says(t, exitConfig, "in use", "log", "inspect", "--data", s.dirs[0])
	s.signal(0, syscall.SIGTERM)
	s.wait(0)
	code, out, stderr := outcome(t, "log", "inspect", "--data", s.dirs[0])
	if code != 0 || !strings.Contains(out, "chain intact") || !strings.Contains(out, "signup") || !strings.Contains(out, "send") {
		t.Errorf("log inspect: %d %s%s", code, out, stderr)
	}
	if strings.Contains(out, "nobody") {
		t.Errorf("the log shows what people wrote:\n%s", out)
	}
	says(t, exitUsage, "--limit is -1", "log", "inspect", "--data", s.dirs[0], "--limit", "-1")
	says(t, exitUsage, "needs --data", "log", "inspect")
	says(t, exitUsage, "needs --data", "verify")
}
