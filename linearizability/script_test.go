package linearizability

import (
	"fmt"
	"strconv"
	"strings"
	"testing"
)

// script reads a history written for people. A line is a call with its answer,
//
//	d1 send bob m1 = 11,12#1 @13          d1 send cat m1 ! E_NO_SUCH_USER @14
//
// or, to let calls overlap, "a: d1 send bob m1" and later "a = 11,12#1 @13", "a info", "a fail",
// "a never" or, after info, an answer again. login! takes over; - is the empty string. Feeds:
//
//	sub 1 d1 0        push 1 1 @13 11,12#1 11:m1        push 1 2 @14 catch-up 11,12#2 4
//	ack 1 1           close 1                           push 1 3 @15 delivered
//
// and: entry @13 d1 2; expire @14 d1; phase drained; cut (no end).
func script(t testing.TB, meta Meta, text string) *History {
	t.Helper()
	s := &scripter{h: &History{Meta: meta}, calls: map[string]*Event{}, info: map[string]bool{}, dseq: map[string]uint64{}}
	cut := false
	for line := range strings.Lines(text) {
		w := strings.Fields(line)
		switch {
		case len(w) == 0 || w[0] == "#":
		case w[0] == "cut":
			cut = true
		default:
			s.line(w)
		}
	}
	if !cut {
		s.h.End(s.t + 1)
	}
	return s.h
}

type scripter struct {
	h     *History
	t, id uint64
	calls map[string]*Event
	info  map[string]bool
	dseq  map[string]uint64
}

func (s *scripter) emit(e Event) {
	if e.E != Entry {
		s.t++
		e.T = s.t
	}
	s.h.Events = append(s.h.Events, e)
}

func num(s string) uint64 {
	n, err := strconv.ParseUint(strings.TrimPrefix(s, "@"), 10, 64)
	if err != nil {
		panic(err)
	}
	return n
}

func nums(s string) (list []uint64) {
	for part := range strings.SplitSeq(s, ",") {
		list = append(list, num(part))
	}
	return list
}

func word(s string) string { return strings.TrimPrefix(s, "-") }

// message reads "11,12#1".
func message1(s string) ([]uint64, uint64) {
	conv, seq, _ := strings.Cut(s, "#")
	return nums(conv), num(seq)
}

func (s *scripter) line(w []string) {
	switch w[0] {
	case "sub":
		s.emit(Event{E: Sub, Sub: num(w[1]), Dev: w[2], After: num(w[3])})
	case "push":
		s.push(w)
	case "ack":
		s.emit(Event{E: Ack, Sub: num(w[1]), N: num(w[2])})
	case "close":
		s.emit(Event{E: Close, Sub: num(w[1])})
	case "entry":
		s.emit(Event{E: Entry, Pos: num(w[1]), Dev: w[2], Dseq: num(w[3])})
	case "expire":
		s.emit(Event{E: Entry, Pos: num(w[1]), Op: OpExpire, Dev: w[2]})
	case "phase":
		s.emit(Event{E: Phase, Name: w[1]})
	default:
		s.operation(w)
	}
}

func (s *scripter) push(w []string) {
	e := Event{E: Push, Sub: num(w[1]), N: num(w[2]), Pos: num(w[3]), Kind: w[4]}
	switch {
	case w[4] == PushCatchUp:
		e.Conv, e.Seq = message1(w[5])
		e.ToSeq = num(w[6])
	case len(w) > 5:
		e.Kind = PushMessage
		e.Conv, e.Seq = message1(w[4])
		from, body, _ := strings.Cut(w[5], ":")
		e.From, e.Body = num(from), body
	}
	s.emit(e)
}

func (s *scripter) operation(w []string) {
	label, rest := w[0], w[1:]
	switch call := s.calls[label]; {
	case strings.HasSuffix(label, ":"):
		s.call(strings.TrimSuffix(label, ":"), rest)
	case call != nil:
		s.answer(label, rest)
	default:
		for i, word := range w {
			if word == "=" || word == "!" {
				label = fmt.Sprint("line", s.id)
				s.call(label, w[:i])
				s.answer(label, w[i:])
				return
			}
		}
		panic(fmt.Sprint("no answer: ", w))
	}
}

func (s *scripter) call(label string, w []string) {
	op, takeover := strings.CutSuffix(w[1], "!")
	s.id++
	dev, dseq, numbered := strings.Cut(w[0], "/")
	if numbered {
		s.dseq[dev] = num(dseq) - 1
	}
	e := Event{E: Inv, ID: s.id, P: s.id, Op: Op(op), Dev: dev, Takeover: takeover}
	switch e.Op {
	case OpSignup, OpLogin:
		e.Name = w[2]
	case OpSend:
		e.To, e.Body = w[2], w[3]
	case OpHistory:
		e.Conv, e.After, e.Limit = nums(w[2]), num(w[3]), num(w[4])
	case OpList:
		e.Prefix, e.AfterKey, e.Limit = word(w[2]), word(w[3]), num(w[4])
	}
	if e.Op != OpHistory && e.Op != OpList {
		s.dseq[e.Dev]++
		e.Dseq = s.dseq[e.Dev]
	}
	s.emit(e)
	s.calls[label] = &e
}

func (s *scripter) answer(label string, w []string) {
	call := s.calls[label]
	e := Event{E: OK, ID: call.ID}
	if s.info[label] {
		e.E = Resolved
	}
	if n := len(w) - 1; strings.HasPrefix(w[n], "@") {
		e.Pos, w = num(w[n]), w[:n]
	}
	switch w[0] {
	case "info":
		s.info[label] = true
		s.emit(Event{E: Info, ID: call.ID})
		return
	case "fail":
		e.E = Fail
	case "never":
		e.Never = true
	case "!":
		e.Code = w[1]
		if e.E == OK {
			e.E = Err
		}
	default:
		s.result(call.Op, w[1:], &e)
	}
	s.emit(e)
}

func (s *scripter) result(op Op, w []string, e *Event) {
	switch op {
	case OpSignup:
		e.UID = num(w[0])
	case OpLogin:
		e.UID, e.Epoch, e.Cursor = num(w[0]), num(w[1]), num(w[2])
	case OpSend:
		e.Conv, e.Seq = message1(w[0])
	case OpHistory:
		for ; w[0] != "last"; w = w[1:] { // 1:11:m1@13
			text, pos, _ := strings.Cut(w[0], "@")
			part := strings.Split(text, ":")
			row := Row{Seq: num(part[0]), From: num(part[1]), Body: part[2]}
			if pos != "" {
				row.Pos = num(pos)
			}
			e.Rows = append(e.Rows, row)
		}
		e.Last = num(w[1])
	case OpList:
		if n := len(w) - 1; n >= 0 && w[n] == "more" {
			e.More, w = true, w[:n]
		}
		e.Names = w
	}
}
