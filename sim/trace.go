package sim

import (
	"time"

	"parley/core/session"
)

// trace is a hash over everything that happened: two runs of one plan must agree on it.
type trace uint64

func (t *trace) add(v uint64) { *t = trace(mix(uint64(*t) ^ v)) }

func (t *trace) event(at time.Duration, name string, who uint64) {
	t.add(uint64(at))
	t.add(hashText(name) + who)
}

func (t *trace) step(s *server) {
	st, o := &s.status, &s.out
	t.add(uint64(st.Applied)<<32 | uint64(st.Raft.Commit))
	t.add(uint64(st.Raft.Role.Term)<<8 | uint64(st.Raft.Role.Kind))
	t.add(uint64(len(o.Sends))<<48 | uint64(len(o.Replies))<<32 | uint64(len(o.Pushes))<<16 | uint64(len(o.Closings)))
	t.add(uint64(s.machine.Deadline()))
}

func (t *trace) client(c *client, _ session.ClientInput) {
	t.add(c.machine.Hash())
}
