package realnet

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"parley/core/chat"
	"parley/core/feed"
	"parley/core/replica"
	"parley/realnet/wire"
)

// attachPatience is how long a server may take to grant a feed before another is asked: it may be
// catching up to where this client has been.
const attachPatience = 2 * time.Second

// WatchFrom says where a feed begins.
type WatchFrom struct {
	Cursor bool   // where the cluster believes this device stands; else
	After  uint64 // behind this event
}

// GapError says that a feed left out an event: the one thing a feed never does. (Exit code 70.)
type GapError = feed.Gap

// FeedEndedError says that the cluster ended a feed for good.
type FeedEndedError struct {
	Why replica.Why
	By  string // replica.TakenOver: the label of the device that took over
	Pos replica.Pos
}

func (e *FeedEndedError) Error() string { return "feed ended: " + WhyText(e.Why, e.By) }

// WhyText says in words why a feed ended.
func WhyText(why replica.Why, by string) string {
	switch why {
	case replica.Resume:
		return "resume"
	case replica.LoggedOut:
		return "logged out"
	case replica.TakenOver:
		return fmt.Sprintf("taken over by %q", by)
	case replica.AccountDeleted:
		return "account deleted"
	case replica.DeviceClosed:
		return "device closed"
	case replica.NoSession:
		return "this device is not logged in"
	case replica.Fenced:
		return "another device has logged in"
	case replica.OtherHistory:
		return "the cluster's history is not the one seen before"
	}
	return fmt.Sprintf("reason %d", why)
}

// Feed is the device's feed: every event once, in order, whichever servers come and go. The server
// keeps sending only as long as events are acknowledged.
type Feed struct {
	client *Client
	id     uint64 // for recorders
	take   func(replica.Push)

	mu    sync.Mutex // of what a reader and the owner share
	ready []replica.Push
	first replica.Attached
	err   error         // why there will be no more
	bell  chan struct{} // rung when one of these changes; one reader

	// What follows belongs to the owner.
	from     WatchFrom
	reader   feed.Reader
	server   int
	sub      uint64 // 0: not attached nor asking; on the link of server
	granted  bool
	everAt   bool // granted once: reader stands where the feed does
	acked    replica.Ack
	tries    int
	deadline time.Duration // ask elsewhere then; 0: never
	ended    bool
}

// The things that happen to a feed.
type (
	feedStarted struct{ feed *Feed }
	feedStopped struct{ feed *Feed }
	feedAcked   struct {
		feed *Feed
		ack  replica.Ack
	}
)

// Watch attaches to the device's feed, on any server that is up to it, and stays attached. It
// returns when the feed runs.
func (c *Client) Watch(ctx context.Context, from WatchFrom) (*Feed, error) {
	return c.watch(ctx, from, nil)
}

// WatchFunc is Watch for those who count goroutines: each event goes to take, on the goroutine that
// owns the client, which must not wait for anything. Next then only ever fails.
func (c *Client) WatchFunc(ctx context.Context, from WatchFrom, take func(replica.Push)) (*Feed, error) {
	return c.watch(ctx, from, take)
}

func (c *Client) watch(ctx context.Context, from WatchFrom, take func(replica.Push)) (*Feed, error) {
	f := &Feed{client: c, id: feedIDs.Add(1), from: from, take: take, bell: make(chan struct{}, 1)}
	c.owner.post(c, feedStarted{f})
	for {
		f.mu.Lock()
		granted, err := f.first.Sub != 0, f.err
		f.mu.Unlock()
		switch {
		case err != nil:
			return nil, err
		case granted:
			f.ring() // for a Next that waits
			return f, nil
		}
		select {
		case <-f.bell:
		case <-ctx.Done():
			f.Close()
			return nil, ctx.Err()
		case <-c.closed:
			return nil, ErrClosed
		}
	}
}

