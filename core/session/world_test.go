package session

import (
	"container/heap"
	"fmt"
	"math/rand/v2"
	"strings"
	"time"
)

// world is a small faulty place for one Client: three servers over one Table, a network, an outbox
// on a disk. Everything follows from the seed. The log is one list: a proposal is committed some
// time after it was made, or cut when the leader changes; only then does Table see it.
type world struct {
	rng    *rand.Rand
	now    time.Duration
	events events
	faults faults
	calm   bool // no more faults

	// the cluster
	decide    decider
	pos       uint64
	leader    int
	up        [3]bool
	proposals []*proposal
	fenced    bool
	ran       []run // every execution, in log order

	// the client and its shell
	mutate  func(c *Client)         // a planted bug
	swap    func(c *Client) *Client // another client that must be just like this one
	client  *Client
	life    int
	journal Journal
	writing *Save
	asked   []*asked
	byID    map[uint64]*asked
	nextID  uint64
	out     ClientOutput
	story   []string
	bug     error
}

// decider is the part of Table that Apply uses, so that tests can plant a wrong one.
type decider interface {
	Begin(r Request, first bool) Verdict
	Record(r Request, result []byte, pos uint64)
	Open(r Request, token Token, result []byte, pos uint64)
	Recorded(r Request) (Verdict, bool)
}

// faults is what a seed draws once: chances out of 100, and switches.
type faults struct {
	drop, dupReply, dupRequest, busy, crash, leader, down, fence, reject, retry, password int
	reorder, persist, timeouts, stale                                                     bool
}

// asked is something that the person asked for.
type asked struct {
	n       int
	kind    string // send, alone, login, signup, void, read
	payload string
	of      *asked // void: of what
	life    int
	lost    bool // its life ended before its line was on the disk
	answers []Outcome
	final   *Outcome // the first answer that is not Unknown
}

type run struct {
	payload string
	code    string
	dseq    uint64
	pos     uint64
}

type proposal struct {
	send    ClientSend
	life    int
	request Request
	first   bool
}

type event struct {
	at  time.Duration
	seq int
	do  func()
}

type events struct {
	list []event
	seq  int
}

func (e *events) Len() int { return len(e.list) }
func (e *events) Less(i, j int) bool {
	a, b := e.list[i], e.list[j]
	return a.at < b.at || a.at == b.at && a.seq < b.seq
}
func (e *events) Swap(i, j int) { e.list[i], e.list[j] = e.list[j], e.list[i] }
func (e *events) Push(x any)    { e.list = append(e.list, x.(event)) }
func (e *events) Pop() any {
	x := e.list[len(e.list)-1]
	e.list = e.list[:len(e.list)-1]
	return x
}

var worldDevice, worldToken = DeviceID{1}, Token{2}

const voidCommand = "void"

func newWorld(seed uint64, d decider) *world {
	w := &world{
		rng: rand.New(rand.NewPCG(seed, 7)), decide: d, up: [3]bool{true, true, true},
		byID: map[uint64]*asked{},
	}
	some := func(most int) int { // half of all seeds do without
		if w.rng.IntN(2) == 0 {
			return 0
		}
		return 1 + w.rng.IntN(most)
	}
	w.faults = faults{
		drop: some(30), dupReply: some(30), dupRequest: some(30), busy: some(30), crash: some(15),
		leader: some(30), down: some(30), fence: some(8), reject: some(20), retry: some(40), password: some(20),
		reorder: w.rng.IntN(2) == 0, persist: w.rng.IntN(4) > 0, timeouts: w.rng.IntN(2) == 0,
		stale: w.rng.IntN(2) == 0,
	}
	if !w.faults.persist {
		w.faults.crash = 0
	}
	if w.faults.timeouts || w.faults.password > 0 {
		// A doubled request may be refused once and taken once: no transport that does so allows
		// anybody to say "not applied".
		w.faults.dupRequest = 0
	}
	return w
}

func (w *world) chance(percent int) bool { return !w.calm && w.rng.IntN(100) < percent }

func (w *world) after(d time.Duration, do func()) {
	w.events.seq++
	heap.Push(&w.events, event{w.now + d, w.events.seq, do})
}

func (w *world) delay(most time.Duration) time.Duration {
	if !w.faults.reorder {
		return most / 2
	}
	return time.Duration(w.rng.Int64N(int64(most)))
}

func (w *world) log(format string, args ...any) {
	if w.story != nil {
		w.story = append(w.story, fmt.Sprintf("%8v ", w.now.Round(time.Millisecond))+fmt.Sprintf(format, args...))
	}
}

