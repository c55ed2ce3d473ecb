package main

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"parley/core/chat"
	"parley/core/replica"
	"parley/core/session"
	"parley/realnet"
	"parley/realnet/recording"
)

// load is all connections of a run.
type load struct {
	o     *options
	pool  *realnet.ClientPool
	conns []*conn
	body  string
	rec   *recording.Recorder

	phase   atomic.Int32 // of the run: which of its measures count
	started atomic.Int64 // requests, while measuring
	ended   chan struct{}
	pause   pauses
}

// The phases of a run.
const (
	warming int32 = iota
	measuring
	stopping
)

// conn is one connection: an account, a device, a stream. But for setup, it is used by the goroutine
// that owns its client only.
type conn struct {
	load    *load
	client  *realnet.Client
	feed    *realnet.Feed
	name    string
	partner *conn
	uid     chat.UID
	sent    int
	over    *sync.WaitGroup

	latency histogram
	acked   int64
	codes   map[string]int64 // refusals, and outcomes that are not known
	unknown int64

	delivery histogram // from the beginning of a send to its event at the recipient
	pushed   int64
	unacked  uint64
	said     chan time.Time // beginnings of sends to us, in order; with inflight 1 only
}

func newLoad(o *options) *load {
	l := &load{o: o, pool: realnet.NewClientPool(o.owners, o.streams), body: strings.Repeat("m", o.size)}
	l.ended = make(chan struct{})
	return l
}

// connect makes the clients and signs up their accounts, all at once.
func (l *load) connect(ctx context.Context, servers []string) error {
	if l.o.prefix == "" {
		l.o.prefix = "b" + hex.EncodeToString(random(4))
	}
	for i := range l.o.connections {
		c := &conn{load: l, name: fmt.Sprintf("%s-%d", l.o.prefix, i), codes: map[string]int64{}}
		cfg := realnet.ClientConfig{
			Servers: servers, Device: session.DeviceID(random(16)), Secret: [32]byte(random(32)),
			Agent: "parleybench", Pool: l.pool, Insecure: l.o.insecure, Window: l.o.inflight,
		}
		if l.rec != nil {
			cfg.Record = l.rec.Observe
		}
		var err error
		if c.client, err = realnet.NewClient(cfg); err != nil {
			return err
		}
		l.conns = append(l.conns, c)
	}
	for i, c := range l.conns {
		c.partner = l.conns[(i^1)%len(l.conns)]
	}
	if err := l.password(ctx); err != nil {
		return err
	}
	return l.each(ctx, (*conn).signup)
}

// password is asked of the cluster: one without passwords gets none.
func (l *load) password(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	for {
		s, err := l.conns[0].client.AnyStatus(ctx)
		switch {
		case err == nil && s.Policy.OpenAuth:
			l.o.password = ""
			return nil
		case err == nil && l.o.password == "":
			l.o.password = hex.EncodeToString(random(16))
			return nil
		case err == nil:
			return nil
		case ctx.Err() != nil:
			return fmt.Errorf("no server answers: %w", err)
		}
		select {
		case <-time.After(50 * time.Millisecond):
		case <-ctx.Done():
		}
	}
}

// each does something on all connections, a few hundred at a time.
func (l *load) each(ctx context.Context, do func(*conn, context.Context) error) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	gate := make(chan struct{}, 256)
	var wait sync.WaitGroup
	for _, c := range l.conns {
		gate <- struct{}{}
		wait.Go(func() {
			if err := do(c, ctx); err != nil {
				cancel(err)
			}
			<-gate
		})
	}
	wait.Wait()
	return context.Cause(ctx)
}

// contactTimeout is long: a cluster with passwords hashes one after the other.
const contactTimeout = 2 * time.Minute

