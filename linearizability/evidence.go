package linearizability

import (
	"iter"
	"slices"
)

// A place is where a message stands.
type place struct {
	conv convID
	seq  uint64
}

// A sighting is a message as an answer or a push showed it.
type sighting struct {
	seq  uint64
	from uint64 // 0 if not shown
	pos  uint64
	t    uint64     // when at the latest it was there
	op   *operation // that showed it; nil for a push
	conv uint32     // number of the conversation; 0: no sighting at all
	body uint32     // number of the word
}

// evidence is what answers and pushes say about each other, without any order.
type evidence struct {
	*record
	deviceUID []uint64              // by device: whose it is, or 0
	signupOf  map[uint64]*operation // by the uid that was answered
	shown     []shownConv           // by number of the conversation
	bodies    []bodyEvidence        // by number of the word
	others    map[uint32][]*operation
	disputed  bool                // some place has two bodies or authors, or a body two places
	odd       map[uint32]sighting // of bodies that are not what was first seen at their place
	known     []*operation        // see resolve
	loose     []*operation
	top       map[convID]uint64 // the highest number known to be taken
	filled    map[convID]uint64 // how many places up to there are known
}

// shownConv has the earliest sighting of each place of a conversation.
type shownConv struct {
	dense       []sighting // by number, from 1
	far         map[uint64]sighting
	top, filled uint64
}

// bodyEvidence is what is known of one body.
type bodyEvidence struct {
	seq    uint64     // where it was first seen …
	conv   uint32     // … if anywhere; else 0
	sent   int32      // how many sends had this body, of all
	sender *operation // a send that may have had an effect; more are in others
}

func newEvidence(r *record) *evidence {
	ev := &evidence{
		record:    r,
		deviceUID: make([]uint64, len(r.devices)),
		signupOf:  map[uint64]*operation{},
		shown:     make([]shownConv, len(r.convs)),
		bodies:    make([]bodyEvidence, r.words.len()),
		others:    map[uint32][]*operation{},
		odd:       map[uint32]sighting{},
		top:       map[convID]uint64{},
		filled:    map[convID]uint64{},
	}
	for _, o := range r.ops {
		switch {
		case o.op == opSignup && o.ok():
			ev.signupOf[o.ans.UID] = o
			ev.deviceUID[o.device] = o.ans.UID
		case o.op == opLogin && o.ok():
			ev.deviceUID[o.device] = o.ans.UID
		case o.op == opSend && (o.ok() || o.unknown()):
			ev.sender(o)
			ev.bodies[o.body].sent++
			if o.ok() {
				ev.shown[o.ans.conv].filled++ // for now: how many to expect
			}
		case o.op == opSend:
			ev.bodies[o.body].sent++
		case o.op == opHistory && o.ok():
			conv := convOf(o.Conv)
			ev.top[conv] = max(ev.top[conv], o.ans.Last)
		}
	}
	for _, o := range r.denied {
		if o.op == opSend {
			ev.bodies[o.body].sent++
		}
	}
	for i := range ev.shown {
		c := &ev.shown[i]
		c.dense, c.filled = make([]sighting, 0, c.filled), 0
	}
	ev.eachSighting(ev.collect)
	for i, id := range r.convs {
		if c := &ev.shown[i]; c.top > 0 || c.filled > 0 {
			ev.top[id], ev.filled[id] = max(ev.top[id], c.top), c.filled
		}
	}
	return ev
}

func (ev *evidence) sender(o *operation) {
	if b := &ev.bodies[o.body]; b.sender == nil {
		b.sender = o
	} else {
		ev.others[o.body] = append(ev.others[o.body], o)
	}
}

// senders goes through the sends of a body that may have had an effect.
func (ev *evidence) senders(body uint32) iter.Seq[*operation] {
	return func(yield func(*operation) bool) {
		if o := ev.bodies[body].sender; o == nil || !yield(o) {
			return
		}
		for _, o := range ev.others[body] {
			if !yield(o) {
				return
			}
		}
	}
}

