package sim

import (
	"bytes"
	"cmp"
	"fmt"
	"slices"
	"strings"

	"parley/core/raft"
)

// ShrinkOptions say what to make small, and how candidates are tried.
type ShrinkOptions struct {
	Plan Plan // it fails

	// Try runs trials, in any order and many at once if it likes, and gives their results in the order of
	// the trials. What stands behind the first good one need not be run, and stays the zero Result. A
	// list that is shorter ends the search. Nil: one after the other.
	Try func(trials []Trial, good func(Result) bool) []Result

	Most int           // trials; 0: 4000
	Told func(*Shrunk) // is called after every step forward; may be nil
}

// Trial is a candidate: a plan, and how many events its run may take.
type Trial struct {
	Plan   Plan
	Events uint64
}

// Run runs a trial. Whatever happens inside is a result.
func (t Trial) Run() (r Result) {
	w := newWorld(t.Plan, Options{Events: t.Events})
	defer func() {
		if broken := recover(); broken != nil {
			w.fail("crash", "%v", broken)
			r = Result{Plan: t.Plan, Pinned: t.Plan, Stats: w.stats, Failure: w.failure}
		}
	}()
	w.live()
	return w.result()
}

// Shrunk is what became of a plan.
type Shrunk struct {
	Was, Now  Result // the run at first, and the smallest found that fails in the same way
	Signature string
	Tried     int
	Others    []Result // other failures that came up, one of each signature; nobody looked for them
	Passes    []Pass
	Whole     bool // the search came to its end
}

// Keep is the small plan as a regression: a name for its file, and the plan with a note on what it showed.
func (s *Shrunk) Keep() (string, Plan) {
	p, f := s.Now.Plan, s.Now.Failure
	text, _, _ := strings.Cut(f.Text, "\n")
	p.Note = fmt.Sprintf("%s: %s. From seed %d %s: %s, %s.", f.Checker, plainText(text), s.Was.Plan.Seed, s.Was.Plan.Profile,
		count(len(s.Was.Plan.Faults), "fault"), count(len(s.Was.Plan.Ops), "op"))
	return fmt.Sprintf("%s-%04x.json", f.Checker, hashText(string(p.Encode()))&0xffff), p
}

// Pass is what one pass of the minimizer did.
type Pass struct {
	Name          string
	Before, After int // items of the plan
	Tried         int
}

// Items counts what a plan is made of: faults, operations, deviations.
func (p *Plan) Items() int { return len(p.Faults) + len(p.Ops) + len(p.Deviations) }

// Shrink looks for the smallest plan that fails as the given one does. It is the same search every
// time, however trials are run. A plan that does not fail comes back as it is.
func Shrink(o ShrinkOptions) Shrunk {
	s := shrinker{o: o}
	if s.o.Try == nil {
		s.o.Try = inTurn
	}
	s.o.Most = cmp.Or(s.o.Most, 4000)
	if first := s.o.Try([]Trial{{Plan: o.Plan}}, func(Result) bool { return true }); len(first) > 0 {
		s.out.Was = first[0]
	}
	s.out.Now, s.out.Signature = s.out.Was, s.out.Was.Signature()
	if s.out.Signature == "" {
		return s.out
	}
	s.search()
	return s.out
}

func inTurn(trials []Trial, good func(Result) bool) []Result {
	out := make([]Result, len(trials))
	for i, t := range trials {
		if out[i] = t.Run(); good(out[i]) {
			break
		}
	}
	return out
}

// shrinker is a search that goes on.
type shrinker struct {
	o    ShrinkOptions
	out  Shrunk
	over bool // no more trials
}

// batch is how many candidates are handed out at once. It does not depend on who tries them, so that the
// search is the same everywhere.
const batch = 8

// rounds is how often the passes begin again, as long as they find something.
const rounds = 4

func (s *shrinker) search() {
	s.pass("whom faults hit", s.pin)
	s.settle()
	s.pass("dice", s.stopDice)
	s.settle()
	s.out.Whole = !s.over
}

// settle repeats the passes until they change nothing.
func (s *shrinker) settle() {
	for range rounds {
		was := s.plan().Encode()
		s.pass("the end", s.cutEnd)
		s.pass("faults", s.thinFaults)
		s.pass("clients", s.dropClients)
		s.pass("ops", s.thinOps)
		s.pass("replicas", s.dropVoters)
		s.pass("knobs", s.resetKnobs)
		s.pass("deviations", s.thinDeviations)
		s.pass("times", s.roundTimes)
		if s.over || bytes.Equal(was, s.plan().Encode()) {
			return
		}
	}
}

