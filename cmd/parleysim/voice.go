package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"parley/sim"
)

// voice is how a fleet tells what it sees: in text with its progress on a terminal, or as JSON lines.
type voice struct {
	out, err io.Writer
	json     bool
	each     bool
	terminal bool
	of       uint64 // seeds
	tally    *tally
	start    time.Time
	last     time.Time // of the progress
}

func (c *fleet) voice(t *tally) *voice {
	now := time.Now()
	return &voice{out: c.stdio.out, err: c.stdio.err, json: c.json, each: c.each, terminal: isTerminal(c.stdio.err), of: c.seeds.count(),
		tally: t, start: now, last: now}
}

// line writes a JSON object.
func (v *voice) line(what any) {
	text, err := json.Marshal(what)
	if err != nil {
		panic(fmt.Sprintf("a line of a fleet is plain data, and yet: %v", err))
	}
	v.out.Write(append(text, '\n')) // whoever closes the pipe does not want to know
}

// seedLine is one world, for --each.
type seedLine struct {
	V         int                   `json:"v"`
	T         string                `json:"t"`
	Seed      uint64                `json:"seed"`
	Profile   sim.Profile           `json:"profile"`
	Events    uint64                `json:"events"`
	Virtual   float64               `json:"virtual_s"`
	Asked     int                   `json:"asked"`
	Answered  uint64                `json:"answered"`
	Faults    map[sim.FaultKind]int `json:"faults"`
	Packets   map[string]uint64     `json:"packets"` // lost, dup, slow, late
	Trace     string                `json:"trace"`
	Checker   string                `json:"checker,omitempty"` // that found something
	Text      string                `json:"text,omitempty"`
	Signature string                `json:"signature,omitempty"`
}

func newSeedLine(o *outcome) seedLine {
	s := &o.stats
	l := seedLine{V: 1, T: "seed", Seed: o.seed, Profile: o.profile, Events: s.Events, Virtual: s.Virtual.Seconds(), Asked: o.asked,
		Answered: s.Acknowledged, Faults: s.Faults, Packets: map[string]uint64{"loss": s.Lost, "dup": s.Doubled, "late": s.Late},
		Trace: fmt.Sprintf("%016x", o.trace)}
	if o.failure != nil {
		l.Checker, l.Text, l.Signature = o.failure.Checker, o.failure.Text, o.sign
	}
	return l
}

// outcome tells of a world.
func (v *voice) outcome(o *outcome, isNew bool) {
	if v.each && v.json {
		v.line(newSeedLine(o))
	}
	if isNew {
		f := v.tally.Failures[len(v.tally.Failures)-1]
		if v.json {
			v.line(struct {
				V int    `json:"v"`
				T string `json:"t"`
				*failure
			}{1, "failure", f})
		} else {
			v.erase()
			fmt.Fprint(v.out, f.card())
		}
	}
	if v.each && !v.json {
		v.erase()
		fmt.Fprintf(v.out, "seed %d %s: %d events, %d of %d answered, trace %016x%s\n", o.seed, o.profile, o.stats.Events, o.stats.Acknowledged,
			o.asked, o.trace, found(o.failure))
	}
	v.progress()
}

func found(f *sim.Failure) string {
	if f == nil {
		return ""
	}
	return ", FAIL " + f.Checker
}

func (f *failure) card() string {
	plan := ""
	if f.Plan != "" {
		plan = "\nplan   " + f.Plan
	}
	return fmt.Sprintf("FAIL %s: %s (seed %d, at %s, event %d)\nrepro  %s%s\n", f.Checker, f.Text, f.Seed, f.At, f.Event, f.Again, plan)
}

// shrunk tells of a failure that was made small.
func (v *voice) shrunk(f *failure, s *sim.Shrunk) {
	if v.json {
		v.line(struct {
			V int    `json:"v"`
			T string `json:"t"`
			*failure
		}{1, "shrunk", f})
		return
	}
	v.erase()
	repro := f.Again
	if f.SmallPlan != "" {
		repro = "go run ./cmd/parleysim run --plan=" + f.SmallPlan
	}
	told := sim.Case{Tape: &sim.Tape{}, Was: s, Repro: repro, Build: build()}
	told.Result = guarded(s.Now.Plan, sim.Options{Tape: told.Tape})
	fmt.Fprint(v.out, sim.Card(&told))
}

