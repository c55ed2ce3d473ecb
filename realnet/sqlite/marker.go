package sqlite

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"os"
	"path/filepath"
)

// The marker is a small file that says how far the store has come, written after each Save and not
// synced. It never runs ahead of the truth, so a database behind its marker has lost something: an
// older copy, or one whose newest transactions rotted in the WAL, where SQLite takes them for torn.
// After a power cut the marker may itself be old, or torn; then it says less, but nothing wrong.
//
// It has two slots, a sector each, which are written in turn. A slot is, big-endian: boot, seq, term
// and last index, 8 bytes each; the store's 16 bytes; and a CRC32C of all that.

const (
	markerName = "marker"
	slotSize   = 4*8 + 16 + 4
	slotStep   = 512
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// mark is what a slot says.
type mark struct{ boot, seq, term, last uint64 }

func (m mark) after(o mark) bool { return m.seq > o.seq || m.seq == o.seq && m.boot > o.boot }

// marker is the open file.
type marker struct {
	f    file
	id   [16]byte
	next int64 // the slot to write
	buf  [slotSize]byte
}

// openMarker opens the marker in dir, or makes one, and says what it says: the zero mark, if nothing.
func openMarker(d disk, dir string, id [16]byte) (*marker, mark, error) {
	f, err := d.open(filepath.Join(dir, markerName), os.O_RDWR|os.O_CREATE)
	if err != nil {
		return nil, mark{}, err
	}
	m := &marker{f: f, id: id}
	var newest mark
	for slot := range int64(2) {
		found, ok, err := m.read(slot)
		if err != nil {
			return nil, mark{}, errors.Join(fmt.Errorf("read marker: %w", err), f.Close())
		}
		if ok && (found.after(newest) || newest == mark{}) {
			newest, m.next = found, 1-slot
		}
	}
	return m, newest, nil
}

func (m *marker) read(slot int64) (found mark, ok bool, err error) {
	b := m.buf[:]
	if n, err := m.f.ReadAt(b, slot*slotStep); n < len(b) {
		if err == io.EOF {
			err = nil
		}
		return mark{}, false, err
	}
	for i, to := range []*uint64{&found.boot, &found.seq, &found.term, &found.last} {
		*to = binary.BigEndian.Uint64(b[8*i:])
	}
	sum := binary.BigEndian.Uint32(b[slotSize-4:])
	return found, [16]byte(b[32:48]) == m.id && crc32.Checksum(b[:slotSize-4], castagnoli) == sum, nil
}

// write says that the store has come this far.
func (m *marker) write(to mark) error {
	b := m.buf[:0]
	for _, v := range []uint64{to.boot, to.seq, to.term, to.last} {
		b = binary.BigEndian.AppendUint64(b, v)
	}
	b = append(b, m.id[:]...)
	b = binary.BigEndian.AppendUint32(b, crc32.Checksum(b, castagnoli))
	_, err := m.f.WriteAt(b, m.next*slotStep)
	m.next = 1 - m.next
	if err != nil {
		return fmt.Errorf("write marker: %w", err)
	}
	return nil
}

// compare refuses a store that is not as far as its marker.
func (m mark) compare(boot uint64, h *head) error {
	switch {
	case h.seq < m.seq:
		return lostTail("it ends with save %d, but save %d (entry %d of term %d) was on this disk",
			h.seq, m.seq, m.last, m.term)
	case boot < m.boot:
		return lostTail("it was opened %d times, but boot %d was on this disk", boot, m.boot)
	}
	return nil
}

// mark is how far the store has come.
func (s *Store) mark() mark {
	h := &s.head
	return mark{boot: s.boot, seq: h.seq, term: uint64(h.hard.Term), last: uint64(h.last.Index)}
}
