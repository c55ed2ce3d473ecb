package linearizability

// mattering are the folded steps that made what the rest touches: of the accounts that it names,
// and of the conversations between them. If these alone would lead elsewhere, it is all of them that
// changed anything.
func (c *reduction) mattering() map[*step]bool {
	m := newMatter(c)
	kept, changing := map[*step]bool{}, map[*step]bool{}
	c.replay(func(_ int, st *step, out outcome, changed bool) {
		changing[st] = changed
		kept[st] = changed && m.made(c, st, out)
	})
	s := c.sp.initial()
	for _, st := range c.order {
		if kept[st] {
			if _, ok := c.sp.step(s, st); !ok {
				return changing
			}
		}
	}
	if !m.same(s, c.state) {
		return changing
	}
	return kept
}

// A matter is what of a state the rest touches.
type matter struct {
	sp                      *spec
	keys, accounts, devices []bool
	convs                   map[[2]int32]bool
}

func both(a, b int32) [2]int32 { return [2]int32{min(a, b), max(a, b)} }

func newMatter(c *reduction) *matter {
	m := &matter{
		sp: c.sp, keys: make([]bool, len(c.sp.keys)), accounts: make([]bool, len(c.sp.signups)),
		devices: make([]bool, len(c.sp.devices)), convs: map[[2]int32]bool{},
	}
	for _, st := range c.rest {
		m.devices[st.dev] = true
		switch st.op {
		case opSignup, opLogin, opSend:
			m.keys[st.key] = true
		case opList:
			for k := st.from; k < st.to; k++ {
				m.keys[k] = true
			}
		}
		for _, pair := range m.conversations(c, st) {
			m.convs[pair] = true
			for _, acct := range pair {
				m.keys[c.sp.signups[acct].key] = true
			}
		}
		for _, acct := range m.users(c, st.dev) {
			m.keys[c.sp.signups[acct].key] = true
		}
	}
	for acct, st := range c.sp.signups {
		m.accounts[acct] = m.keys[st.key]
	}
	return m
}

// users are the accounts that a device belongs to, or may belong to soon.
func (m *matter) users(c *reduction, dev int32) []int32 {
	var list []int32
	if d := c.state.devices[dev]; d.life == alive {
		list = append(list, d.account)
	}
	for _, st := range c.rest {
		if st.dev == dev && (st.op == opSignup || st.op == opLogin) {
			list = append(list, m.named(st.key)...)
		}
	}
	return list
}

// named are the accounts that may have a name at some time.
func (m *matter) named(key int32) []int32 {
	var list []int32
	for acct, st := range m.sp.signups {
		if st.key == key {
			list = append(list, int32(acct))
		}
	}
	return list
}

// conversations are those that a step may write to or read.
func (m *matter) conversations(c *reduction, st *step) [][2]int32 {
	var with []int32
	switch st.op {
	case opSend:
		with = m.named(st.key)
	case opHistory:
		for _, uid := range st.Conv {
			if acct := c.sp.find(c.state, uid); acct != nobody {
				with = append(with, acct)
			} else {
				with = append(with, c.sp.unsure...)
			}
		}
	}
	var list [][2]int32
	for _, me := range m.users(c, st.dev) {
		for _, other := range with {
			list = append(list, both(me, other))
		}
	}
	return list
}

// made says whether a step with this outcome made part of what matters.
func (m *matter) made(c *reduction, st *step, out outcome) bool {
	switch st.op {
	case opSend:
		return out.code == "" && m.convs[both(out.author, out.account)]
	case opSignup, opLogin:
		return m.keys[st.key] || m.devices[st.dev]
	}
	return m.devices[st.dev] || m.accounts[c.state.devices[st.dev].account]
}

// same compares what matters. The last number of a device does not: a lower one allows more.
func (m *matter) same(s, t *state) bool {
	for k, matters := range m.keys {
		if matters && s.names[k] != t.names[k] {
			return false
		}
	}
	for i, matters := range m.accounts {
		if matters && s.accounts[i] != t.accounts[i] {
			return false
		}
	}
	for i, matters := range m.devices {
		d, e := s.devices[i], t.devices[i]
		d.last, e.last = 0, 0
		if matters && d != e {
			return false
		}
	}
	for pair := range m.convs {
		if no, known := m.sp.pairs[pair]; known && !sameMessages(s.conv(no), t.conv(no)) {
			return false
		}
	}
	return true
}
