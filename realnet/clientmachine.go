package realnet

import (
	"crypto/rand"
	"crypto/tls"
	"encoding/binary"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"parley/core/chat"
	"parley/core/raft"
	"parley/core/replica"
	"parley/core/session"
	"parley/realnet/wire"
)

// This file is the owner's side of a client: what happens goes into the machine, and what the
// machine asks for is done. Nothing here runs on any other goroutine.

// clientState belongs to the client's owner.
type clientState struct {
	machine *session.Client
	out     session.ClientOutput
	servers []place
	spare   []string        // servers of the cluster that are in no place
	nodes   map[raft.ID]int // in which place a node is, as far as they have said
	ops     map[uint64]*op  // by their name in the machine
	nextOp  uint64

	current *replica.Reply    // the reply that is being stepped
	answers map[uint64][]byte // settled, not yet dropped from the outbox file: by number
	opened  bool              // the device has used number 1
	pos     replica.Pos
	trouble error // with a connection, the last one

	feeds []*Feed
	subs  uint64
	dirty bool // among the owner's
	dead  bool
}

// place is a place for a server: an address, which may change, and the stream there if there is one.
type place struct {
	address string
	link    *clientLink
	lost    bool // it was tried in vain, or lost
}

// op is a request that somebody waits for.
type op struct {
	request Request
	dseq    uint64
	command []byte // as the machine has it
	kept    uint64 // its number in the outbox, once it is there
	observe uint64 // its name for recorders; 0: it has not left yet
	retried *replica.Reply
}

// The things that happen to a client.
type (
	clientBorn   struct{}
	clientClosed struct{}
	started      struct{ op *op }
	stepped      struct{ in session.ClientInput }
	inspected    func(*Client)
)

// birth makes the machine from what the outbox holds. The owner does not know the client yet.
func (c *Client) birth() error {
	for _, address := range c.cfg.Servers {
		c.servers = append(c.servers, place{address: address})
	}
	c.nodes, c.ops, c.answers = map[raft.ID]int{}, map[uint64]*op{}, map[uint64][]byte{}
	return c.load(c.cfg.Hold)
}

// load makes a machine: the first, or another because a second process has used the outbox.
func (c *Client) load(hold bool) error {
	var rec session.ClientRecovered
	if c.cfg.Store != nil {
		var err error
		if rec, err = c.cfg.Store.Load(); err != nil {
			return err
		}
	}
	var seed [8]byte
	if _, err := rand.Read(seed[:]); err != nil {
		return err
	}
	if c.machine != nil {
		rec.Server = c.machine.Server()
	}
	c.opened = c.opened || rec.NextDSeq > 1
	c.saw(replica.Pos{Epoch: rec.Pos.Epoch, Index: raft.Index(rec.Pos.Index)})
	c.machine = session.NewClient(session.ClientConfig{
		Servers: len(c.servers), Seed: binary.LittleEndian.Uint64(seed[:]), Window: c.cfg.Window,
		Void: chat.EncodeCommand(chat.Void{}), Hold: hold,
	}, rec, clock())
	return nil
}

func (clientBorn) happen(c *Client) {
	c.owner.clients[c] = struct{}{}
	c.step(session.Tick{})
}

func (e stepped) happen(c *Client) {
	if !c.dead {
		c.step(e.in)
	}
}

func (look inspected) happen(c *Client) { look(c) }

func (e started) happen(c *Client) { c.start(e.op) }

// start gives a request to the machine.
func (c *Client) start(o *op) {
	if c.dead {
		o.request.done(Outcome{Err: ErrClosed})
		return
	}
	id := c.nextOp + 1
	in, err := c.input(id, o)
	if err != nil {
		o.request.done(Outcome{Err: err})
		return
	}
	c.nextOp, c.ops[id] = id, o
	c.step(in)
}

func (r *Request) done(o Outcome) {
	if r.Done != nil {
		r.Done(o)
	}
}

