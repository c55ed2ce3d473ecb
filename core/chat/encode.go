package chat

import (
	"crypto/sha256"
	"encoding/binary"
)

// # Bytes
//
// A number is a uvarint in its shortest form; a signed one is zigzagged first. A text is its length
// in bytes, a number, then the bytes, which may be any. A flag is one byte, 0 or 1. Ids of devices,
// tokens and chains are as they are. What a decoder takes is what the encoder gives for some value:
// one value, one encoding, and nothing behind it.
//
// A command is its kind, one byte, then
//
//	 1 Signup         name text, label text, token 32 bytes
//	 2 Login          name text, label text, takeover flag, token 32 bytes
//	 3 Logout
//	 4 Passwd         close others flag
//	 5 DeleteAccount
//	 6 Send           to text, to uid number, body text, reply to number
//	 7 Void
//	64 Heard          count number, then for each: device 16 bytes, epoch, cursor, count of marks
//	                  numbers, and for each of those: conversation, seq numbers
//	65 Expire         count number, then for each: device 16 bytes, epoch number
//	66 CloseIdle      count number, then for each: device 16 bytes
//
// Kinds below 64 are clients', those from 64 on the leader's own.
//
// Evidence is nothing at all when empty, else hash text, version number.
//
// A result is a number whose bits say which fields are not zero, then those fields in the order of
// their bits: code text, uid, recreated signed, epoch, cursor, queued numbers, label text, since
// signed, conversation, members two numbers, seq number, date signed, chain 16 bytes, sent (the bit
// says it all), discarded number.
const (
	kindSignup byte = iota + 1
	kindLogin
	kindLogout
	kindPasswd
	kindDeleteAccount
	kindSend
	kindVoid

	kindHeard byte = iota + 57
	kindExpire
	kindCloseIdle
)

// Bounds of what is encoded. They keep a decoder from believing what hostile bytes claim.
const (
	// MaxCommand is how long a command's bytes may be; the door must not let longer ones into the
	// log, for no replica would read them.
	MaxCommand = 1 << 20
	// MaxItems is how many devices the leader should put into one command of its own.
	MaxItems = 1000
)

// EncodeCommand gives a command its bytes.
func EncodeCommand(cmd Command) []byte { return AppendCommand(nil, cmd) }

// AppendCommand appends the bytes of a command.
func AppendCommand(b []byte, cmd Command) []byte {
	switch c := cmd.(type) {
	case Signup:
		b = appendText(appendText(append(b, kindSignup), c.Name), c.Label)
		return append(b, c.Token[:]...)
	case Login:
		b = appendText(appendText(append(b, kindLogin), c.Name), c.Label)
		return append(appendFlag(b, c.Takeover), c.Token[:]...)
	case Logout:
		return append(b, kindLogout)
	case Passwd:
		return appendFlag(append(b, kindPasswd), c.CloseOthers)
	case DeleteAccount:
		return append(b, kindDeleteAccount)
	case Send:
		b = appendNumber(appendText(append(b, kindSend), c.To), uint64(c.ToUID))
		return appendNumber(appendText(b, c.Body), c.ReplyTo)
	case Void:
		return append(b, kindVoid)
	case Heard:
		return appendHeard(append(b, kindHeard), c)
	case Expire:
		b = appendNumber(append(b, kindExpire), uint64(len(c.Leases)))
		for i := range c.Leases {
			b = appendNumber(append(b, c.Leases[i].Device[:]...), c.Leases[i].Epoch)
		}
		return b
	case CloseIdle:
		b = appendNumber(append(b, kindCloseIdle), uint64(len(c.Devices)))
		for i := range c.Devices {
			b = append(b, c.Devices[i][:]...)
		}
		return b
	}
	panic("chat: encode a command of no known kind")
}

