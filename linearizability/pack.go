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

	calls, entries int // of the events
	words          *words
	convs          [][]uint64
	convNo         map[convID]uint32
	ids            []convID // of convs

	// What feeds push and acknowledge stands with them; the chunks say only when.
	feeds  []*feed
	feedNo numbering // by sub

	devices  []string
	deviceNo numbering // by number of the word

	buf  []byte
	last bases
}

// bases are what differences are taken from.
type bases struct{ t, id, pos uint64 }

const chunkSize = 1 << 20

func newTape() *tape {
	return &tape{words: newWords(), convs: [][]uint64{nil}, ids: []convID{{}}, convNo: map[convID]uint32{}}
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
		h := l.head(ops[op])
		t.number(l, h)
		t.pack(l, h)
	}
	t.words.done()
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
	variantPlain   = 3 // of a logout
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

// Places in kinds.
const (
	kindInv   = 0
	kindOK    = 1
	kindErr   = 2
	kindTry   = 6
	kindSub   = 7
	kindPush  = 8
	kindAck   = 9
	kindClose = 10
	kindEntry = 11
)

func kindNo(k Kind) head { return head(slices.Index(kinds[:], k)) }

var ops = [...]Op{"", OpSignup, OpLogin, OpLogout, OpDelete, OpPasswd, OpVoid, OpSend, OpHistory, OpList, OpExpire}

// Places in ops.
const (
	opSignup head = iota + 1
	opLogin
	opLogout
	opDelete
	opPasswd
	opVoid
	opSend
	opHistory
	opList
	opExpire
)

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

// number finds the numbers of the strings that a shape has.
func (t *tape) number(l *line, h head) {
	for _, f := range lineHeads[h].shape {
		switch {
		case f.code == cE || f.code == cOp:
		case f.code.isString():
			s := l.text(f.code)
			l.no[f.code] = t.words.number(*s)
			*s = t.words.at(l.no[f.code])
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
		t.convs, t.ids = append(t.convs, slices.Clone(uids)), append(t.ids, key)
	}
	return no
}

// pack appends an event whose strings are numbered.
func (t *tape) pack(l *line, h head) {
	b := append(t.buf[:0], byte(h))
	switch h >> 4 {
	case kindInv:
		t.calls++
		t.addDevice(l)
	case kindEntry:
		t.entries++
		t.addDevice(l)
	case kindSub:
		t.addDevice(l)
		t.feedNo.put(l.Sub, uint32(len(t.feeds)))
		t.feeds = append(t.feeds, &feed{
			tape: t, sub: l.Sub, dev: l.Dev, device: t.device(l.no[cDev]), after: l.After, t: l.T, closed: forever,
		})
	case kindPush, kindAck, kindClose:
		no, _ := t.feedNo.get(l.Sub)
		if t.feeds[no].event(l, h) {
			b = binary.AppendUvarint(b, uint64(no))
			t.buf = b
			t.put(b)
			return
		}
	}
	shape := lineHeads[h].shape
	for i := range shape {
		switch c := shape[i].code; {
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
}

// addDevice numbers the device that an event names.
func (t *tape) addDevice(l *line) {
	if _, known := t.deviceNo.get(uint64(l.no[cDev])); !known {
		t.deviceNo.put(uint64(l.no[cDev]), uint32(len(t.devices)))
		t.devices = append(t.devices, l.Dev)
	}
}

// device is the number of one that some event names.
func (t *tape) device(word uint32) int32 {
	no, _ := t.deviceNo.get(uint64(word))
	return int32(no)
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
		cursors := make([]feedCursor, len(t.feeds))
		for i, f := range t.feeds {
			cursors[i] = newFeedCursor(f)
		}
		t.each(yield, func(no uint64, l *line) bool {
			cursors[no].next(l)
			return yield(l)
		})
	}
}

// without is all without what feeds pushed and acknowledged.
func (t *tape) without() iter.Seq[*line] {
	return func(yield func(*line) bool) {
		t.each(yield, func(uint64, *line) bool { return true })
	}
}

// each calls f for every event, and for those that stand with a feed inFeed.
func (t *tape) each(f func(*line) bool, inFeed func(no uint64, l *line) bool) {
	l, last := &line{}, bases{}
	for _, chunk := range t.chunks {
		for in := (unpacker{b: chunk}); in.at < len(in.b); {
			if h := head(in.b[in.at]); h>>4 == kindPush || h>>4 == kindAck {
				in.at++
				l.Event = lineHeads[h].e
				if !inFeed(in.uint(), l) {
					return
				}
				continue
			}
			t.unpack(&in, l, &last)
			if !f(l) {
				return
			}
		}
	}
}

type unpacker struct {
	b  []byte
	at int
}

func (in *unpacker) uint() uint64 {
	v, at := uint64(in.b[in.at]), in.at+1
	if v >= 0x80 {
		v &= 0x7f
		for shift := 7; ; shift += 7 {
			c := in.b[at]
			at++
			v |= uint64(c&0x7f) << shift
			if c < 0x80 {
				break
			}
		}
	}
	in.at = at
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
			*l.text(c) = t.words.at(l.no[c])
		case c == cConv:
			l.no[c] = uint32(in.uint())
			l.Conv = t.convs[l.no[c]]
		case c == cRows:
			t.unpackRows(in, l)
		case c == cNames:
			l.Names = make([]string, in.uint())
			for i := range l.Names {
				l.Names[i] = t.words.at(uint32(in.uint()))
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
		r.Body = t.words.at(l.rowWords[i])
	}
}
