package replica

import (
	"time"

	"parley/core/chat"
	"parley/core/raft"
	"parley/core/session"
)

// apply is where the log becomes state: sessions decide whether a command runs, chat runs it, and
// what came of it goes to whoever waits and to the feeds. It is the same on every replica; nothing
// in it may depend on this one.
func (m *Machine) apply(now time.Duration, e *raft.Entry, out *Output) {
	invariant(e.Index == m.applied+1, "apply %d after %d", e.Index, m.applied)
	if m.fatal != "" {
		return
	}
	m.applied, m.clock, m.clockedAt = e.Index, e.Time, now
	m.log.add(e)
	m.outcome.Reset()
	m.sessions.Purge(int64(e.Time))
	if e.Kind == raft.Command {
		m.applyCommand(e, out)
	}
	m.door.passed(m, out)
	m.keep(now, e.Index, m.outcome.Effects)
	m.feeds.grow(m, out)
	m.feeds.end(m, m.outcome.Endings, out)
	if e.Term == m.role.Term && m.leads() {
		m.ready = true
	}
}

func (m *Machine) applyCommand(e *raft.Entry, out *Output) {
	ent, err := decodeEntry(e.Data)
	if err != nil {
		m.stop("apply entry %d: %v", e.Index, err)
		return
	}
	cmd, err := chat.DecodeCommand(ent.command)
	if err != nil {
		m.stop("apply entry %d: %v", e.Index, err)
		return
	}
	at := chat.Stamp{Index: uint64(e.Index), Time: int64(e.Time), Date: ent.date}
	if !ent.numbered {
		m.chat.ApplyInternal(at, cmd, &m.outcome)
		m.closeDevices(at)
		for _, d := range m.outcome.Lapsed {
			out.Notes = append(out.Notes, Note{Kind: LeaseEnded, Device: d, Index: e.Index})
		}
		return
	}
	ev, err := chat.DecodeEvidence(ent.evidence)
	if err != nil {
		m.stop("apply entry %d: %v", e.Index, err)
		return
	}
	m.applyNumbered(at, &ent, cmd, ev, out)
}

// applyNumbered is the preamble of chat semantics: steps 1 to 4 and 7 are the session table's,
// 5 and 6 the chat's.
func (m *Machine) applyNumbered(at chat.Stamp, ent *entry, cmd chat.Command, ev chat.Evidence, out *Output) {
	req := ent.request
	token, first := firstContact(cmd)
	v := m.sessions.Begin(req, first)
	reply := Reply{Pos: m.pos(raft.Index(at.Index))}
	switch v.Decision {
	case session.Execute, session.FirstContact:
		m.chat.Apply(at, chat.DeviceID(req.Device), cmd, ev, &m.outcome)
		m.record(at, req, v.Decision, token)
		m.closeDevices(at)
		m.noteOutcome(cmd, out)
		reply.setResult(m.outcome.Result)
	default:
		reply = m.settled(v, reply.Pos)
	}
	m.door.answer(m, req, reply, out)
}

func (m *Machine) record(at chat.Stamp, req session.Request, d session.Decision, token chat.Token) {
	result := chat.AppendResult(nil, m.outcome.Result)
	switch {
	case d == session.Execute:
		m.sessions.Record(req, result, at.Index)
	case m.outcome.Opened:
		m.sessions.Open(req, session.Token(token), result, at.Index)
	default:
		m.sessions.Refused(req, session.Token(token), result, at.Index, at.Time)
	}
}

func (m *Machine) closeDevices(at chat.Stamp) {
	for _, d := range m.outcome.Closed {
		m.sessions.Close(session.DeviceID(d), at.Time)
	}
}

// settled turns a verdict of the session table that runs nothing into a reply; here is where the
// command stands that was asked about.
func (m *Machine) settled(v session.Verdict, here Pos) Reply {
	r := Reply{Pos: here, Code: string(v.Code), Expected: v.Expected}
	if v.Decision == session.Replay {
		result, err := chat.DecodeResult(v.Result)
		invariant(err == nil, "recorded result: %v", err)
		r.setResult(result)
		r.Replayed, r.Pos = true, m.pos(raft.Index(v.Pos))
		if v.Code != session.OK {
			r.Code, r.Class = string(v.Code), session.Rejected
		}
		return r
	}
	r.Class = session.NotApplied
	if v.Code == session.Window {
		r.Class = session.Rejected
	}
	return r
}

func (r *Reply) setResult(result chat.Result) {
	r.Result, r.Code, r.Class = result, string(result.Code), session.Applied
	if result.Code != chat.OK {
		r.Class = session.Rejected
	}
}

// Decided is what the log made of a command, from the answer to a Void that came too late for it:
// E_SEQ_REUSED carries the command's own position and result.
func (r Reply) Decided() Reply {
	r.setResult(r.Result)
	return r
}

// firstContact gives the token of the commands that may open a device.
func firstContact(cmd chat.Command) (chat.Token, bool) {
	switch c := cmd.(type) {
	case chat.Signup:
		return c.Token, true
	case chat.Login:
		return c.Token, true
	}
	return chat.Token{}, false
}

func (m *Machine) noteOutcome(cmd chat.Command, out *Output) {
	if m.outcome.Result.Code != chat.OK {
		return
	}
	n := Note{Index: m.applied}
	switch c := cmd.(type) {
	case chat.Signup:
		n.Kind, n.Name = AccountMade, c.Name
	case chat.Login:
		n.Kind, n.Name = DeviceOpened, c.Name
	case chat.DeleteAccount:
		n.Kind = AccountEnded
		n.Name = m.outcome.Name
	default:
		return
	}
	out.Notes = append(out.Notes, n)
}
