package session

import (
	"testing"
	"time"
)

// A login that is asked again while the client is stopped stays ahead of what is held back.
func TestAskAgainAhead(t *testing.T) {
	r := newRig(t, ClientRecovered{}, func(c *ClientConfig) { c.Window = 1 })
	r.do(quick(1, "a"))
	r.do(quick(2, "b"))
	r.do(r.answer(1, Rejected, fenced))
	r.want(Submit{ID: 3, Command: []byte("login"), Alone: true, Again: true, Ahead: true}, "send s0 2:login")
	r.want(r.answer(2, Rejected, askAgain), "send s0 3:login")
	r.want(r.answer(3, Applied, ""), "done 3: 3 applied ")
	r.want(Retry{ID: 4, DSeq: 4}, "done 4: 4 unknown E_FENCED")
	r.want(Resume{}, "send s0 4:b")
}

// Two logins while stopped go in the order given; neither waits behind what is held.
func TestTwoAhead(t *testing.T) {
	r := newRig(t, ClientRecovered{}, func(c *ClientConfig) { c.Window = 1 })
	r.do(quick(1, "a"))
	r.do(quick(2, "b"))
	r.do(r.answer(1, Rejected, fenced))
	r.do(Submit{ID: 3, Command: []byte("login"), Alone: true, Ahead: true})
	r.want(Submit{ID: 4, Command: []byte("logout"), Alone: true, Ahead: true}, "")
	r.want(r.answer(2, Rejected, "E_LOGGED_IN_ELSEWHERE"), "done 3: 2 rejected E_LOGGED_IN_ELSEWHERE; send s0 3:logout")
}

// A login does not wait behind an earlier one whose password died with the process: that one is voided.
func TestAheadOfLostSecret(t *testing.T) {
	rec := ClientRecovered{NextDSeq: 8, Lines: []Line{
		{DSeq: 5, Command: []byte("a")}, {DSeq: 6, Secret: true, Alone: true, Command: []byte("login")}, {DSeq: 7, Command: []byte("b")}}}
	r := newRig(t, rec, nil)
	r.want(Tick{}, "send s0 5:a; 6 needs its secret")
	r.want(r.answer(5, Rejected, fenced), "done 0: 5 rejected E_FENCED; halted E_FENCED, 2 kept")
	r.want(Submit{ID: 1, Command: []byte("login"), Alone: true, Secret: true, Ahead: true}, "send s0 6:void")
	r.want(r.answer(6, Rejected, string(SeqReused)), "save -5 -6; done 0: 6 rejected E_SEQ_REUSED; send s0 7:b")
	r.stored("")
	r.want(r.answer(7, Rejected, fenced), "done 0: 7 rejected E_FENCED; send s0 8:login")
	r.want(r.answer(8, Applied, ""), "done 1: 8 applied ")
}

// Without a fence nothing is voided: the password may be with another process that works from this outbox.
func TestAheadVoidsNothingUnasked(t *testing.T) {
	rec := ClientRecovered{NextDSeq: 7, Lines: []Line{{DSeq: 6, Secret: true, Alone: true, Command: []byte("passwd")}}}
	r := newRig(t, rec, nil)
	r.want(Submit{ID: 1, Command: []byte("login"), Alone: true, Secret: true, Ahead: true}, "6 needs its secret")
	r.pass(time.Minute, "")
}

// E_WINDOW is somebody's bug; nobody is left waiting for it.
func TestForgotten(t *testing.T) {
	r := newRig(t, ClientRecovered{}, nil)
	r.do(quick(1, "a"))
	r.do(Void{ID: 2, DSeq: 1})
	r.want(r.answer(1, Rejected, string(Window)), "done 1: 1 unknown E_WINDOW; done 2: 1 unknown E_WINDOW")
	if !r.c.Idle() {
		t.Error("not idle")
	}
}

// A person may void what an E_NO_SESSION has left behind, from the front.
func TestVoidWithoutSession(t *testing.T) {
	rec := ClientRecovered{NextDSeq: 7, Lines: []Line{{DSeq: 5, Command: []byte("a")}, {DSeq: 6, Command: []byte("b")}}}
	r := newRig(t, rec, nil)
	r.want(Tick{}, "send s0 5:a; send s0 6:b")
	r.want(r.answer(5, NotApplied, string(NoSession)), "halted E_NO_SESSION, 2 kept")
	r.want(Void{ID: 1, DSeq: 6}, "send s0 6:void")
	r.want(Void{ID: 2, DSeq: 5}, "send s0 5:void")
	r.want(r.answer(6, NotApplied, string(NoSession)), "done 1: 6 notapplied E_NO_SESSION")
	r.want(r.answer(5, NotApplied, string(NoSession)), "save -5 -6; done 2: 5 notapplied E_NO_SESSION")
	r.stored("")
	r.pass(time.Minute, "")
}

// A Void that a cluster of another history turns away settles nothing: it goes again with a Resume.
func TestVoidTurnedAway(t *testing.T) {
	r := newRig(t, ClientRecovered{NextDSeq: 6, Lines: []Line{{DSeq: 5, Command: []byte("a")}}}, nil)
	r.do(Tick{})
	r.do(Void{ID: 1, DSeq: 5})
	r.want(r.answer(5, NotApplied, otherHistory), "done 1: 5 unknown E_OTHER_HISTORY; halted E_OTHER_HISTORY, 1 kept")
	r.want(Resume{}, "send s0 5:void")
	r.want(Void{ID: 2, DSeq: 5}, "send s0 5:void")
	r.want(Void{ID: 3, DSeq: 5}, "done 3: 5 notapplied E_MISUSE")
	r.want(r.answer(5, Applied, ""), "done 2: 5 applied ")
}

// A client of one server knows no other, and comes back to it.
func TestOneServer(t *testing.T) {
	r := newRig(t, ClientRecovered{Server: 7}, func(c *ClientConfig) { c.Servers = 1 })
	r.want(quick(1, "a"), "send s0 1:a")
	r.want(ServerDown{Server: 0}, "s0 lost, trying []; no majority, 1 kept")
	r.pass(10*time.Millisecond, "send s0 1:a")
	r.want(r.answer(1, NotApplied, unavailable), "")
	r.pass(10*time.Millisecond, "send s0 1:a")
	r.want(r.answer(1, Applied, ""), "done 1: 1 applied ; s0 found")
}

// Attempts without end cost no memory, and are never forgotten to have been made.
func TestManyAttempts(t *testing.T) {
	r := newRig(t, ClientRecovered{}, nil)
	in := quick(1, "a")
	in.Timeout = time.Hour
	r.do(in)
	for range 100 {
		r.now += time.Second
		r.do(Tick{})
	}
	for i := len(r.sent) - maxOpen; i < len(r.sent); i++ {
		s := r.sent[i]
		r.do(Answered{s.Server, Reply{ID: s.ID, DSeq: 1, Class: NotApplied, Code: "E_NO_SPACE"}})
	}
	r.now += time.Hour
	r.c.Step(r.now, Tick{}, &r.out)
	if o := r.out.Done; len(o) != 1 || o[0].Reply.Class != Unknown {
		t.Errorf("told %+v", o)
	}
}
