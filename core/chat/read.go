package chat

// Access says whose device it is, and whether it may read: Fenced if it is fenced, or not open.
func (s *State) Access(dev DeviceID) (UID, Code) {
	d := s.devices[dev]
	switch {
	case d == nil:
		return 0, Fenced
	case s.fenced(d):
		return d.owner.uid, Fenced
	}
	return d.owner.uid, OK
}

// DeviceState is the account and the epoch of an open device.
func (s *State) DeviceState(dev DeviceID) (uid UID, epoch uint64, open bool) {
	if d := s.devices[dev]; d != nil {
		return d.owner.uid, d.epoch, true
	}
	return 0, 0, false
}

// Whoami tells an open device who it is.
func (s *State) Whoami(dev DeviceID) Identity {
	d := s.devices[dev]
	if d == nil {
		return Identity{}
	}
	a, cursor := d.owner, s.cursor(d)
	return Identity{
		UID: a.uid, Name: a.name, Epoch: d.epoch, Label: d.label, Cursor: cursor, Queued: a.length - cursor,
	}
}

// Attach tells a feed where a device continues. It is refused as Fenced for a device that is fenced,
// or not open.
func (s *State) Attach(dev DeviceID) (Attachment, Code) {
	d := s.devices[dev]
	if d == nil || s.fenced(d) {
		return Attachment{}, Fenced
	}
	a := d.owner
	return Attachment{
		UID: a.uid, Epoch: d.epoch, Cursor: s.cursor(d), Length: a.length, Floor: a.floor,
	}, OK
}

// Cursor is how far the furthest device of an account has acknowledged its feed.
func (s *State) Cursor(uid UID) uint64 {
	if a := s.byUID[uid]; a != nil {
		return a.cursor
	}
	return 0
}

// Credential is what a password for the account now called name is checked against.
func (s *State) Credential(name string) (uid UID, hash string, version uint64, ok bool) {
	a := s.names[fold(name)]
	if a == nil {
		return 0, "", 0, false
	}
	return a.uid, a.hash, a.version, true
}

// CredentialOf is Credential for the account of an open device.
func (s *State) CredentialOf(dev DeviceID) (hash string, version uint64, ok bool) {
	d := s.devices[dev]
	if d == nil {
		return "", 0, false
	}
	return d.owner.hash, d.owner.version, true
}

// Conversation finds what two accounts, deleted ones included, have said to each other.
func (s *State) Conversation(a, b UID) (id ConversationID, last uint64, ok bool) {
	c := s.pairs[pairOf(a, b)]
	if c == nil {
		return 0, 0, false
	}
	return c.id, c.last, true
}

// Members are the two of a conversation, sorted; the same twice for one with oneself.
func (s *State) Members(id ConversationID) ([2]UID, bool) {
	c := s.byID[id]
	if c == nil {
		return [2]UID{}, false
	}
	return c.uids(), true
}

// Recreated is the warning that goes with the message seq of a conversation to one of its members:
// see Result.Recreated. 0: there is none.
func (s *State) Recreated(viewer UID, id ConversationID, seq uint64) int64 {
	c, a := s.byID[id], s.byUID[viewer]
	if c == nil || a == nil || !c.has(a) {
		return 0
	}
	return c.recreated(a, seq)
}

// Delivered is how far the devices of a member have stored a conversation.
func (s *State) Delivered(member UID, id ConversationID) uint64 {
	c, a := s.byID[id], s.byUID[member]
	if c == nil || a == nil || !c.has(a) {
		return 0
	}
	return c.side(a).delivered
}
