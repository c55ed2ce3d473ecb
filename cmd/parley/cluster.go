package main

import (
	"context"

	"parley/core/chat"
	"parley/core/replica"
	"parley/realnet"
)

// cluster is what the commands need of a realnet.Client: one device, talking to the servers.
type cluster interface {
	Start(realnet.Request)
	Do(ctx context.Context, cmd chat.Command, passwords ...string) (replica.Reply, error)
	Ask(ctx context.Context, q replica.Query, stale bool) (replica.Reply, error)
	Void(ctx context.Context, dseq uint64) (replica.Reply, error)
	Retry(ctx context.Context, dseq uint64, passwords ...string) (replica.Reply, error)
	Watch(ctx context.Context, from realnet.WatchFrom) (feed, error)
	Pending() []realnet.PendingLine
	Resume()
	Events() <-chan realnet.Note
	Status(ctx context.Context) []realnet.ServerStatus
	Close() error
}

// feed is what is read of a device's feed.
type feed interface {
	Next(ctx context.Context) (replica.Push, error)
	Attached() replica.Attached
	Ack(n uint64, marks ...chat.Mark)
	Close()
}

// dialer makes a cluster out of what a client is told to be.
type dialer func(realnet.ClientConfig) (cluster, error)

// dialReal is the dialer of the real thing.
func dialReal(cfg realnet.ClientConfig) (cluster, error) {
	c, err := realnet.NewClient(cfg)
	if err != nil {
		return nil, err
	}
	return realCluster{c}, nil
}

type realCluster struct{ *realnet.Client }

func (c realCluster) Watch(ctx context.Context, from realnet.WatchFrom) (feed, error) {
	f, err := c.Client.Watch(ctx, from)
	if err != nil {
		return nil, err
	}
	return f, nil
}
