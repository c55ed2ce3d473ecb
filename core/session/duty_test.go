package session

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

// rig is a client with nothing around it: a test is its shell, its disk and its servers.
type rig struct {
	t    *testing.T
	c    *Client
	now  time.Duration
	out  ClientOutput
	sent []ClientSend
	seq  uint64
}

func newRig(t *testing.T, rec ClientRecovered, change func(*ClientConfig)) *rig {
	cfg := ClientConfig{Servers: 3, Seed: 1, Void: []byte("void"), Window: 4,
		Silence: time.Second, BackoffMin: 10 * time.Millisecond, BackoffMax: 80 * time.Millisecond}
	if change != nil {
		change(&cfg)
	}
	return &rig{t: t, c: NewClient(cfg, rec, 0)}
}

// do makes a step and says what came of it: "save …; done …; send …; note …".
func (r *rig) do(in ClientInput) string {
	r.t.Helper()
	r.c.Step(r.now, in, &r.out)
	if err := r.c.Check(); err != nil {
		r.t.Fatalf("%#v: %v", in, err)
	}
	r.sent = append(r.sent, r.out.Sends...)
	return r.text()
}

func (r *rig) text() string {
	var b []string
	if s := r.out.Save; s != nil {
		r.seq = s.Seq
		line := "save"
		for _, d := range s.Settle {
			line += fmt.Sprintf(" -%d", d)
		}
		for _, l := range s.Add {
			line += fmt.Sprintf(" +%d:%s", l.DSeq, l.Command)
		}
		b = append(b, line)
	}
	for _, o := range r.out.Done {
		b = append(b, fmt.Sprintf("done %d: %d %s %s", o.ID, o.DSeq, className(o.Reply.Class), o.Reply.Code))
	}
	for _, s := range r.out.Sends {
		b = append(b, fmt.Sprintf("send s%d %d:%s%s", s.Server, s.DSeq, s.Command, s.Query))
	}
	for _, n := range r.out.Notes {
		b = append(b, noteText(n))
	}
	return strings.Join(b, "; ")
}

func className(c Class) string {
	return [...]string{"unknown", "applied", "rejected", "notapplied"}[c]
}

func noteText(n ClientNote) string {
	switch n.Kind {
	case ServerLost:
		return fmt.Sprintf("s%d lost, trying %v", n.Server, n.Trying)
	case ServerFound:
		return fmt.Sprintf("s%d found", n.Server)
	case NoMajority:
		return fmt.Sprintf("no majority, %d kept", n.Kept)
	case NeedsSecret:
		return fmt.Sprintf("%d needs its secret", n.DSeq)
	}
	return fmt.Sprintf("halted %s, %d kept", n.Code, n.Kept)
}

// want makes a step and compares.
func (r *rig) want(in ClientInput, want string) {
	r.t.Helper()
	if got := r.do(in); got != want {
		r.t.Fatalf("%#v:\n got %q\nwant %q", in, got, want)
	}
}

// stored says that the last Save is on the disk.
func (r *rig) stored(want string) {
	r.t.Helper()
	r.want(StoredOutbox{r.seq}, want)
}

// pass lets time go by.
func (r *rig) pass(d time.Duration, want string) {
	r.t.Helper()
	r.now += d
	r.want(Tick{}, want)
}

// answer is a reply to the newest attempt for a number.
func (r *rig) answer(dseq uint64, class Class, code string, change ...func(*Reply)) Answered {
	for i := len(r.sent) - 1; i >= 0; i-- {
		if s := r.sent[i]; s.DSeq == dseq {
			a := Answered{s.Server, Reply{ID: s.ID, DSeq: dseq, Class: class, Code: code, Leader: -1}}
			for _, f := range change {
				f(&a.Reply)
			}
			return a
		}
	}
	r.t.Fatalf("number %d was never sent", dseq)
	return Answered{}
}

func leader(s int) func(*Reply)         { return func(r *Reply) { r.Leader = s } }
func expected(dseq uint64) func(*Reply) { return func(r *Reply) { r.Expected = dseq } }
func body(s string) func(*Reply)        { return func(r *Reply) { r.Body = []byte(s) } }

func say(id uint64, text string) Submit { return Submit{ID: id, Command: []byte(text), Persist: true} }

func quick(id uint64, text string) Submit { return Submit{ID: id, Command: []byte(text)} }

