package sim

import (
	"slices"
	"time"

	"parley/core/raft"
)

// What happens to links for a while. Links between servers are shut without a word; a client may reach
// a server that its peers cannot.
const (
	Partition   FaultKind = "partition"    // the servers fall into two groups
	Groups      FaultKind = "groups"       // … into three or more
	Bridge      FaultKind = "bridge"       // … into two, and one server sees both
	Ring        FaultKind = "ring"         // everybody sees a majority, no two the same
	OneWay      FaultKind = "one-way"      // packets from one server do not arrive
	Deaf        FaultKind = "deaf"         // packets to one server do not arrive: it can only talk
	CutLink     FaultKind = "cut-link"     // two servers do not hear each other; or only one the other
	Flap        FaultKind = "flap"         // a link is shut and opened again and again
	Isolate     FaultKind = "isolate"      // the leader is cut off from its peers, not from clients
	IsolateNext FaultKind = "isolate-next" // … who is next in rank
	Clog        FaultKind = "clog"         // packets of a server wait, then come all at once
	Swizzle     FaultKind = "swizzle"      // some servers' links clog one by one, and go on in another order
	LossBurst   FaultKind = "loss-burst"   // many packets are lost
	DupBurst    FaultKind = "dup-burst"    // … come twice
	LateBurst   FaultKind = "late-burst"   // … come again much later
	SlowBurst   FaultKind = "slow-burst"   // … take very long, each its own time
	LateAcks    FaultKind = "late-acks"    // what the leader hears grows old, then nobody hears it any more
	PeerReset   FaultKind = "peer-reset"   // connections between servers break, or seem to

	StreamReset FaultKind = "stream-reset" // a client's connections break
	ClientCut   FaultKind = "client-cut"   // a client reaches only some servers
	ClientSlow  FaultKind = "client-slow"  // what a client says and hears takes long
)

func netFaults() []family {
	return []family{
		{kind: Partition, aim: nobody, lasting: 1, strike: func(w *world, f Fault) {
			sides := w.dice.draw(diceLink, 0, f.ID)
			w.sever(f, func(a, b raft.ID) bool { return sides>>a&1 != sides>>b&1 })
		}},
		{kind: Groups, aim: nobody, strike: (*world).groups},
		{kind: Bridge, aim: someServer, lasting: 1, strike: (*world).bridge},
		{kind: Ring, aim: nobody, lasting: 1, strike: (*world).ring},
		{kind: OneWay, aim: someServer, lasting: 1, strike: func(w *world, f Fault) {
			w.sever(f, func(from, _ raft.ID) bool { return from == w.serverOf(f).id })
		}},
		{kind: Deaf, aim: someServer, lasting: 1, strike: func(w *world, f Fault) {
			w.sever(f, func(_, to raft.ID) bool { return to == w.serverOf(f).id })
		}},
		{kind: CutLink, aim: aLink, lasting: 1, strike: func(w *world, f Fault) {
			a, b := w.serverOf(f).id, w.otherEnd(f)
			w.sever(f, func(from, to raft.ID) bool { return from == a && to == b || f.Arg&1 == 1 && from == b && to == a })
		}},
		{kind: Flap, aim: aLink, shortest: 200 * time.Millisecond, strike: (*world).flap},
		{kind: Isolate, aim: theLeader, strike: func(w *world, f Fault) { w.isolate(w.serverOf(f), f) }},
		{kind: IsolateNext, aim: theNext, strike: func(w *world, f Fault) { w.isolate(w.serverOf(f), f) }},
		{kind: Clog, aim: someScope, strike: func(w *world, f Fault) {
			w.during(f, w.scope(f), func(l *link) { l.clogged++ }, w.unclog)
		}},
		{kind: Swizzle, aim: nobody, shortest: 200 * time.Millisecond, strike: (*world).swizzle},
		{kind: LossBurst, aim: someScope, strike: storm(func(wx *weather) *uint32 { return &wx.loss })},
		{kind: DupBurst, aim: someScope, strike: storm(func(wx *weather) *uint32 { return &wx.dup })},
		{kind: LateBurst, aim: someScope, strike: storm(func(wx *weather) *uint32 { return &wx.late })},
		{kind: SlowBurst, aim: someScope, strike: (*world).stretch},
		{kind: LateAcks, aim: theLeaderEarly, shortest: time.Second, longest: 4 * time.Second, times: 2, strike: (*world).lateAcks},
		{kind: PeerReset, aim: someScope, strike: (*world).resetPeers},

		{kind: StreamReset, aim: aClient, strike: func(w *world, f Fault) { w.clientOf(f).hangUp() }},
		{kind: ClientCut, aim: aClient, strike: (*world).cutClient},
		{kind: ClientSlow, aim: aClient, strike: func(w *world, f Fault) {
			c := w.clientOf(f)
			c.slow++
			w.after(time.Duration(f.For), "relief", f.ID, func() { c.slow-- })
		}},
	}
}

