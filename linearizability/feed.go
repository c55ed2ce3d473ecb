package linearizability

import (
	"fmt"
	"slices"
	"sort"
)

// A feed is one stream of an account's events to one device. A message that stands at a place
// stands there for good, so feeds need no search, only the certified log; without one, what the
// streams and answers say about each other.
type feed struct {
	sub    uint64
	dev    string
	after  uint64
	t      uint64 // attached
	closed uint64 // or forever
	pushes []*Event
	acks   []*Event
}

func (r *record) feedEvent(feeds map[uint64]*feed, e *Event) {
	f := feeds[e.Sub]
	switch e.E {
	case Sub:
		f = &feed{sub: e.Sub, dev: e.Dev, after: e.After, t: e.T, closed: forever}
		feeds[e.Sub] = f
		r.feeds = append(r.feeds, f)
	case Push:
		f.pushes = append(f.pushes, e)
	case Ack:
		f.acks = append(f.acks, e)
	case Close:
		f.closed = e.T
	}
}

// A feedCheck looks at the feeds of one history.
type feedCheck struct {
	*evidence
	l *ledger // nil if the order is not certified
	r *Report

	events   map[uint64]map[uint64]*Event // uid → number → event
	deferred map[uint64][]*Event          // uid → catch-ups
	doubtful map[string]bool              // devices that may have logged in without an answer
}

func (ev *evidence) checkFeeds(l *ledger, r *Report) {
	c := &feedCheck{ev, l, r, map[uint64]map[uint64]*Event{}, map[uint64][]*Event{}, map[string]bool{}}
	for _, o := range ev.ops {
		if o.Op == OpLogin && o.unknown() {
			c.doubtful[o.Dev] = true
		}
	}
	for _, f := range ev.feeds {
		for _, e := range f.pushes {
			c.r.Stats.Pushes++
			c.same(f, e)
			if e.Kind == PushCatchUp {
				c.deferred[c.uid(f)] = append(c.deferred[c.uid(f)], e)
			}
		}
	}
	for _, f := range ev.feeds {
		c.numbers(f)
		c.order(f)
		for _, e := range f.pushes {
			c.agreement(f, e)
			c.early(f, e)
			c.pastEnd(f, e)
		}
		if l != nil {
			c.gaps(f)
			c.complete(f)
		}
	}
	c.cursors()
}

func (c *feedCheck) add(v Verdict, rule string, f *feed, e *Event, text string, args ...any) {
	pos := uint64(0)
	if e != nil {
		pos = e.Pos
	}
	c.r.add(Finding{v, rule, nil, pos, fmt.Sprintf("feed %d of %s: ", f.sub, f.dev) + fmt.Sprintf(text, args...)})
}

// uid is whose feed it is, or 0 if nothing says so.
func (c *feedCheck) uid(f *feed) uint64 {
	if uid := c.deviceUID[f.dev]; uid != 0 {
		return uid
	}
	if c.l != nil && len(c.l.sessions[f.dev]) > 0 {
		return c.l.sessions[f.dev][0].uid
	}
	return 0
}

// same demands that every stream of an account shows the same event under one number.
func (c *feedCheck) same(f *feed, e *Event) {
	uid := c.uid(f)
	if uid == 0 || e.Kind == PushSkipped {
		return
	}
	if c.events[uid] == nil {
		c.events[uid] = map[uint64]*Event{}
	}
	other := c.events[uid][e.N]
	switch {
	case other == nil:
		c.events[uid][e.N] = e
	case other.Kind != e.Kind || !slices.Equal(other.Conv, e.Conv) || other.Seq != e.Seq ||
		other.From != e.From || other.Body != e.Body || other.ToSeq != e.ToSeq:
		c.add(Illegal, RuleFeedAgreement, f, e, "event %d is another one in feed %d", e.N, other.Sub)
	case other.Pos != e.Pos:
		c.add(PositionContract, RuleFeedAgreement, f, e, "event %d stands at %d in feed %d", e.N, other.Pos, other.Sub)
	}
}

// numbers run after+1, after+2, ….
func (c *feedCheck) numbers(f *feed) {
	last := f.after
	for _, e := range f.pushes {
		switch {
		case e.N <= last:
			c.add(Illegal, RuleFeedRepeat, f, e, "event %d after event %d", e.N, last)
		case e.N > last+1 && !(e.Kind == PushSkipped && c.meta.Rules.Login == LoginMulti):
			c.add(Illegal, RuleFeedGap, f, e, "event %d after event %d", e.N, last)
		}
		last = max(last, e.N)
	}
}

