package realnet

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"io/fs"
	"maps"
	mathrand "math/rand/v2"
	"os"
	"path/filepath"
	"slices"

	"parley/core/chat"
	"parley/core/raft"
	"parley/core/replica"
	"parley/core/session"
)

// ClientStore keeps what a client must not forget. Its methods are called one at a time.
type ClientStore interface {
	// Load gives what the store holds.
	Load() (session.ClientRecovered, error)
	// Save makes a step durable before it returns. answers has those to the numbers it settles, but
	// for numbers that were withdrawn or voided.
	Save(s *session.Save, answers map[uint64][]byte) error
	// Answer gives the answer to a number that was settled lately.
	Answer(dseq uint64) (answer []byte, ok bool, err error)
}

// OutboxFile is a ClientStore in one file, which several processes may share. Each step is made
// under a lock that is never held across the network. A process whose step rests on something that
// another has changed is told so by ErrOutboxMoved, and loads again: when it draws a number that the
// other has drawn, or withdraws a line that the other has seen and may send.
//
// # Bytes
//
// The file is a header (outboxMagic, then the 16 bytes of the device) and frames. A frame is the
// length of its payload and the CRC-32C of it, 4 bytes big-endian each, then the payload: changes,
// one after the other. A change is a kind byte and
//
//	put      number, flags (1 first, 2 alone, 4 secret, 8 void), length and bytes of the command
//	settled  number, length and bytes of the answer; the line goes
//	dropped  number: the line goes without an answer
//	numbers  the next number, through, epoch and index of the highest position
//	adopted  the process, by a number drawn at random, that has loaded the lines that are there
//
// where numbers are uvarints. A frame is written and synced as a whole, so only the last can be
// torn: what is left of it is dropped. Anything else that does not parse is damage, and refused:
// guessing which numbers are drawn would make one message of two, or two of one.
type OutboxFile struct {
	path   string
	device session.DeviceID
	lock   *FileLock
	self   uint64 // this process, in adopted changes

	file *os.File // the file as last seen: another process may have put a new one in its place
	size int64    // what of it is in box
	box  outboxState

	seen    uint64 // the highest number drawn, as far as this process's machine knows
	adopted bool   // another process has loaded lines since this one did
}

// ErrOutboxMoved says that another process has used the outbox, and that the step cannot be made.
// Nothing was saved: load again.
var ErrOutboxMoved = errors.New("the outbox was changed by another process")

const (
	outboxMagic   = "parley outbox 1\n"
	outboxHeader  = len(outboxMagic) + len(session.DeviceID{})
	outboxCompact = 256 << 10 // larger files are written anew when little of them counts
	outboxAnswers = session.MaxAhead
)

// The kinds of changes in the file.
const (
	outboxPut byte = iota + 1
	outboxSettled
	outboxDropped
	outboxNumbers
	outboxAdopted
)

// OpenOutbox opens or makes the outbox of a device. lockPath names the lock file, which stays.
func OpenOutbox(path, lockPath string, device session.DeviceID) (*OutboxFile, error) {
	lock, err := OpenFileLock(lockPath)
	if err != nil {
		return nil, err
	}
	s := &OutboxFile{path: path, device: device, lock: lock, self: mathrand.Uint64()}
	err = s.locked(s.refresh)
	if err != nil {
		_ = s.Close()
		return nil, err
	}
	return s, nil
}

// Close lets go of the file and the lock.
func (s *OutboxFile) Close() error {
	var err error
	if s.file != nil {
		err = s.file.Close()
	}
	return errors.Join(err, s.lock.Close())
}

// Load reads what this and other processes have put there, and leaves word that it has: the lines may
// be sent by this process from now on.
func (s *OutboxFile) Load() (session.ClientRecovered, error) {
	var rec session.ClientRecovered
	err := s.locked(func() error {
		if err := s.refresh(); err != nil {
			return err
		}
		rec = s.box.recovered()
		s.seen, s.adopted = s.box.next-1, false
		if len(rec.Lines) == 0 {
			return nil
		}
		return s.append(binary.AppendUvarint([]byte{outboxAdopted}, s.self), false)
	})
	return rec, err
}

// Answer gives the recorded answer to a number that was settled lately, by whichever process.
func (s *OutboxFile) Answer(dseq uint64) (answer []byte, ok bool, err error) {
	err = s.locked(func() error {
		err := s.refresh()
		answer, ok = s.box.answers[dseq]
		return err
	})
	return answer, ok, err
}

