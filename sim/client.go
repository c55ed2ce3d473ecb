package sim

import (
	"encoding/binary"
	"fmt"
	"slices"
	"strconv"
	"time"

	"parley/core/chat"
	"parley/core/feed"
	"parley/core/raft"
	"parley/core/replica"
	"parley/core/session"
	lin "parley/linearizability"
)

// client is one person with one device at a time: the production client machine, an outbox that
// survives crashes, a feed with its cursor, and a script. Devices come and go; what each leaves
// unanswered is recorded as unknown.
type client struct {
	w    *world
	n    int
	name Target
	life int
	up   bool
	cut  [maxVoters]int // servers it does not reach, by place: faults that are on
	slow int

	// What its files hold: crashes leave it alone.
	dev    identity
	box    session.ClientRecovered
	cursor uint64
	seen   session.Pos // of the last event
	placed bool        // cursor is known: this device was attached before
	script []Op
	item   int // the next one

	machine *session.Client
	out     session.ClientOutput
	clock   clock
	tickAt  time.Duration
	ticks   uint64
	saving  *session.Save
	streams []*stream       // by place of the server
	replies []replica.Reply // what the machine carries as bytes: places in here
	queries map[uint64]replica.Query
	numbers map[uint64]uint64  // of attempts
	voids   map[uint64]bool    // attempts that carry a Void
	open    map[uint64]*errand // by ID of the Submit, Ask, …; looked up only
	lastID  uint64
	retried []uint64 // numbers taken up again after a crash

	persona // what it is about to do
	feed    subscription
	second  secondFeed
	seconds uint64
	fedBy   int            // the server that fed this device last, by place; -1: none
	places  map[uint64]int // where each number was sent last
	ops     []*errand      // every command of this device without an answer, for the history
	draws   draws
}

// draws counts what a client has drawn for, so that each draw has an address.
type draws struct{ attach, ack, outbox uint64 }

// identity is a device: its id and the hash of its secret.
type identity struct {
	id    session.DeviceID
	token session.Token
	count uint64
}

// subscription is the feed as the client sees it.
type subscription struct {
	reader  feed.Reader
	sub     uint64 // the history's number of it; 0: not attached
	asked   uint64 // the client's own number of the last Attach
	stream  *stream
	over    bool // the device is done: no attaching any more
	marks   []chat.Mark
	acked   uint64
	waiting bool // an attach is about to be tried
}

// errand is one thing that the client asked its machine for.
type errand struct {
	op    *operation // in the history; nil: not recorded
	cmd   chat.Command
	dseq  uint64
	bytes []byte
	after func(r *replica.Reply, code string)
	told  raft.Index // reads: the latest entry of which anybody had heard when it was asked
}

func device(d session.DeviceID) string { return strconv.FormatUint(binary.BigEndian.Uint64(d[:8]), 16) }

// roll is for what the client does in the how-manieth case of something.
func (c *client) roll(what string, nth uint64) *roll {
	return c.w.dice.roll(diceOp, hashText(what)^uint64(c.n)<<48^nth)
}

// newDevice draws another identity; nothing of the old one is of use.
func (c *client) newDevice() {
	for _, e := range c.ops {
		if e.op != nil {
			c.w.history.unknown(e.op, "device given up")
		}
	}
	c.endFeed("device given up")
	c.dev.count++
	for i := range 4 {
		x := c.w.dice.draw(diceClock, uint64(c.n)<<32|1<<63, c.dev.count<<8|uint64(i))
		binary.BigEndian.PutUint64(c.dev.token[8*i:], x)
		if i < 2 {
			binary.BigEndian.PutUint64(c.dev.id[8*i:], mix(x))
		}
	}
	c.box = session.ClientRecovered{NextDSeq: 1, Pos: c.box.Pos, Server: c.box.Server}
	c.w.tape.device(c)
	c.cursor, c.placed, c.again, c.ops, c.fedBy = 0, false, false, nil, -1
	c.begin()
}

