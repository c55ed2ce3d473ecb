package linearizability

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
)

// A podPlan is for a history of many worlds that have nothing to do with each other: each with a
// few accounts under one prefix, and sends and lists that stay there. Without positions that is
// what can be judged at size.
type podPlan struct {
	pods int
	worldPlan
	bad string // the flaw of the server of the last pod
}

// history plays every pod and mixes them on one clock. There are no positions.
func (p podPlan) history(seed uint64, rules Rules) *History {
	h := &History{Meta: Meta{Clock: ClockEvent, Positions: PositionsNone, Rules: rules}}
	var pods [][]Event
	left, id := 0, uint64(0)
	for i := range p.pods {
		plan := p.worldPlan
		plan.accounts = 4 + i%5
		if i == p.pods-1 {
			plan.flaw = p.bad
		}
		w := newWorld(seed+uint64(i), rules, plan)
		events := slices.DeleteFunc(w.run().Events, func(e Event) bool {
			return e.E == End || e.E == Phase || e.E == Entry && e.Op != OpExpire
		})
		for j := range events {
			intoPod(&events[j], i, id)
		}
		id += w.id + w.proc
		pods = append(pods, events)
		left += len(events)
	}
	rng := rand.New(rand.NewPCG(seed, 10))
	h.Events = make([]Event, 0, left+1)
	for len(pods) > 0 {
		i := rng.IntN(len(pods))
		e := pods[i][0]
		e.T = uint64(len(h.Events)) + 1
		h.Events = append(h.Events, e)
		if pods[i] = pods[i][1:]; len(pods[i]) == 0 {
			pods[i] = pods[len(pods)-1]
			pods = pods[:len(pods)-1]
		}
	}
	h.End(uint64(len(h.Events)) + 1)
	return h
}

// intoPod moves an event into a pod: every name gets its prefix, every number its range.
func intoPod(e *Event, pod int, ids uint64) {
	prefix := fmt.Sprintf("p%04d", pod)
	named := func(s string) string {
		if s == "" {
			return ""
		}
		return prefix + s
	}
	own := func(n uint64) uint64 {
		if n == 0 {
			return 0
		}
		return n + uint64(pod)<<24
	}
	e.Pos, e.ID, e.P = 0, e.ID+ids, e.P+ids
	e.Dev, e.Name, e.To, e.AfterKey, e.Body = named(e.Dev), named(e.Name), named(e.To), named(e.AfterKey), named(e.Body)
	if e.Op == OpList {
		e.Prefix = prefix + e.Prefix
	}
	e.UID = own(e.UID)
	e.Conv, e.Names, e.Rows = slices.Clone(e.Conv), slices.Clone(e.Names), slices.Clone(e.Rows)
	for i := range e.Conv {
		e.Conv[i] = own(e.Conv[i])
	}
	for i := range e.Names {
		e.Names[i] = named(e.Names[i])
	}
	for i := range e.Rows {
		row := &e.Rows[i]
		row.Pos, row.From, row.Body = 0, own(row.From), named(row.Body)
	}
}

// Pods are judged apart, and one that a bad server made is found among all the others.
func TestPods(t *testing.T) {
	found := 0
	for seed := range uint64(16) {
		plan := podPlan{pods: 40, worldPlan: worldPlan{clients: 5, ops: 100, unknown: int(seed % 4)}}
		h := plan.history(seed<<32, allRules[seed%4])
		if r := Check(h, Options{}); r.Verdict != Pass || r.Stats.Components < plan.pods {
			t.Errorf("seed %d:\n%v%+v", seed, r, r.Stats)
		}
		plan.bad = "stale reads"
		switch r := Check(plan.history(seed<<32, allRules[seed%4]), Options{}); r.Verdict {
		case Illegal:
			found++
		case Pass: // perhaps nobody could tell
		default:
			t.Errorf("seed %d:\n%v%+v", seed, r, r.Stats)
		}
	}
	if found < 8 {
		t.Errorf("found %d of 16", found)
	}
}

// What may touch one thing is one part, whatever was answered; nothing else is.
func TestPartition(t *testing.T) {
	for _, test := range []struct {
		text  string
		parts int
	}{
		{"d1 logout =\n d2 logout =", 2},
		{"d1 logout =\n d1 logout =", 1},
		{"d1 signup ann = 11\n d2 login ANN = 12 1 0", 1},
		{"d1 signup ann = 11\n d2 login bob = 11 1 0", 1},
		{"d1 signup ann = 11\n d2 signup bob = 12", 2},
		{"d1 signup ann = 11\n d2 send ann m1 ! E_FENCED", 1},
		{"d1 send ann m1 = 11,12#1\n d2 send bob m2 = 12,13#1", 1},
		{"d1 send ann m1 = 11,12#1\n d2 history 11,12 0 1 = last 0", 1},
		{"d1 history 11,12 0 1 = last 0\n d2 history 12,13 0 1 = last 0", 1},
		{"d1 history 11 0 1 = last 0\n d2 history 12,13 0 1 = last 0", 2},
		{"d1 signup ann = 11\n d2 list a - 1 =", 1},
		{"d1 signup ann = 11\n d2 list b - 1 =", 2},
		{"d1 signup ann = 11\n d2 list - ann 1 =", 2},
	} {
		ops := newRecord(script(t, withoutPositions(never0), test.text)).ops
		if parts := partition(ops); len(parts) != test.parts {
			t.Errorf("%q: want %d parts, got %d", test.text, test.parts, len(parts))
		}
	}
}

