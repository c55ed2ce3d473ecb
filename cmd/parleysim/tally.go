package main

import (
	"fmt"
	"maps"
	"slices"
	"time"

	"parley/sim"
)

// tally sums up worlds. It is the "summary" of a fleet's JSON: fields are only ever added.
type tally struct {
	V           int                   `json:"v"`
	T           string                `json:"t"`
	Seeds       uint64                `json:"seeds"`
	Profiles    map[sim.Profile]int   `json:"profiles"`
	Asked       uint64                `json:"asked"` // operations of the plans
	Tried       uint64                `json:"tried"` // attempts of clients, repeated ones too
	Answered    uint64                `json:"answered"`
	Pushed      uint64                `json:"pushed"`
	Entries     uint64                `json:"entries"`
	Virtual     float64               `json:"virtual_s"`
	Events      uint64                `json:"events"`
	Seconds     float64               `json:"s"`
	Faults      map[sim.FaultKind]int `json:"faults"`
	Checks      map[string]uint64     `json:"checks"` // how often each checker looked
	Marks       map[sim.Mark]int      `json:"marks"`  // worlds that reached it
	Never       []sim.Mark            `json:"never"`  // common marks that none reached
	Low         int                   `json:"low"`    // worlds that answered less than a fifth of what clients tried
	Vacuous     int                   `json:"vacuous"`
	Novelty     []novelty             `json:"novelty"`
	Newest      uint64                `json:"newest"` // the last seed that reached something for the first time
	Canary      string                `json:"canary,omitempty"`
	Failures    []*failure            `json:"failures"`
	Holes       []string              `json:"holes"` // what the fleet ought to have tested and did not
	Interrupted bool                  `json:"interrupted,omitempty"`

	conditions *conditions
	pairs      map[[2]sim.Mark]bool
	step       uint64 // the number of seeds at which novelty is noted next
}

// novelty is how many marks, and pairs of marks in one world, so many seeds have reached.
type novelty struct {
	Seeds uint64 `json:"seeds"`
	Marks int    `json:"marks"`
	Pairs int    `json:"pairs"`
}

// failure is all worlds in which the same was found, told by the first.
type failure struct {
	Signature string   `json:"signature"`
	Checker   string   `json:"checker"`
	Text      string   `json:"text"`
	Seed      uint64   `json:"seed"`
	Event     uint64   `json:"event"`
	At        string   `json:"at"`
	Again     string   `json:"again"` // the command that shows it
	Plan      string   `json:"plan,omitempty"`
	Small     *size    `json:"small,omitempty"` // of the plan when it was made small
	SmallPlan string   `json:"small_plan,omitempty"`
	Seeds     []uint64 `json:"seeds"` // the first of them
	Count     int      `json:"count"`

	pinned sim.Plan
}

func newTally(c *conditions) *tally {
	t := &tally{V: 1, T: "summary", Profiles: map[sim.Profile]int{}, Faults: map[sim.FaultKind]int{}, Marks: map[sim.Mark]int{}, Checks: map[string]uint64{},
		Failures: []*failure{}, Holes: []string{}, Never: []sim.Mark{}, conditions: c, pairs: map[[2]sim.Mark]bool{}, step: 1}
	for _, k := range sim.FaultKinds() {
		t.Faults[k] = 0
	}
	return t
}

// add counts a world, and says whether something new was found in it.
func (t *tally) add(o *outcome) (isNew bool) {
	t.Seeds++
	t.Profiles[o.profile]++
	t.Asked += uint64(o.asked)
	t.Tried += o.stats.Attempts
	t.Answered += o.stats.Acknowledged
	t.Pushed += o.stats.Pushed
	t.Entries += o.stats.Committed
	t.Virtual += o.stats.Virtual.Seconds()
	t.Events += o.stats.Events
	for k, n := range o.stats.Faults {
		t.Faults[k] += n
	}
	for _, name := range sim.Checkers() {
		t.Checks[name] += o.stats.Checks.Of(name)
	}
	if o.vacuous {
		t.Vacuous++
	}
	if o.failure == nil && o.stats.Acknowledged*5 < o.stats.Attempts {
		t.Low++
	}
	t.reached(o)
	if o.failure == nil {
		return false
	}
	return t.failed(o)
}

// reached notes the marks of a world, and every two of them together.
func (t *tally) reached(o *outcome) {
	marks := slices.Sorted(maps.Keys(o.stats.Marks))
	for i, a := range marks {
		if t.Marks[a]++; t.Marks[a] == 1 {
			t.Newest = o.seed
		}
		for _, b := range marks[i+1:] {
			if pair := [2]sim.Mark{a, b}; !t.pairs[pair] {
				t.pairs[pair], t.Newest = true, o.seed
			}
		}
	}
	if t.Seeds == t.step {
		t.novelty()
		t.step *= 2
	}
}

func (t *tally) novelty() {
	t.Novelty = append(t.Novelty, novelty{t.Seeds, len(t.Marks), len(t.pairs)})
}

func (t *tally) failed(o *outcome) (isNew bool) {
	i := slices.IndexFunc(t.Failures, func(f *failure) bool { return f.Signature == o.sign })
	if i < 0 {
		i, isNew = len(t.Failures), true
		t.Failures = append(t.Failures, &failure{Signature: o.sign, Checker: o.failure.Checker, Text: o.failure.Text, Seed: o.seed,
			Event: o.failure.Event, At: o.failure.At.String(), pinned: o.pinned,
			Again: t.conditions.again(&sim.Plan{Seed: o.seed, Profile: o.profile})})
	}
	f := t.Failures[i]
	if f.Count++; len(f.Seeds) < 20 {
		f.Seeds = append(f.Seeds, o.seed)
	}
	return isNew
}

// So many worlds must show what a fleet is for.
const (
	manySeeds   = 10_000
	enoughSeeds = 50
)

// close draws the conclusions.
func (t *tally) close(took time.Duration, interrupted bool) {
	t.Seconds, t.Interrupted = took.Seconds(), interrupted
	if n := len(t.Novelty); n == 0 || t.Novelty[n-1].Seeds != t.Seeds {
		t.novelty()
	}
	common, _ := sim.Marks()
	for _, m := range common {
		if t.Marks[m] == 0 {
			t.Never = append(t.Never, m)
		}
	}
	if t.Seeds >= enoughSeeds {
		t.hole(uint64(t.Low) > t.Seeds/10, "%d of %d worlds answer less than a fifth of what clients try", t.Low, t.Seeds)
		t.hole(uint64(t.Vacuous) > t.Seeds/10, "%d of %d worlds show the judge too little", t.Vacuous, t.Seeds)
	}
	if t.Seeds >= manySeeds {
		for _, m := range t.Never {
			t.hole(true, "no world reached the mark %q", m)
		}
		for _, name := range sim.Checkers() {
			t.hole(t.Checks[name] == 0, "the checker %q never looked", name)
		}
		for _, k := range sim.FaultKinds() {
			t.hole(t.Faults[k] == 0 && !slices.Contains(t.conditions.noFaults, string(k)), "no fault %q struck", k)
		}
	}
}

func (t *tally) hole(is bool, format string, args ...any) {
	if is {
		t.Holes = append(t.Holes, fmt.Sprintf(format, args...))
	}
}
