package main

import (
	"bytes"
	"flag"
	"os"
	"testing"

	"parley/core/chat"
	"parley/core/replica"
	"parley/core/session"
	lin "parley/linearizability"
	"parley/realnet"
)

var rewrite = flag.Bool("rewrite", false, "write the golden files anew")

// The JSON of every type, byte for byte: a contract.
func TestJSONGolden(t *testing.T) {
	theirs := event{N: 4, Pos: 10234, Kind: kindMessage, Me: 2, Members: [2]uint64{1, 2}, Names: [2]string{"alice", "bob"},
		Seq: 17, From: 1, Date: 1795341662345, Body: "hi"}
	hostile := theirs
	hostile.Body, hostile.ReplyTo, hostile.Recreated = "<a>&\"\\ \x1b[2J \u009b \u202e \u2028\n世界\x7f", 3, 1795341662000
	mine := theirs
	mine.From = 2
	lost := theirs
	lost.Kind, lost.To = kindUndeliverable, 19
	sent := replica.Reply{Pos: replica.Pos{Epoch: 1, Index: 77}, Result: chat.Result{Seq: 5, Date: 1795341662345, Sent: true, Chain: chat.Chain{1, 2, 3}}}
	queued := sent
	queued.Result.Sent = false

	var out bytes.Buffer
	for _, v := range []any{
		theirs.shape(), hostile.shape(), mine.shape(), lost.shape(),
		sentShape("bob", sent), sentShape("bob", queued),
		pendingShape(realnet.PendingLine{DSeq: 8, Command: chat.Send{To: "bob", Body: "wait"}}, "pending"),
		pendingShape(realnet.PendingLine{DSeq: 9, Command: chat.Logout{}}, "voided"),
		jsonAccount{V: 1, T: "account", Name: "ada"},
		jsonAccount{V: 1, T: "account", Name: "ada", UID: 11, State: "logged in", Label: "laptop", Device: "00ff", Queued: 3},
		shapeOf(realnet.Note{Kind: realnet.ServerLost, Server: "n1", Trying: []string{"n2", "n3"}}),
		shapeOf(realnet.Note{Kind: realnet.ServerBack, Server: "n2"}),
		shapeOf(realnet.Note{Kind: realnet.NoMajority, Kept: 2}),
		statusShape(&realnet.ServerStatus{Address: "127.0.0.1:2056", Node: 1, Role: "leader", Leader: 1, Term: 3, Applied: 9, Cluster: "home", Version: "0.1.0"}),
		statusShape(&realnet.ServerStatus{Address: "127.0.0.1:3056", Err: os.ErrDeadlineExceeded}),
		refusal(session.Rejected, "E_NO_SUCH_USER", details{name: "bob"}).shape(),
		jsonVersion{1, "version", "0.1.0", "go1.26"},
		jsonReport{1, "history", "h.jsonl", lin.Report{Verdict: lin.Illegal, Findings: []lin.Finding{
			{Verdict: lin.Illegal, Rule: lin.RuleLostAck, Ops: []uint64{4, 3}, Pos: 13, Text: "a read ends too early"}}}},
		demoLine{1, "demo", "failover", "n2 leads term 2; 140 ms from the kill to the next acknowledgement", 140, 0},
	} {
		if err := printJSON(&out, v); err != nil {
			t.Fatal(err)
		}
	}
	const path = "testdata/json.golden"
	if *rewrite {
		ok(t, os.WriteFile(path, out.Bytes(), 0o644))
	}
	want, err := os.ReadFile(path)
	ok(t, err)
	if !bytes.Equal(out.Bytes(), want) {
		t.Errorf("JSON is\n%s\nwant\n%s", out.Bytes(), want)
	}
}

// The sample of the manual.
func TestJSONSample(t *testing.T) {
	e := event{Pos: 10234, Kind: kindMessage, Me: 2, Members: [2]uint64{1, 2}, Names: [2]string{"alice", "bob"},
		Seq: 17, From: 1, Date: 1795341662345, Body: "hi"}
	var out bytes.Buffer
	ok(t, printJSON(&out, e.shape()))
	want := `{"v":1,"t":"msg","pos":10234,"conv":"@alice","seq":17,"from":"alice","at":"2026-11-22T10:01:02.345Z","body":"hi"}` + "\n"
	if out.String() != want {
		t.Errorf("got %s want %s", out.String(), want)
	}
}
