package raft

import (
	"slices"
	"strings"
	"testing"
	"time"
)

// quiet is a machine that n-th tests drive by hand: its saves finish at once.
type quiet struct {
	t   *testing.T
	m   *Machine
	now time.Duration
	out Output
}

func newQuiet(t *testing.T, voters int, rec Recovered) *quiet {
	var ids []ID
	for i := range voters {
		ids = append(ids, ID(i+1))
	}
	m, err := New(Config{ID: 1, Voters: ids, Seed: 1, Chain: testChain}, rec, 0)
	if err != nil {
		t.Fatal(err)
	}
	return &quiet{t: t, m: m}
}

// step returns what was sent, the consequences of the save included.
func (q *quiet) step(in Input) []Message {
	var sent []Message
	grants := q.out.Reads[:0]
	q.out.Reset()
	q.out.Reads = grants
	q.m.Step(q.now, in, &q.out)
	sent = append(sent, q.out.Sends...)
	for seq := q.out.Save.Seq; seq != 0; seq = q.out.Save.Seq {
		q.out.Save, q.out.Sends = Save{}, q.out.Sends[:0]
		q.m.Step(q.now, Saved{seq}, &q.out)
		sent = append(sent, q.out.Sends...)
	}
	if err := q.m.Check(); err != nil {
		q.t.Fatal(err)
	}
	return sent
}

func (q *quiet) hear(msg Message) []Message {
	msg.To = 1
	return q.step(Received{&msg})
}

// lead wins an election with the votes of the next servers.
func (q *quiet) lead() {
	q.now = max(q.now, q.m.Deadline())
	q.step(Tick{})
	for _, kind := range []MessageKind{PreVoteReply, VoteReply} {
		term := q.m.hard.Term
		if kind == PreVoteReply {
			term++
		}
		for i := 1; i < q.m.quorum; i++ {
			q.hear(Message{Kind: kind, From: ID(i + 1), Term: term})
		}
	}
	if q.m.role != Leader {
		q.t.Fatalf("is %v", q.m.part())
	}
}

func (q *quiet) follow(term Term) {
	q.hear(Message{Kind: Append, From: 2, Term: term, Chain: testChain})
	if q.m.leader != 2 {
		q.t.Fatalf("is %v", q.m.part())
	}
}

// An answer to an earlier campaign is not one to this (little-raft #44).
func TestStaleVote(t *testing.T) {
	q := newQuiet(t, 3, Recovered{Hard: Hard{Term: 5}})
	q.now = q.m.Deadline()
	q.step(Tick{})
	q.hear(Message{Kind: PreVoteReply, From: 2, Term: 6})
	for _, msg := range []Message{
		{Kind: VoteReply, From: 2, Term: 5},
		{Kind: VoteReply, From: 3, Term: 4},
		{Kind: VoteReply, From: 3, Term: 6, Reject: true},
		{Kind: PreVoteReply, From: 3, Term: 6},
	} {
		if q.hear(msg); q.m.role != Candidate {
			t.Errorf("%v made it a %v", &msg, q.m.role)
		}
	}
	if q.hear(Message{Kind: VoteReply, From: 2, Term: 6}); q.m.role != Leader {
		t.Errorf("a good vote made it a %v", q.m.role)
	}
}

// Five servers: the same voter twice is one vote (akka-raft #45).
func TestOneVoteEach(t *testing.T) {
	q := newQuiet(t, 5, Recovered{})
	q.now = q.m.Deadline()
	q.step(Tick{})
	for range 3 {
		q.hear(Message{Kind: PreVoteReply, From: 2, Term: 1})
	}
	if q.m.role != PreCandidate {
		t.Fatalf("one pre-vote three times made it a %v", q.m.role)
	}
	q.hear(Message{Kind: PreVoteReply, From: 3, Term: 1})
	for range 3 {
		q.hear(Message{Kind: VoteReply, From: 2, Term: 1})
	}
	if q.m.role != Candidate {
		t.Fatalf("one vote three times made it a %v", q.m.role)
	}
}

