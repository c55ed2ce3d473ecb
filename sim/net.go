package sim

import (
	"fmt"
	"slices"
	"time"

	"parley/core/raft"
	"parley/core/replica"
)

// The fault model of links between servers: datagrams. A packet is delayed, lost, doubled, overtaken
// or arrives again much later; it is never altered. A link may be shut, one way or both.

// Network is how links between servers behave; clients' streams have the same delays.
type Network struct {
	DelayMin Span   `json:"delay_min"`
	DelayMax Span   `json:"delay_max"`
	SlowPpm  uint32 `json:"slow_ppm,omitempty"` // so many packets take up to a hundred times as long, which reorders them
	LossPpm  uint32 `json:"loss_ppm,omitempty"`
	DupPpm   uint32 `json:"dup_ppm,omitempty"`
	LatePpm  uint32 `json:"late_ppm,omitempty"` // so many leave a copy that arrives seconds later
}

func drawNetwork(r *roll) Network {
	return Network{
		DelayMin: Span(100 * time.Microsecond), DelayMax: Span([]time.Duration{1, 4, 10}[r.upTo(3)] * time.Millisecond),
		SlowPpm: pick(r, 20_000), LossPpm: pick(r, 50_000), DupPpm: pick(r, 50_000), LatePpm: pick(r, 5_000),
	}
}

func (n *Network) check() error {
	switch most := max(n.SlowPpm, n.LossPpm, n.DupPpm, n.LatePpm); {
	case n.DelayMin > n.DelayMax:
		return fmt.Errorf("network: a packet takes %v to %v", n.DelayMin, n.DelayMax)
	case most > 1_000_000:
		return fmt.Errorf("network: %d in a million", most)
	}
	return nil
}

// links knows which links are shut, how often each, and how many packets each has seen.
type links struct {
	shut  map[[2]raft.ID]int
	count map[[2]raft.ID]uint64
}

func (w *world) open(from, to raft.ID) bool {
	return w.healed || w.links.shut[[2]raft.ID{from, to}] == 0
}

func (w *world) shutLink(from, to raft.ID, by int) {
	w.links.shut[[2]raft.ID{from, to}] += by
}

// send puts a copy of a message on the link. What crosses a link shares no memory with who sent it.
func (w *world) send(msg *replica.PeerMessage) {
	link := [2]raft.ID{msg.From, msg.To}
	w.links.count[link]++
	w.stats.Packets++
	n := &w.plan.Network
	r := w.dice.roll(diceLink, uint64(msg.From)<<32|uint64(msg.To)<<24|w.links.count[link]<<40)
	if !w.open(msg.From, msg.To) || !w.healed && r.ppm(n.LossPpm) {
		w.stats.Lost++
		return
	}
	w.carry(w.delay(r), msg)
	if w.healed {
		return
	}
	if r.ppm(n.DupPpm) {
		w.stats.Doubled++
		w.carry(w.delay(r), msg)
	}
	if r.ppm(n.LatePpm) {
		w.stats.Late++
		w.carry(r.between(100*time.Millisecond, 5*time.Second), msg)
	}
}

func (w *world) delay(r *roll) time.Duration {
	n := &w.plan.Network
	d := r.between(time.Duration(n.DelayMin), time.Duration(n.DelayMax))
	if !w.healed && r.ppm(n.SlowPpm) {
		d *= time.Duration(1 + r.upTo(100))
	}
	return d
}

func (w *world) carry(d time.Duration, msg *replica.PeerMessage) {
	packet, from := copyMessage(msg), w.server(msg.From)
	life, boot := from.life, from.disk.boot
	w.after(d, "packet", uint64(msg.To), func() {
		if s := w.server(packet.To); s.up && w.open(packet.From, packet.To) && w.linked(from, s, life, boot) {
			s.take(replica.Peer{Message: packet})
		}
	})
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
