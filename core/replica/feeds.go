package replica

import (
	"maps"
	"slices"
	"time"

	"parley/core/chat"
	"parley/core/feed"
	"parley/core/raft"
	"parley/core/row"
	"parley/core/session"
)

// feeds joins the hub, which knows numbers only, to connections on one side and rows on the other.
type feeds struct {
	hub      feed.Hub
	hubOut   feed.Output // reused
	lastSub  feed.Sub
	subs     []subscription      // by sub
	byConn   map[Conn][]feed.Sub // looked up, never ranged over
	byDevice map[chat.DeviceID][]feed.Sub
	waiting  []attaching // not applied far enough, or no leader: tried again

	leaderlessSince time.Duration // meaningful while no leader is known
}

type subscription struct {
	sub    feed.Sub
	conn   Conn
	client uint64 // the client's own name for it
	device chat.DeviceID

	told   uint64        // acknowledged, as the leader was last told …
	toldAt time.Duration // … and when
	marks  []chat.Mark   // told or not, but not in the state yet
	risen  bool          // some of them are not told
}

type attaching struct {
	in    Attach
	until time.Duration
}

// load is a hub's Load under way.
type load struct {
	load   feed.Load
	events []chat.Event // the second step: these are at hand, their messages are being fetched
}

// maxMarks bounds what one subscription may have to report.
const maxMarks = 1024

func (m *Machine) attach(now time.Duration, in Attach, out *Output) {
	if !m.tryAttach(now, in, out) {
		m.feeds.waiting = append(m.feeds.waiting, attaching{in, now + m.cfg.HoldCalls})
	}
}

// tryAttach answers an Attach, unless this replica has yet to see what the client has seen.
func (m *Machine) tryAttach(now time.Duration, in Attach, out *Output) bool {
	switch {
	case in.Pos.Epoch != 0 && in.Pos.Epoch != m.cfg.Epoch:
		m.decline(in, OtherHistory, out)
		return true
	case m.role.Leader == 0 || in.Pos.Index > m.applied || m.resigning:
		return false
	}
	if m.sessions.Authenticate(in.Device, in.Token) != session.Known {
		m.decline(in, NoSession, out)
		return true
	}
	a, code := m.chat.Attach(chat.DeviceID(in.Device))
	if code != chat.OK {
		m.decline(in, Fenced, out)
		return true
	}
	after := in.After
	if in.FromCursor {
		after = a.Cursor
	}
	if after > a.Length {
		m.decline(in, OtherHistory, out)
		return true
	}
	m.subscribe(now, in, a, max(after, a.Floor), out)
	return true
}

func (m *Machine) decline(in Attach, why Why, out *Output) {
	out.Closings = append(out.Closings, Closing{Conn: in.Conn, Sub: in.Sub, Why: why, Pos: m.pos(m.applied)})
}

func (m *Machine) subscribe(now time.Duration, in Attach, a chat.Attachment, after uint64, out *Output) {
	f := &m.feeds
	f.lastSub++
	s := subscription{sub: f.lastSub, conn: in.Conn, client: in.Sub, device: chat.DeviceID(in.Device)}
	f.subs = append(f.subs, s)
	if f.byConn == nil {
		f.byConn, f.byDevice = map[Conn][]feed.Sub{}, map[chat.DeviceID][]feed.Sub{}
	}
	f.byConn[s.conn] = append(slices.Clip(f.byConn[s.conn]), s.sub)
	f.byDevice[s.device] = append(slices.Clip(f.byDevice[s.device]), s.sub)
	out.Attached = append(out.Attached, Attached{
		Conn: in.Conn, Sub: in.Sub, UID: a.UID, Epoch: a.Epoch, After: after, Pos: m.pos(m.applied),
	})
	m.stepHub(feed.Attach{Sub: s.sub, Account: uint64(a.UID), After: after, Length: a.Length}, nil, out)
}

// retryAttaches answers those who wait, or sends them elsewhere.
func (m *Machine) retryAttaches(now time.Duration, out *Output) {
	f := &m.feeds
	if m.role.Leader == 0 && len(f.subs) > 0 && now >= f.leaderlessSince+m.cfg.Raft.Base {
		f.closeAll(m, Resume, out)
	}
	if len(f.waiting) == 0 {
		return
	}
	waiting := f.waiting
	f.waiting = nil
	for _, w := range waiting {
		switch {
		case m.tryAttach(now, w.in, out):
		case now >= w.until || m.resigning:
			m.decline(w.in, Resume, out)
		default:
			f.waiting = append(f.waiting, w)
		}
	}
}

func (f *feeds) deadline(m *Machine) time.Duration {
	d := never
	if len(f.waiting) > 0 {
		d = f.waiting[0].until
	}
	if m.role.Leader == 0 && len(f.subs) > 0 {
		d = min(d, f.leaderlessSince+m.cfg.Raft.Base)
	}
	return d
}

