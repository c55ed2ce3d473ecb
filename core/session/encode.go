package session

import (
	"encoding/binary"
	"errors"
	"fmt"
	"strings"

	"parley/core/row"
)

// recordsVersion begins the records column. An older one stays readable for ever.
const recordsVersion = "\x01"

// record is the answer to one number.
type record struct {
	fingerprint uint64
	pos         uint64
	result      []byte
}

func appendRecord(records string, r record) string {
	var buf [8 + 2*binary.MaxVarintLen64]byte
	head := binary.BigEndian.AppendUint64(buf[:0], r.fingerprint)
	head = binary.AppendUvarint(head, r.pos)
	head = binary.AppendUvarint(head, uint64(len(r.result)))
	var b strings.Builder
	b.Grow(len(records) + len(head) + len(r.result))
	b.WriteString(records)
	b.Write(head)
	b.Write(r.result)
	return b.String()
}

var errShort = errors.New("cut short")

// span measures the first record in b.
func span(b string) (pos uint64, result, end int, err error) {
	at := 8
	if len(b) < at {
		return 0, 0, 0, errShort
	}
	pos, at, err = uvarint(b, at)
	if err != nil {
		return 0, 0, 0, err
	}
	n, at, err := uvarint(b, at)
	if err != nil {
		return 0, 0, 0, err
	}
	if n > uint64(len(b)-at) {
		return 0, 0, 0, errShort
	}
	return pos, at, at + int(n), nil
}

// uvarint reads a canonical uvarint at b[at:] and returns where it ends.
func uvarint(b string, at int) (uint64, int, error) {
	var v uint64
	for i := range binary.MaxVarintLen64 {
		if at+i >= len(b) {
			return 0, 0, errShort
		}
		c := b[at+i]
		if i == binary.MaxVarintLen64-1 && c > 1 {
			return 0, 0, errors.New("number too large")
		}
		v |= uint64(c&0x7f) << (7 * i)
		if c < 0x80 {
			if c == 0 && i > 0 {
				return 0, 0, errors.New("number in too many bytes")
			}
			return v, at + i + 1, nil
		}
	}
	return 0, 0, errors.New("number too large")
}

// firstRecord reads the first of records.
func firstRecord(records string) (record, error) {
	pos, result, end, err := span(records)
	if err != nil {
		return record{}, err
	}
	return record{binary.BigEndian.Uint64([]byte(records[:8])), pos, []byte(records[result:end])}, nil
}

// forget drops the first n records.
func forget(records string, n uint64) string {
	for ; n > 0 && records != ""; n-- {
		_, _, end, err := span(records)
		invariant(err == nil, "records: %v", err)
		records = records[end:]
	}
	return records
}

// checkRecords says whether records holds exactly n of them, made in the order of the log.
func checkRecords(records string, n uint64) error {
	before := uint64(0)
	for i := range n {
		pos, _, end, err := span(records)
		if err != nil {
			return fmt.Errorf("records: number %d of %d: %w", i+1, n, err)
		}
		if i > 0 && pos <= before {
			return fmt.Errorf("records: number %d of %d at %d, the one before at %d", i+1, n, pos, before)
		}
		records, before = records[end:], pos
	}
	if records != "" {
		return fmt.Errorf("records: %d bytes after the last", len(records))
	}
	return nil
}

func (s *session) row() row.Row {
	return row.Row{Table: sessionTable, Values: []row.Value{
		row.S(string(s.device[:])), row.S(string(s.token[:])), row.I(int64(s.state)), row.I(s.ended),
		row.I(int64(s.last)), row.I(int64(s.through)), row.S(recordsVersion + s.records),
	}}
}

// decodeSession reads a row back, and takes nothing that row would not have made.
func decodeSession(r row.Row) (session, error) {
	var s session
	if len(r.Values) != len(sessionTable.Columns) {
		return s, fmt.Errorf("session row of %d columns", len(r.Values))
	}
	v := r.Values
	if copy(s.device[:], v[0].Str) != len(v[0].Str) || len(v[0].Str) != len(s.device) {
		return s, fmt.Errorf("session row: device of %d bytes", len(v[0].Str))
	}
	if copy(s.token[:], v[1].Str) != len(v[1].Str) || len(v[1].Str) != len(s.token) {
		return s, fmt.Errorf("session %x: token of %d bytes", s.device, len(v[1].Str))
	}
	if v[2].Int < int64(open) || v[2].Int > int64(refused) {
		return s, fmt.Errorf("session %x: state %d", s.device, v[2].Int)
	}
	s.state, s.ended = state(v[2].Int), v[3].Int
	s.last, s.through = uint64(v[4].Int), uint64(v[5].Int)
	if !strings.HasPrefix(v[6].Str, recordsVersion) {
		return s, fmt.Errorf("session %x: records of unknown version", s.device)
	}
	s.records = v[6].Str[len(recordsVersion):]
	if err := s.check(); err != nil {
		return s, fmt.Errorf("session %x: %w", s.device, err)
	}
	return s, nil
}
