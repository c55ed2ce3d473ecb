package sim

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"parley/core/raft"
)

// A story is told from the causal past of a violation: the steps without which it could not have come to
// what it came to. Not all of them help to understand; those that speak about the same entries, terms
// and numbers as the violation do, and so do deaths, elections and what was lost.

// crux are the steps at which a failure shows: the last is where it was seen.
func (c *Case) crux() []int {
	t, r := c.Tape, &c.Result
	if core := r.Report.Core; core != nil && r.Failure.Checker == "history" {
		var steps []int
		for _, o := range core.Ops {
			steps = append(steps, t.ofLine(o.Called), t.ofLine(o.Line))
		}
		if b := core.Because; b != nil {
			steps = append(steps, t.ofLine(b.Called), t.ofLine(b.Line))
		}
		slices.Sort(steps)
		if steps = slices.Compact(slices.DeleteFunc(steps, func(s int) bool { return s < 0 })); len(steps) > 0 {
			return steps
		}
	}
	for i := range t.Facts {
		if t.Facts[i].Kind == FactBroken {
			return []int{t.Facts[i].Step}
		}
	}
	return []int{len(t.Steps) - 1}
}

// ofLine is the step in which a line of the history was written, or -1.
func (t *Tape) ofLine(line int) int {
	if line < 2 { // the first line is no event
		return -1
	}
	i, _ := slices.BinarySearchFunc(t.Steps, line-1, func(s Step, n int) int { return cmp.Compare(s.Lines, n) })
	return i - 1
}

// who is the one that a step happens to.
func (t *Tape) who(step int) Who {
	for _, f := range t.facts(step) {
		if f.On.Kind != 0 {
			return f.On
		}
	}
	return Who{}
}

// standing says that a fact changes what somebody is from then on.
func (k FactKind) standing() bool {
	switch k {
	case FactRole, FactBorn, FactDied, FactPaused, FactWoke:
		return true
	}
	return false
}

// cone is the causal past of some steps, by place: what scheduled them and, of whoever took them, what it
// was then and since when.
func (t *Tape) cone(of []int) []bool {
	before := make([]int, len(t.Steps)) // the last step before in which the same one changed what it is
	last := map[Who]int{}
	for i := range t.Steps {
		before[i] = -1
		who := t.who(i)
		if s, ok := last[who]; ok {
			before[i] = s
		}
		for _, f := range t.facts(i) {
			if f.Kind.standing() {
				last[f.On] = i
			}
		}
	}
	in := make([]bool, len(t.Steps))
	for next := slices.Clone(of); len(next) > 0; {
		i := next[len(next)-1]
		next = next[:len(next)-1]
		if i < 0 || in[i] {
			continue
		}
		in[i] = true
		next = append(next, t.cause(i), before[i])
	}
	return in
}

// cause is what scheduled a step. A timer that was set again and again, with nothing but heartbeats between,
// counts as set once.
func (t *Tape) cause(step int) int {
	c := t.Steps[step].Cause
	for c >= 0 && t.Steps[c].Name == "tick" && t.dull(c) {
		c = t.Steps[c].Cause
	}
	return c
}

// dull says that nobody would miss a step: heartbeats, what answers them, timers.
func (t *Tape) dull(step int) bool {
	for _, f := range t.facts(step) {
		switch f.Kind {
		case FactTook, FactLog:
		case FactSent, FactArrived, FactLost, FactMissed:
			copied := f.N > 0 && f.Kind != FactLost
			if copied || f.Say.Kind != "heartbeat" && f.Say.Kind != "presence" && f.Say.Kind != raft.AppendReply.String() {
				return false
			}
		default:
			return false
		}
	}
	return true
}

// Line is one line of a story.
type Line struct {
	Step int
	Text string
	Here bool
}

// storyLines is how long a story may be.
const storyLines = 8

// Story tells how it came to the failure.
func (c *Case) Story() []Line {
	t, crux := c.Tape, c.crux()
	in := t.cone(crux)
	matter, listed := numbersOf(c.Result.Failure.Text), map[accident]bool{}
	for _, d := range c.Result.Plan.Deviations {
		listed[accident{d.Do, nthSaying{d.Saying, d.Nth}}] = true
	}
	hero := firstNamed(c.Result.Failure.Text)
	type candidate struct {
		step, score int
	}
	var all []candidate
	for i := range t.Steps {
		if i > crux[len(crux)-1] {
			break
		}
		score := 0
		for k := range t.facts(i) {
			f := &t.facts(i)[k]
			n := f.score(matter, in[i])
			if n > 0 && f.On == hero && hero.Kind != 0 {
				n += 30
			}
			score = max(score, n)
			if listed[accident{f.accident(), nthSaying{f.Say, f.Nth}}] {
				score = max(score, 120)
			}
		}
		if slices.Contains(crux, i) {
			score += 200
		}
		if score > 0 {
			all = append(all, candidate{i, score*len(t.Steps)*4 + i})
		}
	}
	slices.SortFunc(all, func(a, b candidate) int { return cmp.Compare(b.score, a.score) })
	var lines []Line
	told := map[string]int{}
	for _, a := range all {
		line := Line{Step: a.step, Text: t.sentence(a.step, matter), Here: a.step == crux[len(crux)-1]}
		if line.Here && line.Text == "" {
			line.Text, _ = c.headline()
		}
		shape := ruleOf("", line.Text)
		if told[shape]++; !line.Here && (told[shape] > 2 || line.Text == "") {
			continue
		}
		if lines = append(lines, line); len(lines) == storyLines {
			break
		}
	}
	slices.SortFunc(lines, func(a, b Line) int { return cmp.Compare(a.Step, b.Step) })
	return lines
}

// matters are the numbers that a failure names, by the word before them.
type matters map[string]map[uint64]bool