func (s *shrinker) pass(name string, run func()) {
	if s.over {
		return
	}
	p := Pass{Name: name, Before: s.plan().Items(), Tried: s.out.Tried}
	run()
	p.After, p.Tried = s.plan().Items(), s.out.Tried-p.Tried
	if p.Tried > 0 {
		s.out.Passes = append(s.out.Passes, p)
	}
	if s.o.Told != nil {
		s.o.Told(&s.out)
	}
}

func (s *shrinker) plan() *Plan { return &s.out.Now.Plan }

func (s *shrinker) good(r Result) bool { return r.Signature() == s.out.Signature }

// adopt tries plans and takes the first that fails in the same way: it gives its place, or -1.
func (s *shrinker) adopt(plans []Plan) int {
	for from := 0; from < len(plans) && !s.over; from += batch {
		var trials []Trial
		for _, p := range plans[from:min(len(plans), from+batch)] {
			trials = append(trials, Trial{Plan: p, Events: s.events()})
		}
		results := s.o.Try(trials, s.good)
		for i := range results {
			s.out.Tried++
			if s.good(results[i]) {
				s.out.Now = results[i]
				return from + i
			}
			s.other(results[i])
		}
		s.over = len(results) < len(trials) || s.out.Tried >= s.o.Most
	}
	return -1
}

// events is a little more than the failing run had: what goes on for longer does not fail as it does.
func (s *shrinker) events() uint64 {
	if s.out.Now.Failure.Checker == "budget" {
		return 0
	}
	n := s.out.Now.Stats.Events
	return n + n/4 + 2000
}

// other keeps a failure that nobody looked for.
func (s *shrinker) other(r Result) {
	sig := r.Signature()
	if sig == "" || r.Failure.Checker == "budget" {
		return
	}
	if !slices.ContainsFunc(s.out.Others, func(o Result) bool { return o.Signature() == sig }) {
		s.out.Others = append(s.out.Others, r)
	}
}

// thin takes away as many of n parts of the plan as it can (after ddmin: Zeller and Hildebrandt, 2002):
// first large stretches, then ever smaller ones. keep makes a plan of those parts of p that are marked.
func (s *shrinker) thin(n int, keep func(p Plan, kept []bool) Plan) {
	base := *s.plan()
	kept := make([]bool, n)
	left := make([]int, n) // the parts that are still there
	for i := range left {
		kept[i], left[i] = true, i
	}
	without := func(from, to int) []bool {
		k := slices.Clone(kept)
		for _, i := range left[from:to] {
			k[i] = false
		}
		return k
	}
	for size := n; size > 0 && !s.over; size /= 2 {
		for end := len(left); end > 0; { // from the last one back
			var plans []Plan
			var cuts [][2]int
			for to := end; to > 0; to -= size {
				cut := [2]int{max(0, to-size), to}
				plans, cuts = append(plans, keep(base, without(cut[0], cut[1]))), append(cuts, cut)
			}
			i := s.adopt(plans)
			if i < 0 {
				break
			}
			kept = without(cuts[i][0], cuts[i][1])
			left = slices.Delete(left, cuts[i][0], cuts[i][1])
			end = cuts[i][0]
		}
	}
}

// pin aims every fault at whom it hit.
func (s *shrinker) pin() {
	s.adopt([]Plan{s.out.Now.Pinned})
	s.reset(func(p *Plan) { p.Search = false }) // the search takes longer than all the rest
}

// cutEnd leaves out what was to come after the failure.
func (s *shrinker) cutEnd() {
	r := &s.out.Now
	ops := r.Plan
	ops.Ops = nil
	begun := slices.Clone(r.Begun)
	for _, o := range r.Plan.Ops {
		if o.Client < len(begun) && begun[o.Client] > 0 {
			begun[o.Client]--
			ops.Ops = append(ops.Ops, o)
		}
	}
	if at := Span(r.Failure.At) + 1; at < r.Plan.Chaos {
		both := ops
		both.Chaos = at
		both.Faults = slices.DeleteFunc(slices.Clone(both.Faults), func(f Fault) bool { return f.At > at })
		s.adopt([]Plan{both, ops})
		return
	}
	s.adopt([]Plan{ops})
	var shorter []Plan
	for _, n := range []Span{8, 4, 2} {
		p := s.out.Now.Plan
		p.Chaos /= n
		shorter = append(shorter, p)
	}
	s.adopt(shorter)
}

func (s *shrinker) thinFaults() {
	s.thin(len(s.plan().Faults), func(p Plan, kept []bool) Plan {
		p.Faults = keepOnly(p.Faults, kept)
		return p
	})
}

func (s *shrinker) thinDeviations() {
	s.thin(len(s.plan().Deviations), func(p Plan, kept []bool) Plan {
		p.Deviations = keepOnly(p.Deviations, kept)
		return p
	})
}

