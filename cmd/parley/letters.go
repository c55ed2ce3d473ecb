package main

import (
	"errors"

	"parley/core/chat"
	"parley/realnet"
)

// letter is a message on its way from line mode.
type letter struct {
	id   uint64
	to   string
	body string
	slow bool // it has been shown as pending
}

// place is where a message stands.
type place struct {
	members [2]uint64
	seq     uint64
}

// letters sees to it that each of one's own messages is shown once: when it is acknowledged here, or
// when the feed brings one that another device sent. An acknowledgement and the feed's event of the
// same message come in any order.
type letters struct {
	last  uint64
	under map[uint64]*letter // by id: without an answer
	acked map[place]bool     // shown, and the feed has not brought them yet
	held  []event            // own messages from the feed, perhaps one of those under way
}

func (l *letters) begin(to, body string) letter {
	l.last++
	x := &letter{id: l.last, to: to, body: body}
	if l.under == nil {
		l.under, l.acked = map[uint64]*letter{}, map[place]bool{}
	}
	l.under[x.id] = x
	return *x
}

// slow marks a letter as shown pending; false: it has its answer.
func (l *letters) slow(id uint64) (letter, bool) {
	x := l.under[id]
	if x == nil || x.slow {
		return letter{}, false
	}
	x.slow = true
	return *x, true
}

// done takes a letter's answer: r if it was accepted. The events that now turn out to be another
// device's are to be shown.
func (l *letters) done(id uint64, r *chat.Result) (was letter, others []event) {
	was = *l.under[id]
	delete(l.under, id)
	if r != nil && r.Members[0] != r.Members[1] {
		at := place{[2]uint64{uint64(r.Members[0]), uint64(r.Members[1])}, r.Seq}
		if !l.release(at) {
			l.acked[at] = true
		}
	}
	if len(l.under) == 0 {
		others, l.held = l.held, nil
	}
	return was, others
}

func (l *letters) release(at place) bool {
	for i := range l.held {
		if e := &l.held[i]; e.Members == at.members && e.Seq == at.seq {
			l.held = append(l.held[:i], l.held[i+1:]...)
			return true
		}
	}
	return false
}

// came takes an own message from the feed, and says whether to show it now.
func (l *letters) came(e event) bool {
	at := place{e.Members, e.Seq}
	switch {
	case l.acked[at]:
		delete(l.acked, at)
		return false
	case len(l.under) > 0:
		l.held = append(l.held, e)
		return false
	}
	return true
}

// answered prints a message that stands, or says why it does not.
func (d *dialogue) answered(in letterDone) []act {
	if in.err != nil {
		l, others := d.sent.done(in.id, nil)
		return append(d.notSent(l, in.err), d.shown(others)...)
	}
	l, others := d.sent.done(in.id, &in.reply.Result)
	return append([]act{say{d.paint.sent(l.to, l.body), sentShape(l.to, in.reply)}}, d.shown(others)...)
}

// notSent says why, and repeats the text if its place on the screen is long gone.
func (d *dialogue) notSent(l letter, err error) []act {
	var p *problem
	errors.As(err, &p)
	var acts []act
	switch {
	case errors.Is(err, realnet.ErrClosed): // the session ended before the answer came
		return []act{note{"no answer any more for " + d.paint.name(l.to) + ": " + safe(l.body)}}
	case p != nil && p.code == "E_NO_SUCH_USER":
		acts = failure(err, noRecipient)
	case p != nil && p.code == "E_EMPTY":
		acts = failure(err, needBoth)
	default:
		acts = failure(err, "")
	}
	if l.slow || asProblem(err).exit == exitRefused {
		acts = append(acts, note{"not sent to " + d.paint.name(l.to) + ": " + safe(l.body)})
	}
	return acts
}

// came shows what the feed brought.
func (d *dialogue) came(e event) []act {
	if e.Kind == kindMessage && e.mine() && !d.sent.came(e) {
		return nil
	}
	return d.shown([]event{e})
}

func (d *dialogue) shown(events []event) []act {
	var acts []act
	for i := range events {
		e := &events[i]
		if news := d.paint.news(e); news != "" {
			acts = append(acts, note{news})
		}
		acts = append(acts, say{d.paint.line(e), e.shape()})
	}
	return acts
}