func numbersOf(text string) matters {
	m := matters{}
	words := strings.FieldsFunc(text, func(r rune) bool { return strings.ContainsRune(" ,;:()[]\n", r) })
	for i, w := range words {
		if n, err := strconv.ParseUint(w, 10, 64); err == nil && i > 0 {
			if m[words[i-1]] == nil {
				m[words[i-1]] = map[uint64]bool{}
			}
			m[words[i-1]][n] = true
		}
	}
	return m
}

func (m matters) entry(from, to uint64) bool {
	for _, word := range []string{"entry", "commit", "position", "at", "applied", "append", "after"} {
		for i := from; i <= to && i < from+1000; i++ {
			if m[word][i] {
				return true
			}
		}
	}
	return false
}

// score is how much a fact helps to understand.
func (f *Fact) score(m matters, inCone bool) int {
	score := 0
	switch f.Kind {
	case FactBroken:
		return 1000
	case FactFault:
		return 110
	case FactGone:
		score = 50
	case FactDied:
		score = 40
	case FactBorn:
		if f.N > 1 && f.On.Kind == 'n' {
			score = 30
		}
	case FactRole:
		switch raft.RoleKind(f.M) {
		case raft.Leader:
			score = 50
			if m["term"][f.N] {
				score = 90
			}
		case raft.Candidate:
			score = 8
		}
	case FactBegun, FactArrived, FactSent:
		if f.Last > 0 && m.entry(uint64(f.Say.Index), f.Last) {
			score = 30
		}
		if score > 0 && f.Kind == FactBegun && m["term"][uint64(f.Say.Term)] {
			score += 25
		}
		if f.N > 0 && f.Kind != FactBegun {
			score += 15
		}
		if f.Say.Kind == raft.TimeoutNow.String() {
			score = 45
		}
		if strings.HasPrefix(f.Say.Kind, "vote") && m["term"][uint64(f.Say.Term)] {
			score = 5
		}
	case FactLost:
		if f.N == 0 {
			score = 20
		}
	case FactCommit:
		if m.entry(f.M+1, f.N) {
			score = 45
		}
	case FactAsked, FactReply:
		score = 5
		if f.Kind == FactReply && m.entry(f.N, f.N) {
			score = 25
		}
	case FactPush:
		score = 1
	case FactHeard:
		score = 3
	}
	if inCone && score > 0 {
		score += 25
	}
	return score
}

// accident is which one a fact may be.
func (f *Fact) accident() Accident {
	switch f.Kind {
	case FactLost:
		return Lose
	case FactKept:
		return Keep
	case FactSent:
		return [...]Accident{Slow, Double, Late}[f.N]
	case FactBegun:
		return Slow
	}
	return ""
}

// sentence tells one step: who did what.
func (t *Tape) sentence(step int, m matters) string {
	type part struct {
		text  string
		score int
		place int
	}
	var parts []part
	facts, who := t.told(step), t.who(step)
	if len(facts) > 0 && (facts[0].Kind == FactFault || facts[0].Kind == FactHealed) {
		who = Who{}
	}
	for i := range facts {
		f := &facts[i]
		text := f.words() + t.votes(f, step)
		if f.On.Kind != 0 && f.On != who {
			text = f.On.String() + " " + text
		}
		parts = append(parts, part{text, f.score(m, false), i})
	}
	slices.SortStableFunc(parts, func(a, b part) int { return cmp.Compare(b.score, a.score) })
	parts = parts[:min(len(parts), 3)]
	slices.SortFunc(parts, func(a, b part) int { return cmp.Compare(a.place, b.place) })
	var texts []string
	for _, p := range parts {
		if !slices.Contains(texts, p.text) {
			texts = append(texts, p.text)
		}
	}
	if len(texts) == 0 {
		return ""
	}
	text := strings.Join(texts, "; ")
	if who.Kind != 0 {
		text = who.String() + " " + text
	}
	return plainText(text)
}

// told are the facts of a step that make a sentence: each packet once for all whom it went to, and nothing
// that another of them implies.
func (t *Tape) told(step int) []Fact {
	var out []Fact
	leads, asks := false, false
	for _, f := range t.facts(step) {
		leads = leads || f.Kind == FactRole && raft.RoleKind(f.M) == raft.Leader
		asks = asks || f.Kind == FactCall
	}
	for _, f := range t.facts(step) {
		switch {
		case f.words() == "", f.Kind == FactTook, f.Kind == FactBroken, f.Kind == FactApplied, f.Kind == FactMark:
			continue
		case leads && (f.Kind == FactArrived || f.Kind == FactNote), asks && f.Kind == FactAsked:
			continue
		}
		if n := len(out); n > 0 && f.Kind == FactSent && out[n-1].Kind == FactSent && out[n-1].packet() == f.packet() && f.N == 0 {
			out[n-1].Text += " " + f.To.String()
			continue
		}
		out = append(out, f)
	}
	return out
}

// votes names those whose votes made a leader.
func (t *Tape) votes(f *Fact, step int) string {
	if f.Kind != FactRole || raft.RoleKind(f.M) != raft.Leader {
		return ""
	}
	by := []string{f.On.String()}
	for i := t.Steps[step].Facts; i >= 0; i-- {
		g := &t.Facts[i]
		if g.Kind == FactRole && g.On == f.On && g.N < f.N {
			break
		}
		if g.Kind == FactArrived && g.On == f.On && g.Say.Kind == raft.VoteReply.String() && uint64(g.Say.Term) == f.N {
			if name := g.To.String(); !slices.Contains(by, name) {
				by = append(by, name)
			}
		}
	}
	slices.Sort(by)
	return fmt.Sprintf(", by votes of %s", strings.Join(by, " "))
}
