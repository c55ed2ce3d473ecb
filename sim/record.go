package sim

import (
	"slices"

	"parley/core/chat"
	"parley/core/raft"
	"parley/core/replica"
	"parley/core/session"
	lin "parley/linearizability"
)

// recorder writes the history that the judge reads. It stamps with a counter of its own, never with
// virtual time: equal stamps would mean "concurrent" and quietly weaken the verdict.
type recorder struct {
	h     lin.History
	t     uint64
	ops   uint64
	procs uint64
	subs  uint64

	// A long history goes to a file as it grows, and h holds only its end.
	out     *lin.Encoder
	written int          // events that have left h
	waiting []*operation // called, perhaps without a number yet; in order. What follows stays in h
	err     error
}

// keepEvents is how many events a recorder with a file lets gather.
const keepEvents = 1 << 12

func (r *recorder) stamp() uint64 { r.t++; return r.t }

func (r *recorder) add(e lin.Event) int {
	e.T = r.stamp()
	return r.put(e)
}

func (r *recorder) put(e lin.Event) int {
	if r.out != nil && len(r.h.Events) >= keepEvents {
		r.flush()
	}
	r.h.Events = append(r.h.Events, e)
	return r.written + len(r.h.Events) - 1
}

func (r *recorder) event(place int) *lin.Event { return &r.h.Events[place-r.written] }

// flush writes what cannot change any more: all before the first call that still waits for its
// number.
func (r *recorder) flush() {
	end := r.written + len(r.h.Events)
	for len(r.waiting) > 0 && (r.waiting[0].done || r.event(r.waiting[0].inv).Dseq != 0) {
		r.waiting = r.waiting[1:]
	}
	if len(r.waiting) > 0 {
		end = r.waiting[0].inv
	}
	r.write(end)
}

func (r *recorder) write(end int) {
	ready := end - r.written
	for _, e := range r.h.Events[:ready] {
		if err := r.out.Encode(e); err != nil && r.err == nil {
			r.err = err
		}
	}
	r.h.Events = append(r.h.Events[:0], r.h.Events[ready:]...)
	r.written = end
}

// operation is one logical request of a client, from its first attempt to its definite answer.
type operation struct {
	id   uint64
	inv  int // place of its inv among the events
	proc uint64
	kind lin.Op
	info bool // recorded as unknown
	done bool
}

// begin records that an operation is called. Which number it gets is filled in later.
func (r *recorder) begin(proc uint64, e lin.Event) *operation {
	r.ops++
	e.E, e.ID, e.P = lin.Inv, r.ops, proc
	o := &operation{id: r.ops, inv: r.add(e), proc: proc, kind: e.Op}
	if r.out != nil && e.Op != lin.OpHistory && e.Op != lin.OpList {
		r.waiting = append(r.waiting, o)
	}
	return o
}

// number notes which number a call got. An operation that has one keeps it.
func (r *recorder) number(o *operation, dseq uint64) {
	if o.inv >= r.written {
		r.event(o.inv).Dseq = dseq
	}
}

func (r *recorder) fail(o *operation, why string) {
	if !o.done && !o.info {
		o.done = true
		r.add(lin.Event{E: lin.Fail, ID: o.id, Why: why})
	}
}

func (r *recorder) unknown(o *operation, why string) {
	if !o.done && !o.info {
		o.info = true
		r.add(lin.Event{E: lin.Info, ID: o.id, Why: why})
	}
}

// answer records what a server said about a command or a read, decided in the log or by a read.
func (r *recorder) answer(o *operation, reply *replica.Reply) {
	if o.done {
		return
	}
	o.done = true
	e := lin.Event{E: lin.OK, ID: o.id, Pos: uint64(reply.Pos.Index)}
	switch {
	case reply.Class == session.Rejected || reply.Code != "":
		e.E, e.Code = lin.Err, reply.Code
	default:
		results(&e, o.kind, reply)
	}
	if o.info {
		e.E = lin.Resolved
	}
	r.add(e)
}

