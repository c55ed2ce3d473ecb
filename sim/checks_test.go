package sim

import (
	"strings"
	"testing"
	"time"

	"parley/core/chat"
	"parley/core/raft"
	"parley/core/replica"
	"parley/core/row"
	"parley/core/session"
	lin "parley/linearizability"
)

// calm is a plan in which nothing goes wrong by itself.
func calm(seed uint64) Plan {
	p := Generate(seed, Lite)
	p.Voters, p.Faults, p.Password, p.Multi = 3, nil, false, false
	p.Network = Network{DelayMin: Span(100 * time.Microsecond), DelayMax: Span(time.Millisecond)}
	p.Knobs.KeepEntries, p.Knobs.MaxQueue, p.Knobs.DriftPpm = 1<<20, 10_000, 0
	return p
}

// Every checker speaks when there is something to say: a bug is planted in the middle of a calm
// world, and the checker named must be the one that finds it.
func TestCheckersFindPlantedBugs(t *testing.T) {
	for _, bug := range []struct {
		name    string
		checker string
		says    string
		plant   func(w *world)
	}{
		{"nothing", "", "", func(w *world) {}},
		{"a server forgets its term", "order", "goes back: term", func(w *world) {
			w.checks.order.seen[0].term += 100
		}},
		{"a leader's view of a peer goes back", "order", "matched up to", func(w *world) {
			w.checks.order.seen[w.leader().id-1].match[0] += 100
		}},
		{"a log loses what it had saved and committed", "order", "its log was saved", func(w *world) {
			was := &w.checks.order.seen[0]
			was.saved, was.commit = was.saved+100, was.commit+100
			w.checks.ordered(w.servers[0], &raft.Status{Role: raft.Role{Term: was.term}, Commit: was.commit})
		}},
		{"a disk goes back", "order", "the disk of n1 goes back", func(w *world) {
			w.checks.order.seen[0].kept += 100
		}},
		{"a disk goes back from one life to the next", "order", "n1 goes back", func(w *world) {
			w.checks.order.seen[0].hard.Commit += 100
			w.servers[0].machine, w.servers[0].up = nil, false
			w.servers[0].start()
		}},
		{"two entries have one index and one term", "raft", "logs do not match", func(w *world) {
			last := w.leader().status.Raft.Last
			w.checks.book.add(&raft.Entry{Index: last.Index + 1, Term: last.Term, Chain: raft.Chain{'x'}})
		}},
		{"a leader counts other voters", "configuration", "but the voters are", func(w *world) {
			st := w.leader().machine.Raft().Status()
			st.Progress = st.Progress[1:]
			w.checks.configured(w.leader(), &st)
		}},
		{"somebody else led this term", "raft", "two leaders in term", func(w *world) {
			s := w.leader()
			w.checks.raft.leaders[s.machine.Raft().Status().Role.Term] = s.id%3 + 1
			w.checks.order.seen[s.id-1].led = 0
		}},
		{"a leader was not elected", "raft", "by 1 votes of 3", func(w *world) {
			s := w.leader()
			w.checks.order.votes = map[ballot]raft.ID{{s.id, s.disk.hard.Term}: s.id}
			w.checks.raft.leaders = map[raft.Term]raft.ID{}
			w.checks.order.seen[s.id-1].led = 0
		}},
		{"another entry was committed here", "raft", "commits another entry", func(w *world) {
			next := raft.Index(len(w.checks.ghost) + 1)
			w.checks.ghost = append(w.checks.ghost, raft.Entry{Index: next, Chain: raft.Chain{'x'}})
			w.checks.since = append(w.checks.since, 1)
		}},
		{"a leader lacks what was committed", "completeness", "without the committed entry", func(w *world) {
			w.checks.ghost[0].Chain[0]++
			w.checks.since[0] = 0
			w.checks.raft.leaders = map[raft.Term]raft.ID{}
			w.checks.order.seen[w.leader().id-1].led = 0
		}},
		{"an entry is committed that no disk has", "durable-ack", "on 0 of 3 disks", func(w *world) {
			e := raft.Entry{Index: raft.Index(len(w.checks.ghost) + 1), Chain: raft.Chain{'y'}}
			w.checks.book.add(&e)
			w.checks.first(w.leader(), e.Index, markOf(e))
		}},
		{"a disk reports saved what it has not", "durable-ack", "acknowledges entry", func(w *world) {
			follower(w).disk.lies = true
		}},
		{"a store is opened without a sync", "durable-ack", "; its disk", func(w *world) {
			f := follower(w)
			f.disk.hasty = true
			f.dangers.sync = []Fault{{Kind: FsyncError, Arg: 1}}
		}},
		{"a replica with nothing wrong halts for damage", "halt", "nothing wrong", func(w *world) {
			follower(w).die(&replica.Stop{Doing: "read rows", Err: damage{"a row does not have its sum"}})
		}},
		{"a vote is not on the disk", "durable-ack", "votes for", func(w *world) {
			s := w.leader()
			w.checks.sent(s, &raft.Message{Kind: raft.VoteReply, From: s.id, To: s.id%3 + 1, Term: s.disk.hard.Term + 1})
		}},
		{"a server speaks in a term that its disk does not know", "durable-ack", "speaks in term", func(w *world) {
			s := w.leader()
			w.checks.sent(s, &raft.Message{Kind: raft.Append, From: s.id, To: s.id%3 + 1, Term: s.disk.hard.Term + 1})
		}},
		{"one server votes for two", "order", "votes for", func(w *world) {
			s := w.leader()
			hard := s.disk.hard
			w.checks.order.votes[ballot{s.id, hard.Term}] = s.id%3 + 1
			w.checks.vote(s, hard.Term, hard.Vote)
		}},
		{"a row differs on one replica", "digest", "has digest", func(w *world) {
			s := w.leader()
			s.disk.effect(row.Effect{Row: chat.MessageRow(chat.Message{Index: 1 << 40, Conversation: 1 << 40, Seq: 1, Body: "rot"})}, nil)
		}},
		{"a hot row differs in memory", "digest", "", func(w *world) {
			s := w.leader()
			at := chat.Stamp{Index: 1 << 40}
			var out chat.Outcome
			s.machine.Chat().Apply(at, chat.DeviceID{1}, chat.Signup{Name: "ghost"}, chat.Evidence{}, &out)
		}},
		{"state differs at one entry", "digest", "differs from another replica", func(w *world) {
			at := (raft.Index(len(w.checks.ghost))/stateEvery + 1) * stateEvery
			for range 10 { // a step may apply several entries, and pass by the first
				w.checks.digest.states[at] = state{}
				at += stateEvery
			}
		}},
		{"an answer stands where the log has another command", "exactly-once", "where the log has", func(w *world) {
			c := w.clients[0]
			w.checks.answered(c.dev.id, 999, &replica.Reply{Class: session.Applied, Pos: replica.Pos{Epoch: 1, Index: 5}})
		}},
		{"one operation becomes two messages", "exactly-once", "already", func(w *world) {
			for i := range uint64(2) {
				w.checks.written(w.leader(), &row.Effect{Row: chat.MessageRow(chat.Message{Index: 5 + i, Body: "once"})})
			}
		}},
		{"a read comes from an old state", "freshness", "reads a state of", func(w *world) {
			w.checks.fresh.told += 1000
		}},
		{"a snapshot is spoilt", "snapshots", "n1's snapshot", func(w *world) {
			s := w.servers[0]
			snap, _ := s.disk.Export()
			snap.Data[len(snap.Data)/2]++
			w.stats.Snapshots = 1
			w.checks.exported(s, &snap)
		}},
		{"a snapshot lacks a row", "snapshots", "restored", func(w *world) {
			s := w.servers[0]
			snap, _ := s.disk.Export()
			s.disk.effect(row.Effect{Row: chat.MessageRow(chat.Message{Index: 1 << 40, Conversation: 1 << 40, Seq: 1, Body: "more"})}, nil)
			w.stats.Snapshots = 1
			w.checks.exported(s, &snap)
		}},
		{"the committed log is another than was applied", "replay", "is no log", func(w *world) {
			w.plan.Seed = replayEvery
			w.checks.ghost[0].Time++
		}},
		{"a reply stands nowhere", "position", "says reply at", func(w *world) {
			s := w.leader()
			s.out.Replies = append(s.out.Replies, replica.Reply{})
			w.checks.positions(s)
		}},
		{"a device changes hands", "incarnation", "before it was 999", func(w *world) {
			for _, c := range w.clients {
				w.checks.owners[c.dev.id] = 999
			}
		}},
		{"a replica's parts disagree", "invariant", "compacted to", func(w *world) {
			s := follower(w)
			w.runUntil(time.Second, func() bool { return s.status.Applied > s.status.Durable })
			s.machine.Raft().Step(0, raft.Compact{To: s.status.Applied}, &raft.Output{})
			w.checks.invariants()
		}},
		{"an event is shown before it is committed", "feed", "are committed", func(w *world) {
			w.checks.happens("n%d stores", 1, place{1, 1 << 40}, happened{index: uint64(len(w.checks.ghost) + 1)})
		}},
		{"an event is another than was stored", "feed", "before it was", func(w *world) {
			for at := range w.checks.feed.events {
				w.checks.feed.events[place{at.account, at.n + 1000}] = happened{index: 1}
				w.checks.happens("n%d stores", 1, place{at.account, at.n + 1000}, happened{index: 2})
				return
			}
		}},
		{"a device is shown the second event before the first", "feed", "is shown event", func(w *world) {
			for dev, n := range w.checks.feed.cursors {
				w.checks.delivered(dev, &replica.Push{Event: chat.Event{Account: 77, N: n + 2, Index: 1}})
				return
			}
		}},
		{"a device is shown what nobody sent", "feed", "is shown \"lies\"", func(w *world) {
			dev := w.clients[0].dev.id
			w.checks.feed.cursors[dev] = 1 << 40
			w.checks.delivered(dev, &replica.Push{Event: chat.Event{Account: 77, N: 1<<40 + 1, Index: 1}, Message: &chat.Message{Body: "lies"}})
		}},
		{"a number is answered twice, differently", "exactly-once", "and then", func(w *world) {
			c := w.clients[0]
			w.checks.once.answers[numbered{c.dev.id, 999}] = answer{pos: replica.Pos{Index: 5}}
			w.checks.answered(c.dev.id, 999, &replica.Reply{Class: session.Applied, Pos: replica.Pos{Index: 6}})
		}},
		{"a feed leaves an event out", "feed", "gap", func(w *world) { misfeed(w, 1) }},
		{"a feed repeats an event", "feed", "got event", func(w *world) { misfeed(w, -1) }},
		{"a replica halts for no reason", "halt", "stops itself", func(w *world) {
			f := follower(w)
			st := f.machine.Raft().Status()
			f.take(replica.Peer{Message: &replica.PeerMessage{From: w.leader().id, To: f.id, Raft: &raft.Message{
				Kind: raft.Append, From: w.leader().id, To: f.id, Term: st.Role.Term,
				Index: st.Last.Index, LogTerm: st.Last.Term, Chain: raft.Chain{'z'},
				Entries: []raft.Entry{{Index: st.Last.Index + 1, Term: st.Role.Term}},
			}}})
		}},
		{"disks never finish again", "liveness", "two minutes after all healed", func(w *world) {
			w.plan.Knobs.SaveMin, w.plan.Knobs.SaveMax = Span(time.Hour), Span(2*time.Hour)
		}},
		{"an acknowledged message is not in the history that was read", "history", "", func(w *world) {
			spoil(w, func(e *lin.Event) bool { return e.E == lin.OK && e.Seq == 2 }, func(e *lin.Event) { e.Seq = 1 })
		}},
		{"a push shows another body", "history", "", func(w *world) {
			spoil(w, func(e *lin.Event) bool { return e.E == lin.Push && e.Body != "" }, func(e *lin.Event) { e.Body += "?" })
		}},
	} {
		t.Run(bug.name, func(t *testing.T) {
			w := newWorld(calm(3), Options{})
			w.run(1500 * time.Millisecond)
			if w.failure != nil {
				t.Fatalf("before the bug: %v", w.failure)
			}
			bug.plant(w)
			w.run(2500 * time.Millisecond)
			w.recover()
			r := w.result()
			switch {
			case bug.checker == "":
				if r.Failure != nil {
					t.Errorf("a calm world fails: %v", r.Failure)
				}
			case r.Failure == nil:
				t.Error("nobody noticed")
			case r.Failure.Checker != bug.checker || !strings.Contains(r.Failure.Text, bug.says):
				t.Errorf("%v; want checker %q to say %q", r.Failure, bug.checker, bug.says)
			}
		})
	}
}

