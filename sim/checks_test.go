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
			w.checks.seen[0].term += 100
		}},
		{"somebody else led this term", "raft", "two leaders in term", func(w *world) {
			s := w.leader()
			w.checks.leaders[s.machine.Raft().Status().Role.Term] = s.id%3 + 1
		}},
		{"a leader was not given enough votes", "raft", "by 1 votes of 3", func(w *world) {
			w.checks.leaders, w.checks.votes = map[raft.Term]raft.ID{}, map[ballot]raft.ID{}
		}},
		{"another entry was committed here", "raft", "commits another entry", func(w *world) {
			next := raft.Index(len(w.checks.ghost) + 1)
			w.checks.ghost = append(w.checks.ghost, raft.Entry{Index: next, Chain: raft.Chain{'x'}})
		}},
		{"a leader lacks what was committed", "completeness", "without the committed entry", func(w *world) {
			w.checks.ghost[0].Chain[0]++
			w.checks.leaders = map[raft.Term]raft.ID{}
		}},
		{"an entry is committed that no disk has", "durable-ack", "on 0 of 3 disks", func(w *world) {
			e := raft.Entry{Index: raft.Index(len(w.checks.ghost) + 1), Chain: raft.Chain{'y'}}
			w.checks.entries[e.Chain] = e
			w.checks.first(w.leader(), e.Index, markOf(e))
		}},
		{"a disk reports saved what it has not", "durable-ack", "acknowledges entry", func(w *world) {
			follower(w).disk.lies = true
		}},
		{"a vote is not on the disk", "durable-ack", "votes for", func(w *world) {
			s := w.leader()
			w.checks.sent(s, &raft.Message{Kind: raft.VoteReply, From: s.id, To: s.id%3 + 1, Term: s.disk.hard.Term + 1})
		}},
		{"one server votes for two", "order", "votes for", func(w *world) {
			s := w.leader()
			hard := s.disk.hard
			w.checks.votes[ballot{s.id, hard.Term}] = s.id%3 + 1
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
		{"a number is answered twice, differently", "exactly-once", "and then", func(w *world) {
			c := w.clients[0]
			w.checks.answered(c.dev.id, 999, &replica.Reply{Class: session.Applied, Pos: replica.Pos{Index: 5}})
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
			w := newWorld(calm(7), Options{})
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
