package sim

import (
	"time"

	"parley/core/raft"
)

// What happens to links and connections for a while. Links between servers are shut without a word;
// a client may reach a server that its peers cannot.
const (
	Partition   FaultKind = "partition"    // the servers fall into two groups
	OneWay      FaultKind = "one-way"      // packets from one server do not arrive
	Isolate     FaultKind = "isolate"      // the leader is cut off from its peers, not from clients
	StreamReset FaultKind = "stream-reset" // a client's connections break
)

func netFaults() []family {
	return []family{
		{kind: Partition, aim: nobody, strike: func(w *world, f Fault) {
			sides := w.dice.draw(diceLink, 0, f.ID)
			w.sever(f, func(a, b raft.ID) bool { return sides>>a&1 != sides>>b&1 })
		}},
		{kind: OneWay, aim: aServer, strike: func(w *world, f Fault) {
			w.sever(f, func(from, _ raft.ID) bool { return from == w.serverOf(f).id })
		}},
		{kind: Isolate, aim: theLeader, strike: func(w *world, f Fault) { w.isolate(w.serverOf(f), f) }},
		{kind: StreamReset, aim: aClient, strike: func(w *world, f Fault) {
			for _, t := range w.clientOf(f).streams {
				if t != nil {
					t.breakOff()
				}
			}
		}},
	}
}

func (w *world) sever(f Fault, cut func(from, to raft.ID) bool) {
	for _, a := range w.servers {
		for _, b := range w.servers {
			if a == b || !cut(a.id, b.id) {
				continue
			}
			w.shutLink(a.id, b.id, 1)
			w.after(time.Duration(f.For), "relief", f.ID, func() { w.shutLink(a.id, b.id, -1) })
		}
	}
}

// isolate cuts a server off from its peers.
func (w *world) isolate(s *server, f Fault) {
	w.sever(f, func(a, b raft.ID) bool { return a == s.id || b == s.id })
}
