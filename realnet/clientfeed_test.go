package realnet

import (
	"context"
	"errors"
	"testing"
	"time"

	"parley/core/chat"
	"parley/core/replica"
)

func watch(t *testing.T, c *Client, from WatchFrom) *Feed {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	f, err := c.Watch(ctx, from)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// wantEvents reads events from…to.
func wantEvents(t *testing.T, f *Feed, from, to uint64) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	for n := from; n <= to; n++ {
		p, err := f.Next(ctx)
		if err != nil {
			t.Fatalf("event %d: %v", n, err)
		}
		if p.Event.N != n {
			t.Fatalf("event %d, want %d", p.Event.N, n)
		}
		f.Ack(n)
	}
}

// Every event once and in order, whichever streams break and servers die.
func TestFeedSurvives(t *testing.T) {
	cluster := newFakeCluster(t, 3)
	c := newTestClient(t, ClientConfig{Servers: cluster.addresses()})
	cluster.say("1", "2", "3")
	f := watch(t, c, WatchFrom{After: 1})
	if a := f.Attached(); a.UID != 7 || a.After != 1 {
		t.Errorf("attached: %+v", a)
	}
	wantEvents(t, f, 2, 3)
	cluster.say("4")
	wantEvents(t, f, 4, 4)
	cluster.cutFeeds()
	cluster.say("5")
	wantEvents(t, f, 5, 5)
	cluster.closeFeeds(replica.Resume, "")
	cluster.say("6")
	wantEvents(t, f, 6, 6)
	for i := range cluster.servers[:2] {
		cluster.servers[i].kill()
	}
	cluster.say("7", "8")
	wantEvents(t, f, 7, 8)
}

// Two feeds of one client come over one stream, each with its own cursor.
func TestFeedTwo(t *testing.T) {
	cluster := newFakeCluster(t, 1)
	c := newTestClient(t, ClientConfig{Servers: cluster.addresses()})
	cluster.say("1", "2", "3")
	a, b := watch(t, c, WatchFrom{}), watch(t, c, WatchFrom{After: 2})
	wantEvents(t, a, 1, 3)
	wantEvents(t, b, 3, 3)
	a.Close()
	if _, err := a.Next(t.Context()); !errors.Is(err, context.Canceled) {
		t.Errorf("a closed feed: %v", err)
	}
	cluster.say("4")
	wantEvents(t, b, 4, 4)
}

// A gap stops the feed, loudly.
func TestFeedGap(t *testing.T) {
	cluster := newFakeCluster(t, 1)
	c := newTestClient(t, ClientConfig{Servers: cluster.addresses()})
	f := watch(t, c, WatchFrom{})
	cluster.say("1")
	wantEvents(t, f, 1, 1)
	cluster.mu.Lock()
	cluster.event(chat.Event{N: 3, Kind: chat.MessageEvent})
	cluster.mu.Unlock()
	_, err := f.Next(t.Context())
	if gap := (*GapError)(nil); !errors.As(err, &gap) || gap.Want != 2 || gap.Got != 3 {
		t.Fatalf("got %v, want a gap", err)
	}
	if _, again := f.Next(t.Context()); again != err {
		t.Errorf("and then %v", again)
	}
}

// What ends for good says why, and does not come back.
func TestFeedEnds(t *testing.T) {
	cluster := newFakeCluster(t, 1)
	c := newTestClient(t, ClientConfig{Servers: cluster.addresses()})
	f := watch(t, c, WatchFrom{})
	cluster.closeFeeds(replica.TakenOver, "laptop")
	_, err := f.Next(t.Context())
	if end := (*FeedEndedError)(nil); !errors.As(err, &end) || end.Why != replica.TakenOver || end.By != "laptop" {
		t.Fatalf("got %v, want an end", err)
	}
	mustDo(t, c, send("x"))
	if n := cluster.feedCount(); n != 0 {
		t.Errorf("%d feeds", n)
	}
}
