package sim

import (
	"parley/core/chat"
	"parley/core/raft"
	"parley/core/replica"
)

// The marks of feeds.
const (
	FeedOpened      Mark = "feed attached"
	FeedWaits       Mark = "attach has to wait"
	FeedEnds        Mark = "feed to be resumed elsewhere"
	FeedResumed     Mark = "feed resumed in its middle"
	FeedFenced      Mark = "feed fenced"
	FeedTakenOver   Mark = "feed taken over"
	FeedLoggedOut   Mark = "feed ended by a logout"
	FeedAccountGone Mark = "feed ended with its account"
	FeedUnknown     Mark = "feed of an unknown device"
	FeedCatchUp     Mark = "catch-up event shown"
	FeedByFollower  Mark = "event shown by a follower"
	FeedLong        Mark = "eight events shown at once"
	FeedHungUp      Mark = "connection hung up"
)

func feedMarks() []markInfo {
	return []markInfo{{FeedOpened, false}, {FeedWaits, false}, {FeedEnds, false}, {FeedResumed, false}, {FeedFenced, false}, {FeedTakenOver, false}, {FeedLoggedOut, false}, {FeedAccountGone, false}, {FeedUnknown, false}, {FeedCatchUp, false}, {FeedByFollower, false}, {FeedLong, false}, {FeedHungUp, false}}
}

// watchFeeds marks what a step was about feeds.
func (w *world) watchFeeds(s *server, in replica.Input) {
	for i := range s.out.Attached {
		w.mark(FeedOpened, s.name)
		if s.out.Attached[i].After > 0 {
			w.mark(FeedResumed, s.name)
		}
	}
	for i := range s.out.Closings {
		switch s.out.Closings[i].Why {
		case replica.Resume:
			w.mark(FeedEnds, s.name)
		case replica.Fenced:
			w.mark(FeedFenced, s.name)
		case replica.TakenOver:
			w.mark(FeedTakenOver, s.name)
		case replica.LoggedOut:
			w.mark(FeedLoggedOut, s.name)
		case replica.AccountDeleted:
			w.mark(FeedAccountGone, s.name)
		case replica.NoSession:
			w.mark(FeedUnknown, s.name)
		}
	}
	if len(s.out.Pushes) >= 8 {
		w.mark(FeedLong, s.name)
	}
	for i := range s.out.Pushes {
		if s.out.Pushes[i].Event.Kind == chat.CatchUpEvent {
			w.mark(FeedCatchUp, s.name)
		}
		if s.status.Raft.Role.Kind != raft.Leader {
			w.mark(FeedByFollower, s.name)
		}
	}
	switch in.(type) {
	case replica.Attach:
		if len(s.out.Attached) == 0 && len(s.out.Closings) == 0 {
			w.mark(FeedWaits, s.name)
		}
	case replica.Hangup:
		w.mark(FeedHungUp, s.name)
	}
}
