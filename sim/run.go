package sim

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"

	"parley/core/chat"
	"parley/core/raft"
	"parley/core/replica"
	lin "parley/linearizability"
)

// Result is what a run came to.
type Result struct {
	Plan    Plan
	Pinned  Plan // with faults as they struck: aimed at whom they hit
	Stats   Stats
	Trace   uint64 // hash over every event and what came of it
	Begun   []int  // ops, by client
	History *lin.History
	Report  lin.Report
	Vacuous bool     // the judge saw too little that it has a model for; a sweep allows few of these
	LowUse  bool     // less than a fifth of what was tried was answered before all healed
	Failure *Failure // nil: nothing was found
	Stopped string   // at Options.Until: the state of everybody
}

// Failure is the first thing that was found wrong.
type Failure struct {
	Checker string
	Rule    string // what the checker demands, in words that are the same for all who break it
	Role    string // of the first replica that Text names
	Text    string
	At      time.Duration
	Event   uint64
	State   []string // of each replica, then
}

func (f *Failure) Error() string {
	return fmt.Sprintf("%s: %s (at %v, event %d)", f.Checker, f.Text, f.At, f.Event)
}

// Stats say what a run was made of.
type Stats struct {
	Virtual      time.Duration
	Events       uint64
	Checks       Evaluations
	Tried        uint64 // commands and reads asked for while faults were on …
	InTime       uint64 // … and answered meanwhile
	Attempts     uint64
	Acknowledged uint64
	Pushed       uint64
	Attached     uint64
	Repeats      uint64
	Replayed     uint64 // repeats answered from the table
	Committed    uint64
	Elections    uint64
	Snapshots    uint64
	Saves        uint64
	Packets      uint64
	Lost         uint64
	Doubled      uint64
	Late         uint64
	Faults       faultCounts
	Marks        map[Mark]int
}

// faultCounts counts by kind.
type faultCounts map[FaultKind]int

func (c faultCounts) add(k FaultKind) { c[k]++ }

func (c faultCounts) String() string {
	var parts []string
	for _, k := range slices.Sorted(maps.Keys(c)) {
		parts = append(parts, fmt.Sprintf("%s %d", k, c[k]))
	}
	if len(parts) == 0 {
		return "none"
	}
	return strings.Join(parts, ", ")
}

// String is the run in one line.
func (r *Result) String() string {
	s := &r.Stats
	return fmt.Sprintf("seed %d: %v virtual, %d events, %d acknowledged, %d pushed, %d entries, %d elections, "+
		"%d snapshots, packets %d (lost %d, doubled %d, late %d), faults: %v, trace %016x",
		r.Plan.Seed, s.Virtual.Round(time.Millisecond), s.Events, s.Acknowledged, s.Pushed, s.Committed, s.Elections,
		s.Snapshots, s.Packets, s.Lost, s.Doubled, s.Late, s.Faults, r.Trace)
}

// Options are what a run is watched with; they change nothing.
type Options struct {
	Tape   *Tape  // records everything; nil: nothing
	Until  uint64 // stop behind this event; 0: go on to the end
	Events uint64 // give up after so many; 0: after more than any plan needs
	Codec  Codec  // how packets between servers are copied; nil: a deep copy. Every codec gives the same run

	Without []string // checkers that are not heard, to learn what the others find
}

// Codec makes of a message one that shares nothing with it: what came out at the other end.
type Codec func(*replica.PeerMessage) (*replica.PeerMessage, error)

// Run turns a plan into a verdict; nothing else goes in.
func Run(p Plan) Result { return RunWith(p, Options{}) }

// RunWith is Run, watched.
func RunWith(p Plan, o Options) Result {
	w := newWorld(p, o)
	w.live()
	return w.result()
}

// live is all three phases of a run. A broken invariant of the product is a verdict like any other; what
// the language itself refuses is none, and its stack is wanted.
func (w *world) live() {
	defer func() {
		switch broken := recover().(type) {
		case nil:
		case string:
			w.fail("invariant", "%s", broken)
		default:
			panic(broken)
		}
	}()
	w.run(time.Duration(w.plan.Chaos))
	w.duty()
	w.recover()
}

