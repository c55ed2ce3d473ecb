package wire

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/proto"

	"parley/core/chat"
	"parley/core/raft"
	"parley/core/replica"
	"parley/core/row"
	"parley/core/session"
)

// over sends a message through its bytes, as the network would.
func over[M any, P interface {
	*M
	proto.Message
}](t testing.TB, m P) P {
	t.Helper()
	b, err := proto.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	to := P(new(M))
	if err := proto.Unmarshal(b, to); err != nil {
		t.Fatal(err)
	}
	return to
}

var (
	aChain = [16]byte{1, 2, 3}
	aMark  = raft.Mark{Index: 7, Term: 2, Chain: aChain, Time: -9}
	hash   = [32]byte{9, 8, 7}
)

var peerMessages = []replica.PeerMessage{
	{From: 1, To: 2, Raft: &raft.Message{Kind: raft.PreVote, From: 1, To: 2, Term: 3, Index: 4, LogTerm: 2, Transfer: true}},
	{From: 3, To: 1, Raft: &raft.Message{
		Kind: raft.Append, From: 3, To: 1, Term: 3, Index: 4, LogTerm: 2, Chain: aChain, Commit: 3, Round: 12,
		Entries: []raft.Entry{
			{Index: 5, Term: 3, Kind: raft.Noop, Time: 77, Chain: aChain},
			{Index: 6, Term: 3, Kind: raft.Command, Time: 78, Chain: [16]byte{5}, Data: []byte("data")},
		},
	}},
	{From: 1, To: 3, Raft: &raft.Message{Kind: raft.ReadIndexReply, From: 1, To: 3, Reject: true, ReadID: 1 << 60, Order: []raft.ID{2, 3}}},
	{From: 1, To: 2, Presence: &replica.Presence{Items: []chat.HeardItem{
		{Device: chat.DeviceID{1}, Epoch: 2, Cursor: 3, Marks: []chat.Mark{{Conversation: 4, Seq: 5}}},
		{Device: chat.DeviceID{2}},
	}}},
	{From: 1, To: 2, Chunk: &replica.Chunk{Mark: aMark, Digest: row.Digest{1, 2, 3, 1 << 63}, Whole: hash, Size: 10, Offset: 6, Data: []byte("tail")}},
	{From: 2, To: 1, ChunkAck: &replica.ChunkAck{Mark: aMark, Whole: hash, Next: 10, Done: true}},
}

// What one replica says to another arrives as it was said.
func TestPeerRoundTrip(t *testing.T) {
	for _, want := range peerMessages {
		got, err := DecodePeer(over(t, EncodePeer(&want)))
		if err != nil {
			t.Errorf("%+v: %v", want, err)
		} else if d := cmp.Diff(&want, got); d != "" {
			t.Error(d)
		}
	}
}

// An encoded message shares nothing with the core that the core may write to again.
func TestEncodePeerCopies(t *testing.T) {
	m := replica.PeerMessage{From: 1, To: 2, Raft: &raft.Message{
		Kind: raft.Append, Chain: aChain, Entries: []raft.Entry{{Index: 1, Chain: aChain}},
	}}
	w := EncodePeer(&m)
	*m.Raft = raft.Message{Entries: m.Raft.Entries}
	m.Raft.Entries[0] = raft.Entry{}
	got, err := DecodePeer(w)
	if err != nil || got.Raft.Chain != aChain || got.Raft.Entries[0].Chain != aChain {
		t.Errorf("got %+v, %v", got.Raft, err)
	}
}

var secrets = Secrets{Device: [32]byte{4, 2}, Password: "pass", NewPassword: "word"}

func calls() []replica.Call {
	token := chat.Token(TokenOf(secrets.Device))
	var list []replica.Call
	for _, c := range []chat.Command{
		chat.Signup{Name: "ada", Token: token, Label: "laptop"},
		chat.Login{Name: "ada", Token: token, Label: "laptop", Takeover: true},
		chat.Logout{}, chat.Passwd{CloseOthers: true}, chat.DeleteAccount{}, chat.Void{},
		chat.Send{To: "bob", ToUID: 3, Body: "hi\xff\x00", ReplyTo: 4},
	} {
		list = append(list, replica.Call{Command: c, DSeq: 5, Through: 4})
	}
	for _, q := range []replica.Query{
		replica.List{Prefix: "a", After: "ab", Limit: 3}, replica.Whoami{},
		replica.History{With: "bob", After: 1, Before: 2, Latest: true, Limit: 9},
		replica.History{Members: [2]chat.UID{1, 2}},
	} {
		list = append(list, replica.Call{Query: q, Stale: true})
	}
	for i := range list {
		list[i].ID, list[i].Device, list[i].Token = uint64(i+1), session.DeviceID{1, 2}, session.Token(token)
		list[i].Pos, list[i].Secret = replica.Pos{Epoch: 1, Index: 9}, true
	}
	return list
}