// Duty 1: not a byte leaves before its line is on the disk.
func TestStoredBeforeSent(t *testing.T) {
	r := newRig(t, ClientRecovered{}, nil)
	r.want(say(1, "a"), "save +1:a")
	r.want(say(2, "b"), "") // one Save is out at a time
	r.want(StoredOutbox{7}, "")
	r.stored("save +2:b; send s0 1:a")
	r.stored("send s0 2:b")
	r.want(r.answer(1, Applied, ""), "done 1: 1 applied ")
}

// The cluster is told to forget an answer only when the outbox has forgotten the line.
func TestThroughWaitsForTheOutbox(t *testing.T) {
	r := newRig(t, ClientRecovered{}, nil)
	r.do(say(1, "a"))
	r.stored("send s0 1:a")
	r.do(r.answer(1, Applied, ""))
	r.want(say(2, "b"), "save -1 +2:b") // settling takes the next line along
	r.stored("send s0 2:b")
	if got := r.out.Sends[0].Through; got != 1 {
		t.Errorf("through %d", got)
	}
	r.do(say(3, "c"))
	r.want(r.answer(2, Applied, ""), "done 2: 2 applied ")
	r.stored("send s0 3:c")
	if got := r.out.Sends[0].Through; got != 1 {
		t.Errorf("through %d, but the outbox still has 2", got)
	}
}

// What only settles waits a little for company, then goes alone; after that nothing is owed.
func TestLonelySettle(t *testing.T) {
	r := newRig(t, ClientRecovered{}, nil)
	r.do(say(1, "a"))
	r.stored("send s0 1:a")
	r.do(r.answer(1, Applied, ""))
	if r.c.Idle() || r.c.Deadline() != 10*time.Millisecond {
		t.Errorf("idle %v, deadline %v", r.c.Idle(), r.c.Deadline())
	}
	r.pass(10*time.Millisecond, "save -1")
	r.stored("")
	if !r.c.Idle() || r.c.Deadline() != Never {
		t.Errorf("idle %v, deadline %v", r.c.Idle(), r.c.Deadline())
	}
}

// Duty 2: in order; after silence, and at once after a broken connection, the next server gets the
// same numbers.
func TestSameNumberNextServer(t *testing.T) {
	r := newRig(t, ClientRecovered{}, nil)
	r.want(quick(1, "a"), "send s0 1:a")
	r.want(quick(2, "b"), "send s0 2:b")
	r.pass(time.Second, "send s1 1:a; send s1 2:b; s0 lost, trying [1 2]")
	r.want(ServerDown{Server: 1}, "send s2 1:a; send s2 2:b")
	r.want(r.answer(1, Applied, ""), "done 1: 1 applied ; s2 found")
	r.want(r.answer(2, Rejected, "E_NO_SUCH_USER"), "done 2: 2 rejected E_NO_SUCH_USER")
	r.want(r.answer(2, Applied, ""), "") // once
}

// A late answer to an earlier attempt is as good as any.
func TestLateAnswer(t *testing.T) {
	r := newRig(t, ClientRecovered{}, nil)
	r.do(quick(1, "a"))
	first := r.answer(1, Applied, "")
	r.pass(time.Second, "send s1 1:a; s0 lost, trying [1 2]")
	r.want(first, "done 1: 1 applied ; s0 found")
}

// Duty 3: a command with evidence flies alone, and so does a first contact.
func TestAlone(t *testing.T) {
	r := newRig(t, ClientRecovered{}, nil)
	r.want(Submit{ID: 1, Command: []byte("signup"), First: true}, "send s0 1:signup")
	r.want(quick(2, "a"), "")
	r.want(r.answer(1, Applied, ""), "done 1: 1 applied ; send s0 2:a")
	r.want(Submit{ID: 3, Command: []byte("edit"), Alone: true}, "")
	r.want(quick(4, "b"), "")
	r.want(r.answer(2, Applied, ""), "done 2: 2 applied ; send s0 3:edit")
	r.want(r.answer(3, Applied, ""), "done 3: 3 applied ; send s0 4:b")
}

// No more are in flight than the window allows.
func TestWindow(t *testing.T) {
	r := newRig(t, ClientRecovered{}, nil)
	for id := uint64(1); id <= 6; id++ {
		r.do(quick(id, "x"))
	}
	if len(r.sent) != 4 {
		t.Fatalf("%d sent", len(r.sent))
	}
	r.want(r.answer(2, Applied, ""), "done 2: 2 applied ")
	r.want(r.answer(1, Applied, ""), "done 1: 1 applied ; send s0 5:x; send s0 6:x")
}

