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
//
// There are a million of them, so what many have in common they share.
type operation struct {
	*callDetails
	ID, P, Dseq uint64
	ans         answer

	call, ret uint64 // widened by the clocks' skew
	body      uint32 // number of the word

	// settled marks an answer that came only after the outcome had been unknown. Others of one
	// device are held to the order of their numbers.
	settled bool
}

// callDetails are what a call may share with others; never changed.
type callDetails struct {
	Op       Op
	Dev      string
	Name, To string
	Takeover bool
	Conv     []uint64
	After    uint64
	Prefix   string
	AfterKey string
	Limit    uint64

	Pos uint64 // of an expire entry, or where the log has an unknown command

	op     head   // number of Op
	conv   uint32 // number
	device int32  // number of Dev, and
	key    int32  // of the folded name, the sender's own or the recipient's; or nobody
	words  *words
}

// An answer to an operation: if Code is set, a refusal. The zero answer is none.
type answer struct {
	*answerDetails
	Pos, Seq uint64
}

func (a *answer) none() bool { return a.answerDetails == nil }

// answerDetails are what an answer may share with others; never changed.
type answerDetails struct {
	Code               string
	Conv               []uint64
	UID, Epoch, Cursor uint64
	Rows               []Row
	Last               uint64
	Names              []string
	More               bool

	conv  uint32   // number
	words []uint32 // numbers of the rows' bodies
}

// event is the call as it was recorded, but for its time: that one may have been widened.
func (o *operation) event() Event {
	return Event{E: Inv, ID: o.ID, P: o.P, T: o.call, Op: o.Op, Dev: o.Dev, Dseq: o.Dseq, Name: o.Name, To: o.To,
		Body: o.text(), Takeover: o.Takeover, Conv: o.Conv, After: o.After, Prefix: o.Prefix, AfterKey: o.AfterKey,
		Limit: o.Limit}
}

// text is the body.
func (o *operation) text() string { return o.words.at(o.body) }

// event is the answer to o as it was recorded, but for its time.
func (a *answer) event(o *operation) Event {
	e := Event{E: OK, ID: o.ID, T: o.ret, Pos: a.Pos, Code: a.Code, Seq: a.Seq, Conv: a.Conv, UID: a.UID, Epoch: a.Epoch,
		Cursor: a.Cursor, Rows: a.Rows, Last: a.Last, Names: a.Names, More: a.More}
	if e.Code != "" {
		e.E = Err
	}
	return e
}

func (o *operation) unknown() bool { return o.ans.none() }
func (o *operation) ok() bool      { return !o.ans.none() && o.ans.Code == "" }
func (o *operation) code() string {
	if o.ans.none() {
		return ""
	}
	return o.ans.Code
}

// pos is the position that the answer claims, or 0.
func (o *operation) pos() uint64 { return o.ans.Pos }

func (o *operation) isRead() bool { return o.op == opHistory || o.op == opList }

// changesNothing says that o reads, or was turned away before its number counted. Such an answer
// may share its position with a command, and stands behind it.
func (o *operation) changesNothing() bool { return o.isRead() || o.code() == codeNoSession }

// request names a command whatever became of it.
type request struct {
	device int32
	dseq   uint64
}

func (o *operation) request() request { return request{o.device, o.Dseq} }

// before says that a was answered before b was called.
func before(a, b *operation) bool { return a.ret < b.call }

// A record is a history sorted into what the checks look at.
type record struct {
	meta  Meta
	ops   []*operation // in order of their calls
	calls int          // of all kinds
	words *words

	convs   []convID // by number
	devices []string // by number
	keys    int      // how many folded names there are

	// denied are the commands that certainly had no effect: failed, voided, refused with a code
	// that says so. A body of theirs must never be seen.
	denied []*operation
	voids  map[request]*operation // numbers that a void took

	entries []entry // command entries, by pos
	expires []lapse // of leases, by pos
	feeds   []*feed
	drained uint64 // time of the last such phase, or 0

	sought *sought // what the search found, once it was asked

	ended   bool // the recording is complete
	outside int  // refusals with codes the table lacks
}