// input is what the machine needs to know of a request.
func (c *Client) input(id uint64, o *op) (session.ClientInput, error) {
	r := &o.request
	switch {
	case r.Command != nil:
		return c.submit(id, o), nil
	case r.Query != nil:
		return session.Ask{ID: id, Query: oneQuery, Timeout: r.Timeout}, nil
	case r.Void != 0:
		o.dseq = r.Void
		return session.Void{ID: id, DSeq: r.Void}, nil
	case r.Retry != 0:
		o.dseq = r.Retry
		return session.Retry{ID: id, DSeq: r.Retry, Timeout: r.Timeout}, nil
	}
	return nil, errors.New("a request asks for nothing")
}

// oneQuery stands for every query: the machine only needs to know that there is one.
var oneQuery = []byte{1}

// submit says what of a command matters to its number.
func (c *Client) submit(id uint64, o *op) session.Submit {
	r := &o.request
	o.command = chat.EncodeCommand(r.Command)
	in := session.Submit{
		ID: id, Command: o.command, Timeout: r.Timeout, Persist: c.cfg.Store != nil,
		Secret: r.Password != "" || r.NewPassword != "",
	}
	switch r.Command.(type) {
	case chat.Signup:
		in.First, in.Alone, in.Again = true, true, true
	case chat.Login:
		in.First, in.Alone, in.Again, in.Ahead = !c.opened, true, true, true
	case chat.Passwd, chat.DeleteAccount:
		in.Alone, in.Again = true, true
	case chat.Logout:
		in.Ahead = true
	}
	return in
}

func (c *Client) tick(now time.Duration) {
	if at := c.machine.Deadline(); at <= now {
		c.step(session.Tick{})
	}
	for i := len(c.feeds) - 1; i >= 0; i-- { // a feed may end while it is ticked
		c.feeds[i].tick(now)
	}
}

// deadline is when tick is next worth calling, 0: never.
func (c *Client) deadline() time.Duration {
	if c.dead {
		return 0
	}
	at := c.machine.Deadline()
	for _, f := range c.feeds {
		if f.deadline != 0 {
			at = min(at, f.deadline)
		}
	}
	if at == session.Never {
		return 0
	}
	return max(at, 1)
}

// step feeds the machine and does what it asks.
func (c *Client) step(in session.ClientInput) {
	c.owner.touch(c) // something to send, or another deadline
	for in != nil {
		c.machine.Step(clock(), in, &c.out)
		in = nil
		for i := range c.out.Notes {
			c.note(&c.out.Notes[i])
		}
		for i := range c.out.Sends {
			c.send(&c.out.Sends[i])
		}
		for i := range c.out.Done {
			c.done(&c.out.Done[i])
		}
		if save := c.out.Save; save != nil {
			in = c.save(save)
		}
	}
}

// save makes the outbox durable. If another process was there first, its lines go first, and the
// machine starts anew.
func (c *Client) save(save *session.Save) session.ClientInput {
	err := c.cfg.Store.Save(save, c.answers)
	if errors.Is(err, ErrOutboxMoved) {
		err = c.reload()
		if err == nil {
			return session.Tick{}
		}
	}
	if err != nil {
		c.shut(err) // nobody can be told any more that a command is safe
		return nil
	}
	for _, dseq := range save.Settle {
		delete(c.answers, dseq)
	}
	for _, line := range save.Add {
		for _, o := range c.ops {
			if o.command != nil && &o.command[0] == &line.Command[0] {
				o.kept = line.DSeq
			}
		}
	}
	return session.StoredOutbox{Seq: save.Seq}
}

// reload makes a new machine and gives it what the old one had: what is in the outbox is taken up
// again, what is not there yet asked for as if for the first time, and what another process has
// settled meanwhile is answered from the outbox.
func (c *Client) reload() error {
	if err := c.load(false); err != nil {
		return err
	}
	open := map[uint64]bool{}
	for _, line := range c.machine.Outbox() {
		open[line.DSeq] = true
	}
	old := c.ops
	c.ops = map[uint64]*op{}
	for _, id := range slices.Sorted(maps.Keys(old)) {
		o := old[id]
		n := max(o.kept, o.request.Void, o.request.Retry)
		switch {
		case n != 0 && !open[n]:
			out := Outcome{DSeq: n, Err: &UnknownError{n, string(session.Window), nil}}
			c.fromOutbox(&out)
			c.observeDone(o, &out)
			o.request.done(out)
			continue
		case o.kept != 0:
			o.request.Retry, o.request.Command = n, nil
		}
		c.start(o)
	}
	return nil
}

