package linearizability

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
)

// A brute tries every order of a small history with the naive model. It shares nothing with the
// judge but the format.
type brute struct {
	rules Rules
	flaw  string // of the naive model
	ops   []*bruteOp
	uids  []uint64        // that an unknown signup may have got
	ended map[string]bool // devices of which the log says that a lease ended some time
	left  int             // steps; below zero the verdict is void
}

// bruteSteps bounds what one small history may cost.
const bruteSteps = 50_000

type bruteOp struct {
	call, ans *Event
	ret       uint64
	late      bool // settled later
}

func newBrute(h *History) *brute {
	b := &brute{rules: h.Meta.Rules, ended: map[string]bool{}, left: bruteSteps}
	byID := map[uint64]*bruteOp{}
	never := map[uint64]bool{}
	owned, seen := map[uint64]bool{}, map[uint64]bool{}
	for e := range h.All() {
		e := &e
		switch {
		case e.E == Entry && e.Op == OpExpire:
			b.ended[e.Dev] = true
		case e.E == Inv:
			byID[e.ID] = &bruteOp{call: e, ret: forever}
			b.ops = append(b.ops, byID[e.ID])
		case e.E == Resolved && e.Never, e.E == Fail:
			never[e.ID] = true
		case e.E == OK || e.E == Err || e.E == Resolved:
			o := byID[e.ID]
			o.ans, o.ret, o.late = e, e.T, e.E == Resolved
			if o.call.Op == OpSignup && e.Code == "" {
				owned[e.UID] = true
			}
			seen[e.UID] = true
			for _, uid := range e.Conv {
				seen[uid] = true
			}
			for _, row := range e.Rows {
				seen[row.From] = true
			}
		}
		for _, uid := range e.Conv {
			seen[uid] = true
		}
	}
	b.ops = slices.DeleteFunc(b.ops, func(o *bruteOp) bool {
		read := o.call.Op == OpHistory || o.call.Op == OpList
		return never[o.call.ID] || o.ans == nil && read
	})
	for uid := range seen {
		if !owned[uid] && uid != 0 {
			b.uids = append(b.uids, uid)
		}
	}
	slices.Sort(b.uids)
	return b
}

// legal says whether there is an order, and whether it took no more than bruteSteps to tell.
func (b *brute) legal() (legal, told bool) {
	legal = b.search(newNaive(b.rules, b.flaw), make([]bool, len(b.ops)))
	return legal, b.left >= 0
}

// surely is legal where it must be told.
func (b *brute) surely(t *testing.T) bool {
	t.Helper()
	legal, told := b.legal()
	if !told {
		t.Fatalf("brute force cannot tell about %d operations", len(b.ops))
	}
	return legal
}

func (b *brute) search(n *naive, done []bool) bool {
	soonest, all := uint64(forever), true
	for i, o := range b.ops {
		if !done[i] && o.ans != nil {
			soonest, all = min(soonest, o.ret), false
		}
	}
	if all {
		return true
	}
	for i, o := range b.ops {
		if done[i] || o.call.T > soonest || b.left < 0 {
			continue
		}
		b.left--
		done[i] = true
		for _, next := range b.outcomes(n, o) {
			if b.search(next, done) {
				return true
			}
		}
		done[i] = false
	}
	return false
}

// outcomes are the states in which the operation, done now, can leave a server that gave the
// recorded answer.
func (b *brute) outcomes(n *naive, o *bruteOp) []*naive {
	starts := []*naive{n.clone()}
	if uid, ok := n.names[n.key(o.call.Name)]; ok && o.call.Op == OpLogin && b.mayLapse(n.users[uid].lease) {
		lapsed := n.clone()
		lapsed.users[uid].lease = ""
		starts = append(starts, lapsed)
	}
	var list []*naive
	for _, s := range starts {
		uids := []uint64{1<<40 + o.call.ID}
		switch {
		case o.call.Op == OpSignup && o.ans == nil:
			uids = append(uids, b.uids...)
		case o.call.Op == OpSignup && o.ans.UID != 0:
			uids = []uint64{o.ans.UID}
		}
		for _, uid := range uids {
			if s.users[uid] != nil {
				continue
			}
			if next := s.clone(); next.accepts(o, uid) {
				list = append(list, next)
			}
		}
	}
	return list
}

func (b *brute) mayLapse(dev string) bool {
	return b.rules.Expiry == ExpiryAny || b.rules.Expiry == ExpiryLogged && b.ended[dev]
}

