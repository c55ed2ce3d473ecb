package linearizability

import (
	"cmp"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// The histories in testdata/tiny are those of simulated worlds, each written with
//
//	go test ./sim -run TestTinyWorlds -count=1 -tiny=NAME -history=$PWD/linearizability/testdata/tiny/NAME.jsonl
//
// They are small enough for brute force, which labels each of their corruptions: what was meant to
// be broken is not always illegal.

func tinyHistories(t *testing.T) map[string]*History {
	t.Helper()
	paths, err := filepath.Glob("testdata/tiny/*.jsonl")
	if err != nil || len(paths) == 0 {
		t.Fatalf("no histories: %v", err)
	}
	all := map[string]*History{}
	for _, path := range paths {
		f, err := os.Open(path)
		if err != nil {
			t.Fatal(err)
		}
		h, err := Read(f)
		f.Close()
		if err != nil {
			t.Fatalf("%s: %v", path, err)
		}
		all[strings.TrimSuffix(filepath.Base(path), ".jsonl")] = unpacked(h)
	}
	return all
}

// unpacked is a history that can be changed.
func unpacked(h *History) *History {
	return &History{Meta: h.Meta, Events: slices.Collect(h.All())}
}

// onlyOperations is what brute force looks at.
func onlyOperations(h *History) {
	drop(h, func(e *Event) bool {
		return e.E == Sub || e.E == Push || e.E == Ack || e.E == Close || e.E == Entry
	})
}

func copyOf(h *History) *History {
	c := &History{Meta: h.Meta, Events: slices.Clone(h.Events)}
	for i := range c.Events {
		e := &c.Events[i]
		e.Rows, e.Names, e.Conv = slices.Clone(e.Rows), slices.Clone(e.Names), slices.Clone(e.Conv)
	}
	return c
}

// An exchange is a call and its answer, to be corrupted.
type exchange struct{ call, ans *Event }

func exchanges(h *History, op Op) (list []exchange) {
	calls := map[uint64]*Event{}
	for i := range h.Events {
		switch e := &h.Events[i]; e.E {
		case Inv:
			calls[e.ID] = e
		case OK, Err:
			if c := calls[e.ID]; c.Op == op || op == "" {
				list = append(list, exchange{c, e})
			}
		}
	}
	return list
}

// A corruption changes one thing, in all ways and places there are. rules are the reasons that fit
// what it breaks, if that is more than the positions.
type corruption struct {
	name  string
	rules []string
	make  func(h *History) []*History
}

// atEach makes a variant for each exchange of an operation and each n, as long as change says that
// there is something to change.
func atEach(op Op, change func(h *History, x exchange, n int) bool) func(*History) []*History {
	return func(h *History) (list []*History) {
		for i := range exchanges(h, op) {
			for n := 0; ; n++ {
				c := copyOf(h)
				if !change(c, exchanges(c, op)[i], n) {
					break
				}
				list = append(list, c)
			}
		}
		return list
	}
}

// ended are the devices whose session ends in h, by logout, takeover or deletion.
func ended(h *History) (devices []string) {
	user := map[string]string{} // device → name
	for _, x := range exchanges(h, "") {
		if x.ans.E != OK {
			continue
		}
		switch x.call.Op {
		case OpLogin:
			for dev, name := range user {
				if name == x.call.Name && h.Meta.Rules.Login == LoginExclusive {
					devices = append(devices, dev)
				}
			}
			user[x.call.Dev] = x.call.Name
		case OpSignup:
			user[x.call.Dev] = x.call.Name
		case OpLogout, OpDelete:
			devices = append(devices, x.call.Dev)
		}
	}
	slices.Sort(devices)
	return slices.Compact(devices)
}

func sharedNames(h *History) (names []string) {
	for _, x := range exchanges(h, OpSignup) {
		names = append(names, x.call.Name)
	}
	slices.Sort(names)
	return slices.Compact(names)
}

var breakages = []corruption{
	{"a message lost", []string{RuleLostAck, RuleOwnWrites, RuleHole},
		atEach(OpHistory, func(_ *History, x exchange, n int) bool {
			if n >= len(x.ans.Rows) {
				return false
			}
			x.ans.Rows = slices.Delete(x.ans.Rows, n, n+1)
			return true
		})},
	{"a message lost, the rest moved up", []string{RuleLostAck, RuleOwnWrites, RuleDuplicate},
		atEach(OpHistory, func(_ *History, x exchange, n int) bool {
			if n >= len(x.ans.Rows) {
				return false
			}
			x.ans.Rows, x.ans.Last = slices.Delete(x.ans.Rows, n, n+1), x.ans.Last-1
			for i := n; i < len(x.ans.Rows); i++ {
				x.ans.Rows[i].Seq--
			}
			return true
		})},
	{"a message doubled", []string{RuleDuplicate},
		atEach(OpHistory, func(_ *History, x exchange, n int) bool {
			if n >= len(x.ans.Rows) {
				return false
			}
			x.ans.Rows, x.ans.Last = slices.Insert(x.ans.Rows, n, x.ans.Rows[n]), x.ans.Last+1
			for i := n + 1; i < len(x.ans.Rows); i++ {
				x.ans.Rows[i].Seq++
			}
			return true
		})},
	{"a message altered", []string{RuleDuplicate, RulePhantom},
		atEach(OpHistory, func(_ *History, x exchange, n int) bool {
			if n >= len(x.ans.Rows) {
				return false
			}
			x.ans.Rows[n].Body += "!"
			return true
		})},
	{"messages swapped within one read", []string{RuleDuplicate},
		atEach(OpHistory, func(_ *History, x exchange, n int) bool {
			rows := x.ans.Rows
			if n+1 >= len(rows) {
				return false
			}
			rows[n], rows[n+1] = rows[n+1], rows[n]
			rows[n].Seq, rows[n+1].Seq = rows[n+1].Seq, rows[n].Seq
			return true
		})},
	{"a stale read", []string{RuleLostAck, RuleOwnWrites, RuleMonotonic},
		atEach(OpHistory, func(_ *History, x exchange, n int) bool {
			if uint64(n) >= x.ans.Last {
				return false
			}
			x.ans.Last = uint64(n)
			x.ans.Rows = slices.DeleteFunc(x.ans.Rows, func(r Row) bool { return r.Seq > uint64(n) })
			return true
		})},
	{"a client's reads going back", []string{RuleMonotonic, RuleLostAck, RuleOwnWrites}, readsGoingBack},
	// A name that was deleted and taken again was absent once: that this was too long ago only the
	// search can tell.
	{"a stale list", []string{RuleHonestNames, RuleSearch},
		atEach(OpList, func(_ *History, x exchange, n int) bool {
			if n >= len(x.ans.Names) {
				return false
			}
			x.ans.Names = slices.Delete(x.ans.Names, n, n+1)
			return true
		})},
	{"a deleted name in a list", []string{RuleHonestNames}, deletedName},
	{"one name twice", []string{RuleHonestNames},
		atEach(OpList, func(_ *History, x exchange, n int) bool {
			if n >= len(x.ans.Names) {
				return false
			}
			x.ans.Names = slices.Insert(x.ans.Names, n, x.ans.Names[n])
			return true
		})},
	{"two signups that both got it", []string{RuleSearch, RuleHonestNames, RulePhantom, RuleResurrection},
		atEach(OpSignup, func(h *History, x exchange, n int) bool {
			names := sharedNames(h)
			if n >= len(names) || x.ans.E != OK {
				return false
			}
			x.call.Name = names[n]
			return true
		})},
	{"a refused signup that got it", []string{RuleSearch, RuleResurrection, RuleHonestNames},
		atEach(OpSignup, func(_ *History, x exchange, n int) bool {
			if n > 0 || x.ans.Code != codeNameTaken {
				return false
			}
			x.ans.E, x.ans.Code, x.ans.UID = OK, "", x.ans.Pos
			return true
		})},
	{"a send accepted from an ended session", []string{RuleOneSession, RuleSearch, RulePhantom, RuleReplay},
		atEach(OpSend, func(h *History, x exchange, n int) bool {
			devices := ended(h)
			if n >= len(devices) || x.ans.E != OK {
				return false
			}
			x.call.Dev, x.call.Dseq = devices[n], 1000
			return true
		})},
	{"refused though the recipient was there", []string{RuleSearch, RulePhantom},
		atEach(OpSend, func(_ *History, x exchange, n int) bool {
			if n > 0 || x.ans.E != OK {
				return false
			}
			*x.ans = Event{E: Err, ID: x.ans.ID, T: x.ans.T, Pos: x.ans.Pos, Code: codeNoSuchUser}
			return true
		})},
	{"a re-created account with old messages", []string{RuleSearch, RuleDuplicate, RulePhantom, RuleLostAck, RuleOneSession},
		oldMessages},
	{"a cursor falling", []string{RuleCursor},
		atEach(OpLogin, func(_ *History, x exchange, n int) bool {
			if n > 3 || x.ans.E != OK {
				return false
			}
			x.ans.Cursor += uint64(n) + 1
			return true
		})},
	{"a hole in the numbers", []string{RuleHole, RuleDuplicate},
		atEach(OpSend, func(_ *History, x exchange, n int) bool {
			if n > 0 || x.ans.E != OK {
				return false
			}
			x.ans.Seq++
			return true
		})},
	{"two positions swapped", nil,
		atEach("", func(h *History, x exchange, n int) bool {
			all := exchanges(h, "")
			if n >= len(all) {
				return false
			}
			x.ans.Pos, all[n].ans.Pos = all[n].ans.Pos, x.ans.Pos
			return true
		})},
	{"an interval moved by clock skew", []string{RuleRealTime, RuleLostAck, RuleOwnWrites, RulePhantom, RuleReorder,
		RuleMonotonic, RuleOneSession, RuleHonestNames, RuleSearch, RuleResurrection},
		func(h *History) []*History { return moved(h, 0) }},
}

// readsGoingBack repeats a read before itself, on the same device, and then shows less.
func readsGoingBack(h *History) (list []*History) {
	for i, x := range exchanges(h, OpHistory) {
		for last := range x.ans.Last {
			c := copyOf(h)
			call, ans := *exchanges(c, OpHistory)[i].call, exchanges(c, OpHistory)[i].ans
			again := *ans
			again.Rows = slices.DeleteFunc(slices.Clone(ans.Rows), func(r Row) bool { return r.Seq > last })
			again.Last = last
			call.ID, call.P, again.ID = 1000, 1000, 1000
			at := slices.IndexFunc(c.Events, func(e Event) bool { return e.E != Inv && e.ID == x.ans.ID }) + 1
			c.Events = slices.Insert(c.Events, at, call, again)
			list = append(list, renumber(c))
		}
	}
	return list
}

// deletedName shows, in each list, a name that once was there: just before, each account is deleted
// from the device that has its lease.
func deletedName(h *History) (list []*History) {
	for i := range exchanges(h, OpList) {
		for _, name := range sharedNames(h) {
			c := copyOf(h)
			page := exchanges(c, OpList)[i]
			if page.ans.E != OK {
				continue
			}
			gone := Event{E: Inv, ID: 1000, P: 1000, Op: OpDelete, Dev: lastDevice(h, name), Dseq: 1000}
			done := Event{E: OK, ID: 1000, Pos: page.ans.Pos}
			at := slices.IndexFunc(c.Events, func(e Event) bool { return e.E == Inv && e.ID == page.call.ID })
			for j := range c.Events { // make room for its position
				if e := &c.Events[j]; j >= at && e.Pos >= page.ans.Pos {
					e.Pos++
				}
			}
			c.Events = slices.Insert(c.Events, at, gone, done)
			list = append(list, renumber(c))
		}
	}
	return list
}

func lastDevice(h *History, name string) (dev string) {
	for _, x := range exchanges(h, "") {
		if x.ans.E == OK && (x.call.Op == OpSignup || x.call.Op == OpLogin) && x.call.Name == name {
			dev = x.call.Dev
		}
	}
	return dev
}

// oldMessages lets each read show what another one showed of another conversation, as if it were its
// own.
func oldMessages(h *History) (list []*History) {
	all := exchanges(h, OpHistory)
	for i, x := range all {
		for j, y := range all {
			if x.ans.E != OK || y.ans.E != OK || len(y.ans.Rows) == 0 || slices.Equal(x.call.Conv, y.call.Conv) {
				continue
			}
			c := copyOf(h)
			to, from := exchanges(c, OpHistory)[i], exchanges(c, OpHistory)[j]
			to.ans.Rows, to.ans.Last = slices.Clone(from.ans.Rows), from.ans.Last
			list = append(list, c)
		}
	}
	for i, x := range all { // and what was refused
		for _, y := range all {
			if x.ans.Code == codeNotMember && y.ans.E == OK && slices.Equal(x.call.Conv, y.call.Conv) {
				c := copyOf(h)
				to := exchanges(c, OpHistory)[i].ans
				to.E, to.Code, to.Rows, to.Last = OK, "", slices.Clone(y.ans.Rows), y.ans.Last
				list = append(list, c)
			}
		}
	}
	return list
}

// moved shifts each operation by each number of events, as if its client's clock were off by so
// much, and declares the given skew.
func moved(h *History, skew uint64) (list []*History) {
	for _, x := range exchanges(h, "") {
		for by := -6; by <= 6; by++ {
			c := copyOf(h)
			c.Meta.Skew = skew
			for i := range c.Events {
				e := &c.Events[i]
				if e.T = 1000 + 100*e.T; e.ID == x.call.ID {
					e.T = uint64(int64(e.T) + int64(by)*100 + 50)
				}
			}
			slices.SortStableFunc(c.Events[:len(c.Events)-1], func(a, b Event) int { return cmp.Compare(a.T, b.T) })
			c.Events[len(c.Events)-1].T += 1000
			if strictlyRising(c) {
				list = append(list, c)
			}
		}
	}
	return list
}

func strictlyRising(h *History) bool {
	return slices.IsSortedFunc(h.Events, func(a, b Event) int {
		if a.T == b.T {
			return 1
		}
		return cmp.Compare(a.T, b.T)
	})
}

// renumber stamps the events anew and counts them.
func renumber(h *History) *History {
	for i := range h.Events {
		h.Events[i].T = uint64(i) + 1
	}
	h.Events[len(h.Events)-1].Lines = uint64(len(h.Events))
	return h
}

// claimExplains is an oracle for positions as plain as brute force: it replays the naive model in
// the order that they claim. It knows nothing of unknown outcomes.
func claimExplains(h *History) bool {
	ops := newBrute(h).ops
	reads := func(o *bruteOp) int {
		if o.call.Op == OpHistory || o.call.Op == OpList || o.ans.Code == codeNoSession {
			return 1
		}
		return 0
	}
	slices.SortStableFunc(ops, func(a, b *bruteOp) int {
		return cmp.Or(cmp.Compare(a.ans.Pos, b.ans.Pos), reads(a)-reads(b), cmp.Compare(a.call.T, b.call.T))
	})
	n := newNaive(h.Meta.Rules, "")
	at := map[string]uint64{} // conversation and number → position
	for i, o := range ops {
		for _, earlier := range ops[:i] {
			if o.ret < earlier.call.T {
				return false
			}
		}
		if i > 0 && reads(o) == 0 && ops[i-1].ans.Pos == o.ans.Pos || !n.accepts(o, cmp.Or(o.ans.UID, 1<<40+o.call.ID)) {
			return false
		}
		if o.call.Op == OpSignup && o.ans.E == OK && o.ans.UID != o.ans.Pos {
			return false
		}
		if o.call.Op == OpSend {
			at[fmt.Sprint(o.ans.Conv, o.ans.Seq)] = o.ans.Pos
		}
		for _, row := range o.ans.Rows {
			if row.Pos != 0 && row.Pos != at[fmt.Sprint(o.call.Conv, row.Seq)] {
				return false
			}
		}
	}
	return true
}

// Every corruption of every kind that brute force calls illegal is rejected, for a reason that fits;
// every one that it calls legal is accepted, or, if the positions do not explain it, called just
// that.
func TestCorruptedHistories(t *testing.T) {
	tiny := tinyHistories(t)
	for _, c := range breakages {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			illegal, legal, contract, fits := 0, 0, 0, map[string]int{}
			for _, name := range slices.Sorted(maps.Keys(tiny)) {
				base := copyOf(tiny[name])
				onlyOperations(base)
				for i, h := range c.make(base) {
					if f, ok := wellFormed(h); !ok {
						t.Fatalf("%s %d: %v\n%s", name, i, f, dump(h))
					}
					want := Illegal
					if newBrute(h).surely(t) {
						want = PositionContract
						if claimExplains(h) {
							want = Pass
						}
					}
					r := Check(h, Options{})
					if r.Verdict != want {
						t.Errorf("%s %d: want %v:\n%v\n%s", name, i, want, r, dump(h))
					}
					switch want {
					case Illegal:
						illegal++
					case Pass:
						legal++
						continue
					default:
						contract++
					}
					rules, named := c.rules, false
					if want == PositionContract {
						rules = []string{RuleRealTime, RuleReplay, RuleSharedPos}
					}
					for _, f := range r.Findings {
						if slices.Contains(rules, f.Rule) && f.Verdict == want {
							fits[f.Rule]++
							named = true
						}
					}
					if !named {
						t.Errorf("%s %d: no reason that fits:\n%v\n%s", name, i, r, dump(h))
					}
					if got := withoutTheirPositions(h); (got == Illegal) != (want == Illegal) || want != Illegal && got != Pass {
						t.Errorf("%s %d: %v without positions\n%s", name, i, got, dump(h))
					}
				}
			}
			if illegal+contract == 0 {
				t.Errorf("nothing was broken (%d legal)", legal)
			}
			t.Logf("%d illegal, %d against the positions, %d still legal; reasons: %v", illegal, contract, legal, fits)
		})
	}
}

