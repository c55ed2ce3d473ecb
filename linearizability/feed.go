package linearizability

import (
	"encoding/binary"
	"iter"
)

// A feed is one stream of an account's events to one device. A message that stands at a place
// stands there for good, so feeds need no search, only the certified log; without one, what the
// streams and answers say about each other.
type feed struct {
	sub    uint64
	dev    string
	device int32 // its number
	after  uint64
	t      uint64 // attached
	closed uint64 // or forever

	tape          *tape // to unpack with
	pushed, acked packed
	last          push // that was packed
	ack           mark

	count     int    // of pushes, and the
	low, high uint64 // numbers among theirs; 0 if there are none
	falls     bool   // the numbers do not always rise
	catchUps  bool   // there are some
}

// A push is an event that a feed delivered.
type push struct {
	T, N, Pos, Seq, From uint64
	Kind                 string
	ToSeq                uint64
	conv, body, kind     uint32 // numbers
	variant              head
}

// A mark is an acknowledgement: all up to n at t.
type mark struct{ t, n uint64 }

// packed is a list of small numbers, in short pieces.
type packed [][]byte

func (p *packed) add(b []byte) {
	n := len(*p)
	if n == 0 || cap((*p)[n-1])-len((*p)[n-1]) < len(b) {
		*p = append(*p, make([]byte, 0, max(len(b), min(64<<min(n, 5), 1<<11))))
		n++
	}
	(*p)[n-1] = append((*p)[n-1], b...)
}

// event takes what happens to a feed, and says whether it keeps it.
func (f *feed) event(l *line, h head) bool {
	switch h >> 4 {
	case kindPush:
		f.push(l, h&15)
		return true
	case kindAck:
		var room [2 * binary.MaxVarintLen64]byte
		b := binary.AppendUvarint(room[:0], l.T-f.ack.t)
		f.acked.add(binary.AppendVarint(b, int64(l.N-f.ack.n)))
		f.ack = mark{l.T, l.N}
		return true
	}
	f.closed = l.T
	return false
}

// The variants of a push; any other is 0.
const (
	pushMessage head = 1
	pushCatchUp head = 2
)

func (f *feed) push(l *line, variant head) {
	var room [9 * binary.MaxVarintLen64]byte
	b := binary.AppendUvarint(room[:0], l.T-f.last.T)
	b = binary.AppendVarint(b, int64(l.N-f.last.N))
	b = binary.AppendVarint(b, int64(l.Pos-f.last.Pos))
	if f.count == 0 {
		f.low = l.N
	}
	f.falls = f.falls || f.count > 0 && l.N <= f.last.N
	f.catchUps = f.catchUps || variant == pushCatchUp
	f.count, f.low, f.high = f.count+1, min(f.low, l.N), max(f.high, l.N)
	f.last.T, f.last.N, f.last.Pos = l.T, l.N, l.Pos
	b = append(b, byte(variant))
	switch variant {
	case pushMessage:
		b = binary.AppendUvarint(b, uint64(l.no[cConv]))
		b = binary.AppendUvarint(b, l.Seq)
		b = binary.AppendUvarint(b, l.From)
		b = binary.AppendUvarint(b, uint64(l.no[cBody]))
	case pushCatchUp:
		b = binary.AppendUvarint(b, uint64(l.no[cConv]))
		b = binary.AppendUvarint(b, l.Seq)
		b = binary.AppendUvarint(b, l.ToSeq)
	default:
		b = binary.AppendUvarint(b, uint64(l.no[cKind]))
	}
	f.pushed.add(b)
}

// pushes goes through what the feed delivered. Each push is overwritten by the next.
func (f *feed) pushes() iter.Seq[*push] {
	return func(yield func(*push) bool) {
		p := &push{}
		for _, piece := range f.pushed {
			for in := (unpacker{b: piece}); in.at < len(in.b); {
				p.unpack(&in, f.tape.words)
				if !yield(p) {
					return
				}
			}
		}
	}
}

// unpack makes a push of the one before it.
func (p *push) unpack(in *unpacker, words *words) {
	*p = push{T: p.T + in.uint(), N: p.N + in.int(), Pos: p.Pos + in.int()}
	p.variant = head(in.b[in.at])
	switch in.at++; p.variant {
	case pushMessage:
		p.Kind = PushMessage
		p.conv, p.Seq, p.From, p.body = uint32(in.uint()), in.uint(), in.uint(), uint32(in.uint())
	case pushCatchUp:
		p.Kind = PushCatchUp
		p.conv, p.Seq, p.ToSeq = uint32(in.uint()), in.uint(), in.uint()
	default:
		p.kind = uint32(in.uint())
		p.Kind = words.at(p.kind)
	}
}

func (m *mark) unpack(in *unpacker) {
	m.t += in.uint()
	m.n += in.int()
}

// acks goes through what was acknowledged.
func (f *feed) acks() iter.Seq[mark] {
	return func(yield func(mark) bool) {
		m := mark{}
		for _, piece := range f.acked {
			for in := (unpacker{b: piece}); in.at < len(in.b); {
				m.unpack(&in)
				if !yield(m) {
					return
				}
			}
		}
	}
}

// body and conv are what a push shows.
func (f *feed) body(e *push) string { return f.tape.words.at(e.body) }
func (f *feed) conv(e *push) convID { return f.tape.ids[e.conv] }

// A feedCursor follows a feed as the chunks of its tape go by.
type feedCursor struct {
	f             *feed
	pushed, acked packedReader
	push          push
	ack           mark
}

func newFeedCursor(f *feed) feedCursor {
	return feedCursor{f: f, pushed: packedReader{left: f.pushed}, acked: packedReader{left: f.acked}}
}

// next fills in the next event of the feed, of which l has the head.
func (c *feedCursor) next(l *line) {
	l.Sub = c.f.sub
	if l.E == Ack {
		c.ack.unpack(c.acked.next())
		l.T, l.N = c.ack.t, c.ack.n
		return
	}
	p, words := &c.push, c.f.tape.words
	p.unpack(c.pushed.next(), words)
	l.T, l.N, l.Pos, l.Kind = p.T, p.N, p.Pos, p.Kind
	l.Seq, l.From, l.ToSeq, l.Body, l.Conv = p.Seq, p.From, p.ToSeq, words.at(p.body), c.f.tape.convs[p.conv]
	l.no[cConv], l.no[cBody], l.no[cKind] = p.conv, p.body, p.kind
}

// A packedReader is where somebody stands in a packed list.
type packedReader struct {
	left packed
	in   unpacker
}

func (r *packedReader) next() *unpacker {
	if r.in.at == len(r.in.b) {
		r.in, r.left = unpacker{b: r.left[0]}, r.left[1:]
	}
	return &r.in
}
