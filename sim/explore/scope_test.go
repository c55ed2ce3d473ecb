package explore

import (
	"flag"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"parley/core/raft"
)

var (
	scopeFlag = flag.String("scope", "quick", "explore the scope of this name; quick, daily (what CI runs) or patient: those; new: an empty one of three nodes")
	setFlag   = flag.String("set", "", "change it: nodes=2,timeouts=3,impatient=1+3,instant=1,elect=1/2,…")
)

// What a scope allows is exhausted, and nothing is found.
//
//	go test ./sim/explore -run TestScope -count=1 -v -scope='a rival and a read'
//	go test ./sim/explore -run TestScope -count=1 -v -scope=new -set=nodes=3,timeouts=1,crashes=1
func TestScope(t *testing.T) {
	for _, s := range chosen(t) {
		for pair := range strings.SplitSeq(*setFlag, ",") {
			if field, value, ok := strings.Cut(pair, "="); ok {
				if err := change(&s, field, value); err != nil {
					t.Fatalf("-set %s: %v", pair, err)
				}
			}
		}
		began, last := time.Now(), time.Now()
		r := Run(s, func(r Result) {
			if time.Since(last) > 5*time.Second {
				t.Logf("%.0f s: depth %d, %d states, %d transitions", time.Since(began).Seconds(), r.Depth, r.States, r.Transitions)
				last = time.Now()
			}
		})
		took := time.Since(began)
		t.Logf("%v; %.1f s, %.0f states/s", &r, took.Seconds(), float64(r.States)/took.Seconds())
		if f := r.Failure; f != nil {
			story, _, _ := Replay(s, f.Path)
			t.Errorf("FAIL %s: %s\n%s", f.Rule, f.Text, strings.Join(story, "\n"))
		} else if !r.Exhausted && *setFlag == "" {
			t.Errorf("%s: not exhausted", s.Name)
		}
	}
}

func chosen(t *testing.T) []Scope {
	t.Helper()
	switch *scopeFlag {
	case "quick":
		return quickScopes()
	case "daily":
		return slices.Concat(quickScopes(), everyDayScopes())
	case "patient":
		return patientScopes()
	case "new":
		return []Scope{{Name: "new", Nodes: 3}}
	}
	var names []string
	for _, s := range Scopes() {
		if s.Name == *scopeFlag {
			return []Scope{s}
		}
		names = append(names, s.Name)
	}
	t.Fatalf("there is no scope %q; there are quick, daily, patient, new, and %q", *scopeFlag, names)
	return nil
}

// change sets a field of a scope by its name.
func change(s *Scope, field, value string) error {
	counts := map[string]*int{"nodes": &s.Nodes, "timeouts": &s.Timeouts, "beats": &s.Beats, "crashes": &s.Crashes, "again": &s.Again,
		"lost": &s.Lost, "commands": &s.Commands, "reads": &s.Reads, "hints": &s.Hints, "transfers": &s.Transfers,
		"append": &s.Append, "depth": &s.Depth, "states": &s.States}
	flags := map[string]*bool{"instant": &s.Instant, "streams": &s.Streams}
	switch {
	case counts[field] != nil:
		n, err := strconv.Atoi(value)
		*counts[field] = n
		return err
	case flags[field] != nil:
		on, err := strconv.ParseBool(value)
		*flags[field] = on
		return err
	case field == "impatient":
		ids, err := parseIDs(value, "+")
		s.Impatient = ids
		return err
	case field == "elect": // 1/2: n1 by the vote of n2. After "instant" and "nodes"
		ids, err := parseIDs(value, "/")
		if err == nil && len(ids) == 2 {
			s.Begin = s.Elect(ids[0], ids[1])
		}
		return err
	}
	return fmt.Errorf("a scope has no %q", field)
}

func parseIDs(text, between string) (ids []raft.ID, err error) {
	for part := range strings.SplitSeq(text, between) {
		id, err := raft.ParseID(part)
		if err != nil {
			return nil, err
		}
		ids = append(ids, id)
	}
	return ids, nil
}