func (c *conn) signup(ctx context.Context) error {
	cmd := chat.Signup{Name: c.name, Label: "bench"}
	done := make(chan realnet.Outcome, 1)
	c.client.Start(realnet.Request{
		Command: cmd, Password: c.load.o.password, Timeout: contactTimeout, Done: func(o realnet.Outcome) { done <- o },
	})
	select {
	case out := <-done:
		if out.Err == nil && out.Reply.Code != "" {
			out.Err = errors.New(out.Reply.Code)
		}
		if out.Err != nil {
			return fmt.Errorf("sign up %s: %w", c.name, out.Err)
		}
		c.uid = out.Reply.Result.UID
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// watch attaches to the account's feed.
func (c *conn) watch(ctx context.Context) error {
	c.said = make(chan time.Time, c.load.o.inflight)
	f, err := c.client.WatchFunc(ctx, realnet.WatchFrom{Cursor: true}, c.event)
	if err != nil {
		return fmt.Errorf("watch as %s: %w", c.name, err)
	}
	c.feed = f
	return nil
}

// ackEvery is how many events are acknowledged together, well below where a server waits for it.
const ackEvery = 64

// event is one event of the feed: of our own sends, and of those to us.
func (c *conn) event(p replica.Push) {
	if c.unacked++; c.unacked >= ackEvery && c.feed != nil {
		c.feed.Ack(p.Event.N)
		c.unacked = 0
	}
	if p.Message == nil || p.Message.Author == c.uid && c.partner != c {
		return
	}
	counts := c.load.phase.Load() == measuring
	select {
	case at := <-c.said:
		if counts {
			c.delivery.add(time.Since(at))
		}
	default:
	}
	if counts {
		c.pushed++
	}
}

// run keeps so many requests in flight until the load stops.
func (c *conn) run(over *sync.WaitGroup) {
	over.Add(c.load.o.inflight)
	c.over = over
	for range c.load.o.inflight {
		c.next()
	}
}

// next makes one request, or ends one of the lines of requests.
func (c *conn) next() {
	l := c.load
	if l.phase.Load() == stopping {
		c.over.Done()
		return
	}
	if l.phase.Load() == measuring && l.started.Add(1) == l.o.most {
		close(l.ended)
	}
	begin := time.Now()
	r := realnet.Request{Timeout: l.o.timeout, Done: func(o realnet.Outcome) { c.done(begin, &o) }}
	switch l.o.read {
	case "list":
		r.Query = replica.List{Prefix: c.name, Limit: 10}
	case "history":
		r.Query = replica.History{Members: c.members(), Limit: 50}
	default:
		r.Command = chat.Send{To: c.partner.name, Body: c.text()}
		if said := c.partner.said; said != nil {
			select {
			case said <- begin:
			default:
			}
		}
	}
	c.client.Start(r)
}

// members is the conversation with the partner.
func (c *conn) members() [2]chat.UID {
	return [2]chat.UID{min(c.uid, c.partner.uid), max(c.uid, c.partner.uid)}
}

// text is the next body: always another one where a judge will look at it.
func (c *conn) text() string {
	if c.load.rec == nil {
		return c.load.body
	}
	c.sent++
	return fmt.Sprintf("%s.%d.%s", c.name, c.sent, c.load.body[:max(0, len(c.load.body)-len(c.name)-12)])
}

// done takes an outcome in, and makes the next request.
func (c *conn) done(begin time.Time, out *realnet.Outcome) {
	now := time.Now()
	counts := c.load.phase.Load() == measuring
	var unknown *realnet.UnknownError
	var not *realnet.NotAppliedError
	switch {
	case errors.Is(out.Err, realnet.ErrClosed):
		c.over.Done()
		return
	case out.Err == nil && out.Reply.Code == "":
		c.load.pause.acked(now)
		if counts {
			c.acked++
			c.latency.add(now.Sub(begin))
		}
	case !counts:
	case errors.As(out.Err, &unknown):
		c.unknown++
	case errors.As(out.Err, &not):
		c.codes[not.Code]++
	case out.Err != nil:
		c.codes[out.Err.Error()]++
	default:
		c.codes[out.Reply.Code]++
	}
	c.next()
}

// stop lets what is in flight end, for so long.
func (l *load) stop(over *sync.WaitGroup) {
	l.phase.Store(stopping)
	quiet := make(chan struct{})
	go func() {
		over.Wait()
		close(quiet)
	}()
	select {
	case <-quiet:
	case <-time.After(l.o.timeout + time.Second):
	}
}

func (l *load) close() {
	for _, c := range l.conns {
		_ = c.client.Close()
	}
	l.pool.Close()
}

func random(n int) []byte {
	b := make([]byte, n)
	_, _ = rand.Read(b) // never fails
	return b
}
