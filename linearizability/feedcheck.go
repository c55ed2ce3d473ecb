package linearizability

import (
	"fmt"
	"slices"
	"sort"
)

// A feedCheck looks at the feeds of one history.
type feedCheck struct {
	*evidence
	l *ledger // nil if the order is not certified
	r *Report

	events   map[uint64]*firstEvents // by uid
	deferred map[uint64][]catchUp    // by uid
	doubtful []bool                  // by device: it may have logged in without an answer

	reached []reachedSeq // by number of the conversation
	round   uint32       // which of them count
}

// A catchUp names messages that were deferred.
type catchUp struct {
	conv     convID
	from, to uint64
}

// reachedSeq is how far a feed has come in a conversation, if it is of this round.
type reachedSeq struct {
	round uint32
	seq   uint64
}

func (ev *evidence) checkFeeds(l *ledger, r *Report) {
	c := &feedCheck{
		evidence: ev, l: l, r: r, events: map[uint64]*firstEvents{}, deferred: map[uint64][]catchUp{},
		doubtful: make([]bool, len(ev.devices)), reached: make([]reachedSeq, len(ev.convs)),
	}
	for _, o := range ev.ops {
		if o.op == opLogin && o.unknown() {
			c.doubtful[o.device] = true
		}
	}
	c.agreeing()
	for _, f := range ev.feeds {
		c.r.Stats.Pushes += f.count
		c.follow(f)
	}
	c.cursors()
}

func (c *feedCheck) add(v Verdict, rule string, f *feed, e *push, text string, args ...any) {
	pos := uint64(0)
	if e != nil {
		pos = e.Pos
	}
	c.r.add(Finding{v, rule, nil, pos, fmt.Sprintf("feed %d of %s: ", f.sub, f.dev) + fmt.Sprintf(text, args...)})
}

// uid is whose feed it is, or 0 if nothing says so.
func (c *feedCheck) uid(f *feed) uint64 {
	if uid := c.deviceUID[f.device]; uid != 0 {
		return uid
	}
	if c.l != nil && len(c.l.sessions[f.device]) > 0 {
		return c.l.sessions[f.device][0].uid
	}
	return 0
}

// firstEvents is what the streams of an account first showed under those numbers that somebody may
// ask for again: those that several streams may have, and those that streams begin after.
type firstEvents struct {
	asked []span // in order, apart
	first map[uint64]firstEvent
}

type span struct{ from, to uint64 }

func (f *firstEvents) isAsked(n uint64) bool {
	i := sort.Search(len(f.asked), func(i int) bool { return f.asked[i].to >= n })
	return i < len(f.asked) && f.asked[i].from <= n
}

// A firstEvent is known by a hash; two with one hash are taken for the same.
type firstEvent struct{ hash, pos, truePos, sub uint64 }

// agreeing demands that every stream of an account shows the same event under one number, and notes
// what catch-ups name.
func (c *feedCheck) agreeing() {
	streams := map[uint64][]*feed{}
	for _, f := range c.feeds {
		if uid := c.uid(f); uid != 0 {
			streams[uid] = append(streams[uid], f)
		}
	}
	for uid, list := range streams {
		c.events[uid] = &firstEvents{asked: askedTwice(list), first: map[uint64]firstEvent{}}
	}
	for _, f := range c.feeds {
		uid := c.uid(f)
		events := c.events[uid]
		if !f.catchUps && (events == nil || len(events.asked) == 0) {
			continue
		}
		for e := range f.pushes() {
			if events != nil && e.Kind != PushSkipped && events.isAsked(e.N) {
				c.same(f, events, e)
			}
			if e.variant == pushCatchUp {
				c.deferred[uid] = append(c.deferred[uid], catchUp{f.conv(e), e.Seq, e.ToSeq})
			}
		}
	}
}

// askedTwice are the numbers that more than one stream may have shown, that one may have shown
// twice, or that one begins after.
func askedTwice(list []*feed) []span {
	type edge struct {
		at    uint64
		depth int
	}
	var edges []edge
	for _, f := range list {
		depth := 1
		if f.falls {
			depth = 2
		}
		if f.count > 0 {
			edges = append(edges, edge{f.low, depth}, edge{f.high + 1, -depth})
		}
		edges = append(edges, edge{f.after, 1}, edge{f.after + 1, -1})
	}
	slices.SortFunc(edges, func(a, b edge) int { return compare(a.at, b.at) })
	var asked []span
	for i, depth := 0, 0; i < len(edges); {
		at, before := edges[i].at, depth
		for ; i < len(edges) && edges[i].at == at; i++ {
			depth += edges[i].depth
		}
		switch {
		case before < 2 && depth >= 2:
			asked = append(asked, span{from: at})
		case before >= 2 && depth < 2:
			asked[len(asked)-1].to = at - 1
		}
	}
	return asked
}

