package linearizability

import (
	"math"
	"slices"
	"strings"
)

// forever, as a time of return: the answer has not come, and the effect may still.
const forever = math.MaxUint64

// An operation is one call with what came of it. Calls that certainly never took effect, and
// unknown reads, are none: no order has to explain them.
type operation struct {
	*Event        // the call, for its arguments
	ans    *Event // the answer; nil if unknown

	call, ret uint64 // widened by the clocks' skew

	// settled marks an answer that came only after the outcome had been unknown. Others of one
	// device are held to the order of their numbers.
	settled bool
}

func (o *operation) unknown() bool { return o.ans == nil }
func (o *operation) ok() bool      { return o.ans != nil && o.ans.Code == "" }
func (o *operation) code() string {
	if o.ans == nil {
		return ""
	}
	return o.ans.Code
}

// pos is the position that the answer claims, or 0.
func (o *operation) pos() uint64 {
	if o.ans == nil {
		return 0
	}
	return o.ans.Pos
}

func (o *operation) isRead() bool { return o.Op == OpHistory || o.Op == OpList }

// changesNothing says that o reads, or was turned away before its number counted. Such an answer
// may share its position with a command, and stands behind it.
func (o *operation) changesNothing() bool { return o.isRead() || o.code() == codeNoSession }

// request names a command whatever became of it.
type request struct {
	dev  string
	dseq uint64
}

func (o *operation) request() request { return request{o.Dev, o.Dseq} }

// before says that a was answered before b was called.
func before(a, b *operation) bool { return a.ret < b.call }

// A record is a history sorted into what the checks look at.
type record struct {
	meta Meta
	ops  []*operation // in order of their calls
	byID map[uint64]*operation

	// denied are the commands that certainly had no effect: failed, voided, refused with a code
	// that says so. A body of theirs must never be seen.
	denied []*operation
	voids  map[request]*operation // numbers that a void took

	entries []*Event // command entries, by pos
	expires []*Event // lapses of leases, by pos
	feeds   []*feed
	drained uint64 // time of the last such phase, or 0

	ended   bool // the recording is complete
	outside int  // refusals with codes the table lacks
}

// The codes the table knows.
const (
	codeNoSession   = "E_NO_SESSION"
	codeFenced      = "E_FENCED"
	codeDeviceInUse = "E_DEVICE_IN_USE"
	codeNameTaken   = "E_NAME_TAKEN"
	codeNoSuchUser  = "E_NO_SUCH_USER"
	codeElsewhere   = "E_LOGGED_IN_ELSEWHERE"
	codeNotMember   = "E_NOT_MEMBER"
)

func inTable(code string) bool {
	switch code {
	case codeNoSession, codeFenced, codeDeviceInUse, codeNameTaken, codeNoSuchUser, codeElsewhere, codeNotMember:
		return true
	}
	return false
}

// traceless says that a refusal with this code left the state as it was, lease included: decided
// before the number counted, or before the command was executed.
func traceless(op Op, code string) bool {
	switch code {
	case "E_NOT_LEADER", "E_UNAVAILABLE", "E_BUSY", "E_NO_SPACE", "E_RATE", "E_SEQ_GAP",
		"E_BAD_PASSWORD", "E_SEQ_REUSED", "E_WINDOW":
		return true
	case "E_SUSPENDED":
		return op != OpLogin // a refused first contact leaves a tombstone
	}
	return false
}

// newRecord sorts a well-formed history.
func newRecord(h *History) *record {
	r := &record{meta: h.Meta, byID: map[uint64]*operation{}, voids: map[request]*operation{}}
	feeds := map[uint64]*feed{}
	gone := map[*operation]bool{}
	all := []*operation{}
	for i := range h.Events {
		e := &h.Events[i]
		switch e.E {
		case Inv:
			o := &operation{Event: e, call: r.earlier(e.T), ret: forever}
			all = append(all, o)
			r.byID[e.ID] = o
		case OK, Err, Resolved:
			o := r.byID[e.ID]
			if e.E == Resolved && e.Never {
				gone[o] = true
				continue
			}
			o.ans, o.ret, o.settled = e, r.later(e.T), e.E == Resolved
		case Fail:
			gone[r.byID[e.ID]] = true
		case Sub, Push, Ack, Close:
			r.feedEvent(feeds, e)
		case Entry:
			if e.Op == OpExpire {
				r.expires = append(r.expires, e)
			} else {
				r.entries = append(r.entries, e)
			}
		case Phase:
			if e.Name == PhaseDrained {
				r.drained = e.T
			}
		case End:
			r.ended = e.Lines == uint64(i)+1
		}
	}
	byPos := func(a, b *Event) int { return compare(a.Pos, b.Pos) }
	slices.SortStableFunc(r.entries, byPos)
	slices.SortStableFunc(r.expires, byPos)
	r.keep(all, gone)
	return r
}

// keep drops what no order has to explain.
func (r *record) keep(all []*operation, gone map[*operation]bool) {
	for _, o := range all {
		if o.Op == OpVoid && o.ok() {
			r.voids[o.request()] = o
		}
	}
	for _, o := range all {
		_, voided := r.voids[o.request()]
		switch {
		case gone[o], o.unknown() && voided:
			r.denied = append(r.denied, o)
		case o.unknown() && (o.isRead() || o.Op == OpVoid):
			// seen by nobody; changes nothing
		case o.ans != nil && !inTable(o.code()) && traceless(o.Op, o.code()):
			r.denied = append(r.denied, o)
			if o.Op != OpVoid {
				r.outside++
			}
		default:
			if o.ans != nil && o.code() != "" && !inTable(o.code()) {
				r.outside++
			}
			r.ops = append(r.ops, o)
		}
	}
}

// earlier and later widen an interval by the skew between clocks; wider is always sound.
func (r *record) earlier(t uint64) uint64 { return t - min(t, r.meta.Skew) }
func (r *record) later(t uint64) uint64   { return t + r.meta.Skew }

func compare(a, b uint64) int {
	switch {
	case a < b:
		return -1
	case a > b:
		return 1
	}
	return 0
}

// fold is a name's key: A–Z become a–z, byte by byte, and nothing else changes.
func fold(name string) string {
	return strings.Map(func(r rune) rune {
		if 'A' <= r && r <= 'Z' {
			return r + 'a' - 'A'
		}
		return r
	}, name)
}

// A convID is a conversation's uids in order; a conversation with oneself has a second of 0.
type convID [2]uint64

func convOf(uids []uint64) convID {
	var c convID
	copy(c[:], uids)
	return c
}

func (c convID) has(uid uint64) bool { return uid != 0 && (c[0] == uid || c[1] == uid) }
