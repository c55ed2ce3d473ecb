package explore

import (
	"flag"
	"strconv"
	"strings"
	"testing"
	"time"

	"parley/core/raft"
)

var (
	scopeFlag = flag.String("scope", "", "explore the scope of this name, changed by the flags below")
	sets      = flag.String("set", "", "change it: nodes=2,timeouts=3,impatient=1+3,instant=1,…")
)

// change sets a field of a scope by its name.
func change(t *testing.T, s *Scope, field, value string) {
	t.Helper()
	n, err := strconv.Atoi(value)
	counts := map[string]*int{"nodes": &s.Nodes, "timeouts": &s.Timeouts, "beats": &s.Beats, "crashes": &s.Crashes, "again": &s.Again,
		"lost": &s.Lost, "commands": &s.Commands, "reads": &s.Reads, "hints": &s.Hints, "transfers": &s.Transfers,
		"append": &s.Append, "depth": &s.Depth, "states": &s.States}
	switch p := counts[field]; {
	case p != nil && err == nil:
		*p = n
	case field == "instant" || field == "streams":
		*map[string]*bool{"instant": &s.Instant, "streams": &s.Streams}[field] = value == "1"
	case field == "impatient":
		s.Impatient = nil
		for _, id := range strings.Split(value, "+") {
			n, _ := raft.ParseID(id)
			s.Impatient = append(s.Impatient, n)
		}
	case field == "elect":
		s.Begin = nil
		for _, pair := range strings.Split(value, "+") {
			a, b, _ := strings.Cut(pair, "/")
			id, _ := raft.ParseID(a)
			voter, _ := raft.ParseID(b)
			s.Begin = append(s.Begin, s.Elect(id, voter)...)
		}
	default:
		t.Fatalf("-set %s=%s: there is no such field, or it takes a number", field, value)
	}
}

func TestScope(t *testing.T) {
	s := Scope{Name: "x", Nodes: 3}
	for _, pair := range strings.Split(*sets, ",") {
		if field, value, ok := strings.Cut(pair, "="); ok {
			change(t, &s, field, value)
		}
	}
	began := time.Now()
	r := Run(s, func(r Result) {
		t.Logf("%6.1fs depth %d: %d states, %d transitions", time.Since(began).Seconds(), r.Depth, r.States, r.Transitions)
	})
	t.Logf("%v", &r)
	t.Logf("%.0f states/s", float64(r.States)/time.Since(began).Seconds())
	if r.Failure != nil {
		story, f, err := Replay(s, r.Failure.Path)
		t.Fatalf("%s\n%v %v", strings.Join(story, "\n"), f, err)
	}
}
