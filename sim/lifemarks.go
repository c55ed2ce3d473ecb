package sim

import "time"

// The marks of lives and clocks.
const (
	DiedSaving       Mark = "died with a save in flight"
	DiedUntold       Mark = "died with a save durable and not told"
	AllDown          Mark = "all replicas down"
	WinnerKilled     Mark = "winner of an election killed"
	ResignedLeader   Mark = "leader handed over and stopped"
	WokeDeposed      Mark = "leader paused, and woke with a successor"
	WokeBusy         Mark = "woke with a full inbox"
	CameBackBehind   Mark = "came back behind the others' logs"
	ShortLife        Mark = "life shorter than an election timeout"
	ClientDiedSaving Mark = "client died while its outbox was written"
	ClientDiedOwing  Mark = "client died with commands in its outbox"
	ClockJumpedBack  Mark = "clock jumped back"
	ClockJumpedAhead Mark = "clock jumped ahead"
	ClockFroze       Mark = "clock stood still"
	ClockDrifted     Mark = "clock changed its pace"
)

func lifeMarks() []markInfo {
	return []markInfo{{DiedSaving, false}, {DiedUntold, false}, {AllDown, false}, {WinnerKilled, false}, {ResignedLeader, false},
		{WokeDeposed, false}, {WokeBusy, false}, {CameBackBehind, false}, {ShortLife, false}, {ClientDiedSaving, false},
		{ClientDiedOwing, false}, {ClockJumpedBack, false}, {ClockJumpedAhead, false}, {ClockFroze, false}, {ClockDrifted, false}}
}

// died marks in what state a server dies.
func (w *world) died(s *server) {
	if s.disk.inFlight != nil {
		w.mark(DiedSaving, s.name)
	}
	if s.untold {
		w.mark(DiedUntold, s.name)
	}
	if w.now-s.born < 200*time.Millisecond {
		w.mark(ShortLife, s.name)
	}
}

// woke marks what a server finds that was paused.
func (w *world) woke(s *server, inbox int) {
	if inbox > 50 {
		w.mark(WokeBusy, s.name)
	}
	if l := w.leader(); s.led != 0 && l != nil && l != s && l.status.Raft.Role.Term > s.led {
		w.mark(WokeDeposed, s.name)
	}
}
