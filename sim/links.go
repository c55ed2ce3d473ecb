package sim

import (
	"slices"
	"time"

	"parley/core/raft"
	"parley/core/replica"
)

// links are the directed links between servers, by the ids of their ends.
type links [maxVoters + 1][maxVoters + 1]link

// link carries packets one way. Its faults add up: it is open when the last of those that shut it is
// over.
type link struct {
	from, to raft.ID
	packets  uint64
	latest   uint64 // of those that arrived, the one that was sent last

	shut, clogged int
	weather       weather
	held          []packet // while it is clogged, or shut and a stream

	// With a bounded capacity one packet leaves after the other.
	sending bool
	queued  []packet
	bytes   int // of queued

	// As a stream:
	conn   uint64        // the connection; what was sent through another is lost
	last   time.Duration // nothing arrives before
	deaf   time.Duration // what is sent before then is lost: there is no connection yet
	silent time.Duration // since when it has been shut
}

// weather is what an episode adds to the plan's settings, in parts per million of the packets.
type weather struct {
	loss, dup, late, slow uint32
	lag                   time.Duration // every packet takes so much longer …
	lagging               time.Duration // … which grew from nothing since then
	stretch               time.Duration // and up to so much more, drawn for each
}

// packet is a message on its way.
type packet struct {
	msg    *replica.PeerMessage
	nth    uint64 // through this link
	roll   roll
	from   int // the lives of its ends when it was sent
	to     int
	boot   uint64 // of the sender's store
	conn   uint64
	copied bool // shares nothing with its sender
	id     nthSaying
	which  copyOf
}

func (w *world) link(from, to raft.ID) *link { return &w.links[from][to] }

// everyLink goes through the links that there are.
func (w *world) everyLink(do func(l *link)) {
	for _, a := range w.servers {
		for _, b := range w.servers {
			if a != b {
				do(w.link(a.id, b.id))
			}
		}
	}
}

func (w *world) open(from, to raft.ID) bool {
	return !w.exiles.cut[from][to] && (w.healed || w.link(from, to).shut == 0)
}

// shutLink shuts a link once more, or ends one reason for which it is shut.
func (w *world) shutLink(from, to raft.ID, by int) {
	l := w.link(from, to)
	if l.shut == 0 {
		l.silent = w.now
	}
	l.shut += by
	w.reopen(l)
}

// reopen lets go what a link held, if nothing holds it any more. A connection that was silent for
// long is given up half of the time.
func (w *world) reopen(l *link) {
	if !w.healed && (l.shut > 0 || l.clogged > 0) {
		return
	}
	if w.healed && l.last > w.now+time.Second { // whose packets crawl is given up: what follows would wait behind them
		w.resetLink(l)
		return
	}
	held := l.held
	l.held = nil
	if w.healed && w.plan.Network.Streams && l.last > w.now+time.Second {
		w.resetLink(l) // what is still on its way would hold up all that follows, long after all healed
		return
	}
	if w.plan.Network.Streams && len(held) > 0 && w.now-l.silent > time.Second && held[0].roll.upTo(2) == 0 {
		w.resetLink(l)
		return
	}
	if len(held) > 1 {
		w.mark(ClogReleased, w.server(l.to).name)
	}
	for i := range held {
		w.transmit(l, &held[i])
	}
}

// wireSize is about what a message takes on the wire.
func wireSize(msg *replica.PeerMessage) int {
	n := 60
	switch {
	case msg.Raft != nil:
		for i := range msg.Raft.Entries {
			n += 40 + len(msg.Raft.Entries[i].Data)
		}
	case msg.Chunk != nil:
		n += len(msg.Chunk.Data)
	case msg.Presence != nil:
		n += 40 * len(msg.Presence.Items)
	}
	return n
}

// enqueue waits for the link's turn. A queue that is full drops its oldest packet, or any.
func (w *world) enqueue(l *link, p *packet) {
	n := &w.plan.Network
	if !l.sending {
		w.occupy(l, p)
		return
	}
	l.queued = append(l.queued, w.keep(p))
	l.bytes += wireSize(p.msg)
	for l.bytes > n.Queue && len(l.queued) > 0 {
		victim := 0
		if n.DropAny {
			victim = p.roll.upTo(len(l.queued))
		}
		l.bytes -= wireSize(l.queued[victim].msg)
		w.lose(&l.queued[victim], false)
		l.queued = slices.Delete(l.queued, victim, victim+1)
		w.mark(LinkOverflow, w.server(l.to).name)
	}
}

// occupy sends one packet, and the next when it is through.
func (w *world) occupy(l *link, p *packet) {
	l.sending = true
	took := time.Duration(wireSize(p.msg)) * time.Second / time.Duration(w.plan.Network.Rate)
	next := w.keep(p)
	w.after(took, "sent", uint64(l.to), func() {
		l.sending = false
		w.transmit(l, &next)
		if len(l.queued) > 0 {
			first := l.queued[0]
			l.queued = l.queued[1:]
			l.bytes -= wireSize(first.msg)
			w.occupy(l, &first)
		}
	})
}

// keep makes a packet one that may wait: the sender may do what it likes with its own message.
func (w *world) keep(p *packet) packet {
	if !p.copied {
		p.msg, p.copied = w.copy(p.msg), true
	}
	return *p
}

// resetLink breaks the connection of a link: what is under way is lost, and for a moment what follows.
func (w *world) resetLink(l *link) {
	l.conn++
	l.last = w.now
	l.held, l.queued, l.bytes = nil, nil, 0
	r := w.dice.roll(diceStream, 1<<40|uint64(l.from)<<8|uint64(l.to)|l.conn<<41)
	l.deaf = w.now + r.between(0, 100*time.Millisecond)
}

// hint tells a server that a peer is gone, which may be wrong.
func (w *world) hint(s *server, peer raft.ID, within time.Duration, r *roll) {
	if !s.up {
		return
	}
	d := r.between(time.Millisecond, within)
	s.later(d, "peer-down", func() {
		if w.server(peer).up {
			w.mark(WrongHint, s.name)
		}
		s.take(replica.PeerDown{Peer: peer})
	})
}
