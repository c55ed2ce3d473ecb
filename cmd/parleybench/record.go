package main

import (
	"bufio"
	"encoding/hex"
	"errors"
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

// recorder writes what the connections see as a history that package linearizability can judge. Times are
// taken under the lock, so they do not fall; calls are written before they leave, answers after
// they came, so intervals are at worst too wide.
type recorder struct {
	mu      sync.Mutex
	file    *os.File
	buf     *bufio.Writer
	enc     *lin.Encoder
	err     error
	begin   time.Time
	calls   map[uint64]recorded // by operation: no answer yet
	unknown map[number]recorded // commands that were given up
	next    uint64              // process
	idle    []uint64            // processes without an operation
}

type recorded struct {
	id, p uint64
	op    lin.Op
}

// number names a command.
type number struct {
	device session.DeviceID
	dseq   uint64
}

// newRecorder begins a history of a cluster that is exclusive, and empty as far as its accounts are
// concerned: those here are new ones.
func newRecorder(path string) (*recorder, error) {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return nil, err
	}
	r := &recorder{
		file: f, buf: bufio.NewWriterSize(f, 1<<20), begin: time.Now(),
		calls: map[uint64]recorded{}, unknown: map[number]recorded{},
	}
	r.enc = lin.NewEncoder(r.buf, lin.Meta{
		Clock: lin.ClockMono, Positions: lin.PositionsEvery,
		Rules: lin.Rules{Login: lin.LoginExclusive, Expiry: lin.ExpiryAny},
	})
	return r, nil
}

func (r *recorder) close() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	return errors.Join(r.err, r.enc.End(uint64(time.Since(r.begin))), r.buf.Flush(), r.file.Close())
}

func (r *recorder) phase(name string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.write(lin.Event{E: lin.Phase, Name: name})
}

func (r *recorder) write(e lin.Event) {
	e.T = uint64(time.Since(r.begin))
	if err := r.enc.Encode(e); err != nil && r.err == nil {
		r.err = err
	}
}

// observe is realnet.ClientConfig.Record.
func (r *recorder) observe(o realnet.Observation) {
	r.mu.Lock()
	defer r.mu.Unlock()
	switch o.Kind {
	case realnet.Called:
		r.called(&o)
	case realnet.Answered:
		r.answered(&o)
	case realnet.Failed, realnet.Unsettled:
		r.ended(&o)
	case realnet.LateAnswer:
		name := number{o.Device, o.DSeq}
		if c, ok := r.unknown[name]; ok {
			delete(r.unknown, name)
			r.result(lin.Resolved, c, &o.Reply)
		}
	case realnet.FeedOpened:
		r.write(lin.Event{E: lin.Sub, Sub: o.Feed, Dev: hex.EncodeToString(o.Device[:]), After: o.After})
	case realnet.Pushed:
		r.pushed(&o)
	case realnet.Acked:
		r.write(lin.Event{E: lin.Ack, Sub: o.Feed, N: o.N})
	case realnet.FeedClosed:
		r.write(lin.Event{E: lin.Close, Sub: o.Feed, Why: o.Why})
	}
}

func (r *recorder) called(o *realnet.Observation) {
	e := lin.Event{E: lin.Inv, ID: o.Op, Dev: hex.EncodeToString(o.Device[:]), Dseq: o.DSeq}
	switch c := o.Command.(type) {
	case chat.Signup:
		e.Op, e.Name = lin.OpSignup, c.Name
	case chat.Send:
		e.Op, e.To, e.Body = lin.OpSend, c.To, c.Body
	}
	switch q := o.Query.(type) {
	case replica.List:
		e.Op, e.Prefix, e.AfterKey, e.Limit = lin.OpList, q.Prefix, q.After, uint64(q.Limit)
	case replica.History:
		e.Op, e.Conv, e.After, e.Limit = lin.OpHistory, conversation(q.Members), q.After, uint64(q.Limit)
	}
	if e.P = r.process(); e.Op != "" {
		r.calls[o.Op] = recorded{o.Op, e.P, e.Op}
		r.write(e)
	}
}

// process finds one without an operation.
func (r *recorder) process() uint64 {
	if n := len(r.idle); n > 0 {
		p := r.idle[n-1]
		r.idle = r.idle[:n-1]
		return p
	}
	r.next++
	return r.next
}

func (r *recorder) answered(o *realnet.Observation) {
	c, ok := r.calls[o.Op]
	if !ok {
		return
	}
	delete(r.calls, o.Op)
	r.idle = append(r.idle, c.p)
	kind := lin.OK
	if o.Reply.Code != "" {
		kind = lin.Err
	}
	r.result(kind, c, &o.Reply)
}

// ended is an operation without an answer: a command whose outcome is not known retires its process.
func (r *recorder) ended(o *realnet.Observation) {
	c, ok := r.calls[o.Op]
	if !ok {
		return
	}
	delete(r.calls, o.Op)
	e := lin.Event{E: lin.Fail, ID: c.id, Why: o.Why}
	if o.Kind == realnet.Unsettled && o.DSeq != 0 {
		e.E = lin.Info
		r.unknown[number{o.Device, o.DSeq}] = c
	} else {
		r.idle = append(r.idle, c.p)
	}
	r.write(e)
}

func (r *recorder) result(kind lin.Kind, c recorded, reply *replica.Reply) {
	e := lin.Event{E: kind, ID: c.id, Pos: uint64(reply.Pos.Index), Code: reply.Code}
	switch {
	case reply.Code != "":
	case c.op == lin.OpSignup:
		e.UID = uint64(reply.Result.UID)
	case c.op == lin.OpSend:
		e.Conv, e.Seq = conversation(reply.Result.Members), reply.Result.Seq
	case c.op == lin.OpList && reply.Page != nil:
		e.Names, e.More = reply.Page.Names, reply.Page.More
	case c.op == lin.OpHistory && reply.Thread != nil:
		e.Last = reply.Thread.Last
		for _, m := range reply.Thread.Messages {
			e.Rows = append(e.Rows, lin.Row{Seq: m.Seq, Pos: m.Index, From: uint64(m.Author), Body: m.Body})
		}
	}
	r.write(e)
}

func (r *recorder) pushed(o *realnet.Observation) {
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

func conversation(members [2]chat.UID) []uint64 {
	list := []uint64{uint64(members[0]), uint64(members[1])}
	slices.Sort(list)
	return slices.Compact(list)
}
