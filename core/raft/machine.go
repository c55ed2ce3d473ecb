package raft

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"time"
)

// Machine is one server's part in the consensus. Step is the only way in.
type Machine struct {
	cfg    Config
	self   int // position of cfg.ID in cfg.Voters
	quorum int
	random random
	now    time.Duration // of the last Step; never goes back
	fatal  string        // why this Machine does nothing more

	// hard is what this server has decided; disk.hard is how much of it is durable.
	hard    Hard
	applied Index // handed out as Committed
	log     suffix
	disk    disk

	role   RoleKind
	leader ID // believed to lead now
	// termLeader has shown that it won hard.Term. Unlike leader it is not forgotten in that term.
	termLeader ID
	// heirs are those told to stand since another last led, a bit for each voter: who was and did not come
	// to lead is not the first to be told again.
	heirs uint8

	election  election
	following following
	leading   leading
	asking    asking
	seen      seen // by the last Check
}

const (
	// never is a deadline that does not come.
	never = time.Duration(1<<63 - 1)
	// limit bounds terms, indexes and rounds in messages, so that counting on from one cannot
	// overflow: what lies beyond was never honestly counted to.
	limit = 1 << 62
	// unlimited is the largest number of bytes there can be, also where an int has 32 bits.
	unlimited = int(^uint(0) >> 1)
)

// New builds a Machine from what its store recovered. An error means that the store is damaged or
// the configuration is wrong; such a server must not run.
func New(cfg Config, rec Recovered, now time.Duration) (*Machine, error) {
	cfg.Voters = slices.Clone(cfg.Voters)
	cfg.Heartbeat = cmp.Or(cfg.Heartbeat, 50*time.Millisecond)
	cfg.Base = cmp.Or(cfg.Base, 200*time.Millisecond)
	cfg.Stagger = cmp.Or(cfg.Stagger, 25*time.Millisecond)
	cfg.MaxAppendBytes = cmp.Or(cfg.MaxAppendBytes, 256<<10)
	cfg.MaxInflight = cmp.Or(cfg.MaxInflight, 4<<20)
	cfg.MaxUncommitted = cmp.Or(cfg.MaxUncommitted, 16<<20)
	if err := cfg.check(); err != nil {
		return nil, fmt.Errorf("configuration of %v: %w", cfg.ID, err)
	}
	if rec.Compact == (Mark{}) {
		rec.Compact.Chain = cfg.Chain
	}
	// Effects may have become durable in a save that did not carry the commit they rest on.
	rec.Hard.Commit = max(rec.Hard.Commit, rec.Applied, rec.Compact.Index)
	m := &Machine{
		cfg:     cfg,
		self:    slices.Index(cfg.Voters, cfg.ID),
		quorum:  len(cfg.Voters)/2 + 1,
		random:  newRandom(cfg.Seed, cfg.ID),
		now:     now,
		hard:    rec.Hard,
		applied: rec.Applied,
	}
	if err := m.load(rec); err != nil {
		return nil, fmt.Errorf("recovered log of %v: %w", cfg.ID, err)
	}
	m.disk = disk{hard: rec.Hard, saved: m.log.last.Index, written: m.log.last.Index,
		end: m.log.last.Index, compact: rec.Compact.Index}
	m.asking.number = m.random.next() >> 2
	m.election.at = now + m.firstRound(0)
	if m.quorum == 1 {
		m.election.at = now
	}
	m.leading.peers = make([]peer, 0, len(cfg.Voters)-1)
	for _, id := range cfg.Voters {
		if id != cfg.ID {
			m.leading.peers = append(m.leading.peers, peer{id: id})
		}
	}
	return m, nil
}

func (c *Config) check() error {
	switch {
	case len(c.Voters) < 1 || len(c.Voters) > 7:
		return fmt.Errorf("%d voters, want 1 to 7", len(c.Voters))
	case !slices.IsSorted(c.Voters) || len(slices.Compact(slices.Clone(c.Voters))) != len(c.Voters):
		return fmt.Errorf("voters %v are not sorted and distinct", c.Voters)
	case c.Voters[0] == 0:
		return errors.New("0 is no server's id")
	case !slices.Contains(c.Voters, c.ID):
		return fmt.Errorf("not among the voters %v", c.Voters)
	case c.Heartbeat < 0 || c.Stagger < 0 || c.Base <= c.Heartbeat:
		return fmt.Errorf("base %v must be longer than heartbeat %v", c.Base, c.Heartbeat)
	case c.MaxAppendBytes < 0 || c.MaxInflight < 0 || c.MaxUncommitted < 0:
		return errors.New("negative limit")
	}
	return nil
}

