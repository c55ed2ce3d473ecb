package wire

import (
	"fmt"

	"parley/core/chat"
	"parley/core/raft"
	"parley/core/replica"
	"parley/core/session"
)

// EncodeReply makes an answer ready to be sent; leader is the address of r.Leader, if known.
func EncodeReply(r *replica.Reply, leader string) *Reply {
	w := &Reply{
		Id: r.ID, Class: Class(r.Class), Code: r.Code, Epoch: r.Pos.Epoch, Index: uint64(r.Pos.Index),
		Leader: uint64(r.Leader), LeaderAddress: leader,
		AfterMs: r.AfterMs, Expected: r.Expected, Replayed: r.Replayed,
	}
	if r.Result != (chat.Result{}) {
		w.Result = encodeResult(&r.Result)
	}
	if r.Page != nil {
		w.Page = &Page{Names: clone(r.Page.Names), More: r.Page.More}
	}
	if r.Thread != nil {
		w.Thread = encodeThread(r.Thread)
	}
	if id := r.Identity; id != nil {
		w.Identity = &Identity{
			Uid: uint64(id.UID), Name: id.Name, Epoch: id.Epoch, Label: id.Label,
			Cursor: id.Cursor, Queued: id.Queued,
		}
	}
	return w
}

// DecodeReply reads an answer, and the address of the leader it names.
func DecodeReply(w *Reply) (r replica.Reply, leader string, err error) {
	r = replica.Reply{
		ID: w.GetId(), Class: session.Class(w.GetClass()), Code: w.GetCode(),
		Pos: pos(w.GetEpoch(), w.GetIndex()), Leader: raft.ID(w.GetLeader()),
		AfterMs: w.GetAfterMs(), Expected: w.GetExpected(), Replayed: w.GetReplayed(),
	}
	if w.GetClass() < Class_CLASS_UNKNOWN || w.GetClass() > Class_CLASS_NOT_APPLIED {
		return replica.Reply{}, "", fmt.Errorf("reply %d: class %d is not known", r.ID, w.GetClass())
	}
	if err = code(r.Code); err == nil {
		err = text("leader address", w.GetLeaderAddress())
	}
	if err == nil && w.Result != nil {
		r.Result, err = decodeResult(w.Result)
	}
	if err == nil && w.Page != nil {
		r.Page, err = decodePage(w.Page)
	}
	if err == nil && w.Thread != nil {
		r.Thread, err = decodeThread(w.Thread)
	}
	if err == nil && w.Identity != nil {
		r.Identity, err = decodeIdentity(w.Identity)
	}
	if err != nil {
		return replica.Reply{}, "", fmt.Errorf("reply %d: %w", w.GetId(), err)
	}
	return r, w.GetLeaderAddress(), nil
}

// code refuses what no error code looks like: codes are shown to people as they are.
func code(s string) error {
	if len(s) > 64 {
		return fmt.Errorf("code: %d bytes, at most 64", len(s))
	}
	for i := range len(s) {
		if c := s[i]; (c < 'A' || c > 'Z') && c != '_' {
			return fmt.Errorf("code: byte %#x in it", c)
		}
	}
	return nil
}

func encodeResult(r *chat.Result) *Result {
	return &Result{
		Code: string(r.Code), Uid: uint64(r.UID), Recreated: r.Recreated, Epoch: r.Epoch, Cursor: r.Cursor,
		Queued: r.Queued, Label: r.Label, Since: r.Since, Conversation: uint64(r.Conversation),
		MemberA: uint64(r.Members[0]), MemberB: uint64(r.Members[1]), Seq: r.Seq, Date: r.Date,
		Chain: short(r.Chain), Sent: r.Sent, Discarded: r.Discarded,
	}
}

