package replica

import (
	"bytes"
	"crypto/sha256"
	"slices"
	"time"

	"parley/core/raft"
	"parley/core/row"
)

// courier moves snapshots: the leader's side, for peers that need entries which are compacted away,
// and the receiving side. Chunks go in order, a few ahead of their acknowledgements; what is lost is
// sent again. Equal indexes give equal bytes, so a transfer survives a change of leader.
type courier struct {
	transfers []transfer // by peer
	exporting uint64     // id of the Export under way; 0: none
	lastID    uint64
	kept      *Snapshot // the last one exported, for the next peer

	arriving *arriving
	complete *Snapshot // received and verified; raft decides
	whole    [32]byte  // its SHA-256
	from     raft.ID   // who sent it
}

type transfer struct {
	peer    raft.ID
	snap    *Snapshot // nil: waiting for the export
	whole   [32]byte
	acked   uint64 // bytes that have arrived
	sent    uint64
	heardAt time.Duration // last sign of progress
	resend  time.Duration
}

type arriving struct {
	chunk Chunk // the first one, for its Mark, Whole, Size and Digest
	data  []byte
	at    time.Duration // when something of it last came
}

const (
	chunksAhead = 4
	resendAfter = 500 * time.Millisecond
	giveUpAfter = 10 * time.Second
	maxSnapshot = 4 << 30
)

// want notes which peers need a snapshot.
func (c *courier) want(peers []raft.ID) {
	for _, p := range peers {
		if c.find(p) == nil {
			c.transfers = append(c.transfers, transfer{peer: p})
		}
	}
}

func (c *courier) find(peer raft.ID) *transfer {
	for i := range c.transfers {
		if c.transfers[i].peer == peer {
			return &c.transfers[i]
		}
	}
	return nil
}

func (c *courier) remove(peer raft.ID) {
	c.transfers = slices.DeleteFunc(slices.Clone(c.transfers), func(t transfer) bool { return t.peer == peer })
	if len(c.transfers) == 0 {
		c.kept = nil
	}
}

// moveSnapshots begins, repeats and gives up transfers.
func (m *Machine) moveSnapshots(now time.Duration, out *Output) {
	c := &m.courier
	for i := 0; i < len(c.transfers); i++ {
		t := &c.transfers[i]
		switch {
		case t.snap == nil && c.kept != nil && c.kept.Mark.Index >= m.log.compact:
			t.snap, t.whole = c.kept, sha256.Sum256(c.kept.Data)
			t.heardAt = now
			m.sendChunks(now, t, out)
		case t.snap == nil && c.exporting == 0:
			c.lastID++
			c.exporting = c.lastID
			out.Exports = append(out.Exports, c.exporting)
		case t.snap != nil && now >= t.heardAt+giveUpAfter:
			m.giveUpSnapshot(now, t.peer, out)
			i--
		case t.snap != nil && now >= t.resend:
			t.sent = t.acked
			m.sendChunks(now, t, out)
		}
	}
}

// giveUpSnapshot ends a transfer that came to nothing. If the peer still needs one, it gets another export.
func (m *Machine) giveUpSnapshot(now time.Duration, peer raft.ID, out *Output) {
	m.courier.remove(peer)
	m.courier.kept = nil // it may be what its receiver does not take
	m.stepRaft(now, raft.SnapshotFailed{Peer: peer}, out)
}

func (c *courier) deadline() time.Duration {
	d := never
	for i := range c.transfers {
		if t := &c.transfers[i]; t.snap != nil {
			d = min(d, t.resend, t.heardAt+giveUpAfter)
		}
	}
	return d
}

// carried is the lowest index of the snapshots under way: entries behind it will be needed.
func (c *courier) carried() raft.Index {
	low := raft.Index(1<<63 - 1)
	for i := range c.transfers {
		if snap := c.transfers[i].snap; snap != nil {
			low = min(low, snap.Mark.Index)
		}
	}
	return low
}

func (m *Machine) exported(now time.Duration, in Exported, out *Output) {
	c := &m.courier
	if in.ID != c.exporting {
		return
	}
	c.exporting = 0
	if len(c.transfers) > 0 {
		snap := in.Snapshot
		c.kept = &snap
	}
}

func (m *Machine) sendChunks(now time.Duration, t *transfer, out *Output) {
	t.resend = now + resendAfter
	size, chunk := uint64(len(t.snap.Data)), uint64(m.cfg.Chunk)
	for t.sent < size && t.sent < t.acked+chunksAhead*chunk {
		end := min(size, t.sent+chunk)
		out.Sends = append(out.Sends, PeerMessage{From: m.cfg.Raft.ID, To: t.peer, Chunk: &Chunk{
			Mark: t.snap.Mark, Digest: t.snap.Digest, Whole: t.whole, Size: size,
			Offset: t.sent, Data: t.snap.Data[t.sent:end],
		}})
		t.sent = end
	}
}

