package linearizability

import (
	"bytes"
	"flag"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"
)

var (
	explainOps   = flag.Int("explain.ops", 300, "operations of each history that TestExplanations corrupts")
	explainOnly  = flag.Int64("explain.only", -1, "the one seed of TestExplanations to explain in words")
	explainSeeds = flag.Uint64("explain.seeds", 28, "how many histories TestExplanations corrupts")
)

// corruptions are what TestExplanations does to a history, or to its server.
var corruptions = []string{
	"an answer", "an answer", "an answer", "positions swapped", "a read cut", "a list cut", "a refusal forged",
	"stale reads", "an acknowledged message is lost", "takeover leaves the old device working",
	"logout leaves the device open", "delete keeps the name", "messages change places", "a retry applied twice",
}

// failing makes a history with one kind of corruption. Whether it fails is for Check to say.
func failing(seed uint64, ops int, positions bool) (*History, string) {
	kind := corruptions[seed%uint64(len(corruptions))]
	plan := worldPlan{clients: 4 + int(seed%5), ops: ops, accounts: 3 + int(seed%6), unknown: int(seed / 3 % 2), resolve: true}
	if slices.Index(corruptions, kind) >= 7 {
		plan.flaw = kind
	}
	h := newWorld(seed, allRules[seed/2%4], plan).run()
	if rng := rand.New(rand.NewPCG(seed, 5)); plan.flaw == "" {
		damage(rng, h, kind)
	}
	if !positions {
		stripPositions(nil, h)
	}
	return h, kind
}

func damage(rng *rand.Rand, h *History, kind string) {
	pick := func(fits func(*Event) bool) *Event {
		for {
			if e := &h.Events[rng.IntN(len(h.Events))]; (e.E == OK || e.E == Err) && fits(e) {
				return e
			}
		}
	}
	switch kind {
	case "an answer":
		corrupt(rng, h)
	case "positions swapped":
		a, b := pick(func(e *Event) bool { return e.Seq > 0 }), pick(func(e *Event) bool { return e.Seq > 0 })
		a.Pos, b.Pos = b.Pos, a.Pos
	case "a read cut":
		e := pick(func(e *Event) bool { return len(e.Rows) > 1 })
		e.Rows, e.Last = e.Rows[:1], 1
	case "a list cut":
		e := pick(func(e *Event) bool { return len(e.Names) > 1 })
		e.Names = e.Names[1:]
	case "a refusal forged":
		e := pick(func(e *Event) bool { return e.Seq > 0 })
		*e = Event{E: Err, ID: e.ID, T: e.T, Pos: e.Pos, Code: codeNoSuchUser}
	}
}

// The reason of a long history that fails is short: few operations are named, and soon. With more
// operations this is the measure of the design,
//
//	go test ./linearizability -run TestExplanations -v -count=1 -timeout 30m -explain.ops=10000 -explain.seeds=18
func TestExplanations(t *testing.T) {
	for _, positions := range []bool{true, false} {
		var named []int
		var took []time.Duration
		failed, none, confirmed := 0, 0, 0
		for seed := range *explainSeeds {
			if *explainOnly >= 0 && seed != uint64(*explainOnly) {
				continue
			}
			h, kind := failing(seed, *explainOps, positions)
			if _, ok := wellFormed(h); !ok {
				continue
			}
			r := Check(h, Options{})
			if r.Verdict < PositionContract {
				continue
			}
			failed++
			start := time.Now()
			newEvidence(newRecord(h)).why(h, &r) // once more, for the time
			spent := time.Since(start)
			if r.Core == nil {
				t.Logf("seed %d, %s: no core in %v:\n%v", seed, kind, spent, r)
				none++
				continue
			}
			if *explainOnly >= 0 {
				t.Logf("seed %d, %s, positions %v, %v:\n%v", seed, kind, positions, spent.Round(time.Millisecond), r)
			}
			n := len(r.Core.Ops)
			if r.Core.Because != nil {
				n++
			}
			if n > few {
				t.Logf("seed %d, %s: names %d operations in %v:\n%v", seed, kind, n, spent, r)
			}
			if r.Core.Confirmed {
				confirmed++
			}
			named, took = append(named, n), append(took, spent)
			checkCore(t, seed, r)
		}
		slices.Sort(named)
		slices.Sort(took)
		if len(named) == 0 && *explainOnly >= 0 {
			continue
		}
		if len(named) == 0 {
			t.Fatal("no history failed")
		}
		middle, most := len(named)/2, len(named)*9/10
		t.Logf("positions %v: %d of %d histories of %d operations fail; named median %d, p90 %d, most %d; "+
			"explained in median %v, p90 %v, most %v; %d without a core, %d confirmed",
			positions, failed, *explainSeeds, *explainOps, named[middle], named[most], named[len(named)-1],
			took[middle].Round(time.Millisecond), took[most].Round(time.Millisecond),
			took[len(took)-1].Round(time.Millisecond), none, confirmed)
		if named[middle] > few || none*20 > failed {
			t.Errorf("median %d, %d of %d without a core", named[middle], none, failed)
		}
	}
}

