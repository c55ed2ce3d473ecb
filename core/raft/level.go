package raft

import "time"

// Noon is when every levelled Machine lives: late enough for anything to be long ago.
const Noon = 1000 * time.Hour

// Level makes m forget when things happened, and how often it has drawn or saved, but not what
// happened: the clock stands at Noon, every wait that is not over begins anew, cluster time stands
// still, and a Save that is out has number 1 from now on. Machines that have lived through the same at
// different speeds become equal, and Hash says so.
//
// It is for those who explore all that can happen, where time is a choice like any other. No safety
// of Raft rests on time, so whatever a levelled Machine does wrong, it does wrong by the rules.
func (m *Machine) Level() {
	m.levelTimers()
	m.levelDisk()
	m.levelLeading()
	m.now, m.random = Noon, newRandom(0, m.cfg.ID)
}

func (m *Machine) levelTimers() {
	e, f, a := &m.election, &m.following, &m.asking
	if m.now-e.heard >= m.cfg.Base {
		e.contact = false // it stopped counting
	}
	e.at, e.heard, e.hinted = Noon+m.cfg.Base, 0, 0
	if e.contact {
		e.heard = Noon
	}
	if m.role == Leader {
		e.at = 0
	}
	if m.role == Leader || m.role == Follower {
		e.votes, e.transfer = 0, false // of a campaign that is over
	}
	if silent := m.now-f.toldAt >= m.cfg.Heartbeat/2; silent {
		f.toldAt = 0
	} else {
		f.toldAt = Noon
	}
	a.again = 0
	if a.sent {
		a.again = Noon + m.cfg.Heartbeat
	}
	for i := range a.reads {
		a.reads[i].until = Noon + m.cfg.Base
	}
}

func (m *Machine) levelDisk() {
	d := &m.disk
	hard := d.slots[d.seq%2]
	d.seq, d.since, d.slots = 0, 0, [2]Hard{}
	if d.out {
		d.seq, d.since, d.slots[1] = 1, Noon, hard
	}
}

func (m *Machine) levelLeading() {
	if m.role != Leader {
		return
	}
	l := &m.leading
	l.clock, l.clockAt = m.log.last.Time, Noon
	if l.transfer.to != 0 {
		l.transfer.until = Noon + m.cfg.Base
	}
	for i := range l.peers {
		p := &l.peers[i]
		due := p.askAt <= m.now
		p.heard, p.sent, p.askAt = Noon, Noon, 0
		if p.state == snapshot && !due {
			p.askAt = Noon + m.cfg.Base
		}
		if p.state != probe {
			p.asked, p.probed = false, 0 // of a probe that is over
		}
	}
}
