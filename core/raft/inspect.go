package raft

// Mark tells what the log holds at i, for checkers: false if it is beyond the end or compacted away.
func (m *Machine) Mark(i Index) (Mark, bool) { return m.log.mark(i) }
