package wire

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"fmt"

	"parley/core/chat"
	"parley/core/raft"
	"parley/core/replica"
)

// Prove is the proof that a server knows the cluster's secret: an HMAC over what the link is and
// the nonce of the other side. w is the acceptor's answer, nil when the dialer proves itself.
func Prove(secret, nonce []byte, h *PeerHello, w *PeerWelcome) []byte {
	mac := hmac.New(sha256.New, secret)
	fmt.Fprintf(mac, "parley link %d dialer=%t bulk=%t\n", h.GetProtocol(), w == nil, h.GetBulk())
	for _, n := range []uint64{h.GetFrom(), h.GetTo(), h.GetBoot(), w.GetBoot()} {
		_ = binary.Write(mac, binary.BigEndian, n) // a hash takes everything
	}
	for _, b := range [][]byte{h.GetCluster(), h.GetLife(), w.GetLife(), nonce} {
		_ = binary.Write(mac, binary.BigEndian, uint64(len(b)))
		mac.Write(b)
	}
	return mac.Sum(nil)
}

// EncodePeer makes a message between replicas ready to be sent.
func EncodePeer(m *replica.PeerMessage) *PeerMessage {
	w := &PeerMessage{From: uint64(m.From), To: uint64(m.To)}
	switch {
	case m.Raft != nil:
		w.Part = &PeerMessage_Raft{encodeRaft(m.Raft)}
	case m.Presence != nil:
		w.Part = &PeerMessage_Presence{encodePresence(m.Presence)}
	case m.Chunk != nil:
		w.Part = &PeerMessage_Chunk{encodeChunk(m.Chunk)}
	case m.ChunkAck != nil:
		w.Part = &PeerMessage_ChunkAck{&ChunkAck{
			Mark: encodeRaftMark(m.ChunkAck.Mark), Whole: clone(m.ChunkAck.Whole[:]),
			Next: m.ChunkAck.Next, Done: m.ChunkAck.Done, Refused: m.ChunkAck.Refused,
		}}
	}
	return w
}

// DecodePeer reads a message between replicas.
func DecodePeer(w *PeerMessage) (*replica.PeerMessage, error) {
	m := &replica.PeerMessage{From: raft.ID(w.GetFrom()), To: raft.ID(w.GetTo())}
	var err error
	switch part := w.GetPart().(type) {
	case *PeerMessage_Raft:
		m.Raft, err = decodeRaft(m.From, m.To, part.Raft)
	case *PeerMessage_Presence:
		m.Presence, err = decodePresence(part.Presence)
	case *PeerMessage_Chunk:
		m.Chunk, err = decodeChunk(part.Chunk)
	case *PeerMessage_ChunkAck:
		m.ChunkAck, err = decodeChunkAck(part.ChunkAck)
	default:
		err = errNil
	}
	if err != nil {
		return nil, fmt.Errorf("peer message of n%d: %w", m.From, err)
	}
	return m, nil
}

func encodeRaft(m *raft.Message) *RaftMessage {
	w := &RaftMessage{
		Kind: RaftKind(m.Kind), Term: uint64(m.Term),
		Index: uint64(m.Index), LogTerm: uint64(m.LogTerm), Chain: short(chat.Chain(m.Chain)),
		Commit: uint64(m.Commit), Round: m.Round, Reject: m.Reject, Transfer: m.Transfer, ReadId: m.ReadID,
	}
	for _, id := range m.Order {
		w.Order = append(w.Order, uint64(id))
	}
	if len(m.Entries) == 0 {
		return w
	}
	slab := make([]RaftEntry, len(m.Entries))
	chains := make([]byte, 0, IDLen*len(m.Entries))
	w.Entries = make([]*RaftEntry, len(m.Entries))
	for i := range m.Entries {
		e, to := &m.Entries[i], &slab[i]
		chains = append(chains, e.Chain[:]...)
		to.Index, to.Term, to.Kind, to.Time = uint64(e.Index), uint64(e.Term), uint32(e.Kind), int64(e.Time)
		to.Chain, to.Data = chains[len(chains)-IDLen:], e.Data
		w.Entries[i] = to
	}
	return w
}

func decodeRaft(from, to raft.ID, w *RaftMessage) (*raft.Message, error) {
	if w.GetKind() < RaftKind_RAFT_KIND_PRE_VOTE || w.GetKind() > RaftKind_RAFT_KIND_READ_INDEX_REPLY {
		return nil, fmt.Errorf("raft kind %d is not known", w.GetKind())
	}
	m := &raft.Message{
		Kind: raft.MessageKind(w.GetKind()), From: from, To: to, Term: raft.Term(w.GetTerm()),
		Index: raft.Index(w.GetIndex()), LogTerm: raft.Term(w.GetLogTerm()),
		Commit: raft.Index(w.GetCommit()), Round: w.GetRound(), Reject: w.GetReject(),
		Transfer: w.GetTransfer(), ReadID: w.GetReadId(),
	}
	if err := fill("chain", m.Chain[:], w.GetChain()); err != nil {
		return nil, err
	}
	if err := atMost("successors", len(w.GetOrder()), 64); err != nil {
		return nil, err
	}
	for _, id := range w.GetOrder() {
		m.Order = append(m.Order, raft.ID(id))
	}
	var err error
	m.Entries, err = decodeEntries(m.Index, w.GetEntries())
	return m, err
}