// theLeaderEarly leaves time for what takes long.
func theLeaderEarly(r *roll, p *Plan, f *Fault) {
	theLeader(r, p, f)
	f.At, f.For = f.At/2, min(f.For, p.Chaos/4)
}

// aLink aims at a server and one of its peers; the lowest bit of Arg says whether both ways.
func aLink(r *roll, p *Plan, f *Fault) {
	someServer(r, p, f)
	f.Arg = uint64(r.upTo(2 * maxVoters))
}

// otherEnd is which peer Arg means.
func (w *world) otherEnd(f Fault) raft.ID {
	n := uint64(len(w.servers))
	return raft.ID((uint64(w.serverOf(f).id)-1+1+f.Arg>>1%max(1, n-1))%n + 1)
}

// someScope aims at links: the lowest two bits of Arg say which, the rest how many packets in a million.
func someScope(r *roll, p *Plan, f *Fault) {
	someServer(r, p, f)
	f.Arg = uint64(r.logUpTo(900_000))<<2 | uint64(r.upTo(4))
}

// scope is which links Arg means: to the server, from it, both, or all there are.
func (w *world) scope(f Fault) func(l *link) bool {
	id := w.serverOf(f).id
	return func(l *link) bool {
		switch f.Arg & 3 {
		case 0:
			return l.to == id
		case 1:
			return l.from == id
		case 2:
			return l.to == id || l.from == id
		}
		return true
	}
}

// during changes some links, and changes them back when the fault is over.
func (w *world) during(f Fault, which func(l *link) bool, begin, end func(l *link)) {
	var hit []*link
	w.everyLink(func(l *link) {
		if which(l) {
			hit = append(hit, l)
			begin(l)
		}
	})
	w.after(time.Duration(f.For), "relief", f.ID, func() {
		for _, l := range hit {
			end(l)
		}
	})
}

// sever shuts links for a while.
func (w *world) sever(f Fault, cut func(from, to raft.ID) bool) {
	w.during(f, func(l *link) bool { return cut(l.from, l.to) },
		func(l *link) { w.shutLink(l.from, l.to, 1) }, func(l *link) { w.shutLink(l.from, l.to, -1) })
}

// isolate cuts a server off from its peers.
func (w *world) isolate(s *server, f Fault) {
	w.sever(f, func(a, b raft.ID) bool { return a == s.id || b == s.id })
}

// shuffled are the servers in an order that the fault draws.
func (w *world) shuffled(f Fault) []*server {
	r := w.dice.roll(diceLink, 1<<56|f.ID)
	all := slices.Clone(w.servers)
	for i := range all {
		j := i + r.upTo(len(all)-i)
		all[i], all[j] = all[j], all[i]
	}
	return all
}

func (w *world) groups(f Fault) {
	r := w.dice.roll(diceLink, 1<<57|f.ID)
	k := 3 + r.upTo(3)
	group := map[raft.ID]int{}
	for i, s := range w.shuffled(f) {
		group[s.id] = i % k
	}
	w.sever(f, func(a, b raft.ID) bool { return group[a] != group[b] })
}

// bridge: of the others each half sees only itself and the one that the fault is on.
func (w *world) bridge(f Fault) {
	middle := w.serverOf(f).id
	side, n := map[raft.ID]int{}, 0
	for _, s := range w.shuffled(f) {
		if s.id != middle {
			n++
			side[s.id] = n % 2
		}
	}
	w.sever(f, func(a, b raft.ID) bool { return a != middle && b != middle && side[a] != side[b] })
	w.afterFault(f, BridgeHealed, w.server(middle))
}

// ring: in a circle, everybody sees so many neighbours to each side that it is a majority.
func (w *world) ring(f Fault) {
	n := len(w.servers)
	place := map[raft.ID]int{}
	for i, s := range w.shuffled(f) {
		place[s.id] = i
	}
	reach := (n/2 + 1) / 2
	w.sever(f, func(a, b raft.ID) bool {
		d := (place[a] - place[b] + n) % n
		return min(d, n-d) > reach
	})
	w.afterFault(f, RingHealed, w.servers[0])
}

