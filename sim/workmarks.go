package sim

import (
	"parley/core/chat"
	"parley/core/replica"
	"parley/core/session"
)

// The marks of what clients do and are told.
const (
	RetriedElsewhere Mark = "client retried on another server"
	RepeatedLate     Mark = "answered command repeated seconds later"
	RepeatAnswered   Mark = "retry answered from the table"
	Doubled          Mark = "command under way sent to another server as well"
	StaleRead        Mark = "old view read on purpose"
	FeedElsewhere    Mark = "feed resumed on another replica"
	FeedRewound      Mark = "feed read again from an earlier cursor"
	ReadTwice        Mark = "feed read by two at once"
	TakeoverFenced   Mark = "takeover fenced the other"
	LeaseRanOut      Mark = "lease ran out"
	NameReused       Mark = "name reused"
	NameSquatted     Mark = "name reused by somebody else"
	CaughtUp         Mark = "queue that was full caught up"
	Undeliverable    Mark = "message undeliverable: its recipient is gone"
	NumberVoided     Mark = "number voided"
	PasswordChanged  Mark = "password changed"
	HistoryBackwards Mark = "history read backwards"
	HistoryByName    Mark = "history read by name"
	ListContinued    Mark = "list continued behind a name"

	ToldGap         Mark = "SEQ_GAP answered"
	ToldWindow      Mark = "number forgotten: WINDOW answered"
	ToldReused      Mark = "SEQ_REUSED answered"
	ToldNoSession   Mark = "device not known any more"
	ToldElsewhere   Mark = "login refused elsewhere"
	ToldNobody      Mark = "name of nobody"
	ToldQueueFull   Mark = "queue full"
	ToldFenced      Mark = "command fenced"
	ToldNotLeader   Mark = "sent on to the leader"
	ToldUnavailable Mark = "turned away without a leader"
	ToldBusy        Mark = "asked to come again"
	ToldRetry       Mark = "credential changed under a login"
)

func workMarks() []markInfo {
	list := []markInfo{{CaughtUp, true}, {ToldBusy, true}, {ToldRetry, true}, {ToldReused, true}, {ToldWindow, true}}
	for _, m := range []Mark{RetriedElsewhere, RepeatedLate, RepeatAnswered, Doubled, StaleRead, FeedElsewhere, FeedRewound, ReadTwice,
		TakeoverFenced, LeaseRanOut, NameReused, NameSquatted, Undeliverable, NumberVoided, PasswordChanged,
		HistoryBackwards, HistoryByName, ListContinued, ToldGap, ToldNoSession, ToldElsewhere, ToldNobody, ToldQueueFull,
		ToldFenced, ToldNotLeader, ToldUnavailable} {
		list = append(list, markInfo{m, false})
	}
	return list
}

// toldBy is the mark of an answer's code, or none.
func toldBy(code string) Mark {
	switch code {
	case string(session.SeqGap):
		return ToldGap
	case string(session.Window):
		return ToldWindow
	case string(session.SeqReused):
		return ToldReused
	case string(session.NoSession):
		return ToldNoSession
	case string(chat.LoggedInElsewhere):
		return ToldElsewhere
	case string(chat.NoSuchUser):
		return ToldNobody
	case string(chat.QueueFull):
		return ToldQueueFull
	case string(chat.Fenced):
		return ToldFenced
	case string(chat.Retry):
		return ToldRetry
	case string(replica.NotLeader):
		return ToldNotLeader
	case string(replica.Unavailable):
		return ToldUnavailable
	case string(replica.Busy):
		return ToldBusy
	}
	return ""
}

// served marks what a step of a server tells its clients.
func (w *world) served(s *server) {
	for i := range s.out.Replies {
		if m := toldBy(s.out.Replies[i].Code); m != "" {
			w.mark(m, s.name)
		}
	}
	for i := range s.out.Pushes {
		switch s.out.Pushes[i].Event.Kind {
		case chat.CatchUpEvent:
			w.mark(CaughtUp, s.name)
		case chat.UndeliverableEvent:
			w.mark(Undeliverable, s.name)
		}
	}
	for _, c := range s.out.Closings {
		if c.Why == replica.TakenOver {
			w.mark(TakeoverFenced, s.name)
		}
	}
	for _, n := range s.out.Notes {
		if n.Kind == replica.LeaseEnded {
			w.mark(LeaseRanOut, s.name)
		}
	}
}