// order demands that positions do not fall and that the numbers of each conversation rise by one,
// unless a catch-up names what is left out.
func (c *feedCheck) order(f *feed) {
	last, known := map[convID]uint64{}, f.after == 0
	pos := uint64(0)
	for _, e := range f.pushes {
		if p := c.truePos(e); p != 0 && p < pos {
			c.add(c.fall(e), RuleFeedOrder, f, e, "event %d falls back behind position %d", e.N, pos)
		} else {
			pos = max(pos, p)
		}
		if e.Kind == PushSkipped {
			clear(last)
			known = false
		}
		if e.Kind != PushMessage {
			continue
		}
		conv := convOf(e.Conv)
		before, seen := last[conv]
		switch {
		case e.Seq == before && seen:
			c.add(Illegal, RuleFeedRepeat, f, e, "message %d of %v twice", e.Seq, e.Conv)
		case e.Seq < before:
			c.add(Illegal, RuleFeedOrder, f, e, "message %d of %v after %d", e.Seq, e.Conv, before)
		case seen || known:
			seq := c.nextDue(c.uid(f), place{conv, before + 1})
			for m := c.said(conv, seq); seq < e.Seq && m != nil && c.mayYetCome(c.uid(f), m); m = c.said(conv, seq) {
				seq = c.nextDue(c.uid(f), place{conv, seq + 1})
			}
			if seq < e.Seq {
				c.add(Illegal, RuleFeedGap, f, e, "message %d of %v is missing before %d", seq, e.Conv, e.Seq)
			}
		}
		last[conv] = max(before, e.Seq)
	}
}

// said is the message at a place of the certified log, if there is one.
func (c *feedCheck) said(conv convID, seq uint64) *posted {
	if c.l == nil {
		return nil
	}
	return c.l.find(place{conv, seq})
}

// fall is how bad it is that an event's position falls: without a certified log only the claim is
// known to be wrong.
func (c *feedCheck) fall(e *Event) Verdict {
	if c.l != nil && e.Kind == PushMessage {
		return Illegal
	}
	return PositionContract
}

// truePos is where the certified log has the message, or what the push claims.
func (c *feedCheck) truePos(e *Event) uint64 {
	if m := c.logged(e); m != nil && m.pos != 0 {
		return m.pos
	}
	return e.Pos
}

// logged finds the message in the certified log.
func (c *feedCheck) logged(e *Event) *posted {
	if c.l == nil || e.Kind != PushMessage {
		return nil
	}
	return c.l.find(place{convOf(e.Conv), e.Seq})
}

// nextDue is the first message from p on that no catch-up names.
func (c *feedCheck) nextDue(uid uint64, p place) uint64 {
	for {
		i := slices.IndexFunc(c.deferred[uid], func(e *Event) bool {
			return convOf(e.Conv) == p.conv && e.Seq <= p.seq && p.seq <= e.ToSeq
		})
		if i < 0 {
			return p.seq
		}
		p.seq = c.deferred[uid][i].ToSeq + 1
	}
}

func (c *feedCheck) isDeferred(uid uint64, p place) bool { return c.nextDue(uid, p) != p.seq }

// agreement demands that the log has the message, and the account is in the conversation.
func (c *feedCheck) agreement(f *feed, e *Event) {
	if c.meta.Positions == PositionsEvery && e.Pos == 0 {
		c.add(PositionContract, RuleMissingPos, f, e, "event %d has no position", e.N)
	}
	if e.Kind != PushMessage {
		return
	}
	conv := convOf(e.Conv)
	if uid := c.uid(f); uid != 0 && !conv.has(uid) || !conv.has(e.From) {
		c.add(Illegal, RuleFeedAgreement, f, e, "event %d is of %v, not of %d, by %d", e.N, e.Conv, c.uid(f), e.From)
		return
	}
	if c.l == nil {
		return
	}
	m := c.logged(e)
	switch {
	case m == nil && c.sent[e.Body] > 1:
		// one of several with this body, of which the log may have left this one out
	case m == nil:
		c.add(Illegal, RuleFeedAgreement, f, e, "event %d: the log has no message %d of %v", e.N, e.Seq, e.Conv)
	case m.body != e.Body || m.from != e.From:
		c.add(Illegal, RuleFeedAgreement, f, e, "event %d is %d:%s, in the log it is %d:%s", e.N, e.From, e.Body, m.from, m.body)
	case m.pos != 0 && e.Pos != 0 && m.pos != e.Pos:
		c.add(PositionContract, RuleFeedAgreement, f, e, "event %d stands at %d in the log", e.N, m.pos)
	}
}

// early demands that the send had begun.
func (c *feedCheck) early(f *feed, e *Event) {
	if e.Kind != PushMessage {
		return
	}
	begun := slices.ContainsFunc(c.senders[e.Body], func(o *operation) bool { return o.call <= c.later(e.T) })
	if !begun {
		c.add(Illegal, RuleFeedEarly, f, e, "%s was pushed, but nobody had sent it", e.Body)
	}
}

