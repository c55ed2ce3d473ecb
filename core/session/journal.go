package session

import (
	"cmp"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
)

// Journal is what the Saves of an outbox amount to when they are read in order. Shells that keep an
// outbox as a file of Saves, or in memory, need no rule of their own.
type Journal struct {
	lines   []Line // by DSeq
	next    uint64
	through uint64
	pos     Pos
}

// Apply takes in the next Save.
func (j *Journal) Apply(s *Save) {
	for _, d := range s.Settle {
		if i, ok := j.find(d); ok {
			j.lines = slices.Delete(j.lines, i, i+1)
		}
	}
	for _, l := range s.Add {
		i, ok := j.find(l.DSeq)
		if ok {
			j.lines[i] = l
			continue
		}
		j.lines = slices.Insert(j.lines, i, l)
	}
	j.next, j.through, j.pos = s.Next, s.Through, s.Pos
}

func (j *Journal) find(dseq uint64) (int, bool) {
	return slices.BinarySearchFunc(j.lines, Line{DSeq: dseq}, byDSeq)
}

// Recovered is what a client starts from.
func (j *Journal) Recovered() ClientRecovered {
	return ClientRecovered{Lines: slices.Clone(j.lines), NextDSeq: j.next, Through: j.through, Pos: j.pos}
}

// Whole is one Save that, alone, amounts to the same: what a file begins with when it is written
// anew.
func (j *Journal) Whole() *Save {
	return &Save{Add: slices.Clone(j.lines), Next: j.next, Through: j.through, Pos: j.pos}
}

const saveVersion = 1

// The flags of a line.
const (
	lineFirst byte = 1 << iota
	lineAlone
	lineSecret
	lineVoid
	lineFlags = lineFirst | lineAlone | lineSecret | lineVoid
)

// Append appends the canonical bytes of s to b: a version byte, 1; then, all as uvarints, Seq, Next,
// Through, the epoch and index of Pos, the number of Settle and each of them, the number of Add; then
// each line as its number (uvarint), a byte of flags (1 First, 2 Alone, 4 Secret, 8 Void), and length
// (uvarint) and bytes of the command. Numbers ascend in both lists. Framing and checksums are the
// shell's.
func (s *Save) Append(b []byte) []byte {
	b = append(b, saveVersion)
	for _, v := range []uint64{s.Seq, s.Next, s.Through, s.Pos.Epoch, s.Pos.Index, uint64(len(s.Settle))} {
		b = binary.AppendUvarint(b, v)
	}
	for _, d := range s.Settle {
		b = binary.AppendUvarint(b, d)
	}
	b = binary.AppendUvarint(b, uint64(len(s.Add)))
	for _, l := range s.Add {
		b = binary.AppendUvarint(b, l.DSeq)
		b = append(b, l.flags())
		b = binary.AppendUvarint(b, uint64(len(l.Command)))
		b = append(b, l.Command...)
	}
	return b
}

func (l *Line) flags() (f byte) {
	for _, on := range []struct {
		flag bool
		bit  byte
	}{{l.First, lineFirst}, {l.Alone, lineAlone}, {l.Secret, lineSecret}, {l.Void, lineVoid}} {
		if on.flag {
			f |= on.bit
		}
	}
	return f
}

// DecodeSave reads back what Append made, and nothing else.
func DecodeSave(b []byte) (*Save, error) {
	if len(b) == 0 || b[0] != saveVersion {
		return nil, errors.New("outbox save of unknown version")
	}
	d := reader{rest: string(b[1:])}
	s := &Save{Seq: d.uvarint(), Next: d.uvarint(), Through: d.uvarint()}
	s.Pos = Pos{Epoch: d.uvarint(), Index: d.uvarint()}
	for n := d.count(); n > 0 && d.err == nil; n-- {
		s.Settle = append(s.Settle, d.ascending())
	}
	d.last = 0
	for n := d.count(); n > 0 && d.err == nil; n-- {
		s.Add = append(s.Add, d.line())
	}
	if d.err == nil && d.rest != "" {
		d.err = fmt.Errorf("%d bytes too many", len(d.rest))
	}
	if d.err != nil {
		return nil, fmt.Errorf("outbox save: %w", d.err)
	}
	return s, nil
}

// reader reads from the front of rest until the first error.
type reader struct {
	rest string
	last uint64 // the last number of an ascending list
	err  error
}

func (d *reader) uvarint() uint64 {
	if d.err != nil {
		return 0
	}
	v, n, err := uvarint(d.rest, 0)
	if err != nil {
		d.err = err
		return 0
	}
	d.rest = d.rest[n:]
	return v
}

// count reads the length of something of which each part takes at least a byte.
func (d *reader) count() uint64 {
	n := d.uvarint()
	if d.err == nil && n > uint64(len(d.rest)) {
		d.err = errShort
		return 0
	}
	return n
}

func (d *reader) ascending() uint64 {
	v := d.uvarint()
	if d.err == nil && v <= d.last {
		d.err = fmt.Errorf("number %d after %d", v, d.last)
	}
	d.last = v
	return v
}

func (d *reader) line() Line {
	l := Line{DSeq: d.ascending()}
	if d.err != nil || d.rest == "" {
		d.err = cmp.Or(d.err, errShort)
		return l
	}
	f := d.rest[0]
	if f&^lineFlags != 0 {
		d.err = fmt.Errorf("line %d: flags %#x", l.DSeq, f)
		return l
	}
	l.First, l.Alone, l.Secret, l.Void = f&lineFirst != 0, f&lineAlone != 0, f&lineSecret != 0, f&lineVoid != 0
	d.rest = d.rest[1:]
	n := d.count()
	if d.err == nil {
		l.Command, d.rest = []byte(d.rest[:n]), d.rest[n:]
	}
	return l
}
