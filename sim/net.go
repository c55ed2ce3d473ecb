package sim

import (
	"fmt"
	"slices"
	"time"

	"parley/core/replica"
)

// The fault model of links between servers. As datagrams packets are delayed, lost, doubled, overtaken
// or arrive again much later, across terms and lives. As streams they arrive in order, or the
// connection breaks and all that was under way is lost; the two ends learn of it at different times.
// Either way a link may be shut, one way or both, clogged, or too narrow.
//
// A packet is never altered. The servers talk through TCP, whose checksum is not the last word, and
// through HTTP/2 and protobuf, which refuse most of what passes it; but a flipped bit in a term or an
// index would decode as another term or index, and no consensus protocol without checksums of its own
// survives a peer that lies. That belongs to the transport (TLS), not here. What decoders do with
// garbage is the matter of the fuzz tests of realnet/wire.

// Network is how links behave between faults.
type Network struct {
	DelayMin Span   `json:"delay_min"`
	DelayMax Span   `json:"delay_max"`
	Shape    Shape  `json:"shape,omitempty"`    // of the delays
	SlowPpm  uint32 `json:"slow_ppm,omitempty"` // so many packets take up to a hundred times as long, which reorders them
	LossPpm  uint32 `json:"loss_ppm,omitempty"`
	DupPpm   uint32 `json:"dup_ppm,omitempty"`
	LatePpm  uint32 `json:"late_ppm,omitempty"` // so many leave a copy that arrives later …
	LateMax  Span   `json:"late_max,omitempty"` // … by up to so much; nothing: five seconds

	Rate    int  `json:"rate,omitempty"`     // bytes a second through a link; 0: any number
	Queue   int  `json:"queue,omitempty"`    // bytes that may wait for it
	DropAny bool `json:"drop_any,omitempty"` // a full queue drops any packet, else the oldest

	Streams bool    `json:"streams,omitempty"` // connections, not datagrams
	Clients *Delays `json:"clients,omitempty"` // of clients' streams; nil: the same
}

func drawNetwork(r *roll) Network {
	n := Network{
		DelayMin: Span(100 * time.Microsecond), DelayMax: Span([]time.Duration{1, 4, 10}[r.upTo(3)] * time.Millisecond),
		SlowPpm: pick(r, 20_000), LossPpm: pick(r, 50_000), DupPpm: pick(r, 50_000), LatePpm: pick(r, 5_000),
	}
	n.LateMax = Span([]time.Duration{500 * time.Millisecond, 5 * time.Second, 60 * time.Second}[r.upTo(3)])
	if r.ppm(500_000) {
		n.Shape = shapes()[r.upTo(4)]
	}
	if r.ppm(150_000) {
		n.Rate, n.Queue, n.DropAny = 50_000<<r.upTo(6), 2_000<<r.upTo(6), r.ppm(500_000)
	}
	n.Streams = r.ppm(300_000)
	if r.ppm(300_000) {
		n.Clients = &Delays{Min: Span(r.between(0, time.Millisecond)), Max: Span(r.between(time.Millisecond, 80*time.Millisecond)),
			Shape: shapes()[r.upTo(4)]}
	}
	return n
}

func (n *Network) delays() Delays { return Delays{n.DelayMin, n.DelayMax, n.Shape} }

func (n *Network) check() error {
	d := n.delays()
	if err := d.check(); err != nil {
		return fmt.Errorf("network: %w", err)
	}
	if n.Clients != nil {
		if err := n.Clients.check(); err != nil {
			return fmt.Errorf("network, clients: %w", err)
		}
	}
	switch most := max(n.SlowPpm, n.LossPpm, n.DupPpm, n.LatePpm); {
	case most > 1_000_000:
		return fmt.Errorf("network: %d in a million", most)
	case n.Rate < 0 || n.Queue < 0 || n.Rate > 0 && n.Queue == 0:
		return fmt.Errorf("network: a rate of %d with room for %d bytes that wait", n.Rate, n.Queue)
	}
	return nil
}

// send puts a message on its link.
func (w *world) send(msg *replica.PeerMessage) {
	l := w.link(msg.From, msg.To)
	l.packets++
	w.stats.Packets++
	p := packet{msg: msg, id: w.name(msg), nth: l.packets, conn: l.conn, from: w.server(msg.From).life, boot: w.server(msg.From).disk.boot, to: w.server(msg.To).life}
	p.roll = roll{dice: w.dice, dom: diceLink, actor: uint64(msg.From)<<32 | uint64(msg.To)<<24 | l.packets<<40}
	switch n := &w.plan.Network; {
	case w.exiles.cut[msg.From][msg.To]:
		w.stats.Lost++
	case w.healed:
		w.transmit(l, &p)
	case n.Streams && w.now < l.deaf || !n.Streams && l.shut > 0:
		w.lose(&p, true)
	case l.shut > 0 || l.clogged > 0:
		l.held = append(l.held, w.keep(&p))
	case n.Rate > 0:
		w.enqueue(l, &p)
	default:
		w.transmit(l, &p)
	}
}

