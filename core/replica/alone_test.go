package replica_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"parley/core/chat"
	"parley/core/raft"
	"parley/core/replica"
	"parley/core/replica/storagetest"
	"parley/core/session"
)

// alone is a replica that is its own majority, on the reference store. Whatever it asks for happens
// at once.
type alone struct {
	t       *testing.T
	site    *storagetest.Memory
	store   replica.Store
	m       *replica.Machine
	now     time.Duration
	voters  []raft.ID
	calls   uint64
	wrong   bool             // passwords are wrong
	busy    bool             // the queue for passwords is full
	slow    bool             // passwords are not looked at for now …
	unseen  []replica.Verify // … but kept
	replies []replica.Reply
	pushes  []replica.Push
	closed  []replica.Closing
	saves   int

	attached []replica.Attached
}

func start(t *testing.T, alter func(*chat.Settings), voters ...raft.ID) *alone {
	t.Helper()
	set := chat.DefaultSettings()
	set.OpenAuth, set.SendPerSec = true, 0
	if alter != nil {
		alter(&set)
	}
	a := &alone{t: t, voters: voters}
	if len(voters) == 0 {
		a.voters = []raft.ID{1}
	}
	a.site = storagetest.NewMemory(storagetest.Birth{Node: 1, Chain: raft.Chain{1}, Genesis: replica.Genesis(set), Tables: replica.Catalogue()})
	a.open()
	return a
}

func (a *alone) open() {
	a.t.Helper()
	var err error
	if a.store, err = a.site.Open([16]byte{}, 1); err != nil {
		a.t.Fatal(err)
	}
	rec, err := a.store.Recover()
	if err != nil {
		a.t.Fatal(err)
	}
	cfg := replica.Config{Raft: raft.Config{ID: 1, Voters: a.voters, Seed: rec.Boot, Chain: raft.Chain{1}}, Epoch: 1}
	if a.m, err = replica.New(cfg, rec, a.now); err != nil {
		a.t.Fatal(err)
	}
	a.wait(2 * time.Second)
}

// wait lets time pass, deadline by deadline.
func (a *alone) wait(d time.Duration) {
	a.t.Helper()
	for until := a.now + d; a.now < until; {
		a.now = max(a.now+1, min(until, a.m.Deadline()))
		a.step(replica.Tick{})
	}
}

func (a *alone) step(in replica.Input) {
	a.t.Helper()
	todo := []replica.Input{in}
	for len(todo) > 0 {
		var out replica.Output
		a.m.Step(a.now, todo[0], &out)
		todo = todo[1:]
		if out.Fatal != "" {
			a.t.Fatal(out.Fatal)
		}
		if err := a.m.Check(); err != nil {
			a.t.Fatal(err)
		}
		todo = append(todo, a.perform(&out)...)
	}
}

func (a *alone) perform(out *replica.Output) (answers []replica.Input) {
	a.t.Helper()
	a.replies = append(a.replies, out.Replies...)
	a.pushes = append(a.pushes, out.Pushes...)
	a.attached = append(a.attached, out.Attached...)
	a.closed = append(a.closed, out.Closings...)
	if out.Save != nil {
		a.saves++
		saved, err := a.store.Save(*out.Save)
		if err != nil {
			a.t.Fatal(err)
		}
		answers = append(answers, replica.Stored{Saved: saved})
	}
	for _, f := range out.Fetches {
		rows, err := a.store.Rows(f.Ranges)
		if err != nil {
			a.t.Fatal(err)
		}
		answers = append(answers, replica.Fetched{ID: f.ID, Rows: rows})
	}
	for _, v := range out.Verifies {
		if a.slow {
			a.unseen = append(a.unseen, v)
			continue
		}
		answers = append(answers, replica.Verified{ID: v.ID, OK: v.Hash != "" && !a.wrong, Busy: a.busy})
	}
	for _, h := range out.Hashes {
		answers = append(answers, replica.Hashed{ID: h.ID, Hash: "hash", Busy: a.busy})
	}
	return answers
}

