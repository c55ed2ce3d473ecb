package linearizability

import "strings"

// A field is one name of a JSON object and where its value lives in T.
type field[T any] struct {
	name     string
	key      literal // as it stands in a line, behind another field
	code     code    // of events only
	optional bool    // left out when zero
	at       func(*T) any
}

// A shape is the fields of one kind of object, in the order in which they are written.
type shape[T any] []field[T]

// fields is the vocabulary of events. Where one JSON name has two types it has two entries here,
// and the part after the colon tells them apart.
var fields = map[string]func(*Event) any{
	"e":         func(e *Event) any { return (*string)(&e.E) },
	"id":        func(e *Event) any { return &e.ID },
	"p":         func(e *Event) any { return &e.P },
	"t":         func(e *Event) any { return &e.T },
	"op":        func(e *Event) any { return (*string)(&e.Op) },
	"pos":       func(e *Event) any { return &e.Pos },
	"dev":       func(e *Event) any { return &e.Dev },
	"dseq":      func(e *Event) any { return &e.Dseq },
	"name":      func(e *Event) any { return &e.Name },
	"takeover":  func(e *Event) any { return &e.Takeover },
	"to":        func(e *Event) any { return &e.To },
	"to:seq":    func(e *Event) any { return &e.ToSeq },
	"body":      func(e *Event) any { return &e.Body },
	"conv":      func(e *Event) any { return &e.Conv },
	"after":     func(e *Event) any { return &e.After },
	"after:key": func(e *Event) any { return &e.AfterKey },
	"prefix":    func(e *Event) any { return &e.Prefix },
	"limit":     func(e *Event) any { return &e.Limit },
	"uid":       func(e *Event) any { return &e.UID },
	"epoch":     func(e *Event) any { return &e.Epoch },
	"cursor":    func(e *Event) any { return &e.Cursor },
	"seq":       func(e *Event) any { return &e.Seq },
	"rows":      func(e *Event) any { return &e.Rows },
	"last":      func(e *Event) any { return &e.Last },
	"names":     func(e *Event) any { return &e.Names },
	"more":      func(e *Event) any { return &e.More },
	"code":      func(e *Event) any { return &e.Code },
	"why":       func(e *Event) any { return &e.Why },
	"never":     func(e *Event) any { return &e.Never },
	"sub":       func(e *Event) any { return &e.Sub },
	"n":         func(e *Event) any { return &e.N },
	"kind":      func(e *Event) any { return &e.Kind },
	"from":      func(e *Event) any { return &e.From },
	"on":        func(e *Event) any { return &e.On },
	"until":     func(e *Event) any { return &e.Until },
	"lines":     func(e *Event) any { return &e.Lines },
}

// shapeOf reads a list of names; a question mark makes one optional.
func shapeOf(names string) shape[Event] {
	var s shape[Event]
	for name := range strings.FieldsSeq(names) {
		name, optional := strings.CutSuffix(name, "?")
		at, known := fields[name]
		if !known {
			panic("linearizability: no field " + name)
		}
		json, _, _ := strings.Cut(name, ":")
		s = append(s, field[Event]{json, newLiteral(`,"` + json + `":`), codeOf[name], optional, at})
	}
	return s
}

var arguments = map[Op]shape[Event]{
	OpSignup:  shapeOf("e id p t op dev dseq name"),
	OpLogin:   shapeOf("e id p t op dev dseq name takeover"),
	OpLogout:  shapeOf("e id p t op dev dseq"),
	OpDelete:  shapeOf("e id p t op dev dseq"),
	OpPasswd:  shapeOf("e id p t op dev dseq"),
	OpVoid:    shapeOf("e id p t op dev dseq"),
	OpSend:    shapeOf("e id p t op dev dseq to body"),
	OpHistory: shapeOf("e id p t op dev conv after limit"),
	OpList:    shapeOf("e id p t op dev prefix after:key limit"),
}

var results = map[Op]shape[Event]{
	OpSignup:  shapeOf("e id t pos? uid"),
	OpLogin:   shapeOf("e id t pos? uid epoch cursor"),
	OpLogout:  shapeOf("e id t pos?"),
	OpDelete:  shapeOf("e id t pos?"),
	OpPasswd:  shapeOf("e id t pos?"),
	OpVoid:    shapeOf("e id t pos?"),
	OpSend:    shapeOf("e id t pos? conv seq"),
	OpHistory: shapeOf("e id t pos? rows last"),
	OpList:    shapeOf("e id t pos? names more"),
}

var (
	refusal = shapeOf("e id t pos? code")
	never   = shapeOf("e id t never")

	messagePush = shapeOf("e sub t n pos? kind conv seq from body")
	catchUpPush = shapeOf("e sub t n pos? kind conv seq to:seq")
	otherPush   = shapeOf("e sub t n pos? kind")

	commandEntry = shapeOf("e pos? dev dseq")
	expireEntry  = shapeOf("e pos? op dev")
)

var plain = map[Kind]shape[Event]{
	Fail:  shapeOf("e id t why"),
	Info:  shapeOf("e id t why"),
	Try:   shapeOf("e id t on why"),
	Sub:   shapeOf("e sub t dev after"),
	Ack:   shapeOf("e sub t n"),
	Close: shapeOf("e sub t why"),
	Phase: shapeOf("e t name"),
	Fault: shapeOf("e t until kind on"),
	End:   shapeOf("e t lines"),
}

