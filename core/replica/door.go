package replica

import (
	"maps"
	"slices"
	"time"

	"parley/core/chat"
	"parley/core/raft"
	"parley/core/session"
)

// door is where calls come in. A command passes it in stages: leader? device known? password right?
// Then it is proposed, and waits for its own entry. What is refused here leaves no trace in the log.
// Refusals that depend on the state (an unknown device, a wrong password) are given only after a
// read index was granted: a leader deposed without knowing it must not turn anybody away.
type door struct {
	held    []held                     // no leader, or one not ready: tried again
	batch   []waiting                  // to be proposed at the end of this Step
	waiting map[ask][]caller           // proposed: who gets the answer
	placed  []placed                   // proposed here, by index
	secrets map[uint64]waiting         // a password is being checked or hashed
	nextID  uint64                     // of Verify and Hash
	rates   map[chat.UID]time.Duration // when the account's bucket will be full again
	origins map[string]contacts        // the same for first contacts, by address
}

type held struct {
	call    Call
	until   time.Duration
	charged bool // against a rate, before
}

// ask identifies a command, whoever asked and however often.
type ask struct {
	device      session.DeviceID
	dseq        uint64
	fingerprint uint64
}

type caller struct {
	conn   Conn
	id     uint64
	origin string // of a first contact: who gets a cell back if it was not in vain
}

type placed struct {
	index raft.Index
	ask   ask
}

// waiting is a command on its way through the door.
type waiting struct {
	call     Call
	until    time.Duration // when holding it makes no sense any more
	charged  bool
	command  []byte
	evidence chat.Evidence
}

func (w *waiting) ask() ask {
	return ask{w.call.Device, w.call.DSeq, chat.Fingerprint(w.command)}
}

// first tells whether a device begins with this command.
func (w *waiting) first() bool {
	_, first := firstContact(w.call.Command)
	return first && w.call.DSeq == 1
}

// origin is the address of a first contact.
func (w *waiting) origin() string {
	if !w.first() {
		return ""
	}
	return w.call.Origin
}

func (m *Machine) call(now time.Duration, c *Call, out *Output) {
	m.date = max(m.date, c.Date)
	switch {
	case c.Pos.Epoch != 0 && c.Pos.Epoch != m.cfg.Epoch:
		m.refuse(c, string(WrongEpoch), out)
	case c.Query != nil:
		m.query(now, c, out)
	case c.Command != nil && numbered(c.Command):
		m.admit(now, held{call: *c, until: now + m.cfg.HoldCalls}, out)
	}
}

// numbered tells the commands that clients may give from the leader's own.
func numbered(cmd chat.Command) bool {
	switch cmd.(type) {
	case chat.Heard, chat.Expire, chat.CloseIdle:
		return false
	}
	return true
}

// admit is the first stage. A call that nobody can take now is held until then.
func (m *Machine) admit(now time.Duration, h held, out *Output) {
	c := &h.call
	w := waiting{call: *c, until: h.until, charged: h.charged, command: chat.EncodeCommand(c.Command)}
	if len(w.command) > chat.MaxCommand { // nobody could read it back from the log
		m.refuse(c, string(chat.TooLarge), out)
		return
	}
	if r, ok := m.known(&w); ok {
		m.reply(c, r, out)
		return
	}
	switch {
	case m.role.Leader != 0 && !m.leads() || m.resigning:
		m.redirect(c, out)
	case !m.leads() || !m.ready || m.raft.Transferring() != 0:
		m.hold(now, h, out)
	default:
		m.identify(now, &w, out)
	}
}

// known answers what is settled already, if the caller may know.
func (m *Machine) known(w *waiting) (Reply, bool) {
	c := &w.call
	if s := m.sessions.Authenticate(c.Device, c.Token); s != session.Known && s != session.Tombstoned {
		return Reply{}, false
	}
	v, ok := m.sessions.Recorded(m.request(w))
	if !ok {
		return Reply{}, false
	}
	return m.settled(v, m.pos(m.applied)), true
}

