package session

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"slices"

	"parley/core/row"
)

// Table is the replicated half: every session there is, and the tombstones of those that were.
//
// It never looks at a clock, and what it answers depends only on the calls that changed it: Open,
// Refused, Record, Close and Purge, made by Apply in log order.
type Table struct {
	sessions []session // in no order that matters: a row that went leaves a slot to be used again
	free     []int32   // such slots
	slots    map[DeviceID]int32

	// Tombstones in the order in which they end. Invariant: exactly the sessions of that state.
	closed, refused graveyard

	// dirty names the sessions changed since the last Flush, some more than once.
	dirty []DeviceID
}

// session is one row. A hundred thousand of them lie in memory, so the records stay the bytes that
// they are in the row: an idle device costs about 250 bytes.
type session struct {
	device  DeviceID
	token   Token
	state   state
	ended   int64  // cluster time of a tombstone's end; 0 while open
	last    uint64 // the highest number decided
	through uint64 // the device has every answer up to here. Invariant: through < last ≤ through + MaxAhead
	records string // of through+1 … last, as in the row but without the version
}

type state uint8

const (
	vacant state = iota // no session: a free slot
	open
	closed
	refused
)

// NewTable returns an empty table.
func NewTable() *Table { return &Table{slots: map[DeviceID]int32{}} }

// Fingerprint is what tells two commands under one number apart: 64 bits of the SHA-256 of the
// command as the client sent it, without evidence and secrets.
func Fingerprint(command []byte) uint64 {
	h := sha256.Sum256(command)
	return binary.BigEndian.Uint64(h[:])
}

// Begin says what is to be done with a command: steps 1 to 4 of the preamble. It changes nothing.
// firstContact: the command is a Signup or a Login, which alone may come from an unknown device.
func (t *Table) Begin(r Request, firstContact bool) Verdict {
	s := t.find(r.Device)
	switch {
	case s == nil && firstContact && r.DSeq == 1:
		return Verdict{Decision: FirstContact}
	case s == nil:
		return refuse(NoSession)
	case r.DSeq <= s.last:
		return s.settled(r)
	case s.state != open:
		return refuse(NoSession)
	case r.DSeq > s.last+1:
		return Verdict{Code: SeqGap, Expected: s.last + 1}
	case r.DSeq > max(s.through, r.through())+MaxAhead:
		return refuse(Window)
	}
	return Verdict{Decision: Execute}
}

// Recorded answers at the door what needs no log: a number that was decided. It protects nobody, as
// the first attempt may be in the log and not applied yet.
func (t *Table) Recorded(r Request) (Verdict, bool) {
	s := t.find(r.Device)
	if s == nil || r.DSeq > s.last {
		return Verdict{}, false
	}
	return s.settled(r), true
}

// Record keeps the answer to a command that Begin let pass: step 7. The device may have been closed
// by that very command.
func (t *Table) Record(r Request, result []byte, pos uint64) {
	s := t.find(r.Device)
	if s == nil || r.DSeq != s.last+1 {
		violated("record %d of device %x, which has %+v", r.DSeq, r.Device, s)
	}
	through := max(s.through, r.through())
	if r.DSeq > through+MaxAhead {
		violated("record %d of device %x, through %d", r.DSeq, r.Device, through)
	}
	kept := forget(s.records, through-s.through)
	s.records = appendRecord(kept, record{fingerprint: r.Fingerprint, pos: pos, result: result})
	s.last, s.through = r.DSeq, through
	t.touch(r.Device)
}

// Open makes a session: the first contact succeeded.
func (t *Table) Open(r Request, token Token, result []byte, pos uint64) {
	t.add(r, token, result, pos)
}

// Refused makes a tombstone of a first contact that did not succeed, so that asking again under the
// same number brings the same answer.
func (t *Table) Refused(r Request, token Token, result []byte, pos uint64, now int64) {
	t.add(r, token, result, pos)
	t.bury(t.find(r.Device), refused, now)
}

