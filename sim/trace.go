package sim

import (
	"encoding/binary"
	"time"

	"parley/core/raft"
	"parley/core/replica"
	"parley/core/session"
)

// trace is a hash over everything that happened: two runs of one plan must agree on it. It sees every
// event, what every step of a server asks for, word by word, what every save comes to, and the whole
// state of every client after each step, of every server at the end.
type trace uint64

func (t *trace) add(values ...uint64) {
	for _, v := range values {
		*t = trace(mix(uint64(*t) ^ v))
	}
}

func (t *trace) text(s string) { t.add(uint64(len(s)), hashText(s)) }

func (t *trace) event(at time.Duration, name string, who uint64) {
	t.add(uint64(at), hashText(name)+who)
}

func (t *trace) step(s *server) {
	st, o := &s.status, &s.out
	t.add(uint64(st.Applied)<<32|uint64(st.Raft.Commit), uint64(st.Raft.Role.Term)<<8|uint64(st.Raft.Role.Kind),
		uint64(s.machine.Deadline()))
	// What there is nothing of needs no word: the counts tell.
	t.add(uint64(len(o.Sends))<<48|uint64(len(o.Replies))<<32|uint64(len(o.Pushes))<<16|uint64(len(o.Closings)),
		uint64(len(o.Attached))<<48|uint64(len(o.Fetches))<<32|uint64(len(o.Exports))<<16|uint64(len(o.Notes)),
		uint64(len(o.Verifies))<<32|uint64(len(o.Hashes))<<16|uint64(len(o.Forget)))
	for i := range o.Sends {
		t.message(&o.Sends[i])
	}
	if o.Save != nil {
		t.save(o.Save)
	}
	t.toClients(o)
	t.toShell(o)
}

// message goes by the chains of entries, which cover their data.
func (t *trace) message(p *replica.PeerMessage) {
	t.add(uint64(p.From)<<8 | uint64(p.To))
	if m := p.Raft; m != nil {
		t.add(uint64(m.Kind)<<16|bit(m.Reject)<<8|bit(m.Transfer), uint64(m.Term), uint64(m.Index), uint64(m.LogTerm),
			uint64(m.Commit), m.Round, m.ReadID, uint64(len(m.Entries)))
		t.chain(m.Chain)
		if n := len(m.Entries); n > 0 {
			t.chain(m.Entries[n-1].Chain)
		}
		for _, id := range m.Order {
			t.add(uint64(id))
		}
	}
	if p.Presence != nil {
		for i := range p.Presence.Items {
			item := &p.Presence.Items[i]
			t.add(binary.BigEndian.Uint64(item.Device[:8]), item.Epoch, item.Cursor, uint64(len(item.Marks)))
		}
	}
	if c := p.Chunk; c != nil {
		t.add(uint64(c.Mark.Index), c.Size, c.Offset, uint64(len(c.Data)), binary.BigEndian.Uint64(c.Whole[:8]))
	}
	if a := p.ChunkAck; a != nil {
		t.add(uint64(a.Mark.Index), a.Next, bit(a.Done)|bit(a.Refused)<<1, binary.BigEndian.Uint64(a.Whole[:8]))
	}
}

func (t *trace) chain(c raft.Chain) { t.add(binary.BigEndian.Uint64(c[:8])) }

// save goes without the rows: what they come to is in what the disk says of the save.
func (t *trace) save(s *replica.Save) {
	t.add(s.Seq, uint64(s.CutFrom), uint64(len(s.Append)), uint64(s.Applied), uint64(len(s.Effects)), uint64(s.Compact))
	if s.Hard != nil {
		t.add(uint64(s.Hard.Term), uint64(s.Hard.Vote), uint64(s.Hard.Commit))
	}
	if n := len(s.Append); n > 0 {
		t.chain(s.Append[n-1].Chain)
	}
	if s.Install != nil {
		t.add(uint64(s.Install.Mark.Index), uint64(len(s.Install.Data)))
	}
}

func (t *trace) saved(s *replica.Saved) { t.add(s.Seq, s.Digest[0], uint64(len(s.Hot))) }

func (t *trace) toClients(o *replica.Output) {
	for i := range o.Attached {
		a := &o.Attached[i]
		t.add(uint64(a.Conn), a.Sub, uint64(a.UID), a.After, uint64(a.Pos.Index))
	}
	for i := range o.Pushes {
		p := &o.Pushes[i]
		t.add(uint64(p.Conn), p.Sub, uint64(p.Event.Account), p.Event.N, uint64(p.Event.Kind), p.Event.Index, p.Event.From, p.Event.To,
			uint64(p.Pos.Index))
		if p.Message != nil {
			t.add(p.Message.Seq, uint64(p.Message.Time), uint64(p.Message.Date))
			t.text(p.Message.Body)
		}
	}
	for i := range o.Replies {
		r := &o.Replies[i]
		t.add(uint64(r.Conn), r.ID, uint64(r.Class), uint64(r.Pos.Index), uint64(r.Leader), uint64(r.AfterMs), r.Expected, bit(r.Replayed),
			uint64(r.Result.UID), r.Result.Cursor, r.Result.Queued, uint64(r.Result.Conversation))
		t.text(r.Code)
		t.answer(r)
	}
	for i := range o.Closings {
		c := &o.Closings[i]
		t.add(uint64(c.Conn), c.Sub, uint64(c.Why), uint64(c.Pos.Index))
		t.text(c.By)
	}
}

// answer is what a query found.
func (t *trace) answer(r *replica.Reply) {
	if r.Page != nil {
		for _, name := range r.Page.Names {
			t.text(name)
		}
	}
	if r.Thread != nil {
		t.add(r.Thread.Last, uint64(len(r.Thread.Messages)))
		for i := range r.Thread.Messages {
			m := &r.Thread.Messages[i]
			t.add(m.Seq, binary.BigEndian.Uint64(m.Chain[:8])) // which covers the body
		}
	}
	if id := r.Identity; id != nil {
		t.add(uint64(id.UID), id.Epoch, id.Cursor, id.Queued)
		t.text(id.Name)
	}
}

func (t *trace) toShell(o *replica.Output) {
	for i := range o.Fetches {
		t.add(o.Fetches[i].ID, uint64(o.Fetches[i].At), uint64(len(o.Fetches[i].Ranges)))
	}
	t.add(o.Exports...)
	for i := range o.Verifies {
		t.add(o.Verifies[i].ID, uint64(o.Verifies[i].Conn), o.Verifies[i].Call)
		t.text(o.Verifies[i].Hash)
	}
	for i := range o.Hashes {
		t.add(o.Hashes[i].ID, uint64(o.Hashes[i].Conn), o.Hashes[i].Call)
	}
	for i := range o.Forget {
		t.add(uint64(o.Forget[i].Conn), o.Forget[i].Call)
	}
	for i := range o.Notes {
		n := &o.Notes[i]
		t.add(uint64(n.Kind), uint64(n.Peer), uint64(n.Term), uint64(n.Index))
		t.text(n.Name)
	}
}

func (t *trace) client(c *client, _ session.ClientInput) {
	t.add(c.machine.Hash())
}

// end looks into everybody once.
func (t *trace) end(w *world) {
	for _, s := range w.servers {
		if s.up {
			t.add(s.machine.Hash())
		}
		t.add(s.disk.digest[0], s.disk.seq)
	}
}

func bit(b bool) uint64 {
	if b {
		return 1
	}
	return 0
}