// Save makes a step durable.
func (s *OutboxFile) Save(save *session.Save, answers map[uint64][]byte) error {
	return s.locked(func() error {
		if err := s.refresh(); err != nil {
			return err
		}
		moved := s.box.next-1 != s.seen
		if (moved || s.adopted) && s.box.claims(save, answers, s.seen, moved) {
			return ErrOutboxMoved
		}
		next := save.Next
		if moved {
			next = s.box.next
		}
		if err := s.append(s.box.step(save, answers, next), true); err != nil {
			s.forget()
			return err
		}
		s.seen = save.Next - 1
		return nil
	})
}

// locked runs do under the lock.
func (s *OutboxFile) locked(do func() error) error {
	if err := s.lock.Lock(); err != nil {
		return err
	}
	err := do()
	return errors.Join(err, s.lock.Unlock())
}

// append adds a frame, or writes the file anew when it has become long.
func (s *OutboxFile) append(payload []byte, sync bool) error {
	if s.size > outboxCompact && s.size > 2*s.box.bytes() {
		return s.compact()
	}
	frame := appendFrame(nil, payload)
	_, err := s.file.WriteAt(frame, s.size)
	if err == nil && sync {
		err = s.file.Sync()
	}
	if err != nil { // a line that its owner is told was not kept must not be found and sent later
		return errors.Join(fmt.Errorf("write outbox: %w", err), s.file.Truncate(s.size))
	}
	s.size += int64(len(frame))
	return nil
}

// refresh takes in what other processes did, and cuts what a crash left of a last frame. After an
// error the state is read from the start the next time.
func (s *OutboxFile) refresh() (err error) {
	defer func() {
		if err != nil {
			s.forget()
		}
	}()
	if err := s.reopen(); err != nil {
		return err
	}
	info, err := s.file.Stat()
	if err != nil {
		return fmt.Errorf("open outbox: %w", err)
	}
	if info.Size() == s.size {
		return nil
	}
	data := make([]byte, max(info.Size()-s.size, 0))
	if _, err := io.ReadFull(io.NewSectionReader(s.file, s.size, info.Size()), data); err != nil {
		return fmt.Errorf("read outbox: %w", err)
	}
	good, err := s.box.read(data)
	if err != nil {
		return fmt.Errorf("outbox %s, byte %d: %w", s.path, s.size+int64(good), err)
	}
	for _, who := range s.box.loaders {
		s.adopted = s.adopted || who != s.self
	}
	s.box.loaders = s.box.loaders[:0]
	s.size += int64(good)
	if s.size < info.Size() {
		if err := s.file.Truncate(s.size); err != nil {
			return fmt.Errorf("cut the torn end of the outbox: %w", err)
		}
	}
	return nil
}

// reopen makes sure that file is the one now under path, with a header.
func (s *OutboxFile) reopen() error {
	now, err := os.Stat(s.path)
	if err == nil && s.file != nil {
		if have, err := s.file.Stat(); err == nil && os.SameFile(have, now) && now.Size() >= s.size {
			return nil
		}
	}
	s.adopted = s.adopted || s.file != nil
	s.forget()
	if errors.Is(err, fs.ErrNotExist) {
		if err := s.replace(nil); err != nil {
			return err
		}
	}
	if s.file, err = os.OpenFile(s.path, os.O_RDWR, 0o600); err != nil {
		return fmt.Errorf("open outbox: %w", err)
	}
	return s.readHeader()
}

func (s *OutboxFile) readHeader() error {
	head := make([]byte, outboxHeader)
	if _, err := s.file.ReadAt(head, 0); err != nil {
		return fmt.Errorf("read outbox: %w", err)
	}
	if string(head[:len(outboxMagic)]) != outboxMagic {
		return fmt.Errorf("%s is not an outbox of this version", s.path)
	}
	if session.DeviceID(head[len(outboxMagic):]) != s.device {
		return fmt.Errorf("outbox %s belongs to another device", s.path)
	}
	s.size = int64(outboxHeader)
	return nil
}

// forget drops what is known of the file.
func (s *OutboxFile) forget() {
	if s.file != nil {
		_ = s.file.Close()
	}
	s.file, s.size, s.box = nil, 0, newOutboxState()
}

// compact writes what counts into a new file, and opens that. Who has loaded is not in it: to the
// others, a new file means that somebody has.
func (s *OutboxFile) compact() error {
	adopted := s.adopted
	if err := s.replace(s.box.payload()); err != nil {
		return err
	}
	err := s.refresh()
	s.adopted = adopted
	return err
}