func (c *feedCheck) same(f *feed, events *firstEvents, e *push) {
	other, seen := events.first[e.N]
	switch now := (firstEvent{e.hash(), e.Pos, truePos(c.logged(e), e), f.sub}); {
	case !seen:
		events.first[e.N] = now
	case other.hash != now.hash:
		c.add(Illegal, RuleFeedAgreement, f, e, "event %d is another one in feed %d", e.N, other.sub)
	case other.pos != e.Pos:
		c.add(PositionContract, RuleFeedAgreement, f, e, "event %d stands at %d in feed %d", e.N, other.pos, other.sub)
	}
}

// hash is over what an event is, without its number and position.
func (e *push) hash() uint64 {
	h := mix(mix(uint64(e.conv), uint64(e.body)), e.Seq)
	h = mix(mix(h, e.From), e.ToSeq)
	return mix(h, uint64(e.kind)<<8|uint64(e.variant))
}

// logged finds the message in the certified log.
func (c *feedCheck) logged(e *push) *message {
	if c.l == nil || e.variant != pushMessage {
		return nil
	}
	return c.l.find(e.conv, e.Seq)
}

// truePos is where the certified log has an event, or what the push claims.
func truePos(m *message, e *push) uint64 {
	if m != nil {
		if pos := m.pos; pos != 0 {
			return pos
		}
	}
	return e.Pos
}

// A follower goes through a feed.
type follower struct {
	*feedCheck
	f        *feed
	uid      uint64
	sessions []session
	deferred []catchUp
	due      []*message // the account's, in order of position; those that were due are cut off

	number uint64 // the highest so far
	pos    uint64 // the same, as far as positions rose
	whole  bool   // every conversation is seen from its start

	last  uint64 // position up to which nothing is missing, if
	known bool   // it is known

	reached  uint64 // number of the last event
	reachPos uint64 // position up to which the feed has come, if known
	reaches  bool
}

func (c *feedCheck) follow(f *feed) {
	w := &follower{feedCheck: c, f: f, uid: c.uid(f), number: f.after, reached: f.after, whole: f.after == 0}
	w.deferred = c.deferred[w.uid]
	w.last, w.known = c.base(f)
	w.reachPos, w.reaches = w.last, w.known
	if c.l != nil {
		w.sessions, w.due = c.l.sessions[f.device], c.l.messages[w.uid]
	}
	c.round++
	for e := range f.pushes() {
		m := c.logged(e)
		pos := truePos(m, e)
		w.numbers(e)
		w.order(e, pos)
		w.agreement(e, m)
		w.early(e, m)
		if c.l != nil {
			w.pastEnd(e, pos)
			w.gaps(e, pos)
		}
		w.reached, w.reachPos, w.reaches = e.N, max(w.reachPos, pos), true
	}
	if c.l != nil {
		w.complete()
	}
}

// numbers run after+1, after+2, ….
func (w *follower) numbers(e *push) {
	switch {
	case e.N <= w.number:
		w.add(Illegal, RuleFeedRepeat, w.f, e, "event %d after event %d", e.N, w.number)
	case e.N > w.number+1 && !(e.Kind == PushSkipped && w.meta.Rules.Login == LoginMulti):
		w.add(Illegal, RuleFeedGap, w.f, e, "event %d after event %d", e.N, w.number)
	}
	w.number = max(w.number, e.N)
}

// order demands that positions do not fall and that the numbers of each conversation rise by one,
// unless a catch-up names what is left out.
func (w *follower) order(e *push, pos uint64) {
	if pos != 0 && pos < w.pos {
		w.add(w.fall(e), RuleFeedOrder, w.f, e, "event %d falls back behind position %d", e.N, w.pos)
	} else {
		w.pos = max(w.pos, pos)
	}
	if e.Kind == PushSkipped {
		w.round++
		w.whole = false
	}
	if e.variant != pushMessage {
		return
	}
	conv, before := w.f.conv(e), &w.feedCheck.reached[e.conv]
	seen := before.round == w.round
	if !seen {
		*before = reachedSeq{round: w.round}
	}
	switch {
	case e.Seq == before.seq && seen:
		w.add(Illegal, RuleFeedRepeat, w.f, e, "message %d of %v twice", e.Seq, conv.uids())
	case e.Seq < before.seq:
		w.add(Illegal, RuleFeedOrder, w.f, e, "message %d of %v after %d", e.Seq, conv.uids(), before.seq)
	case seen || w.whole:
		if seq := w.nextSaid(e, before.seq+1); seq < e.Seq {
			w.add(Illegal, RuleFeedGap, w.f, e, "message %d of %v is missing before %d", seq, conv.uids(), e.Seq)
		}
	}
	before.seq = max(before.seq, e.Seq)
}

