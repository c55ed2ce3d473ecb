package chat

import (
	"encoding/binary"
	"errors"
	"fmt"
)

// What hostile or rotten bytes are refused with.
var (
	errEnds      = errors.New("ends too early")
	errTrailing  = errors.New("bytes behind the end")
	errCanonical = errors.New("not in canonical form")
	errTooLong   = errors.New("too long")
	errKind      = errors.New("unknown kind")
)

// DecodeCommand reads a command. It takes what AppendCommand gives and nothing else.
func DecodeCommand(b []byte) (Command, error) {
	if len(b) > MaxCommand {
		return nil, fmt.Errorf("command of %d bytes: %w", len(b), errTooLong)
	}
	r := reader{rest: b}
	kind := r.byte()
	cmd := r.command(kind)
	if err := r.end(); err != nil {
		return nil, fmt.Errorf("command of kind %d: %w", kind, err)
	}
	return cmd, nil
}

// command reads what follows the kind. The fields of a literal are read in the order in which they
// stand there.
func (r *reader) command(kind byte) Command {
	switch kind {
	case kindSignup:
		return Signup{Name: r.text(), Label: r.text(), Token: Token(r.token())}
	case kindLogin:
		return Login{Name: r.text(), Label: r.text(), Takeover: r.flag(), Token: Token(r.token())}
	case kindLogout:
		return Logout{}
	case kindPasswd:
		return Passwd{CloseOthers: r.flag()}
	case kindDeleteAccount:
		return DeleteAccount{}
	case kindSend:
		return Send{To: r.text(), ToUID: UID(r.number()), Body: r.text(), ReplyTo: r.number()}
	case kindVoid:
		return Void{}
	case kindHeard:
		return Heard{Items: r.heard()}
	case kindExpire:
		return Expire{Leases: r.lapses()}
	case kindCloseIdle:
		return CloseIdle{Devices: r.devices()}
	}
	r.fail(errKind)
	return nil
}

func (r *reader) heard() []HeardItem {
	n := r.count(19)
	list := make([]HeardItem, 0, n)
	for range n {
		item := HeardItem{Device: r.device(), Epoch: r.number(), Cursor: r.number()}
		item.Marks = r.marks()
		list = append(list, item)
	}
	return none(list)
}

func (r *reader) marks() []Mark {
	n := r.count(2)
	list := make([]Mark, 0, n)
	for range n {
		list = append(list, Mark{Conversation: ConversationID(r.number()), Seq: r.number()})
	}
	return none(list)
}

func (r *reader) lapses() []Lapse {
	n := r.count(17)
	list := make([]Lapse, 0, n)
	for range n {
		list = append(list, Lapse{Device: r.device(), Epoch: r.number()})
	}
	return none(list)
}

func (r *reader) devices() []DeviceID {
	n := r.count(16)
	list := make([]DeviceID, 0, n)
	for range n {
		list = append(list, r.device())
	}
	return none(list)
}

// none makes an empty list nil, so that what was encoded and what is decoded compare equal.
func none[T any](list []T) []T {
	if len(list) == 0 {
		return nil
	}
	return list
}

// DecodeEvidence reads evidence.
func DecodeEvidence(b []byte) (Evidence, error) {
	if len(b) == 0 {
		return Evidence{}, nil
	}
	r := reader{rest: b}
	ev := Evidence{Hash: r.text(), Version: r.number()}
	if ev == (Evidence{}) {
		r.fail(errCanonical)
	}
	if err := r.end(); err != nil {
		return Evidence{}, fmt.Errorf("evidence: %w", err)
	}
	return ev, nil
}

// DecodeResult reads a result.
func DecodeResult(b []byte) (Result, error) {
	r := reader{rest: b}
	m := r.number()
	if m > hasAll {
		r.fail(errKind)
	}
	res := r.result(m)
	if r.err == nil && mask(&res) != m {
		r.fail(errCanonical)
	}
	if err := r.end(); err != nil {
		return Result{}, fmt.Errorf("result: %w", err)
	}
	return res, nil
}

func (r *reader) result(m uint64) (res Result) {
	if m&hasCode != 0 {
		res.Code = Code(r.text())
	}
	res.UID = UID(r.some(m & hasUID))
	res.Recreated = unzigzag(r.some(m & hasRecreated))
	res.Epoch = r.some(m & hasEpoch)
	res.Cursor = r.some(m & hasCursor)
	res.Queued = r.some(m & hasQueued)
	if m&hasLabel != 0 {
		res.Label = r.text()
	}
	res.Since = unzigzag(r.some(m & hasSince))
	res.Conversation = ConversationID(r.some(m & hasConversation))
	res.Members[0] = UID(r.some(m & hasMembers))
	res.Members[1] = UID(r.some(m & hasMembers))
	res.Seq = r.some(m & hasSeq)
	res.Date = unzigzag(r.some(m & hasDate))
	if m&hasChain != 0 {
		copy(res.Chain[:], r.take(len(res.Chain)))
	}
	res.Sent = m&hasSent != 0
	res.Discarded = r.some(m & hasDiscarded)
	return res
}

// reader takes values off the front of its bytes. After the first error, which it keeps, all that
// follows is zero.
type reader struct {
	rest []byte
	err  error
}

func (r *reader) fail(err error) {
	if r.err == nil {
		r.err = err
	}
	r.rest = nil
}

// take gives the next n bytes, nil if they are not there.
func (r *reader) take(n int) []byte {
	if n > len(r.rest) {
		r.fail(errEnds)
		return nil
	}
	b := r.rest[:n]
	r.rest = r.rest[n:]
	return b
}

func (r *reader) byte() byte {
	if b := r.take(1); b != nil {
		return b[0]
	}
	return 0
}

func (r *reader) flag() bool {
	b := r.byte()
	if b > 1 {
		r.fail(errCanonical)
	}
	return b == 1
}

func (r *reader) number() uint64 {
	n, w := binary.Uvarint(r.rest)
	switch {
	case w == 0:
		r.fail(errEnds)
		return 0
	case w < 0, w > 1 && r.rest[w-1] == 0:
		r.fail(errCanonical)
		return 0
	}
	r.rest = r.rest[w:]
	return n
}

func (r *reader) some(has uint64) uint64 {
	if has == 0 {
		return 0
	}
	return r.number()
}

func (r *reader) text() string {
	n := r.number()
	if n > uint64(len(r.rest)) {
		r.fail(errEnds)
		return ""
	}
	return string(r.take(int(n)))
}

func (r *reader) device() (id DeviceID) {
	copy(id[:], r.take(len(id)))
	return id
}

func (r *reader) token() (t Token) {
	copy(t[:], r.take(len(t)))
	return t
}

// count reads how many things of at least size bytes follow.
func (r *reader) count(size int) int {
	n := r.number()
	if n > uint64(len(r.rest)/size) {
		r.fail(errEnds)
		return 0
	}
	return int(n)
}

func (r *reader) end() error {
	if r.err == nil && len(r.rest) != 0 {
		r.err = errTrailing
	}
	return r.err
}
