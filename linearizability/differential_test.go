package linearizability

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"testing"
)

var differential = flag.Int("histories", 2000, "small histories that TestDifferential compares the engines on")

// differentialRules are all the rules there are.
var differentialRules = append([]Rules{{LoginMulti, ExpiryLogged}, {LoginMulti, ExpiryAny}}, allRules...)

// All engines agree: brute force with its own model, porcupine, our engine and, where the positions
// are honest, the certificate; and no axiom breaks on a legal history. Histories are of three sizes,
// for each finds what the others cannot: one medium for twenty small ones, one large for five
// thousand.
//
//	go test ./linearizability -run TestDifferential -histories 100000 -timeout 60m -v
func TestDifferential(t *testing.T) {
	const shards = 2
	for shard := range uint64(shards) {
		t.Run(fmt.Sprint(shard), func(t *testing.T) {
			t.Parallel()
			var small, medium, large agreement
			for seed := shard; seed < uint64(*differential); seed += shards {
				small.compare(t, seed, smallPlan(seed))
				if seed%20 < shards {
					medium.compare(t, seed, mediumPlan(seed))
				}
				if seed%5000 < shards {
					large.compare(t, seed, largePlan(seed))
				}
			}
			t.Logf("small:  %v", small)
			t.Logf("medium: %v", medium)
			t.Logf("large:  %v", large)
		})
	}
}

// A trial says what history to make, how often to change something in it at random, and what to ask.
type trial struct {
	rules     Rules
	plan      worldPlan
	changes   int
	brute     bool
	porcupine bool
}

func smallPlan(seed uint64) trial {
	tr := trial{
		rules: differentialRules[seed%uint64(len(differentialRules))],
		plan: worldPlan{clients: 2 + int(seed%3), ops: 6 + int(seed%9), accounts: 1 + int(seed/3%3),
			unknown: int(seed / 2 % 4 * 10), resolve: seed%8 < 4, entries: seed%16 < 4},
		brute: true, porcupine: true,
	}
	switch seed % 5 { // 4: an honest server, nothing changed
	case 0, 1:
		tr.plan.flaw = plantedServers[seed/5%uint64(len(plantedServers))].flaw
	case 2, 3:
		tr.changes = 1 + int(seed/5%4)
	}
	return tr
}

func mediumPlan(seed uint64) trial {
	tr := smallPlan(seed / 20)
	tr.plan.clients, tr.plan.ops, tr.plan.accounts = 3+int(seed%6), 60+int(seed%61), 2+int(seed/3%5)
	tr.plan.unknown /= 6
	tr.brute = false
	return tr
}

func largePlan(seed uint64) trial {
	tr := smallPlan(seed / 5000)
	tr.plan.clients, tr.plan.ops, tr.plan.accounts = 5, 20_000, 4
	tr.plan.unknown /= 30
	tr.changes, tr.brute, tr.porcupine = min(tr.changes, 1), false, false
	return tr
}

// An agreement counts what was compared.
type agreement struct {
	legal, illegal                        int
	brute, porcupine, engine, certificate int // that had something to say
	named                                 int // by an axiom
}

func (a agreement) String() string {
	return fmt.Sprintf("%d legal, %d illegal, %d of these named by an axiom; said something: brute force %d, porcupine %d, engine %d, certificate %d",
		a.legal, a.illegal, a.named, a.brute, a.porcupine, a.engine, a.certificate)
}

// A vote is what one engine says about a history.
type vote struct {
	who   string
	legal bool
}

// history makes the history, with changes that leave it one.
func (tr trial) history(seed uint64) *History {
	rng := rand.New(rand.NewPCG(seed, 8))
	for {
		h := newWorld(seed, tr.rules, tr.plan).run()
		for range tr.changes {
			corrupt(rng, h)
		}
		if _, ok := wellFormed(h); ok {
			return h
		}
	}
}

func (a *agreement) compare(t *testing.T, seed uint64, tr trial) {
	h := tr.history(seed)
	var votes []vote
	ev := newEvidence(newRecord(h))
	var r Report
	if ev.axioms(&r); r.Verdict == Illegal {
		votes = append(votes, vote{"an axiom", false})
		a.named++
	}
	if tr.brute {
		if legal, told := newBrute(h).legal(); told {
			votes = append(votes, vote{"brute force", legal})
			a.brute++
		}
	}
	if got, _ := ev.search(DefaultBudget, &r.Stats); got != gaveUp {
		votes = append(votes, vote{"the engine", got == foundOrder})
		a.engine++
	}
	if tr.porcupine {
		if got := ev.oracle(); got != gaveUp {
			votes = append(votes, vote{"porcupine", got == foundOrder})
			a.porcupine++
		}
	}
	// What a correct server claims is honest. Else a certificate that fails says nothing.
	honest := tr.plan.flaw == "" && tr.changes == 0
	var c Report
	if certified := ev.positioned(&c) && ev.certify(DefaultBudget, &c) != nil; certified || honest && c.Verdict > Unknown {
		votes = append(votes, vote{"the certificate", certified})
		a.certificate++
	}
	if honest {
		votes = append(votes, vote{"the server", true})
	}
	a.count(t, seed, tr, votes, h)
}

func (a *agreement) count(t *testing.T, seed uint64, tr trial, votes []vote, h *History) {
	if len(votes) == 0 {
		return
	}
	for _, v := range votes {
		if v.legal != votes[0].legal {
			t.Fatalf("seed %d, %+v: %v\n%.20000s", seed, tr, votes, dump(h))
		}
	}
	if votes[0].legal {
		a.legal++
	} else {
		a.illegal++
	}
}

// oracle asks porcupine about the whole history, first without the unknowns that nothing shows.
func (ev *evidence) oracle() searched {
	known, loose := ev.resolve()
	loose = ev.relevant(loose)
	s := searcher{rules: ev.meta.Rules, expires: ev.expires}
	found := s.oracle(known, confirmSteps)
	if found == foundOrder || len(loose) == 0 {
		return found
	}
	return s.oracle(append(known, loose...), confirmSteps)
}