// checkCore judges a core from the start: as a file of its own it fails, and by brute force too
// where it is small enough.
func checkCore(t *testing.T, seed uint64, r Report) {
	t.Helper()
	c := r.Core
	if c.History == nil {
		return
	}
	var b bytes.Buffer
	if err := c.History.Write(&b); err != nil {
		t.Fatalf("seed %d: %v", seed, err)
	}
	again, err := Read(&b)
	if err != nil {
		t.Fatalf("seed %d: %v", seed, err)
	}
	if got := Check(again, Options{}).Verdict; got < PositionContract && c.Confirmed {
		t.Errorf("seed %d: the core is judged %v:\n%v\n%s", seed, got, r, dump(again))
	}
	if again.Meta.Positions == PositionsNone && again.Len() < 20 && newBrute(again).surely(t) {
		t.Errorf("seed %d: the core is legal:\n%v\n%s", seed, r, dump(again))
	}
}

// On small histories, good and bad, there is a core only where brute force finds no order, and nearly
// always there; brute force finds none for the core either.
func TestCoresAgainstBruteForce(t *testing.T) {
	rules := []Rules{{LoginExclusive, ExpiryNever}, {LoginExclusive, ExpiryAny}, {LoginMulti, ExpiryNever}}
	cores, missed, judged := 0, 0, 0
	for seed := range 30 * *explainSeeds {
		plan := worldPlan{clients: 2 + int(seed%3), ops: 6 + int(seed%5), accounts: 1 + int(seed%3),
			unknown: int(seed % 4 * 10), resolve: seed%8 < 4}
		h := newWorld(seed, rules[seed%3], plan).run()
		rng := rand.New(rand.NewPCG(seed, 12))
		for range seed % 4 {
			corrupt(rng, h)
		}
		stripPositions(nil, h)
		if _, ok := wellFormed(h); !ok {
			continue
		}
		r := Report{Verdict: Illegal}
		r.Core = newEvidence(newRecord(h)).reduce(h, &r)
		switch legal := newBrute(h).surely(t); {
		case r.Core != nil && legal:
			t.Fatalf("seed %d: a core of a legal history:\n%v\n%s", seed, r, dump(h))
		case r.Core != nil:
			cores++
			if r.Core.States < 2 {
				judged++
				checkCore(t, seed, r)
			}
		case !legal:
			missed++
		}
	}
	t.Logf("%d cores, %d of them judged by brute force; %d illegal histories without one", cores, judged, missed)
	if missed*8 > cores || judged < cores/2 {
		t.Error("too few")
	}
}

// A reduced is a legal history with one impossible answer in it, folded and weakened. Without that
// answer it must be as legal as the whole was.
type reduced struct {
	c   *reduction
	why *refutation
	rng *rand.Rand
}

// foldEarlier folds at some earlier instant, where there are so many configurations, to any of these.
func (r *reduced) foldEarlier(when func(int) bool) {
	c := r.c
	s := newStream(c.sp, c.steps, c.left)
	s.slotOf, s.configs = map[*step]int{}, []*configuration{{state: c.sp.initial()}}
	var at []*configuration
	for _, m := range moments(c.steps) {
		switch {
		case !m.ret:
			s.call(m.st)
		case m.st == r.why.stuck:
			if len(at) > 0 {
				last := at[r.rng.IntN(len(at))].last
				order := last.order()
				c.begin(r.why, last, slices.DeleteFunc(slices.Clone(c.steps), func(st *step) bool { return slices.Contains(order, st) }))
			}
			return
		default:
			s.returned(m.st)
			if when(len(s.configs)) && (at == nil || r.rng.IntN(2) == 0) {
				at = s.configs
			}
		}
	}
}

// ghost inserts an answer that no order explains: of a device that never was.
func ghost(rng *rand.Rand, h *History) {
	at := rng.IntN(len(h.Events) - 1)
	h.Events = slices.Insert(h.Events[:len(h.Events)-1], at,
		Event{E: Inv, ID: 999, P: 999, Op: OpList, Dev: "ghost", Limit: 50}, Event{E: OK, ID: 999})
	t := uint64(0)
	for i := range h.Events {
		if e := &h.Events[i]; e.E != Entry {
			t++
			e.T = t
		}
	}
	h.End(t + 1)
}