func decodeResult(w *Result) (chat.Result, error) {
	r := chat.Result{
		Code: chat.Code(w.GetCode()), UID: chat.UID(w.GetUid()), Recreated: w.GetRecreated(),
		Epoch: w.GetEpoch(), Cursor: w.GetCursor(), Queued: w.GetQueued(), Label: w.GetLabel(),
		Since: w.GetSince(), Conversation: chat.ConversationID(w.GetConversation()),
		Members: members(w.GetMemberA(), w.GetMemberB()), Seq: w.GetSeq(), Date: w.GetDate(),
		Sent: w.GetSent(), Discarded: w.GetDiscarded(),
	}
	if err := code(w.GetCode()); err != nil {
		return chat.Result{}, fmt.Errorf("result: %w", err)
	}
	if err := text("label", r.Label); err != nil {
		return chat.Result{}, err
	}
	if err := fill("result chain", r.Chain[:], w.GetChain()); err != nil {
		return chat.Result{}, err
	}
	return r, nil
}

func decodePage(w *Page) (*replica.Page, error) {
	if err := atMost("names", len(w.GetNames()), MaxPage); err != nil {
		return nil, err
	}
	for _, name := range w.GetNames() {
		if err := text("name", name); err != nil {
			return nil, err
		}
	}
	return &replica.Page{Names: clone(w.GetNames()), More: w.GetMore()}, nil
}

func encodeThread(t *replica.Thread) *Thread {
	w := &Thread{
		Conversation: uint64(t.Conversation), MemberA: uint64(t.Members[0]), MemberB: uint64(t.Members[1]),
		NameA: t.Names[0], NameB: t.Names[1], Last: t.Last, Messages: make([]*Message, len(t.Messages)),
	}
	for i := range t.Messages {
		w.Messages[i] = encodeMessage(&t.Messages[i])
	}
	return w
}

func decodeThread(w *Thread) (*replica.Thread, error) {
	t := &replica.Thread{
		Conversation: chat.ConversationID(w.GetConversation()), Members: members(w.GetMemberA(), w.GetMemberB()),
		Names: [2]string{w.GetNameA(), w.GetNameB()}, Last: w.GetLast(),
	}
	if err := atMost("messages", len(w.GetMessages()), MaxPage); err != nil {
		return nil, err
	}
	if err := names(t.Names); err != nil {
		return nil, err
	}
	for _, m := range w.GetMessages() {
		message, err := decodeMessage(m)
		if err != nil {
			return nil, err
		}
		t.Messages = append(t.Messages, message)
	}
	return t, nil
}

func names(pair [2]string) error {
	for _, name := range pair {
		if err := text("member name", name); err != nil {
			return err
		}
	}
	return nil
}

func decodeIdentity(w *Identity) (*chat.Identity, error) {
	id := &chat.Identity{
		UID: chat.UID(w.GetUid()), Name: w.GetName(), Epoch: w.GetEpoch(), Label: w.GetLabel(),
		Cursor: w.GetCursor(), Queued: w.GetQueued(),
	}
	if err := text("name", id.Name); err != nil {
		return nil, err
	}
	return id, text("label", id.Label)
}

func encodeMessage(m *chat.Message) *Message {
	return &Message{
		Index: m.Index, Conversation: uint64(m.Conversation), Seq: m.Seq, Author: uint64(m.Author),
		Time: m.Time, Date: m.Date, Body: []byte(m.Body), ReplyTo: m.ReplyTo, Chain: short(m.Chain),
	}
}

func decodeMessage(w *Message) (chat.Message, error) {
	m := chat.Message{
		Index: w.GetIndex(), Conversation: chat.ConversationID(w.GetConversation()), Seq: w.GetSeq(),
		Author: chat.UID(w.GetAuthor()), Time: w.GetTime(), Date: w.GetDate(), Body: string(w.GetBody()),
		ReplyTo: w.GetReplyTo(),
	}
	return m, fill("message chain", m.Chain[:], w.GetChain())
}