// Acknowledgements of an earlier term say nothing about this one: not for commit, not for reads.
func TestStaleAcknowledgement(t *testing.T) {
	q := newQuiet(t, 3, Recovered{})
	q.lead()
	q.hear(Message{Kind: AppendReply, From: 2, Term: 1, Index: 1})
	q.follow(2)
	q.lead() // term 3, with 2/3
	q.hear(Message{Kind: AppendReply, From: 2, Term: 3, Index: 2})
	q.step(Propose{[][]byte{[]byte("x")}})
	q.step(Read{1})
	for _, term := range []Term{1, 2} {
		q.hear(Message{Kind: AppendReply, From: 2, Term: term, Index: 3, Round: 1})
	}
	if q.m.hard.Commit != 2 || len(q.out.Reads) != 0 {
		t.Errorf("commit %d, grants %v", q.m.hard.Commit, q.out.Reads)
	}
	q.hear(Message{Kind: AppendReply, From: 2, Term: 3, Index: 3, Round: 1})
	if q.m.hard.Commit != 3 || len(q.out.Reads) != 1 {
		t.Errorf("commit %d, grants %v", q.m.hard.Commit, q.out.Reads)
	}
}

// A read waits for a round that was sent after it came, on a leader and for a follower, and its
// index covers the no-op of this term.
func TestReadRounds(t *testing.T) {
	q := newQuiet(t, 3, Recovered{})
	q.lead()
	q.step(Read{1})
	q.hear(Message{Kind: AppendReply, From: 2, Term: 1, Index: 1}) // before the round
	if len(q.out.Reads) != 0 {
		t.Fatalf("granted without a round: %v", q.out.Reads)
	}
	q.hear(Message{Kind: ReadIndex, From: 3, Term: 1, ReadID: 9})
	sent := q.hear(Message{Kind: AppendReply, From: 2, Term: 1, Index: 1, Round: 1})
	if got := q.out.Reads; len(got) != 1 || got[0] != (Grant{1, 1, true}) {
		t.Fatalf("got %v", got)
	}
	if slices.ContainsFunc(sent, func(m Message) bool { return m.Kind == ReadIndexReply }) {
		t.Fatal("a follower's read rode on an earlier round")
	}
	sent = q.hear(Message{Kind: AppendReply, From: 3, Term: 1, Index: 0, Round: 2})
	if i := slices.IndexFunc(sent, func(m Message) bool { return m.Kind == ReadIndexReply }); i < 0 || sent[i].ReadID != 9 || sent[i].Commit != 1 {
		t.Fatalf("no answer in %v", sent)
	}
	q = newQuiet(t, 3, Recovered{})
	q.lead()
	q.step(Read{1})
	q.hear(Message{Kind: AppendReply, From: 2, Term: 1, Index: 0, Round: 1})
	if len(q.out.Reads) != 0 {
		t.Fatalf("granted before the no-op is committed: %v", q.out.Reads)
	}
}

// A vote that is refused, and a term that is merely higher, do not postpone one's own campaign
// (raft-rs #14).
func TestDeniedVoteKeepsDeadline(t *testing.T) {
	q := newQuiet(t, 3, Recovered{Hard: Hard{Term: 1}, Compact: Mark{Index: 3, Term: 1}, Applied: 3})
	before := q.m.Deadline()
	q.now = before - time.Millisecond
	q.hear(Message{Kind: Vote, From: 2, Term: 7, Index: 2, LogTerm: 1})
	if q.m.hard != (Hard{Term: 7, Commit: 3}) || q.m.Deadline() != before {
		t.Errorf("%+v, deadline %v, want %v", q.m.hard, q.m.Deadline(), before)
	}
	q.hear(Message{Kind: Vote, From: 2, Term: 8, Index: 3, LogTerm: 1})
	if q.m.hard.Vote != 2 || q.m.Deadline() <= before {
		t.Errorf("%+v, deadline %v", q.m.hard, q.m.Deadline())
	}
}

// Who hears a leader votes for nobody and takes no term from a candidate, unless the leader wished
// it. Becoming a pre-candidate ends that (etcd #8334).
func TestSticky(t *testing.T) {
	q := newQuiet(t, 3, Recovered{})
	q.follow(1)
	vote := Message{Kind: Vote, From: 3, Term: 9, Index: 9, LogTerm: 1}
	pre := Message{Kind: PreVote, From: 3, Term: 9, Index: 9, LogTerm: 1}
	if sent := q.hear(vote); len(sent) != 0 || q.m.hard.Term != 1 {
		t.Errorf("sent %v in term %d", sent, q.m.hard.Term)
	}
	if sent := q.hear(pre); len(sent) != 1 || !sent[0].Reject || sent[0].Term != 1 {
		t.Errorf("sent %v", sent)
	}
	c := &quiet{t: t, m: q.m.Clone(), now: q.m.Deadline()}
	c.step(Tick{})
	if sent := c.hear(pre); len(sent) != 1 || sent[0].Reject || sent[0].Term != 9 {
		t.Errorf("a pre-candidate sent %v", sent)
	}
	vote.Transfer = true
	if sent := q.hear(vote); len(sent) != 1 || sent[0].Reject || q.m.hard.Vote != 3 {
		t.Errorf("sent %v, vote %v", sent, q.m.hard.Vote)
	}
}

