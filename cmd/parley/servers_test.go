package main

import (
	"context"
	"errors"
	"log/slog"
	"path/filepath"
	"strings"
	"sync"

	"parley/core/chat"
	"parley/core/raft"
	"parley/realnet"
)

// servers are real replicas in this process, on free ports.
type servers struct {
	homes   []string
	list    []realnet.Member
	running sync.WaitGroup
	cancel  context.CancelFunc
}

func startServers(dir string, n int, open bool) (*servers, error) {
	s := &servers{}
	for i := range n {
		address, err := freeAddress()
		if err != nil {
			return nil, err
		}
		s.list = append(s.list, realnet.Member{ID: raft.ID(i + 1), Address: address})
	}
	settings := chat.DefaultSettings()
	settings.OpenAuth, settings.SendPerSec = open, 0
	birth, err := realnet.NewBirth("test", s.list, settings)
	if err != nil {
		return nil, err
	}
	for _, m := range s.list {
		home := filepath.Join(dir, ".servers", realnet.NodeName(m.ID))
		if err := realnet.CreateHome(home, realnet.Home{Birth: birth, ID: m.ID, Listen: m.Address}, nil); err != nil {
			return nil, err
		}
		s.homes = append(s.homes, home)
	}
	return s, s.start()
}

func (s *servers) start() error {
	var ctx context.Context
	ctx, s.cancel = context.WithCancel(context.Background())
	var failed error
	for _, home := range s.homes {
		server, err := realnet.OpenServer(realnet.ServerConfig{
			Dir: home, Logger: slog.New(slog.DiscardHandler), Argon: realnet.Argon{MemoryKiB: 8, Passes: 1, Lanes: 1},
		})
		if err != nil {
			failed = errors.Join(failed, err)
			continue
		}
		s.running.Go(func() { server.Serve(ctx) })
	}
	return failed
}

func (s *servers) stop() {
	s.cancel()
	s.running.Wait()
}

func joinServers(list []string) string { return strings.Join(list, ",") }

func (s *servers) addresses() []string {
	var list []string
	for _, m := range s.list {
		list = append(list, m.Address)
	}
	return list
}