// stillLegal reduces small legal histories and counts those that brute force then refutes.
func stillLegal(t *testing.T, seeds uint64, mistake func(*reduced)) (tried, wrong int, example string) {
	t.Helper()
	for seed := range seeds {
		rules := []Rules{{LoginExclusive, ExpiryNever}, {LoginExclusive, ExpiryAny}, {LoginMulti, ExpiryNever}}[seed%3]
		h := newWorld(seed, rules, worldPlan{clients: 2 + int(seed%3), ops: 7 + int(seed%4), accounts: 1 + int(seed%3),
			unknown: int(seed % 4 * 8), resolve: seed%8 < 4}).run()
		rng := rand.New(rand.NewPCG(seed, 11))
		stripPositions(nil, h)
		ghost(rng, h)
		ev := newEvidence(newRecord(h))
		known, loose := ev.resolve()
		for _, part := range partition(append(known, loose...)) {
			c := &reduction{evidence: ev, left: reductionBudget}
			var steps []step
			c.sp, steps = compile(rules, part)
			for i := range steps {
				c.steps = append(c.steps, &steps[i])
			}
			why := c.refuted(c.sp.initial(), c.steps, c.left)
			if why == nil || why.stuck.Dev != "ghost" {
				continue
			}
			c.begin(why, why.folded, why.rest)
			mistake(&reduced{c, why, rng})
			c.rest = slices.DeleteFunc(compact(c.rest), func(st *step) bool {
				return st == why.stuck || st.optional && st.isRead()
			})
			if len(c.order)+len(c.rest) == 0 {
				continue
			}
			file := c.history(c.mattering())
			if _, ok := wellFormed(file); !ok {
				t.Fatalf("seed %d: no history:\n%s", seed, dump(file))
			}
			tried++
			if !newBrute(file).surely(t) {
				wrong++
				example = dump(h) + "became\n" + dump(file)
			}
		}
	}
	return tried, wrong, example
}

// Each step of a reduction is sound: it makes no innocent history illegal.
func TestReductionIsSound(t *testing.T) {
	tried, wrong, example := stillLegal(t, 100**explainSeeds, func(r *reduced) {
		if r.rng.IntN(2) == 0 {
			r.foldEarlier(func(configs int) bool { return configs == 1 })
		}
		for i, st := range r.c.rest {
			switch {
			case st == r.c.why.stuck:
			case r.rng.IntN(3) == 0:
				r.c.rest[i] = r.c.forgotten(st)
			case r.rng.IntN(2) == 0:
				r.c.rest[i] = r.c.opened(st)
			}
		}
	})
	t.Logf("%d reduced", tried)
	if wrong > 0 || tried < 500 {
		t.Errorf("%d of %d became illegal, for example\n%s", wrong, tried, example)
	}
}

// The test above would see a mistake in a step.
func TestReductionMistakesShow(t *testing.T) {
	for name, mistake := range map[string]func(*reduced){
		"a mutation dropped": func(r *reduced) {
			for i, st := range r.c.rest {
				if st.Op == OpSend || st.Op == OpSignup || st.Op == OpLogin {
					r.c.rest[i] = nil
					return
				}
			}
		},
		"a folded mutation dropped": func(r *reduced) {
			for i, st := range r.c.order {
				if st.Op == OpSignup && st.ok() && len(r.c.rest) > 1 {
					r.c.rest = append(r.c.rest, r.c.order[i+1:]...)
					r.c.order = r.c.order[:i]
					r.c.state = r.c.replay(func(int, *step, outcome, bool) {}).clone()
					return
				}
			}
		},
		"a fold where there are two configurations": func(r *reduced) {
			r.foldEarlier(func(configs int) bool { return configs > 1 })
		},
	} {
		tried, wrong, _ := stillLegal(t, 1500, mistake)
		t.Logf("%s: shows in %d of %d", name, wrong, tried)
		if wrong == 0 {
			t.Errorf("%s: no history tells", name)
		}
	}
}

// A core that has an order is not shown.
func TestCoreThatPasses(t *testing.T) {
	core := &Core{History: script(t, withoutPositions(never0), `
		d1 signup ann = 11
		d1 list - - 10 = ann`)}
	if core.judge() {
		t.Error("a legal core is let through")
	}
	core = &Core{History: script(t, never0, annAndBob)}
	if core.claims(Finding{Rule: RuleReplay}) {
		t.Error("a core that certifies is let through")
	}
}

// Every planted history that names operations is explained, and each core fails alone.
func TestPlantedCores(t *testing.T) {
	for i, p := range plantedHistories {
		r := Check(script(t, p.meta, p.text), Options{})
		if r.Core == nil {
			if r.Verdict == Illegal {
				t.Errorf("%s: no core:\n%v", p.name, r)
			} else if r.Verdict == PositionContract {
				t.Logf("%s: no core", p.name)
			}
			continue
		}
		checkCore(t, uint64(i), r)
		if len(r.Core.Text) == 0 || !strings.Contains(r.String(), "core ") {
			t.Errorf("%s: no words:\n%v", p.name, r)
		}
	}
}
