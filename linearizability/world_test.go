package linearizability

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
)

// A world makes histories: clients call a naive server, whose commands take effect at one instant
// between call and answer. Answers are lost, come late, or are looked up at the end.
type world struct {
	rng    *rand.Rand
	rules  Rules
	server *naive
	h      *History
	plan   worldPlan

	t, pos, id, proc, body, sub uint64
	clients                     []*worldClient
	lost, late                  []*worldCall // without an answer; of those, the ones yet to be applied
	feeds                       []*worldFeed
	entries                     []Event
	past                        *naive // for stale reads
}

type worldPlan struct {
	clients, ops, accounts int
	unknown                int    // percent of commands whose answer is lost
	resolve                bool   // look lost answers up at the end
	entries                bool   // dump the log
	feeds                  bool   // attach streams
	flaw                   string // of the server, or of the world
}

type worldClient struct {
	proc uint64
	dev  string
	name string
	dseq uint64
	uid  uint64
	open bool // may have a session
	call *worldCall
}

type worldCall struct {
	Event
	answer  *Event
	applied bool
}

type worldFeed struct {
	sub, uid, n, epoch uint64
	dev                string
	open               bool
}

// newWorld draws from seed everything but what the plan fixes.
func newWorld(seed uint64, rules Rules, plan worldPlan) *world {
	w := &world{
		rng: rand.New(rand.NewPCG(seed, 7)), rules: rules, plan: plan,
		server: newNaive(rules, plan.flaw),
		h:      &History{Meta: Meta{Clock: ClockEvent, Positions: PositionsEvery, Rules: rules}},
		pos:    10,
	}
	for i := range plan.clients {
		w.clients = append(w.clients, &worldClient{name: w.anyName(i)})
		w.fresh(w.clients[i])
	}
	return w
}

var worldNames = []string{"ann", "Bob", "amy", "cat", "Abe", "bo", "dan", "eve"}

func (w *world) anyName(i int) string { return worldNames[i%w.plan.accounts] }
func (w *world) other() string        { return w.anyName(w.rng.IntN(w.plan.accounts)) }

// fresh gives a client a new device.
func (w *world) fresh(c *worldClient) {
	w.proc++
	*c = worldClient{proc: w.proc, dev: fmt.Sprintf("d%d", w.proc), name: c.name}
}

func (w *world) emit(e Event) {
	w.t++
	e.T = w.t
	w.h.Events = append(w.h.Events, e)
}

// run plays the whole history.
func (w *world) run() *History {
	for calls := 0; calls < w.plan.ops || w.busy(); {
		c := w.clients[w.rng.IntN(len(w.clients))]
		switch {
		case c.call == nil && calls < w.plan.ops:
			w.call(c)
			calls++
		case c.call == nil:
		case w.rng.IntN(200) < w.plan.unknown:
			w.lose(c)
		case !c.call.applied:
			w.apply(c.call)
		default:
			w.answer(c)
		}
		w.background()
	}
	w.settle()
	return w.h
}

func (w *world) busy() bool {
	return slices.ContainsFunc(w.clients, func(c *worldClient) bool { return c.call != nil })
}

func (w *world) call(c *worldClient) {
	e := Event{E: Inv, P: c.proc, Dev: c.dev}
	w.choose(c, &e)
	if e.Op != OpHistory && e.Op != OpList {
		c.dseq++
		e.Dseq = c.dseq
	}
	w.id++
	e.ID = w.id
	w.emit(e)
	c.call = &worldCall{Event: e}
	if w.plan.flaw == "the session is checked when the call arrives" && e.Op == OpSend {
		if d := w.server.devices[c.dev]; d != nil && !d.closed && d.epoch == w.server.users[d.uid].epoch {
			c.call.P = 0 // marks it as checked
		}
	}
}

