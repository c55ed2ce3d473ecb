package main

import (
	"bufio"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"parley/core/chat"
	"parley/realnet"
)

// 1,000 messages for an offline user, two failovers by kill -9, login: exactly 1,000, in order (T4,
// C14, C27, C31, C32).
func TestT4OfflineUser(t *testing.T) {
	if testing.Short() {
		t.Skip("-short: it kills processes; .ci/run runs it")
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	cluster := runDemoCluster(t, ctx)
	run := func(who string, args ...string) []byte {
		t.Helper()
		out, err := parley(t, filepath.Join(cluster.dir, who), cluster.servers(), args...).CombinedOutput()
		if err != nil {
			t.Fatalf("%s: parley %s: %v\n%s", who, strings.Join(args, " "), err, out)
		}
		return out
	}
	run("bob", "signup", "bob")
	run("bob", "logout")
	run("ada", "signup", "ada")

	const n = 1000
	cmd := parley(t, filepath.Join(cluster.dir, "ada"), cluster.servers(), "send", "bob", "--lines", "--json", "--timeout", "30s")
	cmd.Stderr = &logWriter{t}
	in, _ := cmd.StdinPipe()
	out, _ := cmd.StdoutPipe()
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		for i := range n {
			fmt.Fprintf(in, "message %d\n", i+1)
		}
		in.Close()
	}()
	lines := bufio.NewScanner(out)
	for acked := 1; lines.Scan(); acked++ {
		if acked == n/3 || acked == 2*n/3 {
			restartLeader(t, ctx, cluster)
		}
	}
	if err := cmd.Wait(); err != nil {
		t.Fatalf("send: %v", err)
	}
	run("bob", "login", "bob")
	checkMessages(t, run("bob", "read", "--json"), n)
	if again := run("bob", "read"); len(again) > 0 {
		t.Errorf("read again: %s", again)
	}
}

// runDemoCluster runs three server processes until the test ends.
func runDemoCluster(t *testing.T, ctx context.Context) *demoCluster {
	t.Helper()
	cluster, err := newDemoCluster(t.TempDir())
	if err == nil {
		t.Cleanup(cluster.close)
		err = cluster.startAll()
	}
	if err == nil {
		_, err = cluster.leader(ctx, 0)
	}
	if err != nil {
		t.Fatal(err)
	}
	return cluster
}

// restartLeader kills the leader, waits for another, and starts it again.
func restartLeader(t *testing.T, ctx context.Context, c *demoCluster) {
	t.Helper()
	lead, err := c.leader(ctx, c.killedTerm)
	if err == nil {
		err = c.kill(lead)
	}
	if err == nil {
		_, err = c.leader(ctx, lead.term)
	}
	if err == nil {
		err = lead.node.start()
	}
	if err != nil {
		t.Error(err)
	}
}

// checkMessages wants messages 1 to n, numbered so, and nothing else.
func checkMessages(t *testing.T, out []byte, n int) {
	t.Helper()
	i := 0
	for line := range strings.Lines(string(out)) {
		i++
		var m jsonMessage
		if err := json.Unmarshal([]byte(line), &m); err != nil {
			t.Fatalf("line %d: %v", i, err)
		}
		if want := fmt.Sprintf("message %d", i); m.Body != want || m.Seq != uint64(i) {
			t.Fatalf("in place %d stands %q with number %d", i, m.Body, m.Seq)
		}
	}
	if i != n {
		t.Errorf("%d messages, want %d", i, n)
	}
}

// 1,000 sign up under one name at the same time: one gets it (T7, C22).
func TestT7OneNameOneWinner(t *testing.T) {
	t.Parallel()
	s, err := startServers(t.TempDir(), 3, true, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.stop)
	appliedNow(t, s.visitor(t))
	const n = 1000
	pool := realnet.NewClientPool(2, 250)
	defer pool.Close()
	outcomes := make(chan realnet.Outcome, n)
	for range n {
		cfg := realnet.ClientConfig{Servers: s.addresses(), Pool: pool}
		rand.Read(cfg.Device[:])
		rand.Read(cfg.Secret[:])
		c, err := realnet.NewClient(cfg)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		c.Start(realnet.Request{Command: chat.Signup{Name: "ada", Token: sha256.Sum256(cfg.Secret[:])},
			Done: func(o realnet.Outcome) { outcomes <- o }})
	}
	answers := map[string]int{}
	for range n {
		o := <-outcomes
		if o.Err != nil {
			t.Fatal(o.Err)
		}
		answers[o.Reply.Code]++
	}
	if answers[""] != 1 || answers["E_NAME_TAKEN"] != n-1 {
		t.Errorf("answers %v, want one success and %d E_NAME_TAKEN", answers, n-1)
	}
}

