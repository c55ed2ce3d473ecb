package sim

import (
	"time"

	"parley/core/replica"
)

// The fault model of a client's connection: a stream. What is sent arrives in order, or the stream
// breaks: then what was in flight is lost, and the two ends learn of it at different times. A client
// may reach a server that its peers cannot.

// streams numbers the connections of a world, and those between each two.
type streams struct {
	last  replica.Conn
	count map[[2]int]uint64
}

type stream struct {
	w      *world
	id     replica.Conn
	server *server
	life   int // of the server
	client *client
	age    int // life of the client
	place  int // of the server, as the client counts
	roll   *roll
	broken bool
	gap    bool          // something was sent that will never arrive, so nothing after it may
	up     time.Duration // nothing sent to the server arrives before
	down   time.Duration
}

func (w *world) dial(c *client, place int) *stream {
	w.streams.last++
	ends := [2]int{c.n, place}
	w.streams.count[ends]++
	s := w.servers[place]
	return &stream{w: w, id: w.streams.last, server: s, life: s.life, client: c, age: c.life, place: place,
		roll: w.dice.roll(diceStream, uint64(c.n)<<8|uint64(place)|w.streams.count[ends]<<16)}
}

// toServer delivers something to the server, or breaks the stream.
func (t *stream) toServer(make func() replica.Input) {
	w := t.w
	if t.lost() {
		w.mark(ClientStranded, t.client.name)
		return
	}
	t.up = max(t.up+1, w.now+t.delay())
	w.after(t.up-w.now, "request", uint64(t.server.id), func() {
		s := t.server
		switch {
		case t.broken:
		case !s.up || s.life != t.life:
			t.breakOff()
		default:
			t.join()
			s.take(make())
		}
	})
}

// lost says that what is sent now goes nowhere, and nobody is told.
func (t *stream) lost() bool {
	t.gap = t.gap || !t.w.healed && t.client.cut[t.place] > 0
	return t.gap
}

func (t *stream) delay() time.Duration {
	n := &t.w.plan.Network
	delays := n.delays()
	if n.Clients != nil {
		delays = *n.Clients
	}
	d := delays.draw(t.roll)
	switch {
	case t.w.healed:
	case t.client.slow > 0:
		d += t.roll.between(0, time.Second)
	case t.roll.ppm(n.SlowPpm):
		d *= time.Duration(1 + t.roll.upTo(100))
	}
	return d
}

// join makes the server aware of the connection.
func (t *stream) join() {
	for _, c := range t.server.conns {
		if c == t {
			return
		}
	}
	t.server.conns = append(t.server.conns, t)
}

// toClient delivers something to the client.
func (t *stream) toClient(do func(c *client)) {
	w := t.w
	if t.lost() {
		return
	}
	t.down = max(t.down+1, w.now+t.delay())
	w.after(t.down-w.now, "reply", uint64(t.client.n), func() {
		if !t.broken && t.client.up && t.client.life == t.age {
			do(t.client)
		}
	})
}

// breakOff resets the stream.
func (t *stream) breakOff() {
	if t.broken {
		return
	}
	t.broken = true
	w := t.w
	w.after(t.roll.between(0, 3*time.Millisecond), "reset", uint64(t.client.n), func() {
		if t.client.up && t.client.life == t.age {
			t.client.lost(t)
		}
	})
	w.after(t.roll.between(0, 30*time.Millisecond), "hangup", uint64(t.server.id), func() {
		if s := t.server; s.up && s.life == t.life {
			s.leave(t)
			s.take(replica.Hangup{Conn: t.id})
		}
	})
}

func (s *server) leave(t *stream) {
	for i, c := range s.conns {
		if c == t {
			s.conns = append(s.conns[:i:i], s.conns[i+1:]...)
			return
		}
	}
}

func (s *server) conn(id replica.Conn) *stream {
	for _, c := range s.conns {
		if c.id == id {
			return c
		}
	}
	return nil
}

// toClients sends what an Output holds for clients, in the order that input.go demands.
func (s *server) toClients(out *replica.Output) {
	for _, a := range out.Attached {
		if t := s.conn(a.Conn); t != nil {
			t.toClient(func(c *client) { c.attached(t, a) })
		}
	}
	for _, p := range out.Pushes {
		if t := s.conn(p.Conn); t != nil {
			t.toClient(func(c *client) { c.pushed(t, p) })
		}
	}
	for _, r := range out.Replies {
		if t := s.conn(r.Conn); t != nil {
			t.toClient(func(c *client) { c.answered(t, r) })
		}
	}
	for _, e := range out.Closings {
		if t := s.conn(e.Conn); t != nil {
			t.toClient(func(c *client) { c.closed(t, e) })
		}
	}
}