// shape returns the one shape e has, given the operation that its id names; nil if there is none.
func (e *Event) shape(op Op) shape[Event] {
	switch e.E {
	case Inv:
		return arguments[e.Op]
	case OK:
		return results[op]
	case Err:
		return refusal
	case Resolved:
		switch {
		case e.Never:
			return never
		case e.Code != "":
			return refusal
		}
		return results[op]
	case Push:
		switch e.Kind {
		case PushMessage:
			return messagePush
		case PushCatchUp:
			return catchUpPush
		}
		return otherPush
	case Entry:
		switch e.Op {
		case "":
			return commandEntry
		case OpExpire:
			return expireEntry
		}
		return nil
	}
	return plain[e.E]
}

var rowShape = shape[Row]{
	{name: "seq", at: func(r *Row) any { return &r.Seq }},
	{name: "pos", optional: true, at: func(r *Row) any { return &r.Pos }},
	{name: "from", at: func(r *Row) any { return &r.From }},
	{name: "body", at: func(r *Row) any { return &r.Body }},
}

var rulesShape = shape[Rules]{
	{name: "login", at: func(r *Rules) any { return &r.Login }},
	{name: "expiry", at: func(r *Rules) any { return &r.Expiry }},
}

// A metaLine is a Meta with the words around it.
type metaLine struct {
	e, format string
	version   uint64
	Meta
}

var metaShape = shape[metaLine]{
	{name: "e", at: func(m *metaLine) any { return &m.e }},
	{name: "format", at: func(m *metaLine) any { return &m.format }},
	{name: "version", at: func(m *metaLine) any { return &m.version }},
	{name: "clock", at: func(m *metaLine) any { return &m.Clock }},
	{name: "positions", at: func(m *metaLine) any { return &m.Positions }},
	{name: "rules", at: func(m *metaLine) any { return &m.Rules }},
	{name: "skew", optional: true, at: func(m *metaLine) any { return &m.Skew }},
	{name: "seed", optional: true, at: func(m *metaLine) any { return &m.Seed }},
}

// A code names a field of events to code that has no time for names.
type code uint8

const (
	cID code = iota
	cP
	cT
	cPos
	cDseq
	cAfter
	cLimit
	cUID
	cEpoch
	cCursor
	cSeq
	cLast
	cSub
	cN
	cFrom
	cToSeq
	cUntil
	cLines

	cE
	cOp
	cDev
	cName
	cTo
	cBody
	cAfterKey
	cPrefix
	cCode
	cWhy
	cKind
	cOn

	cTakeover
	cMore
	cNever

	cConv
	cRows
	cNames
	codes
)

var codeOf = map[string]code{
	"id": cID, "p": cP, "t": cT, "pos": cPos, "dseq": cDseq, "after": cAfter, "limit": cLimit, "uid": cUID,
	"epoch": cEpoch, "cursor": cCursor, "seq": cSeq, "last": cLast, "sub": cSub, "n": cN, "from": cFrom,
	"to:seq": cToSeq, "until": cUntil, "lines": cLines,
	"e": cE, "op": cOp, "dev": cDev, "name": cName, "to": cTo, "body": cBody, "after:key": cAfterKey,
	"prefix": cPrefix, "code": cCode, "why": cWhy, "kind": cKind, "on": cOn,
	"takeover": cTakeover, "more": cMore, "never": cNever,
	"conv": cConv, "rows": cRows, "names": cNames,
}

func (c code) isNumber() bool { return c <= cLines }
func (c code) isString() bool { return c >= cE && c <= cOn }

func (e *Event) num(c code) *uint64 {
	switch c {
	case cID:
		return &e.ID
	case cP:
		return &e.P
	case cT:
		return &e.T
	case cPos:
		return &e.Pos
	case cDseq:
		return &e.Dseq
	case cAfter:
		return &e.After
	case cLimit:
		return &e.Limit
	case cUID:
		return &e.UID
	case cEpoch:
		return &e.Epoch
	case cCursor:
		return &e.Cursor
	case cSeq:
		return &e.Seq
	case cLast:
		return &e.Last
	case cSub:
		return &e.Sub
	case cN:
		return &e.N
	case cFrom:
		return &e.From
	case cToSeq:
		return &e.ToSeq
	case cUntil:
		return &e.Until
	}
	return &e.Lines
}

func (e *Event) text(c code) *string {
	switch c {
	case cE:
		return (*string)(&e.E)
	case cOp:
		return (*string)(&e.Op)
	case cDev:
		return &e.Dev
	case cName:
		return &e.Name
	case cTo:
		return &e.To
	case cBody:
		return &e.Body
	case cAfterKey:
		return &e.AfterKey
	case cPrefix:
		return &e.Prefix
	case cCode:
		return &e.Code
	case cWhy:
		return &e.Why
	case cKind:
		return &e.Kind
	}
	return &e.On
}

func (e *Event) flag(c code) *bool {
	switch c {
	case cTakeover:
		return &e.Takeover
	case cMore:
		return &e.More
	}
	return &e.Never
}