// replace puts a new file in place of the old: all of it or nothing.
func (s *OutboxFile) replace(payload []byte) error {
	data := append([]byte(outboxMagic), s.device[:]...)
	if len(payload) > 0 {
		data = appendFrame(data, payload)
	}
	temp := s.path + ".new"
	if err := writeSynced(temp, data); err != nil {
		return fmt.Errorf("write outbox: %w", err)
	}
	if err := os.Rename(temp, s.path); err != nil {
		return fmt.Errorf("write outbox: %w", err)
	}
	return syncDir(filepath.Dir(s.path))
}

func writeSynced(path string, data []byte) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	return errors.Join(err, f.Sync(), f.Close())
}

func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// outboxState is what the changes in a file add up to.
type outboxState struct {
	next    uint64 // the next number to draw
	through uint64
	pos     session.Pos
	lines   map[uint64]session.Line // drawn, not settled
	answers map[uint64][]byte       // of the last few settled
	loaders []uint64                // who has loaded, since this was last emptied
}

func newOutboxState() outboxState {
	return outboxState{next: 1, lines: map[uint64]session.Line{}, answers: map[uint64][]byte{}}
}

// recovered is the state as a client wants it.
func (b *outboxState) recovered() session.ClientRecovered {
	rec := session.ClientRecovered{NextDSeq: b.next, Through: b.through, Pos: b.pos}
	for _, n := range slices.Sorted(maps.Keys(b.lines)) {
		rec.Lines = append(rec.Lines, b.lines[n])
		rec.Through = min(rec.Through, n-1)
	}
	return rec
}

// claims says whether a step rests on nobody else having been here: it draws numbers above seen, or
// takes back lines that may have been sent by others, or numbers before which others have drawn.
func (b *outboxState) claims(s *session.Save, answers map[uint64][]byte, seen uint64, moved bool) bool {
	for _, n := range s.Settle {
		line, open := b.lines[n]
		_, answered := answers[n]
		if open && (n >= s.Next || !answered && !line.Void) {
			return true
		}
	}
	for _, line := range s.Add {
		have, open := b.lines[line.DSeq]
		if line.DSeq > seen && moved || open && line.Void && !have.Void {
			return true
		}
	}
	return false
}

// step applies a step, and gives its bytes.
func (b *outboxState) step(s *session.Save, answers map[uint64][]byte, next uint64) (p []byte) {
	for _, n := range s.Settle {
		if _, open := b.lines[n]; !open {
			continue // another process was faster
		}
		if answer, ok := answers[n]; ok {
			p = binary.AppendUvarint(append(p, outboxSettled), n)
			p = binary.AppendUvarint(p, uint64(len(answer)))
			p = append(p, answer...)
			b.settle(n, answer)
		} else {
			p = binary.AppendUvarint(append(p, outboxDropped), n)
			delete(b.lines, n)
		}
	}
	for _, line := range s.Add {
		p = appendLine(p, line)
		b.lines[line.DSeq] = line
	}
	b.next, b.through = next, max(b.through, s.Through)
	if s.Pos.After(b.pos) {
		b.pos = s.Pos
	}
	return b.appendNumbers(p)
}

func (b *outboxState) settle(n uint64, answer []byte) {
	delete(b.lines, n)
	b.answers[n] = answer
	delete(b.answers, n-outboxAnswers)
}

func (b *outboxState) appendNumbers(p []byte) []byte {
	p = binary.AppendUvarint(append(p, outboxNumbers), b.next)
	p = binary.AppendUvarint(p, b.through)
	p = binary.AppendUvarint(p, b.pos.Epoch)
	return binary.AppendUvarint(p, b.pos.Index)
}

// payload is the shortest list of changes that adds up to b.
func (b *outboxState) payload() []byte {
	var p []byte
	for _, n := range slices.Sorted(maps.Keys(b.answers)) {
		p = binary.AppendUvarint(append(p, outboxSettled), n)
		p = binary.AppendUvarint(p, uint64(len(b.answers[n])))
		p = append(p, b.answers[n]...)
	}
	for _, n := range slices.Sorted(maps.Keys(b.lines)) {
		p = appendLine(p, b.lines[n])
	}
	return b.appendNumbers(p)
}

// bytes is about how long a compacted file would be.
func (b *outboxState) bytes() int64 {
	n := outboxHeader
	for _, line := range b.lines {
		n += 32 + len(line.Command)
	}
	for _, answer := range b.answers {
		n += 16 + len(answer)
	}
	return int64(n)
}