func keepOnly[T any](all []T, kept []bool) []T {
	var out []T
	for i, x := range all {
		if kept[i] {
			out = append(out, x)
		}
	}
	return out
}

// thinOps takes ops away. One that repeats another goes with it; the time that one took in rest goes to
// the next of the same client, so that what is left stays about where it was.
func (s *shrinker) thinOps() {
	part := make([]int, len(s.plan().Ops)) // of each op
	last, n := map[int]int{}, 0
	for i, o := range s.plan().Ops {
		if of, ok := last[o.Client]; ok && o.Kind == DoRepeat {
			part[i] = of
			continue
		}
		part[i], last[o.Client] = n, n
		n++
	}
	s.thin(n, func(p Plan, kept []bool) Plan {
		rest := map[int]Span{}
		var ops []Op
		for i, o := range p.Ops {
			rest[o.Client] += o.Rest
			if kept[part[i]] {
				o.Rest, rest[o.Client] = rest[o.Client], 0
				ops = append(ops, o)
			}
		}
		p.Ops = ops
		return p
	})
}

// dropClients takes clients away, and the accounts with them.
func (s *shrinker) dropClients() {
	p := s.plan()
	var fewer []Plan
	for n := 1; n < p.Clients; n++ {
		q := *p
		for q.Clients > n {
			q = q.withoutClient(q.Clients - 1)
		}
		fewer = append(fewer, q)
	}
	if s.adopt(fewer) < 0 && p.Clients > 2 {
		s.adopt(reseeded(fewer[:2]...))
	}
	for n := s.plan().Clients - 1; n >= 0; n-- {
		gone, idle := *s.plan(), *s.plan()
		idle.Ops = slices.DeleteFunc(slices.Clone(idle.Ops), func(o Op) bool { return o.Client == n })
		if gone.Clients > 1 {
			s.adopt(append([]Plan{gone.withoutClient(n), idle}, reseeded(gone.withoutClient(n))...))
		} else {
			s.adopt([]Plan{idle})
		}
	}
}

// reseeds is how many other dice are tried where taking somebody away has moved those behind to other
// draws.
const reseeds = 8

func reseeded(plans ...Plan) []Plan {
	var out []Plan
	for seed := range uint64(reseeds) {
		for _, p := range plans {
			p.Seed = seed
			out = append(out, p)
		}
	}
	return out
}

// withoutClient is the plan without a client and its account; those behind move up.
func (p *Plan) withoutClient(n int) Plan {
	q := *p
	q.Clients--
	q.Ops, q.Faults = nil, nil
	for _, o := range p.Ops {
		if o.Client == n || o.To == n {
			continue
		}
		o.Client, o.To = moved(o.Client, n), moved(o.To, n)
		q.Ops = append(q.Ops, o)
	}
	for _, f := range p.Faults {
		kind, on := f.On.place()
		if kind == 'c' && on == n {
			continue
		}
		if kind == 'c' {
			f.On = Target(person(moved(on, n)).String())
		}
		q.Faults = append(q.Faults, f)
	}
	return q
}

// moved is the place of somebody when the one at gone is no more.
func moved(place, gone int) int {
	if place > gone {
		return place - 1
	}
	return place
}

// dropVoters takes replicas away, the last ones first and as many as it can.
func (s *shrinker) dropVoters() {
	p := s.plan()
	var fewer []Plan
	for n := 1; n < p.Voters; n++ {
		q := *p
		for q.Voters > n {
			q = q.withoutVoter(q.Voters)
		}
		fewer = append(fewer, q)
	}
	if s.adopt(fewer) < 0 {
		s.adopt(reseeded(fewer...))
	}
	for id := s.plan().Voters - 1; id > 0 && !s.over; id-- {
		s.adopt([]Plan{s.plan().withoutVoter(id)})
	}
}

// withoutVoter is the plan without a replica; those behind move up.
func (p *Plan) withoutVoter(id int) Plan {
	q := *p
	q.Voters--
	q.Faults, q.Deviations = nil, nil
	for _, f := range p.Faults {
		kind, on := f.On.place()
		if kind == 'n' && on == id {
			continue
		}
		if kind == 'n' {
			f.On = Target(node(raft.ID(moved(on, id))).String())
		}
		q.Faults = append(q.Faults, f)
	}
	for _, d := range p.Deviations {
		if int(d.From) == id || int(d.To) == id {
			continue
		}
		d.From, d.To = raft.ID(moved(int(d.From), id)), raft.ID(moved(int(d.To), id))
		q.Deviations = append(q.Deviations, d)
	}
	return q
}