// Who reads our output may leave: that ends us quietly, and nothing unread is lost (T15, C50).
func TestT15ClosedPipe(t *testing.T) {
	r := newRoom(t, true)
	r.bob("signup", "bob")
	for _, text := range []string{"one", "two", "three"} {
		r.bob("send", "bob", text)
	}
	cmd := parley(t, filepath.Join(r.dir, "bob"), r.servers.addresses(), "watch")
	cmd.Stderr = &logWriter{t}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(out)
	for range 3 {
		lines.Scan()
	}
	out.Close()
	r.bob("send", "bob", "four")
	if err := cmd.Wait(); err != nil {
		t.Errorf("watch, when its reader has left: %v, want exit 0", err)
	}
	if got := r.bob("read"); got != "R[bob] four\n" {
		t.Errorf("then read gives %q, want what could not be printed", got)
	}
}

// SIGINT ends with 130, SIGTERM with 0, and one process of a profile reads the feed.
func TestWatchSignalsAndLock(t *testing.T) {
	r := newRoom(t, true)
	r.bob("signup", "bob")
	r.bob("send", "bob", "one")
	for signal, want := range map[os.Signal]int{os.Interrupt: 130, syscall.SIGTERM: 0} {
		cmd := parley(t, filepath.Join(r.dir, "bob"), r.servers.addresses(), "watch", "--from", "now")
		cmd.Stderr = io.Discard
		out, _ := cmd.StdoutPipe()
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		printed := make(chan bool)
		go func() { printed <- bufio.NewScanner(out).Scan() }()
		for up := false; !up; { // what is sent before it asks where now is stays unread
			r.bob("send", "bob", "wake up")
			select {
			case up = <-printed:
			case <-time.After(50 * time.Millisecond):
			}
		}
		second := parley(t, filepath.Join(r.dir, "bob"), r.servers.addresses(), "read")
		text, _ := second.CombinedOutput()
		if got := second.ProcessState.ExitCode(); got != exitNotApplied || !strings.Contains(string(text), "another parley is reading") {
			t.Errorf("a second reader: exit %d, %s", got, text)
		}
		cmd.Process.Signal(signal)
		cmd.Wait()
		if got := cmd.ProcessState.ExitCode(); got != want {
			t.Errorf("%v: exit %d, want %d", signal, got, want)
		}
	}
	if got := r.bob("read"); !strings.HasPrefix(got, "R[bob] one\n") {
		t.Errorf("what came before --from now: %q, want it unread", got)
	}
}

// The demo holds, says so in the lines of the manual, and leaves nothing behind.
func TestDemo(t *testing.T) {
	if testing.Short() {
		t.Skip("-short: it kills processes; .ci/run runs it")
	}
	temp := t.TempDir()
	cmd := parley(t, t.TempDir(), nil, "demo", "--messages", "40")
	cmd.Env = append(cmd.Env, "TMPDIR="+temp)
	cmd.Stderr = &logWriter{t}
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("demo: %v\n%s", err, out)
	}
	want := []string{"start      3 replica", "leader     n", "accounts   ada and bob signed up",
		"messages   20 of 40 acknowledged; kill -9 n", "failover   n", "delivery   40 of 40, each once, in order",
		"restart    all stopped, all started; digest ", "history    ", "ok         "}
	lines := strings.Split(strings.TrimSpace(string(out)), "\n")
	if len(lines) != len(want) {
		t.Fatalf("demo prints\n%s", out)
	}
	for i := range want {
		if !strings.HasPrefix(lines[i], want[i]) {
			t.Errorf("line %d is %q, want %q…", i+1, lines[i], want[i])
		}
	}
	if left, _ := os.ReadDir(temp); len(left) > 0 {
		t.Errorf("it leaves %v behind", left)
	}
}