// BenchmarkPods is the whole judgement of a million operations without positions, the reading of
// the file excepted:
//
//	GOMAXPROCS=1 go test ./linearizability -run '^$' -bench Pods -benchtime 3x
func BenchmarkPods(b *testing.B) {
	for _, unknown := range []int{0, 1} {
		b.Run(fmt.Sprintf("unknown=%d", unknown), func(b *testing.B) {
			h := asRead(b, podPlan{pods: 1000, worldPlan: worldPlan{clients: 5, ops: 1000, unknown: unknown}}.history(1<<32, never0.Rules))
			b.ReportAllocs()
			for b.Loop() {
				if r := Check(h, Options{}); r.Verdict != Pass {
					b.Fatal(r)
				}
			}
		})
	}
}

// asRead is a history as it comes from a file.
func asRead(b *testing.B, h *History) *History {
	b.Helper()
	var file bytes.Buffer
	if err := h.Write(&file); err != nil {
		b.Fatal(err)
	}
	h, err := Read(&file)
	if err != nil {
		b.Fatal(err)
	}
	return h
}

// weakened forgets n answers to commands, and raises an epoch half-way if it shall be illegal.
func weakened(h *History, n int, illegal bool) *History {
	rng := rand.New(rand.NewPCG(11, uint64(n)))
	op := map[uint64]Op{}
	for i := range h.Events {
		if e := &h.Events[i]; e.E == Inv {
			op[e.ID] = e.Op
		}
	}
	for n > 0 {
		e := &h.Events[rng.IntN(len(h.Events))]
		if (e.E == OK || e.E == Err) && op[e.ID] != OpHistory && op[e.ID] != OpList {
			*e = Event{E: Info, ID: e.ID, T: e.T}
			n--
		}
	}
	for i := len(h.Events) / 2; illegal && i < len(h.Events); i++ {
		if e := &h.Events[i]; e.E == OK && op[e.ID] == OpLogin {
			e.Epoch++
			break
		}
	}
	return h
}

// BenchmarkSearch compares the engines on what is hard for one of them:
//
//	GOMAXPROCS=1 go test ./linearizability -run '^$' -bench Search -benchtime 3x
func BenchmarkSearch(b *testing.B) {
	for _, c := range []struct {
		name                  string
		ops, clients, unknown int
		want                  searched
	}{
		{"valid,100k,5-clients", 100_000, 5, 0, foundOrder},
		{"valid,1k,16-clients", 1000, 16, 0, foundOrder},
		{"invalid,1k,0-unknown", 1000, 5, 0, foundNone},
		{"invalid,1k,13-unknown", 1000, 5, 13, foundNone},
		{"invalid,1k,40-unknown", 1000, 5, 40, foundNone},
	} {
		h := newWorld(5, never0.Rules, worldPlan{clients: c.clients, ops: c.ops, accounts: 6}).run()
		ev := newEvidence(newRecord(weakened(h, c.unknown, c.want == foundNone)))
		known, loose := ev.resolve()
		ops := append(known, ev.relevant(loose)...)
		engines := map[string]func() searched{
			"engine": func() searched {
				s := searcher{rules: never0.Rules, left: 20 * DefaultBudget}
				return s.component(ops)
			},
			"porcupine": func() searched {
				s := searcher{rules: never0.Rules}
				return s.oracle(ops, 2*DefaultBudget)
			},
			"certificate": func() searched {
				if ev.certify(DefaultBudget, &Report{}) != nil {
					return foundOrder
				}
				return foundNone
			},
		}
		for _, name := range []string{"engine", "porcupine", "certificate"} {
			if name == "porcupine" && c.ops > 10_000 || name == "certificate" && c.want != foundOrder {
				continue // porcupine's memory grows with the square
			}
			b.Run(c.name+"/"+name, func(b *testing.B) {
				b.ReportAllocs()
				for b.Loop() {
					switch found := engines[name](); found {
					case c.want:
					case gaveUp:
						b.Skip("gave up")
					default:
						b.Fatal(found)
					}
				}
			})
		}
	}
}