// What a client asks arrives as it was asked, its secrets apart.
func TestCallRoundTrip(t *testing.T) {
	for _, want := range calls() {
		w, err := EncodeCall(&want, &secrets)
		if err != nil {
			t.Fatal(err)
		}
		got, s, err := DecodeCall(over(t, w))
		if err != nil {
			t.Errorf("%+v: %v", want, err)
		} else if d := cmp.Diff(want, got) + cmp.Diff(secrets, s); d != "" {
			t.Error(d)
		}
	}
}

// The leader's own commands cannot be sent by a client.
func TestNoForeignCommands(t *testing.T) {
	for _, c := range []chat.Command{chat.Heard{}, chat.Expire{}, chat.CloseIdle{}} {
		if _, err := EncodeCall(&replica.Call{DSeq: 1, Command: c}, &secrets); err == nil {
			t.Errorf("%T was encoded", c)
		}
	}
}

// What no honest client sends is refused, with the field that is wrong.
func TestHostileCalls(t *testing.T) {
	for want, spoil := range map[string]func(*Call){
		"device: 15 bytes":                   func(w *Call) { w.Device = w.Device[:15] },
		"device: 0 bytes":                    func(w *Call) { w.Device = nil },
		"device secret: 33 bytes":            func(w *Call) { w.Secret = append(w.Secret, 1) },
		"a command needs a number":           func(w *Call) { w.Dseq = 0 },
		"a command cannot be stale":          func(w *Call) { w.Stale = true },
		"a query has no number":              func(w *Call) { w.What = &Call_Whoami{&Whoami{}} },
		"neither a command nor a query":      func(w *Call) { w.What = nil },
		"body: 131073 bytes":                 func(w *Call) { w.GetSend().Body = make([]byte, MaxBody+1) },
		"recipient: 1025 bytes":              func(w *Call) { w.GetSend().To = strings.Repeat("x", MaxText+1) },
		"recipient: not UTF-8":               func(w *Call) { w.GetSend().To = "\xff" },
		"password: 1025 bytes, at most 1024": func(w *Call) { w.Password = strings.Repeat("x", MaxText+1) },
		"name: 1025 bytes":                   func(w *Call) { w.What = &Call_Signup{&Signup{Name: strings.Repeat("x", MaxText+1)}} },
		"label: not UTF-8":                   func(w *Call) { w.What = &Call_Login{&Login{Label: "\xc3("}} },
	} {
		w, err := EncodeCall(&replica.Call{ID: 1, DSeq: 1, Command: chat.Send{To: "bob", Body: "hi"}}, &secrets)
		if err != nil {
			t.Fatal(err)
		}
		spoil(w)
		if _, _, err := DecodeCall(w); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %q", err, want)
		}
	}
}

// A part that is named but empty is no reason to fall over.
func TestEmptyParts(t *testing.T) {
	for _, w := range []*Call{
		{What: &Call_Send{}}, {What: &Call_Signup{}}, {What: &Call_Login{}}, {What: &Call_List{}}, {What: &Call_History{}}, nil,
	} {
		_, _, _ = DecodeCall(w)
	}
	for _, w := range []*PeerMessage{
		nil, {}, {Part: &PeerMessage_Raft{}}, {Part: &PeerMessage_Presence{}}, {Part: &PeerMessage_Chunk{}}, {Part: &PeerMessage_ChunkAck{}},
	} {
		if _, err := DecodePeer(w); err == nil && w.GetPart() == nil {
			t.Errorf("%v was read", w)
		}
	}
}

