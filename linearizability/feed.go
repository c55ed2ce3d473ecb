package linearizability

import (
	"encoding/binary"
	"fmt"
	"hash/maphash"
	"iter"
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

	tape          *tape // to unpack with
	pushed, acked packed
	last          push // that was packed
	ack           mark
}

// A push is an event that a feed delivered.
type push struct {
	T, N, Pos, Seq, From uint64
	Kind                 string
	ToSeq                uint64
	conv, body, kind     uint32 // numbers
	message              bool
}

// A mark is an acknowledgement: all up to n at t.
type mark struct{ t, n uint64 }

// packed is a list of small numbers, in short pieces.
type packed [][]byte

func (p *packed) add(b []byte) {
	n := len(*p)
	if n == 0 || cap((*p)[n-1])-len((*p)[n-1]) < len(b) {
		*p = append(*p, make([]byte, 0, max(len(b), min(64<<min(n, 5), 1<<11))))
		n++
	}
	(*p)[n-1] = append((*p)[n-1], b...)
}

// event takes what happens to a feed, and says whether it keeps it.
func (f *feed) event(l *line, h head) bool {
	switch h >> 4 {
	case kindPush:
		f.push(l, h&15)
		return true
	case kindAck:
		var room [2 * binary.MaxVarintLen64]byte
		b := binary.AppendUvarint(room[:0], l.T-f.ack.t)
		f.acked.add(binary.AppendVarint(b, int64(l.N-f.ack.n)))
		f.ack = mark{l.T, l.N}
		return true
	}
	f.closed = l.T
	return false
}

// The variants of a push; any other is 0.
const (
	pushMessage head = 1
	pushCatchUp head = 2
)

func (f *feed) push(l *line, variant head) {
	var room [9 * binary.MaxVarintLen64]byte
	b := binary.AppendUvarint(room[:0], l.T-f.last.T)
	b = binary.AppendVarint(b, int64(l.N-f.last.N))
	b = binary.AppendVarint(b, int64(l.Pos-f.last.Pos))
	f.last.T, f.last.N, f.last.Pos = l.T, l.N, l.Pos
	b = append(b, byte(variant))
	switch variant {
	case pushMessage:
		b = binary.AppendUvarint(b, uint64(l.no[cConv]))
		b = binary.AppendUvarint(b, l.Seq)
		b = binary.AppendUvarint(b, l.From)
		b = binary.AppendUvarint(b, uint64(l.no[cBody]))
	case pushCatchUp:
		b = binary.AppendUvarint(b, uint64(l.no[cConv]))
		b = binary.AppendUvarint(b, l.Seq)
		b = binary.AppendUvarint(b, l.ToSeq)
	default:
		b = binary.AppendUvarint(b, uint64(l.no[cKind]))
	}
	f.pushed.add(b)
}

// pushes goes through what the feed delivered. Each push is overwritten by the next.
func (f *feed) pushes() iter.Seq[*push] {
	return func(yield func(*push) bool) {
		p := &push{}
		for _, piece := range f.pushed {
			for in := (unpacker{b: piece}); in.at < len(in.b); {
				p.unpack(&in, f.tape.words)
				if !yield(p) {
					return
				}
			}
		}
	}
}

// unpack makes a push of the one before it.
func (p *push) unpack(in *unpacker, words *words) {
	*p = push{T: p.T + in.uint(), N: p.N + in.int(), Pos: p.Pos + in.int()}
	switch in.at++; head(in.b[in.at-1]) {
	case pushMessage:
		p.Kind, p.message = PushMessage, true
		p.conv, p.Seq, p.From, p.body = uint32(in.uint()), in.uint(), in.uint(), uint32(in.uint())
	case pushCatchUp:
		p.Kind = PushCatchUp
		p.conv, p.Seq, p.ToSeq = uint32(in.uint()), in.uint(), in.uint()
	default:
		p.kind = uint32(in.uint())
		p.Kind = words.at(p.kind)
	}
}

func (m *mark) unpack(in *unpacker) {
	m.t += in.uint()
	m.n += in.int()
}

// acks goes through what was acknowledged.
func (f *feed) acks() iter.Seq[mark] {
	return func(yield func(mark) bool) {
		m := mark{}
		for _, piece := range f.acked {
			for in := (unpacker{b: piece}); in.at < len(in.b); {
				m.unpack(&in)
				if !yield(m) {
					return
				}
			}
		}
	}
}

// body and conv are what a push shows.
func (f *feed) body(e *push) string { return f.tape.words.at(e.body) }
func (f *feed) conv(e *push) convID { return f.tape.ids[e.conv] }

// A feedCursor follows a feed as the chunks of its tape go by.
type feedCursor struct {
	f             *feed
	pushed, acked packedReader
	push          push
	ack           mark
}

