package linearizability

import (
	"fmt"
	"slices"
)

// An outcome is what the specification answers to a command.
type outcome struct {
	code    string
	account int32 // signup, login; send: the recipient's
	author  int32 // send
	epoch   uint64
	last    *message // send: the message; history: the last of the conversation
}

// step lets the operation happen now, in place, and says whether what was recorded can be its
// answer. If not, the state may be changed in part, and is no use any more unless it is undone.
func (sp *spec) step(s *state, st *step) (outcome, bool) {
	if st.op == opExpire {
		sp.expire(s, st.dev)
		return outcome{}, true
	}
	if c := st.code(); c != "" && !inTable(c) {
		sp.refusedElsewhere(s, st)
		return outcome{code: c}, true
	}
	out := outcome{code: sp.session(s, st)}
	if out.code == codeNoSession {
		return out, st.optional || st.code() == codeNoSession
	}
	if !sp.inOrder(s, st) {
		return out, false
	}
	if out.code == "" {
		out = sp.execute(s, st)
	}
	return out, st.optional || sp.fits(s, st, out)
}

// session is the preamble: may this device do anything, and may it do this?
func (sp *spec) session(s *state, st *step) string {
	d := &s.devices[st.dev]
	switch {
	case d.life == unborn:
		if (st.op == opSignup || st.op == opLogin) && st.Dseq == 1 {
			return ""
		}
		return codeNoSession
	case d.life == dead || s.accounts[d.account].life == dead:
		return codeNoSession
	case st.op == opLogin || st.op == opLogout:
		return ""
	case sp.exclusive && d.epoch < s.accounts[d.account].epoch:
		return codeFenced
	}
	return ""
}

// inOrder holds the commands of one device to the order of their numbers, where time does not.
func (sp *spec) inOrder(s *state, st *step) bool {
	if !st.ordinary() || !sp.numbered[st.dev] {
		return true
	}
	d := s.devices[st.dev]
	if st.Dseq <= d.last {
		return false
	}
	d.last = st.Dseq
	s.setDevice(st.dev, d)
	return true
}

func (sp *spec) execute(s *state, st *step) outcome {
	switch st.op {
	case opSignup:
		return sp.signup(s, st)
	case opLogin:
		return sp.login(s, st)
	case opLogout:
		return sp.logout(s, st)
	case opHistory:
		return sp.history(s, st)
	case opList:
		return outcome{}
	}
	sp.takeLease(s, st)
	switch st.op {
	case opDelete:
		return sp.delete(s, st)
	case opSend:
		return sp.send(s, st)
	}
	return outcome{} // passwd, void
}

// refuse answers a signup or login. A device refused at first contact never opens.
func (sp *spec) refuse(s *state, st *step, code string) outcome {
	if d := s.devices[st.dev]; d.life == unborn {
		d.life = dead
		s.setDevice(st.dev, d)
	}
	return outcome{code: code}
}

func (sp *spec) signup(s *state, st *step) outcome {
	switch {
	case s.devices[st.dev].life == alive:
		sp.takeLease(s, st)
		return outcome{code: codeDeviceInUse}
	case s.names[st.key] != nobody:
		return sp.refuse(s, st, codeNameTaken)
	}
	uid := st.at
	if sp.assumed != nil && st.optional {
		uid = sp.assumed[st.account]
	}
	if st.ok() {
		uid = st.ans.UID
		if sp.sharedUID && slices.ContainsFunc(s.accounts, func(a account) bool { return a.uid == uid }) {
			return outcome{code: "a uid of its own"}
		}
	}
	s.setAccount(st.account, account{life: alive, uid: uid, epoch: 1, lease: st.dev})
	s.setName(st.key, st.account)
	sp.open(s, st, st.account)
	return outcome{account: st.account}
}

func (sp *spec) open(s *state, st *step, acct int32) {
	d := s.devices[st.dev]
	d.life, d.account, d.epoch = alive, acct, s.accounts[acct].epoch
	s.setDevice(st.dev, d)
}

func (sp *spec) login(s *state, st *step) outcome {
	acct := s.names[st.key]
	if acct == nobody {
		return sp.refuse(s, st, codeNoSuchUser)
	}
	if d := s.devices[st.dev]; d.life == alive && d.account != acct {
		return sp.refuse(s, st, codeDeviceInUse)
	}
	a := s.accounts[acct]
	if sp.exclusive {
		if a.lease != nobody && a.lease != st.dev && !st.Takeover && !sp.lapsed(st, a.lease) {
			return sp.refuse(s, st, codeElsewhere)
		}
		a.epoch++
		a.lease = st.dev
	}
	if st.ok() {
		if st.ans.Cursor < a.cursor {
			return outcome{code: fmt.Sprintf("a cursor of at least %d", a.cursor)}
		}
		a.cursor = st.ans.Cursor
	}
	s.setAccount(acct, a)
	sp.open(s, st, acct)
	return outcome{account: acct, epoch: a.epoch}
}

// lapsed says whether the lease may have ended before this login without anybody having seen it.
// Where leases end is then no part of the state: a lease that has lapsed unseen differs from one
// that has not only for a login, and whoever else could have it is fenced or closed.
func (sp *spec) lapsed(st *step, holder int32) bool {
	may := sp.expiry == ExpiryAny || sp.lapsing != nil && sp.lapsing[holder]
	return may && st.code() != codeElsewhere
}