// person is a device that numbers its commands.
type person struct {
	dev  session.DeviceID
	tok  session.Token
	next uint64
}

func device(n byte) *person {
	return &person{dev: session.DeviceID{n}, tok: session.Token{n, n}, next: 1}
}

// call gives one call and waits for its reply.
func (a *alone) call(c replica.Call) replica.Reply {
	a.t.Helper()
	a.calls++
	c.Conn, c.ID, c.Date = 1, a.calls, 1000
	before := len(a.replies)
	a.step(replica.Calls{List: []replica.Call{c}})
	if len(a.replies) == before {
		a.wait(2 * time.Second)
	}
	if len(a.replies) != before+1 || a.replies[before].ID != c.ID {
		a.t.Fatalf("%T%T: replies %v, want one to call %d", c.Command, c.Query, a.replies[before:], c.ID)
	}
	return a.replies[before]
}

func (a *alone) do(p *person, cmd chat.Command) replica.Reply {
	a.t.Helper()
	r := a.call(replica.Call{Device: p.dev, Token: p.tok, DSeq: p.next, Through: p.next - 1, Command: cmd, Secret: true})
	if r.Class == session.Applied || r.Class == session.Rejected {
		p.next++
	}
	return r
}

func (a *alone) ask(p *person, q replica.Query) replica.Reply {
	a.t.Helper()
	return a.call(replica.Call{Device: p.dev, Token: p.tok, Query: q})
}

func (a *alone) signup(n byte, name string) *person {
	a.t.Helper()
	p := device(n)
	a.want(a.do(p, chat.Signup{Name: name, Token: chat.Token(p.tok)}), session.Applied, "")
	return p
}

func (a *alone) want(r replica.Reply, class session.Class, code string) {
	a.t.Helper()
	if r.Class != class || r.Code != code {
		a.t.Errorf("answered class %d %q, want class %d %q", r.Class, r.Code, class, code)
	}
}

// The way of one message: signed up, sent, read back, listed, delivered.
func TestAMessageGoesItsWay(t *testing.T) {
	a := start(t, nil)
	ada, bob := a.signup(1, "Ada"), a.signup(2, "bob")
	a.step(replica.Attach{Conn: 9, Sub: 3, Device: bob.dev, Token: bob.tok, FromCursor: true})
	sent := a.do(ada, chat.Send{To: "BOB", Body: "hi"})
	a.want(sent, session.Applied, "")
	if !sent.Result.Sent || sent.Result.Seq != 1 || sent.Pos.Index == 0 || sent.Pos.Epoch != 1 {
		t.Errorf("sent: %+v", sent)
	}
	if len(a.pushes) != 1 || a.pushes[0].Conn != 9 || a.pushes[0].Sub != 3 || a.pushes[0].Message.Body != "hi" ||
		a.pushes[0].Names != [2]string{"Ada", "bob"} {
		t.Errorf("pushed: %+v", a.pushes)
	}
	if page := a.ask(ada, replica.List{}).Page; fmt.Sprint(page.Names) != "[Ada bob]" || page.More {
		t.Errorf("list: %+v", page)
	}
	th := a.ask(bob, replica.History{With: "ada"}).Thread
	if th.Last != 1 || len(th.Messages) != 1 || th.Messages[0].Body != "hi" {
		t.Errorf("history: %+v", th)
	}
	if id := a.ask(bob, replica.Whoami{}).Identity; id.Name != "bob" || id.Queued != 1 {
		t.Errorf("whoami: %+v", id)
	}
	a.want(a.ask(bob, replica.History{With: "nobody"}), session.Rejected, "E_NO_SUCH_USER")
	a.want(a.ask(bob, replica.History{Members: [2]chat.UID{77, 78}}), session.Rejected, "E_NOT_MEMBER")
}