// Duty 4: a fenced client sends nothing new. What had left still gets its answer; the rest is
// kept, behind the login that lifts the fence, and goes when a person says so.
func TestFenced(t *testing.T) {
	r := newRig(t, ClientRecovered{}, func(c *ClientConfig) { c.Window = 2 })
	for id, text := range []string{"a", "b", "c", "d"} {
		r.do(say(uint64(id+1), text))
		r.do(StoredOutbox{r.seq})
	}
	r.want(r.answer(1, Rejected, fenced),
		"save -1; done 1: 1 rejected E_FENCED; done 3: 3 unknown E_FENCED; done 4: 4 unknown E_FENCED; halted E_FENCED, 3 kept")
	r.want(say(5, "e"), "done 5: 0 notapplied E_FENCED")
	r.stored("")
	r.pass(time.Second, "send s1 2:b; s0 lost, trying [1 2]")
	r.want(r.answer(2, Rejected, fenced), "save -2; done 2: 2 rejected E_FENCED; s1 found")
	r.stored("")
	login := Submit{ID: 6, Command: []byte("login"), Alone: true, Ahead: true, Persist: true}
	r.want(login, "save -3 -4 +3:login +4:c +5:d")
	r.stored("send s1 3:login")
	r.want(r.answer(3, Applied, ""), "save -3; done 6: 3 applied ")
	r.stored("")
	if r.c.Stopped() != "E_FENCED" {
		t.Fatal("resumed by itself")
	}
	r.want(Resume{}, "send s1 4:c; send s1 5:d")
	r.want(r.answer(4, Applied, ""), "save -4; done 0: 4 applied ")
}

// E_NO_SESSION stops everything. Numbers known to be without a trace are given up for good.
func TestNoSession(t *testing.T) {
	r := newRig(t, ClientRecovered{}, nil)
	r.do(quick(1, "a"))
	r.do(quick(2, "b"))
	r.do(Submit{ID: 3, Command: []byte("c"), Alone: true})
	two := r.answer(2, NotApplied, string(NoSession))
	r.want(r.answer(1, NotApplied, string(NoSession)), "done 1: 1 notapplied E_NO_SESSION; "+
		"done 2: 2 unknown E_NO_SESSION; done 3: 3 unknown E_NO_SESSION; halted E_NO_SESSION, 2 kept")
	r.want(two, "done 0: 2 notapplied E_NO_SESSION")
	r.want(Submit{ID: 4, Command: []byte("login"), Ahead: true}, "done 4: 0 notapplied E_NO_SESSION")
	r.pass(time.Minute, "")
	if got := r.c.Outbox(); len(got) != 1 || got[0].DSeq != 3 {
		t.Errorf("outbox %v", got)
	}
}

// A refused first contact leaves nothing to follow it.
func TestRefusedFirst(t *testing.T) {
	r := newRig(t, ClientRecovered{}, nil)
	r.do(Submit{ID: 1, Command: []byte("signup"), First: true, Again: true})
	r.do(quick(2, "a"))
	r.want(r.answer(1, Rejected, askAgain),
		"done 1: 1 rejected E_RETRY; done 2: 2 unknown E_NO_SESSION; halted E_NO_SESSION, 1 kept")
	r.want(Submit{ID: 3, First: true}, "done 3: 0 notapplied E_NO_SESSION")
}

// Duty 6: the highest position seen goes along with everything.
func TestPosition(t *testing.T) {
	r := newRig(t, ClientRecovered{Pos: Pos{1, 5}}, nil)
	at := func(e, i uint64) func(*Reply) { return func(r *Reply) { r.Pos = Pos{e, i} } }
	r.do(quick(1, "a"))
	r.do(quick(2, "b"))
	r.do(r.answer(2, Applied, "", at(1, 9)))
	r.do(r.answer(1, Applied, "", at(1, 8)))
	r.want(Ask{ID: 3, Query: []byte("?")}, "send s0 0:?")
	if got := r.out.Sends[0].MinPos; got != (Pos{1, 9}) || r.sent[0].MinPos != (Pos{1, 5}) {
		t.Errorf("positions %v, %v", r.sent[0].MinPos, got)
	}
}