func (m *Machine) chunkAck(now time.Duration, from raft.ID, a *ChunkAck, out *Output) {
	t := m.courier.find(from)
	if t == nil || t.snap == nil || a.Whole != t.whole {
		return
	}
	switch {
	case a.Done:
		m.courier.remove(from)
		return
	case a.Refused:
		m.giveUpSnapshot(now, from, out)
		return
	}
	if a.Next > t.acked && a.Next <= uint64(len(t.snap.Data)) {
		t.acked, t.heardAt = a.Next, now
		t.sent = max(t.sent, t.acked)
	}
	m.sendChunks(now, t, out)
}

// chunk takes a piece of a snapshot.
func (m *Machine) chunk(now time.Duration, from raft.ID, ch *Chunk, out *Output) {
	c := &m.courier
	ack := ChunkAck{Mark: ch.Mark, Whole: ch.Whole}
	switch {
	case ch.Mark.Index <= m.applied:
		ack.Done = true
	case ch.Size > maxSnapshot || ch.Offset > ch.Size || uint64(len(ch.Data)) > ch.Size-ch.Offset:
		return
	case c.complete != nil:
		ack.Next = ch.Size
		if c.whole != ch.Whole {
			return
		}
	default:
		if c.arriving == nil || c.arriving.chunk.Whole != ch.Whole || c.arriving.chunk.Mark != ch.Mark {
			// A newer one is better, as long as somebody still sends it: a new leader may have stored less of
			// what is applied than the last one.
			if a := c.arriving; a != nil && a.chunk.Mark.Index > ch.Mark.Index && now < a.at+2*resendAfter {
				return
			}
			c.arriving = &arriving{chunk: *ch, at: now}
			c.arriving.chunk.Data = nil
		}
		c.arriving.at = now
		if ch.Offset == uint64(len(c.arriving.data)) {
			c.arriving.data = append(c.arriving.data, ch.Data...)
		}
		ack.Next = uint64(len(c.arriving.data))
	}
	out.Sends = append(out.Sends, PeerMessage{From: m.cfg.Raft.ID, To: from, ChunkAck: &ack})
	m.arrived(now, from, out)
}

// arrived hands a whole snapshot to raft, if it is what it claims to be.
func (m *Machine) arrived(now time.Duration, from raft.ID, out *Output) {
	c := &m.courier
	if c.arriving == nil || uint64(len(c.arriving.data)) != c.arriving.chunk.Size {
		return
	}
	a := c.arriving
	c.arriving = nil
	snap := Snapshot{Mark: a.chunk.Mark, Digest: a.chunk.Digest, Data: a.data}
	whole := sha256.Sum256(a.data)
	if !bytes.Equal(whole[:], a.chunk.Whole[:]) ||
		ReadSnapshot(snap, Catalogue(), func(row.Row) error { return nil }) != nil {
		out.Sends = append(out.Sends, PeerMessage{From: m.cfg.Raft.ID, To: from,
			ChunkAck: &ChunkAck{Mark: snap.Mark, Whole: a.chunk.Whole, Refused: true}})
		return
	}
	c.complete, c.whole, c.from = &snap, whole, from
	m.stepRaft(now, raft.SnapshotReceived{From: from, Mark: snap.Mark}, out)
}

// dropUnwanted forgets a snapshot that raft, with no save of its own under way, has not asked to
// install: it was overtaken by entries, or came before its sender was known to lead.
func (m *Machine) dropUnwanted(out *Output) {
	s, c := &m.store, &m.courier
	if c.complete == nil || s.raft.Seq != 0 || s.carried != 0 || s.install != nil {
		return
	}
	out.Sends = append(out.Sends, PeerMessage{From: m.cfg.Raft.ID, To: c.from,
		ChunkAck: &ChunkAck{Mark: c.complete.Mark, Whole: c.whole, Refused: true}})
	c.complete = nil
}

// staged gives the snapshot that raft wants installed.
func (c *courier) staged(mark raft.Mark) *Snapshot {
	invariant(c.complete != nil && c.complete.Mark == mark, "install %v without its snapshot", mark)
	return c.complete
}

func (c *courier) installed(snap *Snapshot, out *Output, self raft.ID) {
	out.Sends = append(out.Sends, PeerMessage{From: self, To: c.from,
		ChunkAck: &ChunkAck{Mark: snap.Mark, Whole: c.whole, Next: uint64(len(snap.Data)), Done: true}})
	c.complete, c.arriving = nil, nil
}

func (c *courier) clone() courier {
	d := *c
	d.transfers = slices.Clone(c.transfers)
	if c.arriving != nil {
		a := *c.arriving
		a.data = slices.Clone(a.data)
		d.arriving = &a
	}
	return d
}
