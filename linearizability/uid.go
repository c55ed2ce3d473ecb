package linearizability

import "slices"

// An account whose signup was never answered has no uid that anybody knows, until an answer shows
// one. The functions here learn it: they compare uids, and bind one that is not known yet.

// isUID says whether uid can be the account's, and remembers it.
func (sp *spec) isUID(s *state, acct int32, uid uint64) bool {
	a := s.accounts[acct]
	if a.uid != 0 || uid == 0 {
		return a.uid == uid
	}
	if sp.find(s, uid) != nobody {
		return false
	}
	a.uid = uid
	s.setAccount(acct, a)
	return true
}

// find returns the account that has uid or, by its signup's answer, can alone have it.
func (sp *spec) find(s *state, uid uint64) int32 {
	if acct, known := sp.owner[uid]; known {
		return acct
	}
	for _, acct := range sp.unsure {
		if s.accounts[acct].life != unborn && s.accounts[acct].uid == uid {
			return acct
		}
	}
	return nobody
}

// isConv says whether conv can be the conversation of two accounts.
func (sp *spec) isConv(s *state, a, b int32, conv []uint64) bool {
	switch {
	case a == b:
		return len(conv) == 1 && sp.isUID(s, a, conv[0])
	case len(conv) != 2:
		return false
	}
	for range 2 {
		if i := slices.Index(conv, s.accounts[a].uid); i >= 0 {
			return sp.isUID(s, b, conv[1-i])
		}
		a, b = b, a
	}
	if s.accounts[a].uid != 0 || s.accounts[b].uid != 0 {
		return false
	}
	sp.imprecise = true
	return sp.isUID(s, a, conv[0]) && sp.isUID(s, b, conv[1])
}

// assume takes the uids that accounts have in s as theirs from their signups on. An account that has
// none there gets one that nobody else can have.
func (sp *spec) assume(s *state) {
	const fresh = 1 << 63 // beyond what a file can hold
	sp.assumed = map[int32]uint64{}
	for _, acct := range sp.unsure {
		sp.assumed[acct] = fresh | uint64(acct)
		if uid := s.accounts[acct].uid; uid != 0 {
			sp.assumed[acct] = uid
		}
	}
}

// conversation says whether the reader is a member, and returns the last message.
func (sp *spec) conversation(s *state, st *step) (member bool, last *message) {
	me := s.devices[st.dev].account
	if !sp.memberOf(s, me, st) {
		return false, nil
	}
	other := me
	for _, uid := range st.Conv {
		if uid != s.accounts[me].uid {
			if other = sp.find(s, uid); other == nobody {
				other = sp.stranger(s, me, uid, st)
			}
		}
	}
	if other == nobody {
		return true, nil
	}
	no, known := sp.pairs[[2]int32{min(me, other), max(me, other)}]
	if !known {
		return true, nil
	}
	return true, s.conv(no)
}

func (sp *spec) memberOf(s *state, me int32, st *step) bool {
	if uid := s.accounts[me].uid; uid != 0 {
		return slices.Contains(st.Conv, uid)
	}
	candidate, n := uint64(0), 0
	for _, uid := range st.Conv {
		if sp.find(s, uid) == nobody {
			candidate = uid
			n++
		}
	}
	if n == 0 {
		return false
	}
	if n > 1 || st.code() == codeNotMember {
		sp.imprecise = true
	}
	if st.code() == codeNotMember {
		return false
	}
	return sp.isUID(s, me, candidate)
}

// stranger finds the account behind a uid that nobody is known to have: one of an unknown signup,
// with messages in a conversation with me.
func (sp *spec) stranger(s *state, me int32, uid uint64, st *step) int32 {
	found := int32(nobody)
	for _, acct := range sp.unsure {
		if a := s.accounts[acct]; a.life == unborn || a.uid != 0 || acct == me {
			continue
		}
		no, known := sp.pairs[[2]int32{min(me, acct), max(me, acct)}]
		if !known || s.conv(no) == nil {
			continue
		}
		if found != nobody {
			sp.imprecise = true
			continue
		}
		found = acct
	}
	switch {
	case found == nobody:
	case st.ok() && st.ans.Last == 0: // perhaps someone else's, perhaps too early to tell
		sp.imprecise = true
		return nobody
	case !sp.isUID(s, found, uid):
		return nobody
	}
	return found
}