// Close ends a device for ever. What it was answered stays known for as long as its tombstone does.
// Closing what is not open changes nothing.
func (t *Table) Close(dev DeviceID, now int64) {
	if s := t.find(dev); s != nil && s.state == open {
		t.bury(s, closed, now)
		t.touch(dev)
	}
}

// Purge drops the tombstones that are older than seven days. It is called with the cluster time of
// each entry, before anything else happens to that entry.
func (t *Table) Purge(now int64) {
	for _, g := range []*graveyard{&t.closed, &t.refused} {
		for len(*g) > 0 && now-(*g)[0].ended > TombstoneNs {
			t.remove((*g)[0].device)
			*g = (*g)[1:]
		}
	}
}

// Authenticate says whom a device and a token make. Both sides are hashes of 256-bit secrets, so
// the time a comparison takes tells nothing worth knowing.
func (t *Table) Authenticate(dev DeviceID, token Token) Standing {
	s := t.find(dev)
	switch {
	case s == nil:
		return Stranger
	case s.token != token:
		return Impostor
	case s.state == open:
		return Known
	}
	return Tombstoned
}

// Last gives the highest number decided for a device, tombstones included.
func (t *Table) Last(dev DeviceID) (uint64, bool) {
	if s := t.find(dev); s != nil {
		return s.last, true
	}
	return 0, false
}

// Len counts the open sessions.
func (t *Table) Len() int { return len(t.slots) - len(t.closed) - len(t.refused) }

// through is what r confirms: a device cannot have the answer to what it is just asking, so a
// request that says so is cut to size. Its record would otherwise be forgotten as it is made.
func (r Request) through() uint64 { return min(r.Through, r.DSeq-1) }

func refuse(c Code) Verdict { return Verdict{Decision: Refuse, Code: c} }

// settled is step 2: r.DSeq ≤ last.
func (s *session) settled(r Request) Verdict {
	if r.DSeq <= s.through {
		return refuse(Window)
	}
	rec, err := firstRecord(forget(s.records, r.DSeq-s.through-1))
	invariant(err == nil, "records of device %x: %v", s.device, err)
	v := Verdict{Decision: Replay, Result: rec.result, Pos: rec.pos}
	if rec.fingerprint != r.Fingerprint {
		v.Code = SeqReused
	}
	return v
}

func (t *Table) find(dev DeviceID) *session {
	if i, ok := t.slots[dev]; ok {
		return &t.sessions[i]
	}
	return nil
}

func (t *Table) add(r Request, token Token, result []byte, pos uint64) {
	invariant(t.find(r.Device) == nil, "device %x opened twice", r.Device)
	invariant(r.DSeq == 1, "device %x opened under number %d", r.Device, r.DSeq)
	rec := record{fingerprint: r.Fingerprint, pos: pos, result: result}
	t.put(session{device: r.Device, token: token, state: open, last: 1, records: appendRecord("", rec)})
	t.touch(r.Device)
}

// put takes a slot for a session.
func (t *Table) put(s session) {
	if n := len(t.free); n > 0 {
		i := t.free[n-1]
		t.free = t.free[:n-1]
		t.sessions[i], t.slots[s.device] = s, i
		return
	}
	t.slots[s.device] = int32(len(t.sessions))
	t.sessions = append(t.sessions, s)
}

func (t *Table) remove(dev DeviceID) {
	i := t.slots[dev]
	t.sessions[i] = session{}
	t.free = append(t.free, i)
	delete(t.slots, dev)
	t.touch(dev)
}

func (t *Table) touch(dev DeviceID) { t.dirty = append(t.dirty, dev) }

// Flush appends the effects that bring the rows up to date since the last Flush, by device.
func (t *Table) Flush(eff []row.Effect) []row.Effect {
	slices.SortFunc(t.dirty, compareDevices)
	t.dirty = slices.Compact(t.dirty)
	for _, dev := range t.dirty {
		if s := t.find(dev); s != nil {
			eff = append(eff, row.Effect{Op: row.Put, Row: s.row()})
			continue
		}
		key := row.Row{Table: sessionTable, Values: []row.Value{row.S(string(dev[:]))}}
		eff = append(eff, row.Effect{Op: row.Delete, Row: key})
	}
	t.dirty = t.dirty[:0]
	return eff
}

