package chat

import "slices"

// Clone makes a state that is equal to s, with the same changes to flush, and shares nothing with it
// that changes.
func (s *State) Clone() *State {
	c := New(s.settings)
	for _, a := range s.accounts {
		c.cloneAccount(a)
	}
	for _, a := range s.byKey {
		c.byKey = append(c.byKey, c.byUID[a.uid])
	}
	for d := s.leases.first; d != nil; d = d.lease.next {
		twin := c.devices[d.id]
		twin.lease.until = d.lease.until
		c.leases.add(twin)
	}
	for _, conv := range s.conversations {
		twin := *conv
		twin.members = [2]*account{c.byUID[conv.members[0].uid], c.byUID[conv.members[1].uid]}
		c.addConversation(&twin)
	}
	c.cloneChanges(&s.changed)
	return c
}

func (s *State) cloneAccount(a *account) {
	twin := *a
	twin.devices, twin.conversations, twin.deferred = nil, nil, nil
	s.accounts = append(s.accounts, &twin)
	s.byUID[a.uid] = &twin
	if a.ended != 0 {
		s.deleted[a.key] = a.endedDate
		return
	}
	s.names[a.key] = &twin
	for _, d := range a.devices {
		own := *d
		own.owner, own.lease = &twin, lease{}
		s.addDevice(&own)
	}
}

func (s *State) cloneChanges(of *changes) {
	for _, a := range of.accounts {
		s.changed.accounts = append(s.changed.accounts, s.byUID[a.uid])
	}
	for _, a := range of.mailboxes {
		s.changed.mailboxes = append(s.changed.mailboxes, s.byUID[a.uid])
	}
	s.changed.devices = slices.Clone(of.devices)
	for _, c := range of.conversations {
		s.changed.conversations = append(s.changed.conversations, s.byID[c.id])
	}
}