// A cluster with another history is not spoken to until a person says so, and then by its own
// positions.
func TestOtherHistory(t *testing.T) {
	r := newRig(t, ClientRecovered{Pos: Pos{1, 500}, NextDSeq: 5, Through: 4}, nil)
	r.do(quick(1, "a"))
	r.want(r.answer(5, NotApplied, otherHistory, func(r *Reply) { r.Pos = Pos{2, 30} }),
		"done 1: 5 notapplied E_OTHER_HISTORY; halted E_OTHER_HISTORY, 0 kept")
	if r.c.Pos() != (Pos{1, 500}) {
		t.Errorf("followed: %v", r.c.Pos())
	}
	r.do(Resume{})
	r.want(quick(2, "b"), "send s0 5:b")
	if r.out.Sends[0].MinPos != (Pos{2, 30}) {
		t.Errorf("asks from %v", r.out.Sends[0].MinPos)
	}
}

// E_RETRY is asked again under the next number, before what was given later; in one Save, so that
// no crash leaves it twice or not at all.
func TestAskAgain(t *testing.T) {
	r := newRig(t, ClientRecovered{}, nil)
	edit := Submit{ID: 1, Command: []byte("edit"), Alone: true, Again: true, Persist: true}
	r.do(edit)
	r.stored("send s0 1:edit")
	r.do(say(2, "b"))
	r.stored("")
	r.want(r.answer(1, Rejected, askAgain), "save -1 -2 +2:edit +3:b")
	r.stored("send s0 2:edit")
	r.want(r.answer(2, Applied, ""), "done 1: 2 applied ; send s0 3:b")
}

// Without the flag, or when later commands have left, the answer stands.
func TestAskAgainOnlyIfItMay(t *testing.T) {
	r := newRig(t, ClientRecovered{}, nil)
	r.do(quick(1, "a"))
	r.want(r.answer(1, Rejected, askAgain), "done 1: 1 rejected E_RETRY")
	r.do(Submit{ID: 2, Command: []byte("b"), Again: true})
	r.do(quick(3, "c"))
	r.want(r.answer(3, Applied, ""), "done 3: 3 applied ")
	r.want(r.answer(2, Rejected, askAgain), "done 2: 2 rejected E_RETRY")
}

// E_SEQ_GAP sends again from the number that is missing, each once, however many say so.
func TestGap(t *testing.T) {
	r := newRig(t, ClientRecovered{}, nil)
	for id := uint64(1); id <= 3; id++ {
		r.do(quick(id, "x"))
	}
	two, three := r.answer(2, NotApplied, string(SeqGap), expected(1)), r.answer(3, NotApplied, string(SeqGap), expected(1))
	r.want(two, "send s0 1:x; send s0 2:x")
	r.want(three, "send s0 3:x")
	r.want(three, "")
}

// A number that the cluster misses and nobody here has is burnt.
func TestGapIsFilled(t *testing.T) {
	r := newRig(t, ClientRecovered{NextDSeq: 4, Through: 1}, nil)
	r.want(quick(1, "x"), "send s0 4:x")
	r.want(r.answer(4, NotApplied, string(SeqGap), expected(2)), "send s0 2:void; send s0 3:void; send s0 4:x")
	r.want(r.answer(2, Applied, ""), "")
	r.want(r.answer(3, Rejected, string(SeqReused)), "done 0: 3 rejected E_SEQ_REUSED")
	r.want(r.answer(4, Applied, ""), "done 1: 4 applied ")
}

// A cluster that misses what it has acknowledged is not the one that did.
func TestLostHistory(t *testing.T) {
	r := newRig(t, ClientRecovered{}, nil)
	r.do(quick(1, "a"))
	r.do(r.answer(1, Applied, ""))
	r.do(quick(2, "b"))
	r.want(r.answer(2, NotApplied, string(SeqGap), expected(1)), "done 2: 2 notapplied E_SEQ_GAP; halted E_SEQ_GAP, 0 kept")
}

// E_NOT_LEADER is followed by its hint; without one, or to one that is gone, the next is tried after
// a while; and hints that go round in circles are not chased.
func TestNotLeader(t *testing.T) {
	r := newRig(t, ClientRecovered{}, nil)
	r.do(quick(1, "a"))
	r.want(r.answer(1, NotApplied, notLeader, leader(2)), "send s2 1:a")
	r.want(r.answer(1, NotApplied, notLeader), "")
	r.pass(20*time.Millisecond, "send s0 1:a")
	r.want(ServerDown{Server: 1}, "")
	r.want(r.answer(1, NotApplied, notLeader, leader(1)), "")
	r.pass(100*time.Millisecond, "send s2 1:a")
	r.want(r.answer(1, NotApplied, notLeader, leader(1)), "no majority, 1 kept")
}

