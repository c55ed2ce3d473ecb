package sim

import (
	"slices"
	"time"

	"parley/core/raft"
	"parley/core/replica"
)

// The fault model of links between servers: datagrams. A packet is delayed, lost, doubled, overtaken
// or arrives again much later; it is never altered. A link may be shut, one way or both.

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
	d := r.between(n.DelayMin, n.DelayMax)
	if !w.healed && r.ppm(n.SlowPpm) {
		d *= time.Duration(1 + r.upTo(100))
	}
	return d
}

func (w *world) carry(d time.Duration, msg *replica.PeerMessage) {
	packet := copyMessage(msg)
	w.after(d, "packet", uint64(msg.To), func() {
		if s := w.server(packet.To); s.up && w.open(packet.From, packet.To) {
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
