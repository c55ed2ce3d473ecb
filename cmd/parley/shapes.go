package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"time"
)

// What --json prints: one object per line, of these shapes. They are a contract; fields are only
// ever added, and a golden test holds them.

type jsonMessage struct {
	V         int    `json:"v"`
	T         string `json:"t"` // msg
	Pos       uint64 `json:"pos"`
	Conv      string `json:"conv"`
	Seq       uint64 `json:"seq"`
	From      string `json:"from"`
	At        string `json:"at"`
	Body      string `json:"body"`
	Reply     uint64 `json:"reply,omitempty"`
	Recreated string `json:"recreated,omitempty"` // the first with this account; an earlier one ended then
}

type jsonReceipt struct {
	V     int    `json:"v"`
	T     string `json:"t"`     // receipt
	State string `json:"state"` // sent, queued, undeliverable, pending, voided
	Pos   uint64 `json:"pos,omitempty"`
	Conv  string `json:"conv,omitempty"`
	Seq   uint64 `json:"seq,omitempty"`
	To    uint64 `json:"to,omitempty"` // undeliverable: messages seq to to
	At    string `json:"at,omitempty"`
	Chain string `json:"chain,omitempty"`
	Num   uint64 `json:"num,omitempty"` // pending, voided: the device's number for it
	What  string `json:"what,omitempty"`
	Body  string `json:"body,omitempty"`
}

type jsonAccount struct {
	V      int    `json:"v"`
	T      string `json:"t"` // account
	Name   string `json:"name"`
	UID    uint64 `json:"uid,omitempty"`
	State  string `json:"state,omitempty"` // signed up, logged in, logged out, deleted
	Label  string `json:"label,omitempty"`
	Device string `json:"device,omitempty"`
	Queued uint64 `json:"queued,omitempty"`
}

type jsonConn struct {
	V       int      `json:"v"`
	T       string   `json:"t"`     // conn
	State   string   `json:"state"` // lost, back, no majority; of status: leader, follower, candidate, down
	Server  string   `json:"server,omitempty"`
	Node    string   `json:"node,omitempty"`
	Trying  []string `json:"trying,omitempty"`
	Kept    int      `json:"kept,omitempty"`
	Leader  string   `json:"leader,omitempty"`
	Term    uint64   `json:"term,omitempty"`
	Applied uint64   `json:"applied,omitempty"`
	Cluster string   `json:"cluster,omitempty"`
	Version string   `json:"version,omitempty"`
	Error   string   `json:"error,omitempty"`
}

type jsonError struct {
	V     int    `json:"v"`
	T     string `json:"t"` // err
	Code  string `json:"code"`
	Class string `json:"class"`
	Msg   string `json:"msg"`
	Hint  string `json:"hint,omitempty"`
}

type jsonVersion struct {
	V       int    `json:"v"`
	T       string `json:"t"` // version
	Version string `json:"version"`
	Go      string `json:"go"`
}

// jsonTime is a date as JSON says it: UTC, to the millisecond.
func jsonTime(ms int64) string {
	return time.UnixMilli(ms).UTC().Format("2006-01-02T15:04:05.000Z")
}

// shape is an event as JSON.
func (e *event) shape() any {
	if e.Kind == kindUndeliverable {
		return jsonReceipt{V: 1, T: "receipt", State: "undeliverable", Pos: e.Pos, Conv: "@" + e.peer(), Seq: e.Seq, To: e.To}
	}
	m := jsonMessage{V: 1, T: "msg", Pos: e.Pos, Conv: "@" + e.peer(), Seq: e.Seq, From: e.author(),
		At: jsonTime(e.Date), Body: e.Body, Reply: e.ReplyTo}
	if e.Recreated != 0 {
		m.Recreated = jsonTime(e.Recreated)
	}
	return m
}

// shape is a problem as JSON.
func (p *problem) shape() any {
	return jsonError{V: 1, T: "err", Code: p.code, Class: p.class, Msg: p.text, Hint: p.hint}
}

// printJSON writes one object and a newline. What a terminal would obey is escaped; a reader of JSON
// gets every byte back.
func printJSON(w io.Writer, v any) error {
	var out bytes.Buffer
	enc := json.NewEncoder(&out)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return err
	}
	var line bytes.Buffer
	for _, r := range out.String() {
		if r == '\n' || harmless(r) {
			line.WriteRune(r)
		} else {
			fmt.Fprintf(&line, `\u%04x`, r)
		}
	}
	_, err := w.Write(line.Bytes())
	return err
}