// Feeds are asked for, acknowledged, granted, filled and ended as meant.
func TestFeedRoundTrip(t *testing.T) {
	at := replica.Pos{Epoch: 1, Index: 9}
	attach := replica.Attach{Sub: 1, Device: session.DeviceID{3}, Token: TokenOf(secrets.Device), After: 4, Pos: at}
	ack := replica.Ack{Sub: 1, N: 5, Marks: []chat.Mark{{Conversation: 1, Seq: 2}}}
	attached := replica.Attached{Sub: 1, UID: 2, Epoch: 3, After: 4, Pos: at}
	closing := replica.Closing{Sub: 1, Why: replica.TakenOver, By: "phone", Pos: at}
	message := chat.Message{Index: 9, Conversation: 3, Seq: 1, Author: 2, Time: -1, Date: 5, Body: "\xff\x00", ReplyTo: 1, Chain: aChain}
	pushes := []replica.Push{
		{Sub: 1, Pos: at, Members: [2]chat.UID{1, 2}, Names: [2]string{"ada", "bob (deleted)"}, Recreated: 8, Message: &message,
			Event: chat.Event{Account: 1, N: 2, Kind: chat.MessageEvent, Index: 9, Conversation: 3, From: 1, To: 1}},
		{Sub: 1, Event: chat.Event{Account: 1, N: 3, Kind: chat.UndeliverableEvent, From: 1, To: 7}},
	}

	gotAttach, err := DecodeAttach(over(t, EncodeAttach(&attach, secrets.Device)))
	same(t, err, attach, gotAttach)
	gotAck, err := DecodeAck(over(t, EncodeAck(&ack)))
	same(t, err, ack, gotAck)
	same(t, nil, attached, DecodeAttached(over(t, EncodeAttached(&attached))))
	gotClosing, err := DecodeClosing(over(t, EncodeClosing(&closing)))
	same(t, err, closing, gotClosing)
	for _, p := range pushes {
		got, err := DecodePush(over(t, EncodePush(&p)))
		same(t, err, p, got)
	}
}

// Answers of every kind arrive as they were given.
func TestReplyRoundTrip(t *testing.T) {
	for _, want := range []replica.Reply{
		{ID: 1, Class: session.NotApplied, Code: string(replica.NotLeader), Leader: 2, AfterMs: 30, Expected: 4},
		{ID: 2, Class: session.Rejected, Code: string(chat.LoggedInElsewhere), Replayed: true, Pos: replica.Pos{Epoch: 1, Index: 5},
			Result: chat.Result{Code: chat.LoggedInElsewhere, Label: "laptop", Since: 99}},
		{ID: 3, Class: session.Applied, Result: chat.Result{UID: 1, Recreated: 2, Epoch: 3, Cursor: 4, Queued: 5, Conversation: 6,
			Members: [2]chat.UID{7, 8}, Seq: 9, Date: 10, Chain: aChain, Sent: true, Discarded: 11}},
		{ID: 4, Class: session.Applied, Page: &replica.Page{Names: []string{"ada", "bob"}, More: true}},
		{ID: 5, Class: session.Applied, Thread: &replica.Thread{Conversation: 6, Members: [2]chat.UID{1, 2}, Names: [2]string{"a", "b"},
			Messages: []chat.Message{{Seq: 1, Body: "x"}}, Last: 1}},
		{ID: 6, Class: session.Applied, Identity: &chat.Identity{UID: 1, Name: "ada", Epoch: 2, Label: "l", Cursor: 3, Queued: 4}},
	} {
		got, leader, err := DecodeReply(over(t, EncodeReply(&want, "h:1")))
		same(t, err, want, got)
		if leader != "h:1" {
			t.Errorf("leader is %q", leader)
		}
	}
}

func same[T any](t *testing.T, err error, want, got T) {
	t.Helper()
	if err != nil {
		t.Error(err)
	} else if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
}

// A proof is worth nothing for another link, another nonce, another secret or the other side.
func TestProofIsBound(t *testing.T) {
	hello := func(change func(*PeerHello)) *PeerHello {
		h := &PeerHello{Protocol: 1, Cluster: hash[:16], From: 1, To: 2, Boot: 3, Life: hash[:16]}
		change(h)
		return h
	}
	same := func(*PeerHello) {}
	s, n := []byte("s"), []byte("n")
	base := Prove(s, n, hello(same), nil)
	seen := map[string]string{string(base): "base"}
	for name, proof := range map[string][]byte{
		"secret":  Prove([]byte("t"), n, hello(same), nil),
		"nonce":   Prove(s, []byte("m"), hello(same), nil),
		"side":    Prove(s, n, hello(same), &PeerWelcome{}),
		"welcome": Prove(s, n, hello(same), &PeerWelcome{Boot: 1}),
		"life":    Prove(s, n, hello(same), &PeerWelcome{Life: hash[:16]}),
		"from":    Prove(s, n, hello(func(h *PeerHello) { h.From = 3 }), nil),
		"to":      Prove(s, n, hello(func(h *PeerHello) { h.To = 3 }), nil),
		"boot":    Prove(s, n, hello(func(h *PeerHello) { h.Boot = 4 }), nil),
		"bulk":    Prove(s, n, hello(func(h *PeerHello) { h.Bulk = true }), nil),
		"my life": Prove(s, n, hello(func(h *PeerHello) { h.Life = nil }), nil),
		"cluster": Prove(s, n, hello(func(h *PeerHello) { h.Cluster = nil }), nil),
	} {
		if other, dup := seen[string(proof)]; dup {
			t.Errorf("%s and %s have one proof", name, other)
		}
		seen[string(proof)] = name
	}
	if string(base) != string(Prove(s, n, hello(same), nil)) {
		t.Error("a proof cannot be repeated")
	}
}

