package main

import (
	"context"
	"errors"
	"log/slog"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"parley/core/chat"
	"parley/core/raft"
	"parley/realnet"
)

// servers are real replicas in this process, on free ports.
type servers struct {
	nodes []*testNode
}

// testNode is one of them. What others know it by may be a proxy.
type testNode struct {
	member realnet.Member
	listen string
	home   string
	stop   context.CancelFunc // nil: it is not running
	ended  chan struct{}
}

// startServers makes and starts n replicas. via, if not nil, gives the address under which others
// reach the one that listens at the given address.
func startServers(dir string, n int, open bool, via func(string) string) (*servers, error) {
	s := &servers{}
	var members []realnet.Member
	for i := range n {
		address, err := freeAddress()
		if err != nil {
			return nil, err
		}
		node := &testNode{member: realnet.Member{ID: raft.ID(i + 1), Address: address}, listen: address}
		if via != nil {
			node.member.Address = via(address)
		}
		node.home = filepath.Join(dir, ".servers", realnet.NodeName(node.member.ID))
		s.nodes, members = append(s.nodes, node), append(members, node.member)
	}
	settings := chat.DefaultSettings()
	settings.OpenAuth, settings.SendPerSec = open, 0
	birth, err := realnet.NewBirth("test", members, settings)
	if err != nil {
		return nil, err
	}
	for _, node := range s.nodes {
		home := realnet.Home{Birth: birth, ID: node.member.ID, Listen: node.listen}
		if err := realnet.CreateHome(node.home, home, nil); err != nil {
			return nil, err
		}
	}
	return s, s.start()
}

func (s *servers) start() error {
	var failed error
	for _, n := range s.nodes {
		if n.stop == nil {
			failed = errors.Join(failed, n.start())
		}
	}
	return failed
}

func (n *testNode) start() error {
	server, err := realnet.OpenServer(realnet.ServerConfig{
		Dir: n.home, Logger: slog.New(slog.DiscardHandler), Argon: realnet.Argon{MemoryKiB: 8, Passes: 1, Lanes: 1},
	})
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(context.Background())
	n.stop, n.ended = cancel, make(chan struct{})
	go func(ended chan struct{}) {
		server.Serve(ctx)
		close(ended)
	}(n.ended)
	return nil
}

func (n *testNode) end() {
	if n.stop != nil {
		n.stop()
		<-n.ended
		n.stop = nil
	}
}

func (s *servers) stop() {
	for _, n := range s.nodes {
		n.end()
	}
}

func (s *servers) addresses() []string {
	var list []string
	for _, n := range s.nodes {
		list = append(list, n.member.Address)
	}
	return list
}

func joinServers(list []string) string { return strings.Join(list, ",") }

// visitor asks the servers directly, past any proxy.
func (s *servers) visitor(t *testing.T) *realnet.Client {
	t.Helper()
	var list []string
	for _, n := range s.nodes {
		list = append(list, n.listen)
	}
	c, err := realnet.NewClient(realnet.ClientConfig{Servers: list})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

// until waits for a fact about the servers.
func until(t *testing.T, c *realnet.Client, what string, good func([]realnet.ServerStatus) bool) {
	t.Helper()
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for end := time.Now().Add(20 * time.Second); time.Now().Before(end); <-tick.C {
		if good(c.Status(t.Context())) {
			return
		}
	}
	t.Fatalf("not in time: %s", what)
}

// leads gives the leader.
func leads(list []realnet.ServerStatus) (realnet.ServerStatus, bool) {
	for _, s := range list {
		if s.Err == nil && s.Role == "leader" {
			return s, true
		}
	}
	return realnet.ServerStatus{}, false
}

// appliedNow is what the leader has applied.
func appliedNow(t *testing.T, c *realnet.Client) (n uint64) {
	t.Helper()
	until(t, c, "a leader", func(list []realnet.ServerStatus) bool {
		lead, ok := leads(list)
		n = lead.Applied
		return ok
	})
	return n
}