// A leader's order to stand, or of succession, is bound to its term and to that leader.
func TestTransferIsBoundToItsTerm(t *testing.T) {
	for _, msg := range []Message{
		{Kind: TimeoutNow, From: 2, Term: 1}, {Kind: TimeoutNow, From: 2, Term: 3}, {Kind: TimeoutNow, From: 3, Term: 2},
		{Kind: Successors, From: 2, Term: 1, Order: []ID{1}}, {Kind: Successors, From: 3, Term: 2, Order: []ID{1}},
		{Kind: Successors, From: 2, Term: 2, Order: []ID{3}},
	} {
		q := newQuiet(t, 3, Recovered{})
		q.follow(1)
		q.follow(2)
		before := q.m.Deadline()
		q.hear(msg)
		if q.m.role != Follower || q.m.Deadline() != before {
			t.Errorf("%v: %v, deadline %v, want %v", &msg, q.m.part(), q.m.Deadline(), before)
		}
	}
	q := newQuiet(t, 3, Recovered{})
	q.follow(2)
	q.hear(Message{Kind: Successors, From: 2, Term: 2, Order: []ID{3, 1}})
	if got, want := q.m.Deadline(), q.now+25*time.Millisecond; got != want {
		t.Errorf("deadline %v, want %v", got, want)
	}
}

// Two servers of equal rank and equal seeds still draw different deadlines.
func TestGeneratorsDiffer(t *testing.T) {
	a, b := newRandom(7, 1), newRandom(7, 2)
	if a.next() == b.next() {
		t.Error("equal draws")
	}
}

// A rejection that comes late cannot move the probe below what is acknowledged, and one that came
// already does not send the same entries again.
func TestRejections(t *testing.T) {
	q := newQuiet(t, 3, Recovered{})
	q.lead()
	for range 5 {
		q.step(Propose{[][]byte{[]byte("x")}})
	}
	q.hear(Message{Kind: AppendReply, From: 2, Term: 1, Index: 4})
	q.hear(Message{Kind: AppendReply, From: 2, Term: 1, Index: 2, Reject: true})
	if p := q.m.peer(2); p.match != 4 || p.next != 7 || p.state != stream {
		t.Errorf("late rejection: %+v", *p)
	}
	q.hear(Message{Kind: AppendReply, From: 2, Term: 1, Index: 3})
	if p := q.m.peer(2); p.match != 4 {
		t.Errorf("late acknowledgement: %+v", *p)
	}
	reject := Message{Kind: AppendReply, From: 2, Term: 1, Index: 5, LogTerm: 1, Reject: true}
	if sent := q.hear(reject); len(sent) != 1 || sent[0].Index != 5 || len(sent[0].Entries) != 1 {
		t.Errorf("rejection of 6: %v", sent)
	}
	if sent := q.hear(reject); len(sent) != 0 {
		t.Errorf("the same again: %v", sent)
	}
	if sent := q.hear(Message{Kind: AppendReply, From: 2, Term: 1, Index: 1 << 40}); len(sent) != 0 || q.m.peer(2).match != 4 {
		t.Errorf("an index we never wrote: %v, match %d", sent, q.m.peer(2).match)
	}
}

