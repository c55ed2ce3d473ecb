package sim

// The marks of links.
const (
	Overtaken       Mark = "packet overtaken"
	LateCopy        Mark = "late copy delivered"
	LateAcrossTerms Mark = "late copy delivered across terms"
	DeadSender      Mark = "packet of a dead life delivered"
	ForDeadLife     Mark = "packet for a dead life delivered"
	LinkOverflow    Mark = "packet dropped from a full queue of a link"
	ClogReleased    Mark = "clogged packets came all at once"
	BridgeHealed    Mark = "bridge healed"
	RingHealed      Mark = "ring healed"
	FlapEnded       Mark = "flapping link came to rest"
	WrongHint       Mark = "live peer said to be gone"
	StreamStalled   Mark = "stream stalled by a packet sent again"
	PeerStreamReset Mark = "connection between servers broken"
	HearsThePast    Mark = "leader that hears only the past is cut off"
	ClientStranded  Mark = "client talks to a server that it does not reach"
)

func netMarks() []markInfo {
	return []markInfo{{Overtaken, false}, {LateCopy, false}, {LateAcrossTerms, false}, {DeadSender, false}, {ForDeadLife, false},
		{LinkOverflow, false}, {ClogReleased, false}, {BridgeHealed, false}, {RingHealed, false}, {FlapEnded, false}, {WrongHint, false},
		{StreamStalled, false}, {PeerStreamReset, false}, {HearsThePast, false}, {ClientStranded, false}}
}

// arrived marks what is odd about a packet that arrives.
func (w *world) arrived(s *server, l *link, p *packet) {
	if p.nth < l.latest {
		w.mark(Overtaken, s.name)
	}
	l.latest = max(l.latest, p.nth)
	if p.from != w.server(l.from).life {
		w.mark(DeadSender, s.name)
	}
	if p.to != s.life {
		w.mark(ForDeadLife, s.name)
	}
	if p.which == late {
		w.mark(LateCopy, s.name)
		if m := p.msg.Raft; m != nil && m.Term < s.status.Raft.Role.Term {
			w.mark(LateAcrossTerms, s.name)
		}
	}
}