// stepHub steps the hub; at hand are the events that it may push.
func (m *Machine) stepHub(in feed.Input, atHand []Push, out *Output) {
	f := &m.feeds
	f.hubOut.Reset()
	f.hub.Step(in, &f.hubOut)
	for _, p := range f.hubOut.Pushes {
		i := slices.IndexFunc(atHand, func(h Push) bool { return h.Event.N == p.N })
		invariant(i >= 0, "event %d of subscription %d is not at hand", p.N, p.Sub)
		s := f.find(p.Sub)
		push := atHand[i]
		push.Conn, push.Sub = s.conn, s.client
		out.Pushes = append(out.Pushes, push)
	}
	for _, l := range f.hubOut.Loads {
		r := chat.FeedRange(chat.UID(l.Account), l.From, l.To, 0)
		m.fetch(fetch{load: &load{load: l}}, []row.Range{r}, out)
	}
}

// grow hands the hub the events of the entry just applied.
func (m *Machine) grow(e chat.Event, out *Output) {
	if m.feeds.hub.Len() == 0 {
		return
	}
	m.stepHub(feed.Grown{Account: uint64(e.Account), N: e.N}, []Push{m.whole(e, m.outcome.Message)}, out)
}

func (f *feeds) grow(m *Machine, out *Output) {
	for _, e := range m.outcome.Events {
		m.grow(e, out)
	}
}

// whole makes an event what a client can show.
func (m *Machine) whole(e chat.Event, msg *chat.Message) Push {
	p := Push{Event: e, Pos: m.pos(raft.Index(e.Index))}
	p.Members, _ = m.chat.Members(e.Conversation)
	p.Names = m.names(p.Members)
	if e.Kind == chat.MessageEvent {
		invariant(msg != nil && msg.Seq == e.From && msg.Conversation == e.Conversation,
			"event %d of account %d without its message", e.N, e.Account)
		said := *msg
		p.Message, p.Recreated = &said, m.chat.Recreated(e.Account, e.Conversation, e.From)
	}
	return p
}

func (m *Machine) loadFetched(l *load, rows []row.Row, out *Output) {
	if m.feeds.find(l.load.Sub) == nil {
		return
	}
	if l.events == nil {
		m.eventsFetched(l, rows, out)
		return
	}
	messages := make([]chat.Message, len(rows))
	for i, r := range rows {
		msg, err := chat.MessageOf(r)
		if err != nil {
			m.stop("read feed: %v", err)
			return
		}
		messages[i] = msg
	}
	m.pushLoaded(l, messages, out)
}

func (m *Machine) eventsFetched(l *load, rows []row.Row, out *Output) {
	want := int(l.load.To - l.load.From + 1)
	if len(rows) != want && m.dropped(l.load) {
		m.feeds.close(m, l.load.Sub, Resume, "", out)
		return
	}
	if len(rows) != want {
		m.stop("feed of account %d: %d of %d rows from %d on; verify the store", l.load.Account, len(rows), want, l.load.From)
		return
	}
	next := &load{load: l.load}
	var ranges []row.Range
	for i, r := range rows {
		e, err := chat.EventOf(r)
		if err != nil || e.N != l.load.From+uint64(i) {
			m.stop("feed of account %d: event %d where %d belongs: %v", l.load.Account, e.N, l.load.From+uint64(i), err)
			return
		}
		next.events = append(next.events, e)
		if e.Kind == chat.MessageEvent {
			ranges = append(ranges, chat.MessageAt(e.Index))
		}
	}
	if len(ranges) == 0 {
		m.pushLoaded(next, nil, out)
		return
	}
	m.fetch(fetch{load: next}, ranges, out)
}

// dropped tells whether rows of a load are gone by right: the same device has acknowledged them on
// another connection.
func (m *Machine) dropped(l feed.Load) bool {
	a, code := m.chat.Attach(m.feeds.find(l.Sub).device)
	return code != chat.OK || a.Floor >= l.From
}

// pushLoaded hands the hub events that were loaded. Messages come in the order of the events.
func (m *Machine) pushLoaded(l *load, messages []chat.Message, out *Output) {
	pushes := make([]Push, 0, len(l.events))
	for _, e := range l.events {
		var msg *chat.Message
		if e.Kind == chat.MessageEvent {
			if len(messages) == 0 || messages[0].Index != e.Index {
				m.stop("feed of account %d: event %d points at a message that is not there: entry %d", e.Account, e.N, e.Index)
				return
			}
			msg, messages = &messages[0], messages[1:]
		}
		pushes = append(pushes, m.whole(e, msg))
	}
	m.stepHub(feed.Loaded{Sub: l.load.Sub, From: l.load.From, To: l.load.To}, pushes, out)
}