// run plays the seed to its end and says what was wrong.
func (w *world) run(commands int) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("panic: %v", p)
		}
	}()
	w.restart()
	for range commands {
		w.after(time.Duration(w.rng.Int64N(int64(8*time.Second))), func() { w.submit(w.kind()) })
	}
	for i := range 80 {
		w.after(time.Duration(i)*100*time.Millisecond, w.mischief)
	}
	w.after(8*time.Second, w.heal)
	for limit := 0; len(w.events.list) > 0 && !w.finished(); limit++ {
		e := heap.Pop(&w.events).(event)
		w.now = e.at
		e.do()
		if limit > 200_000 || w.now > time.Hour {
			return fmt.Errorf("no end: outbox %v, stopped %q", w.client.Outbox(), w.client.Stopped())
		}
	}
	return w.judge()
}

// finished tells whether nothing is left to do. A device that has no session will not have one.
func (w *world) finished() bool {
	over := w.client.Idle() || w.client.Stopped() == string(NoSession) && !w.client.outbox.saving
	return w.calm && over && !w.waiting()
}

func (w *world) waiting() bool {
	for _, a := range w.asked {
		if a.life == w.life && len(a.answers) == 0 {
			return true
		}
	}
	return false
}

func (w *world) kind() string {
	switch n := w.rng.IntN(20); {
	case n < 12:
		return "send"
	case n < 16:
		return "alone"
	case n < 17:
		return "login"
	default:
		return "read"
	}
}

func (w *world) heal() {
	w.calm = true
	for s := range w.up {
		if !w.up[s] {
			w.up[s] = true
			w.step(ServerUp{s})
		}
	}
}

// mischief is what goes wrong in a tenth of a second.
func (w *world) mischief() {
	if w.chance(w.faults.leader) {
		w.changeLeader()
	}
	if w.chance(w.faults.fence) && w.ranSignup() {
		w.fenced = true
		w.log("device fenced")
	}
	if w.chance(w.faults.down) {
		w.toggle(w.rng.IntN(3))
	}
	if w.chance(w.faults.crash) {
		w.crash()
	}
}

func (w *world) ranSignup() bool { return len(w.ran) > 0 }

func (w *world) toggle(s int) {
	w.up[s] = !w.up[s]
	w.log("server %d up: %v", s, w.up[s])
	if w.up[s] {
		w.step(ServerUp{s})
		return
	}
	if s == w.leader {
		w.changeLeader()
	}
	w.step(ServerDown{Server: s})
}

// changeLeader lets a part of the log survive; who waited there hears of it, or not.
func (w *world) changeLeader() {
	keep := w.rng.IntN(len(w.proposals) + 1)
	for i, p := range w.proposals {
		if i < keep {
			w.apply(p, w.rng.IntN(2) == 0)
		} else if w.rng.IntN(2) == 0 {
			w.reply(w.leader, p.life, p.send, Reply{Class: NotApplied, Code: notLeader, Leader: -1})
		}
	}
	w.proposals = nil
	w.leader = w.rng.IntN(3)
	w.log("leader %d, %d entries survived", w.leader, keep)
}

// arrive is a request at a server.
func (w *world) arrive(life int, s ClientSend) {
	if !w.up[s.Server] {
		return
	}
	switch {
	case s.Server != w.leader:
		hint := w.leader
		if w.chance(30) {
			hint = w.rng.IntN(4) - 1
		}
		w.reply(s.Server, life, s, Reply{Class: NotApplied, Code: notLeader, Leader: hint})
	case w.chance(w.faults.busy):
		code := []string{busy, rate, unavailable, "E_NO_SPACE"}[w.rng.IntN(4)]
		w.reply(s.Server, life, s, Reply{Class: NotApplied, Code: code, AfterMs: int64(w.rng.IntN(200))})
	case s.Secret && w.chance(w.faults.password):
		w.reply(s.Server, life, s, Reply{Class: NotApplied, Code: badPassword})
	case s.Query != nil:
		w.reply(s.Server, life, s, Reply{Class: Applied, Pos: Pos{1, w.pos}, Body: s.Query})
	default:
		w.propose(life, s)
	}
}

func (w *world) propose(life int, s ClientSend) {
	r := Request{Device: worldDevice, DSeq: s.DSeq, Through: s.Through, Fingerprint: Fingerprint(s.Command)}
	if v, ok := w.decide.Recorded(r); ok {
		w.reply(s.Server, life, s, w.settled(v))
		return
	}
	first := strings.HasPrefix(string(s.Command), "signup") || strings.HasPrefix(string(s.Command), "login")
	p := &proposal{send: s, life: life, request: r, first: first}
	w.proposals = append(w.proposals, p)
	w.after(w.delay(40*time.Millisecond), func() {
		if len(w.proposals) > 0 {
			next := w.proposals[0]
			w.proposals = w.proposals[1:]
			w.apply(next, true)
		}
	})
}