// All that is in flight turns with the first redirect; the others change nothing any more.
func TestRedirectTurnsAll(t *testing.T) {
	r := newRig(t, ClientRecovered{}, nil)
	r.do(quick(1, "a"))
	r.do(quick(2, "b"))
	late := r.answer(2, NotApplied, notLeader, leader(0))
	r.want(r.answer(1, NotApplied, notLeader, leader(1)), "send s1 1:a; send s1 2:b")
	r.want(late, "")
}

// E_BUSY and E_RATE are waited out, at the same server.
func TestBusy(t *testing.T) {
	r := newRig(t, ClientRecovered{}, nil)
	r.do(quick(1, "a"))
	r.want(r.answer(1, NotApplied, rate, func(r *Reply) { r.AfterMs = 300 }), "")
	r.pass(299*time.Millisecond, "")
	r.pass(12*time.Millisecond, "send s0 1:a")
}

// In time without an answer: not applied, if every attempt was; else unknown. A number that is
// known to be free is given out again.
func TestTimeout(t *testing.T) {
	r := newRig(t, ClientRecovered{}, nil)
	in := say(1, "a")
	in.Timeout = 3 * time.Second
	r.do(in)
	r.stored("send s0 1:a")
	r.do(r.answer(1, NotApplied, unavailable))
	r.pass(20*time.Millisecond, "send s1 1:a")
	r.want(r.answer(1, NotApplied, unavailable), "")
	r.now += 3 * time.Second
	r.want(ServerUp{0}, "save -1") // nobody is told before the outbox has let go
	r.stored("done 1: 1 notapplied E_UNAVAILABLE")
	in.ID, in.Command = 2, []byte("b")
	r.want(in, "save +1:b")
	r.stored("send s2 1:b")
	r.pass(3*time.Second, "done 2: 1 unknown E_TIMEOUT; send s0 1:b; s2 lost, trying [0 1]; no majority, 1 kept")
	r.want(r.answer(1, Applied, ""), "done 0: 1 applied ; s0 found")
}

// A number given up in the middle is burnt: the cluster will want to see it.
func TestGivenUpInTheMiddle(t *testing.T) {
	r := newRig(t, ClientRecovered{}, nil)
	r.do(quick(1, "a"))
	in := say(2, "b")
	in.Alone, in.Timeout = true, time.Millisecond
	r.do(in)
	r.do(say(3, "c"))
	r.do(StoredOutbox{r.seq})
	r.stored("")
	r.pass(time.Millisecond, "save +2:void")
	r.want(r.answer(1, Applied, ""), "done 1: 1 applied ")
	r.stored("done 2: 2 notapplied E_TIMEOUT; send s0 2:void; send s0 3:c")
	r.want(r.answer(2, Applied, ""), "")
}

// A wrong password is told at once, and the number is free again; unless an earlier attempt may
// still count.
func TestBadPassword(t *testing.T) {
	in := Submit{ID: 1, Command: []byte("login"), First: true, Secret: true, Persist: true}
	r := newRig(t, ClientRecovered{}, nil)
	r.do(in)
	r.stored("send s0 1:login")
	r.want(r.answer(1, NotApplied, badPassword), "save -1")
	r.stored("done 1: 1 notapplied E_BAD_PASSWORD")
	in.ID = 2
	r.want(in, "save +1:login")
	r.stored("send s0 1:login")
	r.pass(time.Second, "send s1 1:login; s0 lost, trying [1 2]")
	r.want(r.answer(1, NotApplied, badPassword), "done 2: 1 unknown E_BAD_PASSWORD; 1 needs its secret")
	r.want(Retry{ID: 3, DSeq: 1}, "send s1 1:login")
	r.want(r.answer(1, Applied, ""), "done 3: 1 applied ; s1 found")
}