func appendHeard(b []byte, c Heard) []byte {
	b = appendNumber(b, uint64(len(c.Items)))
	for i := range c.Items {
		item := &c.Items[i]
		b = append(b, item.Device[:]...)
		b = appendNumber(appendNumber(b, item.Epoch), item.Cursor)
		b = appendNumber(b, uint64(len(item.Marks)))
		for _, m := range item.Marks {
			b = appendNumber(appendNumber(b, uint64(m.Conversation)), m.Seq)
		}
	}
	return b
}

// Fingerprint tells commands apart that were sent under one number: the first 8 bytes of the SHA-256
// of the command's bytes without the token, which stands at the end. The hash of a secret would help
// who wants to guess it.
func Fingerprint(command []byte) uint64 {
	if len(command) > len(Token{}) && (command[0] == kindSignup || command[0] == kindLogin) {
		command = command[:len(command)-len(Token{})]
	}
	sum := sha256.Sum256(command)
	return binary.BigEndian.Uint64(sum[:])
}

// AppendEvidence appends the bytes of ev.
func AppendEvidence(b []byte, ev Evidence) []byte {
	if ev == (Evidence{}) {
		return b
	}
	return appendNumber(appendText(b, ev.Hash), ev.Version)
}

// The bits of a result's mask, in the order of the fields.
const (
	hasCode = 1 << iota
	hasUID
	hasRecreated
	hasEpoch
	hasCursor
	hasQueued
	hasLabel
	hasSince
	hasConversation
	hasMembers
	hasSeq
	hasDate
	hasChain
	hasSent
	hasDiscarded

	hasAll = 1<<iota - 1
)

func mask(r *Result) (m uint64) {
	for i, has := range [...]bool{
		r.Code != "", r.UID != 0, r.Recreated != 0, r.Epoch != 0, r.Cursor != 0, r.Queued != 0,
		r.Label != "", r.Since != 0, r.Conversation != 0, r.Members != [2]UID{}, r.Seq != 0,
		r.Date != 0, r.Chain != Chain{}, r.Sent, r.Discarded != 0,
	} {
		if has {
			m |= 1 << i
		}
	}
	return m
}

// AppendResult appends the bytes of r.
func AppendResult(b []byte, r Result) []byte {
	m := mask(&r)
	b = appendNumber(b, m)
	if m&hasCode != 0 {
		b = appendText(b, string(r.Code))
	}
	b = appendSome(b, m&hasUID, uint64(r.UID))
	b = appendSome(b, m&hasRecreated, zigzag(r.Recreated))
	b = appendSome(b, m&hasEpoch, r.Epoch)
	b = appendSome(b, m&hasCursor, r.Cursor)
	b = appendSome(b, m&hasQueued, r.Queued)
	if m&hasLabel != 0 {
		b = appendText(b, r.Label)
	}
	b = appendSome(b, m&hasSince, zigzag(r.Since))
	b = appendSome(b, m&hasConversation, uint64(r.Conversation))
	b = appendSome(b, m&hasMembers, uint64(r.Members[0]))
	b = appendSome(b, m&hasMembers, uint64(r.Members[1]))
	b = appendSome(b, m&hasSeq, r.Seq)
	b = appendSome(b, m&hasDate, zigzag(r.Date))
	if m&hasChain != 0 {
		b = append(b, r.Chain[:]...)
	}
	return appendSome(b, m&hasDiscarded, r.Discarded)
}

func appendSome(b []byte, has, n uint64) []byte {
	if has == 0 {
		return b
	}
	return appendNumber(b, n)
}

func appendNumber(b []byte, n uint64) []byte { return binary.AppendUvarint(b, n) }

func appendText(b []byte, s string) []byte { return append(appendNumber(b, uint64(len(s))), s...) }

func appendFlag(b []byte, v bool) []byte {
	if v {
		return append(b, 1)
	}
	return append(b, 0)
}

func zigzag(v int64) uint64   { return uint64(v)<<1 ^ uint64(v>>63) }
func unzigzag(u uint64) int64 { return int64(u>>1) ^ -int64(u&1) }
