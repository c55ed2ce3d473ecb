package linearizability

import (
	"encoding/binary"
	"iter"
	"slices"
)

// A tape is a history packed: some fifteen bytes an event, where an Event has five hundred. Times,
// ids and positions are kept as differences, strings and conversations as numbers.
type tape struct {
	chunks [][]byte
	events int
	calls  int
	words  *words
	convs  [][]uint64
	convNo map[convID]uint32

	buf  []byte
	last bases
}

// bases are what differences are taken from.
type bases struct{ t, id, pos uint64 }

const chunkSize = 1 << 20

func newTape() *tape {
	return &tape{words: newWords(), convs: [][]uint64{nil}, convNo: map[convID]uint32{}}
}

// tape packs a well-formed history, unless it is packed.
func (h *History) tape() *tape {
	if h.packed != nil && len(h.Events) == 0 {
		return h.packed
	}
	t, called, l := newTape(), numbering{}, &line{}
	for l.Event = range h.All() {
		op, _ := called.get(l.ID)
		if l.E == Inv {
			op = uint32(opNo(l.Op))
			called.put(l.ID, op)
		}
		t.number(l, ops[op])
		t.pack(l, ops[op])
	}
	return t
}

// A line is an event with the numbers of its strings and of its conversation, by code.
type line struct {
	Event
	no       [codes]uint32
	rowWords []uint32 // the rows' bodies
	nameNo   []uint32
}

// A head is the first byte of a packed event: its kind, and what tells shapes of one kind apart.
type head uint8

const (
	variantRefusal = 14
	variantNever   = 15
)

func (e *Event) head(op Op) head {
	variant := head(0)
	switch e.E {
	case Inv, Entry:
		variant = opNo(e.Op)
	case OK:
		variant = opNo(op)
	case Err:
		variant = variantRefusal
	case Resolved:
		switch {
		case e.Never:
			variant = variantNever
		case e.Code != "":
			variant = variantRefusal
		default:
			variant = opNo(op)
		}
	case Push:
		switch e.Kind {
		case PushMessage:
			variant = 1
		case PushCatchUp:
			variant = 2
		}
	}
	return kindNo(e.E)<<4 | variant
}

var kinds = [...]Kind{Inv, OK, Err, Fail, Info, Resolved, Try, Sub, Push, Ack, Close, Entry, Phase, Fault, End}

func kindNo(k Kind) head { return head(slices.Index(kinds[:], k)) }

var ops = [...]Op{"", OpSignup, OpLogin, OpLogout, OpDelete, OpPasswd, OpVoid, OpSend, OpHistory, OpList, OpExpire}

func opNo(op Op) head { return head(slices.Index(ops[:], op)) }

// lineHeads has what each head stands for.
var lineHeads = func() (list [256]struct {
	e     Event
	shape shape[Event]
}) {
	for k, kind := range kinds {
		for v := range 16 {
			h := &list[k<<4|v]
			h.e.E = kind
			op := Op("")
			if v < len(ops) {
				op = ops[v]
			}
			switch {
			case kind == Inv || kind == Entry:
				h.e.Op = op
			case kind == Push && v == 1:
				h.e.Kind = PushMessage
			case kind == Push && v == 2:
				h.e.Kind = PushCatchUp
			case v == variantNever:
				h.e.Never = true
			}
			e := h.e
			if v == variantRefusal {
				e.Code = "E"
			}
			h.shape = e.shape(op)
		}
	}
	return list
}()

// number finds the numbers of the strings that e's shape has.
func (t *tape) number(l *line, op Op) {
	for _, f := range lineHeads[l.head(op)].shape {
		switch {
		case f.code == cE || f.code == cOp:
		case f.code.isString():
			s := l.text(f.code)
			l.no[f.code] = t.words.number(*s)
			*s = t.words.list[l.no[f.code]]
		case f.code == cConv:
			l.no[cConv] = t.conv(l.Conv)
		case f.code == cRows:
			l.rowWords = l.rowWords[:0]
			for i := range l.Rows {
				l.rowWords = append(l.rowWords, t.words.number(l.Rows[i].Body))
			}
		case f.code == cNames:
			l.nameNo = l.nameNo[:0]
			for _, s := range l.Names {
				l.nameNo = append(l.nameNo, t.words.number(s))
			}
		}
	}
}

func (t *tape) conv(uids []uint64) uint32 {
	if len(uids) == 0 {
		return 0
	}
	key := convOf(uids)
	no, known := t.convNo[key]
	if !known {
		no = uint32(len(t.convs))
		t.convNo[key] = no
		t.convs = append(t.convs, slices.Clone(uids))
	}
	return no
}

