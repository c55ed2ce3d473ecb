// Package chat decides who may do what to which account, message and feed.
//
// A State is the hot part of the chat: accounts, devices, leases, conversation counters and feed
// counters. Apply takes it from one entry of the log to the next and says what came of it: a result,
// changes to cold rows (messages and feeds, which it writes and never reads), events, endings. Apply
// is total and pure: the same entries give the same state, the same results and the same rows on
// every replica, whatever its clock, and nothing a client sends makes it fail.
//
// Hot state changes in memory at once; Flush tells afterwards which hot rows differ, so that a row
// that changed a hundred times in a batch is written once.
//
// The files: account, login, lease, send, feed, delete, name say what the commands do; read what may
// be asked; encode and decode give bytes to commands, evidence and results; rows, flush and load
// give rows to the state; check says what is always true.
package chat

import "parley/core/row"

// State is the chat at one index of the log. One goroutine owns it.
type State struct {
	settings Settings

	// accounts are all that ever were, by uid. The deleted ones keep a name to be shown.
	accounts []*account
	byUID    map[UID]*account
	// names and byKey are those that live, by key; deleted says when a key's last bearer ended.
	names   map[string]*account
	byKey   []*account
	deleted map[string]int64

	devices map[DeviceID]*device // open ones
	leases  leaseList
	// idleFrom is a time before which no device can be idle: see Idle. It says nothing about the
	// log, and replicas may differ in it.
	idleFrom int64

	conversations []*conversation // by id
	byID          map[ConversationID]*conversation
	pairs         map[[2]UID]*conversation // members, sorted

	changed changes
	chained []byte      // scratch of Chain
	values  []row.Value // what is left of the block that rows are cut from
}

// New makes the state of a cluster in which nothing was said yet.
func New(settings Settings) *State {
	s := &State{settings: settings}
	s.empty()
	return s
}

func (s *State) empty() {
	*s = State{
		settings: s.settings,
		byUID:    map[UID]*account{}, names: map[string]*account{}, deleted: map[string]int64{},
		devices: map[DeviceID]*device{},
		byID:    map[ConversationID]*conversation{}, pairs: map[[2]UID]*conversation{},
	}
}

// Settings are those the cluster was born with.
func (s *State) Settings() Settings { return s.settings }

// Len is how many accounts there are.
func (s *State) Len() int { return len(s.byKey) }

// Apply executes a numbered command of dev: steps 5 and 6 of the preamble, and of step 7 the lease.
// The session table has seen to the rest. It appends to out, which the caller has reset.
func (s *State) Apply(at Stamp, dev DeviceID, cmd Command, ev Evidence, out *Outcome) {
	d := s.devices[dev]
	if !s.admits(d, cmd) {
		out.Result = Result{Code: Fenced}
		return
	}
	s.execute(at, dev, d, cmd, ev, out)
	_, login := cmd.(Login)
	if d = s.devices[dev]; d != nil && !(login && out.Result.Code != OK) {
		s.use(at, d)
	}
}

// admits is step 5. Only a first contact may come from a device that is not open; of anything else
// the session table disposes before it comes here.
func (s *State) admits(d *device, cmd Command) bool {
	switch cmd.(type) {
	case Login:
		return true
	case Signup:
		return d == nil || !s.fenced(d)
	case Logout:
		return d != nil
	}
	return d != nil && !s.fenced(d)
}

// execute is step 6. d is nil at a first contact.
func (s *State) execute(at Stamp, dev DeviceID, d *device, cmd Command, ev Evidence, out *Outcome) {
	switch c := cmd.(type) {
	case Signup:
		s.signup(at, dev, c, ev, out)
	case Login:
		s.login(at, dev, c, ev, out)
	case Logout:
		s.close(d, LoggedOut, out)
	case Passwd:
		s.passwd(at, d, c, ev, out)
	case DeleteAccount:
		s.deleteAccount(at, d, ev, out)
	case Send:
		s.send(at, d, &c, out)
	}
}

// ApplyInternal executes what the leader itself asked for. Each item is checked again; those that
// have become stale do nothing.
func (s *State) ApplyInternal(at Stamp, cmd Command, out *Outcome) {
	switch c := cmd.(type) {
	case Heard:
		for i := range c.Items {
			s.hear(at, &c.Items[i], out)
		}
	case Expire:
		for _, l := range c.Leases {
			s.expire(at, l, out)
		}
	case CloseIdle:
		for _, dev := range c.Devices {
			s.closeIdle(at, dev, out)
		}
	}
}