// After a crash the lines are sent again by themselves, up to the first that needs a secret.
func TestRecovered(t *testing.T) {
	rec := ClientRecovered{NextDSeq: 9, Through: 4, Server: 2, Lines: []Line{
		{DSeq: 5, Command: []byte("a")}, {DSeq: 7, Alone: true, Secret: true, Command: []byte("passwd")},
		{DSeq: 8, Command: []byte("b")}}}
	r := newRig(t, rec, nil)
	r.want(Tick{}, "send s2 5:a; 7 needs its secret")
	if r.out.Sends[0].Through != 4 {
		t.Errorf("through %d", r.out.Sends[0].Through)
	}
	r.want(r.answer(5, Applied, ""), "done 0: 5 applied ")
	r.want(Retry{ID: 1, DSeq: 7}, "send s2 7:passwd")
	if s := r.out.Sends[0]; s.For != 1 || !s.Secret {
		t.Errorf("sent %+v", s)
	}
	r.want(r.answer(7, Applied, ""), "save -5 -7; done 1: 7 applied ; send s2 8:b")
	r.want(say(2, "c"), "")
}

// With Hold, what was recovered waits for a Resume, and what comes later waits behind it.
func TestHold(t *testing.T) {
	rec := ClientRecovered{NextDSeq: 6, Lines: []Line{{DSeq: 5, Command: []byte("a")}}}
	r := newRig(t, rec, func(c *ClientConfig) { c.Hold = true })
	r.want(Tick{}, "")
	r.want(quick(1, "b"), "")
	r.want(Resume{}, "send s0 5:a; send s0 6:b")
}

// A Void takes the place of the command, or meets what became of it; both who wait are told.
func TestVoid(t *testing.T) {
	r := newRig(t, ClientRecovered{}, nil)
	r.do(quick(1, "a"))
	r.want(Void{ID: 2, DSeq: 1}, "send s0 1:void")
	r.want(r.answer(1, Applied, ""), "done 1: 1 notapplied E_VOIDED; done 2: 1 applied ")
	r.do(quick(3, "b"))
	b := r.answer(2, Applied, "", body("b"))
	r.do(Void{ID: 4, DSeq: 2})
	r.want(b, "done 3: 2 applied ; done 4: 2 rejected E_SEQ_REUSED")
	r.do(quick(5, "c"))
	r.do(Void{ID: 6, DSeq: 3})
	r.want(r.answer(3, Rejected, string(SeqReused)), "done 5: 3 rejected E_SEQ_REUSED; done 6: 3 rejected E_SEQ_REUSED")
	r.do(quick(7, "d"))
	d := r.answer(4, Rejected, string(SeqReused), body("void"))
	r.do(Void{ID: 8, DSeq: 4})
	r.want(d, "done 7: 4 notapplied E_VOIDED; done 8: 4 applied ")
}

// What makes no sense is said to, and costs no number.
func TestMisuse(t *testing.T) {
	r := newRig(t, ClientRecovered{}, nil)
	r.want(Void{ID: 1, DSeq: 1}, "done 1: 1 notapplied E_MISUSE")
	r.want(Retry{ID: 2, DSeq: 1}, "done 2: 1 notapplied E_MISUSE")
	r.do(Submit{ID: 3, First: true})
	r.want(Void{ID: 4, DSeq: 1}, "done 4: 1 notapplied E_MISUSE")
	r.want(Retry{ID: 5, DSeq: 1}, "done 5: 1 notapplied E_MISUSE") // somebody waits already
	r.want(Submit{ID: 6, First: true}, "done 6: 0 notapplied E_MISUSE")
}

// Reads go to the same server, are repeated freely, and end in time. Any attempt's answer will do.
func TestAsk(t *testing.T) {
	r := newRig(t, ClientRecovered{}, nil)
	r.want(Ask{ID: 1, Query: []byte("q")}, "send s0 0:q")
	first := r.answer(0, Applied, "")
	r.pass(time.Second, "send s1 0:q; s0 lost, trying [1 2]")
	r.want(r.answer(0, NotApplied, notLeader, leader(0)), "send s0 0:q")
	r.want(first, "done 1: 0 applied ; s0 found")
	r.want(first, "")
	r.want(Ask{ID: 2, Query: []byte("q"), Timeout: time.Second / 2}, "send s0 0:q")
	r.want(r.answer(0, NotApplied, busy, func(r *Reply) { r.AfterMs = 100 }), "")
	r.pass(100*time.Millisecond, "send s0 0:q")
	r.pass(time.Second/2, "done 2: 0 unknown E_TIMEOUT")
	r.want(Ask{ID: 3}, "send s0 0:")
	r.want(r.answer(0, NotApplied, string(NoSession)), "done 3: 0 notapplied E_NO_SESSION")
}

