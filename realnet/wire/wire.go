// Package wire is what Parley says on the network: parley.proto, the code made from it, and the
// converters between the wire's types and those of the core.
//
// The rules of the room: an Encode function takes a core value and copies what the core may use
// again; a Decode function takes what anybody may have sent, believes nothing, and answers with an
// error that names the field. What is wrong with a *text* (a bad name, an empty body) is not the
// wire's to judge: the chat refuses it with a code of its own. The wire refuses what no honest
// program sends.
package wire

import (
	"errors"
	"fmt"
	"unicode/utf8"

	"parley/core/chat"
	"parley/core/raft"
	"parley/core/replica"
)

// Protocol is the version of this protocol; a server and a client of different ones part at once.
const Protocol = 1

// The largest things that may be sent. A frame is one gRPC message.
const (
	MaxFrame       = 8 << 20  // to a server
	MaxServerFrame = 64 << 20 // to a client: a page of long messages is one reply
	MaxItems       = 4096     // calls, attaches, acks or detaches in a frame
	MaxBody        = 128 << 10
	MaxText        = 1024 // bytes of a name, a prefix, a label, a password
	MaxMarks       = 16 << 10
	MaxEntries     = 64 << 10 // entries in a message between servers
	MaxHeard       = 64 << 10
	MaxPage        = 10_000 // names or messages in a reply
	IDLen          = 16     // clusters, devices, chains
	SecretLen      = 32
)

var errNil = errors.New("missing")

// fill copies src to dst, which must have its length. Nothing at all stands for zeros.
func fill(what string, dst, src []byte) error {
	if len(src) == 0 {
		clear(dst)
		return nil
	}
	return fillAll(what, dst, src)
}

func fillAll(what string, dst, src []byte) error {
	if len(src) != len(dst) {
		return fmt.Errorf("%s: %d bytes, want %d", what, len(src), len(dst))
	}
	copy(dst, src)
	return nil
}

func text(what, s string) error {
	if len(s) > MaxText {
		return fmt.Errorf("%s: %d bytes, at most %d", what, len(s), MaxText)
	}
	if !utf8.ValidString(s) {
		return fmt.Errorf("%s: not UTF-8", what)
	}
	return nil
}

func atMost(what string, n, limit int) error {
	if n > limit {
		return fmt.Errorf("%s: %d of them, at most %d", what, n, limit)
	}
	return nil
}

func short(chain chat.Chain) []byte {
	if chain == (chat.Chain{}) {
		return nil
	}
	return append([]byte(nil), chain[:]...)
}

func encodeMarks(marks []chat.Mark) []*Mark {
	if len(marks) == 0 {
		return nil
	}
	slab, list := make([]Mark, len(marks)), make([]*Mark, len(marks))
	for i, m := range marks {
		slab[i].Conversation, slab[i].Seq = uint64(m.Conversation), m.Seq
		list[i] = &slab[i]
	}
	return list
}

func decodeMarks(marks []*Mark) ([]chat.Mark, error) {
	if err := atMost("marks", len(marks), MaxMarks); err != nil {
		return nil, err
	}
	if len(marks) == 0 {
		return nil, nil
	}
	list := make([]chat.Mark, len(marks))
	for i, m := range marks {
		list[i] = chat.Mark{Conversation: chat.ConversationID(m.GetConversation()), Seq: m.GetSeq()}
	}
	return list, nil
}

func pos(epoch, index uint64) replica.Pos {
	return replica.Pos{Epoch: epoch, Index: raft.Index(index)}
}
