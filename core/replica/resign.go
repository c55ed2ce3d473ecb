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
	m.handOver(now, out)
}

// handOver asks raft for a successor, and again when an attempt came to nothing.
func (m *Machine) handOver(now time.Duration, out *Output) {
	if !m.resigning || !m.leads() || now < m.handOverAt {
		return
	}
	m.handOverAt = now + m.cfg.Raft.Base
	if m.raft.Transferring() == 0 {
		m.stepRaft(now, raft.Transfer{}, out)
	}
}

func (m *Machine) handOverDeadline() time.Duration {
	if !m.resigning || !m.leads() || len(m.cfg.Raft.Voters) == 1 {
		return never
	}
	return m.handOverAt
}

// idle tells whether a resigning replica owes nothing any more.
func (m *Machine) idle() bool {
	alone := len(m.cfg.Raft.Voters) == 1
	return m.resigning && (alone || !m.leads()) && !m.door.owes() && len(m.reads.pending) == 0 &&
		len(m.fetches.out) == 0 && !m.store.out && m.store.raft.Seq == 0
}