func (n *naive) accepts(o *bruteOp, uid uint64) bool {
	got := n.apply(o.call, uid)
	d := n.devices[o.call.Dev]
	if o.ans == nil {
		return true
	}
	if got.Code != o.ans.Code {
		return false
	}
	if o.call.Dseq > 0 && got.Code != "E_NO_SESSION" && !o.late {
		if o.call.Dseq <= d.last {
			return false
		}
		d.last = o.call.Dseq
	}
	if got.Code != "" {
		return true
	}
	if o.call.Op == OpLogin {
		u := n.users[d.uid]
		if o.ans.Cursor < u.cursor {
			return false
		}
		u.cursor = o.ans.Cursor
	}
	sameRow := func(a, b Row) bool { return a.Seq == b.Seq && a.From == b.From && a.Body == b.Body }
	return got.UID == o.ans.UID && got.Epoch == o.ans.Epoch && got.Seq == o.ans.Seq &&
		slices.Equal(got.Conv, o.ans.Conv) && slices.EqualFunc(got.Rows, o.ans.Rows, sameRow) &&
		got.Last == o.ans.Last && slices.Equal(got.Names, o.ans.Names) && got.More == o.ans.More
}

// corrupt changes one thing in a history, which may make it illegal or not.
func corrupt(rng *rand.Rand, h *History) {
	var answers []int
	for i, e := range h.Events {
		if e.E == OK || e.E == Err || e.E == Resolved && !e.Never {
			answers = append(answers, i)
		}
	}
	if len(answers) == 0 {
		return
	}
	e := &h.Events[answers[rng.IntN(len(answers))]]
	e.Rows, e.Names, e.Conv = slices.Clone(e.Rows), slices.Clone(e.Names), slices.Clone(e.Conv)
	switch k := rng.IntN(10); {
	case k == 0 && e.Seq > 0:
		e.Seq += 1 - 2*uint64(rng.IntN(2))
	case k == 1 && len(e.Rows) > 0:
		e.Rows = e.Rows[:len(e.Rows)-1]
		e.Last = uint64(rng.IntN(2)) * e.Last
	case k == 2 && len(e.Rows) > 1:
		e.Rows[0].Body, e.Rows[1].Body = e.Rows[1].Body, e.Rows[0].Body
	case k == 3 && len(e.Names) > 0:
		e.Names = e.Names[1:]
	case k == 4 && e.Epoch > 0:
		e.Epoch += 1 - 2*uint64(rng.IntN(2))
	case k == 5 && e.UID > 0:
		e.UID = 11 + uint64(rng.IntN(6))
	case k == 6 && e.Code != "":
		codes := []string{codeFenced, codeNoSession, codeNoSuchUser, codeNameTaken, codeElsewhere}
		e.Code = codes[rng.IntN(len(codes))]
	default:
		moveEvent(rng, h)
	}
}

// moveEvent shifts one call or answer in time, as a skewed clock would.
func moveEvent(rng *rand.Rand, h *History) {
	i := rng.IntN(len(h.Events) - 1)
	step := 1 - 2*rng.IntN(2)
	for range 1 + rng.IntN(6) {
		j := i + step
		if j < 0 || j >= len(h.Events)-1 {
			return
		}
		a, b := &h.Events[i], &h.Events[j]
		if a.E == Entry || b.E == Entry || a.ID == b.ID && a.ID != 0 || a.P == b.P && a.P != 0 {
			return
		}
		a.T, b.T = b.T, a.T
		*a, *b = *b, *a
		i = j
	}
}

// The comparison with brute force is sharp enough to see a mistake in either model: with any of these in the
// naive one, the two soon differ.
func TestModelMistakesShow(t *testing.T) {
	flaws := []string{
		"takeover leaves the old device working", "logout leaves the device open", "logout keeps the lease",
		"login keeps the epoch", "two devices at once", "delete leaves devices open", "delete keeps the name",
		"names are not folded", "a name taken twice", "a page begins at its cursor", "anybody reads",
	}
	for _, flaw := range flaws {
		shows := false
		for seed := uint64(0); seed < 3000 && !shows; seed++ {
			rules := []Rules{never0.Rules, multi().Rules}[seed%2]
			h := newWorld(seed, rules, worldPlan{clients: 2 + int(seed%3), ops: 10, accounts: 2 + int(seed%2)}).run()
			b := newBrute(h)
			b.flaw = flaw
			var stats Stats
			got, _ := newEvidence(newRecord(h)).search(DefaultBudget, &stats)
			legal, told := b.legal()
			shows = told && got != gaveUp && (got == foundOrder) != legal
		}
		if !shows {
			t.Errorf("%s: no history tells", flaw)
		}
	}
}

func dump(h *History) string {
	var b []byte
	ops := map[uint64]Op{}
	for _, e := range h.Events {
		if e.E == Inv {
			ops[e.ID] = e.Op
		}
		var err error
		if b, err = appendObject(b, e.shape(ops[e.ID]), &e); err != nil {
			return fmt.Sprint(err)
		}
		b = append(b, '\n')
	}
	return string(b)
}