func withoutTheirPositions(h *History) Verdict {
	c := copyOf(h)
	stripPositions(nil, c)
	return Check(c, Options{Search: true}).Verdict
}

// Tiny histories, and what is legal to make of them, pass by both engines. A clock that is wrong by
// less than what is declared does no harm.
func TestTinyHistoriesPass(t *testing.T) {
	changes := map[string]func(*rand.Rand, *History){
		"as they are": func(*rand.Rand, *History) {}, "reads dropped": dropReads, "commands weakened": weaken,
		"stamps stretched": stretch, "accounts renamed": rename, "positions taken away": stripPositions,
		"only operations": func(_ *rand.Rand, h *History) { onlyOperations(h) },
	}
	for name, base := range tinyHistories(t) {
		for change, do := range changes {
			for seed := range uint64(8) {
				h := copyOf(base)
				do(rand.New(rand.NewPCG(seed, 10)), h)
				if r := Check(h, Options{Search: true, Certificate: change != "positions taken away"}); r.Verdict != Pass {
					t.Errorf("%s, %s, %d:\n%v\n%s", name, change, seed, r, dump(h))
				}
			}
		}
		operations := copyOf(base)
		onlyOperations(operations)
		for i, h := range moved(operations, 700) {
			if r := Check(h, Options{}); r.Verdict != Pass {
				t.Errorf("%s, skew declared, %d:\n%v\n%s", name, i, r, dump(h))
			}
		}
	}
}

