package linearizability

// A ledger is what the certified order amounts to for the feeds: the messages, and when each
// device was in session.
type ledger struct {
	s        *state                // at the end
	messages map[uint64][]*message // by uid of a member, in order of position, those that have one
	places   [][]*message          // by number of the conversation, then by number, from 1
	sessions [][]session           // by device
}

// A session of a device ends where it is closed or fenced.
type session struct {
	uid   uint64
	call  uint64 // when the signup or login that began it was called
	end   uint64 // position, or 0 if it lasts
	guess bool   // ended by an unknown command, which may as well stand elsewhere
}

// from is the uid of a message's author.
func (l *ledger) from(m *message) uint64 { return l.s.accounts[m.author].uid }

// place is where a message stands.
func (l *ledger) place(m *message) place { return place{l.conv(m), uint64(m.seq)} }

func (l *ledger) conv(m *message) convID {
	a, b := l.from(m), l.s.accounts[m.other].uid
	if a == b {
		return convID{a, 0}
	}
	return convID{min(a, b), max(a, b)}
}

// ledger is what was noted when the certified order was replayed. With unknown commands in it, it
// is replayed once more, from the start.
func (c *certificate) ledger() *ledger {
	if c.notes != nil {
		c.order = nil
		return c.notes.finish()
	}
	w := newLedgerWriter(c.record, c.sp, c.sp.initial())
	for i, st := range c.order {
		for _, j := range c.inserted[i] {
			w.guess = !c.loose[j].fixed
			w.step(c.loose[j].step, st.at)
		}
		w.guess = false
		w.step(st, st.at)
	}
	return w.finish()
}

func newLedgerWriter(r *record, sp *spec, s *state) *ledgerWriter {
	return &ledgerWriter{
		record: r, sp: sp,
		l:      &ledger{s: s, sessions: make([][]session, len(r.devices))},
		active: make([][]int32, len(sp.signups)),
	}
}

type ledgerWriter struct {
	*record
	sp     *spec
	l      *ledger
	active [][]int32        // by account: devices in session, by the record's numbers
	sent   blocks[*message] // those with a position, in order of it
	guess  bool             // the step was inserted where it happened to help
}

// step replays st. Its position, or that of the item before which it was inserted, is at.
func (w *ledgerWriter) step(st *step, at uint64) {
	account := w.account(st)
	out, ok := w.sp.step(w.l.s, st)
	if !ok {
		panic("linearizability: the certified order does not replay")
	}
	w.note(st, at, account, out)
}

// account is whose session a device has.
func (w *ledgerWriter) account(st *step) int32 {
	if d := w.l.s.devices[st.dev]; d.life == alive {
		return d.account
	}
	return nobody
}

// note notes what came of a step, before which its device was in a session of the account.
func (w *ledgerWriter) note(st *step, at uint64, account int32, out outcome) {
	if out.code != "" {
		return
	}
	switch st.op {
	case opSignup:
		w.begin(st, out.account)
	case opLogin:
		if w.sp.exclusive {
			w.end(out.account, nobody, at)
		} else {
			w.end(out.account, st.device, at)
		}
		w.begin(st, out.account)
	case opLogout:
		w.end(account, st.device, at)
	case opDelete:
		w.end(account, nobody, at)
	case opSend:
		if out.last.pos != 0 {
			w.sent.add(out.last)
		}
	}
}

func (w *ledgerWriter) begin(st *step, account int32) {
	list := &w.l.sessions[st.device]
	*list = append(*list, session{uid: w.l.s.accounts[account].uid, call: st.call})
	w.active[account] = append(w.active[account], st.device)
}

// end ends the session of one device, or of all.
func (w *ledgerWriter) end(account, device int32, at uint64) {
	var left []int32
	for _, d := range w.active[account] {
		if device != nobody && d != device {
			left = append(left, d)
			continue
		}
		list := w.l.sessions[d]
		list[len(list)-1].end, list[len(list)-1].guess = at, w.guess
	}
	w.active[account] = left
}

// finish lists the messages: accounts' uids may have been learnt late.
func (w *ledgerWriter) finish() *ledger {
	l := w.l
	no := make(map[convID]int, len(w.convs))
	for i, conv := range w.convs {
		no[conv] = i
	}
	l.places = make([][]*message, len(w.convs))
	counts := map[uint64]int{} // by uid
	for _, last := range l.s.convs {
		if last == nil {
			continue
		}
		conv := l.conv(last)
		for _, uid := range conv.uids() {
			counts[uid] += int(last.seq)
		}
		if i, shown := no[conv]; shown {
			l.places[i] = make([]*message, last.seq)
			for m := last; m != nil; m = m.prev {
				l.places[i][m.seq-1] = m
			}
		}
	}
	l.messages = make(map[uint64][]*message, len(counts))
	for uid, n := range counts {
		l.messages[uid] = make([]*message, 0, n)
	}
	for i := range w.sent.len() {
		m := *w.sent.at(i)
		for _, uid := range l.conv(m).uids() {
			l.messages[uid] = append(l.messages[uid], m)
		}
	}
	return l
}
