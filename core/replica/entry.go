package replica

import (
	"encoding/binary"
	"errors"
	"fmt"

	"parley/core/chat"
	"parley/core/session"
)

// level is the feature level of the entries this replica writes, and the highest it understands.
// A replica that meets a higher one stops; it never skips.
const level = 1

// An entry is what the log holds of one command. Its bytes are
//
//	level  1 byte
//	kind   1 byte: 1 numbered, 2 internal
//	date   8 bytes, big-endian: the leader's wall clock, Unix milliseconds
//
// then, numbered: device (16 bytes), dseq and through (uvarints), the command's bytes behind their
// length (uvarint), and the evidence's bytes to the end; internal: the command's bytes to the end.
type entry struct {
	date     int64
	numbered bool
	request  session.Request // Fingerprint is computed, not stored
	command  []byte
	evidence []byte
}

const (
	numberedEntry = 1
	internalEntry = 2
)

var errLevel = errors.New("entry of a newer feature level")

func (e *entry) encode() []byte {
	b := make([]byte, 0, 64+len(e.command)+len(e.evidence))
	kind := byte(internalEntry)
	if e.numbered {
		kind = numberedEntry
	}
	b = append(b, level, kind)
	b = binary.BigEndian.AppendUint64(b, uint64(e.date))
	if !e.numbered {
		return append(b, e.command...)
	}
	b = append(b, e.request.Device[:]...)
	b = binary.AppendUvarint(b, e.request.DSeq)
	b = binary.AppendUvarint(b, e.request.Through)
	b = binary.AppendUvarint(b, uint64(len(e.command)))
	b = append(b, e.command...)
	return append(b, e.evidence...)
}

func decodeEntry(b []byte) (entry, error) {
	if len(b) < 10 {
		return entry{}, fmt.Errorf("entry of %d bytes, want at least 10", len(b))
	}
	if b[0] > level {
		return entry{}, fmt.Errorf("%w: %d, this replica knows %d", errLevel, b[0], level)
	}
	e := entry{date: int64(binary.BigEndian.Uint64(b[2:])), numbered: b[1] == numberedEntry}
	if !e.numbered {
		e.command = b[10:]
		return e, nil
	}
	return e, e.decodeNumbered(b[10:])
}

func (e *entry) decodeNumbered(b []byte) error {
	if len(b) < len(e.request.Device) {
		return fmt.Errorf("numbered entry ends within its device")
	}
	b = b[copy(e.request.Device[:], b):]
	var n uint64
	for _, v := range [...]*uint64{&e.request.DSeq, &e.request.Through, &n} {
		x, w := binary.Uvarint(b)
		if w <= 0 {
			return fmt.Errorf("numbered entry ends within its numbers")
		}
		*v, b = x, b[w:]
	}
	if n > uint64(len(b)) {
		return fmt.Errorf("command of %d bytes in the %d left", n, len(b))
	}
	e.command, e.evidence = b[:n], b[n:]
	e.request.Fingerprint = chat.Fingerprint(e.command)
	return nil
}

// Request is who asked for an entry, as the checkers of the simulator and `parleyd log` read it.
type Request struct {
	Numbered bool
	session.Request
	Command chat.Command
}

// DecodeRequest reads the data of a log entry.
func DecodeRequest(data []byte) (Request, error) {
	e, err := decodeEntry(data)
	if err != nil {
		return Request{}, err
	}
	cmd, err := chat.DecodeCommand(e.command)
	return Request{Numbered: e.numbered, Request: e.request, Command: cmd}, err
}
