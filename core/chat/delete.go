package chat

// deleteAccount ends an account in one entry. What it wrote stays; what waited for it is discarded,
// and whoever wrote that is told.
func (s *State) deleteAccount(at Stamp, d *device, ev Evidence, out *Outcome) {
	a := d.owner
	if s.stale(a, ev) {
		out.Result.Code = Retry
		return
	}
	out.Result.Discarded = a.queued()
	out.Name = a.name
	s.closeAll(a, nil, AccountDeleted, out)
	s.discard(at, a, out)
	s.forget(at, a)
}

// discard empties the feed of a, and tells its partners which messages never reached it.
func (s *State) discard(at Stamp, a *account, out *Outcome) {
	for _, c := range a.conversations {
		side := c.side(a)
		if side.deferred != 0 {
			side.deferred = 0
			s.touchConversation(c)
		}
		if p := c.partner(a); p != a && p.ended == 0 && side.delivered < c.last {
			s.tell(p, Event{
				Kind: UndeliverableEvent, Index: at.Index, Conversation: c.id,
				From: side.delivered + 1, To: c.last,
			}, out)
		}
	}
	a.cursor = a.length
	s.drop(a, a.length, out)
}

// forget frees the name and keeps of the account what is shown of it.
func (s *State) forget(at Stamp, a *account) {
	delete(s.names, a.key)
	s.removeKey(a.key)
	s.deleted[a.key] = at.Date
	*a = account{
		uid: a.uid, name: a.name, key: a.key, recreated: a.recreated,
		ended: at.Index, endedDate: at.Date, dirty: a.dirty, busy: a.busy,
	}
	s.touch(a)
	s.touchMailbox(a)
}
