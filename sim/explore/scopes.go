package explore

import (
	"slices"

	"parley/core/raft"
)

// Scopes are those that are explored again and again, the quick ones first.
func Scopes() []Scope {
	return slices.Concat(quickScopes(), everyDayScopes(), patientScopes())
}

// quickScopes take a second each, and run with the tests.
func quickScopes() []Scope {
	return []Scope{
		{Name: "one campaign", Nodes: 3, Timeouts: 1, Again: 1},
		{Name: "four voters", Nodes: 4, Timeouts: 1, Impatient: []raft.ID{1}, Again: 1, Instant: true},
		elected(Scope{Name: "a write and a crash", Nodes: 3, Timeouts: 1, Commands: 1, Crashes: 1}),
		elected(Scope{Name: "a rival and a crash", Nodes: 3, Timeouts: 2, Impatient: []raft.ID{1, 3}, Crashes: 1}),
		overtaken(Scope{Name: "the old leader was overtaken", Nodes: 3, Timeouts: 7, Hints: 1, Impatient: []raft.ID{1, 3}, Instant: true}),
		{Name: "a pair", Nodes: 2, Timeouts: 2, Commands: 1, Crashes: 1},
	}
}

// everyDayScopes take seconds each, a minute together: CI runs them.
func everyDayScopes() []Scope {
	return []Scope{
		{Name: "two campaigns", Nodes: 3, Timeouts: 2, Instant: true},
		elected(Scope{Name: "a rival and a write", Nodes: 3, Timeouts: 2, Impatient: []raft.ID{1, 3}, Commands: 1}),
		elected(Scope{Name: "a rival and a read", Nodes: 3, Timeouts: 2, Impatient: []raft.ID{1, 2}, Reads: 1, Instant: true}),
		elected(Scope{Name: "streams", Nodes: 3, Timeouts: 2, Commands: 1, Beats: 1, Lost: 1, Streams: true, Instant: true}),
		{Name: "a pair in three campaigns", Nodes: 2, Timeouts: 3, Commands: 1, Crashes: 1},
		returned(Scope{Name: "the old leader returns", Nodes: 3, Timeouts: 6, Impatient: []raft.ID{1, 3}, Instant: true, Append: 1}),
	}
}

// patientScopes take minutes and gigabytes: before a release, or in the night.
func patientScopes() []Scope {
	return []Scope{
		{Name: "two campaigns, slow disks", Nodes: 3, Timeouts: 2, States: 150_000_000},
		elected(Scope{Name: "three campaigns", Nodes: 3, Timeouts: 3, Impatient: []raft.ID{1, 3}, Instant: true}),
		{Name: "a pair that reads", Nodes: 2, Timeouts: 2, Commands: 1, Reads: 1, Crashes: 1},
	}
}

// elected begins with n1 elected by n2.
func elected(s Scope) Scope {
	s.Begin = s.Elect(1, 2)
	return s
}

// returned begins like figure 3.7 of the Raft dissertation: n1 was elected and has an entry that nobody
// else heard of; n3 was elected after it, and has another in its place.
func returned(s Scope) Scope {
	s.Begin = append(s.deposed(), allLost)
	return s
}

// overtaken goes on from there: what n3 put in its place is committed, and n1 has heard of the term.
func overtaken(s Scope) Scope {
	s.Begin = append(s.deposed(), "lost n3→n1 append", "n2 hears n3→n2 append", "n3 hears n2→n3 append-reply t2 1",
		"n1 timeout", "n1 timeout", "n2 hears n1→n2 pre-vote", "n1 hears n2→n1 pre-vote-reply", allLost)
	return s
}

// deposed is the beginning in which n1 wins an election, and then n3, both with the vote of n2.
func (s *Scope) deposed() []string {
	return slices.Concat(s.Elect(1, 2), []string{allLost},
		[]string{"n3 timeout", "n2 hears n3→n2 pre-vote", "n3 hears n2→n3 pre-vote-reply", allLost}, // there is a term it missed
		s.Elect(3, 2))
}