// at is where a place's sighting is kept. Numbers far beyond what was seen do not make it grow.
func (c *shownConv) at(seq uint64) *sighting {
	if i := seq - 1; i < uint64(len(c.dense)) {
		return &c.dense[i]
	} else if i < uint64(cap(c.dense)) || i < 2*c.filled+64 {
		for uint64(len(c.dense)) <= i {
			c.dense = append(c.dense, c.far[uint64(len(c.dense))+1])
		}
		return &c.dense[i]
	}
	return nil
}

// earliest is the earliest sighting of a place.
func (ev *evidence) earliest(conv uint32, seq uint64) sighting {
	c := &ev.shown[conv]
	if i := seq - 1; i < uint64(len(c.dense)) {
		return c.dense[i]
	}
	return c.far[seq]
}

// first is the earliest sighting of a body, if there is one.
func (ev *evidence) first(body uint32) sighting {
	b := &ev.bodies[body]
	if b.conv == 0 {
		return sighting{}
	}
	if odd, is := ev.odd[body]; is {
		return odd
	}
	return ev.earliest(b.conv, b.seq)
}

// eachSighting calls f for every message that was shown.
func (ev *evidence) eachSighting(f func(*sighting)) {
	var s sighting
	for _, o := range ev.ops {
		if o.op == opSend && o.ok() {
			s = sighting{o.ans.Seq, ev.deviceUID[o.device], o.ans.Pos, o.ret, o, o.ans.conv, o.body}
			f(&s)
		}
	}
	ev.eachRow(f)
	for _, fd := range ev.feeds {
		for e := range fd.pushes() {
			if e.variant == pushMessage {
				s = sighting{e.Seq, e.From, e.Pos, ev.later(e.T), nil, e.conv, e.body}
				f(&s)
			}
		}
	}
}

// eachRow calls f for every message that a read showed.
func (ev *evidence) eachRow(f func(*sighting)) {
	for _, o := range ev.ops {
		if o.op != opHistory || !o.ok() {
			continue
		}
		for i := range o.ans.Rows {
			row := &o.ans.Rows[i]
			f(&sighting{row.Seq, row.From, row.Pos, o.ret, o, o.conv, o.ans.words[i]})
		}
	}
}

func (ev *evidence) collect(s *sighting) {
	c := &ev.shown[s.conv]
	at := c.at(s.seq)
	old := sighting{}
	if at != nil {
		old = *at
	} else {
		old = c.far[s.seq]
	}
	first := ev.first(s.body)
	switch {
	case old.conv == 0:
		c.filled++
	case old.body != s.body || old.from != s.from:
		ev.disputed = true
	}
	if first.conv != 0 && (first.conv != s.conv || first.seq != s.seq) {
		ev.disputed = true
	}
	if old.conv == 0 || s.t < old.t {
		ev.displace(&old)
		if at != nil {
			*at = *s
		} else {
			if c.far == nil {
				c.far = map[uint64]sighting{}
			}
			c.far[s.seq] = *s
		}
	}
	if first.conv == 0 || s.t < first.t {
		b := &ev.bodies[s.body]
		b.conv, b.seq = s.conv, s.seq
		if delete(ev.odd, s.body); ev.earliest(s.conv, s.seq) != *s {
			ev.odd[s.body] = *s
		}
	}
	c.top = max(c.top, s.seq)
}

// displace remembers the first sighting of a body, which is about to be no more that of its place.
func (ev *evidence) displace(s *sighting) {
	if b := &ev.bodies[s.body]; s.conv != 0 && b.conv == s.conv && b.seq == s.seq {
		if _, is := ev.odd[s.body]; !is {
			ev.odd[s.body] = *s
		}
	}
}

// resolve turns unknown outcomes into known ones where something shows them. That is what makes
// them cheap: an unknown that is left has to be searched over. It returns the commands that stay
// unknown and may have been left out of every order. What was shown is forgotten then. The lists
// are shared: append to them, but change nothing in them.
func (ev *evidence) resolve() (known, loose []*operation) {
	if ev.shown != nil {
		ev.known, ev.loose = ev.resolveAll()
		ev.shown, ev.odd = nil, nil
	}
	return slices.Clip(ev.known), slices.Clip(ev.loose)
}

