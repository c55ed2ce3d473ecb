package chat

import (
	"bytes"
	"encoding/hex"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
)

var rewrite = flag.Bool("rewrite", false, "rewrite the golden files")

func commands() []Command {
	token := Token(bytes.Repeat([]byte{0xab}, 32))
	return []Command{
		Signup{Name: "Ada", Token: token, Label: "laptop"},
		Signup{},
		Login{Name: "ada", Token: token, Label: "phone"},
		Login{Name: "ada", Token: token, Takeover: true},
		Logout{},
		Passwd{},
		Passwd{CloseOthers: true},
		DeleteAccount{},
		Send{To: "bob", Body: "hi"},
		Send{To: "b\xff\x00", ToUID: 1 << 63, Body: strings.Repeat("é", 70), ReplyTo: 300},
		Void{},
		Heard{},
		Heard{Items: []HeardItem{
			{Device: dev("a"), Epoch: 1, Cursor: 128},
			{Device: dev("b"), Epoch: 2, Marks: []Mark{{Conversation: 7, Seq: 1 << 40}, {}}},
		}},
		Expire{},
		Expire{Leases: []Lapse{{Device: dev("a"), Epoch: 3}}},
		CloseIdle{},
		CloseIdle{Devices: []DeviceID{dev("a"), dev("b")}},
	}
}

func evidences() []Evidence {
	return []Evidence{{}, {Version: 12}, {Hash: "$argon2id$x"}, {Hash: "$argon2id$x", Version: 1 << 63}}
}

func results() []Result {
	return []Result{
		{},
		{Code: NoSuchUser},
		{UID: 12, Recreated: -1},
		{UID: 12, Epoch: 3, Cursor: 500, Queued: 2},
		{Code: LoggedInElsewhere, Label: "phone", Since: 1_700_000_000_000},
		{Conversation: 40, Members: [2]UID{12, 30}, Seq: 9, Date: 1_700_000_000_000, Chain: Chain{1, 2}, Sent: true},
		{Discarded: 10},
		{
			Code: Recreated, UID: 1, Recreated: 1, Epoch: 1, Cursor: 1, Queued: 1, Label: "x", Since: 1,
			Conversation: 1, Members: [2]UID{0, 1}, Seq: 1, Date: 1, Chain: Chain{15: 1}, Sent: true, Discarded: 1,
		},
	}
}

// golden compares lines with testdata/name.golden: bytes that were once written stay readable.
func golden(t *testing.T, name string, lines []string) {
	t.Helper()
	path := filepath.Join("testdata", name+".golden")
	got := strings.Join(lines, "\n") + "\n"
	if *rewrite {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	equal(t, path, got, string(want))
}

// Every command, evidence and result comes back from its bytes as it was, and the bytes are those of
// the golden files.
func TestGoldenBytes(t *testing.T) {
	var lines []string
	for _, cmd := range commands() {
		b := EncodeCommand(cmd)
		lines = append(lines, fmt.Sprintf("%x fingerprint %016x %T", b, Fingerprint(b), cmd))
		got, err := DecodeCommand(b)
		if err != nil || !reflect.DeepEqual(got, cmd) {
			t.Fatalf("%+v came back as %+v, %v", cmd, got, err)
		}
	}
	golden(t, "command", lines)

	lines = nil
	for _, ev := range evidences() {
		b := AppendEvidence(nil, ev)
		lines = append(lines, fmt.Sprintf("%x %+v", b, ev))
		got, err := DecodeEvidence(b)
		equal(t, "error", err, nil)
		equal(t, "evidence", got, ev)
	}
	golden(t, "evidence", lines)

	lines = nil
	for _, r := range results() {
		b := AppendResult(nil, r)
		lines = append(lines, fmt.Sprintf("%x %s", b, r.Code))
		got, err := DecodeResult(b)
		equal(t, "error", err, nil)
		equal(t, "result", got, r)
	}
	golden(t, "result", lines)
}

// Every strict prefix of good bytes is refused, and so are good bytes with something behind them.
func TestCutAndTrailing(t *testing.T) {
	check := func(what string, b []byte, decode func([]byte) error, shortest int) {
		t.Helper()
		for n := shortest; n < len(b); n++ {
			if decode(b[:n]) == nil {
				t.Fatalf("%s: took %d of %d bytes", what, n, len(b))
			}
		}
		if decode(append(bytes.Clone(b), 0)) == nil {
			t.Fatalf("%s: took a byte behind the end", what)
		}
	}
	for _, cmd := range commands() {
		check(fmt.Sprintf("%T", cmd), EncodeCommand(cmd), func(b []byte) error { _, err := DecodeCommand(b); return err }, 0)
	}
	for _, ev := range evidences() {
		check("evidence", AppendEvidence(nil, ev), func(b []byte) error { _, err := DecodeEvidence(b); return err }, 1)
	}
	for _, r := range results() {
		check("result", AppendResult(nil, r), func(b []byte) error { _, err := DecodeResult(b); return err }, 0)
	}
}

// There is one encoding for each value: everything else is refused, and huge claims cost nothing.
func TestNotCanonical(t *testing.T) {
	token := strings.Repeat("00", 32)
	for _, c := range []struct{ hex, why string }{
		{"", "ends too early"},
		{"00", "unknown kind"},
		{"08", "unknown kind"},
		{"3f", "unknown kind"},
		{"43", "unknown kind"},
		{"0402", "not in canonical form"},           // a flag of 2
		{"06810000000000", "not in canonical form"}, // a length in two bytes
		{"01ffffffffffffffffff7f0000" + token, "not in canonical form"},
		{"01ffffffffffffffff7f00" + token, "ends too early"},
		{"40ffffff7f", "ends too early"},
		{"41ffffffffffffffff7f", "ends too early"},
		{"42ffffffffffffff7f", "ends too early"},
		{"40018000", "ends too early"},
		{"0500", "bytes behind the end"},
	} {
		b, _ := hex.DecodeString(c.hex)
		if _, err := DecodeCommand(b); err == nil || !strings.HasSuffix(err.Error(), c.why) {
			t.Errorf("%s: got %v, want %s", c.hex, err, c.why)
		}
	}
	if _, err := DecodeCommand(make([]byte, MaxCommand+1)); err == nil {
		t.Error("took more than MaxCommand bytes")
	}
	for _, s := range []string{"", "0200", "8000", "0100", "80800100", "8004" + "0000", "808002", "8020" + strings.Repeat("00", 16)} {
		b, _ := hex.DecodeString(s)
		if r, err := DecodeResult(b); err == nil {
			t.Errorf("result %s: got %+v", s, r)
		}
	}
	if _, err := DecodeEvidence([]byte{0, 0}); err == nil {
		t.Error("took empty evidence of two bytes")
	}
}

// The fingerprint knows everything but the token, whose hash would help a guesser.
func TestFingerprint(t *testing.T) {
	of := func(cmd Command) uint64 { return Fingerprint(EncodeCommand(cmd)) }
	a := Login{Name: "ada", Label: "x", Token: Token{1}}
	b := a
	b.Token = Token{2}
	equal(t, "other token", of(a), of(b))
	b.Takeover = true
	equal(t, "other command", of(a) == of(b), false)
	equal(t, "signup", of(Signup{Name: "ada", Token: Token{1}}), of(Signup{Name: "ada"}))
	equal(t, "kinds differ", of(Logout{}) == of(Void{}), false)
	equal(t, "bodies differ", of(Send{Body: "a"}) == of(Send{Body: "b"}), false)
	Fingerprint(nil)
}

// Whatever a decoder takes is exactly what the encoder gives for it.
func FuzzDecodeCommand(f *testing.F) {
	for _, cmd := range commands() {
		f.Add(EncodeCommand(cmd))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		Fingerprint(b)
		cmd, err := DecodeCommand(b)
		if err != nil {
			return
		}
		if again := EncodeCommand(cmd); !bytes.Equal(again, b) {
			t.Fatalf("%x came back as %x", b, again)
		}
	})
}

