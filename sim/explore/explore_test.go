package explore

import (
	"reflect"
	"slices"
	"strings"
	"testing"

	"parley/core/raft"
)

// Every rule speaks when there is something to say: in a small scope, a disk is planted that does not
// keep what it reports, or a message that nobody sent.
func TestRulesFindPlantedBugs(t *testing.T) {
	forge := func(list ...raft.Message) func(*explorer) {
		return func(x *explorer) { x.forged = list }
	}
	one := Scope{Name: "one", Nodes: 3, Timeouts: 1, Instant: true}
	for _, bug := range []struct {
		name  string
		scope Scope
		plant func(*explorer)
		rule  string
		says  string
	}{
		{"nothing", one, forge(), "", ""},
		{"a disk does not keep a vote that it reports saved", Scope{Nodes: 2, Timeouts: 1}, func(x *explorer) { x.forgetful = true },
			"durable-ack", "its disk says"},
		{"a vote is forged", one, forge(raft.Message{Kind: raft.VoteReply, From: 2, To: 1, Term: 1}), "votes", "by at most 1 votes of 3"},
		{"an acknowledgement is forged", one, forge(raft.Message{Kind: raft.AppendReply, From: 2, To: 1, Term: 1, Index: 1}),
			"durable-ack", "commits entry 1/1 on 1 of 3 disks"},
		{"an append is forged, of another leader", one, forge(raft.Message{Kind: raft.Append, From: 2, To: 3, Term: 1, Chain: seed}),
			"halt", "lead"},
		{"a commit is forged", one, forge(raft.Message{Kind: raft.Append, From: 1, To: 3, Term: 1, Chain: seed, Commit: 1, Entries: forgedEntry(1)}),
			"durable-ack", "commits entry 1/1"},
		{"an entry is forged", Scope{Nodes: 3, Timeouts: 1, Commands: 1, Instant: true},
			forge(raft.Message{Kind: raft.Append, From: 1, To: 3, Term: 1, Chain: seed, Entries: forgedEntry(7)}), "raft", "different entries 1/1"},
		{"an echo is forged", elected(Scope{Nodes: 3, Timeouts: 2, Impatient: []raft.ID{1, 2}, Reads: 1, Instant: true}),
			forge(raft.Message{Kind: raft.AppendReply, From: 2, To: 1, Term: 1, Round: 1}), "freshness", "committed when it began"},
	} {
		t.Run(bug.name, func(t *testing.T) {
			x := newExplorer(bug.scope)
			bug.plant(x)
			r := x.explore(nil)
			switch f := r.Failure; {
			case bug.rule == "":
				if f != nil || !r.Exhausted {
					t.Errorf("without a bug: %v", &r)
				}
			case f == nil:
				t.Errorf("nobody noticed: %v", &r)
			case f.Rule != bug.rule || !strings.Contains(f.Text, bug.says):
				t.Errorf("%s: %s; want %s to say %q", f.Rule, f.Text, bug.rule, bug.says)
			}
		})
	}
}

// forgedEntry is an entry of term 1 with a time at which nobody proposed one.
func forgedEntry(at raft.ClusterTime) []raft.Entry {
	e := raft.Entry{Index: 1, Term: 1, Time: at}
	e.Chain = raft.ChainNext(seed, &e)
	return []raft.Entry{e}
}

