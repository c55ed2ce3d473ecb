package chat

import "parley/core/row"

// Outcome is all that one entry did; the caller owns it and resets it between entries.
type Outcome struct {
	Result  Result
	Effects []row.Effect // cold rows: messages, feeds. Hot rows come from State.Flush
	Events  []Event      // new feed events, in order
	Message *Message     // the message that was said, if one was
	Endings []Ending     // feeds that end with this entry
	Opened  bool         // first contact succeeded: the calling device is open from here on
	Lapsed  []DeviceID   // devices whose lease this entry ended because it had run out
	Closed  []DeviceID   // devices closed by this entry, the caller's own included
	Name    string       // DeleteAccount: the name that has become free
}

// Reset empties o and keeps its capacity.
func (o *Outcome) Reset() {
	*o = Outcome{Effects: o.Effects[:0], Events: o.Events[:0], Endings: o.Endings[:0], Closed: o.Closed[:0], Lapsed: o.Lapsed[:0]}
}

// Settings are replicated: fixed at birth for now, equal on every replica, and kept as rows.
type Settings struct {
	OpenAuth           bool // anyone may be anyone: no passwords
	MultiLogin         bool // policy multi; false is exclusive
	ClosedRegistration bool

	MaxBody      int // bytes
	MaxDevices   int // per account
	MaxQueue     int // undelivered events per account
	MaxOpen      int // open commands per device
	PageAccounts int // largest page of a list
	PageMessages int // largest page of a history
	SendPerSec   int // per account, at the leader's door; 0: unlimited
	SendBurst    int
	LeaseNs      int64 // cluster time
}

// DefaultSettings are those of a new cluster.
func DefaultSettings() Settings {
	return Settings{
		MaxBody: 16 << 10, MaxDevices: 16, MaxQueue: 10_000, MaxOpen: 64,
		PageAccounts: 1000, PageMessages: 500, SendPerSec: 5, SendBurst: 20, LeaseNs: 30e9,
	}
}

// Identity is what Whoami tells.
type Identity struct {
	UID    UID
	Name   string
	Epoch  uint64
	Label  string
	Cursor uint64 // this device's
	Queued uint64 // events above it
}

// Attachment is what a feed needs to know of the device that wants it.
type Attachment struct {
	UID    UID
	Epoch  uint64 // of the device
	Cursor uint64 // where this device continues
	Length uint64 // number of the account's last event
	Floor  uint64 // events up to here are no longer kept
}
