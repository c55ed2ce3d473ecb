package sim

import (
	"parley/core/chat"
	"parley/core/raft"
	"parley/core/replica"
	"parley/core/session"
)

// The marks of calls and sessions.
const (
	CallElsewhere   Mark = "answered with another leader"
	CallLeaderless  Mark = "answered that nobody leads"
	CallHeld        Mark = "call held until a leader is there"
	CallReplayed    Mark = "answered from the table"
	CallGap         Mark = "answered with a gap in the numbers"
	CallReused      Mark = "number used for another command"
	CallForgotten   Mark = "number behind the window"
	CallUnknown     Mark = "device not known"
	CallFenced      Mark = "answered that the device is fenced"
	CallQueueFull   Mark = "answered that a queue is full"
	CallNameTaken   Mark = "name taken"
	CallElsewhereOn Mark = "logged in elsewhere"
	CallNobody      Mark = "no such user"
	CallPassword    Mark = "password refused"
	CallRetry       Mark = "credential changed under a login"
	CallBusy        Mark = "asked to come again"
	AccountOpened   Mark = "account made"
	AccountClosed   Mark = "account ended"
	DeviceOpened    Mark = "device opened"
	LeaseOver       Mark = "lease ended"
	AnswerOwed      Mark = "answered by one who leads no more"
)

func sessionMarks() []markInfo {
	return []markInfo{{CallElsewhere, false}, {CallLeaderless, false}, {CallHeld, false}, {CallReplayed, false}, {CallGap, true}, {CallReused, true}, {CallForgotten, true}, {CallUnknown, false}, {CallFenced, false}, {CallQueueFull, false}, {CallNameTaken, false}, {CallElsewhereOn, false}, {CallNobody, false}, {CallPassword, true}, {CallRetry, true}, {CallBusy, true}, {AccountOpened, false}, {AccountClosed, false}, {DeviceOpened, false}, {LeaseOver, false}, {AnswerOwed, false}}
}

// watchCalls marks what a step was about calls and sessions.
func (w *world) watchCalls(s *server, in replica.Input) {
	for i := range s.out.Replies {
		r := &s.out.Replies[i]
		if m := codeMark(r.Code); m != "" {
			w.mark(m, s.name)
		}
		if r.Replayed {
			w.mark(CallReplayed, s.name)
		}
		if r.Code == "" && r.Result.Seq != 0 && s.status.Raft.Role.Kind != raft.Leader {
			w.mark(AnswerOwed, s.name)
		}
	}
	for i := range s.out.Notes {
		switch s.out.Notes[i].Kind {
		case replica.AccountMade:
			w.mark(AccountOpened, s.name)
		case replica.AccountEnded:
			w.mark(AccountClosed, s.name)
		case replica.DeviceOpened:
			w.mark(DeviceOpened, s.name)
		case replica.LeaseEnded:
			w.mark(LeaseOver, s.name)
		}
	}
	if calls, ok := in.(replica.Calls); ok && calls.List[0].Command != nil && len(s.out.Replies) == 0 && s.status.Raft.Role.Leader == 0 {
		w.mark(CallHeld, s.name)
	}
}

// codeMark is the mark of an answer.
func codeMark(code string) Mark {
	switch code {
	case "":
	case string(replica.NotLeader):
		return CallElsewhere
	case string(replica.Unavailable):
		return CallLeaderless
	case string(replica.BadPassword):
		return CallPassword
	case string(session.SeqGap):
		return CallGap
	case string(session.SeqReused):
		return CallReused
	case string(session.Window):
		return CallForgotten
	case string(session.NoSession):
		return CallUnknown
	case string(chat.Fenced):
		return CallFenced
	case string(chat.QueueFull):
		return CallQueueFull
	case string(chat.NameTaken):
		return CallNameTaken
	case string(chat.LoggedInElsewhere):
		return CallElsewhereOn
	case string(chat.NoSuchUser):
		return CallNobody
	case string(chat.Retry):
		return CallRetry
	case string(replica.Busy):
		return CallBusy
	}
	return ""
}