// nextSaid is the first message from seq on, up to that of a push, that has to come.
func (w *follower) nextSaid(e *push, seq uint64) uint64 {
	seq = w.nextDue(w.f.conv(e), seq)
	for seq < e.Seq && w.l != nil {
		m := w.l.find(e.conv, seq)
		if m == nil || !w.mayYetCome(m) {
			break
		}
		seq = w.nextDue(w.f.conv(e), seq+1)
	}
	return seq
}

// fall is how bad it is that an event's position falls: without a certified log only the claim is
// known to be wrong.
func (c *feedCheck) fall(e *push) Verdict {
	if c.l != nil && e.variant == pushMessage {
		return Illegal
	}
	return PositionContract
}

// nextDue is the first message of a conversation from seq on that no catch-up names.
func (w *follower) nextDue(conv convID, seq uint64) uint64 {
	for {
		i := slices.IndexFunc(w.deferred, func(d catchUp) bool { return d.conv == conv && d.from <= seq && seq <= d.to })
		if i < 0 {
			return seq
		}
		seq = w.deferred[i].to + 1
	}
}

func (w *follower) isDeferred(m *message) bool {
	return len(w.deferred) > 0 && w.nextDue(w.l.conv(m), uint64(m.seq)) != uint64(m.seq)
}

// agreement demands that the log has the message, and the account is in the conversation.
func (w *follower) agreement(e *push, m *message) {
	f := w.f
	if w.meta.Positions == PositionsEvery && e.Pos == 0 {
		w.add(PositionContract, RuleMissingPos, f, e, "event %d has no position", e.N)
	}
	if e.variant != pushMessage {
		return
	}
	conv := f.conv(e)
	if w.uid != 0 && !conv.has(w.uid) || !conv.has(e.From) {
		w.add(Illegal, RuleFeedAgreement, f, e, "event %d is of %v, not of %d, by %d", e.N, conv.uids(), w.uid, e.From)
		return
	}
	if w.l == nil {
		return
	}
	switch {
	case m == nil && w.bodies[e.body].sent > 1:
		// one of several with this body, of which the log may have left this one out
	case m == nil:
		w.add(Illegal, RuleFeedAgreement, f, e, "event %d: the log has no message %d of %v", e.N, e.Seq, conv.uids())
	case m.op.body != e.body || w.l.from(m) != e.From:
		w.add(Illegal, RuleFeedAgreement, f, e, "event %d is %d:%s, in the log it is %d:%s", e.N, e.From, f.body(e),
			w.l.from(m), m.op.text())
	case m.pos != 0 && e.Pos != 0 && m.pos != e.Pos:
		w.add(PositionContract, RuleFeedAgreement, f, e, "event %d stands at %d in the log", e.N, m.pos)
	}
}

// early demands that the send had begun.
func (w *follower) early(e *push, m *message) {
	t := w.later(e.T)
	if e.variant != pushMessage || m != nil && m.op.body == e.body && m.op.call <= t {
		return
	}
	for o := range w.senders(e.body) {
		if o.call <= t {
			return
		}
	}
	w.add(Illegal, RuleFeedEarly, w.f, e, "%s was pushed, but nobody had sent it", w.f.body(e))
}

// pastEnd demands that nothing follows what closed or fenced the device.
func (w *follower) pastEnd(e *push, pos uint64) {
	end, open, t := uint64(0), w.doubtful[w.f.device], w.later(e.T)
	for i := range w.sessions {
		if s := &w.sessions[i]; s.call <= t {
			open = open || s.end == 0 || s.guess
			end = max(end, s.end)
		}
	}
	switch {
	case open:
	case end == 0:
		w.add(Illegal, RuleFeedEnd, w.f, e, "event %d for a device that was in no session", e.N)
	case pos > end:
		w.add(Illegal, RuleFeedEnd, w.f, e, "event %d, at %d, after the device's session ended at %d", e.N, pos, end)
	}
}

