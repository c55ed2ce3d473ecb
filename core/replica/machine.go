package replica

import (
	"fmt"
	"time"

	"parley/core/chat"
	"parley/core/raft"
	"parley/core/row"
	"parley/core/session"
)

// Machine is one server: a raft log, and above it the session table, the chat and the feeds. It is
// the only place where they meet. input.go lists all that goes in and comes out.
type Machine struct {
	cfg Config

	raft     *raft.Machine
	rout     raft.Output // reused between steps
	role     raft.Role
	ready    bool // leader, and everything of earlier terms is applied: calls may be admitted
	sessions *session.Table
	chat     *chat.State
	outcome  chat.Outcome // reused between entries

	// applied is the last entry applied. Only apply and install move it.
	applied   raft.Index
	clock     raft.ClusterTime // stamp of the last entry applied …
	clockedAt time.Duration    // … and when that was, for guessing cluster time between entries
	date      int64            // newest wall clock any call brought; the leader stamps entries with it

	store   storing
	overlay overlay
	fetches fetches
	door    door
	reads   reads
	feeds   feeds
	heard   presence
	courier courier
	log     logSize

	resigning  bool
	handOverAt time.Duration // when a successor is asked for again
	fatal      string
}

// New makes a replica of what its store holds.
func New(cfg Config, rec Recovered, now time.Duration) (*Machine, error) {
	m := &Machine{cfg: cfg.withDefaults()}
	var err error
	if m.raft, err = raft.New(cfg.Raft, rec.Raft, now); err != nil {
		return nil, err
	}
	if err := m.load(rec.Hot); err != nil {
		return nil, err
	}
	m.applied, m.clockedAt = rec.Raft.Applied, now
	m.store = storing{seq: rec.Seq, durable: rec.Raft.Applied, digest: rec.Digest, hard: rec.Raft.Hard}
	m.overlay.floor = rec.Raft.Applied
	m.clock = rec.Raft.Compact.Time
	m.log.compact = rec.Raft.Compact.Index
	for i := range rec.Raft.Entries {
		e := &rec.Raft.Entries[i]
		if e.Index <= m.applied {
			m.clock = e.Time
			m.log.add(e)
		}
	}
	return m, nil
}

func (c Config) withDefaults() Config {
	if c.KeepLog == 0 {
		c.KeepLog = 64 << 20
	}
	if c.KeepEntries == 0 {
		c.KeepEntries = 1_000_000
	}
	if c.Chunk == 0 {
		c.Chunk = 256 << 10
	}
	if c.EffectDelay == 0 {
		c.EffectDelay = 250 * time.Millisecond
	}
	if c.HoldCalls == 0 {
		c.HoldCalls = time.Second
	}
	if c.Raft.Base == 0 {
		c.Raft.Base = 200 * time.Millisecond
	}
	return c
}

// load builds sessions and chat from the hot rows of a store.
func (m *Machine) load(hot []row.Row) error {
	var ours, theirs []row.Row
	sessionTables := session.Tables()
	for _, r := range hot {
		if r.Table == sessionTables[0] {
			theirs = append(theirs, r)
			continue
		}
		ours = append(ours, r)
	}
	m.sessions, m.chat = session.NewTable(), chat.New(chat.Settings{})
	if err := m.sessions.Load(theirs); err != nil {
		return fmt.Errorf("load sessions: %w", err)
	}
	if err := m.chat.Load(ours); err != nil {
		return fmt.Errorf("load chat: %w", err)
	}
	return nil
}

// Step is the only way in.
func (m *Machine) Step(now time.Duration, in Input, out *Output) {
	if m.fatal != "" {
		out.Fatal = m.fatal
		return
	}
	switch in := in.(type) {
	case Tick:
		m.stepRaft(now, raft.Tick{}, out)
	case Peer:
		m.peer(now, in.Message, out)
	case PeerDown:
		m.stepRaft(now, raft.PeerDown{Peer: in.Peer}, out)
	case Stored:
		m.stored(now, in.Saved, out)
	case Fetched:
		m.fetched(now, in, out)
	case Exported:
		m.exported(now, in, out)
	case Calls:
		for i := range in.List {
			m.call(now, &in.List[i], out)
		}
	case Verified:
		m.verified(now, in, out)
	case Hashed:
		m.hashed(now, in, out)
	case Attach:
		m.attach(now, in, out)
	case Ack:
		m.ack(now, in, out)
	case Detach:
		m.detach(in.Conn, in.Sub)
	case Hangup:
		m.hangup(in.Conn)
	case Resign:
		m.resign(now, out)
	}
	m.settle(now, out)
}

// settle does what has become possible or due, whatever came in.
func (m *Machine) settle(now time.Duration, out *Output) {
	m.retryReads(now, out)
	m.retryCalls(now, out)
	m.retryAttaches(now, out)
	m.lead(now, out)
	m.handOver(now, out)
	m.tellPresence(now, out)
	m.moveSnapshots(now, out)
	m.propose(now, out)
	m.compact(now, out)
	m.dropUnwanted(out)
	m.save(now, out)
	out.Idle = m.idle()
	if m.fatal != "" {
		out.Fatal = m.fatal
	}
}

// Deadline is when Step(now, Tick{}) is next worth calling.
func (m *Machine) Deadline() time.Duration {
	d := m.raft.Deadline()
	for _, t := range [...]time.Duration{
		m.saveDeadline(), m.readDeadline(), m.door.deadline(), m.feeds.deadline(m),
		m.leadDeadline(), m.handOverDeadline(), m.presenceDeadline(), m.courier.deadline(),
	} {
		d = min(d, t)
	}
	return d
}

// never is a deadline that does not come.
const never = time.Duration(1<<63 - 1)

// Status tells what others may want to know.
func (m *Machine) Status() Status {
	return Status{
		Raft: m.raft.Status(), Applied: m.applied, Durable: m.store.durable, Digest: m.store.digest,
		Feeds: m.feeds.hub.Len(), Accounts: m.chat.Len(), Resigning: m.resigning,
	}
}

// Settings are the replicated ones.
func (m *Machine) Settings() chat.Settings { return m.chat.Settings() }

// Raft, Chat and Sessions are there for checkers to look at. They are not to be changed.
func (m *Machine) Raft() *raft.Machine      { return m.raft }
func (m *Machine) Chat() *chat.State        { return m.chat }
func (m *Machine) Sessions() *session.Table { return m.sessions }

func (m *Machine) pos(i raft.Index) Pos { return Pos{Epoch: m.cfg.Epoch, Index: i} }

// stop makes the replica stop for good: going on would be worse.
func (m *Machine) stop(format string, args ...any) {
	if m.fatal == "" {
		m.fatal = fmt.Sprintf(format, args...)
	}
}

// invariant panics: a broken one is our own bug, and what is written after it cannot be trusted.
func invariant(ok bool, format string, args ...any) {
	if !ok {
		panic("replica: " + fmt.Sprintf(format, args...))
	}
}
