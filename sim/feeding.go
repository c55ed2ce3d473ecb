package sim

import (
	"time"

	"parley/core/chat"
	"parley/core/replica"
	"parley/core/session"
)

// reattach tries to get the feed again, from any server, after a moment.
func (c *client) reattach() {
	if !c.up || c.feed.over || c.feed.waiting || c.feed.sub != 0 || !c.member {
		return
	}
	c.feed.waiting = true
	c.draws.attach++
	d := c.roll("reattach", c.draws.attach).between(10*time.Millisecond, 150*time.Millisecond)
	c.later(d, "attach", func() {
		c.feed.waiting = false
		if !c.feed.over && c.member && c.feed.sub == 0 {
			c.attach()
		}
	})
}

func (c *client) attach() {
	f := &c.feed
	f.asked++
	t := c.stream(c.roll("attach", uint64(c.life)<<32|f.asked).upTo(len(c.w.servers)))
	f.stream = t
	pos := c.machine.Pos()
	if c.seen.After(pos) {
		pos = c.seen
	}
	in := replica.Attach{Conn: t.id, Sub: f.asked, Device: c.dev.id, Token: c.dev.token, After: c.cursor,
		FromCursor: !c.placed, Pos: replica.Pos{Epoch: pos.Epoch, Index: raftIndex(pos.Index)}}
	c.w.say(person(c.n), "attaches to n%d after %d", t.server.id, c.cursor)
	t.toServer(func() replica.Input { return in })
	asked := f.asked
	c.later(3*time.Second, "attach-timeout", func() {
		if f := &c.feed; f.asked == asked && f.sub == 0 && !f.over {
			c.reattach()
		}
	})
}

func (c *client) attached(t *stream, a replica.Attached) {
	f := &c.feed
	if a.Sub >= secondFrom {
		c.secondAttached(t, a)
		return
	}
	if t != f.stream || a.Sub != f.asked || f.sub != 0 {
		return
	}
	if c.fedBy >= 0 && c.fedBy != t.place {
		c.w.mark(FeedElsewhere, c.name)
	}
	c.fedBy = t.place
	switch {
	case !c.placed:
		c.placed, c.cursor, f.reader.Cursor = true, a.After, a.After
	case a.After > c.cursor && c.again:
		// While this device was fenced another one read on, and what that had read was dropped. A person is
		// told that there is a gap, and logs in on a new device.
		c.w.mark(FeedSkipped, c.name)
		in := replica.Detach{Conn: t.id, Sub: f.asked}
		t.toServer(func() replica.Input { return in })
		f.over, c.member, c.relogin, c.takeover = true, false, false, true
		c.next()
		return
	case a.After != c.cursor:
		c.w.fail("feed", "c%d asked for events after %d and was attached after %d", c.n, c.cursor, a.After)
		return
	}
	c.w.checks.owner(c.dev.id, a.UID, "attached")
	c.w.checks.begins(c.dev.id, a.After)
	c.w.say(person(c.n), "is attached to n%d after %d", t.server.id, a.After)
	f.acked = a.After
	f.sub = c.w.history.sub(device(c.dev.id), a.After)
	c.w.stats.Attached++
}

func (c *client) pushed(t *stream, p replica.Push) {
	f := &c.feed
	if p.Sub >= secondFrom {
		c.secondPushed(t, p)
		return
	}
	if t != f.stream || p.Sub != f.asked || f.sub == 0 {
		return
	}
	c.w.tape.heard(c, t, &p)
	fresh, err := f.reader.Take(p.Event.N)
	if err != nil || !fresh {
		c.w.fail("feed", "c%d at %d got event %d: %v", c.n, f.reader.Cursor, p.Event.N, err)
		return
	}
	c.w.checks.owner(c.dev.id, p.Event.Account, "event")
	c.w.checks.delivered(c.dev.id, &p)
	c.w.checks.tells(raftIndex(p.Event.Index))
	c.cursor = p.Event.N // stored with the event, before anything is acknowledged
	c.seen = session.Pos{Epoch: p.Pos.Epoch, Index: uint64(p.Pos.Index)}
	c.w.stats.Pushed++
	c.w.history.push(f.sub, &p)
	c.w.history.ack(f.sub, c.cursor) // attaching again tells the server as much, so it counts from here
	if p.Message != nil {
		c.meet(p.Members)
		c.mark(p.Message)
	}
	if p.Event.N > f.acked+1 {
		return // an acknowledgement is on its way
	}
	sub := f.sub
	c.draws.ack++
	d := c.roll("ack", c.draws.ack).between(0, 400*time.Millisecond)
	c.later(d, "ack", func() {
		if c.feed.sub == sub {
			c.ack()
		}
	})
}

func (c *client) mark(m *chat.Message) {
	f := &c.feed
	for i := range f.marks {
		if f.marks[i].Conversation == m.Conversation {
			f.marks[i].Seq = max(f.marks[i].Seq, m.Seq)
			return
		}
	}
	f.marks = append(f.marks, chat.Mark{Conversation: m.Conversation, Seq: m.Seq})
}

func (c *client) ack() {
	f := &c.feed
	f.acked = c.cursor
	in := replica.Ack{Conn: f.stream.id, Sub: f.asked, N: c.cursor, Marks: f.marks}
	f.marks = nil
	c.w.say(person(c.n), "acknowledges up to %d", c.cursor)
	f.stream.toServer(func() replica.Input { return in })
}

// closed learns that the server ended the feed.
func (c *client) closed(t *stream, e replica.Closing) {
	f := &c.feed
	if c.second.stream == t && e.Sub == c.second.sub {
		c.second = secondFeed{}
	}
	if t != f.stream || e.Sub != f.asked {
		return
	}
	c.endFeed(closings[e.Why])
	switch e.Why {
	case replica.Resume:
		c.reattach()
	case replica.OtherHistory:
		c.w.fail("feed", "c%d is told that its cursor %d is not of this cluster", c.n, c.cursor)
	default:
		f.over = true
	}
}

var closings = [...]string{replica.Resume: "resume", replica.LoggedOut: "logged out", replica.TakenOver: "taken over",
	replica.AccountDeleted: "account deleted", replica.DeviceClosed: "device closed", replica.NoSession: "no session",
	replica.Fenced: "fenced", replica.OtherHistory: "other history"}

func (c *client) endFeed(why string) {
	f := &c.feed
	if f.sub != 0 {
		c.w.history.close(f.sub, why)
	}
	f.sub, f.stream, f.marks = 0, nil, nil
}
