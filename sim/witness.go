package sim

import (
	"slices"

	"parley/core/raft"
)

// What the shells of replicas do on both ends of a link, before anything else: they tell each other
// how often their store was opened, and remember it durably. Whoever comes as a new process with a
// number that was there before has lost something, may have forgotten what it promised, and is not
// listened to in that life.

// known is what a replica's shell remembers of its peers.
type known map[raft.ID]*sighting

// sighting is the newest life seen of a peer.
type sighting struct {
	life    int
	boot    uint64
	refused []int // lives
}

// listens says whether a replica listens to that life of a peer, which came with that boot number. What
// comes late from an earlier life was let in then.
func (s *server) listens(from raft.ID, life int, boot uint64) bool {
	if s.known == nil {
		s.known = known{}
	}
	k := s.known[from]
	if k == nil {
		k = &sighting{}
		s.known[from] = k
	}
	if life > k.life {
		k.life = life
		if boot <= k.boot {
			k.refused = append(k.refused, life)
			s.w.mark(PeerNotBelieved, s.name)
		}
		k.boot = max(k.boot, boot)
	}
	return !slices.Contains(k.refused, life)
}

// greet lets a new life and its peers tell each other who they are, as far as links stand.
func (w *world) greet(s *server) {
	for _, o := range w.servers {
		if o != s && o.up && w.open(s.id, o.id) && w.open(o.id, s.id) {
			w.linked(s, o, s.life, s.disk.boot)
		}
	}
}

// linked says whether both ends let a packet through.
func (w *world) linked(from, to *server, life int, boot uint64) bool {
	return to.listens(from.id, life, boot) && from.listens(to.id, to.life, to.disk.boot)
}
