package linearizability

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
	"unicode/utf8"
)

// maxInt is the largest integer that every JSON library keeps.
const maxInt = 1<<53 - 1

// An Encoder writes a history, one line and one Write per event, so that a recorder which writes
// before it sends leaves the truth behind even when it is killed. It is not safe for concurrent
// use.
type Encoder struct {
	w     io.Writer
	err   error // of an earlier write; sticks
	buf   []byte
	lines uint64
	ops   map[uint64]Op // unanswered calls: an answer's shape depends on its call
}

// NewEncoder writes the meta line; if that fails, Encode says so.
func NewEncoder(w io.Writer, m Meta) *Encoder {
	e := &Encoder{w: w, ops: map[uint64]Op{}}
	line := metaLine{"meta", Format, Version, m}
	if e.err = line.valid(); e.err == nil {
		e.err = e.line(appendObject(nil, metaShape, &line))
	}
	return e
}

// Encode writes one event. It refuses what has no shape, but does not judge the history: Read and
// Check do.
func (enc *Encoder) Encode(e Event) error {
	if enc.err != nil {
		return enc.err
	}
	shape := e.shape(enc.ops[e.ID])
	if shape == nil {
		return fmt.Errorf("encode %s event: no shape for op %q of operation %d", e.E, e.Op, e.ID)
	}
	b, err := appendObject(enc.buf[:0], shape, &e)
	if err != nil {
		return fmt.Errorf("encode %s event: %w", e.E, err)
	}
	enc.buf = b
	switch e.E {
	case Inv:
		enc.ops[e.ID] = e.Op
	case OK, Err, Fail, Resolved:
		delete(enc.ops, e.ID)
	}
	enc.err = enc.line(b, nil)
	return enc.err
}

// End writes the last line, which counts the others.
func (enc *Encoder) End(t uint64) error {
	return enc.Encode(Event{E: End, T: t, Lines: enc.lines})
}

func (enc *Encoder) line(b []byte, err error) error {
	if err != nil {
		return err
	}
	if _, err := enc.w.Write(append(b, '\n')); err != nil {
		return fmt.Errorf("write history: %w", err)
	}
	enc.lines++
	return nil
}

// Write writes the whole history.
func (h *History) Write(w io.Writer) error {
	enc := NewEncoder(w, h.Meta)
	for e := range h.All() {
		if err := enc.Encode(e); err != nil {
			return err
		}
	}
	return enc.err
}

func appendObject[T any](b []byte, s shape[T], v *T) ([]byte, error) {
	b = append(b, '{')
	for _, f := range s {
		at := f.at(v)
		if n, ok := at.(*uint64); ok && f.optional && *n == 0 {
			continue
		}
		if b[len(b)-1] != '{' {
			b = append(b, ',')
		}
		b = append(b, '"')
		b = append(b, f.name...)
		b = append(b, '"', ':')
		var err error
		if b, err = appendValue(b, at); err != nil {
			return b, fmt.Errorf("field %q: %w", f.name, err)
		}
	}
	return append(b, '}'), nil
}

func appendValue(b []byte, at any) ([]byte, error) {
	switch v := at.(type) {
	case *uint64:
		if *v > maxInt {
			return b, errors.New("integer above 2^53-1")
		}
		return strconv.AppendUint(b, *v, 10), nil
	case *string:
		return appendString(b, *v)
	case *bool:
		return strconv.AppendBool(b, *v), nil
	case *[]uint64:
		return appendList(b, *v, func(b []byte, n *uint64) ([]byte, error) { return appendValue(b, n) })
	case *[]string:
		return appendList(b, *v, func(b []byte, s *string) ([]byte, error) { return appendString(b, *s) })
	case *[]Row:
		return appendList(b, *v, func(b []byte, r *Row) ([]byte, error) { return appendObject(b, rowShape, r) })
	case *Rules:
		return appendObject(b, rulesShape, v)
	}
	panic(fmt.Sprintf("linearizability: field of type %T", at))
}

func appendList[T any](b []byte, list []T, one func([]byte, *T) ([]byte, error)) ([]byte, error) {
	b = append(b, '[')
	for i := range list {
		if i > 0 {
			b = append(b, ',')
		}
		var err error
		if b, err = one(b, &list[i]); err != nil {
			return b, err
		}
	}
	return append(b, ']'), nil
}

func appendString(b []byte, s string) ([]byte, error) {
	for i := range len(s) {
		if c := s[i]; c < ' ' || c == '"' || c == '\\' || c >= utf8.RuneSelf {
			return appendQuoted(b, s)
		}
	}
	b = append(b, '"')
	b = append(b, s...)
	return append(b, '"'), nil
}

// appendQuoted is for the rare string that needs more than quotes around it.
func appendQuoted(b []byte, s string) ([]byte, error) {
	if !utf8.ValidString(s) {
		return b, errors.New("not UTF-8")
	}
	var out bytes.Buffer
	j := json.NewEncoder(&out)
	j.SetEscapeHTML(false)
	if err := j.Encode(s); err != nil {
		return b, err
	}
	return append(b, bytes.TrimSuffix(out.Bytes(), []byte("\n"))...), nil
}
