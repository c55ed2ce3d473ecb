package linearizability

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"unicode/utf8"
)

// A FormatError says where a file stops being a history.
type FormatError struct {
	Line  int
	Field string // or ""
	Text  string
}

func (e *FormatError) Error() string {
	if e.Field == "" {
		return fmt.Sprintf("line %d: %s", e.Line, e.Text)
	}
	return fmt.Sprintf("line %d: field %q: %s", e.Line, e.Field, e.Text)
}

// Read reads a history and refuses, with a *FormatError, what is none: it is strict about fields,
// types and the order of events. A last line without newline is dropped, for that is how a killed
// recorder stops; that the end is missing is for Check to say.
func Read(r io.Reader) (*History, error) { return ReadWith(r, ReadOptions{}) }

// ReadOptions change nothing about what is accepted.
type ReadOptions struct {
	// Progress, unless nil, is called now and then, and once at the end, with how many lines and
	// bytes have been read.
	Progress func(lines int, bytes int64)
}

// progressEvery is the number of lines between two reports of progress; about a hundredth of a
// second.
const progressEvery = 1 << 14

// ReadWith is Read with options. What it returns has its events packed: All goes through them.
func ReadWith(r io.Reader, o ReadOptions) (*History, error) {
	d := newDecoder()
	in := bufio.NewReaderSize(r, 1<<16)
	size := int64(0)
	for line := 1; ; line++ {
		b, err := readLine(in)
		if o.Progress != nil && (err != nil || line%progressEvery == 0) {
			o.Progress(line-1, size)
		}
		if err == io.EOF {
			if line == 1 {
				return nil, &FormatError{1, "", "no meta line"}
			}
			d.t.words.done()
			return &History{Meta: d.h.Meta, packed: d.t}, nil
		}
		if err != nil {
			return nil, fmt.Errorf("read history: %w", err)
		}
		if len(b) > maxLine {
			return nil, &FormatError{line, "", fmt.Sprintf("longer than %d bytes", maxLine)}
		}
		size += int64(len(b)) + 1
		if err := d.decode(line, b); err != nil {
			return nil, err
		}
	}
}

// maxLine bounds the memory that one line can take.
const maxLine = 16 << 20

// readLine returns the next line, without its newline, valid until the next is read. A line that has none is not returned;
// of one that is too long not much more than that is read.
func readLine(in *bufio.Reader) ([]byte, error) {
	var b []byte
	for {
		part, err := in.ReadSlice('\n')
		if err == nil && len(b) == 0 {
			return part[:len(part)-1], nil
		}
		b = append(b, part...)
		if err == bufio.ErrBufferFull && len(b) > maxLine {
			return b, nil
		}
		if err != bufio.ErrBufferFull {
			return bytes.TrimSuffix(b, []byte("\n")), err
		}
	}
}

type decoder struct {
	h     History
	v     validator
	t     *tape
	scan  scanner
	line  line
	pairs []pair
}

func newDecoder() *decoder {
	t := newTape()
	return &decoder{h: History{packed: t}, t: t, scan: scanner{words: t.words}}
}

// A pair is one member of a JSON object, its value still as it stands in the file.
type pair struct{ key, raw []byte }

func (d *decoder) decode(line int, b []byte) error {
	if line > 1 {
		if p, ok := d.fast(b); ok {
			if p != none {
				return &FormatError{line, p.field, p.text}
			}
			return nil
		}
	}
	d.pairs = d.pairs[:0]
	var p problem
	switch {
	case !utf8.Valid(b):
		p = problem{"", "not UTF-8"}
	case !json.Valid(b):
		p = problem{"", "not JSON"}
	case line == 1:
		p = d.meta(b)
	default:
		p = d.event(b)
	}
	if p != none {
		return &FormatError{line, p.field, p.text}
	}
	return nil
}

func (d *decoder) meta(b []byte) problem {
	var m metaLine
	if p := decodeObject(d, b, metaShape, &m); p != none {
		return p
	}
	if err := m.valid(); err != nil {
		return problem{"", err.Error()}
	}
	d.h.Meta, d.v = m.Meta, newValidator(m.Meta)
	return none
}

// fast reads a line as the encoder writes it, or leaves it to event.
func (d *decoder) fast(b []byte) (problem, bool) {
	l := &d.line
	h, ok := d.scan.scan(b, l, &d.v)
	if !ok {
		return none, false
	}
	if p := d.v.event(&l.Event); p != none {
		return p, true
	}
	l.no[cConv] = d.t.conv(l.Conv)
	d.t.pack(l, h)
	return none, true
}

// event decodes any other line.
func (d *decoder) event(b []byte) problem {
	d.line.Event = Event{}
	e := &d.line.Event
	pairs, err := d.split(b)
	if err != nil {
		return problem{"", err.Error()}
	}
	// What selects the shape is read first, wherever it stands.
	for _, p := range pairs {
		var at any
		switch string(p.key) {
		case "e", "op", "id":
			at = fields[string(p.key)](e)
		case "kind", "code":
			at = fields[string(p.key)](e)
		case "never":
			at = &e.Never
		default:
			continue
		}
		if err := d.value(p.raw, at); err != nil {
			return problem{string(p.key), err.Error()}
		}
	}
	op := d.v.opOf(e.ID)
	shape := e.shape(op)
	if shape == nil {
		return d.shapeless(e)
	}
	if p := decodePairs(d, pairs, shape, e); p != none {
		return p
	}
	if p := d.v.event(e); p != none {
		return p
	}
	if e.E == Inv {
		op = e.Op
	}
	h := e.head(op)
	d.t.number(&d.line, h)
	d.t.pack(&d.line, h)
	return none
}