// The person in front is told once: who is lost and who is tried, that nobody is left, who is back.
func TestNotes(t *testing.T) {
	r := newRig(t, ClientRecovered{}, nil)
	r.do(quick(1, "a"))
	r.want(ServerDown{Server: 0}, "send s1 1:a; s0 lost, trying [1 2]")
	r.want(ServerDown{Server: 1}, "send s2 1:a")
	r.want(ServerDown{Server: 2}, "no majority, 1 kept")
	if d := r.c.Deadline(); d <= r.now || d > 20*time.Millisecond {
		t.Errorf("deadline %v", d)
	}
	r.now = r.c.Deadline()
	got := r.do(Tick{})
	if !strings.HasPrefix(got, "send s") || strings.Contains(got, ";") {
		t.Errorf("got %q", got)
	}
	r.do(ServerDown{Server: r.out.Sends[0].Server})
	r.do(ServerDown{Server: 0})
	r.do(ServerDown{Server: 1})
	r.do(ServerDown{Server: 2})
	r.want(ServerUp{2}, "send s2 1:a")
	r.want(r.answer(1, Applied, ""), "done 1: 1 applied ; s2 found")
}

// Answers of servers that do not exist, to attempts never made, or without a class, do nothing.
func TestNonsense(t *testing.T) {
	r := newRig(t, ClientRecovered{}, nil)
	r.do(quick(1, "a"))
	good := r.answer(1, Applied, "").Reply
	later, before, other, none := good, good, good, good
	later.ID++
	before.ID = 1
	other.DSeq = 2
	none.Class = Unknown
	for _, in := range []ClientInput{Answered{3, good}, Answered{-1, good}, Answered{0, later}, Answered{0, before},
		Answered{0, other}, Answered{0, none}, ServerDown{Server: 9}, ServerUp{-2}, StoredOutbox{1}} {
		r.want(in, "")
	}
	r.want(Answered{2, good}, "done 1: 1 applied ")
}

// Check finds planted damage.
func TestCheckClient(t *testing.T) {
	for _, d := range []struct {
		name  string
		plant func(*Client)
	}{
		{"number twice", func(c *Client) { c.numbers[1].DSeq = 1 }},
		{"next used", func(c *Client) { c.next = 3 }},
		{"sent too early", func(c *Client) { c.numbers[0].dirty = true }},
		{"settled, somebody waits", func(c *Client) { c.numbers[0].settled = true }},
		{"settled, due", func(c *Client) { n := &c.numbers[0]; n.settled, n.id, n.due, n.deadline = true, 0, true, Never }},
		{"attempts without end", func(c *Client) { c.numbers[0].open = make([]attempt, maxOpen+1) }},
		{"deadline of nobody", func(c *Client) { c.numbers[0].id, c.numbers[0].deadline = 0, 5 }},
		{"void that is none", func(c *Client) { c.numbers[0].void = 7 }},
		{"window", func(c *Client) { c.cfg.Window = 1 }},
		{"not alone", func(c *Client) { c.numbers[0].Alone = true }},
		{"server", func(c *Client) { c.route.server = 3 }},
		{"two wait", func(c *Client) { c.numbers[0].id = 9 }},
		{"told too late", func(c *Client) { c.outbox.told = []told{{seq: 99}} }},
	} {
		r := newRig(t, ClientRecovered{}, nil)
		for i := uint64(1); i <= 3; i++ {
			r.do(say(i, "x"))
			r.do(StoredOutbox{r.seq})
		}
		r.do(Ask{ID: 9})
		d.plant(r.c)
		if r.c.Check() == nil {
			t.Errorf("%s: not noticed", d.name)
		}
	}
}

// A command whose connection could not be made has left no trace, even if its time is up that moment.
func TestUnsentInTheLastMoment(t *testing.T) {
	for _, unsent := range []bool{false, true} {
		r := newRig(t, ClientRecovered{}, func(c *ClientConfig) { c.Servers = 1 })
		r.do(Submit{ID: 1, Command: []byte("a"), Timeout: time.Second})
		r.now += time.Second
		down, want := ServerDown{Server: 0}, "done 1: 1 unknown E_TIMEOUT"
		if unsent {
			down.Unsent, want = []uint64{r.sent[0].ID}, "done 1: 1 notapplied E_UNAVAILABLE"
		}
		if got := r.do(down); !strings.Contains(got, want) {
			t.Errorf("unsent %t: got %q, want %q", unsent, got, want)
		}
	}
}