// A push of a tiny history, to be corrupted: the events of its feed, and which it is among them.
type delivered struct {
	pushes []*Event
	n      int
}

// Corruptions of feeds are beyond brute force, but also beyond doubt: nothing else is changed, so
// each contradicts the log that the answers prove.
var feedCorruptions = []struct {
	name   string
	rules  []string
	change func(h *History, d delivered) bool
}{
	{"an event lost", []string{RuleFeedGap, RuleFeedComplete}, func(h *History, d delivered) bool {
		gone := *d.pushes[d.n]
		closed := slices.ContainsFunc(h.Events, func(e Event) bool { return e.E == Close && e.Sub == gone.Sub })
		if closed && d.n == len(d.pushes)-1 {
			return false // a feed may end before its last events come
		}
		drop(h, func(e *Event) bool { return (e.E == Push || e.E == Ack) && e.Sub == gone.Sub && e.N == gone.N })
		return true
	}},
	{"an event twice", []string{RuleFeedRepeat}, func(h *History, d delivered) bool {
		again := *d.pushes[d.n]
		i := slices.IndexFunc(h.Events, func(e Event) bool { return e.E == Push && e.T == again.T })
		h.Events = slices.Insert(h.Events, i+1, again)
		renumber(h)
		return true
	}},
	{"two events swapped", []string{RuleFeedOrder, RuleFeedAgreement}, func(_ *History, d delivered) bool {
		if d.n+1 >= len(d.pushes) {
			return false
		}
		a, b := d.pushes[d.n], d.pushes[d.n+1]
		*a, *b = *b, *a
		a.T, b.T, a.N, b.N = b.T, a.T, b.N, a.N
		return true
	}},
	{"the numbers of two events swapped", []string{RuleFeedGap, RuleFeedRepeat}, func(_ *History, d delivered) bool {
		if d.n+1 >= len(d.pushes) {
			return false
		}
		a, b := d.pushes[d.n], d.pushes[d.n+1]
		a.N, b.N = b.N, a.N
		return true
	}},
	{"an event altered", []string{RuleFeedAgreement}, func(_ *History, d delivered) bool {
		d.pushes[d.n].Body += "!"
		return true
	}},
	{"an event of another's conversation", []string{RuleFeedAgreement}, func(_ *History, d delivered) bool {
		d.pushes[d.n].Conv = []uint64{900, 901}
		return true
	}},
	{"a number of the conversation left out", []string{RuleFeedAgreement}, func(_ *History, d delivered) bool {
		d.pushes[d.n].Seq++
		return true
	}},
	{"an event before its send", []string{RuleFeedEarly}, func(h *History, d delivered) bool {
		p := *d.pushes[d.n]
		call := slices.IndexFunc(h.Events, func(e Event) bool { return e.E == Inv && e.Body == p.Body })
		at := slices.IndexFunc(h.Events, func(e Event) bool { return e.E == Push && e.T == p.T })
		attached := slices.IndexFunc(h.Events, func(e Event) bool { return e.E == Sub && e.Sub == p.Sub })
		if attached > call {
			return false
		}
		copy(h.Events[call+1:at+1], h.Events[call:at])
		h.Events[call] = p
		renumber(h)
		return true
	}},
	{"a cursor beyond what was stored", []string{RuleCursor}, func(h *History, d delivered) bool {
		for _, x := range exchanges(h, OpLogin) {
			if x.ans.E == OK && d.n == 0 {
				x.ans.Cursor += 50
				return true
			}
		}
		return false
	}},
}

