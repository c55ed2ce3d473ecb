package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"parley/core/raft"
	"parley/realnet"
	"parley/realnet/realnettest"
)

// The tests run this very binary as parleyd: real processes, which real signals hit.
func TestMain(m *testing.M) {
	if os.Getenv("PARLEYD_TEST") == "1" {
		main()
	}
	os.Exit(m.Run())
}

func parleyd(args ...string) *exec.Cmd {
	cmd := exec.Command(os.Args[0], args...)
	cmd.Env = append(os.Environ(), "PARLEYD_TEST=1")
	return cmd
}

// outcome runs parleyd to its end.
func outcome(t testing.TB, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	cmd := parleyd(args...)
	var out, err bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &err
	_ = cmd.Run() // the code says it
	return cmd.ProcessState.ExitCode(), out.String(), err.String()
}

// servers are the processes of one cluster. Its methods are for one goroutine, except as noted.
type servers struct {
	t         testing.TB
	addresses []string
	dirs      []string
	running   []*server
}

type server struct {
	cmd   *exec.Cmd
	log   *logBuffer
	ended chan struct{}
}

// found makes directories with parleyd init, as a person would, and starts nothing.
func found(t testing.TB, n int, flags ...string) *servers {
	t.Helper()
	s := &servers{t: t, addresses: realnettest.FreeAddresses(t, n), running: make([]*server, n)}
	root := t.TempDir()
	var peers []string
	for i, a := range s.addresses {
		s.dirs = append(s.dirs, filepath.Join(root, name(i)))
		peers = append(peers, name(i)+"="+a)
	}
	args := append([]string{"init", "--name", "n1", "--data", s.dirs[0], "--peers", strings.Join(peers, ",")}, flags...)
	code, token, stderr := outcome(t, args...)
	if code != 0 {
		t.Fatalf("init n1: %d %s", code, stderr)
	}
	for i := 1; i < n; i++ {
		code, _, stderr := outcome(t, "init", "--name", name(i), "--data", s.dirs[i], "--cluster", strings.TrimSpace(token))
		if code != 0 {
			t.Fatalf("init %s: %d %s", name(i), code, stderr)
		}
	}
	t.Cleanup(s.close)
	return s
}

func name(i int) string { return realnet.NodeName(raft.ID(i + 1)) }

// cluster is found, with all servers started.
func cluster(t testing.TB, n int, flags ...string) *servers {
	t.Helper()
	s := found(t, n, append([]string{"--auth", "open", "--send-rate", "0", "--max-queue", "1000000"}, flags...)...)
	s.startAll()
	return s
}

func (s *servers) startAll() {
	s.t.Helper()
	for i := range s.running {
		s.start(i)
	}
}

// start does not wait.
func (s *servers) start(i int) {
	s.t.Helper()
	r := &server{cmd: parleyd("serve", "--data", s.dirs[i]), log: &logBuffer{}, ended: make(chan struct{})}
	if old := s.running[i]; old != nil {
		r.log = old.log
	}
	r.cmd.Stdout, r.cmd.Stderr = r.log, r.log
	if err := r.cmd.Start(); err != nil {
		s.t.Fatal(err)
	}
	go func() { // ends with the process, which close waits for
		_ = r.cmd.Wait()
		close(r.ended)
	}()
	s.running[i] = r
}

func (s *servers) signal(i int, sig os.Signal) {
	s.t.Helper()
	if err := s.running[i].cmd.Process.Signal(sig); err != nil {
		s.t.Fatal(err)
	}
}

// wait waits for a process to end and gives its exit code, -1 if a signal ended it.
func (s *servers) wait(i int) int {
	s.t.Helper()
	select {
	case <-s.running[i].ended:
	case <-time.After(realnettest.Patience):
		s.t.Fatalf("%s does not end", name(i))
	}
	return s.running[i].cmd.ProcessState.ExitCode()
}

func (s *servers) close() {
	for i, r := range s.running {
		if r == nil {
			continue
		}
		_ = r.cmd.Process.Kill() // it may have ended already
		<-r.ended
		if s.t.Failed() {
			s.t.Logf("%s said:\n%s", name(i), r.log.tail())
		}
	}
}

// leader waits for one that a majority follows.
func (s *servers) leader() int {
	s.t.Helper()
	leader := -1
	realnettest.Until(s.t, "a leader", func() bool {
		v := look(context.Background(), s.addresses)
		for i := range s.running {
			if v.Leader == name(i) {
				leader = i
			}
		}
		return leader >= 0
	})
	return leader
}

// level waits until all servers stand at one index, and gives it with the digest that all have.
func (s *servers) level() string {
	s.t.Helper()
	var digest string
	realnettest.Until(s.t, "all servers level", func() bool {
		v := look(context.Background(), s.addresses)
		if v.Up != len(s.running) || v.Leader == "" {
			return false
		}
		digest = ""
		for _, m := range v.Members {
			if m.Agrees == "differs" {
				s.t.Fatalf("digests differ: %+v", v.Members)
			}
			if m.Agrees != "ok" || m.Durable != v.Index {
				return false
			}
			digest = fmt.Sprintf("%x", m.digest)
		}
		return true
	})
	return digest
}

// logBuffer keeps what a process says; safe for several goroutines.
type logBuffer struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *logBuffer) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(b)
}

func (l *logBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

func (l *logBuffer) tail() string {
	s := l.String()
	return s[max(0, len(s)-6000):]
}

func patient(t testing.TB) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), 3*realnettest.Patience)
	t.Cleanup(cancel)
	return ctx
}