func (m *Machine) ack(now time.Duration, in Ack, out *Output) {
	for _, sub := range m.feeds.byConn[in.Conn] {
		s := m.feeds.find(sub)
		if s.client != in.Sub {
			continue
		}
		m.stepHub(feed.Acked{Sub: sub, N: in.N}, nil, out)
		m.heard.hurry = m.heard.hurry || m.feeds.hub.Acknowledged(sub) >= s.told+urgentAfter
		uid, _, _ := m.chat.DeviceState(s.device)
		for _, mark := range in.Marks {
			if members, ok := m.chat.Members(mark.Conversation); ok && (members[0] == uid || members[1] == uid) {
				s.raise(mark)
			}
		}
	}
}

func (s *subscription) raise(mark chat.Mark) {
	for i := range s.marks {
		if s.marks[i].Conversation == mark.Conversation {
			s.risen = s.risen || mark.Seq > s.marks[i].Seq
			s.marks[i].Seq = max(s.marks[i].Seq, mark.Seq)
			return
		}
	}
	if len(s.marks) < maxMarks {
		s.marks, s.risen = append(slices.Clip(s.marks), mark), true
	}
}

// end closes the feeds that the entry just applied ends.
func (f *feeds) end(m *Machine, endings []chat.Ending, out *Output) {
	for _, e := range endings {
		for _, sub := range slices.Clone(f.byDevice[e.Device]) {
			f.close(m, sub, whyOf(e.Reason), e.By, out)
		}
	}
}

func whyOf(r chat.EndReason) Why {
	switch r {
	case chat.LoggedOut:
		return LoggedOut
	case chat.TakenOver:
		return TakenOver
	case chat.AccountDeleted:
		return AccountDeleted
	}
	return DeviceClosed
}

func (f *feeds) closeAll(m *Machine, why Why, out *Output) {
	for n := len(f.subs); n > 0; n-- {
		f.close(m, f.subs[n-1].sub, why, "", out)
	}
}

func (f *feeds) close(m *Machine, sub feed.Sub, why Why, by string, out *Output) {
	s := f.find(sub)
	out.Closings = append(out.Closings, Closing{Conn: s.conn, Sub: s.client, Why: why, By: by, Pos: m.pos(m.applied)})
	f.remove(sub)
}

func (m *Machine) detach(conn Conn, client uint64) {
	for _, sub := range slices.Clone(m.feeds.byConn[conn]) {
		if m.feeds.find(sub).client == client {
			m.feeds.remove(sub)
		}
	}
	m.feeds.waiting = slices.DeleteFunc(m.feeds.waiting, func(a attaching) bool {
		return a.in.Conn == conn && a.in.Sub == client
	})
}

func (m *Machine) hangup(conn Conn) {
	for _, sub := range slices.Clone(m.feeds.byConn[conn]) {
		m.feeds.remove(sub)
	}
	m.feeds.waiting = slices.DeleteFunc(m.feeds.waiting, func(a attaching) bool { return a.in.Conn == conn })
}

func (f *feeds) find(sub feed.Sub) *subscription {
	i, ok := f.search(sub)
	if !ok {
		return nil
	}
	return &f.subs[i]
}

func (f *feeds) search(sub feed.Sub) (int, bool) {
	return slices.BinarySearchFunc(f.subs, sub, func(s subscription, id feed.Sub) int {
		return compareUint(uint64(s.sub), uint64(id))
	})
}

func (f *feeds) remove(sub feed.Sub) {
	i, ok := f.search(sub)
	if !ok {
		return
	}
	s := f.subs[i]
	f.subs = slices.Delete(f.subs, i, i+1)
	unlink(f.byConn, s.conn, sub)
	unlink(f.byDevice, s.device, sub)
	f.hub.Step(feed.Detach{Sub: sub}, &f.hubOut)
}

func unlink[K comparable](lists map[K][]feed.Sub, k K, sub feed.Sub) {
	rest := slices.DeleteFunc(slices.Clone(lists[k]), func(s feed.Sub) bool { return s == sub })
	if len(rest) == 0 {
		delete(lists, k)
		return
	}
	lists[k] = rest
}

func (f *feeds) clone() feeds {
	c := *f
	c.hub, c.hubOut = *f.hub.Clone(), feed.Output{}
	c.subs, c.waiting = slices.Clone(f.subs), slices.Clone(f.waiting)
	for i := range c.subs {
		c.subs[i].marks = slices.Clone(c.subs[i].marks)
	}
	c.byConn, c.byDevice = maps.Clone(f.byConn), maps.Clone(f.byDevice)
	return c
}