func newFeedCursor(f *feed) feedCursor {
	return feedCursor{f: f, pushed: packedReader{left: f.pushed}, acked: packedReader{left: f.acked}}
}

// next fills in the next event of the feed, of which l has the head.
func (c *feedCursor) next(l *line) {
	l.Sub = c.f.sub
	if l.E == Ack {
		c.ack.unpack(c.acked.next())
		l.T, l.N = c.ack.t, c.ack.n
		return
	}
	p, words := &c.push, c.f.tape.words
	p.unpack(c.pushed.next(), words)
	l.T, l.N, l.Pos, l.Kind = p.T, p.N, p.Pos, p.Kind
	l.Seq, l.From, l.ToSeq, l.Body, l.Conv = p.Seq, p.From, p.ToSeq, words.at(p.body), c.f.tape.convs[p.conv]
	l.no[cConv], l.no[cBody], l.no[cKind] = p.conv, p.body, p.kind
}

// A packedReader is where somebody stands in a packed list.
type packedReader struct {
	left packed
	in   unpacker
}

func (r *packedReader) next() *unpacker {
	if r.in.at == len(r.in.b) {
		r.in, r.left = unpacker{b: r.left[0]}, r.left[1:]
	}
	return &r.in
}

// A feedCheck looks at the feeds of one history.
type feedCheck struct {
	*evidence
	l *ledger // nil if the order is not certified
	r *Report

	events   map[uint64]*firstEvents // by uid
	deferred map[uint64][]catchUp    // by uid
	doubtful map[string]bool         // devices that may have logged in without an answer
}

// A catchUp names messages that were deferred.
type catchUp struct {
	conv     convID
	from, to uint64
}

// firstEvents is what the streams of an account first showed under each number.
type firstEvents struct {
	ids  numbering
	list []firstEvent
}

// A firstEvent is known by a hash; two with one hash are taken for the same.
type firstEvent struct{ hash, pos, truePos, sub uint64 }

