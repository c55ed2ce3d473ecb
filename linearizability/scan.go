package linearizability

import "bytes"

// The scanner reads lines as our own encoder writes them: no spaces, no escapes, nothing outside
// ASCII, each field once. Whatever else it meets it leaves to the strict decoder, which accepts
// more and can say what is wrong. So it never refuses anything, and what it accepts the decoder
// would accept as the same event; a fuzz test holds it to that.
type scanner struct {
	b     []byte
	at    int
	words *words

	conv [2]uint64
	rows []Row
}

// masks has the fields that each head must and may have.
var masks = func() (list [256]struct{ need, may uint64 }) {
	for i := range lineHeads {
		for _, f := range lineHeads[i].shape {
			list[i].may |= 1 << f.code
			if !f.optional {
				list[i].need |= 1 << f.code
			}
		}
	}
	return list
}()

// scan reads one line into l, which is the event but for its operation's sake: which fields it
// must have depends on the call that it answers. It says which fields it has seen.
func (s *scanner) scan(b []byte, l *line) (seen uint64, ok bool) {
	s.b, s.at = b, 0
	l.Event = Event{}
	if !s.is('{') {
		return 0, false
	}
	for {
		key, ok := s.text()
		if !ok || !s.is(':') || s.at == len(s.b) {
			return 0, false
		}
		c, known := codeOfKey(key, s.b[s.at])
		if !known || seen&(1<<c) != 0 || !s.value(c, l) || s.at == len(s.b) {
			return 0, false
		}
		seen |= 1 << c
		s.at++
		switch s.b[s.at-1] {
		case ',':
		case '}':
			return seen, s.at == len(s.b)
		default:
			return 0, false
		}
	}
}

// codeOfKey finds a field by its name and by the first byte of its value.
func codeOfKey(key []byte, first byte) (code, bool) {
	switch string(key) {
	case "e":
		return cE, true
	case "id":
		return cID, true
	case "t":
		return cT, true
	case "p":
		return cP, true
	case "op":
		return cOp, true
	case "pos":
		return cPos, true
	case "dev":
		return cDev, true
	case "dseq":
		return cDseq, true
	case "sub":
		return cSub, true
	case "n":
		return cN, true
	case "kind":
		return cKind, true
	case "conv":
		return cConv, true
	case "seq":
		return cSeq, true
	case "from":
		return cFrom, true
	case "body":
		return cBody, true
	case "to":
		if first == '"' {
			return cTo, true
		}
		return cToSeq, true
	case "after":
		if first == '"' {
			return cAfterKey, true
		}
		return cAfter, true
	}
	c, known := codeOf[string(key)]
	return c, known
}

func (s *scanner) is(c byte) bool {
	if s.at == len(s.b) || s.b[s.at] != c {
		return false
	}
	s.at++
	return true
}

// text reads a string that needs no decoding.
func (s *scanner) text() ([]byte, bool) {
	if !s.is('"') {
		return nil, false
	}
	start := s.at
	for ; s.at < len(s.b); s.at++ {
		switch c := s.b[s.at]; {
		case c == '"':
			s.at++
			return s.b[start : s.at-1], true
		case c < ' ' || c == '\\' || c >= 0x80:
			return nil, false
		}
	}
	return nil, false
}

// number reads an integer of at most fifteen digits; above 2^53 it takes sixteen.
func (s *scanner) number(v *uint64) bool {
	start, n := s.at, uint64(0)
	for ; s.at < len(s.b) && '0' <= s.b[s.at] && s.b[s.at] <= '9'; s.at++ {
		n = n*10 + uint64(s.b[s.at]-'0')
	}
	*v = n
	digits := s.at - start
	return digits == 1 || 1 < digits && digits <= 15 && s.b[start] != '0'
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
	*flag = s.b[s.at] == 't'
	return s.literal("true") || s.literal("false")
}

func (s *scanner) literal(word string) bool {
	if !bytes.HasPrefix(s.b[s.at:], []byte(word)) {
		return false
	}
	s.at += len(word)
	return true
}

func (s *scanner) word(into *string, no *uint32) bool {
	b, ok := s.text()
	if ok {
		*no = s.words.numberOf(b)
		*into = s.words.list[*no]
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
	n := 0
	ok := s.list(func() bool {
		n++
		return n <= len(s.conv) && s.number(&s.conv[n-1])
	})
	if ok {
		l.Conv = s.conv[:n]
	}
	return ok
}

func (s *scanner) page(l *line) bool {
	s.rows, l.rowWords = s.rows[:0], l.rowWords[:0]
	ok := s.list(func() bool {
		var r Row
		var no uint32
		ok := s.literal(`{"seq":`) && s.number(&r.Seq) &&
			(!s.literal(`,"pos":`) || s.number(&r.Pos)) &&
			s.literal(`,"from":`) && s.number(&r.From) &&
			s.literal(`,"body":`) && s.word(&r.Body, &no) && s.is('}')
		s.rows, l.rowWords = append(s.rows, r), append(l.rowWords, no)
		return ok
	})
	l.Rows = s.rows
	return ok
}

func (s *scanner) names(l *line) bool {
	l.nameNo = l.nameNo[:0]
	return s.list(func() bool {
		var name string
		var no uint32
		ok := s.word(&name, &no)
		l.nameNo = append(l.nameNo, no)
		l.Names = append(l.Names, name)
		return ok
	})
}