// Next waits for the next event. It fails with a *FeedEndedError or *GapError, for good, or with
// the context's error. One goroutine at a time may call it.
func (f *Feed) Next(ctx context.Context) (replica.Push, error) {
	for {
		f.mu.Lock()
		if len(f.ready) > 0 {
			p := f.ready[0]
			f.ready = f.ready[1:]
			f.mu.Unlock()
			return p, nil
		}
		err := f.err
		f.mu.Unlock()
		if err != nil {
			return replica.Push{}, err
		}
		select {
		case <-f.bell:
		case <-ctx.Done():
			return replica.Push{}, ctx.Err()
		case <-f.client.closed:
			return replica.Push{}, ErrClosed
		}
	}
}

// Attached says as whom and after which event the feed was first attached.
func (f *Feed) Attached() replica.Attached {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.first
}

// Ack says that everything up to event n is stored here, and the messages that marks name.
func (f *Feed) Ack(n uint64, marks ...chat.Mark) {
	f.client.owner.post(f.client, feedAcked{f, replica.Ack{N: n, Marks: marks}})
}

// Close detaches.
func (f *Feed) Close() { f.client.owner.post(f.client, feedStopped{f}) }

func (f *Feed) ring() {
	select {
	case f.bell <- struct{}{}:
	default:
	}
}

func (e feedStarted) happen(c *Client) {
	f := e.feed
	if c.dead {
		f.fail(ErrClosed)
		return
	}
	c.feeds = append(c.feeds, f)
	f.reader.Cursor = f.from.After
	f.server = c.feedServer()
	f.attach()
}

func (e feedStopped) happen(c *Client) {
	f := e.feed
	if f.ended {
		return
	}
	if l := c.servers[f.server].link; l != nil && f.sub != 0 {
		l.next.Detaches = append(l.next.Detaches, &wire.Detach{Sub: f.sub})
		c.owner.touch(c)
	}
	f.end(context.Canceled)
}

func (e feedAcked) happen(c *Client) {
	f := e.feed
	if f.ended {
		return
	}
	f.acked.N = max(f.acked.N, e.ack.N)
	f.acked.Marks = mergeMarks(f.acked.Marks, e.ack.Marks)
	c.record(Observation{Kind: Acked, Feed: f.id, N: e.ack.N})
	if f.granted {
		f.sendAck()
	}
}

// mergeMarks keeps the highest mark of each conversation. There are few at a time.
func mergeMarks(have, more []chat.Mark) []chat.Mark {
next:
	for _, m := range more {
		for i := range have {
			if have[i].Conversation == m.Conversation {
				have[i].Seq = max(have[i].Seq, m.Seq)
				continue next
			}
		}
		have = append(have, m)
	}
	return have
}

// sendAck says what is stored. An acknowledgement that waits to be sent is replaced by the newer.
func (f *Feed) sendAck() {
	l := f.client.servers[f.server].link
	if l == nil {
		return
	}
	f.acked.Sub = f.sub
	w := wire.EncodeAck(&f.acked)
	for i, have := range l.next.Acks {
		if have.GetSub() == f.sub {
			l.next.Acks[i] = w
			f.client.owner.touch(f.client)
			return
		}
	}
	l.next.Acks = append(l.next.Acks, w)
	f.client.owner.touch(f.client)
}

// attach asks f.server for the feed, from where the reader stands.
func (f *Feed) attach() {
	c := f.client
	l := c.useLink(f.server)
	c.subs++
	f.sub, f.granted = c.subs, false
	f.deadline = clock() + attachPatience
	a := replica.Attach{Sub: f.sub, Device: c.cfg.Device, After: f.reader.Cursor, Pos: c.pos}
	if f.from.Cursor && !f.everAt {
		a.FromCursor, a.After = true, 0
	}
	l.next.Attaches = append(l.next.Attaches, wire.EncodeAttach(&a, c.cfg.Secret))
	c.owner.touch(c)
}

