package main

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
	"sync"
	"time"

	"parley/core/chat"
	"parley/core/replica"
	"parley/realnet"
	"parley/realnet/recording"
)

// demoClient is a person in the demo: a device with its outbox in memory, whose every call and answer
// is recorded.
type demoClient struct {
	*realnet.Client
	uid      chat.UID
	messages int
	partner  chat.UID

	sending chan realnet.Outcome

	feed   *realnet.Feed
	stop   context.CancelFunc
	events chan replica.Push // what came; closed at the end of the feed
	failed error             // why, if it should not have
	reads  sync.WaitGroup
}

// newDemoClient signs somebody up.
func newDemoClient(ctx context.Context, cluster *demoCluster, r *recording.Recorder, name string) (*demoClient, error) {
	cfg := realnet.ClientConfig{Servers: cluster.servers(), Agent: "parley demo", Record: r.Observe, Timeout: time.Minute}
	rand.Read(cfg.Device[:])
	rand.Read(cfg.Secret[:])
	c, err := realnet.NewClient(cfg)
	if err != nil {
		return nil, err
	}
	reply, err := c.Do(ctx, chat.Signup{Name: name, Token: sha256.Sum256(cfg.Secret[:]), Label: "demo"})
	if err := judge(realnet.Outcome{Reply: reply, Err: err}, details{name: name}); err != nil {
		c.Close()
		return nil, err
	}
	return &demoClient{Client: c, uid: reply.Result.UID, sending: make(chan realnet.Outcome, 1)}, nil
}

func (c *demoClient) close() {
	if c.stop != nil {
		c.stop()
	}
	c.Close()
	c.reads.Wait()
}

// startSend sends, finishSend waits for the answer.
func (c *demoClient) startSend(to, body string) {
	c.Start(realnet.Request{Command: chat.Send{To: to, Body: body}, Done: func(o realnet.Outcome) { c.sending <- o }})
}

func (c *demoClient) finishSend(ctx context.Context) error {
	select {
	case o := <-c.sending:
		if err := judge(o, details{}); err != nil {
			return err
		}
		c.messages++
		for _, uid := range o.Reply.Result.Members {
			if uid != c.uid {
				c.partner = uid
			}
		}
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (c *demoClient) send(ctx context.Context, to, body string) error {
	c.startSend(to, body)
	return c.finishSend(ctx)
}

// listen reads the feed, and after each message the end of the conversation: reads, at the same time
// as ada writes.
func (c *demoClient) listen(ctx context.Context) error {
	f, err := c.Watch(ctx, realnet.WatchFrom{Cursor: true})
	if err != nil {
		return err
	}
	ctx, c.stop = context.WithCancel(context.Background())
	c.feed, c.events = f, make(chan replica.Push, 1<<16)
	c.reads.Go(func() {
		defer close(c.events)
		for {
			p, err := f.Next(ctx)
			if err != nil {
				c.failed = err
				return
			}
			f.Ack(p.Event.N, chat.Mark{Conversation: p.Event.Conversation, Seq: p.Event.To})
			c.events <- p
			q := replica.History{Members: p.Members, After: p.Event.To - min(p.Event.To, 5), Limit: 10}
			if reply, err := c.Ask(ctx, q, false); err != nil || reply.Code != "" {
				c.failed = errors.Join(err, fmt.Errorf("read at message %d: %s", p.Event.To, reply.Code))
				return
			}
		}
	})
	return nil
}

// received waits for n messages, and gives their bodies.
func (c *demoClient) received(ctx context.Context, n int) (bodies []string, err error) {
	for len(bodies) < n {
		select {
		case p, ok := <-c.events:
			if !ok {
				return bodies, c.failed
			}
			if p.Message == nil || p.Event.N != uint64(len(bodies)+1) {
				return bodies, fmt.Errorf("event %d came in place %d", p.Event.N, len(bodies)+1)
			}
			bodies = append(bodies, p.Message.Body)
			c.partner = p.Message.Author
			c.messages++
		case <-ctx.Done():
			return bodies, ctx.Err()
		}
	}
	return bodies, nil
}

// stopListening leaves the feed when the cluster knows that all was received. No further event may
// have come.
func (c *demoClient) stopListening(ctx context.Context) error {
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		reply, err := c.Ask(ctx, replica.Whoami{}, false)
		if err != nil {
			return err
		}
		if reply.Identity != nil && reply.Identity.Queued == 0 {
			break
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	c.feed.Close()
	c.reads.Wait()
	if p, more := <-c.events; more {
		return fmt.Errorf("event %d came, and nobody had sent it", p.Event.N)
	}
	if c.failed != nil && !errors.Is(c.failed, context.Canceled) {
		return c.failed
	}
	return nil
}

// readAll reads all names, and the conversation with the other to its end.
func (c *demoClient) readAll(ctx context.Context) error {
	reply, err := c.Ask(ctx, replica.List{Limit: 100}, false)
	if err := judge(realnet.Outcome{Reply: reply, Err: err}, details{}); err != nil {
		return err
	}
	members := [2]chat.UID{min(c.uid, c.partner), max(c.uid, c.partner)}
	for after := 0; after < c.messages; {
		reply, err := c.Ask(ctx, replica.History{Members: members, After: uint64(after), Limit: 50}, false)
		if err := judge(realnet.Outcome{Reply: reply, Err: err}, details{}); err != nil {
			return err
		}
		if reply.Thread == nil || len(reply.Thread.Messages) == 0 {
			return fmt.Errorf("the history ends after %d of %d messages", after, c.messages)
		}
		after += len(reply.Thread.Messages)
	}
	return nil
}
