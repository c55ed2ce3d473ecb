// Package recording writes what clients see as a history that package linearizability can judge.
//
// The rules of the room: an event is stamped and written before what it tells of is sent, so a
// recorder that is killed leaves the truth behind; times are taken under the lock, so they do not
// fall; what nobody knows is recorded as unknown. Calls that a history has no word for (whoami, a
// page by name or backwards) are left out: they change nothing.
//
// A history begins with an empty cluster and holds what all its clients did. A Recorder takes the
// observations of one process; those of a process that was not alone, or came later, lack calls
// that the others made, and cannot be judged. (docs/linearizability.md, "What a file must hold".)
package recording

import (
	"encoding/hex"
	"errors"
	"io"
	"slices"
	"sync"
	"time"

	"parley/core/chat"
	"parley/core/replica"
	"parley/core/session"
	lin "parley/linearizability"
	"parley/realnet"
)

// Recorder writes one history. It is safe for concurrent use.
type Recorder struct {
	mu    sync.Mutex
	out   io.Closer
	enc   *lin.Encoder
	err   error
	start time.Time

	calls   map[uint64]call  // by operation: under way
	unknown map[request]call // commands given up without an answer
	voided  map[request]bool // numbers that a Void was asked for
	feeds   map[uint64]bool  // attached
	procs   uint64           // processes so far
	idle    []uint64         // those that have no operation
}

// call is an operation of the history.
type call struct {
	id, p uint64
	op    lin.Op
}

func (c call) isRead() bool { return c.op == lin.OpList || c.op == lin.OpHistory }

// request is what makes a command one operation, however often it is asked.
type request struct {
	device session.DeviceID
	dseq   uint64
}

// New begins a history of a cluster whose login policy is login (one of the words of package
// linearizability) and whose leases may lapse unseen. Every event is one Write to w, which Close
// closes.
func New(w io.WriteCloser, login string) *Recorder {
	meta := lin.Meta{Clock: lin.ClockMono, Positions: lin.PositionsEvery,
		Rules: lin.Rules{Login: login, Expiry: lin.ExpiryAny}}
	return &Recorder{
		out: w, enc: lin.NewEncoder(w, meta), start: time.Now(), calls: map[uint64]call{}, unknown: map[request]call{},
		voided: map[request]bool{}, feeds: map[uint64]bool{},
	}
}

// now is the time in the history. It is called under the lock.
func (r *Recorder) now() uint64 { return uint64(time.Since(r.start)) }

// Close ends the history. Its error is the first of all that went wrong in writing.
func (r *Recorder) Close() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	return errors.Join(r.err, r.enc.End(r.now()), r.out.Close())
}

// Phase marks a time at which something is known of all operations.
func (r *Recorder) Phase(name string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.write(lin.Event{E: lin.Phase, Name: name})
}

func (r *Recorder) write(e lin.Event) {
	e.T = r.now()
	if err := r.enc.Encode(e); err != nil && r.err == nil {
		r.err = err
	}
}

// Observe is realnet.ClientConfig.Record.
func (r *Recorder) Observe(o realnet.Observation) {
	r.mu.Lock()
	defer r.mu.Unlock()
	switch o.Kind {
	case realnet.Called:
		r.called(&o)
	case realnet.Answered:
		r.answered(&o)
	case realnet.Failed:
		r.failed(&o)
	case realnet.Unsettled:
		r.unsettled(&o)
	case realnet.LateAnswer:
		r.resolve(request{o.Device, o.DSeq}, &o.Reply)
	case realnet.FeedOpened:
		r.feeds[o.Feed] = true
		r.write(lin.Event{E: lin.Sub, Sub: o.Feed, Dev: deviceName(o.Device), After: o.After})
	case realnet.Pushed, realnet.Acked, realnet.FeedClosed:
		if r.feeds[o.Feed] { // a feed that was never granted has nothing to say
			r.feed(&o)
		}
	}
}

func deviceName(d session.DeviceID) string { return hex.EncodeToString(d[:]) }