// Record is Run for a plan so long that its history does not fit into memory: the history goes to a
// file, and whoever has that file judges it. Everything else is checked as in Run.
func Record(p Plan, file io.Writer) Result {
	w := newWorld(p, Options{})
	w.history.out = lin.NewEncoder(file, w.meta())
	w.runUntil(time.Duration(p.Chaos), func() bool {
		return !slices.ContainsFunc(w.clients, func(c *client) bool { return !c.finished })
	})
	w.recover()
	w.stats.Virtual, w.stats.Committed = w.now, uint64(len(w.checks.ghost))
	w.close()
	w.history.write(w.history.written + len(w.history.h.Events))
	if err := w.history.err; err != nil {
		w.fail("file", "%v", err)
	}
	return Result{Plan: w.plan, Trace: uint64(w.trace), Stats: w.stats, Failure: w.failure}
}

// newWorld makes a world in which everybody is about to begin.
func newWorld(p Plan, o Options) *world {
	w := &world{plan: p, dice: Dice(p.Seed), tape: o.Tape, until: o.Until, without: o.Without, chain: raft.Chain{'s', 'i', 'm'}, codec: o.Codec}
	w.strikes = strikes(&w.plan)
	w.stats.Faults, w.stats.Marks = faultCounts{}, map[Mark]int{}
	w.streams.count = map[[2]int]uint64{}
	for _, a := range p.voters() {
		for _, b := range p.voters() {
			*w.link(a, b) = link{from: a, to: b}
		}
	}
	w.budget = maxEvents + uint64(len(p.Ops)*maxEventsPerOp)
	if o.Events > 0 {
		w.budget = min(w.budget, o.Events)
	}
	w.checks, w.atlas = newChecks(w), atlas{w}
	w.still.list(p.Deviations)
	w.tape.begin(w, "begin", -1)
	w.birth()
	w.schedule()
	return w
}

// tried counts what clients ask for while faults are on.
func (w *world) tried() {
	if !w.healed {
		w.stats.Tried++
	}
}

func (w *world) result() Result {
	w.stats.Virtual, w.stats.Committed = w.now, uint64(len(w.checks.ghost))
	w.trace.end(w)
	r := Result{Plan: w.plan, Pinned: w.plan, Trace: uint64(w.trace)}
	r.Pinned.Faults, r.Pinned.Liveness.Exiles = w.pinned, w.exiled
	for _, c := range w.clients[:w.plan.Clients] {
		r.Begun = append(r.Begun, c.item)
	}
	r.History = w.judge(&r)
	r.Stats, r.Failure = w.stats, w.failure
	if f := r.Failure; f != nil && f.Checker == stopped {
		r.Failure, r.Stopped = nil, w.dump()
	}
	return r
}

// birth makes everybody and lets them begin.
func (w *world) birth() {
	genesis := replica.Genesis(w.plan.settings())
	for _, id := range w.plan.voters() {
		w.servers = append(w.servers, &server{w: w, id: id, name: Target(fmt.Sprintf("n%d", id)), disk: newDisk(w.chain, genesis)})
	}
	for n := range w.plan.Clients {
		w.clients = append(w.clients, &client{w: w, n: n, name: Target(fmt.Sprintf("c%d", n)), script: w.plan.script(n), persona: persona{account: n, signup: true}})
	}
	for _, s := range w.servers {
		r := w.dice.roll(diceLife, uint64(s.id))
		w.after(r.between(0, 300*time.Millisecond), "birth", uint64(s.id), s.start)
	}
	for _, c := range w.clients {
		r := w.dice.roll(diceOp, uint64(c.n)<<32)
		w.after(r.between(0, 500*time.Millisecond), "client-birth", uint64(c.n), func() {
			c.up = true
			c.next()
		})
	}
}

// recover is the last phase of a run: all heals, and everything that was promised must now happen.
func (w *world) recover() {
	if w.failure != nil {
		return
	}
	w.heal()
	w.checks.looked(ofLiveness)
	for had := uint64(0); !w.runUntil(120*time.Second, w.finished); had = w.done() {
		if w.failure != nil || w.done() == had {
			w.fail("liveness", "two minutes after all healed: %s", w.unfinished())
			return
		}
	}
	if !w.runUntil(60*time.Second, func() bool { return w.behind() == "" }) {
		w.fail("liveness", "a minute after the last command: %s", w.behind())
		return
	}
	if w.atlas.excused() { // nothing has drained, and that is nobody's fault
		w.mark(BeyondExcused, "")
		return
	}
	w.tape.begin(w, "drained", -1)
	w.history.phase("drained")
	w.finalReads()
	if !w.runUntil(60*time.Second, func() bool { return w.checks.converged() == "" }) {
		w.fail("liveness", "after the final reads: %s", w.checks.converged())
		return
	}
	w.checks.equal()
}

// finished says that nobody has anything to do any more.
func (w *world) finished() bool {
	if w.atlas.excused() {
		return true
	}
	for _, c := range w.clients {
		if !c.finished {
			return false
		}
	}
	return true
}

