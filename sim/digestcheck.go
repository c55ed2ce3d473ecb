package sim

import (
	"parley/core/raft"
	"parley/core/replica"
	"parley/core/row"
)

// The checker "digest": replicas that have applied the same are the same. Rows on disk are compared at
// every save. State in memory costs a walk over all of it, so it is compared wherever a step ends at
// every sixty-fourth entry, and at the end.

const stateEvery = 64

type digestCheck struct {
	rows   map[raft.Index]row.Digest // by applied index
	states map[raft.Index]state
}

func newDigestCheck() digestCheck {
	return digestCheck{rows: map[raft.Index]row.Digest{}, states: map[raft.Index]state{}}
}

// state stands for all that entries have made of a replica in memory.
type state struct{ chat, sessions uint64 }

func stateOf(m *replica.Machine) state { return state{m.Chat().Hash(), m.Sessions().Hash()} }

// digestSaved: equal applied index, equal rows.
func (k *checks) digestSaved(s *server, saved replica.Saved) {
	k.looked(ofDigest)
	if k.w.atlas.damaged(s) {
		return // what it holds is not what it was told
	}
	at := s.disk.applied
	if first, ok := k.digest.rows[at]; ok && first != saved.Digest {
		k.fail(ofDigest, "n%d at %d has digest %v, another replica had %v", s.id, at, saved.Digest, first)
	}
	k.digest.rows[at] = saved.Digest
}

// states: equal applied index, equal state.
func (k *checks) states(s *server) {
	at := s.status.Applied
	if at%stateEvery != 0 || at == 0 || at == k.order.seen[s.id-1].applied {
		return
	}
	k.looked(ofDigest)
	now := stateOf(s.machine)
	if first, ok := k.digest.states[at]; ok && first != now {
		k.fail(ofDigest, "n%d has applied %d entries and differs from another replica that had, chat: %t, sessions: %t", s.id, at,
			first.chat != now.chat, first.sessions != now.sessions)
	}
	k.digest.states[at] = now
}