// attached is the server's consent. The first one says where the feed begins.
func (f *Feed) attached(a replica.Attached) {
	c := f.client
	c.saw(a.Pos)
	if !f.everAt && f.from.Cursor {
		f.reader.Cursor = a.After
	}
	if a.After > f.reader.Cursor {
		f.end(&GapError{Want: f.reader.Cursor + 1, Got: a.After + 1})
		return
	}
	f.granted, f.tries, f.deadline = true, 0, 0
	c.record(Observation{Kind: FeedOpened, Feed: f.id, After: a.After, Server: c.servers[f.server].address})
	if !f.everAt {
		f.everAt = true
		f.mu.Lock()
		f.first = a
		f.mu.Unlock()
		f.ring()
	}
	if f.acked.N > 0 {
		f.sendAck() // the last one may have been lost with the last server
	}
}

// push is an event: new, or seen before on another server.
func (f *Feed) push(p replica.Push) {
	fresh, err := f.reader.Take(p.Event.N)
	switch {
	case err != nil:
		f.detach()
		f.end(err)
	case fresh:
		f.client.saw(p.Pos)
		f.client.record(Observation{Kind: Pushed, Feed: f.id, N: p.Event.N, Push: &p})
		f.hand(p)
	}
}

// hand gives an event to the reader.
func (f *Feed) hand(p replica.Push) {
	if f.take != nil {
		f.take(p)
		return
	}
	f.mu.Lock()
	f.ready = append(f.ready, p)
	f.mu.Unlock()
	f.ring()
}

// closing is the server's end of it.
func (f *Feed) closing(cl replica.Closing) {
	f.sub, f.granted = 0, false
	if cl.Why != replica.Resume {
		f.client.saw(cl.Pos)
		f.end(&FeedEndedError{cl.Why, cl.By, cl.Pos})
		return
	}
	f.elsewhere("resume")
}

// elsewhere asks the next server; after a round of all, only after a pause.
func (f *Feed) elsewhere(why string) {
	c := f.client
	if f.granted || f.sub != 0 {
		f.detach()
	}
	c.record(Observation{Kind: FeedClosed, Feed: f.id, Why: why})
	f.id = feedIDs.Add(1)
	f.tries++
	f.server = (f.server + 1) % len(c.servers)
	if rounds := f.tries / len(c.servers); rounds > 0 {
		f.deadline = clock() + backOff(rounds)
		return // tick attaches
	}
	f.attach()
}

// backOff is how long to wait after so many rounds of all servers in vain.
func backOff(rounds int) time.Duration {
	return min(50*time.Millisecond<<min(rounds-1, 5), time.Second)
}

// detach leaves the server without a word if it is gone.
func (f *Feed) detach() {
	if l := f.client.servers[f.server].link; l != nil && f.sub != 0 {
		l.next.Detaches = append(l.next.Detaches, &wire.Detach{Sub: f.sub})
		f.client.owner.touch(f.client)
	}
	f.sub, f.granted = 0, false
}

// tick is the feed's deadline: a server that did not answer, or the end of a pause.
func (f *Feed) tick(now time.Duration) {
	if f.ended || f.deadline == 0 || now < f.deadline {
		return
	}
	if f.sub != 0 {
		f.elsewhere("no answer")
		return
	}
	f.attach()
}

// end is the last thing that happens to a feed.
func (f *Feed) end(err error) {
	if f.ended {
		return
	}
	f.ended, f.sub, f.granted, f.deadline = true, 0, false, 0
	c := f.client
	c.feeds = without(c.feeds, f)
	why := err.Error()
	if errors.Is(err, context.Canceled) {
		why = "client"
	}
	c.record(Observation{Kind: FeedClosed, Feed: f.id, Why: why})
	f.fail(err)
}

// fail tells the reader that there will be no more.
func (f *Feed) fail(err error) {
	f.mu.Lock()
	f.err = err
	f.mu.Unlock()
	f.ring()
}

func without[T comparable](list []T, gone T) []T {
	for i, v := range list {
		if v == gone {
			return append(list[:i:i], list[i+1:]...)
		}
	}
	return list
}