func FuzzDecodeEvidence(f *testing.F) {
	for _, ev := range evidences() {
		f.Add(AppendEvidence(nil, ev))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		if ev, err := DecodeEvidence(b); err == nil && !bytes.Equal(AppendEvidence(nil, ev), b) {
			t.Fatalf("%x came back as %x", b, AppendEvidence(nil, ev))
		}
	})
}

func FuzzDecodeResult(f *testing.F) {
	for _, r := range results() {
		f.Add(AppendResult(nil, r))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		if r, err := DecodeResult(b); err == nil && !bytes.Equal(AppendResult(nil, r), b) {
			t.Fatalf("%x came back as %x", b, AppendResult(nil, r))
		}
	})
}

// Rows of messages and events come back as they were, and other rows are refused.
func TestRows(t *testing.T) {
	m := Message{
		Index: 1<<47 + 5, Conversation: 3, Seq: 9, Author: 1, Time: -4, Date: 5, Body: "x", ReplyTo: 1 << 63,
		Chain: Chain{1, 15: 2},
	}
	got, err := MessageOf(MessageRow(m))
	equal(t, "message", got, m)
	equal(t, "error", err, nil)
	e := Event{Account: 1, N: 2, Kind: CatchUpEvent, Index: 3, Conversation: 4, From: 5, To: 6}
	gotEvent, err := EventOf(EventRow(e))
	equal(t, "event", gotEvent, e)
	equal(t, "error", err, nil)

	if _, err := MessageOf(EventRow(e)); err == nil {
		t.Error("took an event for a message")
	}
	bad := MessageRow(m)
	bad.Values[8].Str += "x"
	if _, err := MessageOf(bad); err == nil {
		t.Error("took a chain of 17 bytes")
	}
	bad = EventRow(e)
	bad.Values[2].Int = 4
	if _, err := EventOf(bad); err == nil {
		t.Error("took an unknown kind")
	}
	bad.Values = bad.Values[:3]
	if _, err := EventOf(bad); err == nil {
		t.Error("took half a row")
	}
}

// Ranges ask for what they say.
func TestRanges(t *testing.T) {
	equal(t, "message", fmt.Sprintf("%+v", MessageRange(5, 1, 1<<63, true, 50)), fmt.Sprintf(
		"{Table:%p ByIndex:true Eq:5 From:1 To:9223372036854775807 Desc:true Limit:50}", messageTable))
	at := MessageAt(3)
	equal(t, "at", [2]int64{at.From, at.To}, [2]int64{3 << 16, 4<<16 - 1})
	feed := FeedRange(7, 2, 9, 4)
	equal(t, "feed", [5]int64{feed.Eq, feed.From, feed.To, int64(feed.Limit)}, [5]int64{7, 2, 9, 4})
}
