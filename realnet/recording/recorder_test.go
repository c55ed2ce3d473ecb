package recording

import (
	"errors"
	"io"
	"strings"
	"testing"

	"parley/core/chat"
	"parley/core/raft"
	"parley/core/replica"
	"parley/core/session"
	lin "parley/linearizability"
	"parley/realnet"
)

type closer struct{ io.Writer }

func (closer) Close() error { return nil }

func at(pos uint64, res chat.Result) replica.Reply {
	return replica.Reply{Class: session.Applied, Pos: replica.Pos{Epoch: 1, Index: raft.Index(pos)}, Result: res}
}

// reused is the answer to a Void that came too late: the command's own position and result.
func reused(pos uint64, res chat.Result) replica.Reply {
	r := at(pos, res)
	r.Class, r.Code, r.Replayed = session.Rejected, string(session.SeqReused), true
	return r
}

var (
	signup = chat.Signup{Name: "ada"}
	send   = chat.Send{To: "ada", Body: "hi"}
	sent   = chat.Result{Members: [2]chat.UID{5, 5}, Seq: 1}
	page   = replica.Reply{Class: session.Applied, Pos: replica.Pos{Epoch: 1, Index: 9}, Thread: &replica.Thread{Last: 1,
		Messages: []chat.Message{{Index: 6, Seq: 1, Author: 5, Body: "hi"}}}}
	empty = replica.Reply{Class: session.Applied, Pos: replica.Pos{Epoch: 1, Index: 9}, Thread: &replica.Thread{}}
	read  = replica.History{Members: [2]chat.UID{5, 5}, Limit: 10}
)

// What a client observed becomes a history that passes; want stands in it once each.
func TestRecord(t *testing.T) {
	begin := []realnet.Observation{
		{Kind: realnet.Called, Op: 1, DSeq: 1, Command: signup},
		{Kind: realnet.Tried, Op: 1, DSeq: 1},
		{Kind: realnet.Answered, Op: 1, DSeq: 1, Reply: at(5, chat.Result{UID: 5})},
		{Kind: realnet.Called, Op: 2, DSeq: 2, Command: send},
	}
	lookAfter := func(r replica.Reply) []realnet.Observation {
		return []realnet.Observation{{Kind: realnet.Called, Op: 90, Query: read}, {Kind: realnet.Answered, Op: 90, Reply: r}}
	}
	void := realnet.Observation{Kind: realnet.Called, Op: 8, DSeq: 2, Command: chat.Void{}}
	unsettled := realnet.Observation{Kind: realnet.Unsettled, Op: 2, DSeq: 2, Why: "timeout"}
	resolved := `"e":"resolved","id":2,"t":T,"pos":6,"conv":[5],"seq":1`
	for _, test := range []struct {
		name string
		then []realnet.Observation
		last replica.Reply
		want string
	}{
		{"answered", []realnet.Observation{{Kind: realnet.Answered, Op: 2, DSeq: 2, Reply: at(6, sent)}}, page, `"e":"ok","id":2`},
		{"failed", []realnet.Observation{{Kind: realnet.Failed, Op: 2, DSeq: 2, Why: "E_UNAVAILABLE"}}, empty, `"e":"fail","id":2`},
		{"unknown, and it happened", []realnet.Observation{unsettled}, page, `"e":"info","id":2`},
		{"unknown, and it never happened", []realnet.Observation{unsettled}, empty, `"e":"info","id":2`},
		{"late", []realnet.Observation{unsettled, {Kind: realnet.LateAnswer, DSeq: 2, Reply: at(6, sent)}}, page, resolved},
		{"taken up again and answered", []realnet.Observation{unsettled,
			{Kind: realnet.Called, Op: 5, DSeq: 2, Command: send},
			{Kind: realnet.Unsettled, Op: 5, DSeq: 2, Why: "timeout"},
			{Kind: realnet.Called, Op: 6, DSeq: 2, Command: send},
			{Kind: realnet.Answered, Op: 6, DSeq: 2, Reply: at(6, sent)}}, page, resolved},
		{"taken up again and never to happen", []realnet.Observation{unsettled,
			{Kind: realnet.Called, Op: 5, DSeq: 2, Command: send},
			{Kind: realnet.Failed, Op: 5, DSeq: 2, Why: "E_VOIDED"}}, empty, `"e":"resolved","id":2,"t":T,"never":true`},
		{"voided", []realnet.Observation{unsettled, void,
			{Kind: realnet.Answered, Op: 8, DSeq: 2, Reply: at(7, chat.Result{})}}, empty, `"e":"resolved","id":2,"t":T,"never":true`},
		{"voided too late", []realnet.Observation{unsettled, void,
			{Kind: realnet.Answered, Op: 8, DSeq: 2, Reply: reused(6, sent)}}, page, resolved},
		{"voided too late while it was under way", []realnet.Observation{void,
			{Kind: realnet.Answered, Op: 2, DSeq: 2, Reply: reused(6, sent)},
			{Kind: realnet.Answered, Op: 8, DSeq: 2, Reply: reused(6, sent)}}, page, `"e":"ok","id":2,"t":T,"pos":6,"conv":[5],"seq":1`},
		{"voided too late, heard of late", []realnet.Observation{unsettled,
			{Kind: realnet.LateAnswer, DSeq: 2, Reply: reused(6, sent)}}, page, resolved},
		{"a void of unknown outcome", []realnet.Observation{unsettled, void,
			{Kind: realnet.Unsettled, Op: 8, DSeq: 2, Why: "timeout"}}, page, `"e":"info","id":8`},
		{"the number was used for something else", []realnet.Observation{
			{Kind: realnet.Answered, Op: 2, DSeq: 2, Reply: reused(6, sent)}}, empty, `"e":"err","id":2,"t":T,"pos":6,"code":"E_SEQ_REUSED"`},
		{"reads without an answer", []realnet.Observation{
			{Kind: realnet.Called, Op: 4, Query: replica.List{Limit: 10}},
			{Kind: realnet.Unsettled, Op: 4, Why: "timeout"}}, empty, `"e":"fail","id":4`},
		{"what has no word is left out", []realnet.Observation{
			{Kind: realnet.Called, Op: 3, Query: replica.Whoami{}}, {Kind: realnet.Answered, Op: 3},
			{Kind: realnet.Acked, Feed: 9, N: 1}, {Kind: realnet.FeedClosed, Feed: 9}}, empty, `"e":"end"`},
	} {
		t.Run(test.name, func(t *testing.T) {
			var out strings.Builder
			r := New(closer{&out}, lin.LoginExclusive)
			for _, o := range append(append(begin[:len(begin):len(begin)], test.then...), lookAfter(test.last)...) {
				o.Device = session.DeviceID{1}
				r.Observe(o)
			}
			if err := r.Close(); err != nil {
				t.Fatal(err)
			}
			h, err := lin.Read(strings.NewReader(out.String()))
			if err != nil {
				t.Fatalf("%v\n%s", err, out.String())
			}
			report := lin.Check(h, lin.Options{Certificate: true, Search: true})
			accepted := report.Verdict == lin.Pass
			for _, f := range report.Findings { // small histories, of which a refusal is much
				accepted = accepted || f.Rule == lin.RuleVacuous
			}
			if !accepted {
				t.Errorf("%s\n%s", report, out.String())
			}
			if n := strings.Count(timeless(out.String()), test.want); n != 1 {
				t.Errorf("%s stands there %d times, want once\n%s", test.want, n, out.String())
			}
		})
	}
}