func TestCorruptedFeeds(t *testing.T) {
	tiny := tinyHistories(t)
	for _, c := range feedCorruptions {
		made := 0
		for _, name := range slices.Sorted(maps.Keys(tiny)) {
			for i := range pushesOf(tiny[name]) {
				h := copyOf(tiny[name])
				if !c.change(h, pushesOf(h)[i]) {
					continue
				}
				made++
				r := Check(h, Options{})
				fits := slices.ContainsFunc(r.Findings, func(f Finding) bool { return slices.Contains(c.rules, f.Rule) })
				if r.Verdict != Illegal || !fits {
					t.Errorf("%s in %s, %d:\n%v\n%s", c.name, name, i, r, dump(h))
				}
			}
		}
		if made < 3 {
			t.Errorf("%s: made only %d times", c.name, made)
		}
		t.Logf("%s: %d", c.name, made)
	}
}

func pushesOf(h *History) (list []delivered) {
	feeds := map[uint64][]*Event{}
	for i := range h.Events {
		if e := &h.Events[i]; e.E == Push {
			feeds[e.Sub] = append(feeds[e.Sub], e)
		}
	}
	for _, sub := range slices.Sorted(maps.Keys(feeds)) {
		for n := range feeds[sub] {
			list = append(list, delivered{feeds[sub], n})
		}
	}
	return list
}