func (w *world) afterFault(f Fault, m Mark, s *server) {
	w.after(time.Duration(f.For), "relief", f.ID, func() {
		if !w.healed {
			w.mark(m, s.name)
		}
	})
}

func (w *world) flap(f Fault) {
	a, b := w.serverOf(f).id, w.otherEnd(f)
	r := w.dice.roll(diceLink, 1<<58|f.ID)
	period := r.between(20*time.Millisecond, 300*time.Millisecond)
	end := w.now + time.Duration(f.For)
	if a == b {
		return
	}
	var turn func(by int)
	turn = func(by int) {
		w.shutLink(a, b, by)
		w.shutLink(b, a, by)
		if by < 0 && (w.now >= end || w.healed) {
			w.mark(FlapEnded, w.server(a).name)
			return
		}
		w.after(r.between(period/2, period), "flap", f.ID, func() { turn(-by) })
	}
	turn(1)
}

func (w *world) unclog(l *link) {
	l.clogged--
	w.reopen(l)
}

// swizzle clogs a random half of the servers one by one, and lets them go in another order.
func (w *world) swizzle(f Fault) {
	chosen := w.shuffled(f)
	chosen = chosen[:(len(chosen)+1)/2]
	r := w.dice.roll(diceLink, 1<<59|f.ID)
	half := time.Duration(f.For) / 2
	for _, s := range chosen {
		part := f
		begin := r.between(0, half)
		part.For = Span(r.between(half, time.Duration(f.For)) - begin)
		w.after(begin, "swizzle", f.ID, func() {
			w.during(part, func(l *link) bool { return l.from == s.id || l.to == s.id }, func(l *link) { l.clogged++ }, w.unclog)
		})
	}
}

// storm makes one kind of trouble with packets more frequent.
func storm(which func(*weather) *uint32) func(*world, Fault) {
	return func(w *world, f Fault) {
		ppm := uint32(f.Arg >> 2 % 1_000_001)
		w.during(f, w.scope(f), func(l *link) { *which(&l.weather) += ppm }, func(l *link) { *which(&l.weather) -= ppm })
	}
}

// stretch makes each packet take up to some longer time of its own.
func (w *world) stretch(f Fault) {
	most := time.Duration(f.Arg>>2%1_000_001) * 2 * time.Microsecond
	w.during(f, w.scope(f), func(l *link) { l.weather.stretch += most }, func(l *link) { l.weather.stretch -= most })
}

// lateAcks lets what a leader hears grow older and older, so slowly that it goes on leading, and then
// cuts what it says. For a while it hears the acknowledgements of those who have another leader by
// then. (https://github.com/etcd-io/etcd/issues/20418 is what that can do to a read.)
func (w *world) lateAcks(f Fault) {
	s := w.serverOf(f)
	lag := time.Duration(f.For)
	slow := f
	slow.For = Span(3 * lag)
	w.during(slow, func(l *link) bool { return l.to == s.id },
		func(l *link) { l.weather.lag, l.weather.lagging = max(l.weather.lag, lag), w.now },
		func(l *link) { l.weather.lag = 0 })
	w.after(lag, "cut", f.ID, func() {
		if w.healed || !s.up {
			return
		}
		cut := f
		cut.For = Span(2 * lag)
		w.mark(HearsThePast, s.name)
		w.sever(cut, func(from, _ raft.ID) bool { return from == s.id })
	})
}

// resetPeers breaks connections between servers; datagrams have none, but both ends may believe it.
func (w *world) resetPeers(f Fault) {
	in := w.scope(f)
	w.everyLink(func(l *link) {
		if !in(l) {
			return
		}
		if w.plan.Network.Streams {
			w.resetLink(l)
			w.mark(PeerStreamReset, w.server(l.to).name)
		}
		r := w.dice.roll(diceLink, 1<<60|f.ID<<8|uint64(l.from)<<4|uint64(l.to))
		w.hint(w.server(l.to), l.from, 30*time.Millisecond, r)
		w.hint(w.server(l.from), l.to, 300*time.Millisecond, r)
	})
}

// cutClient keeps a client from reaching some servers, but not all.
func (w *world) cutClient(f Fault) {
	c := w.clientOf(f)
	r := w.dice.roll(diceLink, 1<<61|f.ID)
	left := r.upTo(len(w.servers))
	for place := range w.servers {
		if place == left || r.upTo(3) == 0 {
			continue
		}
		c.cut[place]++
		w.after(time.Duration(f.For), "relief", f.ID, func() {
			c.cut[place]--
			if t := c.streams[place]; t != nil && t.gap {
				t.breakOff() // what was sent meanwhile is missing in it
			}
		})
	}
}