// called begins an operation. A command that was given up and is taken up again goes on as the
// operation it was; a Void of its number is an operation of its own.
func (r *Recorder) called(o *realnet.Observation) {
	e := lin.Event{E: lin.Inv, ID: o.Op, Dev: deviceName(o.Device), Dseq: o.DSeq}
	if !arguments(&e, o) {
		return
	}
	again := request{o.Device, o.DSeq}
	if e.Op == lin.OpVoid {
		r.voided[again] = true
	} else if was, ok := r.unknown[again]; ok && o.Command != nil {
		r.calls[o.Op] = was
		return
	}
	e.P = r.process()
	r.calls[o.Op] = call{o.Op, e.P, e.Op}
	r.write(e)
}

// process finds one without an operation.
func (r *Recorder) process() uint64 {
	if n := len(r.idle); n > 0 {
		p := r.idle[n-1]
		r.idle = r.idle[:n-1]
		return p
	}
	r.procs++
	return r.procs
}

// arguments fills in what is asked; false: a history has no word for it.
func arguments(e *lin.Event, o *realnet.Observation) bool {
	switch c := o.Command.(type) {
	case chat.Signup:
		e.Op, e.Name = lin.OpSignup, c.Name
	case chat.Login:
		e.Op, e.Name, e.Takeover = lin.OpLogin, c.Name, c.Takeover
	case chat.Logout:
		e.Op = lin.OpLogout
	case chat.DeleteAccount:
		e.Op = lin.OpDelete
	case chat.Passwd:
		e.Op = lin.OpPasswd
	case chat.Void:
		e.Op = lin.OpVoid
	case chat.Send:
		e.Op, e.To, e.Body = lin.OpSend, c.To, c.Body
	}
	switch q := o.Query.(type) {
	case replica.List:
		e.Op, e.Prefix, e.AfterKey, e.Limit = lin.OpList, q.Prefix, q.After, uint64(q.Limit)
	case replica.History:
		if q.With != "" || q.Before != 0 || q.Latest {
			return false // the history knows pages by uid and forwards
		}
		e.Op, e.Conv, e.After, e.Limit = lin.OpHistory, conversation(q.Members), q.After, uint64(q.Limit)
	}
	return e.Op != ""
}

// conversation is the uids of a conversation, one if it is with oneself.
func conversation(members [2]chat.UID) []uint64 {
	list := []uint64{uint64(members[0]), uint64(members[1])}
	slices.Sort(list)
	return slices.Compact(list)
}

// over takes an operation off the list of those under way. late: it has been given up before, and
// its process is gone.
func (r *Recorder) over(o *realnet.Observation) (c call, late, ok bool) {
	if c, ok = r.calls[o.Op]; !ok {
		return c, false, false
	}
	delete(r.calls, o.Op)
	was, given := r.unknown[request{o.Device, o.DSeq}]
	return c, given && was.id == c.id, true
}

func (r *Recorder) answered(o *realnet.Observation) {
	c, late, ok := r.over(o)
	again := request{o.Device, o.DSeq}
	switch {
	case !ok:
	case late:
		r.resolve(again, &o.Reply)
	default:
		r.idle = append(r.idle, c.p)
		reply := &o.Reply
		if c.op != lin.OpVoid && r.voided[again] {
			reply = decided(reply)
		}
		r.result(lin.OK, c, reply)
		if c.op == lin.OpVoid {
			r.burnt(again, &o.Reply)
		}
	}
}

// decided is what the log made of a command: the answer to a Void that came too late for it brings
// the command's own.
func decided(reply *replica.Reply) *replica.Reply {
	if reply.Code != string(session.SeqReused) {
		return reply
	}
	d := reply.Decided()
	return &d
}

// resolve settles a command that had been given up.
func (r *Recorder) resolve(again request, reply *replica.Reply) {
	if c, ok := r.unknown[again]; ok {
		delete(r.unknown, again)
		r.result(lin.Resolved, c, decided(reply))
	}
}

