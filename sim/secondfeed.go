package sim

import (
	"parley/core/feed"
	"parley/core/replica"
)

// secondFeed is another reader of a device's feed, on any server and from any cursor that the device
// has had. It stores nothing and acknowledges nothing; what it shows must be what the first one showed.
type secondFeed struct {
	stream *stream
	sub    uint64
	on     bool
	reader feed.Reader
}

const secondFrom = 1 << 62 // ids of second subscriptions

// readTwice begins a second feed, or ends the one there is.
func (c *client) readTwice(r *roll) {
	if s := c.second; s.stream != nil {
		c.second = secondFeed{}
		s.stream.toServer(func() replica.Input { return replica.Detach{Conn: s.stream.id, Sub: s.sub} })
		return
	}
	if !c.member || !c.placed {
		return
	}
	c.seconds++
	t, after := c.stream(r.upTo(len(c.w.servers))), r.next()%(c.cursor+1)
	c.second = secondFeed{stream: t, sub: secondFrom + c.seconds, reader: feed.Reader{Cursor: after}}
	in := replica.Attach{Conn: t.id, Sub: c.second.sub, Device: c.dev.id, Token: c.dev.token, After: after}
	t.toServer(func() replica.Input { return in })
}

// moveFeed ends the feed and attaches again, wherever.
func (c *client) moveFeed() {
	f := &c.feed
	if f.sub == 0 {
		return
	}
	in := replica.Detach{Conn: f.stream.id, Sub: f.asked}
	f.stream.toServer(func() replica.Input { return in })
	c.endFeed("moved")
	c.reattach()
}

func (c *client) secondAttached(t *stream, a replica.Attached) {
	s := &c.second
	if t != s.stream || a.Sub != s.sub || s.on {
		return
	}
	if a.After < s.reader.Cursor {
		c.w.fail("feed", "c%d asked for events after %d and was attached after %d", c.n, s.reader.Cursor, a.After)
	}
	if a.After < c.cursor {
		c.w.mark(FeedRewound, c.name)
	}
	s.on, s.reader.Cursor = true, a.After
}

func (c *client) secondPushed(t *stream, p replica.Push) {
	s := &c.second
	if t != s.stream || p.Sub != s.sub || !s.on {
		return
	}
	if fresh, err := s.reader.Take(p.Event.N); err != nil || !fresh {
		c.w.fail("feed", "c%d reading twice at %d got event %d: %v", c.n, s.reader.Cursor, p.Event.N, err)
		return
	}
	c.w.mark(ReadTwice, c.name)
	c.w.checks.shows(c.dev.id, &p)
}