// begin makes a machine of what the outbox holds.
func (c *client) begin() {
	w := c.w
	c.life++
	c.hangUp()
	c.streams = make([]*stream, len(w.servers))
	c.open, c.queries, c.saving, c.replies = map[uint64]*errand{}, map[uint64]replica.Query{}, nil, nil
	c.second, c.places = secondFeed{}, map[uint64]int{}
	c.numbers, c.voids = map[uint64]uint64{}, map[uint64]bool{}
	c.lastID, c.retried = 0, nil
	c.feed = subscription{reader: feed.Reader{Cursor: c.cursor}, over: c.feed.over}
	r := w.dice.roll(diceClock, 1<<62|uint64(c.n)<<32|uint64(c.life))
	c.clock = clock{start: r.between(0, time.Hour), since: w.now, ppm: int64(r.upTo(2*w.plan.Knobs.DriftPpm+1) - w.plan.Knobs.DriftPpm)}
	cfg := session.ClientConfig{Servers: len(w.servers), Seed: r.next(), Window: w.plan.Knobs.Window,
		Void: chat.EncodeCommand(chat.Void{}), Silence: 700 * time.Millisecond}
	c.up = true
	c.tickAt = noTick
	w.tape.tell(Fact{Kind: FactBorn, On: person(c.n), N: uint64(c.life)})
	c.machine = session.NewClient(cfg, c.box, c.clock.local(w.now))
	c.take(session.Tick{})
}

// crash ends a life. What the outbox was writing is there or not.
func (c *client) crash() {
	if !c.up {
		return
	}
	if c.saving != nil {
		c.w.mark(ClientDiedSaving, c.name)
		if c.roll("crash", uint64(c.life)).upTo(2) == 0 {
			c.stored(*c.saving)
		}
	}
	if len(c.box.Lines) > 0 {
		c.w.mark(ClientDiedOwing, c.name)
	}
	c.endFeed("crash")
	c.up = false
	c.w.tape.tell(Fact{Kind: FactDied, On: person(c.n)})
	c.hangUp()
	var kept []*errand
	for _, e := range c.ops {
		if e.op == nil {
			continue
		}
		if !slices.ContainsFunc(c.box.Lines, func(l session.Line) bool { return l.DSeq == e.dseq }) {
			c.w.history.fail(e.op, "crashed before it was in the outbox")
			continue
		}
		c.w.history.unknown(e.op, "crash")
		kept = append(kept, e)
	}
	c.ops = kept
	c.entering = slices.ContainsFunc(kept, func(e *errand) bool { return enters(e.cmd) })
	// Reads die with the process; nobody saw their answers.
	c.abandonReads()
	c.asking, c.resting = false, false
	c.machine = nil
}

func enters(cmd chat.Command) bool {
	switch cmd.(type) {
	case chat.Signup, chat.Login:
		return true
	}
	return false
}

// restart brings the client back with what its files hold. What it had asked for goes on by itself;
// if nothing was under way, the person does.
func (c *client) restart() {
	c.w.tape.tell(Fact{Kind: FactBorn, On: person(c.n), N: uint64(c.life) + 1})
	c.begin()
	c.reattach()
	c.next()
}

// state says what the client is doing, for people.
func (c *client) state() string {
	stopped := ""
	if c.machine != nil {
		stopped = c.machine.Stopped()
	}
	return fmt.Sprintf("c%d: up %t, member %t, entering %t, item %d of %d, asking %t, resting %t, stopped %q, %d commands without an answer, outbox %d",
		c.n, c.up, c.member, c.entering, c.item, len(c.script), c.asking, c.resting, stopped, len(c.ops), len(c.box.Lines))
}

func (c *client) abandonReads() {
	for id := uint64(1); id <= c.lastID; id++ {
		if e := c.open[id]; e != nil && e.op != nil && e.cmd == nil {
			c.w.history.unknown(e.op, "crash")
		}
	}
}

// take steps the machine and does what it asks for.
func (c *client) take(in session.ClientInput) {
	w := c.w
	if !c.up {
		return
	}
	c.machine.Step(c.clock.local(w.now), in, &c.out)
	if err := c.machine.Check(); err != nil {
		w.fail("client", "c%d: %v", c.n, err)
		return
	}
	w.trace.client(c, in)
	w.tape.took(c, in)
	out := c.out
	c.out = session.ClientOutput{}
	if out.Save != nil {
		c.save(out.Save)
	}
	for i := range out.Sends {
		c.send(&out.Sends[i])
	}
	for i := range out.Done {
		c.done(&out.Done[i])
	}
	for _, n := range out.Notes {
		c.note(n)
	}
	c.schedule()
}