// T11: whichever command is asked again after its reply was lost, the answer is the same, from the
// same position, and there is one effect.
func TestT11EveryCommandAskedAgainIsAnsweredTheSame(t *testing.T) {
	a := start(t, nil)
	ada := device(1)
	a.signup(2, "bob")
	for _, cmd := range []chat.Command{
		chat.Signup{Name: "ada", Token: chat.Token(ada.tok)}, chat.Send{To: "bob", Body: "one"}, chat.Send{To: "nobody", Body: "two"},
		chat.Void{}, chat.Login{Name: "ada", Token: chat.Token(ada.tok)}, chat.Passwd{}, chat.DeleteAccount{},
	} {
		first := a.do(ada, cmd)
		applied := a.m.Status().Applied
		ada.next--
		again := a.do(ada, cmd)
		if !again.Replayed || again.Pos != first.Pos || again.Code != first.Code || again.Result != first.Result {
			t.Errorf("%T was answered %+v, then %+v", cmd, first, again)
		}
		if a.m.Status().Applied != applied {
			t.Errorf("%T asked again made an entry", cmd)
		}
	}
	other := device(3)
	a.want(a.do(other, chat.Signup{Name: "ada", Token: chat.Token(other.tok)}), session.Applied, "")
	if h := a.ask(other, replica.History{With: "bob"}); h.Thread.Last != 0 {
		t.Errorf("a new ada inherits %d messages", h.Thread.Last)
	}
}

// A number that another command had is told so, with that command's answer.
func TestAReusedNumberIsToldSo(t *testing.T) {
	a := start(t, nil)
	ada := a.signup(1, "ada")
	a.do(ada, chat.Send{To: "ada", Body: "one"})
	ada.next--
	r := a.do(ada, chat.Void{})
	a.want(r, session.Rejected, "E_SEQ_REUSED")
	if r.Result.Seq != 1 {
		t.Errorf("without the answer of the command that has the number: %+v", r.Result)
	}
	ada.next = 9
	r = a.do(ada, chat.Void{})
	a.want(r, session.NotApplied, "E_SEQ_GAP")
	if r.Expected != 3 {
		t.Errorf("expected %d, want 3", r.Expected)
	}
}

// Nobody gets in at the door who does not belong, and what is refused there leaves no entry.
func TestTheDoorLetsNobodyInWhoDoesNotBelong(t *testing.T) {
	a := start(t, func(s *chat.Settings) { s.OpenAuth = false })
	ada := a.signup(1, "ada")
	applied := a.m.Status().Applied
	stranger, thief := device(7), &person{dev: ada.dev, tok: session.Token{66}, next: 2}
	a.want(a.do(stranger, chat.Send{To: "ada", Body: "x"}), session.NotApplied, "E_NO_SESSION")
	a.want(a.do(thief, chat.Send{To: "ada", Body: "x"}), session.NotApplied, "E_NO_SESSION")
	a.want(a.ask(thief, replica.List{}), session.NotApplied, "E_NO_SESSION")
	a.want(a.call(replica.Call{Device: ada.dev, Token: ada.tok, Pos: replica.Pos{Epoch: 2}, Query: replica.List{}}), session.NotApplied, "E_OTHER_HISTORY")
	a.wrong = true
	a.want(a.do(stranger, chat.Login{Name: "ada", Token: chat.Token(stranger.tok), Takeover: true}), session.NotApplied, "E_BAD_PASSWORD")
	a.want(a.do(ada, chat.DeleteAccount{}), session.NotApplied, "E_BAD_PASSWORD")
	a.busy = true
	a.want(a.do(ada, chat.Passwd{}), session.NotApplied, "E_BUSY")
	a.step(replica.Attach{Conn: 1, Sub: 1, Device: thief.dev, Token: thief.tok})
	if len(a.closed) != 1 || a.closed[0].Why != replica.NoSession {
		t.Errorf("a thief's feed: %+v", a.closed)
	}
	if now := a.m.Status().Applied; now != applied {
		t.Errorf("refusals at the door made %d entries", now-applied)
	}
	a.busy = false
	a.want(a.do(device(8), chat.Login{Name: "nobody"}), session.NotApplied, "E_NO_SESSION") // not its own token
	p := device(9)
	a.want(a.do(p, chat.Login{Name: "nobody", Token: chat.Token(p.tok)}), session.Rejected, "E_NO_SUCH_USER")
}

