package raft

// Compaction and snapshots (Raft dissertation §5). The machine handles marks; the bytes travel
// elsewhere.
//
// While a snapshot is being installed the log stands still: nothing is appended, cut, applied or
// compacted, so that what is saved and what is decided cannot drift apart. Votes go on, on the log
// as it was. Afterwards the follower does not claim to match its leader: it offers the snapshot's
// index as a place where the logs may agree, and the leader's chain proves it.

// snapshotPatience is how many election timeouts a leader waits before it asks for the same
// snapshot again.
const snapshotPatience = 10

// compact drops entries that the caller will never need again.
func (m *Machine) compact(to Index) {
	to = min(to, m.applied)
	if to > m.log.compact.Index && !m.disk.installing() {
		m.log.compactTo(to)
	}
}

// snapshotReceived takes a snapshot that is newer than what is committed here.
func (m *Machine) snapshotReceived(in SnapshotReceived, out *Output) {
	mark := in.Mark
	if m.role == Leader || m.disk.installing() || mark.Index <= m.hard.Commit ||
		mark.Index >= limit || mark.Term >= limit || in.Term >= limit || mark.Time < m.log.compact.Time {
		return
	}
	// The leaders of the sender's term and after have all that the snapshot holds. An older leader
	// may not; were we to serve it further, we could take part in two histories.
	if in.Term == 0 && in.From != m.leader {
		return
	}
	if have, ok := m.log.mark(mark.Index); ok && have.Term == mark.Term && have.Chain != mark.Chain {
		m.damaged("entry %d of term %d has chain %v here, but %v in a snapshot of %v",
			mark.Index, mark.Term, have.Chain, mark.Chain, in.From)
		return
	}
	if term := max(in.Term, mark.Term); term > m.hard.Term {
		m.follow(term, 0, out)
	}
	if m.role != Follower {
		m.follow(m.hard.Term, 0, out)
	}
	m.disk.install = mark
}

// continues says that the log goes on behind mark.
func (m *Machine) continues(mark Mark) bool {
	have, ok := m.log.mark(mark.Index)
	return ok && have.Term == mark.Term && have.Chain == mark.Chain
}

// saveInstall fills in a Save that installs. Entries that continue the snapshot stay; if the log
// does not lead up to it, what is not committed is dropped, and the rest is covered by it.
func (m *Machine) saveInstall(save *Save) {
	d := &m.disk
	mark := d.install
	save.Install = &mark
	d.installed = true
	keep := d.written
	if m.continues(mark) {
		save.Append = m.log.span(max(d.written, mark.Index) + 1)
	} else {
		keep = min(keep, m.hard.Commit)
	}
	if d.end > keep {
		save.CutFrom = keep + 1
	}
}

// finishInstall follows the store to the snapshot that is now durable in it.
func (m *Machine) finishInstall(out *Output) {
	d, f := &m.disk, &m.following
	mark := d.install
	if m.continues(mark) {
		m.log.compactTo(mark.Index)
	} else {
		if m.log.last.Index > m.hard.Commit {
			reportCut(m.hard.Commit+1, out)
		}
		m.log.reset(mark)
		f.verified, f.told = 0, 0
	}
	d.written, d.end, d.compact = m.log.last.Index, m.log.last.Index, mark.Index
	d.install, d.installed = Mark{}, false
	m.hard.Commit = max(m.hard.Commit, mark.Index)
	m.applied = mark.Index
	f.due, f.refused, f.hint = true, f.verified < mark.Index, mark
}

// askSnapshot asks the caller, once per need and again after a while, to bring p a snapshot.
func (m *Machine) askSnapshot(p *peer, out *Output) {
	if m.now < p.askAt || !m.alive(p) {
		return
	}
	p.askAt = m.now + snapshotPatience*m.cfg.Base
	out.Snapshots = append(out.Snapshots, p.id)
}

// snapshotFailed lets the leader ask again, but not at once.
func (m *Machine) snapshotFailed(id ID) {
	if m.role != Leader {
		return
	}
	for i := range m.leading.peers {
		if p := &m.leading.peers[i]; p.id == id && p.state == snapshot {
			p.askAt = m.now + m.cfg.Base
		}
	}
}
