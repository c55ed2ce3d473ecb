package replica

import (
	"time"

	"parley/core/chat"
	"parley/core/raft"
	"parley/core/row"
	"parley/core/session"
)

// storing is what stands between the machine and its store: one Save is out at a time, and what
// gathers meanwhile goes into the next.
type storing struct {
	seq     uint64     // of the last Save emitted
	out     bool       // it is not answered yet
	carried uint64     // Seq of raft's Save in it; 0: none
	install *Snapshot  // … and the snapshot it installs
	applied raft.Index // … and its applied index; 0: none
	durable raft.Index // applied index in the store
	digest  row.Digest // of the rows there
	hard    raft.Hard  // the last one given to the store

	raft   raft.Save     // raft's next Save, waiting; Seq 0: none
	cold   []row.Effect  // of entries applied since the last batch was sealed
	sealed []batch       // closed at digest boundaries, oldest first
	dirty  bool          // something was applied since the last batch was sealed …
	since  time.Duration // … and that was when
}

// batch is the row changes of all entries up to applied since the batch before.
type batch struct {
	applied raft.Index
	effects []row.Effect
}

// maxSealed is how many batches may wait before raft's part does: each save takes one, whatever
// number of entries it appends, so otherwise they could pile up for ever.
const maxSealed = 8

// digestEvery: no batch spans an index divisible by this, so that digests there can be compared.
const digestEvery = 1024

// keep notes that an entry was applied, with its cold effects.
func (m *Machine) keep(now time.Duration, index raft.Index, effects []row.Effect) {
	s := &m.store
	if !s.dirty {
		s.since = now
	}
	s.dirty = true
	s.cold = append(s.cold, effects...)
	m.overlay.add(index, effects)
	if index%digestEvery == 0 {
		m.seal()
	}
}

// seal closes the batch: hot rows that changed are written as they are at this index.
func (m *Machine) seal() {
	s := &m.store
	if !s.dirty {
		return
	}
	effects := m.sessions.Flush(m.chat.Flush(s.cold))
	s.sealed = append(s.sealed, batch{applied: m.applied, effects: effects})
	s.cold, s.dirty = nil, false
}

// save emits the next Save if the store is free and there is reason.
func (m *Machine) save(now time.Duration, out *Output) {
	s := &m.store
	if s.out || s.raft.Seq == 0 && !m.effectsDue(now) {
		return
	}
	if len(s.sealed) == 0 && m.effectsDue(now) {
		m.seal()
	}
	s.seq++
	save := &Save{Seq: s.seq}
	if r := &s.raft; r.Seq != 0 && (len(s.sealed) <= maxSealed || r.Install != nil) {
		save.Hard, save.CutFrom, save.Append, save.Compact = r.Hard, r.CutFrom, r.Append, r.Compact
		if r.Install != nil {
			save.Install = m.courier.staged(*r.Install)
			save.Append = behind(r.Append, r.Install.Index)
		}
		s.carried, s.raft = r.Seq, raft.Save{}
	}
	s.install = save.Install
	if s.install == nil {
		m.addBatch(save)
	}
	m.addHard(save)
	s.out = true
	out.Save = save
}

// behind leaves out entries that a snapshot at index covers.
func behind(entries []raft.Entry, index raft.Index) []raft.Entry {
	for len(entries) > 0 && entries[0].Index <= index {
		entries = entries[1:]
	}
	return entries
}

func (m *Machine) addBatch(save *Save) {
	s := &m.store
	if len(s.sealed) == 0 {
		return
	}
	b := s.sealed[0]
	s.sealed = append([]batch(nil), s.sealed[1:]...)
	save.Applied, save.Effects, s.applied = b.applied, b.effects, b.applied
}

// addHard keeps the stored commit index at or above what is applied (rule D8).
func (m *Machine) addHard(save *Save) {
	s := &m.store
	commit := save.Applied
	if save.Install != nil {
		commit = save.Install.Mark.Index
	}
	switch {
	case save.Hard != nil:
		s.hard = *save.Hard
	case commit <= s.hard.Commit:
		return
	}
	s.hard.Commit = max(s.hard.Commit, commit)
	hard := s.hard
	save.Hard = &hard
}

func (m *Machine) effectsDue(now time.Duration) bool {
	s := &m.store
	return len(s.sealed) > 0 || s.dirty && now >= s.since+m.cfg.EffectDelay
}

func (m *Machine) saveDeadline() time.Duration {
	s := &m.store
	if s.out || !s.dirty {
		return never
	}
	return s.since + m.cfg.EffectDelay
}

// stored is the store's word that the Save is durable.
func (m *Machine) stored(now time.Duration, saved Saved, out *Output) {
	s := &m.store
	invariant(s.out && saved.Seq == s.seq, "stored %d, save %d is out: %t", saved.Seq, s.seq, s.out)
	s.out, s.digest = false, saved.Digest
	if s.install != nil {
		m.installed(now, s.install, saved, out)
		s.install = nil
	}
	if s.applied != 0 {
		s.durable, s.applied = s.applied, 0
		m.dropOverlay()
	}
	if carried := s.carried; carried != 0 {
		s.carried = 0
		m.stepRaft(now, raft.Saved{Seq: carried}, out)
	}
}

// installed takes over the state of a snapshot that has just become durable here.
func (m *Machine) installed(now time.Duration, snap *Snapshot, saved Saved, out *Output) {
	index := snap.Mark.Index
	m.sessions, m.chat = session.NewTable(), chat.New(chat.Settings{})
	if err := m.load(saved.Hot); err != nil {
		m.stop("install snapshot at %d: %v", index, err)
		return
	}
	m.applied, m.clock, m.clockedAt = index, snap.Mark.Time, now
	s := &m.store
	s.durable, s.cold, s.sealed, s.dirty = index, nil, nil, false
	m.overlay = overlay{floor: index}
	m.log = logSize{compact: index}
	m.feeds.closeAll(m, Resume, out)
	m.fetches.restart(m, out)
	m.door.installed(m, out)
	m.courier.installed(snap, out, m.cfg.Raft.ID)
	out.Notes = append(out.Notes, Note{Kind: SnapshotInstalled, Index: index})
}
