package main

import (
	"parley/core/chat"
	"parley/core/replica"
)

// event is one thing that the feed told, with all that is needed to show it. Its JSON is the format
// of the inbox file.
type event struct {
	N         uint64    `json:"n"` // place in the feed; 0: not from the feed
	Epoch     uint64    `json:"epoch"`
	Pos       uint64    `json:"pos"`
	Kind      string    `json:"kind"`
	Me        uint64    `json:"me"`
	Members   [2]uint64 `json:"members"`
	Names     [2]string `json:"names"`
	Seq       uint64    `json:"seq"`
	To        uint64    `json:"to,omitempty"` // undeliverable: messages Seq to To
	From      uint64    `json:"from,omitempty"`
	Date      int64     `json:"date,omitempty"`
	Body      string    `json:"body,omitempty"`
	ReplyTo   uint64    `json:"reply,omitempty"`
	Recreated int64     `json:"recreated,omitempty"`
	More      bool      `json:"more,omitempty"` // N is not complete without what follows
}

// The kinds of events.
const (
	kindMessage       = "msg"
	kindUndeliverable = "undeliverable"
)

// peer is the name of whom the conversation is with: one's own, of a note to oneself.
func (e *event) peer() string {
	if e.Members[0] == e.Me {
		return e.Names[1]
	}
	return e.Names[0]
}

// mine reports whether I said it; a note to oneself counts as received.
func (e *event) mine() bool { return e.From == e.Me && e.Members[0] != e.Members[1] }

// author is the name of who said it.
func (e *event) author() string {
	if e.From == e.Members[0] {
		return e.Names[0]
	}
	return e.Names[1]
}

// messageEvent is a message as it stands in a conversation.
func messageEvent(me chat.UID, members [2]chat.UID, names [2]string, pos replica.Pos, m *chat.Message) event {
	return event{
		Epoch: pos.Epoch, Pos: m.Index, Kind: kindMessage, Me: uint64(me),
		Members: [2]uint64{uint64(members[0]), uint64(members[1])}, Names: names,
		Seq: m.Seq, From: uint64(m.Author), Date: m.Date, Body: m.Body, ReplyTo: m.ReplyTo,
	}
}