// shapeless says why e is no event.
func (d *decoder) shapeless(e *Event) problem {
	switch e.E {
	case Inv, Entry:
		return problem{"op", fmt.Sprintf("unknown operation %q", e.Op)}
	case OK, Resolved:
		return problem{"id", fmt.Sprintf("no call %d to answer", e.ID)}
	}
	return problem{"e", fmt.Sprintf("unknown event %q", e.E)}
}

func decodeObject[T any](d *decoder, b []byte, s shape[T], v *T) problem {
	pairs, err := d.split(b)
	if err != nil {
		return problem{"", err.Error()}
	}
	return decodePairs(d, pairs, s, v)
}

// decodePairs demands every field of the shape once and no other. Order is free: other tools may
// write histories too.
func decodePairs[T any](d *decoder, pairs []pair, s shape[T], v *T) problem {
	next, seen := 0, 0
	for _, p := range pairs {
		i := next // usually the fields come in order
		if i >= len(s) || s[i].name != string(p.key) {
			for i = 0; i < len(s) && s[i].name != string(p.key); i++ {
			}
		}
		if i == len(s) {
			return problem{string(p.key), "unknown field"}
		}
		if seen&(1<<i) != 0 {
			return problem{string(p.key), "twice"}
		}
		if err := d.value(p.raw, s[i].at(v)); err != nil {
			return problem{string(p.key), err.Error()}
		}
		seen |= 1 << i
		next = i + 1
	}
	for i, f := range s {
		if seen&(1<<i) == 0 && !f.optional {
			return problem{f.name, "missing"}
		}
	}
	return none
}

// split takes valid JSON apart into the members of one object, without those that begin "x-".
func (d *decoder) split(b []byte) ([]pair, error) {
	b = bytes.TrimSpace(b)
	if len(b) == 0 || b[0] != '{' {
		return nil, errors.New("not an object")
	}
	start := len(d.pairs) // rows are split while the pairs of their event are still in use
	for b = skipSpace(b[1:]); b[0] != '}'; {
		var p pair
		p.key, b = cutValue(b)
		p.key = p.key[1 : len(p.key)-1]
		p.raw, b = cutValue(skipSpace(skipSpace(b)[1:]))
		if b = skipSpace(b); b[0] == ',' {
			b = skipSpace(b[1:])
		}
		if !bytes.HasPrefix(p.key, []byte("x-")) {
			d.pairs = append(d.pairs, p)
		}
	}
	return d.pairs[start:], nil
}

func skipSpace(b []byte) []byte {
	for len(b) > 0 && (b[0] == ' ' || b[0] == '\t' || b[0] == '\r' || b[0] == '\n') {
		b = b[1:]
	}
	return b
}

// cutValue cuts the first value off valid JSON that begins with one.
func cutValue(b []byte) (value, rest []byte) {
	depth := 0
	for i := 0; i < len(b); i++ {
		switch b[i] {
		case '"':
			for i++; b[i] != '"'; i++ {
				if b[i] == '\\' {
					i++
				}
			}
		case '{', '[':
			depth++
			continue
		case '}', ']':
			depth--
		default:
			if i+1 < len(b) && !endsWord(b[i+1]) {
				continue
			}
		}
		if depth == 0 {
			return b[:i+1], b[i+1:]
		}
	}
	return b, nil
}

// endsWord says whether c ends a number, or true, false or null.
func endsWord(c byte) bool {
	switch c {
	case ',', ':', '}', ']', ' ', '\t', '\r', '\n':
		return true
	}
	return false
}

func (d *decoder) value(raw []byte, at any) error {
	switch v := at.(type) {
	case *uint64:
		return number(raw, v)
	case *string:
		return text(raw, v)
	case *bool:
		*v = string(raw) == "true"
		if !*v && string(raw) != "false" {
			return errors.New("not true or false")
		}
		return nil
	case *[]uint64:
		return decodeList(raw, v, number)
	case *[]string:
		return decodeList(raw, v, text)
	case *[]Row:
		return decodeList(raw, v, func(raw []byte, r *Row) error { return decodeObject(d, raw, rowShape, r).err() })
	case *Rules:
		return decodeObject(d, raw, rulesShape, v).err()
	}
	panic(fmt.Sprintf("linearizability: field of type %T", at))
}

func number(raw []byte, n *uint64) error {
	v := uint64(0)
	for _, c := range raw {
		if c < '0' || c > '9' || v > maxInt {
			return errors.New("not an integer from 0 to 2^53-1")
		}
		v = v*10 + uint64(c-'0')
	}
	if v > maxInt {
		return errors.New("not an integer from 0 to 2^53-1")
	}
	*n = v
	return nil
}

func text(raw []byte, s *string) error {
	if raw[0] != '"' {
		return errors.New("not a string")
	}
	in := raw[1 : len(raw)-1]
	if bytes.IndexByte(in, '\\') >= 0 {
		return json.Unmarshal(raw, s)
	}
	*s = string(in)
	return nil
}

func decodeList[T any](raw []byte, list *[]T, one func([]byte, *T) error) error {
	if raw[0] != '[' {
		return errors.New("not a list")
	}
	for b := skipSpace(raw[1:]); b[0] != ']'; {
		var item []byte
		item, b = cutValue(b)
		if b = skipSpace(b); b[0] == ',' {
			b = skipSpace(b[1:])
		}
		var v T
		if err := one(item, &v); err != nil {
			return fmt.Errorf("item %d: %w", len(*list), err)
		}
		*list = append(*list, v)
	}
	return nil
}
