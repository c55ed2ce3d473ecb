package main

import (
	"fmt"

	"parley/realnet"
)

// How things look on a line of their own. The S and R lines are those of the original.

// line is an event for people.
func (p painter) line(e *event) string {
	switch {
	case e.Kind == kindUndeliverable && e.Seq == e.To:
		return fmt.Sprintf("-- not delivered to %s: message %d; the account was deleted", p.name(e.peer()), e.Seq)
	case e.Kind == kindUndeliverable:
		return fmt.Sprintf("-- not delivered to %s: messages %d to %d; the account was deleted", p.name(e.peer()), e.Seq, e.To)
	case e.mine():
		return p.sent(e.peer(), e.Body)
	}
	return "R[" + p.name(e.author()) + "] " + safe(e.Body)
}

func (p painter) sent(to, body string) string { return "S[" + p.name(to) + "] " + safe(body) }

// news says what is to be known of an event beside what it says; mostly nothing.
func (p painter) news(e *event) string {
	if e.Recreated == 0 {
		return ""
	}
	return fmt.Sprintf("%s is a new account: an earlier one of that name was deleted on %s", p.name(e.peer()), day(e.Recreated))
}

// connection is news of the connection for people; empty: not for them.
func connection(n realnet.Note) string {
	switch n.Kind {
	case realnet.ServerLost:
		return fmt.Sprintf("%s lost; trying %s", safe(n.Server), safe(join(n.Trying)))
	case realnet.ServerBack:
		return fmt.Sprintf("%s, nothing missed", safe(n.Server))
	case realnet.NoMajority:
		return "no majority; " + kept(n.Kept)
	}
	return ""
}

// kept says what becomes of messages without an answer.
func kept(n int) string {
	switch n {
	case 0:
		return "waiting for one"
	case 1:
		return "1 message kept, will be sent once"
	}
	return fmt.Sprintf("%d messages kept, each will be sent once", n)
}

func join(list []string) string {
	text := ""
	for i, s := range list {
		if i > 0 {
			text += ", "
		}
		text += s
	}
	return text
}

// shapeOf is news of the connection as JSON; nil: not for programs.
func shapeOf(n realnet.Note) any {
	c := jsonConn{V: 1, T: "conn", Server: n.Server, Trying: n.Trying, Kept: n.Kept}
	switch n.Kind {
	case realnet.ServerLost:
		c.State = "lost"
	case realnet.ServerBack:
		c.State = "back"
	case realnet.NoMajority:
		c.State = "no majority"
	default:
		return nil
	}
	return c
}
