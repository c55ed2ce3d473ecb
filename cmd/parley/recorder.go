package main

import (
	"encoding/hex"
	"errors"
	"io"
	"os"
	"slices"
	"sync"
	"time"

	"parley/core/chat"
	"parley/core/replica"
	"parley/core/session"
	lin "parley/linearizability"
	"parley/realnet"
)

// recorder writes what clients of this process see as a history that can be judged. It stamps and
// writes before anything is sent, so a recorder that is killed leaves the truth behind.
type recorder struct {
	mu    sync.Mutex
	out   io.Closer
	enc   *lin.Encoder
	err   error
	start time.Time

	calls   map[uint64]call   // by operation: under way
	unknown map[request]call  // commands given up without an answer
	busy    map[uint64]bool   // processes with an operation under way
	retired map[uint64]bool   // processes whose operation never ended
	feeds   map[uint64]string // attached: their device
}

// call is an operation of the history.
type call struct {
	id, p uint64
	op    lin.Op
}

// request is what makes a command one operation, however often it is asked.
type request struct {
	device session.DeviceID
	dseq   uint64
}

func newRecorder(path string) (*recorder, error) {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return nil, badConfig("", "--record: %v", err)
	}
	return recordTo(f), nil
}

// recordTo records a cluster on which devices exclude each other, and leases may lapse unseen.
func recordTo(w io.WriteCloser) *recorder {
	meta := lin.Meta{Clock: lin.ClockMono, Positions: lin.PositionsEvery,
		Rules: lin.Rules{Login: lin.LoginExclusive, Expiry: lin.ExpiryAny}}
	return &recorder{
		out: w, enc: lin.NewEncoder(w, meta), start: time.Now(), calls: map[uint64]call{}, unknown: map[request]call{},
		busy: map[uint64]bool{}, retired: map[uint64]bool{}, feeds: map[uint64]string{},
	}
}

// now is the time in the history. It is called under the lock, so that times do not fall.
func (r *recorder) now() uint64 { return uint64(time.Since(r.start)) }

// close ends the history.
func (r *recorder) close() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	err := errors.Join(r.err, r.enc.End(r.now()), r.out.Close())
	if err != nil {
		return badConfig("", "--record: %v", err)
	}
	return nil
}

// phase marks a time at which something is known of all operations.
func (r *recorder) phase(name string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.write(lin.Event{E: lin.Phase, Name: name})
}

func (r *recorder) write(e lin.Event) {
	e.T = r.now()
	if err := r.enc.Encode(e); err != nil && r.err == nil {
		r.err = err
	}
}

// observe is ClientConfig.Record.
func (r *recorder) observe(o realnet.Observation) {
	r.mu.Lock()
	defer r.mu.Unlock()
	switch o.Kind {
	case realnet.Called:
		r.called(o)
	case realnet.Answered:
		r.answered(o)
	case realnet.Failed:
		r.over(o, lin.Fail)
	case realnet.Unsettled:
		r.over(o, lin.Info)
	case realnet.LateAnswer:
		r.late(o)
	case realnet.FeedOpened:
		r.feeds[o.Feed] = deviceName(o.Device)
		r.write(lin.Event{E: lin.Sub, Sub: o.Feed, Dev: deviceName(o.Device), After: o.After})
	case realnet.Pushed:
		r.pushed(o)
	case realnet.Acked:
		if r.feeds[o.Feed] != "" {
			r.write(lin.Event{E: lin.Ack, Sub: o.Feed, N: o.N})
		}
	case realnet.FeedClosed:
		if r.feeds[o.Feed] != "" {
			delete(r.feeds, o.Feed)
			r.write(lin.Event{E: lin.Close, Sub: o.Feed, Why: o.Why})
		}
	}
}

func deviceName(d session.DeviceID) string { return hex.EncodeToString(d[:]) }

// called begins an operation, unless a history has no word for it. A command that was given up and
// is taken up again goes on as the operation it was.
func (r *recorder) called(o realnet.Observation) {
	e := lin.Event{E: lin.Inv, ID: o.Op, Dev: deviceName(o.Device), Dseq: o.DSeq}
	if !argumentsOf(&e, o) {
		return
	}
	again := request{o.Device, o.DSeq}
	if was, ok := r.unknown[again]; ok && o.Command != nil {
		r.calls[o.Op] = was
		return
	}
	e.P = 1
	for r.busy[e.P] || r.retired[e.P] {
		e.P++
	}
	r.busy[e.P] = true
	r.calls[o.Op] = call{o.Op, e.P, e.Op}
	r.write(e)
}