// apply is Apply: the preamble, and a chat that always does what it is told, or does not.
func (w *world) apply(p *proposal, answer bool) {
	w.pos++
	var r Reply
	switch v := w.decide.Begin(p.request, p.first); v.Decision {
	case Execute, FirstContact:
		code := w.execute(p)
		result := []byte(code + "|" + string(p.send.Command))
		if v.Decision == FirstContact {
			w.decide.Open(p.request, worldToken, result, w.pos)
		} else {
			w.decide.Record(p.request, result, w.pos)
		}
		r = w.result(result)
		r.Pos = Pos{1, w.pos}
	default:
		r = w.settled(v)
	}
	if answer {
		w.reply(p.send.Server, p.life, p.send, r)
	}
}

func (w *world) execute(p *proposal) string {
	cmd := string(p.send.Command)
	code := ""
	switch {
	case strings.HasPrefix(cmd, "login"):
		w.fenced = false
	case w.fenced:
		code = fenced
	case strings.HasPrefix(cmd, "alone") && w.chance(w.faults.retry):
		code = askAgain
	case strings.HasPrefix(cmd, "send") && w.chance(w.faults.reject):
		code = "E_NO_SUCH_USER"
	}
	w.ran = append(w.ran, run{cmd, code, p.send.DSeq, w.pos})
	w.log("  log %d: %d %q %s", w.pos, p.send.DSeq, cmd, code)
	return code
}

func (w *world) result(b []byte) Reply {
	code, _, _ := strings.Cut(string(b), "|")
	r := Reply{Class: Applied, Code: code, Body: b}
	if code != "" {
		r.Class = Rejected
	}
	return r
}

func (w *world) settled(v Verdict) Reply {
	if v.Decision != Replay {
		return Reply{Class: NotApplied, Code: string(v.Code), Expected: v.Expected, Pos: Pos{1, w.pos}}
	}
	r := w.result(v.Result)
	r.Replayed, r.Pos = true, Pos{1, v.Pos}
	if v.Code != OK {
		r.Class, r.Code = Rejected, string(v.Code)
	}
	return r
}

func (w *world) reply(server, life int, s ClientSend, r Reply) {
	r.ID, r.DSeq = s.ID, s.DSeq
	times := 1
	if w.chance(w.faults.drop) || !w.up[server] {
		times = 0
	} else if w.chance(w.faults.dupReply) {
		times = 2
	}
	for range times {
		w.after(w.delay(30*time.Millisecond), func() {
			if life == w.life || w.faults.stale {
				w.step(Answered{server, r})
			}
		})
	}
}

// restart begins a life of the client with what the disk holds.
func (w *world) restart() {
	w.life++
	cfg := ClientConfig{
		Servers: 3, Seed: w.rng.Uint64(), Void: []byte(voidCommand), Window: 1 + w.rng.IntN(8),
		Silence: 200 * time.Millisecond, BackoffMax: 500 * time.Millisecond,
	}
	w.client = NewClient(cfg, w.journal.Recovered(), w.now)
	w.writing = nil
	w.step(Tick{})
	if w.client.next == 1 {
		w.submit("signup") // nothing is left of the first one
	}
	w.tending()
}

// crash ends a life between any two steps. The Save that was out is on the disk, or not.
func (w *world) crash() {
	if w.writing != nil && w.rng.IntN(2) == 0 {
		w.journal.Apply(w.writing)
	}
	w.log("crash")
	for _, a := range w.asked {
		if a.life == w.life && a.final == nil && !w.onDisk(a) {
			a.lost = true
		}
	}
	w.restart()
}

func (w *world) onDisk(a *asked) bool {
	for _, l := range w.journal.Recovered().Lines {
		if string(l.Command) == a.payload {
			return true
		}
	}
	return false
}

func (w *world) submit(kind string) {
	w.nextID++
	a := &asked{n: len(w.asked), kind: kind, life: w.life}
	a.payload = fmt.Sprintf("%s %d", kind, a.n)
	w.asked, w.byID[w.nextID] = append(w.asked, a), a
	var timeout time.Duration
	if w.faults.timeouts && w.rng.IntN(2) == 0 {
		timeout = time.Duration(w.rng.Int64N(int64(time.Second)))
	}
	w.log("submit %q, ID %d, timeout %v", a.payload, w.nextID, timeout)
	if kind == "read" {
		w.step(Ask{ID: w.nextID, Query: []byte(a.payload), Timeout: timeout})
		return
	}
	login := kind == "login"
	w.step(Submit{
		ID: w.nextID, Command: []byte(a.payload), First: kind == "signup", Alone: login || kind == "alone",
		Secret: login || kind == "signup", Again: kind == "alone", Ahead: login, Persist: w.faults.persist,
		Timeout: timeout,
	})
}