// operation finds one by its id; nil: it never took effect. It is slow.
func (r *record) operation(id uint64) *operation {
	for _, list := range [][]*operation{r.ops, r.denied} {
		for _, o := range list {
			if o.ID == id {
				return o
			}
		}
	}
	return nil
}

// An entry is what the log's dump says of a command.
type entry struct {
	pos, dseq uint64
	device    int32
}

// A lapse is the end of a lease in the log's dump.
type lapse struct {
	pos    uint64
	device int32
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
	t := h.tape()
	w := recordWriter{
		r: &record{meta: h.Meta, words: t.words, convs: t.ids, devices: t.devices, feeds: t.feeds,
			voids: map[request]*operation{}},
		tape:  t,
		all:   make([]operation, 0, t.calls),
		sends: map[pair32]*callDetails{},
		args:  map[argsKey]*callDetails{},
		plain: map[pair32]*answerDetails{},
		keys:  map[string]int32{},
		gone:  map[*operation]bool{},
		ids:   numbering{count: 2 * t.calls}, // room for ids that are not quite dense
	}
	for l := range t.without() {
		w.add(l)
	}
	r := w.r
	r.calls, r.keys = len(w.all), len(w.keys)
	if byPos := func(a, b entry) int { return compare(a.pos, b.pos) }; !slices.IsSortedFunc(r.entries, byPos) {
		slices.SortStableFunc(r.entries, byPos)
	}
	slices.SortStableFunc(r.expires, func(a, b lapse) int { return compare(a.pos, b.pos) })
	r.keep(w.all, w.gone)
	return r
}

type recordWriter struct {
	r     *record
	tape  *tape
	ids   numbering               // id → place in all
	all   []operation             // never grows beyond its room: pointers to them are kept
	sends map[pair32]*callDetails // by device and recipient
	args  map[argsKey]*callDetails
	plain map[pair32]*answerDetails // by conversation and code
	page  *answerDetails            // the last page of names
	keys  map[string]int32          // folded names
	gone  map[*operation]bool
}

// argsKey names the arguments that many calls share, by numbers of words.
type argsKey struct {
	op            head
	dev           uint32
	prefix, after uint32
	limit         uint64
}

// pair32 is two numbers in one.
type pair32 uint64

func pairOf(a, b uint32) pair32 { return pair32(a)<<32 | pair32(b) }

func (w *recordWriter) add(l *line) {
	switch l.E {
	case Inv:
		w.inv(l)
	case OK, Err, Resolved:
		i, _ := w.ids.get(l.ID)
		o := &w.all[i]
		if l.E == Resolved && l.Never {
			w.gone[o] = true
			return
		}
		o.ans, o.ret, o.settled = w.answer(l), w.r.later(l.T), l.E == Resolved
	case Fail:
		i, _ := w.ids.get(l.ID)
		w.gone[&w.all[i]] = true
	case Entry:
		if device := w.tape.device(l.no[cDev]); l.Op == OpExpire {
			w.r.expires = append(w.r.expires, lapse{l.Pos, device})
		} else {
			if w.r.entries == nil {
				w.r.entries = make([]entry, 0, w.tape.entries)
			}
			w.r.entries = append(w.r.entries, entry{l.Pos, l.Dseq, device})
		}
	case Phase:
		if l.Name == PhaseDrained {
			w.r.drained = l.T
		}
	case End:
		w.r.ended = l.Lines == uint64(w.tape.events) // it is the last
	}
}

func (w *recordWriter) inv(l *line) {
	w.ids.put(l.ID, uint32(len(w.all)))
	w.all = append(w.all, operation{callDetails: w.call(l), ID: l.ID, P: l.P, Dseq: l.Dseq, call: w.r.earlier(l.T), ret: forever})
	if l.Op == OpSend {
		w.all[len(w.all)-1].body = l.no[cBody]
	}
}