// A command that was settled while its repetition had its password looked at is answered from the record:
// after a deletion there is no password to be right.
func TestARepetitionIsAnsweredThoughItsPasswordIsGone(t *testing.T) {
	a := start(t, func(s *chat.Settings) { s.OpenAuth = false })
	ada := a.signup(1, "ada")
	a.slow = true
	for id := range uint64(2) {
		a.step(replica.Calls{List: []replica.Call{{Conn: 1, ID: 100 + id, Device: ada.dev, Token: ada.tok, DSeq: ada.next,
			Through: ada.next - 1, Command: chat.DeleteAccount{}, Secret: true}}})
	}
	if len(a.unseen) != 2 {
		t.Fatalf("%d passwords to look at, want 2", len(a.unseen))
	}
	before := len(a.replies)
	a.step(replica.Verified{ID: a.unseen[0].ID, OK: true})
	a.step(replica.Verified{ID: a.unseen[1].ID, OK: false})
	got := a.replies[before:]
	if len(got) != 2 || got[0].Pos != got[1].Pos || !got[1].Replayed {
		t.Fatalf("answered %+v, want the same twice", got)
	}
	a.want(got[0], session.Applied, "")
	a.want(got[1], session.Applied, "")
}

// A flood is stopped before it costs an entry, and told when to come again.
func TestAFloodIsStoppedAtTheDoor(t *testing.T) {
	a := start(t, func(s *chat.Settings) { s.SendPerSec, s.SendBurst = 5, 3 })
	ada := a.signup(1, "ada")
	var r replica.Reply
	for range 4 {
		r = a.do(ada, chat.Send{To: "ada", Body: "x"})
	}
	a.want(r, session.NotApplied, "E_RATE")
	if r.AfterMs < 1 || r.AfterMs > 200 {
		t.Errorf("worth asking again in %d ms, want up to 200", r.AfterMs)
	}
	a.wait(time.Duration(r.AfterMs) * time.Millisecond)
	a.want(a.do(ada, chat.Send{To: "ada", Body: "x"}), session.Applied, "")
}

// Strangers who come to nothing are limited by address; those who come in good faith are not.
func TestStrangersAreLimitedByAddress(t *testing.T) {
	a := start(t, func(s *chat.Settings) { s.SendPerSec = 5 })
	n := uint32(0)
	enter := func(origin, name string, signup bool) replica.Reply {
		n++
		p := person{dev: session.DeviceID{1, byte(n >> 8), byte(n)}, tok: session.Token{2, byte(n >> 8), byte(n)}}
		var cmd chat.Command = chat.Login{Name: name, Token: chat.Token(p.tok)}
		if signup {
			cmd = chat.Signup{Name: name, Token: chat.Token(p.tok)}
		}
		return a.call(replica.Call{Device: p.dev, Token: p.tok, DSeq: 1, Command: cmd, Origin: origin})
	}
	for i := range 300 {
		a.want(enter("office", fmt.Sprint("u", i), true), session.Applied, "")
	}
	for range 100 {
		a.want(enter("office", "nobody", false), session.Rejected, "E_NO_SUCH_USER")
	}
	r := enter("office", "nobody", false)
	a.want(r, session.NotApplied, "E_RATE")
	if r.AfterMs < 1 || r.AfterMs > 500 {
		t.Errorf("worth asking again in %d ms, want up to 500", r.AfterMs)
	}
	a.want(enter("home", "ada", true), session.Applied, "")
	a.wait(10 * time.Second)
	a.want(enter("office", "bob", true), session.Applied, "")
	a.want(enter("office", "nobody", false), session.Rejected, "E_NO_SUCH_USER")
	a.want(enter("office", "eve", true), session.NotApplied, "E_RATE")
}

