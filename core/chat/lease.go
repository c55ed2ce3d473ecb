package chat

import (
	"bytes"
	"slices"
)

// Times of leases and devices, in nanoseconds of cluster time.
const (
	second = 1_000_000_000

	// RenewNs is how often attached devices' leases are to be renewed by a Heard.
	RenewNs = 10 * second
	// seenNs is how exact a device's last use is, so that its row stays quiet …
	seenNs = 3600 * second
	// … and IdleNs how long one must have been unused to be closed: 90 days, and that hour.
	IdleNs = 90*24*3600*second + seenNs

	// Never is later than any time.
	Never = int64(1<<63 - 1)
)

// lease says that a device is in use. It ends by an entry only, never by itself.
type lease struct {
	held       bool
	until      int64 // cluster time from which an Expire may end it
	prev, next *device
}

// leaseList has all leases in the order in which they run out. As all run equally long and time does
// not go back, that is the order of their renewal, and the list costs nothing to keep.
type leaseList struct {
	first, last *device
	n           int
}

// use is the end of step 7: the device was in use at this entry, and renews or takes the lease.
func (s *State) use(at Stamp, d *device) {
	s.grant(d, at.Time+s.settings.LeaseNs)
	s.see(at, d)
}

func (s *State) see(at Stamp, d *device) {
	if at.Time-d.seen >= seenNs {
		d.seen = at.Time
		s.touchDevice(d)
	}
}

func (s *State) grant(d *device, until int64) {
	if d.lease.held && d.lease.until == until {
		return
	}
	s.leases.drop(d)
	d.lease.until = until
	s.leases.add(d)
	s.touchMailbox(d.owner)
}

func (s *State) release(d *device) {
	if d.lease.held {
		s.leases.drop(d)
		s.touchMailbox(d.owner)
	}
}

func (l *leaseList) add(d *device) {
	after := l.last
	for after != nil && after.lease.until > d.lease.until {
		after = after.lease.prev
	}
	next := l.first
	if after != nil {
		next = after.lease.next
		after.lease.next = d
	} else {
		l.first = d
	}
	if next != nil {
		next.lease.prev = d
	} else {
		l.last = d
	}
	d.lease.held, d.lease.prev, d.lease.next = true, after, next
	l.n++
}

func (l *leaseList) drop(d *device) {
	if !d.lease.held {
		return
	}
	if p := d.lease.prev; p != nil {
		p.lease.next = d.lease.next
	} else {
		l.first = d.lease.next
	}
	if n := d.lease.next; n != nil {
		n.lease.prev = d.lease.prev
	} else {
		l.last = d.lease.prev
	}
	d.lease = lease{}
	l.n--
}

// expire ends a lease that has run out, unless it was renewed or changed hands since the leader
// asked.
func (s *State) expire(at Stamp, l Lapse, out *Outcome) {
	d := s.devices[l.Device]
	if d != nil && d.epoch == l.Epoch && d.lease.held && d.lease.until <= at.Time {
		s.release(d)
		out.Lapsed = append(out.Lapsed, l.Device)
	}
}

// closeIdle closes a device that nobody used for 90 days.
func (s *State) closeIdle(at Stamp, dev DeviceID, out *Outcome) {
	if d := s.devices[dev]; d != nil && at.Time-d.seen >= IdleNs {
		s.close(d, DeviceClosed, out)
	}
}

// NextLapse is when the next lease runs out, Never if there is none.
func (s *State) NextLapse() int64 {
	if s.leases.first == nil {
		return Never
	}
	return s.leases.first.lease.until
}

// Lapsed lists the leases that have run out at now, for the leader's Expire: the first MaxItems.
func (s *State) Lapsed(now int64) []Lapse {
	var list []Lapse
	for d := s.leases.first; d != nil && d.lease.until <= now && len(list) < MaxItems; d = d.lease.next {
		list = append(list, Lapse{Device: d.id, Epoch: d.epoch})
	}
	return list
}

// NeedsHeard says whether a Heard with this item is worth an entry: it would move a cursor or a mark,
// renew a lease that was last renewed RenewNs ago or earlier, or tell that a device which holds none
// was in use today.
func (s *State) NeedsHeard(item HeardItem, now int64) bool {
	d := s.heeds(&item)
	if d == nil {
		return false
	}
	if d.lease.held && d.lease.until-now <= s.settings.LeaseNs-RenewNs {
		return true
	}
	if now-d.seen >= 24*seenNs {
		return true
	}
	a := d.owner
	return min(item.Cursor, a.length) > s.cursor(d) ||
		slices.ContainsFunc(item.Marks, func(m Mark) bool { return s.rising(a, m) != nil })
}

// Idle lists devices that nobody used for 90 days at now, for the leader's CloseIdle: MaxItems at
// most. It looks at every device, but not again before one can be idle.
func (s *State) Idle(now int64) []DeviceID {
	if now < s.idleFrom {
		return nil
	}
	var list []DeviceID
	oldest := now
	for _, a := range s.accounts {
		for _, d := range a.devices {
			oldest = min(oldest, d.seen)
			if now-d.seen >= IdleNs {
				list = append(list, d.id)
			}
		}
	}
	s.idleFrom = oldest + IdleNs
	slices.SortFunc(list, func(a, b DeviceID) int { return bytes.Compare(a[:], b[:]) })
	return list[:min(len(list), MaxItems)]
}
