package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
)

// inbox keeps what was received until it has been shown, together with the cursor: an event is
// acknowledged only when it stands here, so it can be neither lost nor received twice.
//
// The file is one JSON object a line: a base (account and cursor), events, and notes that events
// have been shown. A torn last line is what a crash left, and was not acknowledged.
type inbox struct {
	path   string
	file   *os.File
	uid    uint64  // whose feed it is; 0: nobody's yet
	cursor uint64  // all events up to here are stored
	unread []event // stored, and not shown
	lines  int
}

// inboxLine is one line of the file: one of the three.
type inboxLine struct {
	Base  *inboxBase  `json:"base,omitempty"`
	Event *event      `json:"event,omitempty"`
	Shown *inboxShown `json:"shown,omitempty"`
}

type inboxBase struct {
	UID    uint64 `json:"uid"`
	Cursor uint64 `json:"cursor"`
}

// inboxShown says that the first few of the unread events have been shown, or else a single one.
type inboxShown struct {
	First int    `json:"first,omitempty"`
	N     uint64 `json:"n,omitempty"`
	Seq   uint64 `json:"seq,omitempty"`
}

func openInbox(path string) (*inbox, error) {
	data, err := os.ReadFile(path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("open inbox: %w", err)
	}
	in := &inbox{path: path}
	if err == nil {
		if err := privateFile(path); err != nil {
			return nil, err
		}
	}
	if err := in.read(data); err != nil {
		return nil, badConfig("move it away: everything is still in the history", "%s: %v", path, err)
	}
	return in, in.rewrite()
}

func (in *inbox) read(data []byte) error {
	for n := 1; ; n++ {
		text, rest, whole := bytes.Cut(data, []byte("\n"))
		if !whole {
			in.unread = slices.DeleteFunc(in.unread, func(e event) bool { return e.N > in.cursor })
			return nil
		}
		var l inboxLine
		if err := json.Unmarshal(text, &l); err != nil {
			return fmt.Errorf("line %d: %w", n, err)
		}
		in.apply(l)
		data = rest
	}
}

func (in *inbox) apply(l inboxLine) {
	switch {
	case l.Base != nil:
		in.uid, in.cursor = l.Base.UID, l.Base.Cursor
	case l.Event != nil:
		in.unread = append(in.unread, *l.Event)
		if !l.Event.More {
			in.cursor = max(in.cursor, l.Event.N)
		}
	case l.Shown != nil:
		in.unread = in.unread[min(l.Shown.First, len(in.unread)):]
		in.unread = slices.DeleteFunc(in.unread, func(e event) bool { return e.N == l.Shown.N && e.Seq == l.Shown.Seq })
	}
}

// rewrite puts a short file in place of the long one and keeps it open for more.
func (in *inbox) rewrite() error {
	var out bytes.Buffer
	enc := json.NewEncoder(&out)
	err := enc.Encode(inboxLine{Base: &inboxBase{in.uid, in.cursor}})
	for i := range in.unread {
		err = errors.Join(err, enc.Encode(inboxLine{Event: &in.unread[i]}))
	}
	if err := errors.Join(err, replaceFile(in.path, out.Bytes())); err != nil {
		return fmt.Errorf("write inbox: %w", err)
	}
	in.close()
	in.lines = 1 + len(in.unread)
	in.file, err = os.OpenFile(in.path, os.O_WRONLY|os.O_APPEND, 0o600)
	return err
}

// begin makes it the inbox of an account, whose device continues after cursor. What another account
// received and never read goes; it is in the history.
func (in *inbox) begin(uid, cursor uint64) error {
	if in.uid == uid && cursor <= in.cursor {
		return nil
	}
	if in.uid != uid {
		in.unread, in.cursor = nil, 0
	}
	in.uid, in.cursor = uid, max(in.cursor, cursor)
	return in.rewrite()
}

// store puts events and, with them, the cursor on the disk.
func (in *inbox) store(events []event) error {
	var fresh []event
	for _, e := range events {
		if e.N > in.cursor {
			fresh = append(fresh, e)
		}
	}
	if len(fresh) == 0 {
		return nil
	}
	lines := make([]inboxLine, len(fresh))
	for i := range fresh {
		lines[i].Event = &fresh[i]
	}
	if err := in.append(lines...); err != nil {
		return err
	}
	return in.file.Sync()
}

// shown says that these unread events have been shown. It is not synced: after a power cut a line
// may be printed again.
func (in *inbox) shown(list ...event) error {
	same := func(a, b event) bool { return a.N == b.N && a.Seq == b.Seq }
	var lines []inboxLine
	if n := len(list); n <= len(in.unread) && slices.EqualFunc(list, in.unread[:n], same) {
		lines = []inboxLine{{Shown: &inboxShown{First: n}}}
	} else {
		for _, e := range list {
			lines = append(lines, inboxLine{Shown: &inboxShown{N: e.N, Seq: e.Seq}})
		}
	}
	if len(list) == 0 {
		return nil
	}
	if err := in.append(lines...); err != nil {
		return err
	}
	if in.lines > 1000 && in.lines > 4*len(in.unread) {
		return in.rewrite()
	}
	return nil
}

func (in *inbox) append(lines ...inboxLine) error {
	var out bytes.Buffer
	enc := json.NewEncoder(&out)
	for _, l := range lines {
		if err := enc.Encode(l); err != nil {
			return fmt.Errorf("write inbox: %w", err)
		}
	}
	if _, err := in.file.Write(out.Bytes()); err != nil {
		return fmt.Errorf("write inbox: %w", err)
	}
	for _, l := range lines {
		in.apply(l)
	}
	in.lines += len(lines)
	return nil
}

func (in *inbox) close() {
	if in.file != nil {
		in.file.Close()
		in.file = nil
	}
}