// Being told to come again costs nothing, and good contacts are not without limit either: each may
// leave the tombstone of a closed device.
func TestNoAddressFillsTheRoomForTombstones(t *testing.T) {
	a := start(t, func(s *chat.Settings) { s.SendPerSec, s.OpenAuth = 5, false })
	n := uint32(0)
	signup := func(origin string) (*person, replica.Reply) {
		n++
		p := &person{dev: session.DeviceID{1, byte(n >> 8), byte(n)}, tok: session.Token{2, byte(n >> 8), byte(n)}, next: 2}
		return p, a.call(replica.Call{Device: p.dev, Token: p.tok, DSeq: 1, Origin: origin, Secret: true,
			Command: chat.Signup{Name: fmt.Sprint("u", n), Token: chat.Token(p.tok)}})
	}
	a.busy = true
	for range 2000 {
		_, r := signup("evil")
		a.want(r, session.NotApplied, "E_BUSY")
	}
	a.busy = false
	for range 1000 {
		p, r := signup("evil")
		a.want(r, session.Applied, "")
		a.want(a.do(p, chat.DeleteAccount{}), session.Applied, "")
	}
	_, r := signup("evil")
	a.want(r, session.NotApplied, "E_RATE")
	_, r = signup("home")
	a.want(r, session.Applied, "")
}

// Without a leader calls wait a second, and are then sent away; nothing is acknowledged (G7).
func TestWithoutAMajorityCallsAreSentAway(t *testing.T) {
	a := start(t, nil, 1, 2, 3)
	p := device(1)
	begun := a.now
	a.want(a.do(p, chat.Signup{Name: "ada", Token: chat.Token(p.tok)}), session.NotApplied, "E_UNAVAILABLE")
	if held := a.now - begun; held < time.Second {
		t.Errorf("sent away after %v, want a second", held)
	}
	a.want(a.ask(p, replica.List{}), session.NotApplied, "E_UNAVAILABLE")
}

// What was acknowledged is there after a crash, with the same digest; numbers go on.
func TestARestartFindsEverything(t *testing.T) {
	a := start(t, nil)
	ada := a.signup(1, "ada")
	for i := range 40 {
		a.do(ada, chat.Send{To: "ada", Body: fmt.Sprint(i)})
	}
	hash := a.m.Chat().Hash()
	a.site.Crash()
	a.open()
	if a.m.Chat().Hash() != hash {
		t.Error("another state after a crash")
	}
	a.want(a.do(ada, chat.Send{To: "ada", Body: "more"}), session.Applied, "")
	a.wait(time.Second)
	digest := a.m.Status().Digest
	a.site.Crash()
	a.open()
	if th := a.ask(ada, replica.History{With: "ada", Latest: true, Limit: 2}).Thread; th.Last != 41 || th.Messages[1].Body != "more" {
		t.Errorf("history: %+v", th)
	}
	if got := a.m.Status(); got.Digest != digest && got.Durable == got.Applied {
		t.Errorf("digest %v, was %v", got.Digest, digest)
	}
}