func (c *client) schedule() {
	d := c.machine.Deadline()
	if d == c.tickAt || d == session.Never {
		return
	}
	c.tickAt = d
	c.ticks++
	gen := c.ticks
	c.later(c.clock.when(d, c.w.now), "client-tick", func() {
		if c.ticks == gen {
			c.tickAt = noTick
			c.take(session.Tick{})
		}
	})
}

// later makes something happen to this life of the client.
func (c *client) later(d time.Duration, name string, do func()) {
	life := c.life
	c.w.after(d, name, uint64(c.n), func() {
		if c.up && c.life == life {
			do()
		}
	})
}

func (c *client) save(s *session.Save) {
	if c.saving != nil {
		c.w.fail("client", "c%d: save %d while %d is out", c.n, s.Seq, c.saving.Seq)
		return
	}
	c.saving = s
	for _, l := range s.Add {
		if e := c.errand(l.DSeq, l.Command); e != nil {
			c.numbered(e, l.DSeq)
		}
	}
	c.draws.outbox++
	d := c.roll("outbox", c.draws.outbox).between(50*time.Microsecond, 3*time.Millisecond)
	c.later(d, "outbox", func() {
		c.saving = nil
		c.stored(*s)
		c.later(0, "outbox-stored", func() { c.take(session.StoredOutbox{Seq: s.Seq}) })
	})
}

// errand finds the command without an answer that these bytes are: of that number, if one has it, else
// of none yet, or of another: what was never sent may get a later number.
func (c *client) errand(dseq uint64, command []byte) *errand {
	var best *errand
	for _, e := range c.ops {
		switch {
		case string(e.bytes) != string(command):
		case e.dseq == dseq:
			return e
		case best == nil || e.dseq == 0:
			best = e
		}
	}
	return best
}

func (c *client) numbered(e *errand, dseq uint64) {
	e.dseq = dseq
	if e.op != nil {
		c.w.history.number(e.op, dseq)
	}
}

// stored is what an outbox file does with a Save.
func (c *client) stored(s session.Save) {
	drop := func(dseq uint64) {
		c.box.Lines = slices.DeleteFunc(c.box.Lines, func(l session.Line) bool { return l.DSeq == dseq })
	}
	for _, d := range s.Settle {
		drop(d)
	}
	for _, l := range s.Add {
		drop(l.DSeq)
		c.box.Lines = append(c.box.Lines, l)
	}
	slices.SortFunc(c.box.Lines, func(a, b session.Line) int { return int(int64(a.DSeq) - int64(b.DSeq)) })
	c.box.NextDSeq, c.box.Through, c.box.Pos = s.Next, s.Through, s.Pos
}

// send puts an attempt on the stream to its server.
func (c *client) send(s *session.ClientSend) {
	t := c.stream(s.Server)
	in := replica.Call{Conn: t.id, ID: s.ID, Device: c.dev.id, Token: c.dev.token, DSeq: s.DSeq, Through: s.Through,
		Pos: replica.Pos{Epoch: s.MinPos.Epoch, Index: raftIndex(s.MinPos.Index)}, Secret: s.Secret,
		Origin: "sim"}
	if s.Command != nil {
		cmd, err := chat.DecodeCommand(s.Command)
		if err != nil {
			c.w.fail("client", "c%d sends what cannot be read: %v", c.n, err)
			return
		}
		in.Command = cmd
	} else {
		in.Query = c.queries[binary.BigEndian.Uint64(s.Query)]
	}
	c.w.stats.Attempts++
	if s.DSeq != 0 {
		if was, again := c.places[s.DSeq]; again && was != s.Server {
			c.w.mark(RetriedElsewhere, c.name)
		}
		c.places[s.DSeq] = s.Server
	}
	c.numbers[s.ID] = s.DSeq
	if _, void := in.Command.(chat.Void); void {
		c.voids[s.ID] = true
	}
	t.toServer(func() replica.Input {
		if in.Secret {
			t.server.passwords[call{in.Conn, in.ID}] = passwords{"secret", "secret"}
		}
		in.Date = t.server.date()
		return replica.Calls{List: []replica.Call{in}}
	})
}