// fromOutbox looks for an answer that another process was told.
func (c *Client) fromOutbox(out *Outcome) {
	if c.cfg.Store == nil || out.DSeq == 0 {
		return
	}
	answer, ok, err := c.cfg.Store.Answer(out.DSeq)
	if err != nil || !ok {
		return
	}
	if r, err := decodeAnswer(answer); err == nil {
		out.Reply, out.Err = r, nil
	}
}

// send is one attempt of the machine.
func (c *Client) send(s *session.ClientSend) {
	o := c.ops[s.For]
	call := replica.Call{
		Device: c.cfg.Device, DSeq: s.DSeq, Through: s.Through,
		Pos: replica.Pos{Epoch: s.MinPos.Epoch, Index: raft.Index(s.MinPos.Index)},
	}
	secrets := wire.Secrets{Device: c.cfg.Secret}
	var err error
	switch {
	case s.Query != nil && o == nil:
		return // nobody waits
	case s.Query != nil:
		call.Query, call.Stale = o.request.Query, o.request.Stale
	case o != nil && o.request.Command != nil:
		call.Command = o.request.Command
	default:
		call.Command, err = chat.DecodeCommand(s.Command)
	}
	if s.Secret && o != nil {
		secrets.Password, secrets.NewPassword = o.request.Password, o.request.NewPassword
	}
	if err == nil {
		c.observeSend(s, o, &call)
		err = c.useLink(s.Server).call(s.ID, &call, &secrets)
	}
	if err != nil {
		c.shut(fmt.Errorf("command %d of the outbox: %w", s.DSeq, err))
		return
	}
	c.owner.touch(c)
}

// done is the machine's word on a request.
func (c *Client) done(d *session.Outcome) {
	o := c.ops[d.ID]
	out := Outcome{DSeq: d.DSeq, Reply: c.reply(d)}
	switch d.Reply.Class {
	case session.Unknown:
		out.Err = &UnknownError{d.DSeq, d.Reply.Code, c.trouble}
	case session.NotApplied:
		out.Err = &NotAppliedError{d.Reply.Code, d.Reply.AfterMs, c.trouble}
	}
	switch session.Code(d.Reply.Code) {
	case session.Window, session.Misuse: // another process was told, and has confirmed it
		c.fromOutbox(&out)
	}
	if out.Err == nil && d.DSeq != 0 {
		c.opened = true
		if c.cfg.Store != nil {
			c.answers[d.DSeq] = encodeAnswer(&out.Reply)
		}
	}
	if o == nil {
		c.late(d, &out)
		return
	}
	delete(c.ops, d.ID)
	c.observeDone(o, &out)
	o.request.done(out)
}

// late is an answer for which nobody waits.
func (c *Client) late(d *session.Outcome, out *Outcome) {
	if out.Err != nil {
		return
	}
	c.record(Observation{Kind: LateAnswer, DSeq: d.DSeq, Reply: out.Reply})
	c.tell(Note{Kind: Settled, DSeq: d.DSeq, Reply: &out.Reply})
}

// reply is the answer in full: the machine sees only what it needs.
func (c *Client) reply(d *session.Outcome) replica.Reply {
	if r := c.current; r != nil && r.ID == d.Reply.ID && string(r.Code) == d.Reply.Code {
		return *r
	}
	r := replica.Reply{
		ID: d.Reply.ID, Class: d.Reply.Class, Code: d.Reply.Code, AfterMs: d.Reply.AfterMs,
		Pos:      replica.Pos{Epoch: d.Reply.Pos.Epoch, Index: raft.Index(d.Reply.Pos.Index)},
		Expected: d.Reply.Expected, Replayed: d.Reply.Replayed,
	}
	if len(d.Reply.Body) > 0 {
		r.Result, _ = chat.DecodeResult(d.Reply.Body)
	}
	return r
}