// step is the client's shell.
func (w *world) step(in ClientInput) {
	if w.mutate != nil {
		w.mutate(w.client)
	}
	if w.swap != nil {
		w.client = w.swap(w.client)
	}
	w.client.Step(w.now, in, &w.out)
	if err := w.client.Check(); err != nil && w.mutate == nil {
		panic(err)
	}
	out := w.out
	life := w.life
	if s := out.Save; s != nil {
		s, _ = DecodeSave(s.Append(nil))
		w.writing = s
		w.after(w.delay(20*time.Millisecond), func() {
			if life == w.life {
				w.journal.Apply(s)
				w.writing = nil
				w.step(StoredOutbox{s.Seq})
			}
		})
		if w.chance(w.faults.crash) {
			w.after(w.delay(40*time.Millisecond), func() {
				if life == w.life {
					w.crash()
				}
			})
		}
	}
	for _, o := range out.Done {
		w.answered(o)
	}
	for _, s := range out.Sends {
		w.send(s)
	}
	if at := w.client.Deadline(); at != Never {
		w.after(max(0, at-w.now), func() {
			if life == w.life && w.client.Deadline() <= w.now {
				w.step(Tick{})
			}
		})
	}
}

func (w *world) send(s ClientSend) {
	w.log("  send %d %q to %d, through %d", s.DSeq, s.Command, s.Server, s.Through)
	times := 1
	if w.chance(w.faults.drop) {
		times = 0
	} else if w.chance(w.faults.dupRequest) {
		times = 2
	}
	life := w.life
	for range times {
		w.after(w.delay(30*time.Millisecond), func() { w.arrive(life, s) })
	}
}

func (w *world) answered(o Outcome) {
	w.log("  outcome ID %d, %d %q: %v %s", o.ID, o.DSeq, o.Command, o.Reply.Class, o.Reply.Code)
	if o.Reply.Code == string(Window) {
		w.bug = fmt.Errorf("%d %q: E_WINDOW", o.DSeq, o.Command)
	}
	a := w.byID[o.ID]
	if a != nil {
		a.answers = append(a.answers, o)
	} else if a = w.find(string(o.Command)); a == nil { // nobody waits, or a Retry does
		return
	}
	if a.final == nil && o.Reply.Class != Unknown {
		a.final = &o
	}
	if a.kind == "login" && o.Reply.Class == Applied && w.client.Stopped() != "" {
		w.after(0, func() { w.step(Resume{}) })
	}
}

func (w *world) find(payload string) *asked {
	for _, a := range w.asked {
		if a.payload == payload {
			return a
		}
	}
	return nil
}

// tending is the person: logs in again when fenced, gives passwords again, or gives up on numbers.
func (w *world) tending() {
	life := w.life
	w.after(300*time.Millisecond, func() {
		if life != w.life {
			return
		}
		if w.client.Stopped() == fenced && !w.loggingIn() {
			w.submit("login")
		}
		for _, l := range w.client.Outbox() {
			if n := &w.client.numbers[w.client.find(l.DSeq)]; n.id == 0 && n.void == 0 && !n.Void {
				w.care(n)
			}
		}
		w.tending()
	})
}

func (w *world) loggingIn() bool {
	for _, a := range w.asked {
		if a.life == w.life && a.kind == "login" && len(a.answers) == 0 {
			return true
		}
	}
	return false
}

// care sees to a number for which nobody waits.
func (w *world) care(n *number) {
	if !n.asleep && w.rng.IntN(4) > 0 {
		return
	}
	w.nextID++
	if n.First || w.rng.IntN(2) == 0 {
		if a := w.find(string(n.Command)); a != nil && w.client.Stopped() == "" {
			w.log("retry %d", n.DSeq)
			w.step(Retry{ID: w.nextID, DSeq: n.DSeq})
		}
		return
	}
	a := &asked{n: len(w.asked), kind: "void", life: w.life, of: w.find(string(n.Command))}
	w.asked, w.byID[w.nextID] = append(w.asked, a), a
	w.log("void %d", n.DSeq)
	w.step(Void{ID: w.nextID, DSeq: n.DSeq})
}
