package linearizability

import "slices"

// A ledger is what the certified order amounts to for the feeds: the messages, and when each
// device was in session.
type ledger struct {
	messages map[uint64][]*posted // by uid of a member, in order of position, those that have one
	places   map[convID][]posted  // by number, from 1
	sessions map[string][]session
}

// A posted message has its position, or 0 if it is an unknown one that only helps the replay.
type posted struct {
	*message
	conv *convID
	from uint64
}

func (m *posted) place() place { return place{*m.conv, m.seq} }

// A session of a device ends where it is closed or fenced.
type session struct {
	uid   uint64
	call  uint64 // when the signup or login that began it was called
	end   uint64 // position, or 0 if it lasts
	guess bool   // ended by an unknown command, which may as well stand elsewhere
}

// ledger is what was noted when the certified order was replayed. With unknown commands in it, it
// is replayed once more, from the start.
func (c *certificate) ledger() *ledger {
	if c.notes != nil {
		c.order = nil
		return c.notes.finish()
	}
	w := newLedgerWriter(c.sp, c.sp.initial())
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

func newLedgerWriter(sp *spec, s *state) *ledgerWriter {
	return &ledgerWriter{
		sp: sp, s: s,
		l: &ledger{
			messages: map[uint64][]*posted{},
			places:   map[convID][]posted{},
			sessions: map[string][]session{},
		},
		active: map[int32][]int32{},
	}
}

func (w *ledgerWriter) finish() *ledger {
	for i, m := range w.sent {
		w.post(m, w.pairs[i])
	}
	w.index()
	return w.l
}

type ledgerWriter struct {
	sp     *spec
	s      *state
	l      *ledger
	active map[int32][]int32 // account → devices in session
	sent   []*message        // accounts' uids may be learnt later
	pairs  [][2]int32        // of the message in sent
	guess  bool              // the step was inserted where it happened to help
}

// step replays st. Its position, or that of the item before which it was inserted, is at.
func (w *ledgerWriter) step(st *step, at uint64) {
	account := w.account(st)
	out, ok := w.sp.step(w.s, st)
	if !ok {
		panic("linearizability: the certified order does not replay")
	}
	w.note(st, at, account, out)
}

// account is whose session a device has.
func (w *ledgerWriter) account(st *step) int32 {
	if d := w.s.devices[st.dev]; d.life == alive {
		return d.account
	}
	return nobody
}

// note notes what came of a step, before which its device was in a session of the account.
func (w *ledgerWriter) note(st *step, at uint64, account int32, out outcome) {
	if out.code != "" {
		return
	}
	switch st.Op {
	case OpSignup:
		w.begin(st, out.account)
	case OpLogin:
		if w.sp.exclusive {
			w.end(out.account, nobody, at)
		} else {
			w.end(out.account, st.dev, at)
		}
		w.begin(st, out.account)
	case OpLogout:
		w.end(account, st.dev, at)
	case OpDelete:
		w.end(account, nobody, at)
	case OpSend:
		w.sent = append(w.sent, out.last)
		w.pairs = append(w.pairs, [2]int32{out.author, out.account})
	}
}

func (w *ledgerWriter) begin(st *step, account int32) {
	uid := w.s.accounts[account].uid
	w.l.sessions[st.Dev] = append(w.l.sessions[st.Dev], session{uid: uid, call: st.call})
	w.active[account] = append(w.active[account], st.dev)
}

// end ends the session of one device, or of all.
func (w *ledgerWriter) end(account, dev int32, at uint64) {
	var left []int32
	for _, d := range w.active[account] {
		if dev != nobody && d != dev {
			left = append(left, d)
			continue
		}
		list := w.l.sessions[w.sp.devices[d]]
		list[len(list)-1].end, list[len(list)-1].guess = at, w.guess
	}
	w.active[account] = left
}

func (w *ledgerWriter) post(m *message, pair [2]int32) {
	a, b := w.s.accounts[pair[0]].uid, w.s.accounts[pair[1]].uid
	conv := convID{min(a, b), max(a, b)}
	if a == b {
		conv[1] = 0
	}
	if list := w.l.places[conv]; len(list) > 0 {
		w.l.places[conv] = append(list, posted{m, list[0].conv, a})
		return
	}
	w.l.places[conv] = []posted{{m, &conv, a}}
}

// index lists the messages by member.
func (w *ledgerWriter) index() {
	for conv, list := range w.l.places {
		for i := range list {
			if list[i].pos == 0 {
				continue
			}
			w.l.messages[conv[0]] = append(w.l.messages[conv[0]], &list[i])
			if conv[1] != 0 {
				w.l.messages[conv[1]] = append(w.l.messages[conv[1]], &list[i])
			}
		}
	}
	for _, list := range w.l.messages {
		slices.SortFunc(list, func(a, b *posted) int { return compare(a.pos, b.pos) })
	}
}
