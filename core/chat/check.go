package chat

import (
	"cmp"
	"fmt"
	"slices"
)

// Check looks at the whole state and says the first thing that is wrong with it. Each condition is
// one that Apply keeps; a store may have lost it.
func (s *State) Check() error {
	if err := s.checkNames(); err != nil {
		return err
	}
	devices := 0
	for i, a := range s.accounts {
		if i > 0 && s.accounts[i-1].uid >= a.uid {
			return fmt.Errorf("account %d stands behind account %d", a.uid, s.accounts[i-1].uid)
		}
		if s.byUID[a.uid] != a {
			return fmt.Errorf("account %d is not found by its uid", a.uid)
		}
		if err := s.checkAccount(a); err != nil {
			return fmt.Errorf("account %d (%s): %w", a.uid, a.name, err)
		}
		devices += len(a.devices)
	}
	if len(s.byUID) != len(s.accounts) {
		return fmt.Errorf("%d accounts by uid, %d in all", len(s.byUID), len(s.accounts))
	}
	if len(s.devices) != devices {
		return fmt.Errorf("%d devices by id, %d with an account", len(s.devices), devices)
	}
	if err := s.checkLeases(); err != nil {
		return err
	}
	return s.checkConversations()
}

// checkNames: names and living accounts correspond, one to one.
func (s *State) checkNames() error {
	living := 0
	for _, a := range s.accounts {
		if a.ended != 0 {
			continue
		}
		living++
		if s.names[a.key] != a {
			return fmt.Errorf("account %d is not found by its name %q", a.uid, a.key)
		}
	}
	if len(s.names) != living || len(s.byKey) != living {
		return fmt.Errorf("%d names, %d in order, for %d accounts", len(s.names), len(s.byKey), living)
	}
	for i, a := range s.byKey {
		if i > 0 && s.byKey[i-1].key >= a.key {
			return fmt.Errorf("name %q stands behind %q", a.key, s.byKey[i-1].key)
		}
		if s.names[a.key] != a {
			return fmt.Errorf("name %q in order is another account's", a.key)
		}
	}
	return nil
}

func (s *State) checkAccount(a *account) error {
	switch {
	case !validName(a.name) || fold(a.name) != a.key:
		return fmt.Errorf("bad name, key %q", a.key)
	case a.ended != 0:
		return a.checkEnded()
	case a.epoch < 1:
		return fmt.Errorf("epoch %d", a.epoch)
	case a.version < uint64(a.uid):
		return fmt.Errorf("credential of %d, before the account", a.version)
	case a.cursor > a.length:
		return fmt.Errorf("cursor %d beyond length %d of the feed", a.cursor, a.length)
	case a.floor > a.cursor:
		return fmt.Errorf("floor %d beyond cursor %d", a.floor, a.cursor)
	case a.floor%feedBlock != 0:
		return fmt.Errorf("floor %d within a block of %d", a.floor, feedBlock)
	case len(a.deferred) > 0 && a.queued() < s.queueLimit():
		return fmt.Errorf("%d conversations deferred at %d of %d events", len(a.deferred), a.queued(), s.queueLimit())
	}
	return s.checkDevices(a)
}

func (a *account) checkEnded() error {
	switch {
	case a.ended <= uint64(a.uid):
		return fmt.Errorf("ended at %d, before it began", a.ended)
	case a.epoch != 0 || a.version != 0 || a.hash != "":
		return fmt.Errorf("ended at %d, but has epoch %d and credential %d", a.ended, a.epoch, a.version)
	case a.length != 0 || len(a.devices) != 0:
		return fmt.Errorf("ended at %d, but has a feed of %d and %d devices", a.ended, a.length, len(a.devices))
	}
	return nil
}

func (s *State) checkDevices(a *account) error {
	leases, open := 0, 0
	for i, d := range a.devices {
		if i > 0 && compareDevice(a.devices[i-1], d.id) >= 0 {
			return fmt.Errorf("device %x stands behind %x", d.id, a.devices[i-1].id)
		}
		if err := s.checkDevice(a, d); err != nil {
			return fmt.Errorf("device %x: %w", d.id, err)
		}
		if d.lease.held {
			leases++
		}
		if !s.fenced(d) {
			open++
		}
	}
	switch {
	case s.settings.MultiLogin:
	case leases > 1:
		return fmt.Errorf("%d leases under exclusive", leases)
	case open > 1:
		return fmt.Errorf("%d devices not fenced under exclusive", open)
	}
	return nil
}