func (m *Machine) request(w *waiting) session.Request {
	c := &w.call
	return session.Request{Device: c.Device, DSeq: c.DSeq, Through: c.Through,
		Fingerprint: chat.Fingerprint(w.command)}
}

// identify is the second stage: which device is this, and may it?
func (m *Machine) identify(now time.Duration, w *waiting, out *Output) {
	c := &w.call
	token, _ := firstContact(c.Command)
	standing := m.sessions.Authenticate(c.Device, c.Token)
	switch {
	case standing == session.Known:
		if !w.charged {
			if after := m.rateSend(now, c); after > 0 {
				m.refuseFor(c, Rate, after, out)
				return
			}
			w.charged = true
		}
		m.prove(now, w, out)
	case standing == session.Stranger && w.first() && session.Token(token) == c.Token:
		if !w.charged {
			if code, after := m.rateContact(now, c.Origin); code != "" {
				m.refuseFor(c, code, after, out)
				return
			}
			w.charged = true
		}
		m.prove(now, w, out)
	default:
		m.confirm(now, *w, string(session.NoSession))
	}
}

// prove is the third stage: commands that need a password have it checked, those that set one have
// it hashed. Nobody learns from the time it takes whether a name exists.
func (m *Machine) prove(now time.Duration, w *waiting, out *Output) {
	if m.chat.Settings().OpenAuth {
		m.enqueue(*w, out)
		return
	}
	switch w.call.Command.(type) {
	case chat.Signup:
		if !w.call.Secret {
			m.refuse(&w.call, string(BadPassword), out)
			return
		}
		m.askHash(*w, out)
	case chat.Login, chat.DeleteAccount, chat.Passwd:
		if !w.call.Secret {
			m.refuse(&w.call, string(BadPassword), out)
			return
		}
		m.confirm(now, *w, "")
	default:
		m.enqueue(*w, out)
	}
}

// confirmed goes on once a read index says that this state is not an old one.
func (m *Machine) confirmed(now time.Duration, w waiting, refusal string, out *Output) {
	c := &w.call
	if r, ok := m.known(&w); ok { // settled meanwhile; perhaps there is no password any more
		m.door.traceless(w.origin())
		m.reply(c, r, out)
		return
	}
	known := m.sessions.Authenticate(c.Device, c.Token) == session.Known
	switch {
	case refusal != "" && known:
		m.identify(now, &w, out)
		return
	case refusal != "":
		m.refuse(c, refusal, out)
		return
	case !known && !w.first(): // closed meanwhile
		m.refuse(c, string(session.NoSession), out)
		return
	}
	hash, version := m.credential(c)
	w.evidence.Version = version
	id := m.keepSecret(w)
	out.Verifies = append(out.Verifies, Verify{ID: id, Conn: c.Conn, Call: c.ID, Hash: hash})
}

// credential is what the password of a call is checked against. An empty hash asks the shell for its
// dummy: there is nobody of that name.
func (m *Machine) credential(c *Call) (hash string, version uint64) {
	if login, ok := c.Command.(chat.Login); ok {
		_, hash, version, _ = m.chat.Credential(login.Name)
		return hash, version
	}
	hash, version, _ = m.chat.CredentialOf(chat.DeviceID(c.Device))
	return hash, version
}

func (m *Machine) keepSecret(w waiting) uint64 {
	d := &m.door
	if d.secrets == nil {
		d.secrets = map[uint64]waiting{}
	}
	d.nextID++
	d.secrets[d.nextID] = w
	return d.nextID
}

func (m *Machine) askHash(w waiting, out *Output) {
	id := m.keepSecret(w)
	out.Hashes = append(out.Hashes, Hash{ID: id, Conn: w.call.Conn, Call: w.call.ID})
}

