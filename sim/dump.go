package sim

import (
	"fmt"
	"strings"

	"parley/core/chat"
	"parley/core/raft"
	"parley/core/replica"
)

// dump is the state of everybody, for people.
func (w *world) dump() string {
	var b strings.Builder
	fmt.Fprintf(&b, "after event %d, at %v, %d entries are committed\n", w.stats.Events, w.now, len(w.checks.ghost))
	for _, s := range w.servers {
		s.dump(&b)
	}
	for _, c := range w.clients {
		b.WriteString(c.state() + "\n")
		for _, l := range c.box.Lines {
			fmt.Fprintf(&b, "   outbox %d: %s\n", l.DSeq, outboxText(l.Command))
		}
		fmt.Fprintf(&b, "   feed at %d, attached %t, account u%d, device %s\n", c.cursor, c.feed.sub != 0, c.account, deviceText(c.dev.id))
	}
	return b.String()
}

func (s *server) dump(b *strings.Builder) {
	d := s.disk
	state := "down"
	switch {
	case s.up && s.paused:
		state = fmt.Sprintf("paused with %d inputs waiting", len(s.inbox))
	case s.up:
		state = "up"
	}
	fmt.Fprintf(b, "n%d %s, life %d\n", s.id, state, s.life)
	fmt.Fprintf(b, "   disk   term %d, vote %v, commit %d, log %d…%d, applied %d, save %d\n", d.hard.Term, d.hard.Vote, d.hard.Commit,
		d.compact.Index+1, d.last(), d.applied, d.seq)
	if d.inFlight != nil {
		fmt.Fprintf(b, "   save %d is in flight: %s\n", d.inFlight.Seq, saveText(d.inFlight))
	}
	if !s.up {
		return
	}
	st := s.machine.Status()
	r := &st.Raft
	fmt.Fprintf(b, "   memory %v, vote %v, commit %d, log %d…%d (saved %d), applied %d, feeds %d\n", r.Role, r.Vote, r.Commit,
		r.Compact.Index+1, r.Last.Index, r.Saved, st.Applied, st.Feeds)
	for _, p := range r.Progress {
		fmt.Fprintf(b, "   %v has %d, gets %d next, snapshot %t\n", p.Peer, p.Match, p.Next, p.Snapshot)
	}
	for _, e := range d.log[max(0, len(d.log)-3):] {
		fmt.Fprintf(b, "   entry  %d/%d %s\n", e.Index, e.Term, entryText(e))
	}
}

// line is the state of a replica in one.
func (s *server) line() string {
	d := s.disk
	disk := fmt.Sprintf("disk: term %d, log to %d, commit %d", d.hard.Term, d.last(), d.hard.Commit)
	if d.inFlight != nil {
		disk += fmt.Sprintf(", save %d in flight", d.inFlight.Seq)
	}
	if !s.up || s.machine == nil {
		return fmt.Sprintf("n%d down; %s", s.id, disk)
	}
	r := s.machine.Raft().Status()
	part := fmt.Sprintf("%v in term %d", r.Role.Kind, r.Role.Term)
	if r.Role.Kind == raft.Leader {
		part = fmt.Sprintf("leads term %d", r.Role.Term)
	}
	if s.paused {
		part = "paused, " + part
	}
	return fmt.Sprintf("n%d %s, log to %d, commit %d; %s", s.id, part, r.Last.Index, r.Commit, disk)
}

func outboxText(command []byte) string {
	cmd, err := chat.DecodeCommand(command)
	if err != nil {
		return "what cannot be read"
	}
	return commandText(cmd)
}

func entryText(e raft.Entry) string {
	if e.Kind != raft.Command {
		return e.Kind.String()
	}
	req, err := replica.DecodeRequest(e.Data)
	switch {
	case err != nil:
		return "what cannot be read"
	case req.Numbered:
		return fmt.Sprintf("device %s, no. %d: %s", deviceText(req.Device), req.DSeq, commandText(req.Command))
	}
	return commandText(req.Command)
}