// load takes over the recovered log after checking every link of it.
func (m *Machine) load(rec Recovered) error {
	if rec.Compact.Index == 0 && rec.Compact.Chain != m.cfg.Chain {
		return fmt.Errorf("its chain begins with %v, want %v: another cluster", rec.Compact.Chain, m.cfg.Chain)
	}
	m.log.reset(rec.Compact)
	for i := range rec.Entries {
		e := &rec.Entries[i]
		if err := follows(m.log.last, e); err != nil {
			return err
		}
		m.log.append(*e)
	}
	last := m.log.last
	switch {
	case last.Term > rec.Hard.Term:
		return fmt.Errorf("term %d of entry %d is beyond the server's term %d", last.Term, last.Index, rec.Hard.Term)
	case rec.Hard.Term >= limit:
		return fmt.Errorf("term %d is out of range", rec.Hard.Term)
	case rec.Hard.Commit > last.Index:
		return fmt.Errorf("commit %d is beyond the last entry %d", rec.Hard.Commit, last.Index)
	case rec.Applied < rec.Compact.Index:
		return fmt.Errorf("applied %d is below compact %d", rec.Applied, rec.Compact.Index)
	}
	return nil
}

// follows checks that e may stand behind the entry that prev marks.
func follows(prev Mark, e *Entry) error {
	switch {
	case e.Index != prev.Index+1:
		return fmt.Errorf("entry %d follows entry %d", e.Index, prev.Index)
	case e.Term < prev.Term:
		return fmt.Errorf("term goes back from %d to %d at entry %d", prev.Term, e.Term, e.Index)
	case e.Time < prev.Time:
		return fmt.Errorf("cluster time goes back from %d to %d at entry %d", prev.Time, e.Time, e.Index)
	case e.Chain != ChainNext(prev.Chain, e):
		return fmt.Errorf("entry %d of term %d does not continue the chain %v", e.Index, e.Term, prev.Chain)
	}
	return nil
}

// Step takes one input and appends what follows from it to out. It never blocks and never fails;
// damage is reported as out.Fatal. Timers act on Tick only.
func (m *Machine) Step(now time.Duration, in Input, out *Output) {
	before := m.part()
	m.now = max(m.now, now)
	if m.fatal == "" {
		m.take(in, out)
	} else if _, ok := in.(Propose); ok {
		out.Proposed = Placed{Refused: NotLeader}
	} else if read, ok := in.(Read); ok {
		out.Reads = append(out.Reads, Grant{ID: read.ID})
	}
	if m.fatal == "" {
		m.settle(out)
	}
	if m.fatal != "" {
		m.halt(out)
	}
	out.Role = m.part()
	out.Changed = out.Changed || out.Role != before
}

// take is the table of contents.
func (m *Machine) take(in Input, out *Output) {
	switch in := in.(type) {
	case Tick:
		m.tick(out)
	case Received:
		m.receive(in.Message, out)
	case Saved:
		m.savedSeq(in.Seq, out)
	case PeerDown:
		m.peerDown(in.Peer)
	case Propose:
		out.Proposed = m.propose(in.Data)
	case Read:
		m.read(in.ID)
	case Transfer:
		m.transfer(in.To, out)
	case Compact:
		m.compact(in.To)
	case SnapshotReceived:
		m.snapshotReceived(in, out)
	case SnapshotFailed:
		m.snapshotFailed(in.Peer)
	default:
		panic("raft: nil or a pointer is no Input") // with %T every input would go to the heap
	}
}

func (m *Machine) tick(out *Output) {
	if m.role == Leader {
		m.tickLeader(out)
	} else {
		m.tickElection(out)
	}
	m.tickAsking(out)
}

// receive takes a message from a peer. Whatever it says, it cannot make us panic: what no honest
// peer sends is dropped here or reported as damage where it is found.
func (m *Machine) receive(msg *Message, out *Output) {
	if msg == nil || msg.To != m.cfg.ID || msg.From == m.cfg.ID || !slices.Contains(m.cfg.Voters, msg.From) {
		return
	}
	if msg.Term >= limit || msg.LogTerm > msg.Term || msg.Index >= limit || msg.Commit >= limit || msg.Round >= limit {
		return
	}
	switch msg.Kind {
	case PreVote:
		m.preVoteAsked(msg, out)
	case PreVoteReply:
		m.preVoteAnswered(msg, out)
	case Vote:
		m.voteAsked(msg, out)
	case VoteReply:
		m.voteAnswered(msg, out)
	case Append:
		m.appended(msg, out)
	case AppendReply:
		m.appendAnswered(msg, out)
	case TimeoutNow:
		m.timeoutNow(msg, out)
	case Successors:
		m.successors(msg)
	case ReadIndex:
		m.readIndexAsked(msg, out)
	case ReadIndexReply:
		m.readIndexAnswered(msg, out)
	}
}

