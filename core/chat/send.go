package chat

import (
	"crypto/sha256"
	"encoding/binary"
	"slices"
	"strings"
	"unicode/utf8"
)

// conversation is a direct conversation: of two accounts, or of one with itself.
type conversation struct {
	id      ConversationID
	members [2]*account // by uid; the same twice for a conversation with oneself
	last    uint64      // number of its last message
	chain   Chain       // of its last message
	sides   [2]side     // what differs between the members; with oneself only the first counts
	dirty   bool
}

// side is one member's part in a conversation.
type side struct {
	// delivered is how far the member's devices have stored the messages. It only grows.
	// Invariant: delivered ≤ last.
	delivered uint64
	// deferred, if not 0, is the first message that found the member's feed full. All from there to
	// the last one wait: whoever has a full feed gets nothing, and only the own messages are not
	// refused.
	deferred uint64
}

func pairOf(a, b UID) [2]UID { return [2]UID{min(a, b), max(a, b)} }

func (c *conversation) side(a *account) *side {
	if c.members[0] == a {
		return &c.sides[0]
	}
	return &c.sides[1]
}

// partner is the other member, a itself in a conversation with oneself.
func (c *conversation) partner(a *account) *account {
	if c.members[0] == a {
		return c.members[1]
	}
	return c.members[0]
}

func (c *conversation) uids() [2]UID { return [2]UID{c.members[0].uid, c.members[1].uid} }

// send says something to an account: a message row, and one event for every member.
func (s *State) send(at Stamp, d *device, c *Send, out *Outcome) {
	from, to := d.owner, s.recipient(c.To)
	if out.Result = s.refuseSend(from, to, c); out.Result.Code != OK {
		return
	}
	conv := s.conversation(at, from, to)
	m := s.say(at, conv, from, c)
	out.Message = m
	out.Effects = append(out.Effects, s.insertMessage(m))
	e := Event{Kind: MessageEvent, Index: at.Index, Conversation: conv.id, From: m.Seq, To: m.Seq}
	if from.queued() < s.queueLimit() {
		s.tell(from, e, out)
	} else {
		s.postpone(conv, from)
	}
	if to != from {
		s.tell(to, e, out)
	}
	out.Result = Result{
		Conversation: conv.id, Members: conv.uids(), Seq: m.Seq, Date: m.Date, Chain: m.Chain,
		Sent: to.holder() != nil, Recreated: conv.recreated(from, m.Seq),
	}
}

// recipient is the account now called name, nil if there is none.
func (s *State) recipient(name string) *account { return s.names[fold(name)] }

func (s *State) refuseSend(from, to *account, c *Send) Result {
	switch {
	case to == nil:
		return Result{Code: NoSuchUser}
	case c.ToUID != 0 && c.ToUID != to.uid:
		return Result{Code: Recreated, Recreated: to.recreated}
	}
	if code := s.refuseBody(c.Body); code != OK {
		return Result{Code: code}
	}
	if to.queued() >= s.queueLimit() {
		return Result{Code: QueueFull}
	}
	return Result{}
}

func (s *State) refuseBody(body string) Code {
	switch {
	case body == "":
		return Empty
	case strings.IndexByte(body, 0) >= 0 || !utf8.ValidString(body):
		return BadText
	case len(body) > s.settings.MaxBody:
		return TooLarge
	}
	return OK
}

// conversation finds or opens the conversation of two accounts.
func (s *State) conversation(at Stamp, a, b *account) *conversation {
	pair := pairOf(a.uid, b.uid)
	if c := s.pairs[pair]; c != nil {
		return c
	}
	c := &conversation{id: ConversationID(at.Index), members: [2]*account{a, b}}
	if a.uid > b.uid {
		c.members = [2]*account{b, a}
	}
	s.addConversation(c)
	return c
}

// addConversation enters c into the indexes; ids only grow.
func (s *State) addConversation(c *conversation) {
	s.conversations = append(s.conversations, c)
	s.byID[c.id] = c
	s.pairs[c.uids()] = c
	for i, a := range c.members {
		if i == 1 && a == c.members[0] || a.ended != 0 {
			continue
		}
		a.conversations = append(a.conversations, c)
		if c.side(a).deferred != 0 {
			a.deferred = append(a.deferred, c)
		}
	}
}

// say numbers a message and chains it.
func (s *State) say(at Stamp, conv *conversation, from *account, c *Send) *Message {
	conv.last++
	s.chained = appendLink(s.chained[:0], conv.chain, conv.last, from.uid, c.Body)
	conv.chain = sumLink(s.chained)
	s.touchConversation(conv)
	return &Message{
		Index: at.Index, Conversation: conv.id, Seq: conv.last, Author: from.uid,
		Time: at.Time, Date: at.Date, Body: c.Body, ReplyTo: c.ReplyTo, Chain: conv.chain,
	}
}

// Next is the chain after one more message: SHA-256 of the chain so far (16 bytes, zero at the
// start), seq and author (8 bytes each, big-endian) and the body, cut to 16 bytes.
func (c Chain) Next(seq uint64, author UID, body string) Chain {
	return sumLink(appendLink(nil, c, seq, author, body))
}

func appendLink(b []byte, c Chain, seq uint64, author UID, body string) []byte {
	b = append(b, c[:]...)
	b = binary.BigEndian.AppendUint64(b, seq)
	b = binary.BigEndian.AppendUint64(b, uint64(author))
	return append(b, body...)
}

func sumLink(link []byte) Chain {
	sum := sha256.Sum256(link)
	return Chain(sum[:16])
}

// recreated is what warns a member that a partner's name was another's before: with the first
// message, the date at which that one ended; the partner's if there is one, else the member's own.
func (c *conversation) recreated(viewer *account, seq uint64) int64 {
	if seq != 1 {
		return 0
	}
	if p := c.partner(viewer); p.recreated != 0 {
		return p.recreated
	}
	return viewer.recreated
}

// postpone leaves a message out of its author's full feed until there is space.
func (s *State) postpone(c *conversation, a *account) {
	side := c.side(a)
	if side.deferred != 0 {
		return
	}
	side.deferred = c.last
	i, _ := slices.BinarySearchFunc(a.deferred, c.id, compareConversation)
	a.deferred = slices.Insert(a.deferred, i, c)
}