func (m *Machine) verified(now time.Duration, in Verified, out *Output) {
	w, ok := m.door.secrets[in.ID]
	if !ok {
		return
	}
	delete(m.door.secrets, in.ID)
	_, login := w.call.Command.(chat.Login)
	unknownName := login && w.evidence.Version == 0
	_, passwd := w.call.Command.(chat.Passwd)
	switch {
	case in.Busy:
		m.busy(&w, out)
	case !in.OK && !unknownName:
		if r, ok := m.known(&w); ok {
			m.door.traceless(w.origin())
			m.reply(&w.call, r, out)
			return
		}
		m.refuse(&w.call, string(BadPassword), out)
	case passwd:
		m.askHash(w, out)
	default:
		m.enqueue(w, out)
	}
}

func (m *Machine) hashed(now time.Duration, in Hashed, out *Output) {
	w, ok := m.door.secrets[in.ID]
	if !ok {
		return
	}
	delete(m.door.secrets, in.ID)
	if in.Busy {
		m.busy(&w, out)
		return
	}
	w.evidence.Hash = in.Hash
	m.enqueue(w, out)
}

// busyAfter is when asking again is worth while, if the queue for passwords was full.
const busyAfter = 200 * time.Millisecond

// maxBehind is how far the stored rows may be behind before commands are turned away: the disk does
// not keep up, and what waits for it is in memory.
const maxBehind = 16 * digestEvery

// enqueue is the last stage: the command is proposed at the end of the Step, unless the same one is
// under way already.
func (m *Machine) enqueue(w waiting, out *Output) {
	if w.call.Secret {
		out.Forget = append(out.Forget, Forget{w.call.Conn, w.call.ID})
	}
	if m.door.waiting == nil {
		m.door.waiting = map[ask][]caller{}
	}
	if m.applied > m.store.durable+maxBehind {
		m.busy(&w, out)
		return
	}
	a := w.ask()
	who := caller{w.call.Conn, w.call.ID, w.origin()}
	callers, under := m.door.waiting[a]
	m.door.waiting[a] = append(slices.Clip(callers), who) // clones share the rest
	if !under {
		m.door.batch = append(m.door.batch, w)
	}
}

// propose gives raft what has gathered, in one piece.
func (m *Machine) propose(now time.Duration, out *Output) {
	d := &m.door
	if len(d.batch) == 0 {
		return
	}
	batch := d.batch
	d.batch = nil
	data := make([][]byte, len(batch))
	for i := range batch {
		w := &batch[i]
		e := entry{date: m.date, numbered: true, request: m.request(w), command: w.command}
		if w.evidence != (chat.Evidence{}) {
			e.evidence = chat.AppendEvidence(nil, w.evidence)
		}
		data[i] = e.encode()
	}
	m.stepRaft(now, raft.Propose{Data: data}, out)
	p := m.rout.Proposed
	if p.Refused != raft.NotRefused {
		m.unplaced(now, batch, p.Refused, out)
		return
	}
	for i := range batch {
		d.placed = append(d.placed, placed{p.First + raft.Index(i), batch[i].ask()})
	}
}

// unplaced sees to commands that raft did not take.
func (m *Machine) unplaced(now time.Duration, batch []waiting, why raft.Refusal, out *Output) {
	for i := range batch {
		w := &batch[i]
		a := w.ask()
		callers := m.door.waiting[a]
		delete(m.door.waiting, a)
		for _, c := range callers {
			w.call.Conn, w.call.ID = c.conn, c.id
			if c.origin != "" {
				w.call.Origin = c.origin
			}
			switch {
			case why == raft.Busy:
				m.busy(w, out)
			case why == raft.Transferring && !w.call.Secret && !m.resigning:
				m.hold(now, held{w.call, w.until, w.charged}, out)
			default:
				m.door.traceless(w.origin())
				m.redirect(&w.call, out)
			}
		}
	}
}

// answer gives everybody who waits for a command its reply.
func (d *door) answer(m *Machine, req session.Request, r Reply, out *Output) {
	a := ask{req.Device, req.DSeq, req.Fingerprint}
	callers := d.waiting[a]
	delete(d.waiting, a)
	for _, c := range callers {
		r.Conn, r.ID = c.conn, c.id
		out.Replies = append(out.Replies, r)
		if r.Code == "" {
			d.opened(c.origin)
		}
	}
}