// A feed resumes at any cursor: from rows, from what waits to be stored, and live.
func TestAFeedResumesAnywhere(t *testing.T) {
	a := start(t, nil)
	ada := a.signup(1, "ada")
	for i := range 600 {
		a.do(ada, chat.Send{To: "ada", Body: fmt.Sprint(i)})
	}
	for _, after := range []uint64{0, 1, 255, 256, 599, 600} {
		a.pushes = nil
		a.step(replica.Attach{Conn: 5, Sub: after, Device: ada.dev, Token: ada.tok, After: after})
		for i, p := range a.pushes {
			if p.Event.N != after+uint64(i)+1 || p.Message.Body != fmt.Sprint(after+uint64(i)) {
				t.Fatalf("after %d: push %d is event %d %q", after, i, p.Event.N, p.Message.Body)
			}
		}
		if len(a.pushes) != int(600-after) {
			t.Errorf("after %d: %d events, want %d", after, len(a.pushes), 600-after)
		}
		a.step(replica.Hangup{Conn: 5})
	}
	a.step(replica.Attach{Conn: 5, Sub: 9, Device: ada.dev, Token: ada.tok, After: 601})
	if len(a.closed) != 1 || a.closed[0].Why != replica.OtherHistory {
		t.Errorf("after 601: %+v", a.closed)
	}
}

// A replica that resigns alone owes nothing once its calls are answered, and sends feeds away.
func TestResigningEndsFeedsAndIsIdle(t *testing.T) {
	a := start(t, nil)
	ada := a.signup(1, "ada")
	a.step(replica.Attach{Conn: 5, Sub: 1, Device: ada.dev, Token: ada.tok})
	var out replica.Output
	a.m.Step(a.now, replica.Resign{}, &out)
	if len(out.Closings) != 1 || out.Closings[0].Why != replica.Resume || !out.Idle {
		t.Errorf("closings %+v, idle %t", out.Closings, out.Idle)
	}
}

// An entry of a newer level stops the replica; it is not skipped.
func TestANewerLevelStopsTheReplica(t *testing.T) {
	a := start(t, nil)
	a.signup(1, "ada")
	last, _ := a.m.Raft().Mark(a.m.Status().Applied)
	e := raft.Entry{Index: last.Index + 1, Term: last.Term, Kind: raft.Command, Time: last.Time, Data: []byte{2, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0}}
	e.Chain = raft.ChainNext(last.Chain, &e)
	a.wait(time.Second)
	rec := replica.Save{Seq: uint64(a.saves) + 1, Append: []raft.Entry{e}, Hard: &raft.Hard{Term: last.Term, Vote: 1, Commit: e.Index}}
	if _, err := a.store.Save(rec); err != nil {
		t.Fatal(err)
	}
	a.site.Crash()
	a.store, _ = a.site.Open([16]byte{}, 1)
	r, err := a.store.Recover()
	if err != nil {
		t.Fatal(err)
	}
	cfg := replica.Config{Raft: raft.Config{ID: 1, Voters: []raft.ID{1}, Seed: 5, Chain: raft.Chain{1}}, Epoch: 1}
	m, err := replica.New(cfg, r, a.now)
	if err != nil {
		t.Fatal(err)
	}
	var out replica.Output
	m.Step(a.now, replica.Tick{}, &out)
	if !strings.Contains(out.Fatal, "newer feature level") {
		t.Errorf("fatal %q, want the newer level named", out.Fatal)
	}
}

// A device that logs in again while attached goes on being heard: its epoch has risen.
func TestADeviceThatLogsInAgainIsStillHeard(t *testing.T) {
	a := start(t, nil)
	ada := a.signup(1, "ada")
	a.step(replica.Attach{Conn: 5, Sub: 1, Device: ada.dev, Token: ada.tok})
	uid := a.do(ada, chat.Login{Name: "ada", Token: chat.Token(ada.tok)}).Result.UID
	a.do(ada, chat.Send{To: "ada", Body: "x"})
	if len(a.closed) > 0 {
		t.Fatalf("its own login ended its feed: %+v", a.closed)
	}
	a.step(replica.Ack{Conn: 5, Sub: 1, N: 1})
	a.wait(3 * time.Second)
	if got := a.m.Chat().Cursor(uid); got != 1 {
		t.Errorf("cursor %d, want 1", got)
	}
}
