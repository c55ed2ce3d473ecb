package sim

import (
	"parley/core/raft"
	"parley/core/replica"
	"parley/core/session"
)

// The checker "freshness": a read is served from a state that has all that anybody had been told of when
// it was asked. It catches a stale read at once, whatever the read happened to be about.

type freshCheck struct {
	told raft.Index // the latest entry of which anybody has heard
}

// answers notes what a client is told by an answer.
func (k *checks) answers(r *replica.Reply) {
	if r.Class == session.Applied || r.Class == session.Rejected {
		k.tells(r.Pos.Index)
	}
}

// tells notes that a client has been answered, or shown an event, of that entry.
func (k *checks) tells(i raft.Index) { k.fresh.told = max(k.fresh.told, i) }

// read demands that the answer to a read knows of all that had been told when it was asked.
func (k *checks) read(c *client, asked raft.Index, r *replica.Reply) {
	if r == nil || r.Class == session.NotApplied || r.Class == session.Unknown {
		return
	}
	k.looked(ofFreshness)
	if r.Pos.Index < asked {
		k.fail(ofFreshness, "c%d reads a state of %d entries; when it asked, %d had been answered for", c.n, r.Pos.Index, asked)
	}
}
