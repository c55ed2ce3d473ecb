package chat

// UID is an account for ever: the log index of the entry that made it. Names may be used again,
// uids are not.
type UID uint64

// DeviceID is drawn at random by the client that owns it.
type DeviceID [16]byte

// ConversationID is the log index of the entry that opened the conversation.
type ConversationID uint64

// Token is the SHA-256 of a device's secret; the secret itself never enters a machine.
type Token [32]byte

// Chain hashes a conversation up to a message: SHA-256(previous chain ‖ seq ‖ author ‖ body)[:16].
type Chain [16]byte

// Stamp says where and when an entry stands. Time is cluster time in nanoseconds: whatever depends
// on time depends on it. Date is the leader's wall clock in Unix milliseconds: people see it,
// nothing compares it.
type Stamp struct {
	Index uint64
	Time  int64
	Date  int64
}

// Command is what a client, or the leader itself, asks of the chat; the set is closed.
// Encode and DecodeCommand give it canonical bytes.
type Command interface{ isCommand() }

type (
	// Signup makes an account and opens the calling device for it. First contact.
	Signup struct {
		Name  string
		Token Token
		Label string
	}
	// Login opens the calling device, or renews it. First contact when the device is new.
	Login struct {
		Name     string
		Token    Token
		Label    string
		Takeover bool
	}
	// Logout closes the calling device.
	Logout struct{}
	// Passwd gives the account the credential in the evidence.
	Passwd struct{ CloseOthers bool }
	// DeleteAccount ends the account (chat semantics: "Deleting an account").
	DeleteAccount struct{}
	// Send says something to an account. ToUID, if not 0, is whom the sender means: a namesake
	// gets nothing, the sender E_RECREATED.
	Send struct {
		To      string
		ToUID   UID
		Body    string
		ReplyTo uint64
	}
	// Void does nothing; its number is burnt.
	Void struct{}

	// Heard is the leader's: what attached devices have acknowledged. It renews the leases it names.
	Heard struct{ Items []HeardItem }
	// Expire is the leader's: these leases have run out. Re-checked when applied.
	Expire struct{ Leases []Lapse }
	// CloseIdle is the leader's: these devices were idle for 90 days. Re-checked when applied.
	CloseIdle struct{ Devices []DeviceID }
)

// HeardItem is one device's acknowledgement: it has stored the events of its feed up to Cursor, and
// the messages of each conversation in Marks up to the number there.
type HeardItem struct {
	Device DeviceID
	Epoch  uint64
	Cursor uint64
	Marks  []Mark
}

// Mark says how far a conversation is stored at a device.
type Mark struct {
	Conversation ConversationID
	Seq          uint64
}

// Lapse names a lease: the device that holds it and the account epoch at which it does.
type Lapse struct {
	Device DeviceID
	Epoch  uint64
}

func (Signup) isCommand()        {}
func (Login) isCommand()         {}
func (Logout) isCommand()        {}
func (Passwd) isCommand()        {}
func (DeleteAccount) isCommand() {}
func (Send) isCommand()          {}
func (Void) isCommand()          {}
func (Heard) isCommand()         {}
func (Expire) isCommand()        {}
func (CloseIdle) isCommand()     {}

// Evidence is what Apply can neither compute nor look up, gathered by the leader before the log.
type Evidence struct {
	// Hash is the encoded, salted password hash that Signup and Passwd install.
	Hash string
	// Version is the credential version against which the caller's password was checked
	// (Login, DeleteAccount, Passwd). If it has changed since, the answer is E_RETRY.
	Version uint64
}

// Code is why a command or a read was refused; empty means it was not.
type Code string

// The refusals that belong to chat. session has four more, replica those of the door.
const (
	OK                 Code = ""
	RegistrationClosed Code = "E_REGISTRATION_CLOSED"
	DeviceInUse        Code = "E_DEVICE_IN_USE"
	BadName            Code = "E_BAD_NAME"
	NameTaken          Code = "E_NAME_TAKEN"
	NoSuchUser         Code = "E_NO_SUCH_USER"
	Retry              Code = "E_RETRY"
	LoggedInElsewhere  Code = "E_LOGGED_IN_ELSEWHERE"
	TooManyDevices     Code = "E_TOO_MANY_DEVICES"
	Fenced             Code = "E_FENCED"
	Recreated          Code = "E_RECREATED"
	NotMember          Code = "E_NOT_MEMBER"
	Empty              Code = "E_EMPTY"
	BadText            Code = "E_BAD_TEXT"
	TooLarge           Code = "E_TOO_LARGE"
	QueueFull          Code = "E_QUEUE_FULL"
)

// Result is the answer to a command; which fields count depends on it. Its bytes are what the
// session table records and gives again.
type Result struct {
	Code Code

	UID       UID   // Signup, Login
	Recreated int64 // date at which an earlier account of this name was deleted; 0: none. Signup,
	// E_RECREATED, and the first Send to or from such an account
	Epoch  uint64 // Login
	Cursor uint64 // Login: the account cursor
	Queued uint64 // Login: events above it

	Label string // E_LOGGED_IN_ELSEWHERE: the device in use …
	Since int64  // … and the date of its login

	Conversation ConversationID // Send
	Members      [2]UID         // Send: sorted; equal when sent to oneself
	Seq          uint64         // Send
	Date         int64          // Send
	Chain        Chain          // Send
	Sent         bool           // Send: the recipient held a lease; else it is queued. Both are stored

	Discarded uint64 // DeleteAccount
}

// EventKind says what a feed event tells.
type EventKind uint8

const (
	MessageEvent       EventKind = iota + 1 // the message (Conversation, Seq)
	UndeliverableEvent                      // messages From…To of Conversation were discarded with their recipient
	CatchUpEvent                            // messages From…To of Conversation were deferred while the queue was full
)

// Event is one place in an account's feed, as it is stored: it points at messages, it does not
// repeat them.
type Event struct {
	Account      UID
	N            uint64 // 1, 2, 3, … per account
	Kind         EventKind
	Index        uint64 // of the entry that made it; a message event's message stands there too
	Conversation ConversationID
	From, To     uint64 // sequence numbers; equal for a message
}

// Message is one message as it is stored.
type Message struct {
	Index        uint64
	Conversation ConversationID
	Seq          uint64
	Author       UID
	Time         int64
	Date         int64
	Body         string
	ReplyTo      uint64
	Chain        Chain
}

// Ending is a feed that ends with this entry.
type Ending struct {
	Device DeviceID
	Reason EndReason
	By     string // TakenOver: the label of the device that took over
}

// EndReason says why a feed ended.
type EndReason uint8

const (
	LoggedOut EndReason = iota + 1
	TakenOver
	AccountDeleted
	DeviceClosed
)