// Files that are broken as files: refused with line and field, or never more than Unknown.
func TestCorruptedFiles(t *testing.T) {
	data, err := os.ReadFile("testdata/tiny/talk.jsonl")
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.SplitAfter(strings.TrimSuffix(string(data), "\n"), "\n")
	lines[len(lines)-1] += "\n"
	call := slices.IndexFunc(lines, func(l string) bool { return strings.Contains(l, `"e":"inv"`) })
	id := `{"e":"inv","id":1,`
	if !strings.HasPrefix(lines[call], id) {
		t.Fatalf("line %d: %s", call+1, lines[call])
	}
	replaced := func(i int, with ...string) string {
		return strings.Join(slices.Concat(lines[:i], with, lines[i+1:]), "")
	}
	last := len(lines) - 1
	for _, test := range []struct {
		name, text string
		options    Options
		line       int // of the refusal, with
		field      string
		rule       string // else: Unknown, for this
	}{
		{"an answer without a call", replaced(call), Options{}, 0, "id", ""},
		{"an id twice", replaced(call, lines[call], lines[call]), Options{}, call + 2, "t", ""},
		{"an id twice, later", replaced(last, strings.NewReplacer(`"t":1,`, `"t":900,`).Replace(lines[call])), Options{}, last + 1, "id", ""},
		{"a field that is not known", replaced(call, strings.Replace(lines[call], `"p":`, `"q":`, 1)), Options{}, call + 1, "q", ""},
		{"a line that is cut", replaced(last, lines[last][:20]+"\n"), Options{}, last + 1, "", ""},
		{"the last line cut", strings.TrimSuffix(string(data), "\n"), Options{}, 0, "", RuleEnd},
		{"the last line gone", replaced(last), Options{}, 0, "", RuleEnd},
		{"the last lines gone", strings.Join(lines[:last-3], ""), Options{}, 0, "", RuleEnd},
		{"an end that counts other lines", replaced(call-0, strings.Replace(lines[call], id, `{"e":"fault","t":0,"until":0,"kind":"x","on":"y"}`+"\n"+id, 1)),
			Options{}, 0, "", RuleEnd},
		{"nothing but unknowns", onlyUnknowns(lines), Options{}, 0, "", RuleVacuous},
		{"a budget too small", writtenWithoutPositions(t, hard(t)), Options{Budget: 1}, 0, "", RuleBudget},
	} {
		h, err := Read(strings.NewReader(test.text))
		switch format, _ := err.(*FormatError); {
		case test.rule == "":
			if format == nil || test.line != 0 && format.Line != test.line || format.Field != test.field {
				t.Errorf("%s: %v, want line %d, field %q", test.name, err, test.line, test.field)
			}
			continue
		case err != nil:
			t.Errorf("%s: %v", test.name, err)
			continue
		}
		r := Check(h, test.options)
		if r.Verdict != Unknown || !slices.ContainsFunc(r.Findings, func(f Finding) bool { return f.Rule == test.rule }) {
			t.Errorf("%s: want Unknown for %q:\n%v", test.name, test.rule, r)
		}
	}
}

// onlyUnknowns has every answer lost.
func onlyUnknowns(lines []string) string {
	var b strings.Builder
	n, t := 0, 0
	for _, line := range lines {
		h := strings.Contains(line, `"e":"inv"`)
		switch {
		case n == 0:
			b.WriteString(line)
		case h:
			id, _, _ := strings.Cut(strings.TrimPrefix(line, `{"e":"inv","id":`), ",")
			before, after, _ := strings.Cut(line, `"t":`)
			_, after, _ = strings.Cut(after, ",")
			fmt.Fprintf(&b, "%s\"t\":%d,%s", before, t+1, after)
			fmt.Fprintf(&b, `{"e":"info","id":%s,"t":%d,"why":"deadline"}`+"\n", id, t+2)
			t, n = t+2, n+1
		default:
			continue
		}
		n++
	}
	fmt.Fprintf(&b, `{"e":"end","t":%d,"lines":%d}`+"\n", t+1, n)
	return b.String()
}

func writtenWithoutPositions(t *testing.T, h *History) string {
	t.Helper()
	onlyOperations(h)
	stripPositions(nil, h)
	var b strings.Builder
	if err := h.Write(&b); err != nil {
		t.Fatal(err)
	}
	return b.String()
}
