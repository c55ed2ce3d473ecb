package main

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"parley/core/chat"
	"parley/core/raft"
	"parley/core/replica"
	"parley/core/session"
	lin "parley/linearizability"
	"parley/realnet"
)

func judged(t *testing.T, text string) lin.Report {
	t.Helper()
	h, err := lin.Read(strings.NewReader(text))
	if err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	return lin.Check(h, lin.Options{})
}

// --record writes a history that a checker reads and judges.
func TestRecord(t *testing.T) {
	r := newRoom(t, true)
	file := filepath.Join(r.dir, "history.jsonl")
	cmd := parley(t, filepath.Join(r.dir, "ada"), r.servers.addresses(), "--record", file)
	cmd.Stdin = strings.NewReader("1|ada\n\\send ada one\n\\send nobody two\n\\list\n\n\\logout\n1|bob\n\\send ada three\n\\delete\ny\n")
	cmd.Stderr = &logWriter{t}
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("parley: %v\n%s", err, out)
	}
	data, err := os.ReadFile(file)
	ok(t, err)
	report := judged(t, string(data))
	if report.Verdict != lin.Pass || report.Stats.Operations != 8 {
		t.Errorf("%d operations: %s\n%s", report.Stats.Operations, report, data)
	}
}

type closer struct{ io.Writer }

func (closer) Close() error { return nil }

// A command that was given up, taken up again and answered is one operation; its process is retired;
// reads without an answer, and those a history has no word for, are left out.
func TestRecordUnknownOutcomes(t *testing.T) {
	var out strings.Builder
	r := recordTo(closer{&out})
	dev := session.DeviceID{1}
	signup := chat.Signup{Name: "ada"}
	send := chat.Send{To: "ada", Body: "hi"}
	at := func(pos uint64, res chat.Result) replica.Reply {
		return replica.Reply{Class: session.Applied, Pos: replica.Pos{Epoch: 1, Index: raft.Index(pos)}, Result: res}
	}
	for _, o := range []realnet.Observation{
		{Kind: realnet.Called, Op: 1, DSeq: 1, Command: signup},
		{Kind: realnet.Tried, Op: 1, DSeq: 1},
		{Kind: realnet.Answered, Op: 1, DSeq: 1, Reply: at(5, chat.Result{UID: 5})},
		{Kind: realnet.Called, Op: 2, DSeq: 2, Command: send},
		{Kind: realnet.Unsettled, Op: 2, DSeq: 2, Why: "timeout"},
		{Kind: realnet.Called, Op: 3, Query: replica.Whoami{}},
		{Kind: realnet.Answered, Op: 3},
		{Kind: realnet.Called, Op: 4, Query: replica.List{Limit: 10}},
		{Kind: realnet.Unsettled, Op: 4, Why: "timeout"},
		{Kind: realnet.Called, Op: 5, DSeq: 2, Command: send},
		{Kind: realnet.Unsettled, Op: 5, DSeq: 2, Why: "timeout"},
		{Kind: realnet.Called, Op: 6, DSeq: 2, Command: send},
		{Kind: realnet.Answered, Op: 6, DSeq: 2, Reply: at(6, chat.Result{Members: [2]chat.UID{5, 5}, Seq: 1})},
	} {
		o.Device = dev
		r.observe(o)
	}
	ok(t, r.close())
	report := judged(t, out.String())
	if report.Verdict != lin.Pass || report.Stats.Operations != 3 || report.Stats.Unknown != 0 {
		t.Errorf("%+v %s\n%s", report.Stats, report, out.String())
	}
	for _, want := range []string{`"e":"info","id":2`, `"e":"resolved","id":2`, `"e":"fail","id":4`} {
		if strings.Count(out.String(), want) != 1 {
			t.Errorf("%s stands there %d times, want once\n%s", want, strings.Count(out.String(), want), out.String())
		}
	}
}

// A recording that cannot be written ends with a problem, not in silence.
func TestRecordFails(t *testing.T) {
	r := recordTo(closer{failingWriter{}})
	r.observe(realnet.Observation{Kind: realnet.Called, Op: 1, DSeq: 1, Command: chat.Logout{}})
	var p *problem
	if err := r.close(); !errors.As(err, &p) || p.exit != exitConfig {
		t.Errorf("close: %v", err)
	}
}

type failingWriter struct{}

func (failingWriter) Write([]byte) (int, error) { return 0, errors.New("disk full") }