// EncodeAttached makes the grant of a feed ready to be sent.
func EncodeAttached(a *replica.Attached) *Attached {
	return &Attached{
		Sub: a.Sub, Uid: uint64(a.UID), DeviceEpoch: a.Epoch, After: a.After,
		Epoch: a.Pos.Epoch, Index: uint64(a.Pos.Index),
	}
}

// DecodeAttached reads the grant of a feed.
func DecodeAttached(w *Attached) replica.Attached {
	return replica.Attached{
		Sub: w.GetSub(), UID: chat.UID(w.GetUid()), Epoch: w.GetDeviceEpoch(), After: w.GetAfter(),
		Pos: pos(w.GetEpoch(), w.GetIndex()),
	}
}

// EncodePush makes an event of a feed ready to be sent.
func EncodePush(p *replica.Push) *Push {
	e := p.Event
	w := &Push{
		Sub: p.Sub, Epoch: p.Pos.Epoch, Index: uint64(p.Pos.Index),
		MemberA: uint64(p.Members[0]), MemberB: uint64(p.Members[1]),
		NameA: p.Names[0], NameB: p.Names[1], Recreated: p.Recreated,
		Event: &Event{
			Account: uint64(e.Account), N: e.N, Kind: EventKind(e.Kind), Index: e.Index,
			Conversation: uint64(e.Conversation), From: e.From, To: e.To,
		},
	}
	if p.Message != nil {
		w.Message = encodeMessage(p.Message)
	}
	return w
}

// DecodePush reads an event of a feed.
func DecodePush(w *Push) (replica.Push, error) {
	e := w.GetEvent()
	p := replica.Push{
		Sub: w.GetSub(), Pos: pos(w.GetEpoch(), w.GetIndex()),
		Members: members(w.GetMemberA(), w.GetMemberB()), Names: [2]string{w.GetNameA(), w.GetNameB()},
		Recreated: w.GetRecreated(),
		Event: chat.Event{
			Account: chat.UID(e.GetAccount()), N: e.GetN(), Kind: chat.EventKind(e.GetKind()), Index: e.GetIndex(),
			Conversation: chat.ConversationID(e.GetConversation()), From: e.GetFrom(), To: e.GetTo(),
		},
	}
	if err := checkPush(w); err != nil {
		return replica.Push{}, fmt.Errorf("event %d of feed %d: %w", e.GetN(), w.GetSub(), err)
	}
	if w.Message != nil {
		m, err := decodeMessage(w.Message)
		if err != nil {
			return replica.Push{}, err
		}
		p.Message = &m
	}
	return p, nil
}

func checkPush(w *Push) error {
	kind := w.GetEvent().GetKind()
	switch {
	case kind <= EventKind_EVENT_KIND_UNSPECIFIED || kind > EventKind_EVENT_KIND_CATCH_UP:
		return fmt.Errorf("kind %d is not known", kind)
	case (kind == EventKind_EVENT_KIND_MESSAGE) != (w.Message != nil):
		return fmt.Errorf("kind %d with a message: %t", kind, w.Message != nil)
	}
	return names([2]string{w.GetNameA(), w.GetNameB()})
}

// EncodeClosing makes the end of a feed ready to be sent.
func EncodeClosing(c *replica.Closing) *Closing {
	return &Closing{
		Sub: c.Sub, Why: Why(c.Why), By: c.By, Epoch: c.Pos.Epoch, Index: uint64(c.Pos.Index),
	}
}

// DecodeClosing reads the end of a feed.
func DecodeClosing(w *Closing) (replica.Closing, error) {
	if w.GetWhy() <= Why_WHY_UNSPECIFIED || w.GetWhy() > Why_WHY_OTHER_HISTORY {
		return replica.Closing{}, fmt.Errorf("end of feed %d: reason %d is not known", w.GetSub(), w.GetWhy())
	}
	c := replica.Closing{
		Sub: w.GetSub(), Why: replica.Why(w.GetWhy()), By: w.GetBy(), Pos: pos(w.GetEpoch(), w.GetIndex()),
	}
	return c, text("label", c.By)
}