// progress tells how far the fleet is: ten times a second on a terminal, every half minute in JSON.
func (v *voice) progress() {
	now := time.Now()
	switch since := now.Sub(v.last); {
	case v.json && since >= 30*time.Second:
		v.line(map[string]any{"v": 1, "t": "progress", "seeds": v.tally.Seeds, "of": v.of, "failures": len(v.tally.Failures), "s": int(now.Sub(v.start).Seconds())})
	case !v.json && v.terminal && since >= 100*time.Millisecond:
		left := time.Duration(float64(now.Sub(v.start)) / float64(v.tally.Seeds) * float64(v.of-v.tally.Seeds))
		fmt.Fprintf(v.err, "\r\x1b[K%d of %d worlds, %d kinds of failures, %v to go", v.tally.Seeds, v.of, len(v.tally.Failures), left.Round(time.Second))
	default:
		return
	}
	v.last = now
}

func (v *voice) erase() {
	if v.terminal && !v.json {
		fmt.Fprint(v.err, "\r\x1b[K")
	}
}

func (v *voice) summary() {
	if v.json {
		v.line(v.tally)
		return
	}
	v.erase()
	io.WriteString(v.out, v.tally.String())
}

func (t *tally) String() string {
	var out strings.Builder
	line := func(name, format string, args ...any) {
		fmt.Fprintf(&out, "%-10s %s\n", name, fmt.Sprintf(format, args...))
	}
	var profiles []string
	for _, p := range slices.Sorted(maps.Keys(t.Profiles)) {
		profiles = append(profiles, fmt.Sprintf("%d %s", t.Profiles[p], p))
	}
	line("worlds", "%d (%s), %v of virtual time", t.Seeds, strings.Join(profiles, ", "), (time.Duration(t.Virtual) * time.Second).String())
	line("clients", "%d operations in %d attempts, %d answered, %d events pushed, %d entries committed", t.Asked, t.Tried, t.Answered, t.Pushed, t.Entries)
	line("speed", "%d events in %.1f s: %.0f a second, %.1f worlds a second", t.Events, t.Seconds, float64(t.Events)/t.Seconds, float64(t.Seeds)/t.Seconds)
	line("faults", "%s", counts(t.Faults))
	line("checks", "%s", counts(t.Checks))
	line("marks", "%s", counts(t.Marks))
	if len(t.Never) > 0 {
		line("never", "%q", t.Never)
	}
	last := t.Novelty[len(t.Novelty)-1]
	line("novelty", "%d marks, %d pairs of them; seed %d was the last with a new one; after%s", last.Marks, last.Pairs, t.Newest, t.curve())
	line("thin", "%d worlds answer less than a fifth, %d show the judge too little", t.Low, t.Vacuous)
	if t.Canary != "" {
		line("canary", "%s", t.Canary)
	}
	for _, f := range t.Failures {
		line("FAIL", "%d times %s: seeds %d\n           %s", f.Count, f.Signature, f.Seeds, f.Again)
	}
	for _, h := range t.Holes {
		line("HOLE", "%s", h)
	}
	end := "nothing found"
	switch {
	case t.Canary == canaryLived:
		end = "BLIND: the canary lived"
	case len(t.Failures)+len(t.Holes) > 0:
		end = fmt.Sprintf("%d kinds of failures, %d holes", len(t.Failures), len(t.Holes))
	}
	if t.Interrupted {
		end += " (interrupted)"
	}
	line("so", "%s", end)
	return out.String()
}

// curve is novelty over seeds.
func (t *tally) curve() string {
	var out strings.Builder
	for i, n := range t.Novelty {
		if i == len(t.Novelty)-1 || i%2 == 0 && n.Seeds > 1 {
			fmt.Fprintf(&out, " %d:%d", n.Seeds, n.Pairs)
		}
	}
	return out.String()
}

func counts[K ~string, N int | uint64](m map[K]N) string {
	var parts []string
	for _, k := range slices.Sorted(maps.Keys(m)) {
		parts = append(parts, fmt.Sprintf("%s %d", k, m[k]))
	}
	if len(parts) == 0 {
		return "none"
	}
	return strings.Join(parts, ", ")
}

// keep writes the plan of a new failure, as it struck, into the directory for that.
func (c *fleet) keep(t *tally, o *outcome) error {
	if c.out == "" {
		return nil
	}
	f := t.Failures[len(t.Failures)-1]
	name := filepath.Join(c.out, fmt.Sprintf("%s-%s-%d.json", o.failure.Checker, o.profile, o.seed))
	if err := os.WriteFile(name, o.pinned.Encode(), 0o666); err != nil {
		return fmt.Errorf("keep the plan of seed %d: %w", o.seed, err)
	}
	f.Plan = name
	return nil
}

// decode reads back what Encode wrote.
func decode(plan []byte) (sim.Plan, error) { return sim.ReadPlan(bytes.NewReader(plan)) }