// burnt settles the command in whose place a Void stands, or that came before it.
func (r *Recorder) burnt(again request, reply *replica.Reply) {
	switch reply.Code {
	case "":
		r.never(again)
	case string(session.SeqReused):
		r.resolve(again, reply)
	}
}

func (r *Recorder) never(again request) {
	if c, ok := r.unknown[again]; ok {
		delete(r.unknown, again)
		r.write(lin.Event{E: lin.Resolved, ID: c.id, Never: true})
	}
}

// failed ends an operation that certainly left no trace.
func (r *Recorder) failed(o *realnet.Observation) {
	c, late, ok := r.over(o)
	switch {
	case !ok:
	case late:
		r.never(request{o.Device, o.DSeq})
	default:
		r.idle = append(r.idle, c.p)
		r.write(lin.Event{E: lin.Fail, ID: c.id, Why: o.Why})
	}
}

// unsettled ends an operation of which nobody knows what became. A read changed nothing, so it is
// as if it had never been; a command retires its process.
func (r *Recorder) unsettled(o *realnet.Observation) {
	c, late, ok := r.over(o)
	switch {
	case !ok || late:
	case c.isRead():
		r.idle = append(r.idle, c.p)
		r.write(lin.Event{E: lin.Fail, ID: c.id, Why: o.Why})
	default:
		if c.op != lin.OpVoid { // a Void is never taken up again as itself
			r.unknown[request{o.Device, o.DSeq}] = c
		}
		r.write(lin.Event{E: lin.Info, ID: c.id, Why: o.Why})
	}
}

// result writes an answer with the fields of its operation.
func (r *Recorder) result(kind lin.Kind, c call, reply *replica.Reply) {
	e := lin.Event{E: kind, ID: c.id, Pos: uint64(reply.Pos.Index), Code: reply.Code}
	switch {
	case reply.Code == "":
		results(&e, c.op, reply)
	case kind == lin.OK:
		e.E = lin.Err
	}
	r.write(e)
}

func results(e *lin.Event, op lin.Op, reply *replica.Reply) {
	switch res := &reply.Result; {
	case op == lin.OpSignup:
		e.UID = uint64(res.UID)
	case op == lin.OpLogin:
		e.UID, e.Epoch, e.Cursor = uint64(res.UID), res.Epoch, res.Cursor
	case op == lin.OpSend:
		e.Conv, e.Seq = conversation(res.Members), res.Seq
	case op == lin.OpList && reply.Page != nil:
		e.Names, e.More = reply.Page.Names, reply.Page.More
	case op == lin.OpHistory && reply.Thread != nil:
		e.Last = reply.Thread.Last
		for _, m := range reply.Thread.Messages {
			e.Rows = append(e.Rows, lin.Row{Seq: m.Seq, Pos: m.Index, From: uint64(m.Author), Body: m.Body})
		}
	}
}

// feed is what happens on a feed that was granted.
func (r *Recorder) feed(o *realnet.Observation) {
	switch o.Kind {
	case realnet.Pushed:
		r.write(push(o))
	case realnet.Acked:
		r.write(lin.Event{E: lin.Ack, Sub: o.Feed, N: o.N})
	case realnet.FeedClosed:
		delete(r.feeds, o.Feed)
		r.write(lin.Event{E: lin.Close, Sub: o.Feed, Why: o.Why})
	}
}

func push(o *realnet.Observation) lin.Event {
	p := o.Push
	e := lin.Event{E: lin.Push, Sub: o.Feed, N: p.Event.N, Pos: p.Event.Index, Kind: "undeliverable"}
	switch {
	case p.Event.Kind == chat.MessageEvent && p.Message != nil:
		e.Kind, e.Conv, e.Seq = lin.PushMessage, conversation(p.Members), p.Message.Seq
		e.From, e.Body = uint64(p.Message.Author), p.Message.Body
	case p.Event.Kind == chat.CatchUpEvent:
		e.Kind, e.Conv, e.Seq, e.ToSeq = lin.PushCatchUp, conversation(p.Members), p.Event.From, p.Event.To
	}
	return e
}