func argumentsOf(e *lin.Event, o realnet.Observation) bool {
	switch c := o.Command.(type) {
	case chat.Signup:
		e.Op, e.Name = lin.OpSignup, c.Name
		return true
	case chat.Login:
		e.Op, e.Name, e.Takeover = lin.OpLogin, c.Name, c.Takeover
		return true
	case chat.Logout:
		e.Op = lin.OpLogout
		return true
	case chat.DeleteAccount:
		e.Op = lin.OpDelete
		return true
	case chat.Passwd:
		e.Op = lin.OpPasswd
		return true
	case chat.Void:
		e.Op = lin.OpVoid
		return true
	case chat.Send:
		e.Op, e.To, e.Body = lin.OpSend, c.To, c.Body
		return true
	}
	switch q := o.Query.(type) {
	case replica.List:
		e.Op, e.Prefix, e.AfterKey, e.Limit = lin.OpList, q.Prefix, q.After, uint64(q.Limit)
		return true
	case replica.History: // the history knows pages by uid and forwards
		e.Op, e.Conv, e.After, e.Limit = lin.OpHistory, conversation(q.Members), q.After, uint64(q.Limit)
		return q.With == "" && q.Before == 0 && !q.Latest
	}
	return false
}

// conversation is the uids of a conversation, one if it is with oneself.
func conversation(members [2]chat.UID) []uint64 {
	list := []uint64{uint64(members[0]), uint64(members[1])}
	slices.Sort(list)
	return slices.Compact(list)
}

func (r *recorder) answered(o realnet.Observation) {
	c, ok := r.calls[o.Op]
	if !ok {
		return
	}
	delete(r.calls, o.Op)
	again := request{o.Device, o.DSeq}
	if _, late := r.unknown[again]; late && c.op != lin.OpList && c.op != lin.OpHistory {
		delete(r.unknown, again)
		r.result(lin.Resolved, c, o.Reply)
		return
	}
	delete(r.busy, c.p)
	kind := lin.OK
	if o.Reply.Code != "" {
		kind = lin.Err
	}
	r.result(kind, c, o.Reply)
}

func (r *recorder) late(o realnet.Observation) {
	again := request{o.Device, o.DSeq}
	if c, ok := r.unknown[again]; ok {
		delete(r.unknown, again)
		r.result(lin.Resolved, c, o.Reply)
	}
}

// result writes an answer with the fields of its operation.
func (r *recorder) result(kind lin.Kind, c call, reply replica.Reply) {
	e := lin.Event{E: kind, ID: c.id, Pos: uint64(reply.Pos.Index), Code: reply.Code}
	if reply.Code == "" {
		resultsOf(&e, c.op, reply)
	}
	r.write(e)
}

func resultsOf(e *lin.Event, op lin.Op, reply replica.Reply) {
	switch res := reply.Result; op {
	case lin.OpSignup:
		e.UID = uint64(res.UID)
	case lin.OpLogin:
		e.UID, e.Epoch, e.Cursor = uint64(res.UID), res.Epoch, res.Cursor
	case lin.OpSend:
		e.Conv, e.Seq = conversation(res.Members), res.Seq
	case lin.OpList:
		if p := reply.Page; p != nil {
			e.Names, e.More = p.Names, p.More
		}
	case lin.OpHistory:
		if t := reply.Thread; t != nil {
			e.Last = t.Last
			for _, m := range t.Messages {
				e.Rows = append(e.Rows, lin.Row{Seq: m.Seq, Pos: m.Index, From: uint64(m.Author), Body: m.Body})
			}
		}
	}
}

// over ends an operation without an answer. A read may be asked again, so it is as if it never was.
func (r *recorder) over(o realnet.Observation, kind lin.Kind) {
	c, ok := r.calls[o.Op]
	if !ok {
		return
	}
	delete(r.calls, o.Op)
	again := request{o.Device, o.DSeq}
	if _, open := r.unknown[again]; open && o.DSeq != 0 {
		return // it was unknown before, and still is
	}
	delete(r.busy, c.p)
	if kind == lin.Info && c.op != lin.OpList && c.op != lin.OpHistory {
		r.retired[c.p], r.unknown[again] = true, c
	} else {
		kind = lin.Fail
	}
	r.write(lin.Event{E: kind, ID: c.id, Why: o.Why})
}

func (r *recorder) pushed(o realnet.Observation) {
	if r.feeds[o.Feed] == "" || o.Push == nil {
		return
	}
	p := o.Push
	e := lin.Event{E: lin.Push, Sub: o.Feed, N: p.Event.N, Pos: p.Event.Index, Kind: "undeliverable"}
	switch {
	case p.Event.Kind == chat.MessageEvent && p.Message != nil:
		e.Kind, e.Conv, e.Seq = lin.PushMessage, conversation(p.Members), p.Message.Seq
		e.From, e.Body = uint64(p.Message.Author), p.Message.Body
	case p.Event.Kind == chat.CatchUpEvent:
		e.Kind, e.Conv, e.Seq, e.ToSeq = lin.PushCatchUp, conversation(p.Members), p.Event.From, p.Event.To
	}
	r.write(e)
}
