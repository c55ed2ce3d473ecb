package replica

import (
	"slices"
	"time"

	"parley/core/chat"
	"parley/core/raft"
	"parley/core/row"
	"parley/core/session"
)

// reads are questions that wait for a read index: queries of clients, and refusals at the door that
// must not come from an old state.
type reads struct {
	lastID  uint64
	pending []pendingRead // oldest first
}

// maxReads bounds how many wait; beyond, callers are told to come again.
const maxReads = 8192

type pendingRead struct {
	id      uint64 // under which raft was asked last; all that were asked in one Step share it
	granted bool
	index   raft.Index
	askAt   time.Duration // when to ask (again), or asked
	refused bool          // since it was asked
	until   time.Duration

	query   *Call    // a query, or …
	waiting *waiting // … a command at the door, with
	refusal string   // what it will be told; empty: its password is to be checked
}

// askAgain is the pause before a read index is asked for again.
const askAgain = 20 * time.Millisecond

func (m *Machine) query(now time.Duration, c *Call, out *Output) {
	if c.Stale {
		m.evaluate(c, out)
		return
	}
	if len(m.reads.pending) >= maxReads {
		m.refuseFor(c, Busy, busyAfter, out)
		return
	}
	call := *c
	m.askRead(now, pendingRead{query: &call})
}

// confirm lets a command at the door go on once this state is known to be the present one.
func (m *Machine) confirm(now time.Duration, w waiting, refusal string) {
	m.askRead(now, pendingRead{waiting: &w, refusal: refusal})
}

func (m *Machine) askRead(now time.Duration, p pendingRead) {
	p.askAt, p.until = now, now+m.cfg.HoldCalls
	m.reads.pending = append(m.reads.pending, p)
}

func (r *reads) granted(grants []raft.Grant) {
	for _, g := range grants {
		for i := range r.pending {
			if p := &r.pending[i]; p.id == g.ID {
				p.granted, p.index, p.refused = g.OK, g.Index, !g.OK
			}
		}
	}
}

func compareUint(a, b uint64) int {
	switch {
	case a < b:
		return -1
	case a > b:
		return 1
	}
	return 0
}

// asked marks a read whose index has been asked for.
const asked = never

// retryReads asks for read indexes, serves what was granted and applied, and gives up what has
// waited too long.
func (m *Machine) retryReads(now time.Duration, out *Output) {
	if len(m.reads.pending) == 0 {
		return
	}
	m.askRaft(now, out)
	pending := m.reads.pending
	m.reads.pending = nil
	var keep []pendingRead
	for i := range pending {
		p := &pending[i]
		switch {
		case p.granted && m.applied >= p.index:
			m.serve(now, p, out)
		case now >= p.until:
			m.giveUp(p, out)
		default:
			keep = append(keep, *p)
		}
	}
	m.reads.pending = append(keep, m.reads.pending...)
}

// askRaft asks for one index for all reads that want one, under a new number each time: an answer to
// an earlier asking must not count for a later one.
func (m *Machine) askRaft(now time.Duration, out *Output) {
	any, id := false, m.reads.lastID+1
	for i := range m.reads.pending {
		p := &m.reads.pending[i]
		if p.refused {
			p.refused, p.askAt = false, now+askAgain
		}
		if !p.granted && p.askAt <= now && m.role.Leader != 0 {
			p.askAt, p.id, any = asked, id, true
		}
	}
	if any {
		m.reads.lastID = id
		m.stepRaft(now, raft.Read{ID: id}, out)
	}
}

func (m *Machine) serve(now time.Duration, p *pendingRead, out *Output) {
	if p.query != nil {
		m.evaluate(p.query, out)
		return
	}
	m.confirmed(now, *p.waiting, p.refusal, out)
}

func (m *Machine) giveUp(p *pendingRead, out *Output) {
	c := p.query
	if c == nil {
		c = &p.waiting.call
	}
	m.redirect(c, out)
}

func (m *Machine) readDeadline() time.Duration {
	d := never
	for i := range m.reads.pending {
		p := &m.reads.pending[i]
		if p.granted {
			continue
		}
		d = min(d, p.until)
		if m.role.Leader != 0 {
			d = min(d, p.askAt)
		}
	}
	return d
}

// evaluate answers a query from the state as it is now.
func (m *Machine) evaluate(c *Call, out *Output) {
	r := Reply{Class: session.Applied, Pos: m.pos(m.applied)}
	if _, barrier := c.Query.(Barrier); barrier {
		m.reply(c, r, out)
		return
	}
	if m.sessions.Authenticate(c.Device, c.Token) != session.Known {
		m.refuse(c, string(session.NoSession), out)
		return
	}
	uid, code := m.chat.Access(chat.DeviceID(c.Device))
	if code != chat.OK {
		m.rejectQuery(c, code, out)
		return
	}
	switch q := c.Query.(type) {
	case List:
		limit := clampPage(q.Limit, 100, m.chat.Settings().PageAccounts)
		names, more := m.chat.List(q.Prefix, q.After, limit)
		r.Page = &Page{Names: names, More: more}
	case Whoami:
		id := m.chat.Whoami(chat.DeviceID(c.Device))
		r.Identity = &id
	case History:
		m.thread(c, q, uid, out)
		return
	}
	m.reply(c, r, out)
}