// timeless replaces each time by T.
func timeless(text string) string {
	var b strings.Builder
	for {
		before, after, found := strings.Cut(text, `"t":`)
		b.WriteString(before)
		if !found {
			return b.String()
		}
		b.WriteString(`"t":T`)
		text = strings.TrimLeft(after, "0123456789")
	}
}

// A process of the history has one operation at a time; one whose operation never ended is not used
// again. The reader of histories sees to both, so here it only has to accept.
func TestProcesses(t *testing.T) {
	var out strings.Builder
	r := New(closer{&out}, lin.LoginExclusive)
	for i := range uint64(9) {
		r.Observe(realnet.Observation{Kind: realnet.Called, Op: i + 1, DSeq: i + 1, Command: send})
		kind := []realnet.ObservationKind{realnet.Answered, realnet.Unsettled, realnet.Tried}[i%3]
		r.Observe(realnet.Observation{Kind: kind, Op: i + 1, DSeq: i + 1})
	}
	if err := r.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := lin.Read(strings.NewReader(out.String())); err != nil {
		t.Errorf("%v\n%s", err, out.String())
	}
	if !strings.Contains(out.String(), `"id":9,"p":6,`) { // five stay busy or retired
		t.Errorf("processes are not used again:\n%s", out.String())
	}
}

// A recording that cannot be written ends with an error, not in silence.
func TestFailingWriter(t *testing.T) {
	r := New(closer{failingWriter{}}, lin.LoginExclusive)
	r.Observe(realnet.Observation{Kind: realnet.Called, Op: 1, DSeq: 1, Command: chat.Logout{}})
	if err := r.Close(); err == nil || !strings.Contains(err.Error(), "disk full") {
		t.Errorf("close: %v", err)
	}
}

type failingWriter struct{}

func (failingWriter) Write([]byte) (int, error) { return 0, errors.New("disk full") }