// The rules that no message can break hold what they say, too.
func TestRulesOfThePast(t *testing.T) {
	x := newExplorer(elected(Scope{Nodes: 3, Timeouts: 1, Instant: true}))
	s, _, _, err := x.walk(x.birth(), append(x.scope.Begin, "n2 hears n1→n2 append"))
	if err != nil {
		t.Fatal(err)
	}
	c, ok := x.find(s, "n1 hears n2→n1 append-reply t1 1")
	if !ok {
		t.Fatal("no answer is on its way")
	}
	other := raft.Mark{Index: 1, Term: 1, Chain: raft.Chain{'x'}}
	for name, past := range map[string]struct {
		ghost ghost
		rule  string
	}{
		"as it was":                           {ghost{leaders: []leader{{1, 1}}}, ""},
		"something else was committed before": {ghost{committed: []committed{{other, 1}}, leaders: []leader{{1, 1}}}, "raft"},
	} {
		then := slices.Clone(s)
		then[0] = x.internGhost(&past.ghost)
		_, f := x.take(then, c, nil)
		if got := ruleOf(f); got != past.rule {
			t.Errorf("%s: %q speaks, want %q", name, got, past.rule)
		}
	}
	before, _, _, _ := x.walk(x.birth(), x.scope.Begin[:len(x.scope.Begin)-1])
	win, ok := x.find(before, "n1 hears n2→n1 vote-reply")
	if !ok {
		t.Fatal("no vote is on its way")
	}
	for name, past := range map[string]struct {
		ghost ghost
		rule  string
	}{
		"as it was":             {ghost{}, ""},
		"another led this term": {ghost{leaders: []leader{{1, 3}}}, "raft"},
		"something was committed the term before": {ghost{committed: []committed{{other, 0}}}, "completeness"},
	} {
		then := slices.Clone(before)
		then[0] = x.internGhost(&past.ghost)
		_, f := x.take(then, win, nil)
		if got := ruleOf(f); got != past.rule {
			t.Errorf("%s: %q speaks, want %q", name, got, past.rule)
		}
	}
}

func ruleOf(f *Failure) string {
	if f == nil {
		return ""
	}
	return f.Rule
}

// What an exploration finds is the same every time, and in the shortest way.
func TestAnExplorationIsTheSameEveryTime(t *testing.T) {
	s := Scope{Name: "twice", Nodes: 2, Timeouts: 2, Commands: 1}
	first, second := Run(s, nil), Run(s, nil)
	if !reflect.DeepEqual(first, second) {
		t.Errorf("once %v, then %v", &first, &second)
	}
	if !first.Exhausted {
		t.Errorf("%v", &first)
	}
}

// A path leads where it was found to lead, also when its lines are cut short.
func TestAPathCanBeTakenAgain(t *testing.T) {
	x := newExplorer(Scope{Nodes: 3, Timeouts: 1})
	x.forgetful = true
	f := x.explore(nil).Failure
	if f == nil {
		t.Fatal("nothing found")
	}
	again := newExplorer(x.scope)
	again.forgetful = true
	_, story, g, err := again.walk(again.birth(), f.Path)
	if err != nil || g == nil || g.Rule != f.Rule || g.Text != f.Text || len(story) != len(f.Path) {
		t.Errorf("found %v; taken again: %v, %v", f, g, err)
	}
	if _, kept, err := Replay(x.scope, f.Path); err != nil || kept != nil {
		t.Errorf("with disks that keep their word: %v, %v", kept, err)
	}
	if _, _, err := Replay(x.scope, []string{"n1 timeout", "n3 hears n1→n3 pre-vote", "n3 hears n1→n3 pre-vote"}); err == nil {
		t.Error("a message is heard twice that was sent once")
	}
}

// An exploration that did not look at everything never says so.
func TestABoundIsNeverTakenForTheEnd(t *testing.T) {
	whole := Run(Scope{Nodes: 2, Timeouts: 2}, nil)
	if !whole.Exhausted || whole.Stopped != "" {
		t.Fatalf("%v", &whole)
	}
	for _, s := range []Scope{{Nodes: 2, Timeouts: 2, States: 100}, {Nodes: 2, Timeouts: 2, Depth: whole.Depth - 1},
		{Nodes: 9}, {Nodes: 3, Lost: 1}, {Nodes: 2, Begin: []string{"n1 flies"}}} {
		if r := Run(s, nil); r.Exhausted || r.Stopped == "" || r.Failure != nil {
			t.Errorf("%+v: %v", s, &r)
		}
	}
	deep := Run(Scope{Nodes: 2, Timeouts: 2, Depth: whole.Depth + 1}, nil)
	if !deep.Exhausted || deep.States != whole.States {
		t.Errorf("a depth that is never reached: %v, want %d states", &deep, whole.States)
	}
}
