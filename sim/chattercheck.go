package sim

import (
	"time"

	"parley/core/replica"
)

// The checker "chatter": in the second phase, where nothing is lost inside the core, nobody floods anybody
// and nobody is sent the same entries for ever.

const (
	chatterWindow = electionBase
	// A heartbeat and its answer come four times in a window. What else there is to say belongs to a call,
	// an entry or a read of the window, and is said in a few messages; but who wakes from a long pause, or
	// behind a clogged link, answers all that waited for it, once.
	chatterIdle   = 200
	chatterPerAct = 12
	chatterAtMost = 3 // windows in a row with more than that
	// Entries to one peer, in the whole phase, and four times the log: a peer that is probed may be sent a
	// stretch again. Where packets overtake each other, each that does costs a stretch; production has streams.
	resendsAtMost = 2000
)

// chatter counts what one replica of the core says to another.
type chatter struct {
	since    time.Duration
	messages int
	floods   int // windows in a row
	resends  int
}

// acts counts what there is to talk about.
type acts struct {
	since time.Duration
	n     int
}

func (k *checks) chatters(s *server, in replica.Input) {
	w := k.w
	l := w.living
	if l == nil || l.leader == 0 || w.exiles.holds(s.id) {
		return
	}
	if w.now-l.acts.since > chatterWindow {
		k.flooded()
	}
	switch in.(type) {
	case replica.Calls, replica.Stored, replica.Attach, replica.Ack, replica.Verified, replica.Hashed:
		l.acts.n++
	}
	for i := range s.out.Sends {
		m := s.out.Sends[i].Raft
		if m == nil || w.exiles.holds(m.To) {
			continue
		}
		k.looked(ofChatter)
		c, sent := &l.chatter[s.id][m.To], &s.sent[m.To]
		if entries := len(m.Entries); entries > 0 && sent.Term == m.Term && m.Index < sent.Index {
			if c.resends += entries; w.plan.Network.Streams && c.resends > resendsAtMost+4*len(k.ghost) {
				k.fail(ofChatter, "n%d sends n%d the same entries again and again: %d, now from %d on", s.id, m.To, c.resends, m.Index+1)
			}
		} else if entries > 0 {
			l.acts.n++
		}
		c.messages++
	}
}

// flooded ends a window, and looks who has said too much in it.
func (k *checks) flooded() {
	l := k.w.living
	for from := range l.chatter {
		for to := range l.chatter[from] {
			c := &l.chatter[from][to]
			if c.messages > chatterIdle+chatterPerAct*l.acts.n {
				c.floods++
			} else {
				c.floods = 0
			}
			if c.floods == chatterAtMost {
				k.fail(ofChatter, "n%d sends n%d %d messages in %v, in which %d things happened", from, to, c.messages, k.w.now-l.acts.since, l.acts.n)
			}
			c.messages = 0
		}
	}
	l.acts = acts{since: k.w.now}
}
