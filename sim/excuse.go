package sim

import (
	"fmt"

	"parley/core/raft"
)

// Excuses for what the core owes. Each is a fact about the world that anybody can check, and names who
// holds it; the empty text is none.

// lastCopyOutside: no disk of the core has a committed entry any more, and one outside has it.
func (w *world) lastCopyOutside(i raft.Index) string {
	if i == 0 || int(i) > len(w.checks.ghost) {
		return ""
	}
	outside := ""
	for _, s := range w.servers {
		switch {
		case !w.atlas.holds(s, i, w.checks.ghost[i-1].Chain):
		case !w.exiles.holds(s.id):
			return ""
		default:
			outside = fmt.Sprintf("entry %d: last intact copy on n%d, outside the core", i, s.id)
		}
	}
	return outside
}

// termFromOutside: a replica outside the core had come to a later term than the core's by itself, and who
// hears of a later term must follow it.
func (w *world) termFromOutside(t raft.Term) string {
	for _, s := range w.servers {
		if w.exiles.holds(s.id) && s.disk.durable().hard.Term >= t {
			return fmt.Sprintf("term %d: n%d, outside the core, is in term %d", t, s.id, s.disk.hard.Term)
		}
	}
	return ""
}

// heirOutside: the leader told one to stand that it can talk to, but others cannot.
func (w *world) heirOutside() string {
	if id := w.living.heir; id != 0 {
		return fmt.Sprintf("n%d, outside the core, was told to stand", id)
	}
	return ""
}