func (w *recordWriter) call(l *line) *callDetails {
	shared := l.Op != OpSignup && l.Op != OpLogin && l.Op != OpHistory
	key, to := argsKey{op: opNo(l.Op), dev: l.no[cDev]}, pairOf(l.no[cDev], l.no[cTo])
	switch {
	case key.op == opSend:
		if a := w.sends[to]; a != nil {
			return a
		}
	case key.op == opList:
		key.after, key.limit, key.prefix = l.no[cAfterKey], l.Limit, l.no[cPrefix]
		fallthrough
	case shared:
		if a := w.args[key]; a != nil {
			return a
		}
	}
	a := &callDetails{Op: l.Op, Dev: l.Dev, Name: l.Name, To: l.To, Takeover: l.Takeover, Conv: l.Conv, After: l.After,
		Prefix: l.Prefix, AfterKey: l.AfterKey, Limit: l.Limit,
		op: key.op, device: w.tape.device(l.no[cDev]), key: nobody, words: w.r.words}
	switch l.Op {
	case OpHistory:
		a.conv = l.no[cConv]
	case OpSignup, OpLogin:
		a.key = w.key(l.Name)
	case OpSend:
		a.key = w.key(l.To)
	}
	switch {
	case key.op == opSend:
		w.sends[to] = a
	case shared:
		w.args[key] = a
	}
	return a
}

// key numbers a folded name.
func (w *recordWriter) key(name string) int32 {
	name = fold(name)
	no, known := w.keys[name]
	if !known {
		no = int32(len(w.keys))
		w.keys[name] = no
	}
	return no
}

func (w *recordWriter) answer(l *line) answer { return answer{w.details(l), l.Pos, l.Seq} }

func (w *recordWriter) details(l *line) *answerDetails {
	conv, code := uint32(0), uint32(0)
	if l.Conv != nil {
		conv = l.no[cConv]
	}
	if l.Code != "" {
		code = l.no[cCode]
	}
	key := pairOf(conv, code)
	shared := l.UID == 0 && l.Epoch == 0 && l.Cursor == 0 && l.Rows == nil && l.Last == 0 && l.Names == nil && !l.More
	if res := w.plain[key]; shared && res != nil {
		return res
	}
	res := &answerDetails{Code: l.Code, Conv: l.Conv, UID: l.UID, Epoch: l.Epoch, Cursor: l.Cursor, Rows: l.Rows,
		Last: l.Last, Names: l.Names, More: l.More, conv: conv}
	if l.Rows != nil {
		res.words = l.rowWords
	}
	if l.Names != nil {
		if last := w.page; last != nil && last.More == l.More && slices.Equal(last.Names, l.Names) {
			return last // pages repeat
		}
		w.page = res
	}
	if shared {
		w.plain[key] = res
	}
	return res
}

// keep drops what no order has to explain.
func (r *record) keep(all []operation, gone map[*operation]bool) {
	r.ops = make([]*operation, 0, len(all))
	for i := range all {
		if o := &all[i]; o.op == opVoid && o.ok() {
			r.voids[o.request()] = o
		}
	}
	for i := range all {
		o := &all[i]
		_, voided := r.voids[o.request()]
		switch {
		case gone[o], o.unknown() && voided:
			r.denied = append(r.denied, o)
		case o.unknown() && (o.isRead() || o.op == opVoid):
			// seen by nobody; changes nothing
		case o.code() != "" && !inTable(o.code()) && traceless(o.Op, o.code()):
			r.denied = append(r.denied, o)
			if o.op != opVoid {
				r.outside++
			}
		default:
			if o.code() != "" && !inTable(o.code()) {
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
	if !hasUpper(name) { // as nearly always; Map is slow
		return name
	}
	return strings.Map(func(r rune) rune {
		if 'A' <= r && r <= 'Z' {
			return r + 'a' - 'A'
		}
		return r
	}, name)
}

func hasUpper(name string) bool {
	for i := range len(name) {
		if 'A' <= name[i] && name[i] <= 'Z' {
			return true
		}
	}
	return false
}

// A convID is a conversation's uids in order; a conversation with oneself has a second of 0.
type convID [2]uint64

func convOf(uids []uint64) convID {
	var c convID
	copy(c[:], uids)
	return c
}

func (c convID) has(uid uint64) bool { return uid != 0 && (c[0] == uid || c[1] == uid) }

func (c convID) uids() []uint64 {
	if c[1] == 0 {
		return c[:1]
	}
	return c[:]
}
