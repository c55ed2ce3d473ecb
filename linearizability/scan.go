package linearizability

import "encoding/binary"

// The scanner reads lines as our own encoder writes them: the fields of a shape in their order, no
// spaces, no escapes, nothing outside ASCII. Whatever else it meets it leaves to the strict decoder,
// which accepts more and can say what is wrong. So it never refuses anything, and what it accepts
// the decoder would accept as the same event; a fuzz test holds it to that.
type scanner struct {
	b     []byte
	at    int
	words *words

	conv [2]uint64
	rows []Row
}

// scan reads one line into l, and returns its head. Which shape an answer has depends on the call
// that it answers.
func (s *scanner) scan(b []byte, l *line, v *validator) (h head, ok bool) {
	s.b, s.at = b, 0
	if !s.literal(lineStart) {
		return 0, false
	}
	kind, ok := s.kind()
	if !ok {
		return 0, false
	}
	h = kind << 4
	switch kinds[kind] {
	case Inv, OK:
		h |= variantPlain // until op or id is read: all calls begin alike, and all answers
	case Err:
		h |= variantRefusal
	}
	l.E, l.Pos, l.Rows = kinds[kind], 0, nil // what else counts is in the shape
	for i := 1; i < len(lineHeads[h].shape); i++ {
		f := &lineHeads[h].shape[i]
		if !s.literal(f.key) {
			if f.optional {
				continue
			}
			return 0, false
		}
		switch {
		case f.code == cOp:
			no, ok := s.op()
			if !ok {
				return 0, false
			}
			h = kind<<4 | no
			l.Op = ops[no]
		case f.code == cKind && kinds[kind] == Push && s.literal(messageKind):
			l.Kind = PushMessage
			h = kindPush<<4 | pushMessage
		case !s.value(f.code, l):
			return 0, false
		case f.code == cID && kinds[kind] == OK:
			c := v.call(l.ID)
			if c == nil {
				return 0, false
			}
			h = kind<<4 | c.opNo
		case f.code == cKind && kinds[kind] == Push:
			h = l.head("")
		}
	}
	return h, s.is('}') && s.at == len(s.b)
}

// kind reads the rest of the first value. Of what is rare the decoder takes care.
func (s *scanner) kind() (head, bool) {
	start := s.at
	for s.at < len(s.b) && s.b[s.at] != '"' {
		s.at++
	}
	word := s.b[start:s.at]
	if !s.is('"') {
		return 0, false
	}
	switch string(word) {
	case "push":
		return kindPush, true
	case "ack":
		return kindAck, true
	case "inv":
		return kindInv, true
	case "ok":
		return kindOK, true
	case "err":
		return kindErr, true
	case "entry":
		return kindEntry, true
	case "sub":
		return kindSub, true
	case "close":
		return kindClose, true
	case "try":
		return kindTry, true
	}
	return 0, false
}

// op reads the name of a call's operation.
func (s *scanner) op() (head, bool) {
	word, ok := s.text()
	if !ok {
		return 0, false
	}
	for no := range ops {
		if no > 0 && string(word) == string(ops[no]) && ops[no] != OpExpire {
			return head(no), true
		}
	}
	return 0, false
}

func (s *scanner) is(c byte) bool {
	if s.at == len(s.b) || s.b[s.at] != c {
		return false
	}
	s.at++
	return true
}

// A literal is text that a line must have, as far as it goes as a number: to compare one is cheaper.
type literal struct {
	text        string
	first, mask uint64
}

func newLiteral(text string) literal {
	var first, mask [8]byte
	for i := range copy(first[:], text) {
		mask[i] = 0xff
	}
	return literal{text, binary.LittleEndian.Uint64(first[:]), binary.LittleEndian.Uint64(mask[:])}
}

var (
	lineStart   = newLiteral(`{"e":"`)
	messageKind = newLiteral(`"message"`)
	trueValue   = newLiteral(`true`)
	falseValue  = newLiteral(`false`)
	rowSeq      = newLiteral(`{"seq":`)
	rowPos      = newLiteral(`,"pos":`)
	rowFrom     = newLiteral(`,"from":`)
	rowBody     = newLiteral(`,"body":`)
)

func (s *scanner) literal(l literal) bool {
	b, n := s.b[s.at:], len(l.text)
	switch {
	case len(b) >= 8:
		if binary.LittleEndian.Uint64(b)&l.mask != l.first || n > 8 && (len(b) < n || string(b[8:n]) != l.text[8:]) {
			return false
		}
	case len(b) < n || string(b[:n]) != l.text:
		return false
	}
	s.at += n
	return true
}

// text reads a string that needs no decoding.
func (s *scanner) text() ([]byte, bool) {
	if !s.is('"') {
		return nil, false
	}
	b := s.b[s.at:]
	for i, c := range b {
		if c == '"' {
			s.at += i + 1
			return b[:i], true
		}
		if c < ' ' || c == '\\' || c >= 0x80 {
			return nil, false
		}
	}
	return nil, false
}

// number reads an integer of at most fifteen digits; above 2^53 it takes sixteen.
func (s *scanner) number(v *uint64) bool {
	b, n, digits := s.b[s.at:], uint64(0), 0
	for _, c := range b {
		if c -= '0'; c > 9 {
			break
		}
		n = n*10 + uint64(c)
		digits++
	}
	s.at += digits
	*v = n
	return digits == 1 || 1 < digits && digits <= 15 && b[0] != '0'
}

func (s *scanner) value(c code, l *line) bool {
	switch {
	case c.isNumber():
		return s.number(l.num(c))
	case c.isString():
		return s.word(l.text(c), &l.no[c])
	case c == cConv:
		return s.members(l)
	case c == cRows:
		return s.page(l)
	case c == cNames:
		return s.names(l)
	}
	flag := l.flag(c)
	*flag = s.literal(trueValue)
	return *flag || s.literal(falseValue)
}

func (s *scanner) word(into *string, no *uint32) bool {
	b, ok := s.text()
	if ok {
		*no = s.words.numberOf(b)
		*into = s.words.at(*no)
	}
	return ok
}

// list reads what is between brackets, an item at a time.
func (s *scanner) list(item func() bool) bool {
	if !s.is('[') {
		return false
	}
	if s.is(']') {
		return true
	}
	for item() {
		if s.is(']') {
			return true
		}
		if !s.is(',') {
			return false
		}
	}
	return false
}

func (s *scanner) members(l *line) bool {
	ok := s.is('[') && s.number(&s.conv[0])
	l.Conv = s.conv[:1]
	if ok && s.is(',') {
		ok = s.number(&s.conv[1])
		l.Conv = s.conv[:2]
	}
	return ok && s.is(']')
}

func (s *scanner) page(l *line) bool {
	s.rows, l.rowWords = s.rows[:0], l.rowWords[:0]
	ok := s.list(func() bool {
		var r Row
		var no uint32
		ok := s.literal(rowSeq) && s.number(&r.Seq) &&
			(!s.literal(rowPos) || s.number(&r.Pos)) &&
			s.literal(rowFrom) && s.number(&r.From) &&
			s.literal(rowBody) && s.word(&r.Body, &no) && s.is('}')
		s.rows, l.rowWords = append(s.rows, r), append(l.rowWords, no)
		return ok
	})
	l.Rows = s.rows
	return ok
}

func (s *scanner) names(l *line) bool {
	l.nameNo, l.Names = l.nameNo[:0], l.Names[:0]
	return s.list(func() bool {
		var name string
		var no uint32
		ok := s.word(&name, &no)
		l.nameNo = append(l.nameNo, no)
		l.Names = append(l.Names, name)
		return ok
	})
}