// What is proposed is bounded by what is not committed, and the bound is free again with a commit,
// whatever was cut in between (etcd-io/raft a370b6f).
func TestBusy(t *testing.T) {
	q := newQuiet(t, 3, Recovered{})
	q.m.cfg.MaxUncommitted = 1000
	q.lead()
	big := Propose{[][]byte{make([]byte, 800)}}
	if q.step(big); q.out.Proposed != (Placed{First: 2, Term: 1}) {
		t.Fatalf("got %+v", q.out.Proposed)
	}
	if q.step(big); q.out.Proposed != (Placed{Refused: Busy}) {
		t.Fatalf("got %+v", q.out.Proposed)
	}
	entry := Entry{Index: 1, Term: 2}
	entry.Chain = ChainNext(testChain, &entry)
	q.hear(Message{Kind: Append, From: 2, Term: 2, Chain: testChain, Entries: []Entry{entry}, Commit: 1})
	if q.out.CutFrom != 1 || q.m.hard.Commit != 1 {
		t.Fatalf("cut from %d, commit %d", q.out.CutFrom, q.m.hard.Commit)
	}
	if q.step(big); q.out.Proposed != (Placed{Refused: NotLeader}) {
		t.Fatalf("got %+v", q.out.Proposed)
	}
	q.lead()
	if q.step(big); q.out.Proposed != (Placed{First: 3, Term: 3}) {
		t.Fatalf("got %+v", q.out.Proposed)
	}
	q.hear(Message{Kind: AppendReply, From: 2, Term: 3, Index: 3})
	if q.step(big); q.out.Proposed != (Placed{First: 4, Term: 3}) {
		t.Fatalf("got %+v", q.out.Proposed)
	}
}

// Cluster time runs with the leader's clock, from where the log has got to, and never back.
func TestClusterTime(t *testing.T) {
	q := newQuiet(t, 3, Recovered{})
	q.lead()
	start := q.m.log.last.Time
	q.now += 70 * time.Millisecond
	q.step(Propose{[][]byte{nil}})
	if got := q.m.log.last.Time - start; got != ClusterTime(70*time.Millisecond) {
		t.Errorf("70 ms later it is %d", got)
	}
	before := q.m.log.last.Time
	q.now -= 50 * time.Millisecond
	if q.step(Propose{[][]byte{nil}}); q.m.log.last.Time != before {
		t.Errorf("with the clock back it is %d, want %d", q.m.log.last.Time, before)
	}
}

// What a store recovers is checked before it is trusted.
func TestNewRefuses(t *testing.T) {
	var log suffix
	log.reset(Mark{Chain: testChain})
	for i := range 4 {
		e := Entry{Index: Index(i + 1), Term: 2, Time: 5}
		e.Chain = ChainNext(log.last.Chain, &e)
		log.append(e)
	}
	good := func() (Config, Recovered) {
		return Config{ID: 2, Voters: []ID{1, 2, 3}, Chain: testChain},
			Recovered{Hard: Hard{Term: 2, Commit: 3}, Applied: 2, Entries: slices.Clone(log.span(1))}
	}
	if cfg, rec := good(); true {
		if m, err := New(cfg, rec, 0); err != nil {
			t.Fatal(err)
		} else if m.Deadline() != 0 {
			t.Errorf("entry 3 waits to be handed out, but the deadline is %v", m.Deadline())
		} else {
			var out Output
			if m.Step(0, Tick{}, &out); len(out.Committed) != 1 || out.Committed[0].Index != 3 {
				t.Errorf("got %v, want 3", out.Committed)
			}
		}
	}
	for want, spoil := range map[string]func(*Config, *Recovered){
		"not among":              func(c *Config, r *Recovered) { c.ID = 4 },
		"not sorted":             func(c *Config, r *Recovered) { c.Voters = []ID{2, 1, 3} },
		"distinct":               func(c *Config, r *Recovered) { c.Voters = []ID{1, 2, 2} },
		"0 voters":               func(c *Config, r *Recovered) { c.Voters = nil },
		"8 voters":               func(c *Config, r *Recovered) { c.Voters = []ID{1, 2, 3, 4, 5, 6, 7, 8} },
		"no server's":            func(c *Config, r *Recovered) { c.Voters[0] = 0 },
		"longer than heartbeat":  func(c *Config, r *Recovered) { c.Heartbeat = time.Second },
		"negative":               func(c *Config, r *Recovered) { c.MaxInflight = -1 },
		"another cluster":        func(c *Config, r *Recovered) { r.Compact.Chain[0]++ },
		"does not continue":      func(c *Config, r *Recovered) { r.Entries[2].Data = []byte{1} },
		"entry 3 follows":        func(c *Config, r *Recovered) { r.Entries = slices.Delete(r.Entries, 1, 2) },
		"beyond the server's":    func(c *Config, r *Recovered) { r.Hard.Term = 1 },
		"beyond the last":        func(c *Config, r *Recovered) { r.Hard.Commit = 5 },
		"commit 6 is beyond":     func(c *Config, r *Recovered) { r.Applied = 6 },
		"below compact":          func(c *Config, r *Recovered) { r.Compact, r.Entries = Mark{Index: 3, Term: 2}, nil },
		"term goes back":         func(c *Config, r *Recovered) { r.Entries[1].Term = 1 },
		"cluster time goes back": func(c *Config, r *Recovered) { r.Entries[1].Time = 4 },
		"out of range":           func(c *Config, r *Recovered) { r.Hard.Term = 1 << 63 },
	} {
		cfg, rec := good()
		spoil(&cfg, &rec)
		if _, err := New(cfg, rec, 0); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %q", err, want)
		}
	}
}

