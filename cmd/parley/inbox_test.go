package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func reopen(t *testing.T, path string) *inbox {
	t.Helper()
	in, err := openInbox(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(in.close)
	return in
}

func ok(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func numbered(ns ...uint64) []event {
	var list []event
	for _, n := range ns {
		list = append(list, event{N: n, Seq: n, Kind: kindMessage, Body: fmt.Sprint(n)})
	}
	return list
}

// state is an inbox in short: whose, up to where, and what is unread.
func (in *inbox) state() string {
	var unread []string
	for _, e := range in.unread {
		unread = append(unread, e.Body)
	}
	return fmt.Sprintf("uid %d cursor %d unread %s", in.uid, in.cursor, strings.Join(unread, " "))
}

// What was stored is there in the next life, with the cursor, until it was shown.
func TestInboxKeepsWhatWasNotShown(t *testing.T) {
	path := filepath.Join(t.TempDir(), "inbox")
	in := reopen(t, path)
	ok(t, in.begin(7, 10))
	ok(t, in.store(numbered(11, 12, 13, 14)))
	ok(t, in.store(numbered(13, 14, 15))) // the feed repeats itself
	ok(t, in.shown(in.unread[0], in.unread[1]))
	ok(t, in.shown(in.unread[1])) // 14: of another conversation
	for life := range 3 {
		if got, want := in.state(), "uid 7 cursor 15 unread 13 15"; got != want {
			t.Fatalf("life %d: %s, want %s", life, got, want)
		}
		in = reopen(t, path)
	}
	ok(t, in.begin(7, 12))
	ok(t, in.begin(7, 20)) // another device went ahead
	if got, want := in.state(), "uid 7 cursor 20 unread 13 15"; got != want {
		t.Errorf("after a login: %s, want %s", got, want)
	}
	ok(t, in.begin(8, 3))
	if got, want := reopen(t, path).state(), "uid 8 cursor 3 unread "; got != want {
		t.Errorf("another account's: %s, want %s", got, want)
	}
}

// A crash leaves any prefix of the file. What is found then was stored in order, and the cursor says
// how far.
func TestInboxAfterACrash(t *testing.T) {
	path := filepath.Join(t.TempDir(), "inbox")
	in := reopen(t, path)
	ok(t, in.begin(7, 0))
	ok(t, in.store(numbered(1, 2)))
	group := numbered(3, 3, 3)
	group[0].More, group[1].More = true, true
	ok(t, in.store(group))
	data, err := os.ReadFile(path)
	ok(t, err)
	seen := map[string]bool{}
	for n := range len(data) + 1 {
		ok(t, os.WriteFile(path, data[:n], 0o600))
		seen[reopen(t, path).state()] = true
	}
	for _, want := range []string{"uid 0 cursor 0 unread ", "uid 7 cursor 0 unread ", "uid 7 cursor 1 unread 1",
		"uid 7 cursor 2 unread 1 2", "uid 7 cursor 3 unread 1 2 3 3 3"} {
		if !seen[want] {
			t.Errorf("never seen: %s", want)
		}
		delete(seen, want)
	}
	if len(seen) > 0 {
		t.Errorf("seen too: %v", seen)
	}
}

// Damage in the middle is refused, and so is a file that others may read.
func TestInboxRefused(t *testing.T) {
	path := filepath.Join(t.TempDir(), "inbox")
	ok(t, os.WriteFile(path, []byte("{}\nnonsense\n{}\n"), 0o600))
	var p *problem
	if _, err := openInbox(path); !errors.As(err, &p) || p.exit != exitConfig {
		t.Errorf("damaged: %v", err)
	}
	ok(t, os.WriteFile(path, nil, 0o600))
	ok(t, os.Chmod(path, 0o644))
	if _, err := openInbox(path); !errors.As(err, &p) || p.exit != exitConfig {
		t.Errorf("open to others: %v", err)
	}
}

// A long file is written anew when most of it has been shown.
func TestInboxStaysShort(t *testing.T) {
	path := filepath.Join(t.TempDir(), "inbox")
	in := reopen(t, path)
	ok(t, in.begin(7, 0))
	for n := uint64(1); n <= 2000; n++ {
		ok(t, in.append(inboxLine{Event: &numbered(n)[0]}))
		ok(t, in.shown(in.unread[0]))
	}
	if in.lines > 1010 || in.cursor != 2000 || len(in.unread) != 0 {
		t.Errorf("%d lines, %s", in.lines, in.state())
	}
}