// settle draws the conclusions of whatever this Step changed. Each part looks at the state alone,
// so no input has to remember what might follow from it.
func (m *Machine) settle(out *Output) {
	if m.role == Leader {
		m.advanceCommit()
		m.advanceTransfer(out)
		m.startRound()
		m.replicate(out)
		m.grant(out)
	} else {
		m.ask(out)
	}
	m.handOut(out)
	m.startSave(out)
}

// handOut gives the caller what it may apply: what is committed, and saved here.
func (m *Machine) handOut(out *Output) {
	to := min(m.hard.Commit, m.disk.saved)
	if m.disk.installing() {
		return // the snapshot is about to replace what these entries would build on
	}
	for m.applied < to {
		part := m.log.slice(m.applied+1, unlimited)
		part = part[:min(len(part), int(to-m.applied))]
		out.Committed = append(out.Committed, part...)
		m.applied += Index(len(part))
	}
}

// part is this server's role as the caller sees it.
func (m *Machine) part() Role { return Role{Kind: m.role, Term: m.hard.Term, Leader: m.leader} }

// send puts a message on its way. What a message claims must be durable already.
func (m *Machine) send(out *Output, msg Message) {
	msg.From = m.cfg.ID
	if msg.Kind == Append && m.role != Leader {
		broken("an append from a %v", m.role)
	}
	if msg.Term > m.disk.hard.Term && msg.Kind != PreVote && msg.Kind != PreVoteReply {
		broken("%v in term %d, but term %d is durable", msg.Kind, msg.Term, m.disk.hard.Term)
	}
	out.Sends = append(out.Sends, msg)
}

// sendAll sends msg to every peer.
func (m *Machine) sendAll(out *Output, msg Message) {
	for i := range m.leading.peers {
		msg.To = m.leading.peers[i].id
		m.send(out, msg)
	}
}

// damaged stops this server for good. The first reason stays.
func (m *Machine) damaged(format string, args ...any) {
	if m.fatal == "" {
		m.fatal = fmt.Sprintf("%v in term %d: ", m.cfg.ID, m.hard.Term) + fmt.Sprintf(format, args...)
	}
}

// halt says why this server stopped, and leaves nobody waiting for it.
func (m *Machine) halt(out *Output) {
	if m.role == Leader {
		m.abdicate(out)
	}
	m.role, m.leader = Follower, 0
	m.refuseAsked(never, out)
	out.Fatal = m.fatal
}

// Deadline says when Step(now, Tick{}) is next worth calling. It may lie in the past: then at once.
func (m *Machine) Deadline() time.Duration {
	if m.fatal != "" {
		return never
	}
	if m.applied < min(m.hard.Commit, m.disk.saved) && !m.disk.installing() {
		return m.now
	}
	if m.role == Leader {
		return min(m.leaderDeadline(), m.askingDeadline())
	}
	return min(m.election.at, m.askingDeadline())
}

// Transferring is the successor being brought level, 0: none.
func (m *Machine) Transferring() ID {
	if m.role != Leader {
		return 0
	}
	return m.leading.transfer.to
}

// Status is a copy of the state, for checks and metrics.
func (m *Machine) Status() Status {
	s := Status{
		ID: m.cfg.ID, Role: m.part(), Vote: m.hard.Vote, Commit: m.hard.Commit, Applied: m.applied,
		Saved: m.disk.saved, Last: m.log.last, Compact: m.log.compact,
		Transfer: m.Transferring(), Fatal: m.fatal,
	}
	if m.role != Leader {
		return s
	}
	s.Progress = make([]Progress, 0, len(m.leading.peers))
	for i := range m.leading.peers {
		p := &m.leading.peers[i]
		s.Progress = append(s.Progress, Progress{Peer: p.id, Match: p.match, Next: p.next, Snapshot: p.state == snapshot})
	}
	return s
}

// Clone is an independent copy: stepping one does not move the other. Entries are shared.
func (m *Machine) Clone() *Machine {
	c := *m
	c.log = m.log.clone()
	c.leading.peers = slices.Clone(m.leading.peers)
	c.leading.reads = slices.Clone(m.leading.reads)
	c.asking.reads = slices.Clone(m.asking.reads)
	return &c
}

// broken stops the process: we broke our own rules. It is not for what a peer sent. It stands in an
// if of its own, because arguments of a call are put on the heap whether they are used or not.
func broken(format string, args ...any) {
	panic("raft: invariant broken: " + fmt.Sprintf(format, args...))
}