// Whatever bytes come from a peer, reading them gives a message or an error; what is read can be
// said again and is then read the same.
func FuzzPeerFrame(f *testing.F) {
	for _, m := range peerMessages {
		b, _ := proto.Marshal(&PeerFrame{Messages: []*PeerMessage{EncodePeer(&m)}})
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		var frame PeerFrame
		if proto.Unmarshal(b, &frame) != nil {
			return
		}
		for _, w := range frame.Messages {
			m, err := DecodePeer(w)
			if err != nil {
				continue
			}
			again, err := DecodePeer(over(t, EncodePeer(m)))
			same(t, err, m, again)
		}
	})
}

// The same for clients.
func FuzzClientFrame(f *testing.F) {
	for _, c := range calls() {
		w, _ := EncodeCall(&c, &secrets)
		b, _ := proto.Marshal(&ClientFrame{
			Calls: []*Call{w}, Attaches: []*Attach{EncodeAttach(&replica.Attach{Sub: 1}, secrets.Device)},
			Acks: []*Ack{EncodeAck(&replica.Ack{Marks: []chat.Mark{{Seq: 1}}})}, Detaches: []*Detach{{Sub: 1}},
		})
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		var frame ClientFrame
		if proto.Unmarshal(b, &frame) != nil || CheckClientFrame(&frame) != nil {
			return
		}
		for _, w := range frame.Calls {
			c, s, err := DecodeCall(w)
			if err != nil {
				continue
			}
			encoded, err := EncodeCall(&c, &s)
			if err != nil {
				t.Fatal(err)
			}
			again, _, err := DecodeCall(over(t, encoded))
			same(t, err, c, again)
		}
		for _, w := range frame.Attaches {
			_, _ = DecodeAttach(w)
		}
		for _, w := range frame.Acks {
			_, _ = DecodeAck(w)
		}
	})
}

// The same for what a client hears.
func FuzzServerFrame(f *testing.F) {
	b, _ := proto.Marshal(&ServerFrame{
		Attached: []*Attached{{Sub: 1}}, Closings: []*Closing{{Sub: 1, Why: 1}},
		Pushes: []*Push{{Event: &Event{Kind: 1}, Message: &Message{Body: []byte("x")}}},
		Replies: []*Reply{EncodeReply(&replica.Reply{
			ID: 1, Code: "E_X", Result: chat.Result{UID: 1}, Page: &replica.Page{Names: []string{"a"}},
			Thread: &replica.Thread{Messages: []chat.Message{{Seq: 1}}}, Identity: &chat.Identity{UID: 1},
		}, "h:1")},
	})
	f.Add(b)
	f.Fuzz(func(t *testing.T, b []byte) {
		var frame ServerFrame
		if proto.Unmarshal(b, &frame) != nil {
			return
		}
		for _, w := range frame.Replies {
			if r, leader, err := DecodeReply(w); err == nil {
				again, _, err := DecodeReply(over(t, EncodeReply(&r, leader)))
				same(t, err, r, again)
			}
		}
		for _, w := range frame.Pushes {
			if p, err := DecodePush(w); err == nil {
				again, err := DecodePush(over(t, EncodePush(&p)))
				same(t, err, p, again)
			}
		}
		for _, w := range frame.Closings {
			_, _ = DecodeClosing(w)
		}
		for _, w := range frame.Attached {
			_ = DecodeAttached(w)
		}
	})
}

// The head of a backup comes back as it went, and a bad one is refused.
func TestBackupHead(t *testing.T) {
	s := replica.Snapshot{Mark: raft.Mark{Index: 9, Term: 3, Chain: raft.Chain{7}, Time: 5}, Data: []byte("rows")}
	s.Digest[2] = 11
	got, size, err := DecodeBackupHead(EncodeBackupHead(&s))
	if err != nil || got.Mark != s.Mark || got.Digest != s.Digest || size != 4 {
		t.Errorf("%+v with %d bytes came back as %+v with %d: %v", s, len(s.Data), got, size, err)
	}
	for _, bad := range []*BackupHead{nil, {}, {Mark: &RaftMark{}, Digest: []uint64{1, 2, 3}},
		{Mark: &RaftMark{}, Digest: make([]uint64, 5)}, {Mark: &RaftMark{Chain: []byte{1}}, Digest: make([]uint64, 4)}} {
		if _, _, err := DecodeBackupHead(bad); err == nil {
			t.Errorf("%v is accepted as the head of a backup", bad)
		}
	}
}
