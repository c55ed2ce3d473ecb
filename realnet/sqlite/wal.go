package sqlite

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
)

// SQLite ends a WAL at the first frame whose checksum fails, and says nothing: usually that is a
// transaction which was being written when the power failed. But a flipped bit in the middle looks the
// same, and costs every transaction behind it. So the WAL is read here before SQLite opens anything.
//
// A transaction is written only when the one before was synced. Hence, if behind the first bad frame a
// transaction ends and another one begins, the first was synced: it was promised, and is damaged.
// Nothing can be said of the last one; that is what the marker is for (marker.go).
//
// The format is in https://sqlite.org/fileformat2.html#walformat.

const (
	walHeaderSize   = 32
	frameHeaderSize = 24
	walMagic        = 0x377f0682 // the last bit says in which byte order sums are made
)

// wal is what a scan found.
type wal struct {
	frames int    // intact, from the first
	page1  []byte // the head of the database's first page, as the last intact transaction has it
}

// scanWAL reads the WAL of the database at path and refuses it if something synced is damaged.
func scanWAL(d disk, path string) (w wal, err error) {
	size, err := d.size(path + walSuffix)
	if missing(err) || err == nil && size == 0 {
		return wal{}, nil
	}
	if err != nil {
		return wal{}, err
	}
	f, err := d.open(path+walSuffix, os.O_RDONLY)
	if err != nil {
		return wal{}, err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	return readWAL(f, size)
}

func readWAL(f io.ReaderAt, size int64) (w wal, err error) {
	var header [walHeaderSize]byte
	if size <= walHeaderSize { // it is synced before the first frame is written
		return wal{}, nil
	}
	if err := readFull(f, header[:], 0); err != nil {
		return wal{}, err
	}
	order := binary.ByteOrder(binary.LittleEndian)
	magic := binary.BigEndian.Uint32(header[:])
	if magic&1 != 0 {
		order = binary.BigEndian
	}
	sum := walSum{order: order}
	sum.add(header[:24])
	pageSize := int64(binary.BigEndian.Uint32(header[8:]))
	if magic&^1 != walMagic || !sum.is(header[24:]) || pageSize < 512 || pageSize > 65536 {
		return wal{}, lostTail("the head of the WAL is damaged, and %d bytes follow it", size-walHeaderSize)
	}
	// Frames are read many at a time.
	frameSize := frameHeaderSize + pageSize
	buf := make([]byte, max(1, (1<<20)/frameSize)*frameSize)
	bad, ended := -1, false // the first bad frame; whether a transaction ends behind it
	var pending []byte      // page 1 of a transaction that has not ended yet
	for at := int64(walHeaderSize); at+frameSize <= size; {
		b := buf[:min(int64(len(buf)), (size-at)/frameSize*frameSize)]
		if err := readFull(f, b, at); err != nil {
			return wal{}, err
		}
		at += int64(len(b))
		for ; len(b) > 0; b = b[frameSize:] {
			frame, ours := b[:frameSize], string(b[8:16]) == string(header[16:24])
			if bad < 0 {
				sum.add(frame[:8])
				sum.add(frame[frameHeaderSize:])
				if !ours || !sum.is(frame[16:24]) {
					bad = w.frames
				}
			}
			ends := binary.BigEndian.Uint32(frame[4:]) != 0
			switch {
			case bad < 0:
				w.frames++
				if binary.BigEndian.Uint32(frame) == 1 {
					pending = append([]byte(nil), frame[frameHeaderSize:frameHeaderSize+headerSize]...)
				}
				if ends && pending != nil {
					w.page1 = pending
				}
			case ours && ended:
				return w, lostTail("frame %d of the WAL is damaged, and was synced: transactions follow it", bad+1)
			case ours && ends:
				ended = true
			}
		}
	}
	return w, nil
}

func readFull(f io.ReaderAt, b []byte, at int64) error {
	n, err := f.ReadAt(b, at)
	if n == len(b) {
		return nil
	}
	return fmt.Errorf("read the WAL at %d: %d of %d bytes: %w", at, n, len(b), err)
}

// walSum is the sum that runs through a WAL.
type walSum struct {
	order  binary.ByteOrder
	s1, s2 uint32
}

func (s *walSum) add(b []byte) {
	s1, s2 := s.s1, s.s2
	if s.order == binary.ByteOrder(binary.LittleEndian) { // nearly always: and then without calls
		for ; len(b) >= 8; b = b[8:] {
			s1 += binary.LittleEndian.Uint32(b) + s2
			s2 += binary.LittleEndian.Uint32(b[4:]) + s1
		}
	}
	for ; len(b) >= 8; b = b[8:] {
		s1 += s.order.Uint32(b) + s2
		s2 += s.order.Uint32(b[4:]) + s1
	}
	s.s1, s.s2 = s1, s2
}

func (s *walSum) is(b []byte) bool {
	return binary.BigEndian.Uint32(b) == s.s1 && binary.BigEndian.Uint32(b[4:]) == s.s2
}