// gaps demands that between two events no message of the log is missing.
func (w *follower) gaps(e *push, pos uint64) {
	if w.known && pos > w.last {
		if m := w.missing(pos); m != nil {
			w.add(Illegal, RuleFeedGap, w.f, e, "%s, at %d, is missing before event %d", m.op.text(), m.pos, e.N)
		}
	}
	w.last, w.known = max(w.last, pos), e.Kind != PushSkipped && (w.known || pos != 0)
}

// missing returns a message of the account strictly between the last position and another, unless
// it is deferred.
func (w *follower) missing(to uint64) *message {
	for len(w.due) > 0 && w.due[0].pos <= w.last {
		w.due = w.due[1:]
	}
	for _, m := range w.due {
		if m.pos >= to {
			break
		}
		if !w.isDeferred(m) && !w.mayYetCome(m) {
			return m
		}
	}
	return nil
}

// base is the position of the event after which the stream begins, if known.
func (c *feedCheck) base(f *feed) (pos uint64, known bool) {
	if f.after == 0 {
		return 0, true
	}
	if events := c.events[c.uid(f)]; events != nil {
		if e, seen := events.first[f.after]; seen {
			return e.truePos, true
		}
	}
	return 0, false
}

// mayYetCome says that a message may be deferred although no catch-up names it: what an account says
// itself waits while its queue is full, and if no stream of it was open when all had come to rest,
// nobody saw whether the catch-up came.
func (w *follower) mayYetCome(m *message) bool {
	return w.l.from(m) == w.uid && !slices.ContainsFunc(w.feeds, func(f *feed) bool {
		return w.feedCheck.uid(f) == w.uid && w.drained != 0 && f.t <= w.drained && f.closed >= w.drained
	})
}

// complete demands that streams open when all had come to rest have everything.
func (w *follower) complete() {
	f := w.f
	if w.drained == 0 || f.t > w.drained || f.closed < w.drained {
		return
	}
	if len(w.sessions) == 0 || w.sessions[len(w.sessions)-1].end != 0 {
		return
	}
	due, first := uint64(0), (*message)(nil)
	for _, m := range w.l.messages[w.uid] {
		if m.op.call >= w.drained || w.isDeferred(m) {
			continue
		}
		due++
		if w.reaches && m.pos > w.reachPos && first == nil {
			first = m
		}
	}
	switch {
	case first != nil:
		w.add(Illegal, RuleFeedComplete, f, nil, "%s, at %d, never came", first.op.text(), first.pos)
	case due > w.reached:
		w.add(Illegal, RuleFeedComplete, f, nil, "reached event %d, but the log has %d messages", w.reached, due)
	}
}

// cursors demands that a login's cursor never exceeds what was acknowledged before.
func (c *feedCheck) cursors() {
	if len(c.feeds) == 0 {
		return // not recorded
	}
	logins := map[uint64][]*operation{} // by uid, in order of return
	for _, o := range c.ops {
		if o.op == opLogin && o.ok() {
			logins[o.ans.UID] = append(logins[o.ans.UID], o)
		}
	}
	for uid, list := range logins {
		slices.SortStableFunc(list, func(a, b *operation) int { return compare(a.ret, b.ret) })
		top := make([]uint64, len(list)+1)
		for _, f := range c.feeds {
			if of := c.uid(f); of == uid || of == 0 { // 0: nobody knows whose it is
				c.acknowledged(f, list, top)
			}
		}
		for i, o := range list {
			if i > 0 {
				top[i] = max(top[i], top[i-1])
			}
			if o.ans.Cursor > top[i] {
				c.r.add(Finding{Illegal, RuleCursor, ids(o), o.pos(), fmt.Sprintf(
					"%s got cursor %d, but only %d was acknowledged", o.name(), o.ans.Cursor, top[i])})
			}
		}
	}
}

// acknowledged notes by the first login that each acknowledgement precedes what it says.
func (c *feedCheck) acknowledged(f *feed, logins []*operation, top []uint64) {
	t := c.earlier(f.t)
	i, _ := slices.BinarySearchFunc(logins, t, func(o *operation, t uint64) int { return compare(o.ret, t) })
	top[i] = max(top[i], f.after)
	for m := range f.acks() {
		for i < len(logins) && logins[i].ret < c.earlier(m.t) {
			i++
		}
		top[i] = max(top[i], m.n)
	}
}

// find returns the message at a place.
func (l *ledger) find(conv uint32, seq uint64) *message {
	if list := l.places[conv]; seq-1 < uint64(len(list)) {
		return list[seq-1]
	}
	return nil
}