func (s *State) checkDevice(a *account, d *device) error {
	switch {
	case d.owner != a || s.devices[d.id] != d:
		return fmt.Errorf("not found by its id")
	case d.epoch < 1 || d.epoch > a.epoch:
		return fmt.Errorf("epoch %d, the account's is %d", d.epoch, a.epoch)
	case d.cursor > a.cursor:
		return fmt.Errorf("cursor %d beyond the account's %d", d.cursor, a.cursor)
	case !s.fenced(d) && s.cursor(d) < a.floor:
		return fmt.Errorf("cursor %d below the floor %d", s.cursor(d), a.floor)
	case d.lease.held && s.fenced(d):
		return fmt.Errorf("fenced at epoch %d, but holds a lease", d.epoch)
	case d.label != cleanLabel(d.label):
		return fmt.Errorf("unclean label %q", d.label)
	}
	return nil
}

func (s *State) checkLeases() error {
	n := 0
	for d := s.leases.first; d != nil; d = d.lease.next {
		if !d.lease.held || s.devices[d.id] != d {
			return fmt.Errorf("lease of device %x, which does not hold one", d.id)
		}
		if p := d.lease.prev; p != nil && p.lease.until > d.lease.until {
			return fmt.Errorf("lease until %d stands behind one until %d", d.lease.until, p.lease.until)
		}
		n++
	}
	held := 0
	for _, a := range s.accounts {
		for _, d := range a.devices {
			if d.lease.held {
				held++
			}
		}
	}
	if n != held || n != s.leases.n {
		return fmt.Errorf("%d leases listed, %d counted, %d held", n, s.leases.n, held)
	}
	return nil
}

func (s *State) checkConversations() error {
	for i, c := range s.conversations {
		if i > 0 && s.conversations[i-1].id >= c.id {
			return fmt.Errorf("conversation %d stands behind %d", c.id, s.conversations[i-1].id)
		}
		if s.byID[c.id] != c || s.pairs[c.uids()] != c {
			return fmt.Errorf("conversation %d is not found by its id or members", c.id)
		}
		if err := s.checkConversation(c); err != nil {
			return fmt.Errorf("conversation %d of %d: %w", c.id, c.uids(), err)
		}
	}
	if n := len(s.conversations); len(s.byID) != n || len(s.pairs) != n {
		return fmt.Errorf("%d conversations by id, %d by members, %d in all", len(s.byID), len(s.pairs), n)
	}
	return nil
}

func (s *State) checkConversation(c *conversation) error {
	low, high := c.members[0], c.members[1]
	switch {
	case low.uid > high.uid:
		return fmt.Errorf("members not sorted")
	case uint64(c.id) <= uint64(high.uid):
		return fmt.Errorf("older than a member")
	case c.last == 0 || c.chain == Chain{}:
		return fmt.Errorf("last %d, chain %x", c.last, c.chain)
	case low == high && c.sides[1] != side{}:
		return fmt.Errorf("with oneself, but has a second side")
	}
	for i, a := range c.members {
		if err := c.checkSide(a, &c.sides[i]); err != nil {
			return fmt.Errorf("member %d: %w", a.uid, err)
		}
	}
	return nil
}

func (c *conversation) checkSide(a *account, side *side) error {
	_, known := slices.BinarySearchFunc(a.conversations, c.id, compareConversation)
	_, waits := slices.BinarySearchFunc(a.deferred, c.id, compareConversation)
	switch {
	case side.delivered > c.last:
		return fmt.Errorf("delivered %d beyond last %d", side.delivered, c.last)
	case side.deferred > c.last:
		return fmt.Errorf("deferred %d beyond last %d", side.deferred, c.last)
	case known != (a.ended == 0):
		return fmt.Errorf("lists the conversation: %t, ended at %d", known, a.ended)
	case c.members[1] == a && c.members[0] == a:
		return checkAlone(c.sides[0])
	case waits != (side.deferred != 0):
		return fmt.Errorf("deferred from %d, waits: %t", side.deferred, waits)
	case side.deferred != 0 && a.ended != 0:
		return fmt.Errorf("deferred from %d, but ended at %d", side.deferred, a.ended)
	}
	return nil
}

// checkAlone: a message to a full feed is refused, so one to oneself is never deferred.
func checkAlone(s side) error {
	if s.deferred != 0 {
		return fmt.Errorf("oneself defers what it says, from %d", s.deferred)
	}
	return nil
}

func compareConversation(c *conversation, id ConversationID) int { return cmp.Compare(c.id, id) }