func (sp *spec) logout(s *state, st *step) outcome {
	sp.expire(s, st.dev)
	d := s.devices[st.dev]
	d.life = dead
	s.setDevice(st.dev, d)
	return outcome{}
}

// expire ends the lease of a device, if it has one.
func (sp *spec) expire(s *state, dev int32) {
	d := s.devices[dev]
	if d.life != alive {
		return
	}
	if a := s.accounts[d.account]; a.life == alive && a.lease == dev {
		a.lease = nobody
		s.setAccount(d.account, a)
	}
}

// takeLease is what every numbered command of an active device does, even if refused below.
func (sp *spec) takeLease(s *state, st *step) {
	d := s.devices[st.dev]
	if a := s.accounts[d.account]; sp.exclusive && a.lease != st.dev {
		a.lease = st.dev
		s.setAccount(d.account, a)
	}
}

// refusedElsewhere is a refusal for a reason that is not modelled. It changes nothing, except what
// every refusal does: a first contact leaves a tombstone, another command takes the lease.
func (sp *spec) refusedElsewhere(s *state, st *step) {
	if sp.session(s, st) != "" || !sp.inOrder(s, st) {
		return
	}
	switch {
	case st.op == opSignup && s.devices[st.dev].life == unborn, st.op == opLogin:
		sp.refuse(s, st, "")
	case !st.isRead() && st.op != opLogout:
		sp.takeLease(s, st)
	}
}

func (sp *spec) delete(s *state, st *step) outcome {
	acct := s.devices[st.dev].account
	a := s.accounts[acct]
	a.life, a.lease = dead, nobody
	s.setAccount(acct, a)
	s.setName(sp.signups[acct].key, nobody)
	return outcome{}
}

func (sp *spec) send(s *state, st *step) outcome {
	to := s.names[st.key]
	if to == nobody {
		return outcome{code: codeNoSuchUser}
	}
	from := s.devices[st.dev].account
	conv := sp.convNo(from, to)
	m := s.conv(conv).then(sp.message(message{pos: st.at, author: from, other: to, op: st.operation}))
	s.setConv(conv, m)
	return outcome{author: from, account: to, last: m}
}

// message finds room for a new one.
func (sp *spec) message(m message) *message {
	const atOnce = 32
	if len(sp.room) == cap(sp.room) {
		sp.room = make([]message, 0, atOnce)
	}
	sp.room = append(sp.room, m)
	return &sp.room[len(sp.room)-1]
}

func (sp *spec) history(s *state, st *step) outcome {
	member, last := sp.conversation(s, st)
	if !member {
		return outcome{code: codeNotMember}
	}
	return outcome{last: last}
}

// fits compares what the specification answers with what was recorded.
func (sp *spec) fits(s *state, st *step, out outcome) bool {
	if out.code != st.code() {
		return false
	}
	if out.code != "" {
		return true
	}
	switch st.op {
	case opSignup:
		return st.at == 0 || st.at == st.ans.UID
	case opLogin:
		return out.epoch == st.ans.Epoch && sp.isUID(s, out.account, st.ans.UID)
	case opSend:
		return uint64(out.last.seq) == st.ans.Seq && sp.isConv(s, out.author, out.account, st.ans.Conv)
	case opHistory:
		return sp.rowsFit(s, st, out.last)
	case opList:
		return sp.namesFit(s, st)
	}
	return true
}

// A server may cut a page at a limit of its own, but not below the default one.
const (
	rowsPerPage  = 50
	namesPerPage = 100
)

// fullPage says whether a page with n items may end where another would have followed.
func fullPage(n, limit, own uint64) bool {
	return n == limit || n < limit && n >= own || limit == 0
}

func (sp *spec) rowsFit(s *state, st *step, last *message) bool {
	rows, count := st.ans.Rows, last.count()
	end := st.After + uint64(len(rows))
	if st.ans.Last != count || len(rows) > 0 && end > count ||
		end < count && !fullPage(uint64(len(rows)), st.Limit, rowsPerPage) {
		return false
	}
	if st.Limit > 0 && uint64(len(rows)) > st.Limit {
		return false
	}
	m := last.at(end)
	for i := len(rows) - 1; i >= 0; i, m = i-1, m.prev {
		row := &rows[i]
		if row.Seq != uint64(m.seq) || st.ans.words[i] != m.op.body || !sp.isUID(s, m.author, row.From) {
			return false
		}
		if st.at != 0 && row.Pos != 0 && m.pos != 0 && row.Pos != m.pos {
			return false
		}
	}
	return true
}

func (sp *spec) namesFit(s *state, st *step) bool {
	names, k := st.ans.Names, st.from
	next := func() string {
		for ; k < st.to; k++ {
			if acct := s.names[k]; acct != nobody {
				k++
				return sp.signups[acct].Name
			}
		}
		return ""
	}
	for _, got := range names {
		if next() != got {
			return false
		}
	}
	more, n := next() != "", uint64(len(names))
	return more == st.ans.More && (!more || fullPage(n, st.Limit, namesPerPage)) &&
		(st.Limit == 0 || n <= st.Limit)
}