func (c *client) stream(place int) *stream {
	if t := c.streams[place]; t != nil {
		return t
	}
	t := c.w.dial(c, place)
	c.streams[place] = t
	return t
}

// hangUp breaks all connections.
func (c *client) hangUp() {
	for _, t := range c.streams {
		if t != nil {
			t.breakOff()
		}
	}
}

// lost learns that a stream broke.
func (c *client) lost(t *stream) {
	if c.streams[t.place] == t {
		c.streams[t.place] = nil
	}
	if c.second.stream == t {
		c.second = secondFeed{}
	}
	if c.feed.stream == t {
		c.endFeed("reset")
		c.reattach()
	}
	c.take(session.ServerDown{Server: t.place})
}

// answered gives the machine a reply.
func (c *client) answered(t *stream, r replica.Reply) {
	c.w.checks.answers(&r)
	if c.w.checks.repeatAnswered(r, uint64(c.n)) {
		return
	}
	c.replies = append(c.replies, r)
	leader := -1
	if r.Leader != 0 {
		leader = int(r.Leader) - 1
	}
	c.take(session.Answered{Server: t.place, Reply: session.Reply{
		ID: r.ID, DSeq: c.numbers[r.ID], Class: r.Class, Code: r.Code, Leader: leader, Expected: r.Expected, AfterMs: r.AfterMs,
		Pos: session.Pos{Epoch: r.Pos.Epoch, Index: uint64(r.Pos.Index)}, Replayed: r.Replayed,
		Body: binary.BigEndian.AppendUint64(nil, uint64(len(c.replies)-1)),
	}})
}

// submit gives a command to the machine, and records it as an operation.
func (c *client) submit(cmd chat.Command, ahead bool, after func(r *replica.Reply, code string)) {
	c.lastID++
	id := c.lastID
	_, isLogin := cmd.(chat.Login)
	_, isSignup := cmd.(chat.Signup)
	secret := c.w.plan.Password && needsSecret(cmd)
	c.w.tried()
	e := &errand{op: c.record(cmd), cmd: cmd, bytes: chat.EncodeCommand(cmd), after: after}
	c.open[id] = e
	c.ops = append(c.ops, e)
	c.take(session.Submit{ID: id, Command: e.bytes, First: (isLogin || isSignup) && !ahead, Alone: needsSecret(cmd),
		Secret: secret, Ahead: ahead, Persist: true})
}

func needsSecret(cmd chat.Command) bool {
	switch cmd.(type) {
	case chat.Signup, chat.Login, chat.Passwd, chat.DeleteAccount:
		return true
	}
	return false
}

// ask gives a read to the machine.
func (c *client) ask(q replica.Query, e lin.Event, after func(r *replica.Reply, code string)) {
	c.lastID++
	id := c.lastID
	c.w.tried()
	c.queries[id] = q
	er := &errand{after: after, told: c.w.checks.fresh.told}
	if e.Op != "" {
		er.op = c.w.history.begin(c.proc(), e)
	}
	c.open[id] = er
	c.take(session.Ask{ID: id, Query: binary.BigEndian.AppendUint64(nil, id)})
}

// proc is a process of the history: each operation under way has its own.
func (c *client) proc() uint64 {
	c.w.history.procs++
	return c.w.history.procs
}

func (c *client) record(cmd chat.Command) *operation {
	e := lin.Event{Dev: device(c.dev.id)}
	switch v := cmd.(type) {
	case chat.Signup:
		e.Op, e.Name = lin.OpSignup, v.Name
	case chat.Login:
		e.Op, e.Name, e.Takeover = lin.OpLogin, v.Name, v.Takeover
	case chat.Logout:
		e.Op = lin.OpLogout
	case chat.Passwd:
		e.Op = lin.OpPasswd
	case chat.DeleteAccount:
		e.Op = lin.OpDelete
	case chat.Send:
		e.Op, e.To, e.Body = lin.OpSend, v.To, v.Body
	case chat.Void:
		e.Op = lin.OpVoid
	}
	return c.w.history.begin(c.proc(), e)
}

