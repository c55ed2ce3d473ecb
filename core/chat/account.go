package chat

import (
	"bytes"
	"slices"
	"strings"
	"unicode/utf8"
)

// account is one account, living or deleted. A deleted one has its uid, name and end; the rest is
// empty.
type account struct {
	uid       UID
	name      string // as it was spelt at Signup
	key       string // the name, folded: unique among the living
	recreated int64  // date at which an earlier account of this name was deleted; 0: none
	ended     uint64 // index of the entry that deleted it; 0: it lives
	endedDate int64

	// epoch grows with every Login under exclusive, and fences the devices that have an older one.
	epoch uint64
	// version is the index of the entry that set the credential. It grows, and no two credentials
	// share one, so that a password checked against a namesake's is not taken for this one's.
	version uint64
	hash    string

	// Invariant: floor ≤ cursor ≤ length.
	length uint64 // number of the feed's last event
	cursor uint64 // the furthest that any device has acknowledged
	floor  uint64 // events up to here are no longer kept

	devices       []*device       // open ones, by id
	conversations []*conversation // by id
	deferred      []*conversation // those whose messages wait for space in the feed, by id

	dirty, busy bool // the account row, the mailbox row differs from what was flushed
}

// device is an open device.
type device struct {
	id     DeviceID
	owner  *account
	label  string
	epoch  uint64 // the account's at its last login
	since  int64  // date of its last login
	cursor uint64 // under multi only: see State.cursor
	seen   int64  // cluster time of its last use, moved at most once an hour
	lease  lease
	dirty  bool
}

// fenced says that another device has logged in since this one did.
func (s *State) fenced(d *device) bool {
	return !s.settings.MultiLogin && d.epoch != d.owner.epoch
}

// cursor is how far the device has acknowledged. Under exclusive only the device that is not fenced
// can move it, and that one started where the account stood: its cursor is the account's, and need
// not be written twice.
func (s *State) cursor(d *device) uint64 {
	if s.settings.MultiLogin {
		return d.cursor
	}
	return d.owner.cursor
}

func (a *account) queued() uint64 { return a.length - a.cursor }

// signup makes an account. The order of the refusals is part of the meaning, here and below.
func (s *State) signup(at Stamp, dev DeviceID, c Signup, ev Evidence, out *Outcome) {
	key := fold(c.Name)
	switch {
	case s.settings.ClosedRegistration:
		out.Result.Code = RegistrationClosed
		return
	case s.devices[dev] != nil:
		out.Result.Code = DeviceInUse
		return
	case !validName(c.Name):
		out.Result.Code = BadName
		return
	case s.names[key] != nil:
		out.Result.Code = NameTaken
		return
	}
	a := &account{
		uid: UID(at.Index), name: c.Name, key: key, recreated: s.deleted[key],
		epoch: 1, version: at.Index, hash: ev.Hash,
	}
	s.addAccount(a)
	s.touch(a)
	s.touchMailbox(a)
	s.open(at, a, dev, c.Label)
	out.Opened = true
	out.Result = Result{UID: a.uid, Recreated: a.recreated}
}

// addAccount enters a new account into the indexes; uids only grow.
func (s *State) addAccount(a *account) {
	s.accounts = append(s.accounts, a)
	s.byUID[a.uid] = a
	s.names[a.key] = a
	i, _ := slices.BinarySearchFunc(s.byKey, a.key, compareKey)
	s.byKey = slices.Insert(s.byKey, i, a)
}

func compareKey(a *account, key string) int { return strings.Compare(a.key, key) }

// open adds a device to an account; where the account stands the device begins.
func (s *State) open(at Stamp, a *account, dev DeviceID, label string) *device {
	d := &device{
		id: dev, owner: a, label: cleanLabel(label), epoch: a.epoch, since: at.Date,
		cursor: a.cursor, seen: at.Time,
	}
	s.addDevice(d)
	s.touchDevice(d)
	return d
}

func (s *State) addDevice(d *device) {
	s.devices[d.id] = d
	i, _ := slices.BinarySearchFunc(d.owner.devices, d.id, compareDevice)
	d.owner.devices = slices.Insert(d.owner.devices, i, d)
}

func compareDevice(d *device, id DeviceID) int { return bytes.Compare(d.id[:], id[:]) }

// close ends a device, its lease, and its feed unless a fence ended that before.
func (s *State) close(d *device, why EndReason, out *Outcome) {
	if !s.fenced(d) {
		out.Endings = append(out.Endings, Ending{Device: d.id, Reason: why})
	}
	s.remove(d, out)
}

// remove is close for a feed that has ended.
func (s *State) remove(d *device, out *Outcome) {
	a := d.owner
	s.release(d)
	delete(s.devices, d.id)
	i, _ := slices.BinarySearchFunc(a.devices, d.id, compareDevice)
	a.devices = slices.Delete(a.devices, i, i+1)
	s.changed.devices = append(s.changed.devices, d.id)
	out.Closed = append(out.Closed, d.id)
	s.trim(a, out)
}

// closeAll closes all devices of a but one, which may be nil.
func (s *State) closeAll(a *account, but *device, why EndReason, out *Outcome) {
	for _, d := range slices.Clone(a.devices) {
		if d != but {
			s.close(d, why, out)
		}
	}
}

// stale says that a password was checked against a credential that is no longer the account's.
func (s *State) stale(a *account, ev Evidence) bool {
	return !s.settings.OpenAuth && ev.Version != a.version
}

func (s *State) passwd(at Stamp, d *device, c Passwd, ev Evidence, out *Outcome) {
	a := d.owner
	if s.stale(a, ev) {
		out.Result.Code = Retry
		return
	}
	a.hash, a.version = ev.Hash, at.Index
	s.touch(a)
	if c.CloseOthers {
		s.closeAll(a, d, DeviceClosed, out)
	}
}

// maxLabel is how many bytes of a device's label are kept: it is decoration, not worth a refusal.
const maxLabel = 64

// cleanLabel makes of what a client sent a short text that every store and terminal can hold.
func cleanLabel(label string) string {
	if len(label) > maxLabel {
		cut := maxLabel
		for cut > maxLabel-utf8.UTFMax && !utf8.RuneStart(label[cut]) {
			cut--
		}
		label = label[:cut]
	}
	if utf8.ValidString(label) && strings.IndexByte(label, 0) < 0 {
		return label
	}
	return strings.ReplaceAll(strings.ToValidUTF8(label, "?"), "\x00", "?")
}