func (w *world) choose(c *worldClient, e *Event) {
	if !c.open {
		e.Name = c.name
		e.Op = OpSignup
		if _, there := w.server.names[w.server.key(c.name)]; there == (w.rng.IntN(5) > 0) {
			e.Op, e.Takeover = OpLogin, w.rng.IntN(2) == 0
		}
		return
	}
	switch k := w.rng.IntN(100); {
	case k < 45:
		w.body++
		e.Op, e.To, e.Body = OpSend, w.other(), fmt.Sprintf("m%d", w.body)
	case k < 65 && c.uid != 0:
		e.Op, e.Conv, e.Limit = OpHistory, w.someConv(c), 50
		if w.rng.IntN(3) == 0 {
			e.After, e.Limit = uint64(w.rng.IntN(3)), uint64(1+w.rng.IntN(3))
		}
	case k < 80:
		e.Op, e.Prefix, e.Limit = OpList, []string{"", "a", "b"}[w.rng.IntN(3)], uint64(1+w.rng.IntN(8))
		e.AfterKey = []string{"", "", "amy"}[w.rng.IntN(3)]
	case k < 85:
		e.Op = OpLogout
	case k < 88:
		e.Op = OpDelete
	case k < 94:
		e.Op, e.Name, e.Takeover = OpLogin, c.name, w.rng.IntN(2) == 0
	case k < 97:
		e.Op = OpPasswd
	default:
		e.Op, e.Name = OpSignup, w.other()
	}
}

func (w *world) someConv(c *worldClient) []uint64 {
	var all [][]uint64
	convs := slices.Collect(maps.Keys(w.server.convs)) // in order before anything is drawn
	slices.SortFunc(convs, func(a, b convID) int { return slices.Compare(a[:], b[:]) })
	for _, conv := range convs {
		if conv.has(c.uid) || w.rng.IntN(8) == 0 {
			uids := conv[:]
			if conv[1] == 0 {
				uids = uids[:1]
			}
			all = append(all, slices.Clone(uids))
		}
	}
	if len(all) == 0 {
		return []uint64{c.uid}
	}
	return all[w.rng.IntN(len(all))]
}

func (w *world) apply(c *worldCall) {
	c.applied = true
	if c.Op == OpHistory || c.Op == OpList {
		server := w.server
		if w.plan.flaw == "stale reads" && w.past != nil && w.rng.IntN(3) == 0 {
			server = w.past
		}
		a := server.apply(&c.Event, 0)
		a.Pos = w.pos
		c.answer = &a
		return
	}
	w.pos += uint64(1 + w.rng.IntN(2))
	if w.plan.flaw == "stale reads" && w.rng.IntN(10) == 0 {
		w.past = w.server.clone()
	}
	var a Event
	if d := w.server.devices[c.Dev]; c.P == 0 && d != nil {
		a = w.server.doSend(&c.Event, d, w.pos)
	} else {
		a = w.server.apply(&c.Event, w.pos)
	}
	a.Pos = w.pos
	c.answer = &a
	if w.plan.entries && (a.E == OK || a.Code != "E_NO_SESSION") {
		w.entries = append(w.entries, Event{E: Entry, Pos: w.pos, Dev: c.Dev, Dseq: c.Dseq})
	}
}

// lose leaves a call without an answer. Its effect may have been, may come, or never come.
func (w *world) lose(c *worldClient) {
	w.emit(Event{E: Info, ID: c.call.ID, Why: "deadline"})
	if c.call.Dseq > 0 {
		w.lost = append(w.lost, c.call)
		if w.rng.IntN(3) > 0 {
			w.late = append(w.late, c.call)
		}
	}
	w.proc++
	c.proc = w.proc
	if !c.open || w.rng.IntN(2) == 0 {
		w.fresh(c)
	}
	c.call = nil
}

func (w *world) answer(c *worldClient) {
	a := *c.call.answer
	a.ID = c.call.ID
	w.emit(a)
	w.learn(c, a)
	c.call = nil
}

func (w *world) learn(c *worldClient, a Event) {
	switch op := c.call.Op; {
	case a.E == Err && (a.Code == "E_NO_SESSION" || !c.open || a.Code == "E_FENCED" && w.rng.IntN(2) == 0),
		a.E == OK && (op == OpLogout || op == OpDelete) && w.rng.IntN(3) > 0:
		w.fresh(c)
		if w.rng.IntN(3) == 0 {
			c.name = w.other()
		}
	case a.E == OK && (op == OpSignup || op == OpLogin):
		c.open, c.uid = true, a.UID
		if w.plan.feeds {
			w.attach(c, a.Cursor)
		}
	}
}