func (ev *evidence) resolveAll() (known, loose []*operation) {
	if !slices.ContainsFunc(ev.ops, (*operation).unknown) {
		return ev.ops, nil
	}
	known = make([]*operation, 0, len(ev.ops))
	openers := map[int32][]*operation{}
	for _, o := range ev.ops {
		if (o.op == opSignup || o.op == opLogin) && o.Dseq == 1 {
			openers[o.device] = append(openers[o.device], o)
		}
	}
	logins, signups, opened := ev.byUID(), ev.unknownSignups(), ev.firstSuccesses()
	for _, o := range ev.ops {
		if !o.unknown() {
			known = append(known, o)
			continue
		}
		r := *o
		switch o.op {
		case opSend:
			ev.resolveSend(&r)
		case opSignup:
			if same := signups[fold(o.Name)]; len(same) == 1 {
				ev.resolveSignup(&r, logins[fold(o.Name)])
			}
		}
		if len(openers[o.device]) == 1 && openers[o.device][0] == o {
			if t, ok := opened[o.device]; ok {
				r.ret = min(r.ret, t)
			}
		}
		if r.ret == forever {
			loose = append(loose, o)
		} else {
			known = append(known, &r)
		}
	}
	return known, loose
}

// resolveSend takes the result of an unknown send from whatever showed its body.
func (ev *evidence) resolveSend(o *operation) {
	s := ev.first(o.body)
	if s.conv == 0 || ev.bodies[o.body].sent != 1 || s.t < o.call {
		return
	}
	conv := ev.convs[s.conv][:]
	if conv[1] == 0 {
		conv = conv[:1]
	}
	o.ans = answer{&answerDetails{Conv: conv, conv: s.conv}, s.pos, s.seq}
	o.ret, o.settled = s.t, true
}

// byUID returns, by key, logins to accounts whose signup was not answered.
func (ev *evidence) byUID() map[string][]*operation {
	m := map[string][]*operation{}
	for _, o := range ev.ops {
		if o.op == opLogin && o.ok() && ev.signupOf[o.ans.UID] == nil {
			m[fold(o.Name)] = append(m[fold(o.Name)], o)
		}
	}
	return m
}

func (ev *evidence) unknownSignups() map[string][]*operation {
	m := map[string][]*operation{}
	for _, o := range ev.ops {
		if o.op == opSignup && o.unknown() {
			m[fold(o.Name)] = append(m[fold(o.Name)], o)
		}
	}
	return m
}

// resolveSignup takes the uid of the only unknown signup of a name from logins to that name.
func (ev *evidence) resolveSignup(o *operation, logins []*operation) {
	if len(logins) == 0 {
		return
	}
	first := logins[0]
	for _, l := range logins {
		if l.ans.UID != first.ans.UID {
			return
		}
		if l.ret < first.ret {
			first = l
		}
	}
	if first.ret < o.call {
		return
	}
	o.ans = answer{answerDetails: &answerDetails{UID: first.ans.UID}}
	if ev.meta.Positions == PositionsEvery {
		o.ans.Pos = first.ans.UID
	}
	o.ret, o.settled = first.ret, true
}

// firstSuccesses returns when devices with an unknown first contact are first known to have been
// open.
func (ev *evidence) firstSuccesses() map[int32]uint64 {
	first := map[int32]uint64{}
	for _, o := range ev.ops {
		if o.unknown() && (o.op == opSignup || o.op == opLogin) && o.Dseq == 1 {
			first[o.device] = forever
		}
	}
	if len(first) == 0 {
		return first
	}
	for _, o := range ev.ops {
		if t, asked := first[o.device]; asked && o.ok() {
			first[o.device] = min(t, o.ret)
		}
	}
	return first
}
