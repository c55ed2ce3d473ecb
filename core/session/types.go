package session

// DeviceID is drawn at random by the client that owns it: the name of a session.
type DeviceID [16]byte

// Token is the SHA-256 of a device's secret.
type Token [32]byte

// Class sorts answers by what they mean for the number that was asked under.
type Class uint8

const (
	// Unknown: no answer. The zero value, so that nothing is taken for settled by accident.
	Unknown Class = iota
	// Applied: the command took effect, or the read was served.
	Applied
	// Rejected: decided in the log (or by a read); final for this number.
	Rejected
	// NotApplied: this attempt left no trace; the number is still open.
	NotApplied
)

// Code is why the session table refused; empty means it did not.
type Code string

const (
	OK        Code = ""
	NoSession Code = "E_NO_SESSION"
	SeqReused Code = "E_SEQ_REUSED"
	Window    Code = "E_WINDOW"
	SeqGap    Code = "E_SEQ_GAP"
)

// MaxAhead is how far a device's numbers may run ahead of what it has confirmed.
const MaxAhead = 64

// Tombstones are kept for seven days of cluster time, in pools of their own.
const (
	TombstoneNs = 7 * 24 * 3600 * 1e9
	MaxClosed   = 100_000
	MaxRefused  = 10_000
)

// Request names a command: the device's own number for it, and what the device has answers to.
type Request struct {
	Device      DeviceID
	DSeq        uint64 // 1, 2, 3, … per device
	Through     uint64 // the device has every answer up to here
	Fingerprint uint64 // of what the client sent, without evidence and secrets
}

// Decision is what Table.Begin makes of a request.
type Decision uint8

const (
	// Refuse: answer Code, change nothing.
	Refuse Decision = iota
	// Replay: the number was used. Result and Pos are those recorded; Code is OK, or SeqReused if
	// another command had it.
	Replay
	// Execute: run it, then Table.Record.
	Execute
	// FirstContact: run it, then Table.Open if it succeeded or Table.Refused if not.
	FirstContact
)

// Verdict is a Decision with what goes with it.
type Verdict struct {
	Decision Decision
	Code     Code
	Expected uint64 // SeqGap: the number that would be taken
	Result   []byte // Replay
	Pos      uint64 // Replay
}

// Standing is what the table knows of a device and a token.
type Standing uint8

const (
	Stranger   Standing = iota // no such device
	Impostor                   // the device exists, the token is not its own
	Known                      // open, right token
	Tombstoned                 // closed or refused at first contact, right token
)
