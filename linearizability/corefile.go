package linearizability

import "slices"

// A coreWriter writes a core as a history: the folded operations one at a time, with the answers
// that the specification gives, then the rest as it overlapped.
type coreWriter struct {
	h   *History
	t   uint64
	ids map[uint64]bool // that have a process
}

func (w *coreWriter) emit(e Event) {
	w.t++
	e.T, e.Pos = w.t, 0
	e.Rows = slices.Clone(e.Rows)
	for i := range e.Rows {
		e.Rows[i].Pos = 0
	}
	w.h.Events = append(w.h.Events, e)
}

// call begins an operation, on a process of its own.
func (w *coreWriter) call(st *step) {
	e := st.event()
	w.ids[e.ID] = true
	e.P = uint64(len(w.ids))
	w.emit(e)
}

// answer ends it. One that was settled later had been unknown before.
func (w *coreWriter) answer(st *step, ans *Event) {
	if ans == nil || st.settled || st.optional {
		w.emit(Event{E: Info, ID: st.ID, Why: "not known"})
	}
	if ans == nil {
		return
	}
	e := *ans
	e.ID = st.ID
	switch {
	case st.settled || st.optional:
		e.E = Resolved
	case e.Code != "":
		e.E = Err
	default:
		e.E = OK
	}
	w.emit(e)
}

// recorded is the answer as it stands in the history; nil: there is none.
func (st *step) recorded() *Event {
	if st.unknown() {
		return nil
	}
	e := st.ans.event(st.operation)
	return &e
}

// history is a file that holds the core: kept are the folded steps that matter.
func (c *reduction) history(kept map[*step]bool) *History {
	meta := c.meta
	meta.Clock, meta.Positions, meta.Skew = ClockEvent, PositionsNone, 0
	w := &coreWriter{h: &History{Meta: meta}, ids: map[uint64]bool{}}
	c.replay(func(_ int, st *step, out outcome, _ bool) {
		if kept[st] {
			w.call(st)
			w.answer(st, c.told(st, out))
		}
	})
	for _, m := range moments(c.rest) {
		if m.ret {
			w.answer(m.st, m.st.recorded())
		} else {
			w.call(m.st)
		}
	}
	for _, st := range c.rest {
		switch {
		case st.ret != forever:
		case c.cutOff[st]:
			w.answer(st, nil)
		default:
			w.answer(st, st.recorded())
		}
	}
	if meta.Rules.Expiry == ExpiryLogged {
		for _, e := range c.expires {
			if dev := c.devices[e.device]; slices.Contains(c.sp.devices, dev) {
				w.h.Events = append(w.h.Events, Event{E: Entry, Op: OpExpire, Dev: dev})
			}
		}
	}
	w.h.End(w.t + 1)
	return w.h
}

// replay runs the folded order from the start; f sees the outcome of each step, and whether it
// changed anything.
func (c *reduction) replay(f func(i int, st *step, out outcome, changed bool)) *state {
	s := c.sp.initial()
	for i, st := range c.order {
		before := s.hash
		out, ok := c.sp.step(s, st)
		if !ok {
			panic("linearizability: a fold does not replay")
		}
		f(i, st, out, s.hash != before)
	}
	return s
}

// told is the answer to a folded step, or what it must have been if none was recorded. Only the
// uid of an account whose signup was never answered may stay unknown.
func (c *reduction) told(st *step, out outcome) *Event {
	if !st.optional {
		return st.recorded()
	}
	uid := func(acct int32) uint64 { return c.state.accounts[acct].uid }
	e := &Event{Code: out.code}
	if e.Code != "" {
		return e
	}
	switch st.op {
	case opSignup:
		e.UID = uid(st.account)
		if e.UID == 0 {
			return nil
		}
	case opLogin:
		e.UID, e.Epoch = uid(out.account), out.epoch
		if e.UID == 0 {
			return nil
		}
	case opSend:
		a, b := uid(out.author), uid(out.account)
		if min(a, b) == 0 {
			return nil
		}
		e.Conv, e.Seq = []uint64{min(a, b), max(a, b)}, uint64(out.last.seq)
		if a == b {
			e.Conv = e.Conv[:1]
		}
	}
	return e
}