// A clone goes its own way.
func TestClone(t *testing.T) {
	c := newTrio(t).lead(3)
	m := c.machines[0]
	before, copied := m.Hash(), m.Clone()
	if copied.Hash() != before {
		t.Fatal("a clone has another hash")
	}
	var out Output
	copied.Step(0, Propose{[][]byte{[]byte("mine")}}, &out)
	copied.Step(0, Read{7}, &out)
	if m.Hash() != before || copied.Hash() == before {
		t.Error("the clone moved the original, or did not move")
	}
	c.step(0, Propose{[][]byte{[]byte("yours")}}, 0)
	c.settle()
	if string(copied.log.at(5).Data) != "mine" || string(m.log.at(5).Data) != "yours" {
		t.Errorf("%q and %q", copied.log.at(5).Data, m.log.at(5).Data)
	}
}

// The chain is what the documentation says, for short and for long data.
func TestChainNext(t *testing.T) {
	e := Entry{Index: 1, Term: 2, Kind: Command, Time: 3, Data: []byte("hello")}
	if got, want := ChainNext(Chain{}, &e).String(), "4349c741"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	e.Data = make([]byte, 5000)
	if got, want := ChainNext(Chain{}, &e).String(), "18ef336c"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

// grow gives entries of these terms behind prev.
func grow(prev Mark, terms ...Term) (entries []Entry) {
	for _, term := range terms {
		e := Entry{Index: prev.Index + 1, Term: term}
		e.Chain = ChainNext(prev.Chain, &e)
		entries, prev = append(entries, e), e.mark()
	}
	return entries
}

// A whole conflicting term is stepped over in one rejection.
func TestRejectionSkipsTerm(t *testing.T) {
	entries := grow(Mark{Chain: testChain}, 1, 2, 2, 2, 2)
	q := newQuiet(t, 3, Recovered{Hard: Hard{Term: 2, Commit: 1}, Entries: entries})
	sent := q.hear(Message{Kind: Append, From: 2, Term: 3, Index: 5, LogTerm: 1})
	if n := len(sent); n == 0 || !sent[n-1].Reject || sent[n-1].Index != 1 || sent[n-1].LogTerm != 1 {
		t.Errorf("sent %v", sent)
	}
	if q.m.log.last.Index != 5 {
		t.Error("a question made it cut")
	}
}

// A snapshot is taken from this term's leader, or with the term in which its sender led; that term
// is then ours at least. It is never older than what is committed.
func TestSnapshotFrom(t *testing.T) {
	mark := Mark{Index: 9, Term: 1}
	for _, c := range []struct {
		in    SnapshotReceived
		taken bool
		term  Term
	}{
		{SnapshotReceived{From: 2, Mark: mark}, true, 2},
		{SnapshotReceived{From: 3, Mark: mark}, false, 2},
		{SnapshotReceived{From: 3, Mark: mark, Term: 1}, true, 2},
		{SnapshotReceived{From: 3, Mark: mark, Term: 5}, true, 5},
		{SnapshotReceived{From: 2, Mark: Mark{Index: 9, Term: 4}}, true, 4},
		{SnapshotReceived{From: 2, Mark: Mark{Index: 2, Term: 1}}, false, 2},
		{SnapshotReceived{From: 2, Mark: Mark{Index: 1 << 63, Term: 1}}, false, 2},
		{SnapshotReceived{From: 2, Mark: mark, Term: 1 << 63}, false, 2},
	} {
		q := newQuiet(t, 3, Recovered{Hard: Hard{Term: 1, Commit: 3}, Entries: grow(Mark{Chain: testChain}, 1, 1, 1, 1)})
		q.hear(Message{Kind: Append, From: 2, Term: 2, Index: 3, LogTerm: 1, Chain: q.m.log.at(3).Chain})
		q.step(c.in)
		if taken := q.m.applied == 9; taken != c.taken || q.m.hard.Term != c.term {
			t.Errorf("%+v: taken %t in term %d, want %t in term %d", c.in, taken, q.m.hard.Term, c.taken, c.term)
		}
		if c.taken && (q.m.log.last.Index != 9 || q.out.CutFrom != 4) {
			t.Errorf("%+v: last %v, cut from %d", c.in, q.m.log.last, q.out.CutFrom)
		}
	}
}

// While a snapshot is being installed a server does not stand, takes no entries, and applies and
// compacts nothing.
func TestInstallStandsStill(t *testing.T) {
	entries := grow(Mark{Chain: testChain}, 1, 1, 1, 1)
	q := newQuiet(t, 3, Recovered{Hard: Hard{Term: 1, Commit: 3}, Entries: entries})
	q.follow(1)
	var out Output
	q.m.Step(q.now, SnapshotReceived{From: 2, Mark: Mark{Index: 9, Term: 1, Chain: Chain{7}}}, &out)
	if out.Save.Install == nil || out.Save.CutFrom != 4 || out.Save.Hard.Commit != 9 {
		t.Fatalf("saves %+v", out.Save)
	}
	seq := out.Save.Seq
	before := q.m.log.last
	for _, in := range []Input{
		Received{&Message{Kind: Append, From: 2, To: 1, Term: 1, Index: 4, LogTerm: 1, Chain: before.Chain,
			Entries: grow(before, 1), Commit: 5}},
		Received{&Message{Kind: TimeoutNow, From: 2, To: 1, Term: 1}},
		Compact{2},
		Tick{},
	} {
		out.Reset()
		if _, ok := in.(Tick); ok {
			q.now = q.m.Deadline()
		}
		q.m.Step(q.now, in, &out)
		if q.m.log.last != before || q.m.log.compact.Index != 0 || len(out.Committed) != 0 || q.m.role != Follower {
			t.Errorf("after %T: %+v", in, q.m.Status())
		}
	}
	out.Reset()
	q.m.Step(q.now, Saved{seq}, &out)
	if s := q.m.Status(); s.Applied != 9 || s.Commit != 9 || s.Last.Index != 9 || out.CutFrom != 4 || s.Last.Chain != (Chain{7}) {
		t.Errorf("%+v, cut from %d", s, out.CutFrom)
	}
}

// Damage stops a server, and nobody is left waiting for it.
func TestFatal(t *testing.T) {
	q := newQuiet(t, 3, Recovered{})
	q.lead()
	q.step(Read{1})
	q.m.Step(q.now, Received{&Message{Kind: Append, From: 2, To: 1, Term: 1, Chain: testChain}}, &q.out)
	if !strings.Contains(q.out.Fatal, "both n1 and n2 lead") || q.m.Status().Fatal != q.out.Fatal {
		t.Errorf("fatal %q", q.out.Fatal)
	}
	if got := q.out.Reads; len(got) != 1 || got[0].OK {
		t.Errorf("grants %v", got)
	}
	if q.step(Read{2}); len(q.out.Reads) != 1 || q.out.Reads[0].OK {
		t.Errorf("grants %v", q.out.Reads)
	}
	q.step(Propose{[][]byte{nil}})
	if q.out.Proposed.Refused != NotLeader || q.m.Deadline() != never || q.out.Fatal == "" {
		t.Errorf("%+v, deadline %v", q.out, q.m.Deadline())
	}
}

// Behind is the slowest of those who are there and read the log; nobody waits for a peer that is
// gone, or that needs a snapshot anyway.
func TestBehind(t *testing.T) {
	q := newQuiet(t, 3, Recovered{})
	q.lead()
	q.step(Propose{Data: [][]byte{{'a'}, {'b'}, {'c'}, {'d'}}})
	reply := func(from ID, index Index) {
		q.hear(Message{Kind: AppendReply, From: from, Term: 1, Index: index, LogTerm: 1})
	}
	reply(2, 5)
	reply(3, 2)
	if got := q.m.Behind(); got != 2 {
		t.Errorf("behind is %d, want n3's 2", got)
	}
	q.now += q.m.cfg.Base / 2
	reply(2, 5)
	q.now += q.m.cfg.Base / 2
	reply(2, 5)
	if got := q.m.Behind(); got != 5 {
		t.Errorf("with n3 gone behind is %d, want n2's 5", got)
	}
	q.step(Compact{4})
	q.hear(Message{Kind: AppendReply, From: 3, Term: 1, Index: 2, LogTerm: 1, Reject: true})
	if got := q.m.Behind(); got != 5 {
		t.Errorf("with n3 waiting for a snapshot behind is %d, want n2's 5", got)
	}
}
