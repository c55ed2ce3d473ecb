package linearizability

import "slices"

// A touched says what a step reads and writes, as far as that is known beforehand. Steps that do
// not conflict have the same effect and the same answers in either order.
type touched struct{ reads, writes []resource }

// A resource is something that steps share. Accounts are known by name: who has it does not matter.
type resource struct {
	kind resourceKind
	a, b int32
}

type resourceKind uint8

const (
	nameResource    resourceKind = iota // a: key; whether it is taken
	sessionResource                     // a: key; epoch, lease, cursor and devices of the account
	deviceResource                      // a: device
	convResource                        // a, b: keys; the messages between two accounts, nobody for any
)

func (t touched) conflicts(u touched) bool {
	return meet(t.writes, u.writes) || meet(t.writes, u.reads) || meet(t.reads, u.writes)
}

func meet(a, b []resource) bool {
	for _, r := range a {
		if slices.ContainsFunc(b, r.is) {
			return true
		}
	}
	return false
}

func (r resource) is(q resource) bool {
	if r.kind == convResource && q.kind == convResource && (min(r.a, q.a) == nobody) {
		return true
	}
	return r == q
}

// deviceKeys lists by device the names that it signed up or logged in with.
func deviceKeys(sp *spec, steps []*step) [][]int32 {
	keys := make([][]int32, len(sp.devices))
	for _, st := range steps {
		if (st.op == opSignup || st.op == opLogin) && !slices.Contains(keys[st.dev], st.key) {
			keys[st.dev] = append(keys[st.dev], st.key)
		}
	}
	return keys
}

func (sp *spec) touched(st *step, keys [][]int32) touched {
	t := touched{reads: []resource{{deviceResource, st.dev, 0}}}
	for _, k := range keys[st.dev] {
		t.reads = append(t.reads, resource{sessionResource, k, 0})
	}
	if st.ordinary() && sp.numbered[st.dev] {
		t.writes = append(t.writes, resource{deviceResource, st.dev, 0})
	}
	switch st.op {
	case opSignup, opLogin, opLogout, opDelete:
		t.writes = append(t.writes, t.reads...)
	default:
		if sp.expiry != ExpiryNever { // it may take back a lease
			t.writes = append(t.writes, t.reads...)
		}
	}
	switch st.op {
	case opSignup:
		t.writes = append(t.writes, resource{nameResource, st.key, 0}, resource{sessionResource, st.key, 0})
	case opLogin:
		t.reads = append(t.reads, resource{nameResource, st.key, 0})
		t.writes = append(t.writes, resource{sessionResource, st.key, 0})
	case opDelete:
		for _, k := range keys[st.dev] {
			t.writes = append(t.writes, resource{nameResource, k, 0})
		}
	case opSend:
		t.reads = append(t.reads, resource{nameResource, st.key, 0})
		for _, k := range keys[st.dev] {
			t.writes = append(t.writes, resource{convResource, min(k, st.key), max(k, st.key)})
		}
	case opHistory:
		a, b := sp.keyOf(st.Conv[0]), sp.keyOf(st.Conv[len(st.Conv)-1])
		t.reads = append(t.reads, resource{convResource, min(a, b), max(a, b)})
	case opList:
		for k := st.from; k < st.to; k++ {
			t.reads = append(t.reads, resource{nameResource, k, 0})
		}
	}
	return t
}

// keyOf is the name of the account with a uid, or nobody.
func (sp *spec) keyOf(uid uint64) int32 {
	if acct, known := sp.owner[uid]; known {
		return sp.signups[acct].key
	}
	return nobody
}

// pure says that a step changes nothing wherever its answer fits.
func (sp *spec) pure(st *step) bool {
	switch {
	case st.optional:
		return false
	case st.op == opList, st.code() == codeNoSession:
		return true
	case st.op == opHistory: // it may learn whose an unknown uid is
		return !slices.ContainsFunc(st.Conv, func(uid uint64) bool { return sp.keyOf(uid) == nobody })
	case st.ordinary() && sp.numbered[st.dev]:
		return false // it counts
	case st.code() == codeFenced:
		return true
	case sp.expiry != ExpiryNever:
		return false // it may take a lease
	case st.op == opPasswd || st.op == opVoid:
		return true
	}
	return st.code() != "" && inTable(st.code()) && st.op != opSignup && st.op != opLogin
}