// transmit lets a packet meet what a link does to packets.
func (w *world) transmit(l *link, p *packet) {
	n, r := &w.plan.Network, &p.roll
	if w.plan.Network.Streams {
		w.stream(l, p)
		return
	}
	if !w.healed && w.chance(r, n.LossPpm+l.weather.loss, p.id, Lose) {
		w.lose(p, false)
		return
	}
	w.carry(w.delay(l, r)+w.extra(p.id, Slow), l, p)
	if w.healed {
		return
	}
	if w.chance(r, n.DupPpm+l.weather.dup, p.id, Double) {
		w.stats.Doubled++
		again := *p
		again.which = doubled
		w.carry(w.delay(l, r)+w.extra(p.id, Double), l, &again)
	}
	if w.chance(r, n.LatePpm+l.weather.late, p.id, Late) {
		w.stats.Late++
		again := *p
		again.which = late
		w.carry(w.later(w.keptFor(r), p.id), l, &again)
	}
}

// stream sends a packet behind those before it. What would be lost is sent again by the transport: all
// that follows waits for it.
func (w *world) stream(l *link, p *packet) {
	d := w.delay(l, &p.roll) + w.extra(p.id, Slow)
	if !w.healed && !w.plan.Still && p.roll.ppm(w.plan.Network.LossPpm+l.weather.loss) {
		d += p.roll.between(20*time.Millisecond, 250*time.Millisecond)
		w.mark(StreamStalled, w.server(l.to).name)
	}
	l.last = max(l.last+1, w.now+d)
	w.carry(l.last-w.now, l, p)
}

// keptFor is how long a late copy is kept: a tenth of a second or a minute, all lengths alike.
func (w *world) keptFor(r *roll) time.Duration {
	most := time.Duration(w.plan.Network.LateMax)
	if most == 0 {
		most = 5 * time.Second
	}
	scale := 100 * time.Millisecond << r.upTo(10)
	return r.between(min(100*time.Millisecond, most), min(2*scale, most))
}

func (w *world) delay(l *link, r *roll) time.Duration {
	n := &w.plan.Network
	delays, lag := n.delays(), time.Duration(0)
	d := delays.draw(r)
	if w.plan.Still {
		d = time.Duration(n.DelayMin)
	}
	if w.healed { // nobody is that far away any more
		d = min(d, electionBase/10)
	}
	d += w.exiles.lag(l.from, l.to)
	if w.healed {
		return d
	}
	if l.weather.lag > 0 { // which no dice decide
		lag = min(l.weather.lag, w.now-l.weather.lagging)
	}
	if w.plan.Still {
		return d + lag
	}
	if r.ppm(n.SlowPpm + l.weather.slow) {
		d *= time.Duration(1 + r.upTo(100))
	}
	if l.weather.stretch > 0 {
		d += r.between(0, l.weather.stretch)
	}
	return d + lag
}

// carry delivers a copy after a time. What crosses a link shares no memory with who sent it.
func (w *world) carry(d time.Duration, l *link, p *packet) {
	p.copied = true
	c := *p
	c.msg = w.copy(p.msg)
	w.tape.sent(c.msg, c.id, c.which, d)
	w.after(d, "packet", uint64(l.to), func() { w.arrive(l, &c) })
}

func (w *world) arrive(l *link, p *packet) {
	s := w.server(l.to)
	cut := w.plan.Network.Streams && p.conn != l.conn || !w.plan.Network.Streams && !w.open(l.from, l.to)
	w.tape.arrived(p.msg, p.id, p.which, s.up && !cut)
	if cut || !s.up || !w.linked(w.server(l.from), s, p.from, p.boot) {
		return
	}
	w.arrived(s, l, p)
	s.take(replica.Peer{Message: p.msg})
}

// copy makes a message its receiver's own, as the codec of the run does it.
func (w *world) copy(msg *replica.PeerMessage) *replica.PeerMessage {
	if w.codec == nil {
		return copyMessage(msg)
	}
	c, err := w.codec(msg)
	if err != nil {
		w.fail("codec", "a message of n%d to n%d: %v", msg.From, msg.To, err)
		return copyMessage(msg)
	}
	return c
}

// lose drops a packet, because its link is shut or by accident.
func (w *world) lose(p *packet, shut bool) {
	w.stats.Lost++
	w.tape.lost(p.msg, p.id, shut)
}

func copyMessage(msg *replica.PeerMessage) *replica.PeerMessage {
	c := *msg
	switch {
	case msg.Raft != nil:
		m := *msg.Raft
		m.Entries = slices.Clone(m.Entries)
		for i := range m.Entries {
			m.Entries[i].Data = slices.Clone(m.Entries[i].Data)
		}
		m.Order = slices.Clone(m.Order)
		c.Raft = &m
	case msg.Presence != nil:
		p := *msg.Presence
		p.Items = slices.Clone(p.Items)
		for i := range p.Items {
			p.Items[i].Marks = slices.Clone(p.Items[i].Marks)
		}
		c.Presence = &p
	case msg.Chunk != nil:
		ch := *msg.Chunk
		ch.Data = slices.Clone(ch.Data)
		c.Chunk = &ch
	case msg.ChunkAck != nil:
		a := *msg.ChunkAck
		c.ChunkAck = &a
	}
	return &c
}
