package linearizability

import (
	"slices"
	"sort"
	"strings"
)

// A spec is the sequential specification for one set of operations: the rules, and what the small
// numbers in states and steps stand for.
type spec struct {
	exclusive bool
	expiry    string
	lapsing   []bool // under ExpiryLogged and without positions: devices whose lease ended some time

	numbered []bool // devices with commands that only their numbers keep in order

	keys     []string // sorted
	devices  []string
	deviceNo map[string]int32
	signups  []*step // by account

	owner     map[uint64]int32   // uid → account, where a signup's answer says so
	sharedUID bool               // two signups were answered with one uid
	unsure    []int32            // accounts whose signup is unknown, and so, at first, their uid
	assumed   map[int32]uint64   // uids of these, if they are taken as known
	pairs     map[[2]int32]int32 // two accounts → conversation, numbered as they come up

	// imprecise is set when two accounts of unknown signups could have had the same uid and one
	// was picked: what follows is a guess, and no verdict may rest on it.
	imprecise bool
}

// A step is an operation with its names replaced by small numbers.
type step struct {
	*operation
	dev, key int32  // key: of the name, or of the recipient
	account  int32  // signup: the one it makes
	from, to int32  // list: the keys of which the page may show any
	at       uint64 // where it stands in the log, or 0 if positions do not count
	optional bool   // unknown: any outcome fits
	still    bool   // where it changes nothing, it would change nothing later either
}

// ordinary commands are held to the order of their numbers: an outcome that was in doubt is judged
// by its effect alone.
func (st *step) ordinary() bool { return !st.isRead() && !st.optional && !st.settled }

// compile numbers what the operations mention. The answers' positions are not looked at.
func compile(rules Rules, ops []*operation) (*spec, []step) {
	sp := &spec{
		exclusive: rules.Login == LoginExclusive,
		expiry:    rules.Expiry,
		deviceNo:  map[string]int32{},
		owner:     map[uint64]int32{},
		pairs:     map[[2]int32]int32{},
	}
	keyNo := sp.numberKeys(ops)
	steps := make([]step, len(ops))
	var previous []*step // by device: the last of its ordinary commands
	for i, o := range ops {
		st := &steps[i]
		*st = step{operation: o, dev: sp.numberDevice(o.Dev), optional: o.unknown()}
		st.still = st.isRead() || st.code() != "" || !st.optional && (st.Op == OpPasswd || st.Op == OpVoid)
		if int(st.dev) == len(previous) {
			previous, sp.numbered = append(previous, nil), append(sp.numbered, false)
		}
		if st.ordinary() {
			p := previous[st.dev]
			sp.numbered[st.dev] = sp.numbered[st.dev] || p != nil && !(before(p.operation, o) && p.Dseq < o.Dseq)
			previous[st.dev] = st
		}
		switch o.Op {
		case OpSignup:
			st.key, st.account = keyNo[fold(o.Name)], int32(len(sp.signups))
			sp.signups = append(sp.signups, st)
			if o.ok() {
				if _, taken := sp.owner[o.ans.UID]; taken {
					sp.sharedUID = true
				}
				sp.owner[o.ans.UID] = st.account
			} else if o.unknown() {
				sp.unsure = append(sp.unsure, st.account)
			}
		case OpLogin:
			st.key = keyNo[fold(o.Name)]
		case OpSend:
			st.key = keyNo[fold(o.To)]
		case OpList:
			st.from, st.to = sp.page(fold(o.Prefix), fold(o.AfterKey))
		}
	}
	return sp, steps
}

func (sp *spec) numberKeys(ops []*operation) map[string]int32 {
	no := map[string]int32{}
	for _, o := range ops {
		switch o.Op {
		case OpSignup, OpLogin:
			no[fold(o.Name)] = 0
		case OpSend:
			no[fold(o.To)] = 0
		}
	}
	for k := range no {
		sp.keys = append(sp.keys, k)
	}
	slices.Sort(sp.keys)
	for i, k := range sp.keys {
		no[k] = int32(i)
	}
	return no
}

func (sp *spec) numberDevice(name string) int32 {
	no, known := sp.deviceNo[name]
	if !known {
		no = int32(len(sp.devices))
		sp.deviceNo[name] = no
		sp.devices = append(sp.devices, name)
	}
	return no
}

// page returns the range of keys that begin with prefix and come behind after.
func (sp *spec) page(prefix, after string) (from, to int32) {
	lo := sort.Search(len(sp.keys), func(i int) bool { return sp.keys[i] >= prefix && sp.keys[i] > after })
	hi := lo + sort.Search(len(sp.keys)-lo, func(i int) bool { return !strings.HasPrefix(sp.keys[lo+i], prefix) })
	return int32(lo), int32(hi)
}

func (sp *spec) initial() *state {
	return newState(len(sp.keys), len(sp.signups), len(sp.devices))
}

// convNo numbers the conversation of two accounts.
func (sp *spec) convNo(a, b int32) int32 {
	pair := [2]int32{min(a, b), max(a, b)}
	no, known := sp.pairs[pair]
	if !known {
		no = int32(len(sp.pairs))
		sp.pairs[pair] = no
	}
	return no
}