// never records that an operation of unknown outcome cannot take effect any more.
func (r *recorder) never(o *operation) {
	if o.done {
		return
	}
	if !o.info {
		r.fail(o, "voided")
		return
	}
	o.done = true
	r.add(lin.Event{E: lin.Resolved, ID: o.id, Never: true})
}

func results(e *lin.Event, op lin.Op, reply *replica.Reply) {
	res := &reply.Result
	switch op {
	case lin.OpSignup:
		e.UID = uint64(res.UID)
	case lin.OpLogin:
		e.UID, e.Epoch, e.Cursor = uint64(res.UID), res.Epoch, res.Cursor
	case lin.OpSend:
		e.Conv, e.Seq = pair(res.Members), res.Seq
	case lin.OpList:
		e.Names, e.More = reply.Page.Names, reply.Page.More
	case lin.OpHistory:
		e.Last = reply.Thread.Last
		for _, m := range reply.Thread.Messages {
			e.Rows = append(e.Rows, lin.Row{Seq: m.Seq, Pos: m.Index, From: uint64(m.Author), Body: m.Body})
		}
	}
}

// pair lists the uids of a conversation; one who talks to himself is alone in it.
func pair(members [2]chat.UID) []uint64 {
	return slices.Compact([]uint64{uint64(members[0]), uint64(members[1])})
}

// end closes the history. Its lines are counted from the meta line on.
func (r *recorder) end() {
	r.add(lin.Event{E: lin.End, Lines: uint64(r.written+len(r.h.Events)) + 1})
}

func (r *recorder) phase(name string) { r.add(lin.Event{E: lin.Phase, Name: name}) }

func (r *recorder) fault(f Fault) {
	e := r.event(r.add(lin.Event{E: lin.Fault, Kind: string(f.Kind), On: string(f.On)}))
	e.Until = e.T
}

func (r *recorder) sub(dev string, after uint64) uint64 {
	r.subs++
	r.add(lin.Event{E: lin.Sub, Sub: r.subs, Dev: dev, After: after})
	return r.subs
}

func (r *recorder) ack(sub, n uint64) { r.add(lin.Event{E: lin.Ack, Sub: sub, N: n}) }

func (r *recorder) close(sub uint64, why string) { r.add(lin.Event{E: lin.Close, Sub: sub, Why: why}) }

func (r *recorder) push(sub uint64, p *replica.Push) {
	e := lin.Event{E: lin.Push, Sub: sub, N: p.Event.N, Pos: p.Event.Index}
	switch p.Event.Kind {
	case chat.MessageEvent:
		e.Kind, e.Conv, e.Seq = lin.PushMessage, pair(p.Members), p.Message.Seq
		e.From, e.Body = uint64(p.Message.Author), p.Message.Body
	case chat.CatchUpEvent:
		e.Kind, e.Conv, e.Seq, e.ToSeq = lin.PushCatchUp, pair(p.Members), p.Event.From, p.Event.To
	default:
		e.Kind = "undeliverable"
	}
	r.add(e)
}

// entries records what only the log knows: where commands of unknown outcome stand, and which
// leases ended.
func (r *recorder) entries(log []raft.Entry, ended map[raft.Index][]chat.DeviceID) {
	for _, e := range log {
		if e.Kind != raft.Command {
			continue
		}
		req, err := replica.DecodeRequest(e.Data)
		if err != nil {
			continue
		}
		if req.Numbered {
			r.put(lin.Event{E: lin.Entry, Pos: uint64(e.Index), Dev: device(req.Device), Dseq: req.DSeq})
		}
		for _, d := range ended[e.Index] {
			r.put(lin.Event{E: lin.Entry, Pos: uint64(e.Index), Op: lin.OpExpire,
				Dev: device(session.DeviceID(d))})
		}
	}
}