// Load replaces what t holds by these rows; rows of other tables are passed over. After an error t
// is empty.
func (t *Table) Load(rows []row.Row) error {
	*t = *NewTable()
	for _, r := range rows {
		if r.Table != sessionTable {
			continue
		}
		if err := t.load(r); err != nil {
			*t = *NewTable()
			return err
		}
	}
	slices.SortFunc(t.closed, compareGraves)
	slices.SortFunc(t.refused, compareGraves)
	return nil
}

func (t *Table) load(r row.Row) error {
	s, err := decodeSession(r)
	if err != nil {
		return err
	}
	if t.find(s.device) != nil {
		return fmt.Errorf("session %x: there twice", s.device)
	}
	t.put(s)
	if g := t.graves(s.state); g != nil {
		*g = append(*g, grave{s.ended, s.device})
	}
	return nil
}

// Clone copies t. Records are shared: they are never changed.
func (t *Table) Clone() *Table {
	c := &Table{
		sessions: slices.Clone(t.sessions), free: slices.Clone(t.free), dirty: slices.Clone(t.dirty),
		closed: slices.Clone(t.closed), refused: slices.Clone(t.refused),
		slots: make(map[DeviceID]int32, len(t.slots)),
	}
	for i := range c.sessions {
		if s := &c.sessions[i]; s.state != vacant {
			c.slots[s.device] = int32(i)
		}
	}
	return c
}

// Hash tells tables apart that answer differently. What has been flushed is not part of it: tables
// with equal rows have equal hashes, whichever way they got there.
func (t *Table) Hash() uint64 {
	sum := uint64(len(t.slots))
	for i := range t.sessions {
		if s := &t.sessions[i]; s.state != vacant {
			sum += s.hash()
		}
	}
	return sum
}

// Check looks for damage in what must always hold.
func (t *Table) Check() error {
	for i := range t.sessions {
		s := &t.sessions[i]
		if s.state == vacant {
			continue
		}
		if at, ok := t.slots[s.device]; !ok || at != int32(i) {
			return fmt.Errorf("session %x: in slot %d, listed under %d", s.device, i, at)
		}
		if err := s.check(); err != nil {
			return fmt.Errorf("session %x: %w", s.device, err)
		}
	}
	if len(t.slots)+len(t.free) != len(t.sessions) {
		return fmt.Errorf("%d sessions and %d free slots of %d", len(t.slots), len(t.free), len(t.sessions))
	}
	if err := t.checkGraves(closed); err != nil {
		return err
	}
	return t.checkGraves(refused)
}

// check is what must hold of one session, whether it was made here or loaded.
func (s *session) check() error {
	switch {
	case s.state < open || s.state > refused:
		return fmt.Errorf("state %d", s.state)
	case s.state == open && s.ended != 0:
		return fmt.Errorf("open, but ended at %d", s.ended)
	case s.last > 1<<63-1:
		return fmt.Errorf("last %d", s.last)
	case s.through >= s.last || s.last-s.through > MaxAhead:
		return fmt.Errorf("last %d, through %d", s.last, s.through)
	case s.state == refused && s.last != 1:
		return fmt.Errorf("refused at first contact, but last is %d", s.last)
	}
	return checkRecords(s.records, s.last-s.through)
}

func compareDevices(a, b DeviceID) int { return bytes.Compare(a[:], b[:]) }

func compareGraves(a, b grave) int {
	return cmp.Or(cmp.Compare(a.ended, b.ended), compareDevices(a.device, b.device))
}

func invariant(holds bool, format string, args ...any) {
	if !holds {
		violated(format, args...)
	}
}

// violated is for hot paths, where the arguments of an invariant that holds would cost something.
func violated(format string, args ...any) { panic("core/session: " + fmt.Sprintf(format, args...)) }
