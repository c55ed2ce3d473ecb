package main

import (
	"fmt"
	"strconv"
	"strings"

	"parley/core/replica"
)

// dialogue is line mode without its terminal: a machine that is told what was typed and what came
// of it, and says what to print and what to do. Prompt says what to ask for next; while busy, nothing
// is asked.
type dialogue struct {
	mode mode
	me   string // who is logged in
	to   string // where plain lines go; empty: nowhere

	entering contact // what is being typed at the door
	open     *bool   // whether the cluster goes without passwords; nil: not known yet
	draft    string  // what is to be sent, while something is asked about it
	draftTo  string

	sent  letters
	paint painter
}

// mode is what the next line means.
type mode uint8

const (
	atDoor     mode = iota // the first prompt
	atPassword             // a password for what was asked at the door
	atRepeat               // a new one, again
	atWork                 // logged in: commands
	atTo                   // \send: recipient
	atText                 // \send: message
	atQuery                // \list: query
	atConfirm              // \delete: y
	atSecret               // \delete: password
	atPaste                // several lines: y
	busy                   // waiting for an answer; nothing is asked
)

// input is what happens to a dialogue; the set is closed.
type input interface{ isInput() }

type (
	typed    struct{ text string }
	ctrlC    struct{} // on an empty line, or while busy
	inputEnd struct{} // Ctrl+D on an empty line, or the end of a script

	// resumed: there was a device already.
	resumed struct{ name string }
	// policyIs answers askPolicy.
	policyIs struct {
		open bool
		err  error
	}
	// enterDone answers enter, leftDone logout, deleteDone remove, workDone the rest.
	enterDone struct {
		name string
		err  error
	}
	leftDone   struct{ err error }
	deleteDone struct {
		gone bool
		err  error
	}
	workDone struct {
		acts []act // what to print
		err  error
	}
	// letterSlow: a message has no answer yet. letterDone: it has.
	letterSlow struct{ id uint64 }
	letterDone struct {
		id    uint64
		reply replica.Reply
		err   error
	}
	// came is what the feed brought.
	came struct{ event event }
	// feedOver: this device is not logged in any more.
	feedOver struct {
		why  string
		name string // who may log in again; empty: a new device is needed
	}
)

func (typed) isInput()      {}
func (ctrlC) isInput()      {}
func (inputEnd) isInput()   {}
func (resumed) isInput()    {}
func (policyIs) isInput()   {}
func (enterDone) isInput()  {}
func (leftDone) isInput()   {}
func (deleteDone) isInput() {}
func (workDone) isInput()   {}
func (letterSlow) isInput() {}
func (letterDone) isInput() {}
func (came) isInput()       {}
func (feedOver) isInput()   {}

// act is what a dialogue asks for; the set is closed.
type act interface{ isAct() }

type (
	// say prints a line of data, or with --json the object.
	say struct {
		text   string
		object any
	}
	// note prints what is not data, hello what only people need.
	note  struct{ text string }
	hello struct{ text string }
	// fail says that something was refused: in the words of line mode to people at a terminal, as
	// a problem in scripts.
	fail struct {
		words   string
		problem *problem
	}

	askPolicy struct{}
	enter     struct{ contact contact }
	logout    struct{}
	remove    struct{ password string }
	send      struct{ letter letter }
	showNames struct{ prefix string }
	showPast  struct {
		with  string
		limit int
	}
	showOutbox struct{}
	showStatus struct{}
	quit       struct{ exit int }
)

func (say) isAct()        {}
func (note) isAct()       {}
func (hello) isAct()      {}
func (fail) isAct()       {}
func (askPolicy) isAct()  {}
func (enter) isAct()      {}
func (logout) isAct()     {}
func (remove) isAct()     {}
func (send) isAct()       {}
func (showNames) isAct()  {}
func (showPast) isAct()   {}
func (showOutbox) isAct() {}
func (showStatus) isAct() {}
func (quit) isAct()       {}

// prompt is what to ask for, without echo if secret.
func (d *dialogue) prompt() (text string, secret bool) {
	switch d.mode {
	case atDoor:
		return askDoor, false
	case atPassword, atRepeat, atSecret:
		return askSecret, true
	case atTo:
		return askTo, false
	case atText:
		return askText, false
	case atQuery:
		return askQuery, false
	case atConfirm:
		return askDelete, false
	case atPaste:
		return fmt.Sprintf("Send these %d lines as one message? [y]: ", 1+strings.Count(d.draft, "\n")), false
	}
	if d.to != "" {
		return "[@" + safe(d.to) + "] ", false
	}
	return "", false
}

