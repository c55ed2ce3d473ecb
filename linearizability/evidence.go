package linearizability

// A place is where a message stands.
type place struct {
	conv convID
	seq  uint64
}

// A sighting is a message as an answer or a push showed it.
type sighting struct {
	place
	from uint64 // 0 if not shown
	body string
	pos  uint64
	op   *operation // that showed it; nil for a push
	t    uint64     // when at the latest it was there
}

// evidence is what answers and pushes say about each other, without any order.
type evidence struct {
	*record
	deviceUID map[string]uint64       // whose a device is
	signupOf  map[uint64]*operation   // by the uid that was answered
	places    map[place]sighting      // the earliest sighting of each
	bodies    map[string]sighting     // likewise, by body
	senders   map[string][]*operation // sends that may have had an effect, by body
	sent      map[string]int          // how many sends had this body, of all
	top       map[convID]uint64       // the highest number known to be taken
	filled    map[convID]uint64       // how many places up to there are known
}

func newEvidence(r *record) *evidence {
	ev := &evidence{
		record:    r,
		deviceUID: map[string]uint64{},
		signupOf:  map[uint64]*operation{},
		places:    map[place]sighting{},
		bodies:    map[string]sighting{},
		senders:   map[string][]*operation{},
		sent:      map[string]int{},
		top:       map[convID]uint64{},
		filled:    map[convID]uint64{},
	}
	for _, o := range r.ops {
		switch {
		case o.Op == OpSignup && o.ok():
			ev.signupOf[o.ans.UID] = o
			ev.deviceUID[o.Dev] = o.ans.UID
		case o.Op == OpLogin && o.ok():
			ev.deviceUID[o.Dev] = o.ans.UID
		case o.Op == OpSend && (o.ok() || o.unknown()):
			ev.senders[o.Body] = append(ev.senders[o.Body], o)
			ev.sent[o.Body]++
		case o.Op == OpSend:
			ev.sent[o.Body]++
		case o.Op == OpHistory && o.ok():
			conv := convOf(o.Conv)
			ev.top[conv] = max(ev.top[conv], o.ans.Last)
		}
	}
	for _, o := range r.denied {
		if o.Op == OpSend {
			ev.sent[o.Body]++
		}
	}
	r.eachSighting(ev.deviceUID, ev.collect)
	return ev
}

// eachSighting calls f for every message that was shown.
func (r *record) eachSighting(deviceUID map[string]uint64, f func(sighting)) {
	for _, o := range r.ops {
		switch {
		case !o.ok():
		case o.Op == OpSend:
			f(sighting{place{convOf(o.ans.Conv), o.ans.Seq}, deviceUID[o.Dev], o.Body, o.ans.Pos, o, o.ret})
		case o.Op == OpHistory:
			for _, row := range o.ans.Rows {
				f(sighting{place{convOf(o.Conv), row.Seq}, row.From, row.Body, row.Pos, o, o.ret})
			}
		}
	}
	for _, fd := range r.feeds {
		for _, e := range fd.pushes {
			if e.Kind == PushMessage {
				f(sighting{place{convOf(e.Conv), e.Seq}, e.From, e.Body, e.Pos, nil, r.later(e.T)})
			}
		}
	}
}

func (ev *evidence) collect(s sighting) {
	old, seen := ev.places[s.place]
	if !seen {
		ev.filled[s.conv]++
	}
	if !seen || s.t < old.t {
		ev.places[s.place] = s
	}
	if old, seen := ev.bodies[s.body]; !seen || s.t < old.t {
		ev.bodies[s.body] = s
	}
	ev.top[s.conv] = max(ev.top[s.conv], s.seq)
}

// resolve turns unknown outcomes into known ones where something shows them. That is what makes
// them cheap: an unknown that is left has to be searched over. It returns the commands that stay
// unknown and may have been left out of every order.
func (ev *evidence) resolve() (known, loose []*operation) {
	openers := map[string][]*operation{}
	for _, o := range ev.ops {
		if (o.Op == OpSignup || o.Op == OpLogin) && o.Dseq == 1 {
			openers[o.Dev] = append(openers[o.Dev], o)
		}
	}
	logins, signups := ev.byUID(), ev.unknownSignups()
	for _, o := range ev.ops {
		if !o.unknown() {
			known = append(known, o)
			continue
		}
		r := *o
		switch o.Op {
		case OpSend:
			ev.resolveSend(&r)
		case OpSignup:
			if same := signups[fold(o.Name)]; len(same) == 1 {
				ev.resolveSignup(&r, logins[fold(o.Name)])
			}
		}
		if len(openers[o.Dev]) == 1 && openers[o.Dev][0] == o {
			r.ret = min(r.ret, ev.firstSuccess(o.Dev))
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
	s, seen := ev.bodies[o.Body]
	if !seen || ev.sent[o.Body] != 1 || s.t < o.call {
		return
	}
	conv := s.conv[:]
	if conv[1] == 0 {
		conv = conv[:1]
	}
	o.ans = &Event{E: Resolved, ID: o.ID, T: s.t, Pos: s.pos, Conv: conv, Seq: s.seq}
	o.ret, o.settled = s.t, true
}

// byUID returns, by key, logins to accounts whose signup was not answered.
func (ev *evidence) byUID() map[string][]*operation {
	m := map[string][]*operation{}
	for _, o := range ev.ops {
		if o.Op == OpLogin && o.ok() && ev.signupOf[o.ans.UID] == nil {
			m[fold(o.Name)] = append(m[fold(o.Name)], o)
		}
	}
	return m
}

func (ev *evidence) unknownSignups() map[string][]*operation {
	m := map[string][]*operation{}
	for _, o := range ev.ops {
		if o.Op == OpSignup && o.unknown() {
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
	o.ans = &Event{E: Resolved, ID: o.ID, T: first.ret, UID: first.ans.UID}
	if ev.meta.Positions == PositionsEvery {
		o.ans.Pos = first.ans.UID
	}
	o.ret, o.settled = first.ret, true
}

// firstSuccess returns when a device is first known to have been open.
func (ev *evidence) firstSuccess(dev string) uint64 {
	t := uint64(forever)
	for _, o := range ev.ops {
		if o.Dev == dev && o.ok() {
			t = min(t, o.ret)
		}
	}
	return t
}