func (w *world) background() {
	if len(w.late) > 0 && w.rng.IntN(6) == 0 {
		if c := w.late[0]; !c.applied {
			w.apply(c)
		}
		w.late = w.late[1:]
	}
	if w.rules.Expiry != ExpiryNever && w.rng.IntN(15) == 0 ||
		w.plan.flaw == "leases end by a local clock" && w.rng.IntN(8) == 0 {
		w.expire()
	}
	if len(w.feeds) > 0 {
		w.deliver(w.feeds[w.rng.IntN(len(w.feeds))])
	}
}

func (w *world) expire() {
	dev := w.clients[w.rng.IntN(len(w.clients))].dev
	if w.server.expire(dev) {
		w.pos++
		if w.rules.Expiry == ExpiryLogged {
			w.entries = append(w.entries, Event{E: Entry, Pos: w.pos, Op: OpExpire, Dev: dev})
		}
	}
}

func (w *world) attach(c *worldClient, after uint64) {
	w.sub++
	w.emit(Event{E: Sub, Sub: w.sub, Dev: c.dev, After: after})
	w.feeds = append(w.feeds, &worldFeed{sub: w.sub, uid: c.uid, dev: c.dev, n: after, open: true,
		epoch: w.server.users[c.uid].epoch})
}

// deliver pushes one event, or acknowledges, or closes what has ended.
func (w *world) deliver(f *worldFeed) {
	u, d := w.server.users[f.uid], w.server.devices[f.dev]
	if !f.open {
		return
	}
	ended := d.closed || u.deleted || w.rules.Login == LoginExclusive && d.epoch < u.epoch
	if ended && w.plan.flaw != "pushes after the end" {
		w.emit(Event{E: Close, Sub: f.sub, Why: "ended"})
		f.open = false
		return
	}
	if f.n >= uint64(len(u.feed)) {
		return
	}
	e := u.feed[f.n]
	e.Sub = f.sub
	w.spoil(f, &e, u)
	w.emit(e)
	f.n++
	if w.rng.IntN(2) == 0 && w.plan.flaw != "the cursor runs ahead" {
		w.emit(Event{E: Ack, Sub: f.sub, N: f.n})
	}
	u.acked = max(u.acked, f.n)
	if w.h.Events[len(w.h.Events)-1].E != Ack && w.plan.flaw != "the cursor runs ahead" {
		u.acked = min(u.acked, w.acked(f))
	}
}

// acked is what the streams of an account have acknowledged.
func (w *world) acked(f *worldFeed) uint64 {
	n, subs := uint64(0), map[uint64]bool{}
	for _, other := range w.feeds {
		subs[other.sub] = other.uid == f.uid
	}
	for _, e := range w.h.Events {
		if e.E == Ack && subs[e.Sub] {
			n = max(n, e.N)
		}
	}
	return n
}

// spoil is what a bad stream does to an event.
func (w *world) spoil(f *worldFeed, e *Event, u *naiveUser) {
	if w.rng.IntN(4) > 0 {
		return
	}
	switch w.plan.flaw {
	case "pushes with a gap":
		if f.n+1 < uint64(len(u.feed)) {
			f.n++
			*e = u.feed[f.n]
			e.Sub = f.sub
		}
	case "pushes renumbered over a gap":
		if f.n+1 < uint64(len(u.feed)) {
			n := e.N
			*e = u.feed[f.n+1]
			e.Sub, e.N = f.sub, n
		}
	case "pushes twice":
		w.emit(*e)
	case "pushes altered":
		e.Body += "!"
	case "pushes at another position":
		e.Pos++
	}
}

// settle ends the history: answers are looked up, streams run dry, everything is read.
func (w *world) settle() {
	w.emit(Event{E: Phase, Name: PhaseHealed})
	for _, c := range w.late {
		if !c.applied {
			w.apply(c)
		}
	}
	for _, c := range w.lost {
		switch {
		case !w.plan.resolve || w.rng.IntN(4) == 0:
		case c.applied:
			a := *c.answer
			a.E, a.ID = Resolved, c.ID
			w.emit(a)
		default:
			w.emit(Event{E: Resolved, ID: c.ID, Never: true})
		}
	}
	for _, f := range w.feeds {
		for n := f.n; f.open && w.plan.flaw != "a stream stops"; n = f.n {
			if w.deliver(f); f.n == n {
				break
			}
		}
	}
	w.emit(Event{E: Phase, Name: PhaseDrained})
	w.h.Events = append(w.h.Events, w.entries...)
	w.h.End(w.t + 1)
}