// step is the only way in.
func (d *dialogue) step(in input) []act {
	switch in := in.(type) {
	case typed:
		return d.typed(in.text)
	case ctrlC:
		return d.interrupt()
	case inputEnd:
		return []act{quit{exitOK}}
	case resumed:
		d.mode, d.me = atWork, in.name
		return []act{note{"logged in as " + safe(in.name)}, hello{commands}}
	case policyIs:
		return d.policyIs(in)
	case enterDone:
		return d.entered(in)
	case leftDone:
		if in.err != nil {
			d.mode = atWork
			return failure(in.err, "")
		}
		name := d.me
		d.door()
		return []act{say{logoutDone, account(name, "logged out")}}
	case deleteDone:
		return d.deleted(in)
	case workDone:
		d.mode = atWork
		return append(in.acts, failure(in.err, "")...)
	case letterSlow:
		if l, ok := d.sent.slow(in.id); ok {
			return []act{say{text: d.paint.sent(l.to, l.body) + pendingMark}}
		}
		return nil
	case letterDone:
		return d.answered(in)
	case came:
		return d.came(in.event)
	case feedOver:
		return d.over(in)
	}
	panic(fmt.Sprintf("parley: no such input: %T", in))
}

// door goes back to the first prompt.
func (d *dialogue) door() { *d = dialogue{open: d.open, sent: d.sent, paint: d.paint} }

func (d *dialogue) over(in feedOver) []act {
	d.door()
	again := ""
	if in.name != "" {
		again = "; 2|" + safe(in.name) + "! takes it back"
	}
	return []act{note{safe(in.why) + again}}
}

// failure says what went wrong: in the words given, or in those of the problem.
func failure(err error, words string) []act {
	if err == nil {
		return nil
	}
	return []act{fail{words, asProblem(err)}}
}

func invalid(words, line string) []act {
	return []act{fail{words, &problem{exit: exitUsage, text: strconv.Quote(line) + " is not a command",
		hint: "parley help line-mode"}}}
}

// interrupt is Ctrl+C: it logs out, as the original promised; where there is nothing to log out of,
// or a logout is under way, it quits.
func (d *dialogue) interrupt() []act {
	switch d.mode {
	case atDoor, atPassword, atRepeat, busy:
		return []act{quit{exitInterrupted}}
	case atPaste:
		d.mode = atWork
		return []act{note{"not sent"}}
	}
	d.mode = busy
	return []act{logout{}}
}

func (d *dialogue) typed(line string) []act {
	switch d.mode {
	case atDoor:
		return d.atDoor(line)
	case atPassword, atRepeat:
		return d.atPassword(line)
	case atTo:
		d.mode, d.draftTo = atText, strings.TrimPrefix(strings.TrimSpace(line), "@")
	case atText:
		d.mode = atWork
		return d.write(d.draftTo, line)
	case atQuery:
		return d.work(showNames{strings.TrimSpace(line)})
	case atConfirm:
		return d.confirmed(line)
	case atSecret:
		d.mode = busy
		return []act{remove{line}}
	case atPaste:
		d.mode = atWork
		if line != "y" {
			return []act{note{"not sent"}}
		}
		return d.post(d.draftTo, d.draft)
	case atWork:
		return d.command(line)
	}
	return nil
}

// work asks for something that must be done before the next line.
func (d *dialogue) work(a act) []act {
	d.mode = busy
	return []act{a}
}

// confirmed is the answer to whether the account shall go.
func (d *dialogue) confirmed(line string) []act {
	d.mode = atWork
	switch {
	case line != "y":
		return []act{say{text: notDeleted}}
	case d.open == nil:
		d.mode = busy
		return []act{askPolicy{}}
	case *d.open:
		return d.work(remove{})
	}
	d.mode = atSecret
	return nil
}

func (d *dialogue) deleted(in deleteDone) []act {
	switch {
	case in.err != nil:
		d.mode = atWork
		return failure(in.err, "")
	}
	text, state := accountDeleted, "deleted"
	if in.gone {
		text, state = noUser, "gone"
	}
	object := account(d.me, state)
	d.door()
	return []act{say{text, object}}
}

// account is what --json says of one's own account.
func account(name, state string) jsonAccount {
	return jsonAccount{V: 1, T: "account", Name: name, State: state}
}