// read takes in frames, and says how many bytes of data are whole ones. A torn last frame is no
// error.
func (b *outboxState) read(data []byte) (good int, err error) {
	for good < len(data) {
		rest := data[good:]
		if len(rest) < 8 {
			return good, nil
		}
		n := int64(binary.BigEndian.Uint32(rest))
		if n+8 > int64(len(rest)) || allZero(rest) {
			return good, nil
		}
		payload := rest[8 : 8+n]
		if crc32.Checksum(payload, castagnoli) != binary.BigEndian.Uint32(rest[4:]) {
			if allZero(rest[8+n:]) {
				return good, nil
			}
			return good, errors.New("the outbox is damaged: a frame in its middle has a wrong checksum")
		}
		if err := b.readPayload(payload); err != nil {
			return good, err
		}
		good += 8 + int(n)
	}
	return good, nil
}

// allZero: some file systems lengthen a file before they fill it.
func allZero(b []byte) bool {
	return !slices.ContainsFunc(b, func(c byte) bool { return c != 0 })
}

func (b *outboxState) readPayload(p []byte) error {
	for len(p) > 0 {
		r := outboxReader{p: p[1:]}
		switch kind := p[0]; kind {
		case outboxPut:
			line := readLine(&r)
			b.lines[line.DSeq] = line
		case outboxSettled:
			n := r.number()
			b.settle(n, r.bytes())
		case outboxDropped:
			delete(b.lines, r.number())
		case outboxNumbers:
			b.next, b.through = max(r.number(), 1), r.number()
			b.pos = session.Pos{Epoch: r.number(), Index: r.number()}
		case outboxAdopted:
			b.loaders = append(b.loaders, r.number())
		default:
			return fmt.Errorf("the outbox is damaged: no change has kind %d", kind)
		}
		if r.bad {
			return errors.New("the outbox is damaged: a change is cut short")
		}
		p = r.p
	}
	return nil
}

// outboxReader reads from p and remembers if it could not.
type outboxReader struct {
	p   []byte
	bad bool
}

func (r *outboxReader) number() uint64 {
	v, n := binary.Uvarint(r.p)
	if n <= 0 {
		r.bad, r.p = true, nil
		return 0
	}
	r.p = r.p[n:]
	return v
}

func (r *outboxReader) bytes() []byte {
	n := r.number()
	if n > uint64(len(r.p)) {
		r.bad, r.p = true, nil
		return nil
	}
	v := slices.Clone(r.p[:n])
	r.p = r.p[n:]
	return v
}

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

func appendFrame(b, payload []byte) []byte {
	b = binary.BigEndian.AppendUint32(b, uint32(len(payload)))
	b = binary.BigEndian.AppendUint32(b, crc32.Checksum(payload, castagnoli))
	return append(b, payload...)
}

// The flags of a line.
const (
	lineFirst = 1 << iota
	lineAlone
	lineSecret
	lineVoid
)

func appendLine(b []byte, l session.Line) []byte {
	flags := uint64(0)
	for _, f := range []struct {
		set bool
		bit uint64
	}{{l.First, lineFirst}, {l.Alone, lineAlone}, {l.Secret, lineSecret}, {l.Void, lineVoid}} {
		if f.set {
			flags |= f.bit
		}
	}
	b = binary.AppendUvarint(append(b, outboxPut), l.DSeq)
	b = binary.AppendUvarint(b, flags)
	b = binary.AppendUvarint(b, uint64(len(l.Command)))
	return append(b, l.Command...)
}

func readLine(r *outboxReader) session.Line {
	n, flags := r.number(), r.number()
	return session.Line{
		DSeq: n, First: flags&lineFirst != 0, Alone: flags&lineAlone != 0,
		Secret: flags&lineSecret != 0, Void: flags&lineVoid != 0, Command: r.bytes(),
	}
}

// encodeAnswer is what an outbox keeps of the answer to a command: class, code, position, result.
func encodeAnswer(r *replica.Reply) []byte {
	b := binary.AppendUvarint([]byte{byte(r.Class)}, uint64(len(r.Code)))
	b = append(b, r.Code...)
	b = binary.AppendUvarint(b, r.Pos.Epoch)
	b = binary.AppendUvarint(b, uint64(r.Pos.Index))
	return chat.AppendResult(b, r.Result)
}

func decodeAnswer(b []byte) (replica.Reply, error) {
	if len(b) == 0 {
		return replica.Reply{}, errors.New("no answer")
	}
	in := outboxReader{p: b[1:]}
	r := replica.Reply{Class: session.Class(b[0]), Code: string(in.bytes()), Replayed: true}
	r.Pos = replica.Pos{Epoch: in.number(), Index: raft.Index(in.number())}
	if in.bad {
		return replica.Reply{}, errors.New("an answer is cut short")
	}
	var err error
	r.Result, err = chat.DecodeResult(in.p)
	return r, err
}
