package chat

import (
	"slices"

	"parley/core/row"
)

// feedBlock is how many feed rows are dropped at a time: a feed is a queue, not an archive.
const feedBlock = 256

func (s *State) queueLimit() uint64 { return uint64(max(s.settings.MaxQueue, 0)) }

// tell appends an event to the feed of a.
func (s *State) tell(a *account, e Event, out *Outcome) {
	a.length++
	e.Account, e.N = a.uid, a.length
	s.touchMailbox(a)
	out.Events = append(out.Events, e)
	out.Effects = append(out.Effects, s.insertEvent(&e))
}

// hear takes in what a device has acknowledged, and renews its lease; it never takes a free one.
// The client can lie only about itself: what it claims is clamped to what there is.
func (s *State) hear(at Stamp, item *HeardItem, out *Outcome) {
	d := s.heeds(item)
	if d == nil {
		return
	}
	for _, m := range item.Marks {
		if side := s.rising(d.owner, m); side != nil {
			c := s.byID[m.Conversation]
			side.delivered = min(m.Seq, c.last)
			s.touchConversation(c)
		}
	}
	s.acknowledge(at, d, item.Cursor, out)
	if d.lease.held {
		s.grant(d, at.Time+s.settings.LeaseNs)
	}
	s.see(at, d)
}

// heeds gives the device that an item speaks for, nil if it has logged in again since, or another
// did.
func (s *State) heeds(item *HeardItem) *device {
	if d := s.devices[item.Device]; d != nil && d.epoch == item.Epoch && !s.fenced(d) {
		return d
	}
	return nil
}

// rising gives the side whose delivered mark m would move, nil if it moves none.
func (s *State) rising(a *account, m Mark) *side {
	c := s.byID[m.Conversation]
	if c == nil || !c.has(a) || min(m.Seq, c.last) <= c.side(a).delivered {
		return nil
	}
	return c.side(a)
}

func (c *conversation) has(a *account) bool { return c.members[0] == a || c.members[1] == a }

// acknowledge moves the cursor of a device, and with it the account's. Rows that nobody needs any
// longer go, and events that waited for space come.
func (s *State) acknowledge(at Stamp, d *device, n uint64, out *Outcome) {
	a := d.owner
	n = min(n, a.length)
	if n <= s.cursor(d) {
		return
	}
	if s.settings.MultiLogin {
		d.cursor = n
		s.touchDevice(d)
	}
	if n > a.cursor {
		a.cursor = n
		s.touchMailbox(a)
	}
	s.trim(a, out)
	s.catchUp(at, a, out)
}

// trim drops whole blocks of rows that all devices have acknowledged which are open and not fenced.
// New ones begin at the account's cursor, and so do fenced ones, as State.cursor says.
func (s *State) trim(a *account, out *Outcome) {
	low := a.cursor
	for _, d := range a.devices {
		low = min(low, s.cursor(d))
	}
	if floor := low / feedBlock * feedBlock; floor > a.floor {
		s.drop(a, floor, out)
	}
}

// drop deletes the feed rows of a up to n.
func (s *State) drop(a *account, n uint64, out *Outcome) {
	out.Effects = slices.Grow(out.Effects, int(n-a.floor))
	for a.floor < n {
		a.floor++
		out.Effects = append(out.Effects, row.Effect{Op: row.Delete, Row: s.eventKey(a.uid, a.floor)})
	}
	s.touchMailbox(a)
}

// catchUp tells what was deferred, one conversation for each place that has become free.
func (s *State) catchUp(at Stamp, a *account, out *Outcome) {
	for len(a.deferred) > 0 && a.queued() < s.queueLimit() {
		c := a.deferred[0]
		a.deferred = slices.Delete(a.deferred, 0, 1)
		side := c.side(a)
		e := Event{Kind: CatchUpEvent, Index: at.Index, Conversation: c.id, From: side.deferred, To: c.last}
		side.deferred = 0
		s.touchConversation(c)
		s.tell(a, e, out)
	}
}