// No checker sleeps: in a small sweep each has looked.
func TestEveryCheckerLooks(t *testing.T) {
	var all Evaluations
	for seed := range uint64(24) {
		r := Run(Generate(seed, Lite))
		all.add(&r.Stats.Checks)
	}
	for i, n := range all {
		if n == 0 {
			t.Errorf("%v has never looked", checker(i))
		}
	}
	t.Logf("%v", &all)
}

func follower(w *world) *server {
	for _, s := range w.servers {
		if s != w.leader() {
			return s
		}
	}
	return nil
}

// misfeed delivers to the first client that is attached and has had an event another, which stands so
// far from the one it expects.
func misfeed(w *world, by int) {
	for range 1000 {
		for _, c := range w.clients {
			if f := &c.feed; f.sub != 0 && c.cursor > 0 {
				c.pushed(f.stream, replica.Push{Sub: f.asked, Event: chat.Event{N: uint64(int(c.cursor+1) + by)}})
				return
			}
		}
		w.run(w.now + time.Millisecond)
	}
	w.fail("test", "nobody attaches")
}

// spoil alters the first recorded event of a kind.
func spoil(w *world, which func(*lin.Event) bool, alter func(*lin.Event)) {
	for i := range w.history.h.Events {
		if e := &w.history.h.Events[i]; which(e) {
			alter(e)
			return
		}
	}
	w.fail("test", "no event to spoil")
}