// passed answers those whose place in the log was taken by another entry: that is committed, so
// theirs left no trace. Before that nobody can know, not even when the entry is cut here: another
// server may still have it.
func (d *door) passed(m *Machine, out *Output) {
	for len(d.placed) > 0 && d.placed[0].index <= m.applied {
		a := d.placed[0].ask
		d.placed = d.placed[1:]
		for _, c := range d.waiting[a] {
			d.traceless(c.origin)
			m.redirect(&Call{Conn: c.conn, ID: c.id}, out)
		}
		delete(d.waiting, a)
	}
}

// installed answers from the snapshot what it settles. What has a place below it and is not recorded
// there was overtaken.
func (d *door) installed(m *Machine, out *Output) {
	for _, p := range d.placed {
		if p.index > m.applied {
			break
		}
		req := session.Request{Device: p.ask.device, DSeq: p.ask.dseq, Fingerprint: p.ask.fingerprint}
		if v, ok := m.sessions.Recorded(req); ok {
			d.answer(m, req, m.settled(v, m.pos(m.applied)), out)
		}
	}
	d.passed(m, out)
}

func (m *Machine) hold(now time.Duration, h held, out *Output) {
	if now >= h.until {
		m.redirect(&h.call, out)
		return
	}
	m.door.held = append(m.door.held, h)
}

// retryCalls tries held calls again, each time something may have changed.
func (m *Machine) retryCalls(now time.Duration, out *Output) {
	d := &m.door
	if len(d.held) == 0 {
		return
	}
	if m.role.Leader == 0 || m.leads() && (!m.ready || m.raft.Transferring() != 0) {
		n := 0
		for n < len(d.held) && d.held[n].until <= now {
			m.redirect(&d.held[n].call, out)
			n++
		}
		d.held = slices.Delete(d.held, 0, n)
		return
	}
	again := d.held
	d.held = nil
	for i := range again {
		m.admit(now, again[i], out)
	}
}

func (d *door) deadline() time.Duration {
	if len(d.held) == 0 {
		return never
	}
	return d.held[0].until
}

// redirect sends a caller to the leader, or away if none is known.
func (m *Machine) redirect(c *Call, out *Output) {
	r := Reply{Class: session.NotApplied, Code: string(NotLeader), Leader: m.role.Leader, Pos: m.pos(m.applied)}
	switch {
	case m.leads() && m.resigning:
		r.Leader = 0
	case m.role.Leader == 0 || m.leads():
		r.Code, r.Leader = string(Unavailable), 0
	}
	m.reply(c, r, out)
}

func (m *Machine) refuse(c *Call, code string, out *Output) {
	m.reply(c, Reply{Class: session.NotApplied, Code: code, Pos: m.pos(m.applied)}, out)
}

func (m *Machine) refuseFor(c *Call, code Code, after time.Duration, out *Output) {
	m.reply(c, Reply{Class: session.NotApplied, Code: string(code), Pos: m.pos(m.applied),
		AfterMs: max(1, after.Milliseconds())}, out)
}

// busy asks a caller to come again, which costs nobody anything.
func (m *Machine) busy(w *waiting, out *Output) {
	m.door.traceless(w.origin())
	m.refuseFor(&w.call, Busy, busyAfter, out)
}

func (m *Machine) reply(c *Call, r Reply, out *Output) {
	r.Conn, r.ID = c.Conn, c.ID
	out.Replies = append(out.Replies, r)
	if c.Secret {
		out.Forget = append(out.Forget, Forget{c.Conn, c.ID})
	}
}

// owes tells whether callers wait for an answer.
func (d *door) owes() bool {
	return len(d.held)+len(d.batch)+len(d.placed)+len(d.secrets) > 0
}

func (d *door) clone() door {
	c := *d
	c.held, c.batch, c.placed = slices.Clone(d.held), slices.Clone(d.batch), slices.Clone(d.placed)
	c.waiting, c.secrets = maps.Clone(d.waiting), maps.Clone(d.secrets)
	c.rates, c.origins = maps.Clone(d.rates), maps.Clone(d.origins)
	return c
}
