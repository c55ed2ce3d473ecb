package linearizability

import (
	"errors"
	"fmt"
	"slices"
)

// A problem says what is wrong with one event, and in which field.
type problem struct{ field, text string }

var none problem

func (p problem) err() error {
	switch {
	case p == none:
		return nil
	case p.field == "":
		return errors.New(p.text)
	}
	return fmt.Errorf("%s: %s", p.field, p.text)
}

func (m *metaLine) valid() error {
	words := []struct {
		field, got string
		want       []string
	}{
		{"e", m.e, []string{"meta"}},
		{"format", m.format, []string{Format}},
		{"clock", m.Clock, []string{ClockEvent, ClockMono}},
		{"positions", m.Positions, []string{PositionsEvery, PositionsNone}},
		{"rules.login", m.Rules.Login, []string{LoginExclusive, LoginMulti}},
		{"rules.expiry", m.Rules.Expiry, []string{ExpiryNever, ExpiryLogged, ExpiryAny}},
	}
	for _, w := range words {
		if !slices.Contains(w.want, w.got) {
			return fmt.Errorf("meta: %s is %q, not one of %q", w.field, w.got, w.want)
		}
	}
	if m.version != Version {
		return fmt.Errorf("meta: version is %d, not %d", m.version, Version)
	}
	return nil
}

// A validator follows a history event by event and says which one cannot be: an answer without a
// call, an id twice, a clock going back. Both Read and Check use it, so that a history built in
// memory is held to the same.
type validator struct {
	meta  Meta
	t     uint64
	any   bool // t has been set
	ended bool
	ids   numbering // id → call
	calls blocks[call]
	procs numbering // process → its last call
	subs  numbering // feed → its place in feeds
	feeds []feedState
}

// A call is where an operation stands.
type call struct {
	id      uint64
	opNo    head
	state   callState
	retired bool // its process is: it was unknown once, and nothing frees it
}

func (c *call) op() Op {
	if int(c.opNo) < len(ops) {
		return ops[c.opNo]
	}
	return ""
}

type callState uint8

const (
	callOpen callState = iota
	callUnknown
	callDone
)

type feedState struct {
	stored uint64 // the highest event number pushed, or attached after
	closed bool
}

func newValidator(m Meta) validator {
	return validator{meta: m}
}

func (v *validator) call(id uint64) *call {
	if i, known := v.ids.get(id); known {
		return v.calls.at(int(i))
	}
	return nil
}

func (v *validator) opOf(id uint64) Op {
	if c := v.call(id); c != nil {
		return c.op()
	}
	return ""
}

func (v *validator) event(e *Event) problem {
	if v.ended {
		return problem{"e", "event after the end"}
	}
	if p := v.time(e); p != none {
		return p
	}
	if p := v.values(e); p != none {
		return p
	}
	switch e.E {
	case Inv:
		return v.inv(e)
	case OK, Err, Fail, Info, Resolved, Try:
		return v.answer(e)
	case Sub, Push, Ack, Close:
		return v.feed(e)
	case End:
		v.ended = true
	}
	return none
}

func (v *validator) time(e *Event) problem {
	if e.E == Entry {
		return none
	}
	if v.any && e.T < v.t {
		return problem{"t", fmt.Sprintf("%d after %d: time goes back", e.T, v.t)}
	}
	if v.any && e.T == v.t && v.meta.Clock == ClockEvent {
		return problem{"t", fmt.Sprintf("%d twice: an event clock rises strictly", e.T)}
	}
	v.t, v.any = e.T, true
	return none
}

// values checks what a field may hold beyond its type.
func (v *validator) values(e *Event) problem {
	if v.meta.Positions == PositionsNone {
		if e.Pos != 0 || slices.ContainsFunc(e.Rows, func(r Row) bool { return r.Pos != 0 }) {
			return problem{"pos", "a position in a history without positions"}
		}
	} else if e.E == Entry && e.Pos == 0 {
		return problem{"pos", "missing"}
	}
	if len(e.Conv) > 2 {
		return problem{"conv", "more than two members: rooms cannot be judged yet"}
	}
	for i, uid := range e.Conv {
		if i > 0 && uid <= e.Conv[i-1] {
			return problem{"conv", "not sorted"}
		}
	}
	hasConv := e.E == Inv && e.Op == OpHistory ||
		e.E == Push && (e.Kind == PushMessage || e.Kind == PushCatchUp) ||
		(e.E == OK || e.E == Resolved && e.Code == "" && !e.Never) && v.opOf(e.ID) == OpSend
	if hasConv && len(e.Conv) == 0 {
		return problem{"conv", "empty"}
	}
	if e.E == Err && e.Code == "" {
		return problem{"code", "empty"}
	}
	return none
}

func (v *validator) inv(e *Event) problem {
	if v.call(e.ID) != nil {
		return problem{"id", fmt.Sprintf("%d twice", e.ID)}
	}
	if last, any := v.procs.get(e.P); any {
		if open := v.calls.at(int(last)); open.state == callOpen || open.retired {
			return problem{"p", fmt.Sprintf("process %d still has operation %d", e.P, open.id)}
		}
	}
	no := uint32(v.calls.len())
	v.ids.put(e.ID, no)
	v.procs.put(e.P, no)
	v.calls.add(call{id: e.ID, opNo: opNo(e.Op)})
	return none
}

func (v *validator) answer(e *Event) problem {
	c := v.call(e.ID)
	want := callOpen
	if e.E == Resolved {
		want = callUnknown
	}
	switch {
	case c == nil:
		return problem{"id", fmt.Sprintf("no call %d to answer", e.ID)}
	case e.E == Try:
		return none
	case c.state == callDone:
		return problem{"id", fmt.Sprintf("operation %d has its answer already", e.ID)}
	case c.state != want:
		return problem{"e", fmt.Sprintf("%s for operation %d, which is not %s", e.E, e.ID, stateName(want))}
	}
	switch e.E {
	case Info:
		c.state, c.retired = callUnknown, true
	default:
		c.state = callDone
	}
	return none
}

func stateName(s callState) string { return [...]string{"open", "unknown", "done"}[s] }

func (v *validator) feed(e *Event) problem {
	no, known := v.subs.get(e.Sub)
	switch {
	case e.E == Sub && known:
		return problem{"sub", fmt.Sprintf("%d twice", e.Sub)}
	case e.E == Sub:
		v.subs.put(e.Sub, uint32(len(v.feeds)))
		v.feeds = append(v.feeds, feedState{stored: e.After})
		return none
	case !known:
		return problem{"sub", fmt.Sprintf("no feed %d", e.Sub)}
	}
	switch f := &v.feeds[no]; {
	case f.closed:
		return problem{"sub", fmt.Sprintf("feed %d is closed", e.Sub)}
	case e.E == Push:
		f.stored = max(f.stored, e.N)
	case e.E == Ack && e.N > f.stored:
		return problem{"n", fmt.Sprintf("stored %d, but feed %d reached %d", e.N, e.Sub, f.stored)}
	case e.E == Close:
		f.closed = true
	}
	return none
}
