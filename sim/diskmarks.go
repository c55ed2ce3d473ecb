package sim

// The marks of disks.
const (
	SaveFailed        Mark = "save failed"
	SaveOverdue       Mark = "save overdue"
	StallOutlasted    Mark = "stall outlasted an election"
	TornDropped       Mark = "torn save dropped at recovery"
	VisibleNotDurable Mark = "visible but not durable at restart"
	VisibleLost       Mark = "power cut took what was visible but not durable"
	OutOfSpace        Mark = "no space"
	RefusedForSpace   Mark = "start refused for space"
	RefusedUnreadable Mark = "start refused: disk unreadable"
	RefusedDamaged    Mark = "refused to start: damaged"
	HaltedForDamage   Mark = "halted for damage"
	SnapshotSpoiled   Mark = "snapshot came off the disk changed"
	DamageForbidden   Mark = "damage refused by the atlas"
	PeerNotBelieved   Mark = "peer with an older life not listened to"
	BeyondExcused     Mark = "no majority left, liveness excused"
)

func diskMarks() []markInfo {
	return []markInfo{
		{SaveFailed, false}, {SaveOverdue, true}, {StallOutlasted, false}, {TornDropped, false},
		{VisibleNotDurable, false}, {VisibleLost, false}, {OutOfSpace, false}, {RefusedForSpace, false},
		{RefusedUnreadable, false}, {RefusedDamaged, false}, {HaltedForDamage, false}, {SnapshotSpoiled, true},
		{DamageForbidden, false}, {PeerNotBelieved, true}, {BeyondExcused, false},
	}
}

func (w *world) markIf(so bool, m Mark, on Target) {
	if so {
		w.mark(m, on)
	}
}