func (ev *evidence) checkFeeds(l *ledger, r *Report) {
	c := &feedCheck{ev, l, r, map[uint64]*firstEvents{}, map[uint64][]catchUp{}, map[string]bool{}}
	for _, o := range ev.ops {
		if o.Op == OpLogin && o.unknown() {
			c.doubtful[o.Dev] = true
		}
	}
	for _, f := range ev.feeds {
		uid := c.uid(f)
		for e := range f.pushes() {
			c.r.Stats.Pushes++
			c.same(f, uid, e)
			if e.Kind == PushCatchUp {
				c.deferred[uid] = append(c.deferred[uid], catchUp{f.conv(e), e.Seq, e.ToSeq})
			}
		}
	}
	for _, f := range ev.feeds {
		c.numbers(f)
		c.order(f)
		uid := c.uid(f)
		for e := range f.pushes() {
			c.agreement(f, uid, e)
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

func (c *feedCheck) add(v Verdict, rule string, f *feed, e *push, text string, args ...any) {
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
func (c *feedCheck) same(f *feed, uid uint64, e *push) {
	if uid == 0 || e.Kind == PushSkipped {
		return
	}
	first := c.events[uid]
	if first == nil {
		first = &firstEvents{}
		c.events[uid] = first
	}
	now := firstEvent{e.hash(), e.Pos, c.truePos(f, e), f.sub}
	i, seen := first.ids.get(e.N)
	if !seen {
		first.ids.put(e.N, uint32(len(first.list)))
		first.list = append(first.list, now)
		return
	}
	switch other := &first.list[i]; {
	case other.hash != now.hash:
		c.add(Illegal, RuleFeedAgreement, f, e, "event %d is another one in feed %d", e.N, other.sub)
	case other.pos != e.Pos:
		c.add(PositionContract, RuleFeedAgreement, f, e, "event %d stands at %d in feed %d", e.N, other.pos, other.sub)
	}
}

// hash is over what an event is, without its number and position.
func (e *push) hash() uint64 {
	h := mix(mix(uint64(e.conv), uint64(e.body)), e.Seq)
	return mix(mix(h, e.From), e.ToSeq) ^ maphash.String(seeds[0], e.Kind)
}

// numbers run after+1, after+2, ….
func (c *feedCheck) numbers(f *feed) {
	last := f.after
	for e := range f.pushes() {
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
	uid := c.uid(f)
	for e := range f.pushes() {
		if p := c.truePos(f, e); p != 0 && p < pos {
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
		conv := f.conv(e)
		before, seen := last[conv]
		switch {
		case e.Seq == before && seen:
			c.add(Illegal, RuleFeedRepeat, f, e, "message %d of %v twice", e.Seq, conv.uids())
		case e.Seq < before:
			c.add(Illegal, RuleFeedOrder, f, e, "message %d of %v after %d", e.Seq, conv.uids(), before)
		case seen || known:
			seq := c.nextDue(uid, place{conv, before + 1})
			for m := c.said(conv, seq); seq < e.Seq && m != nil && c.mayYetCome(uid, m); m = c.said(conv, seq) {
				seq = c.nextDue(uid, place{conv, seq + 1})
			}
			if seq < e.Seq {
				c.add(Illegal, RuleFeedGap, f, e, "message %d of %v is missing before %d", seq, conv.uids(), e.Seq)
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
func (c *feedCheck) fall(e *push) Verdict {
	if c.l != nil && e.Kind == PushMessage {
		return Illegal
	}
	return PositionContract
}

// truePos is where the certified log has the message, or what the push claims.
func (c *feedCheck) truePos(f *feed, e *push) uint64 {
	if m := c.logged(f, e); m != nil && m.pos != 0 {
		return m.pos
	}
	return e.Pos
}

// logged finds the message in the certified log.
func (c *feedCheck) logged(f *feed, e *push) *posted {
	if c.l == nil || e.Kind != PushMessage {
		return nil
	}
	return c.l.find(place{f.conv(e), e.Seq})
}

// nextDue is the first message from p on that no catch-up names.
func (c *feedCheck) nextDue(uid uint64, p place) uint64 {
	for {
		i := slices.IndexFunc(c.deferred[uid], func(d catchUp) bool {
			return d.conv == p.conv && d.from <= p.seq && p.seq <= d.to
		})
		if i < 0 {
			return p.seq
		}
		p.seq = c.deferred[uid][i].to + 1
	}
}

func (c *feedCheck) isDeferred(uid uint64, p place) bool { return c.nextDue(uid, p) != p.seq }

// agreement demands that the log has the message, and the account is in the conversation.
func (c *feedCheck) agreement(f *feed, uid uint64, e *push) {
	if c.meta.Positions == PositionsEvery && e.Pos == 0 {
		c.add(PositionContract, RuleMissingPos, f, e, "event %d has no position", e.N)
	}
	if e.Kind != PushMessage {
		return
	}
	conv, body := f.conv(e), f.body(e)
	if uid != 0 && !conv.has(uid) || !conv.has(e.From) {
		c.add(Illegal, RuleFeedAgreement, f, e, "event %d is of %v, not of %d, by %d", e.N, conv.uids(), uid, e.From)
		return
	}
	if c.l == nil {
		return
	}
	m := c.logged(f, e)
	switch {
	case m == nil && c.bodies[e.body].sent > 1:
		// one of several with this body, of which the log may have left this one out
	case m == nil:
		c.add(Illegal, RuleFeedAgreement, f, e, "event %d: the log has no message %d of %v", e.N, e.Seq, conv.uids())
	case m.body != body || m.from != e.From:
		c.add(Illegal, RuleFeedAgreement, f, e, "event %d is %d:%s, in the log it is %d:%s", e.N, e.From, body, m.from, m.body)
	case m.pos != 0 && e.Pos != 0 && m.pos != e.Pos:
		c.add(PositionContract, RuleFeedAgreement, f, e, "event %d stands at %d in the log", e.N, m.pos)
	}
}

// early demands that the send had begun.
func (c *feedCheck) early(f *feed, e *push) {
	if e.Kind != PushMessage {
		return
	}
	for o := range c.senders(e.body) {
		if o.call <= c.later(e.T) {
			return
		}
	}
	c.add(Illegal, RuleFeedEarly, f, e, "%s was pushed, but nobody had sent it", f.body(e))
}

// pastEnd demands that nothing follows what closed or fenced the device.
func (c *feedCheck) pastEnd(f *feed, e *push) {
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
	switch pos := c.truePos(f, e); {
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
	for e := range f.pushes() {
		pos := c.truePos(f, e)
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
	if first := c.events[c.uid(f)]; first != nil {
		if i, seen := first.ids.get(f.after); seen {
			return first.list[i].truePos, true
		}
	}
	return 0, false
}

// missing returns a message of the account strictly between two positions, unless it is deferred.
func (c *feedCheck) missing(uid, from, to uint64) *posted {
	for _, m := range c.l.between(uid, from, to) {
		if !c.isDeferred(uid, m.place()) && !c.mayYetCome(uid, m) {
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
	for e := range f.pushes() {
		last, known, reached = max(last, c.truePos(f, e)), true, e.N
	}
	due, first := uint64(0), (*posted)(nil)
	for _, m := range c.l.between(uid, 0, forever) {
		if m.op.call >= c.drained || c.isDeferred(uid, m.place()) {
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
	logins := map[uint64][]*operation{} // by uid, in order of return
	for _, o := range c.ops {
		if o.Op == OpLogin && o.ok() {
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
func (l *ledger) find(p place) *posted {
	if list := l.places[p.conv]; p.seq-1 < uint64(len(list)) {
		return &list[p.seq-1]
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
