package replica

import (
	"time"

	"parley/core/raft"
)

// resign hands over: feeds go on elsewhere, new calls are sent away, those in the log are answered.
func (m *Machine) resign(now time.Duration, out *Output) {
	if m.resigning {
		return
	}
	m.resigning = true
	m.feeds.closeAll(m, Resume, out)
	m.stepRaft(now, raft.Transfer{}, out)
}

// idle tells whether a resigning replica owes nothing any more.
func (m *Machine) idle() bool {
	alone := len(m.cfg.Raft.Voters) == 1
	return m.resigning && (alone || !m.leads()) && !m.door.owes() && len(m.reads.pending) == 0 &&
		len(m.fetches.out) == 0 && !m.store.out && m.store.raft.Seq == 0
}
