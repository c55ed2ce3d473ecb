package linearizability

import "slices"

// A state is the object of the specification at one instant. Everything in it has a small number
// that compile gave it, so that it is four flat slices: cheap to copy, to compare and to undo.
//
// Every change goes through a set function, which keeps the hash, the journal and the sharing of
// slices between copies right.
type state struct {
	names    []int32 // key → account, or nobody
	accounts []account
	devices  []device
	convs    []*message // the last message of each conversation

	hash    key // of all cells, whatever the order of changes was
	journal *journal
	owned   uint8 // which slices no other copy shares
}

const nobody = -1

// An account in the order of the signups that could make one. The spelling of its name does not
// change and is in the signup.
type account struct {
	life   life
	uid    uint64 // 0 while its signup's answer is unknown and nothing has shown it
	epoch  uint64
	lease  int32  // under exclusive: the device that has it, or nobody
	cursor uint64 // as the last login saw it; never falls
}

// A life goes one way.
type life uint8

const (
	unborn life = iota
	alive       // account made, device open
	dead        // account deleted; device closed, or refused at first contact
)

// A device is open while it is alive and its account is, too.
type device struct {
	life    life
	account int32
	epoch   uint64 // the account's at the device's last login
	last    uint64 // the highest number so far, if the spec keeps it for this device
}

// A message hangs on the one before it. jump goes further back (Myers, skew-binary lists), so
// that any message is found in a logarithmic number of steps.
type message struct {
	prev, jump    *message
	op            *operation // that sent it
	pos           uint64     // where the log has it, or 0
	hash          key        // of this and all before it
	seq           uint32
	author, other int32 // accounts
}

func (m *message) count() uint64 {
	if m == nil {
		return 0
	}
	return uint64(m.seq)
}

// at returns message seq of the conversation that m is the last of.
func (m *message) at(seq uint64) *message {
	for m != nil && uint64(m.seq) > seq {
		if m.jump != nil && uint64(m.jump.seq) >= seq {
			m = m.jump
		} else {
			m = m.prev
		}
	}
	return m
}

// then appends a message, which has room of its own: many are made at once.
func (m *message) then(next *message) *message {
	next.prev, next.seq, next.jump = m, uint32(m.count())+1, m
	if m != nil && m.jump != nil && m.jump.jump != nil &&
		m.seq-m.jump.seq == m.jump.seq-m.jump.jump.seq {
		next.jump = m.jump.jump
	}
	next.hash = m.chain().with(uint64(next.author)<<32 | uint64(next.op.body))
	return next
}

func (m *message) chain() key {
	if m == nil {
		return salt
	}
	return m.hash
}

// The cells, as the journal and the hash tell them apart.
const (
	nameCell = iota
	accountCell
	deviceCell
	convCell
)

// A journal remembers what the cells held before, newest last.
type journal []change

type change struct {
	cell    uint8
	at      int32
	name    int32
	account account
	device  device
	last    *message
}

func newState(names, accounts, devices int) *state {
	s := &state{
		names:    make([]int32, names),
		accounts: make([]account, accounts),
		devices:  make([]device, devices),
		owned:    1<<nameCell | 1<<accountCell | 1<<deviceCell | 1<<convCell,
	}
	for i := range s.names {
		s.names[i] = nobody
	}
	return s
}

// clone copies the header; each slice is copied when first written to. Both sides lose ownership,
// so s must not be changed afterwards unless it is cloned again.
func (s *state) clone() *state {
	c := *s
	c.owned = 0
	return &c
}

func own[T any](s *state, cell uint8, list []T) []T {
	if s.owned&(1<<cell) == 0 {
		s.owned |= 1 << cell
		return slices.Clone(list)
	}
	return list
}

func (s *state) setName(k, v int32) {
	s.names = own(s, nameCell, s.names)
	old := s.names[k]
	s.note(change{cell: nameCell, at: k, name: old})
	cell := cellKey(nameCell, k)
	s.hash = s.hash.xor(cell.with(uint64(old))).xor(cell.with(uint64(v)))
	s.names[k] = v
}

func (s *state) setAccount(i int32, v account) {
	old := s.accounts[i]
	if old == v {
		return
	}
	s.accounts = own(s, accountCell, s.accounts)
	s.note(change{cell: accountCell, at: i, account: old})
	cell := cellKey(accountCell, i)
	s.hash = s.hash.xor(old.hash(cell)).xor(v.hash(cell))
	s.accounts[i] = v
}

func (s *state) setDevice(i int32, v device) {
	old := s.devices[i]
	if old == v {
		return
	}
	s.devices = own(s, deviceCell, s.devices)
	s.note(change{cell: deviceCell, at: i, device: old})
	cell := cellKey(deviceCell, i)
	s.hash = s.hash.xor(old.hash(cell)).xor(v.hash(cell))
	s.devices[i] = v
}

func (s *state) setConv(i int32, v *message) {
	s.convs = own(s, convCell, s.convs)
	for int(i) >= len(s.convs) {
		s.convs = append(s.convs, nil)
	}
	old := s.convs[i]
	s.note(change{cell: convCell, at: i, last: old})
	cell := cellKey(convCell, i)
	s.hash = s.hash.xor(cell.withKey(old.chain())).xor(cell.withKey(v.chain()))
	s.convs[i] = v
}

func (s *state) conv(i int32) *message {
	if i < 0 || int(i) >= len(s.convs) {
		return nil
	}
	return s.convs[i]
}

func cellKey(cell uint8, at int32) key {
	return key{}.with(uint64(cell)<<32 | uint64(uint32(at)))
}

func (a account) hash(k key) key {
	return k.with(uint64(a.life)<<32 | uint64(uint32(a.lease))).with(a.uid).with(a.epoch).with(a.cursor)
}

func (d device) hash(k key) key {
	return k.with(uint64(d.life)<<32 | uint64(uint32(d.account))).with(d.epoch).with(d.last)
}

func (s *state) note(c change) {
	if s.journal != nil {
		*s.journal = append(*s.journal, c)
	}
}

// undo takes back all but the first n changes.
func (s *state) undo(n int) {
	kept, j := s.journal, *s.journal
	s.journal = nil
	for i := len(j) - 1; i >= n; i-- {
		switch c := j[i]; c.cell {
		case nameCell:
			s.setName(c.at, c.name)
		case accountCell:
			s.setAccount(c.at, c.account)
		case deviceCell:
			s.setDevice(c.at, c.device)
		case convCell:
			s.setConv(c.at, c.last)
		}
	}
	*kept = j[:n]
	s.journal = kept
}

func (s *state) equal(t *state) bool {
	if s == t {
		return true
	}
	if s.hash != t.hash || !slices.Equal(s.names, t.names) ||
		!slices.Equal(s.accounts, t.accounts) || !slices.Equal(s.devices, t.devices) {
		return false
	}
	for i := range int32(max(len(s.convs), len(t.convs))) {
		if !sameMessages(s.conv(i), t.conv(i)) {
			return false
		}
	}
	return true
}

// sameMessages walks back until the two share their past.
func sameMessages(a, b *message) bool {
	for ; a != b; a, b = a.prev, b.prev {
		if a == nil || b == nil || a.seq != b.seq || a.author != b.author || a.op.body != b.op.body {
			return false
		}
	}
	return true
}
