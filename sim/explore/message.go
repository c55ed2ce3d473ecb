package explore

import (
	"fmt"

	"parley/core/raft"
)

// message is one that was sent in some state; equal ones are the same.
type message struct {
	body raft.Message
	link uint32 // from whom to whom
	text string
}

// internMessage gives equal messages one number.
func (x *explorer) internMessage(m raft.Message) uint32 {
	k := hashMessage(&m)
	if id, ok := x.messageIDs[k]; ok {
		return id
	}
	id := uint32(len(x.messages))
	x.messages = append(x.messages, message{body: m, link: uint32(m.From)<<8 | uint32(m.To),
		text: fmt.Sprintf("%v [%08x]", &m, uint32(k[0]))})
	x.messageIDs[k] = id
	return id
}

func hashMessage(m *raft.Message) key {
	h := newHash()
	for _, v := range []uint64{uint64(m.Kind), uint64(m.From), uint64(m.To), uint64(m.Term), uint64(m.Index), uint64(m.LogTerm),
		uint64(m.Commit), m.Round, m.ReadID, bit(m.Reject), bit(m.Transfer)} {
		h.add(v)
	}
	h.chain(m.Chain)
	h.entries(m.Entries)
	for _, id := range m.Order {
		h.add(uint64(id))
	}
	return h.key
}

func bit(b bool) uint64 {
	if b {
		return 1
	}
	return 0
}