func (m *Machine) rejectQuery(c *Call, code chat.Code, out *Output) {
	m.reply(c, Reply{Class: session.Rejected, Code: string(code), Pos: m.pos(m.applied)}, out)
}

func clampPage(limit, usual, most int) int {
	if limit <= 0 {
		return usual
	}
	return min(limit, most)
}

// thread begins to answer a History. What it shows is fixed here, at this applied index: bodies
// never change, so fetching them later does not matter.
func (m *Machine) thread(c *Call, q History, uid chat.UID, out *Output) {
	members := q.Members
	if members == ([2]chat.UID{}) {
		other, ok := m.chat.Lookup(q.With)
		if !ok {
			m.rejectQuery(c, chat.NoSuchUser, out)
			return
		}
		members = [2]chat.UID{min(uid, other), max(uid, other)}
	}
	if members[0] != uid && members[1] != uid {
		m.rejectQuery(c, chat.NotMember, out)
		return
	}
	id, last, _ := m.chat.Conversation(members[0], members[1])
	t := &Thread{Conversation: id, Members: members, Names: m.names(members), Last: last}
	r := Reply{Class: session.Applied, Pos: m.pos(m.applied), Thread: t}
	from, to := q.span(last, uint64(clampPage(q.Limit, 50, m.chat.Settings().PageMessages)))
	if from > to {
		m.reply(c, r, out)
		return
	}
	r.Conn, r.ID = c.Conn, c.ID
	call := *c
	ranges := []row.Range{chat.MessageRange(id, from, to, false, 0)}
	m.fetch(fetch{call: &call, reply: &r}, ranges, out)
}

// span is which messages a History asks for, of a conversation with last messages.
func (q History) span(last, limit uint64) (from, to uint64) {
	switch {
	case q.Before != 0:
		to = min(last, q.Before-1)
	case q.Latest:
		to = last
	default:
		if q.After >= last {
			return 1, 0
		}
		return q.After + 1, min(last, q.After+limit)
	}
	if to < limit {
		return 1, to
	}
	return to - limit + 1, to
}

func (m *Machine) names(uids [2]chat.UID) [2]string {
	var names [2]string
	for i, u := range uids {
		name, deleted := m.chat.Name(u)
		if deleted {
			name += " (deleted)"
		}
		names[i] = name
	}
	return names
}

// fetches are questions to the store that are under way.
type fetches struct {
	nextID uint64
	out    []fetch // by id
}

// fetch is one of them, and what goes on when it is answered: a History, or a feed catching up, in
// two steps: the events, then the messages they point at.
type fetch struct {
	id     uint64
	at     raft.Index
	ranges []row.Range

	call  *Call // a History, with
	reply *Reply

	load *load // a feed's Load
}

func (m *Machine) fetch(f fetch, ranges []row.Range, out *Output) {
	m.fetches.nextID++
	f.id, f.at, f.ranges = m.fetches.nextID, m.store.durable, ranges
	m.fetches.out = append(m.fetches.out, f)
	out.Fetches = append(out.Fetches, Fetch{ID: f.id, At: f.at, Ranges: ranges})
}

func (m *Machine) fetched(now time.Duration, in Fetched, out *Output) {
	i := slices.IndexFunc(m.fetches.out, func(f fetch) bool { return f.id == in.ID })
	if i < 0 {
		return
	}
	f := m.fetches.out[i]
	m.fetches.out = slices.Delete(m.fetches.out, i, i+1)
	invariant(in.Rows.Index >= f.at && len(in.Rows.Sets) == len(f.ranges),
		"fetch %d asked for %d sets at %d, got %d at %d", f.id, len(f.ranges), f.at, len(in.Rows.Sets), in.Rows.Index)
	var rows []row.Row
	for i, r := range f.ranges {
		rows = append(rows, m.overlay.merge(r, in.Rows.Index, in.Rows.Sets[i])...)
	}
	m.dropOverlay()
	switch {
	case f.call != nil:
		m.threadFetched(f, rows, out)
	case f.load != nil:
		m.loadFetched(f.load, rows, out)
	}
}

func (m *Machine) threadFetched(f fetch, rows []row.Row, out *Output) {
	if r := f.ranges[0]; int64(len(rows)) != r.To-r.From+1 {
		m.stop("read history: %d rows of conversation %d where %d…%d belong; verify the store", len(rows), r.Eq, r.From, r.To)
		return
	}
	for _, r := range rows {
		msg, err := chat.MessageOf(r)
		if err != nil {
			m.stop("read history: %v", err)
			return
		}
		f.reply.Thread.Messages = append(f.reply.Thread.Messages, msg)
	}
	m.reply(f.call, *f.reply, out)
}

// dropOverlay forgets rows that are stored, unless a view may still be under way that lacks them.
func (m *Machine) dropOverlay() {
	upTo := m.store.durable
	for i := range m.fetches.out {
		upTo = min(upTo, m.fetches.out[i].at)
	}
	m.overlay.drop(upTo)
}

// restart answers queries that were under way when a snapshot replaced the rows; feeds are closed
// by the install itself.
func (f *fetches) restart(m *Machine, out *Output) {
	old := f.out
	f.out = nil
	for _, o := range old {
		if o.call != nil {
			m.evaluate(o.call, out)
		}
	}
}