// decodeEntries reads entries, which follow each other from after the index prev.
func decodeEntries(prev raft.Index, list []*RaftEntry) ([]raft.Entry, error) {
	if err := atMost("entries", len(list), MaxEntries); err != nil {
		return nil, err
	}
	if len(list) == 0 {
		return nil, nil
	}
	entries := make([]raft.Entry, len(list))
	for i, w := range list {
		prev++
		if raft.Index(w.GetIndex()) != prev {
			return nil, fmt.Errorf("entry %d: want entry %d", w.GetIndex(), prev)
		}
		if w.GetKind() > uint32(raft.Command) {
			return nil, fmt.Errorf("entry %d: kind %d is not known", prev, w.GetKind())
		}
		e := &entries[i]
		e.Index, e.Term, e.Kind = prev, raft.Term(w.GetTerm()), raft.Kind(w.GetKind())
		e.Time, e.Data = raft.ClusterTime(w.GetTime()), w.GetData()
		if err := fill("entry chain", e.Chain[:], w.GetChain()); err != nil {
			return nil, err
		}
	}
	return entries, nil
}

func encodeRaftMark(m raft.Mark) *RaftMark {
	return &RaftMark{
		Index: uint64(m.Index), Term: uint64(m.Term), Chain: clone(m.Chain[:]), Time: int64(m.Time),
	}
}

func decodeRaftMark(w *RaftMark) (m raft.Mark, err error) {
	if w == nil {
		return m, fmt.Errorf("mark: %w", errNil)
	}
	m.Index, m.Term, m.Time = raft.Index(w.GetIndex()), raft.Term(w.GetTerm()), raft.ClusterTime(w.GetTime())
	return m, fill("mark chain", m.Chain[:], w.GetChain())
}

func encodePresence(p *replica.Presence) *Presence {
	w := &Presence{Items: make([]*HeardItem, 0, len(p.Items))}
	for _, it := range p.Items {
		w.Items = append(w.Items, &HeardItem{
			Device: clone(it.Device[:]), Epoch: it.Epoch, Cursor: it.Cursor, Marks: encodeMarks(it.Marks),
		})
	}
	return w
}

func decodePresence(w *Presence) (*replica.Presence, error) {
	if err := atMost("presence items", len(w.GetItems()), MaxHeard); err != nil {
		return nil, err
	}
	p := &replica.Presence{Items: make([]chat.HeardItem, len(w.GetItems()))}
	for i, it := range w.GetItems() {
		to := &p.Items[i]
		to.Epoch, to.Cursor = it.GetEpoch(), it.GetCursor()
		if err := fillAll("presence device", to.Device[:], it.GetDevice()); err != nil {
			return nil, err
		}
		var err error
		if to.Marks, err = decodeMarks(it.GetMarks()); err != nil {
			return nil, err
		}
	}
	return p, nil
}

func encodeChunk(c *replica.Chunk) *Chunk {
	return &Chunk{
		Mark: encodeRaftMark(c.Mark), Digest: clone(c.Digest[:]), Whole: clone(c.Whole[:]),
		Size: c.Size, Offset: c.Offset, Data: c.Data,
	}
}

func decodeChunk(w *Chunk) (*replica.Chunk, error) {
	c := &replica.Chunk{Size: w.GetSize(), Offset: w.GetOffset(), Data: w.GetData()}
	if n := uint64(len(c.Data)); c.Offset > c.Size || n > c.Size-c.Offset {
		return nil, fmt.Errorf("chunk: %d bytes at %d are not within %d", n, c.Offset, c.Size)
	}
	if len(w.GetDigest()) != len(c.Digest) {
		return nil, fmt.Errorf("chunk digest: %d lanes, want %d", len(w.GetDigest()), len(c.Digest))
	}
	copy(c.Digest[:], w.GetDigest())
	if err := fillAll("chunk hash", c.Whole[:], w.GetWhole()); err != nil {
		return nil, err
	}
	var err error
	c.Mark, err = decodeRaftMark(w.GetMark())
	return c, err
}

func decodeChunkAck(w *ChunkAck) (*replica.ChunkAck, error) {
	a := &replica.ChunkAck{Next: w.GetNext(), Done: w.GetDone(), Refused: w.GetRefused()}
	if err := fillAll("chunk ack hash", a.Whole[:], w.GetWhole()); err != nil {
		return nil, err
	}
	var err error
	a.Mark, err = decodeRaftMark(w.GetMark())
	return a, err
}

func clone[T any](s []T) []T { return append([]T(nil), s...) }