// done takes an Outcome of the machine: the end of an errand, or news of one given up for lost.
func (c *client) done(o *session.Outcome) {
	e := c.open[o.ID]
	delete(c.open, o.ID)
	if e == nil || e.op == nil {
		if old := c.errand(o.DSeq, o.Command); old != nil && o.DSeq != 0 {
			e = old
		}
	}
	if e == nil {
		c.repeated(o)
		return
	}
	if o.DSeq != 0 && e.cmd != nil {
		c.numbered(e, o.DSeq)
	}
	reply := c.reply(o)
	code := o.Reply.Code
	c.forget(e)
	if e.cmd == nil && o.DSeq == 0 {
		c.w.checks.read(c, e.told, reply)
	}
	if e.op != nil {
		c.settle(e, o, reply)
	}
	if e.after != nil {
		c.later(0, "next", func() { e.after(reply, code) })
	}
}

// repeated is the answer to a command that was answered in an earlier life, before the outbox knew.
func (c *client) repeated(o *session.Outcome) {
	reply := c.reply(o)
	if reply == nil {
		c.w.fail("client", "c%d: an outcome for nothing asked: %+v", c.n, *o)
		return
	}
	c.w.checks.answered(c.dev.id, o.DSeq, reply)
}

func (c *client) reply(o *session.Outcome) *replica.Reply {
	if len(o.Reply.Body) != 8 {
		return nil
	}
	return &c.replies[binary.BigEndian.Uint64(o.Reply.Body)]
}

func (c *client) forget(e *errand) {
	c.ops = slices.DeleteFunc(c.ops, func(x *errand) bool { return x == e })
}

func (c *client) settle(e *errand, o *session.Outcome, reply *replica.Reply) {
	h := &c.w.history
	overtaken := false // by the Void of an earlier life
	if reply != nil && reply.Code == string(session.SeqReused) {
		d := reply.Decided()
		reply, overtaken = &d, !c.voids[o.Reply.ID]
	}
	switch {
	case o.Reply.Code == string(session.Voided), overtaken:
		h.never(e.op)
		c.w.mark(NumberVoided, c.name)
	case o.Reply.Class == session.NotApplied:
		if e.op.info {
			h.never(e.op)
		} else {
			h.fail(e.op, o.Reply.Code)
		}
	case reply == nil || o.Reply.Class == session.Unknown:
		h.unknown(e.op, o.Reply.Code)
		c.ops = append(c.ops, e)
	default:
		c.w.stats.Acknowledged++
		h.answer(e.op, reply)
		if e.cmd != nil {
			c.w.checks.answered(c.dev.id, e.dseq, reply)
			if enters(e.cmd) && reply.Code == "" {
				c.w.checks.owner(c.dev.id, reply.Result.UID, "entrance")
			}
			c.settledNow(settledCall{dev: c.dev, dseq: e.dseq, cmd: e.cmd, code: reply.Code, pos: reply.Pos})
			if _, signup := e.cmd.(chat.Signup); signup && reply.Result.Recreated != 0 {
				c.w.mark(NameReused, c.name)
				if c.account != c.n {
					c.w.mark(NameSquatted, c.name)
				}
			}
			if reply.Code == "" {
				c.concluded(e.cmd)
			}
		}
	}
}

func (c *client) note(n session.ClientNote) {
	if n.Kind == session.Halted {
		c.entering = false                          // a login that was under way when a crash came waits with the rest
		c.later(time.Microsecond, "halted", c.next) // what was answered in the same step is heard first
	}
	if n.Kind != session.NeedsSecret || slices.Contains(c.retried, n.DSeq) {
		return
	}
	c.retried = append(c.retried, n.DSeq)
	c.later(0, "retry", func() { c.retry(n.DSeq) })
}

// retry takes up a number again, with the password it needs.
func (c *client) retry(dseq uint64) {
	c.lastID++
	c.open[c.lastID] = &errand{}
	c.take(session.Retry{ID: c.lastID, DSeq: dseq})
}

// retrySecrets takes up what a fence held back and what cannot go without a password.
func (c *client) retrySecrets() {
	for _, l := range c.machine.Outbox() {
		if l.Secret {
			c.retry(l.DSeq)
		}
	}
}