// done counts what clients have come to the end of: who does so, however slowly, is alive.
func (w *world) done() uint64 {
	n := w.stats.Acknowledged
	for _, c := range w.clients {
		n += uint64(c.item)
	}
	return n
}

// unfinished says who still has something to do.
func (w *world) unfinished() string {
	if w.atlas.excused() {
		return ""
	}
	for _, c := range w.clients {
		if !c.finished {
			return c.state()
		}
	}
	return ""
}

// behind says which feed or replica lacks something.
func (w *world) behind() string {
	if w.atlas.excused() {
		return ""
	}
	s := w.leader()
	if s == nil {
		return "nobody leads"
	}
	for _, c := range w.clients {
		if !c.member || c.feed.over {
			continue
		}
		a, code := s.machine.Chat().Attach(chat.DeviceID(c.dev.id))
		if code == chat.OK && (c.feed.sub == 0 || c.cursor < a.Length || a.Cursor < a.Length) {
			return fmt.Sprintf("c%d has read %d of %d events, %d of them are acknowledged, attached: %t", c.n, c.cursor, a.Length, a.Cursor, c.feed.sub != 0)
		}
	}
	return w.checks.converged()
}

// finalReads lets everybody read everything, so that a loss cannot hide in what nobody looked at.
func (w *world) finalReads() {
	for _, c := range w.clients {
		if !c.member || c.machine.Stopped() != "" {
			continue
		}
		c.finished = false
		c.readAll(slices.Clone(c.convs))
	}
	if !w.runUntil(60*time.Second, w.finished) {
		w.fail("liveness", "the final reads: %s", w.unfinished())
	}
}

func (c *client) readAll(convs [][2]chat.UID) {
	then := func(*replica.Reply, string) {
		c.asking = false
		if len(convs) == 0 {
			c.finished = true
			return
		}
		c.readAll(convs[1:])
	}
	c.asking = true
	if len(convs) == 0 {
		c.ask(replica.List{Limit: 1000}, lin.Event{Op: lin.OpList, Dev: device(c.dev.id), Limit: 1000}, then)
		return
	}
	conv := convs[0]
	c.ask(replica.History{Members: conv, Limit: 500},
		lin.Event{Op: lin.OpHistory, Dev: device(c.dev.id), Conv: pair(conv), Limit: 500}, then)
}

// meta says under which rules the history is to be read.
func (w *world) meta() lin.Meta {
	login := lin.LoginExclusive
	if w.plan.Multi {
		login = lin.LoginMulti
	}
	return lin.Meta{Clock: lin.ClockEvent, Positions: lin.PositionsEvery, Seed: w.plan.Seed & (1<<53 - 1),
		Rules: lin.Rules{Login: login, Expiry: lin.ExpiryLogged}}
}

// close adds to the history what only the log knows, and its end.
func (w *world) close() {
	w.history.entries(w.checks.ghost, w.checks.ended)
	w.history.end()
}

// judge closes the history and has it judged.
func (w *world) judge(r *Result) *lin.History {
	w.close()
	h := &w.history.h
	h.Meta = w.meta()
	if w.failure != nil {
		return h
	}
	w.checks.looked(ofHistory)
	r.Report = lin.Check(h, lin.Options{Certificate: true, Search: w.plan.Search})
	r.Vacuous = r.Report.Verdict == lin.Unknown && r.Report.Findings[0].Rule == lin.RuleVacuous
	if r.Report.Verdict != lin.Pass && !r.Vacuous {
		w.fail("history", "%v", r.Report)
		w.failure.Rule = r.Report.Findings[0].Rule
	}
	return h
}

// say notes something for people, if somebody records.
func (w *world) say(who Who, format string, args ...any) {
	if w.tape != nil {
		w.tape.tell(Fact{Kind: FactNote, On: who, Text: fmt.Sprintf(format, args...)})
	}
}

// stopped is no checker: it ends a run where the caller asked for it.
const stopped = "stopped"

func (w *world) fail(checker, format string, args ...any) {
	if w.failure == nil && !slices.Contains(w.without, checker) {
		text := fmt.Sprintf(format, args...)
		w.failure = &Failure{Checker: checker, Rule: ruleOf(checker, text), Role: w.roleIn(checker, text), Text: text, At: w.now, Event: w.stats.Events}
		for _, s := range w.servers {
			w.failure.State = append(w.failure.State, s.line())
		}
		w.tape.tell(Fact{Kind: FactBroken, On: firstNamed(text), Text: text})
	}
}
