package raft

import "time"

// Durability. The machine says what to save (Output.Save) and hears when it is safe (Saved). Only
// then does it send what rests on it, so the caller has no rule about holding messages back.
//
// One Save is out at a time. While it is, the log may change under it: entries it carries may be
// cut and replaced. written is the one number that remembers this. It is set to the end of the log
// when a Save leaves, and only a cut lowers it. So when the Save comes back, what is ≤ written is
// exactly what was saved and is still in the log; a completion is never credited to an entry that
// took the place of the one written (etcd-io/raft, async_storage_writes_append_aba_race.txt).

// disk is what the machine knows of its store.
type disk struct {
	hard  Hard  // durable
	saved Index // durable log, as far as it is still the log. Invariant: saved ≤ written ≤ last

	seq     uint64        // of the last Save
	out     bool          // it has not come back
	since   time.Duration // it left
	slots   [2]Hard       // Save.Hard points here; two, so that it stays valid until the next Save has left
	written Index         // entries ≤ written went out in a Save and have not been cut since
	end     Index         // where the log in the store ends after the last Save. Invariant: written ≤ end
	compact Index         // where the log in the store begins after the last Save

	install   Mark // a snapshot to install; zero Index: none. Until it is saved the log stands still
	installed bool // the Save that is out carries it
}

func (d *disk) installing() bool { return d.install.Index != 0 }

// hung says that the Save that is out should long have come back.
func (d *disk) hung(now, patience time.Duration) bool { return d.out && now-d.since >= patience }

// termSaved says that this server may speak in its term.
func (m *Machine) termSaved() bool { return m.disk.hard.Term == m.hard.Term }

// voteSaved says that this server's vote in its term is durable.
func (m *Machine) voteSaved() bool { return m.termSaved() && m.disk.hard.Vote == m.hard.Vote }

// startSave hands out all there is to save, unless a Save is out already. A commit index alone is
// no reason: it can be learned again.
func (m *Machine) startSave(out *Output) {
	d := &m.disk
	hardDue := d.hard.Term != m.hard.Term || d.hard.Vote != m.hard.Vote
	logDue := d.written < m.log.last.Index || d.end > d.written || d.compact < m.log.compact.Index
	if d.out || !hardDue && !logDue && !d.installing() {
		return
	}
	d.seq++
	d.out, d.since = true, m.now
	save := Save{Seq: d.seq}
	hard := m.hard
	if d.installing() {
		m.saveInstall(&save)
		hard.Commit = max(hard.Commit, d.install.Index)
	} else {
		m.saveLog(&save)
	}
	slot := &d.slots[d.seq%2]
	if *slot = hard; hard != d.hard {
		save.Hard = slot
	}
	out.Save = save
}

func (m *Machine) saveLog(save *Save) {
	d := &m.disk
	if d.end > d.written {
		save.CutFrom = d.written + 1
	}
	save.Append = m.log.span(d.written + 1)
	if d.compact < m.log.compact.Index {
		save.Compact = m.log.compact.Index
		d.compact = save.Compact
	}
	d.written, d.end = m.log.last.Index, m.log.last.Index
}

// savedSeq draws from a finished Save what waited for it.
func (m *Machine) savedSeq(seq uint64, out *Output) {
	d := &m.disk
	if seq > d.seq {
		m.damaged("save %d came back, but only %d went out", seq, d.seq)
		return
	}
	if !d.out || seq != d.seq {
		return // told twice
	}
	d.out = false
	d.hard = d.slots[d.seq%2]
	if d.installed {
		m.finishInstall(out)
	}
	d.saved = d.written
	switch m.role {
	case Candidate:
		m.askVotes(out)
	case Follower, PreCandidate:
		m.payDebts(out)
	}
}

// payDebts sends what this server owed until now: a vote, an acknowledgement.
func (m *Machine) payDebts(out *Output) {
	if m.election.voteOwed && m.voteSaved() {
		m.giveVote(out)
	}
	if m.termSaved() {
		m.acknowledge(out)
	}
}

// cut drops entries ≥ from, which conflict with the leader's.
func (m *Machine) cut(from Index, out *Output) {
	if from <= m.hard.Commit {
		broken("cut at %d, but %d is committed", from, m.hard.Commit)
	}
	m.log.cut(from)
	m.disk.written = min(m.disk.written, from-1)
	m.disk.saved = min(m.disk.saved, from-1)
	reportCut(from, out)
}

func reportCut(from Index, out *Output) {
	if out.CutFrom == 0 || from < out.CutFrom {
		out.CutFrom = from
	}
}
