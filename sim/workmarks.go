package sim

import (
	"parley/core/chat"
)

// The marks of what clients do and are told.
const (
	RetriedElsewhere Mark = "client retried on another server"
	RepeatedLate     Mark = "answered command repeated seconds later"
	RepeatAnswered   Mark = "retry answered from the table"
	Doubled          Mark = "command under way sent to another server as well"
	StaleRead        Mark = "old view read on purpose"
	FeedElsewhere    Mark = "feed resumed on another replica"
	FeedSkipped      Mark = "feed dropped behind a device that was fenced"
	FeedRewound      Mark = "feed read again from an earlier cursor"
	ReadTwice        Mark = "feed read by two at once"
	NameReused       Mark = "name reused"
	NameSquatted     Mark = "name reused by somebody else"
	Undeliverable    Mark = "message undeliverable: its recipient is gone"
	NumberVoided     Mark = "number voided"
	PasswordChanged  Mark = "password changed"
	HistoryBackwards Mark = "history read backwards"
	HistoryByName    Mark = "history read by name"
	ListContinued    Mark = "list continued behind a name"
)

func workMarks() []markInfo {
	list := []markInfo{{FeedSkipped, true}}
	for _, m := range []Mark{RetriedElsewhere, RepeatedLate, RepeatAnswered, Doubled, StaleRead, FeedElsewhere, FeedRewound, ReadTwice,
		NameReused, NameSquatted, Undeliverable, NumberVoided, PasswordChanged,
		HistoryBackwards, HistoryByName, ListContinued} {
		list = append(list, markInfo{m, false})
	}
	return list
}

// served marks what a step of a server tells its clients.
func (w *world) served(s *server) {
	for i := range s.out.Pushes {
		w.markIf(s.out.Pushes[i].Event.Kind == chat.UndeliverableEvent, Undeliverable, s.name)
	}
}
