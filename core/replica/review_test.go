package replica_test

import (
	"fmt"
	"testing"
	"time"

	"parley/core/chat"
	"parley/core/raft"
	"parley/core/replica"
	"parley/core/session"
)

// A reader whose rows another connection of its device has acknowledged away is sent to attach
// again; that is no damage.
func TestAFeedTrimmedUnderAReaderIsResumed(t *testing.T) {
	a := start(t, nil)
	ada := a.signup(1, "ada")
	for i := range 1600 {
		a.do(ada, chat.Send{To: "ada", Body: fmt.Sprint(i)})
	}
	a.step(replica.Attach{Conn: 5, Sub: 1, Device: ada.dev, Token: ada.tok, After: 0})
	a.step(replica.Attach{Conn: 6, Sub: 1, Device: ada.dev, Token: ada.tok, After: 1600})
	a.wait(3 * time.Second)
	a.step(replica.Ack{Conn: 5, Sub: 1, N: 1000})
	if len(a.closed) != 1 || a.closed[0].Conn != 5 || a.closed[0].Why != replica.Resume {
		t.Errorf("closed: %+v, want the feed of connection 5 to resume", a.closed)
	}
}

// Marks of conversations that are not one's own never reach the log, however many there are.
func TestMadeUpMarksReachNobody(t *testing.T) {
	a := start(t, nil)
	people := make([]*person, 60)
	for i := range people {
		people[i] = a.signup(byte(i+1), fmt.Sprint("p", i))
	}
	marks := make([]chat.Mark, 1024)
	for i := range marks {
		marks[i] = chat.Mark{Conversation: chat.ConversationID(1<<60 + i), Seq: 1 << 60}
	}
	for i, p := range people {
		conn := replica.Conn(10 + i)
		a.step(replica.Attach{Conn: conn, Sub: 1, Device: p.dev, Token: p.tok})
		a.step(replica.Ack{Conn: conn, Sub: 1, N: 1 << 60, Marks: marks})
	}
	a.wait(20 * time.Second)
	// An entry nobody can read would have stopped the replica: step fails the test then.
	if n := a.m.Status().Applied; n > 200 {
		t.Errorf("%d entries for 60 signups and their leases", n)
	}
}

// An entry that is cut may still come back, so its caller is told "not applied" only when another
// entry is committed in its place.
func TestACutIsNotToldBeforeItIsFinal(t *testing.T) {
	a := start(t, nil)
	ada := a.signup(1, "ada")
	a.wait(time.Second)
	a.site.Crash()
	a.voters = []raft.ID{1, 2, 3}
	a.open()
	elected := func() bool { return a.m.Raft().Status().Role.Kind == raft.Leader }
	for range 400 {
		if elected() {
			break
		}
		a.wait(5 * time.Millisecond)
		st := a.m.Raft().Status()
		kind, term := raft.PreVoteReply, st.Role.Term+1
		if st.Role.Kind == raft.Candidate {
			kind, term = raft.VoteReply, st.Role.Term
		}
		a.peer(raft.Message{Kind: kind, From: 2, Term: term})
	}
	if !elected() {
		t.Fatal("not elected")
	}
	st := a.m.Raft().Status()
	last := st.Last
	a.peer(raft.Message{Kind: raft.AppendReply, From: 2, Term: st.Role.Term, Index: last.Index})
	before := len(a.replies)
	a.step(replica.Calls{List: []replica.Call{{Conn: 1, ID: 77, Device: ada.dev, Token: ada.tok, DSeq: ada.next,
		Through: ada.next - 1, Command: chat.Send{To: "ada", Body: "ghost"}}}})
	term := st.Role.Term + 1
	noop := raft.Entry{Index: last.Index + 1, Term: term, Kind: raft.Noop, Time: last.Time}
	noop.Chain = raft.ChainNext(last.Chain, &noop)
	news := raft.Message{Kind: raft.Append, From: 3, Term: term, Index: last.Index, LogTerm: last.Term, Chain: last.Chain,
		Entries: []raft.Entry{noop}, Commit: last.Index}
	a.peer(news)
	if got := a.m.Raft().Status().Last.Chain; got != noop.Chain || len(a.replies) != before {
		t.Fatalf("after the cut: chain %v, replies %+v, want none yet", got, a.replies[before:])
	}
	a.peer(raft.Message{Kind: raft.Append, From: 3, Term: term, Index: noop.Index, LogTerm: term, Chain: noop.Chain, Commit: noop.Index})
	if len(a.replies) != before+1 {
		t.Fatalf("after another entry was committed there: replies %+v, want one", a.replies[before:])
	}
	a.want(a.replies[before], session.NotApplied, "E_NOT_LEADER")
}

func (a *alone) peer(m raft.Message) {
	a.t.Helper()
	m.To = 1
	a.step(replica.Peer{Message: &replica.PeerMessage{From: m.From, To: 1, Raft: &m}})
}
