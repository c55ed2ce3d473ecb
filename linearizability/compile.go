package linearizability

import (
	"cmp"
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
	deviceOf []int32 // the record's number of each
	signups  []*step // by account

	owner     map[uint64]int32   // uid → account, where a signup's answer says so
	sharedUID bool               // two signups were answered with one uid
	unsure    []int32            // accounts whose signup is unknown, and so, at first, their uid
	assumed   map[int32]uint64   // uids of these, if they are taken as known
	pairs     map[[2]int32]int32 // two accounts → conversation, numbered as they come up

	// imprecise is set when two accounts of unknown signups could have had the same uid and one
	// was picked: what follows is a guess, and no verdict may rest on it.
	imprecise bool

	room []message // for those to come
}

// A step is an operation with its names replaced by small numbers.
type step struct {
	*operation
	at       uint64 // where it stands in the log, or 0 if positions do not count
	dev, key int32  // key: of the name, or of the recipient
	account  int32  // signup: the one it makes
	from, to int32  // list: the keys of which the page may show any
	optional bool   // unknown: any outcome fits
	still    bool   // where it changes nothing, it would change nothing later either
}

// ordinary commands are held to the order of their numbers: an outcome that was in doubt is judged
// by its effect alone.
func (st *step) ordinary() bool { return !st.isRead() && !st.optional && !st.settled }

// compile numbers what the operations mention. The answers' positions are not looked at.
func compile(rules Rules, ops []*operation) (*spec, []step) {
	return new(compiler).compile(rules, ops)
}

// A compiler keeps room for one specification after the other: the steps of one are those of the
// next. What it numbers has numbers already, but those of a whole record.
type compiler struct {
	keys, devices smallNumbers
	steps         []step
}

// smallNumbers has the number of each that has one, plus 1. In between it is empty.
type smallNumbers []int32

// at is where the number of a larger one stands.
func (n *smallNumbers) at(i int32) *int32 {
	if int(i) >= len(*n) {
		*n = append(*n, make([]int32, int(i)+1-len(*n))...)
	}
	return &(*n)[i]
}

func (c *compiler) compile(rules Rules, ops []*operation) (*spec, []step) {
	sp := &spec{
		exclusive: rules.Login == LoginExclusive,
		expiry:    rules.Expiry,
		owner:     map[uint64]int32{},
		pairs:     map[[2]int32]int32{},
	}
	c.numberKeys(sp, ops)
	c.steps = slices.Grow(c.steps[:0], len(ops))[:len(ops)]
	steps := c.steps
	var previous []*step // by device: the last of its ordinary commands
	for i, o := range ops {
		st := &steps[i]
		*st = step{operation: o, dev: c.numberDevice(sp, o), optional: o.unknown()}
		if o.key != nobody {
			st.key = *c.keys.at(o.key) - 1
		}
		st.still = st.isRead() || st.code() != "" || !st.optional && (st.op == opPasswd || st.op == opVoid)
		if int(st.dev) == len(previous) {
			previous, sp.numbered = append(previous, nil), append(sp.numbered, false)
		}
		if st.ordinary() {
			p := previous[st.dev]
			sp.numbered[st.dev] = sp.numbered[st.dev] || p != nil && !(before(p.operation, o) && p.Dseq < o.Dseq)
			previous[st.dev] = st
		}
		switch o.op {
		case opSignup:
			st.account = int32(len(sp.signups))
			made := *st // a pointer into steps would keep all of them
			sp.signups = append(sp.signups, &made)
			if o.ok() {
				if _, taken := sp.owner[o.ans.UID]; taken {
					sp.sharedUID = true
				}
				sp.owner[o.ans.UID] = st.account
			} else if o.unknown() {
				sp.unsure = append(sp.unsure, st.account)
			}
		case opList:
			st.from, st.to = sp.page(fold(o.Prefix), fold(o.AfterKey))
		}
	}
	for _, o := range ops {
		*c.devices.at(o.device) = 0
		if o.key != nobody {
			*c.keys.at(o.key) = 0
		}
	}
	return sp, steps
}

// numberKeys numbers the folded names in their order.
func (c *compiler) numberKeys(sp *spec, ops []*operation) {
	type named struct {
		key string
		no  int32
	}
	var list []named
	for _, o := range ops {
		if o.key == nobody {
			continue
		}
		if no := c.keys.at(o.key); *no == 0 {
			*no = 1
			list = append(list, named{fold(cmp.Or(o.Name, o.To)), o.key})
		}
	}
	slices.SortFunc(list, func(a, b named) int { return strings.Compare(a.key, b.key) })
	for i, k := range list {
		sp.keys = append(sp.keys, k.key)
		*c.keys.at(k.no) = int32(i) + 1
	}
}

func (c *compiler) numberDevice(sp *spec, o *operation) int32 {
	no := c.devices.at(o.device)
	if *no == 0 {
		sp.devices, sp.deviceOf = append(sp.devices, o.Dev), append(sp.deviceOf, o.device)
		*no = int32(len(sp.devices))
	}
	return *no - 1
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