// observeSend tells the recorder of an attempt, and before the first of a number of the call.
func (c *Client) observeSend(s *session.ClientSend, o *op, call *replica.Call) {
	if c.cfg.Record == nil || o == nil {
		return
	}
	if o.observe != 0 && o.dseq != s.DSeq && o.retried != nil { // E_RETRY, and now the next number
		c.record(Observation{Kind: Answered, Op: o.observe, DSeq: o.dseq, Reply: *o.retried})
		o.observe = 0
	}
	o.dseq = s.DSeq
	if o.observe == 0 {
		o.observe = operationIDs.Add(1)
		c.record(Observation{
			Kind: Called, Op: o.observe, DSeq: s.DSeq, Command: call.Command, Query: call.Query,
		})
	}
	c.record(Observation{Kind: Tried, Op: o.observe, DSeq: s.DSeq, Server: c.servers[s.Server].address})
}

func (c *Client) observeDone(o *op, out *Outcome) {
	if c.cfg.Record == nil || o.observe == 0 {
		return
	}
	ob := Observation{Kind: Answered, Op: o.observe, DSeq: out.DSeq, Reply: out.Reply}
	if out.Err != nil {
		ob.Kind, ob.Why = Failed, out.Err.Error()
	}
	if e := (*UnknownError)(nil); errors.As(out.Err, &e) {
		ob.Kind = Unsettled
	}
	c.record(ob)
}

// note is the machine's news in words for people.
func (c *Client) note(n *session.ClientNote) {
	kinds := map[session.ClientNoteKind]NoteKind{
		session.ServerLost: ServerLost, session.ServerFound: ServerBack, session.NoMajority: NoMajority,
		session.NeedsSecret: NeedsPassword, session.Halted: Halted,
	}
	told := Note{Kind: kinds[n.Kind], Kept: n.Kept, DSeq: n.DSeq, Code: n.Code}
	if n.Kind == session.ServerLost || n.Kind == session.ServerFound {
		told.Server = c.servers[n.Server].address
	}
	for _, i := range n.Trying {
		told.Trying = append(told.Trying, c.servers[i].address)
	}
	c.tell(told)
}

func (c *Client) tell(n Note) {
	select {
	case c.notes <- n:
	default:
	}
}

func (c *Client) pending() (list []PendingLine) {
	for _, line := range c.machine.Outbox() {
		p := PendingLine{DSeq: line.DSeq, Secret: line.Secret, Void: line.Void}
		if cmd, err := chat.DecodeCommand(line.Command); err == nil {
			p.Command = cmd
		}
		list = append(list, p)
	}
	return list
}

func (c *Client) saw(p replica.Pos) {
	if p.Epoch > c.pos.Epoch || p.Epoch == c.pos.Epoch && p.Index > c.pos.Index {
		c.pos = p
	}
}

func (clientClosed) happen(c *Client) {
	if !c.dead {
		if c.cfg.Store != nil { // what is settled but waits for company is saved now
			c.machine.Step(clock()+time.Second, session.Tick{}, &c.out)
			if save := c.out.Save; save != nil {
				_ = c.cfg.Store.Save(save, c.answers)
			}
		}
		c.shut(ErrClosed)
	}
	delete(c.owner.clients, c)
	select {
	case <-c.closed:
	default:
		close(c.closed)
	}
}

// shut ends everything but the goroutine's knowledge of c.
func (c *Client) shut(err error) {
	if c.dead {
		return
	}
	c.dead = true
	for i := range c.servers {
		if l := c.servers[i].link; l != nil {
			l.close()
		}
	}
	for _, id := range slices.Sorted(maps.Keys(c.ops)) {
		o := c.ops[id]
		out := Outcome{DSeq: o.dseq, Err: err}
		c.observeDone(o, &Outcome{DSeq: o.dseq, Err: &UnknownError{DSeq: o.dseq}})
		o.request.done(out)
	}
	c.ops = nil
	for len(c.feeds) > 0 {
		c.feeds[len(c.feeds)-1].end(err)
	}
}

// connKey says how to speak to a server: in clear only where nobody else listens, or by wish.
func (c *Client) connKey(address string) connKey {
	key := connKey{address, c.cfg.TLS}
	if key.tls == nil && !isLoopback(address) && !c.cfg.Insecure {
		key.tls = systemTLS
	}
	return key
}

// systemTLS trusts whom the system trusts.
var systemTLS = &tls.Config{MinVersion: tls.VersionTLS13}