// pack appends an event whose strings are numbered.
func (t *tape) pack(l *line, op Op) {
	h := l.head(op)
	b := append(t.buf[:0], byte(h))
	for _, f := range lineHeads[h].shape {
		switch c := f.code; {
		case c == cE || c == cOp:
		case c == cT:
			b = binary.AppendUvarint(b, l.T-t.last.t)
			t.last.t = l.T
		case c == cID:
			b = binary.AppendVarint(b, int64(l.ID-t.last.id))
			t.last.id = l.ID
		case c == cPos:
			b = binary.AppendVarint(b, int64(l.Pos-t.last.pos))
			t.last.pos = l.Pos
		case c.isNumber():
			b = binary.AppendUvarint(b, *l.num(c))
		case c.isString() || c == cConv:
			b = binary.AppendUvarint(b, uint64(l.no[c]))
		case c == cRows:
			b = binary.AppendUvarint(b, uint64(len(l.Rows)))
			pos := l.Pos
			for i := range l.Rows {
				r := &l.Rows[i]
				b = binary.AppendUvarint(b, r.Seq)
				b = binary.AppendVarint(b, int64(r.Pos-pos))
				b = binary.AppendUvarint(b, r.From)
				b = binary.AppendUvarint(b, uint64(l.rowWords[i]))
				pos = r.Pos
			}
		case c == cNames:
			b = binary.AppendUvarint(b, uint64(len(l.nameNo)))
			for _, n := range l.nameNo {
				b = binary.AppendUvarint(b, uint64(n))
			}
		default:
			b = append(b, bit(*l.flag(c)))
		}
	}
	t.buf = b
	t.put(b)
	if l.E == Inv {
		t.calls++
	}
}

func bit(on bool) byte {
	if on {
		return 1
	}
	return 0
}

// put keeps a packed event whole in one chunk.
func (t *tape) put(b []byte) {
	n := len(t.chunks)
	if n == 0 || cap(t.chunks[n-1])-len(t.chunks[n-1]) < len(b) {
		size := chunkSize
		if t.events < 4096 {
			size = chunkSize >> 5
		}
		t.chunks = append(t.chunks, make([]byte, 0, max(size, len(b))))
		n++
	}
	t.chunks[n-1] = append(t.chunks[n-1], b...)
	t.events++
}

// all unpacks the events one after another into one line. Rows and names may be kept, the rest is
// overwritten.
func (t *tape) all() iter.Seq[*line] {
	return func(yield func(*line) bool) {
		l, last := &line{}, bases{}
		for _, chunk := range t.chunks {
			for in := (unpacker{b: chunk}); in.at < len(in.b); {
				t.unpack(&in, l, &last)
				if !yield(l) {
					return
				}
			}
		}
	}
}

type unpacker struct {
	b  []byte
	at int
}

func (in *unpacker) uint() uint64 {
	if c := in.b[in.at]; c < 0x80 {
		in.at++
		return uint64(c)
	}
	v, n := binary.Uvarint(in.b[in.at:])
	in.at += n
	return v
}

func (in *unpacker) int() uint64 {
	v := in.uint()
	return uint64(int64(v>>1) ^ -int64(v&1))
}

func (t *tape) unpack(in *unpacker, l *line, last *bases) {
	h := &lineHeads[in.b[in.at]]
	in.at++
	l.Event = h.e
	for i := range h.shape {
		switch c := h.shape[i].code; {
		case c == cE || c == cOp:
		case c == cT:
			last.t += in.uint()
			l.T = last.t
		case c == cID:
			last.id += in.int()
			l.ID = last.id
		case c == cPos:
			last.pos += in.int()
			l.Pos = last.pos
		case c.isNumber():
			*l.num(c) = in.uint()
		case c.isString():
			l.no[c] = uint32(in.uint())
			*l.text(c) = t.words.list[l.no[c]]
		case c == cConv:
			l.no[c] = uint32(in.uint())
			l.Conv = t.convs[l.no[c]]
		case c == cRows:
			t.unpackRows(in, l)
		case c == cNames:
			l.Names = make([]string, in.uint())
			for i := range l.Names {
				l.Names[i] = t.words.list[in.uint()]
			}
		default:
			*l.flag(c) = in.uint() == 1
		}
	}
}

func (t *tape) unpackRows(in *unpacker, l *line) {
	n := in.uint()
	l.Rows, l.rowWords = make([]Row, n), make([]uint32, n)
	pos := l.Pos
	for i := range l.Rows {
		r := &l.Rows[i]
		r.Seq = in.uint()
		pos += in.int()
		r.Pos = pos
		r.From = in.uint()
		l.rowWords[i] = uint32(in.uint())
		r.Body = t.words.list[l.rowWords[i]]
	}
}