// pastEnd demands that nothing follows what closed or fenced the device.
func (c *feedCheck) pastEnd(f *feed, e *Event) {
	if c.l == nil {
		return
	}
	end, open := uint64(0), c.doubtful[f.dev]
	for _, s := range c.l.sessions[f.dev] {
		if s.call <= c.later(e.T) {
			open = open || s.end == 0 || s.guess
			end = max(end, s.end)
		}
	}
	switch pos := c.truePos(e); {
	case open:
	case end == 0:
		c.add(Illegal, RuleFeedEnd, f, e, "event %d for a device that was in no session", e.N)
	case pos > end:
		c.add(Illegal, RuleFeedEnd, f, e, "event %d, at %d, after the device's session ended at %d", e.N, pos, end)
	}
}

// gaps demands that between two events no message of the log is missing.
func (c *feedCheck) gaps(f *feed) {
	uid := c.uid(f)
	last, known := c.base(f)
	for _, e := range f.pushes {
		pos := c.truePos(e)
		if known && pos > last {
			if m := c.missing(uid, last, pos); m != nil {
				c.add(Illegal, RuleFeedGap, f, e, "%s, at %d, is missing before event %d", m.body, m.pos, e.N)
			}
		}
		last, known = max(last, pos), e.Kind != PushSkipped && (known || pos != 0)
	}
}

// base is the position of the event after which the stream begins, if known.
func (c *feedCheck) base(f *feed) (pos uint64, known bool) {
	if f.after == 0 {
		return 0, true
	}
	if e := c.events[c.uid(f)][f.after]; e != nil {
		return c.truePos(e), true
	}
	return 0, false
}

// missing returns a message of the account strictly between two positions, unless it is deferred.
func (c *feedCheck) missing(uid, from, to uint64) *posted {
	for _, m := range c.l.between(uid, from, to) {
		if !c.isDeferred(uid, m.place) && !c.mayYetCome(uid, m) {
			return m
		}
	}
	return nil
}

// mayYetCome says that a message may be deferred although no catch-up names it: what an account says
// itself waits while its queue is full, and if no stream of it was open when all had come to rest,
// nobody saw whether the catch-up came.
func (c *feedCheck) mayYetCome(uid uint64, m *posted) bool {
	return m.from == uid && !slices.ContainsFunc(c.feeds, func(f *feed) bool {
		return c.uid(f) == uid && c.drained != 0 && f.t <= c.drained && f.closed >= c.drained
	})
}

// complete demands that streams open when all had come to rest have everything.
func (c *feedCheck) complete(f *feed) {
	if c.drained == 0 || f.t > c.drained || f.closed < c.drained {
		return
	}
	sessions := c.l.sessions[f.dev]
	if len(sessions) == 0 || sessions[len(sessions)-1].end != 0 {
		return
	}
	uid := c.uid(f)
	last, known := c.base(f)
	reached := f.after
	for _, e := range f.pushes {
		last, known, reached = max(last, c.truePos(e)), true, e.N
	}
	due, first := uint64(0), (*posted)(nil)
	for _, m := range c.l.between(uid, 0, forever) {
		if m.op.call >= c.drained || c.isDeferred(uid, m.place) {
			continue
		}
		due++
		if known && m.pos > last && first == nil {
			first = m
		}
	}
	switch {
	case first != nil:
		c.add(Illegal, RuleFeedComplete, f, nil, "%s, at %d, never came", first.body, first.pos)
	case due > reached:
		c.add(Illegal, RuleFeedComplete, f, nil, "reached event %d, but the log has %d messages", reached, due)
	}
}

// cursors demands that a login's cursor never exceeds what was acknowledged before.
func (c *feedCheck) cursors() {
	if len(c.feeds) == 0 {
		return // not recorded
	}
	type mark struct{ t, n uint64 }
	acked := map[uint64][]mark{}
	for _, f := range c.feeds {
		uid := c.uid(f)
		acked[uid] = append(acked[uid], mark{c.earlier(f.t), f.after})
		for _, a := range f.acks {
			acked[uid] = append(acked[uid], mark{c.earlier(a.T), a.N})
		}
	}
	for _, o := range c.ops {
		if o.Op != OpLogin || !o.ok() {
			continue
		}
		top := uint64(0)
		for _, uid := range []uint64{0, o.ans.UID} { // 0: streams of which nobody knows whose they are
			for _, m := range acked[uid] {
				if m.t <= o.ret {
					top = max(top, m.n)
				}
			}
		}
		if o.ans.Cursor > top {
			c.r.add(Finding{Illegal, RuleCursor, ids(o), o.pos(), fmt.Sprintf(
				"%s got cursor %d, but only %d was acknowledged", o.name(), o.ans.Cursor, top)})
		}
	}
}

// find returns the message at a place.
func (l *ledger) find(p place) *posted {
	if i, ok := l.places[p]; ok {
		return i
	}
	return nil
}

// between returns an account's messages strictly between two positions.
func (l *ledger) between(uid, from, to uint64) []*posted {
	list := l.messages[uid]
	i := sort.Search(len(list), func(i int) bool { return list[i].pos > from })
	j := i + sort.Search(len(list)-i, func(j int) bool { return list[i+j].pos >= to })
	return list[i:j]
}
