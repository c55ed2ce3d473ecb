package sim

import (
	"encoding/binary"
	"fmt"
	"strings"
	"time"

	"parley/core/chat"
	"parley/core/raft"
	"parley/core/replica"
	"parley/core/session"
)

// What a world tells its tape. Each of these does nothing if there is none.

func (t *Tape) fault(f Fault) {
	if t == nil {
		return
	}
	kind, n := f.On.place()
	t.tell(Fact{Kind: FactFault, To: Who{kind, n}, N: f.ID, M: uint64(f.For), Text: string(f.Kind)})
}

func (t *Tape) packet(kind FactKind, m *replica.PeerMessage, id nthSaying, which copyOf) Fact {
	f := Fact{Kind: kind, On: node(m.From), To: node(m.To), N: uint64(which), Say: id.Saying, Nth: id.nth}
	if m.Raft != nil && len(m.Raft.Entries) > 0 {
		f.Last = uint64(m.Raft.Entries[len(m.Raft.Entries)-1].Index)
	}
	return f
}

func (t *Tape) sent(m *replica.PeerMessage, id nthSaying, which copyOf, d time.Duration) {
	if t != nil {
		f := t.packet(FactSent, m, id, which)
		f.M = uint64(d)
		t.tell(f)
	}
}

func (t *Tape) lost(m *replica.PeerMessage, id nthSaying, shut bool) {
	if t != nil {
		f := t.packet(FactLost, m, id, once)
		if shut {
			f.N = 1
		}
		t.tell(f)
	}
}

func (t *Tape) arrived(m *replica.PeerMessage, id nthSaying, which copyOf, there bool) {
	if t == nil {
		return
	}
	kind := FactArrived
	if !there {
		kind = FactMissed
	}
	f := t.packet(kind, m, id, which)
	f.On, f.To = f.To, f.On
	t.tell(f)
}

func (t *Tape) begun(s *server, save *replica.Save, d time.Duration) {
	if t == nil {
		return
	}
	f := Fact{Kind: FactBegun, On: node(s.id), N: save.Seq, M: uint64(d), Say: s.saving.Saying, Nth: s.saving.nth, Text: saveText(save)}
	if n := len(save.Append); n > 0 {
		f.Last = uint64(save.Append[n-1].Index)
	}
	t.tell(f)
}

func saveText(s *replica.Save) string {
	var parts []string
	say := func(format string, args ...any) { parts = append(parts, fmt.Sprintf(format, args...)) }
	if h := s.Hard; h != nil {
		say("term %d, vote %v, commit %d", h.Term, h.Vote, h.Commit)
	}
	if s.Install != nil {
		say("installs a snapshot at %d", s.Install.Mark.Index)
	}
	if s.CutFrom > 0 {
		say("cuts from %d", s.CutFrom)
	}
	switch n := len(s.Append); {
	case n == 1:
		say("appends %d", s.Append[0].Index)
	case n > 1:
		say("appends %d…%d", s.Append[0].Index, s.Append[n-1].Index)
	}
	if s.Applied > 0 {
		say("applied %d", s.Applied)
	}
	if s.Compact > 0 {
		say("drops up to %d", s.Compact)
	}
	return strings.Join(parts, ", ")
}

func (t *Tape) died(s *server, there bool) {
	if t == nil {
		return
	}
	t.tell(Fact{Kind: FactDied, On: node(s.id)})
	if s.disk.inFlight == nil {
		return
	}
	f := Fact{Kind: FactGone, On: node(s.id), N: s.disk.inFlight.Seq, Say: s.saving.Saying, Nth: s.saving.nth}
	if there {
		f.Kind = FactKept
	}
	t.tell(f)
}

// stepped tells what a replica took and what became of it.
func (t *Tape) stepped(s *server, in replica.Input, was *raft.Status, applied raft.Index) {
	if t == nil {
		return
	}
	on := node(s.id)
	t.tell(Fact{Kind: FactTook, On: on, Text: inputText(in)})
	now := &s.status.Raft
	if now.Role != was.Role {
		t.tell(Fact{Kind: FactRole, On: on, To: node(now.Role.Leader), N: uint64(now.Role.Term), M: uint64(now.Role.Kind)})
	}
	if now.Commit != was.Commit {
		t.tell(Fact{Kind: FactCommit, On: on, N: uint64(now.Commit), M: uint64(was.Commit)})
	}
	if now.Last.Index != was.Last.Index {
		t.tell(Fact{Kind: FactLog, On: on, N: uint64(now.Last.Index)})
	}
	if s.status.Applied != applied {
		t.tell(Fact{Kind: FactApplied, On: on, N: uint64(s.status.Applied)})
	}
	t.put(s)
}

// put tells what a step puts out for clients.
func (t *Tape) put(s *server) {
	on := node(s.id)
	to := func(id replica.Conn) Who {
		if c := s.conn(id); c != nil {
			return person(c.client.n)
		}
		return Who{}
	}
	for i := range s.out.Replies {
		r := &s.out.Replies[i]
		t.tell(Fact{Kind: FactReply, On: on, To: to(r.Conn), N: uint64(r.Pos.Index), Text: replyText(r)})
	}
	for i := range s.out.Pushes {
		p := &s.out.Pushes[i]
		t.tell(Fact{Kind: FactPush, On: on, To: to(p.Conn), N: p.Event.N, Text: pushText(p)})
	}
	for _, e := range s.out.Closings {
		t.tell(Fact{Kind: FactNote, On: on, To: to(e.Conn), Text: "closes a feed: " + closings[e.Why]})
	}
	for _, n := range s.out.Notes {
		t.tell(Fact{Kind: FactNote, On: on, Text: noteText(n)})
	}
}

// inputText says what a replica takes; "" for what goes without saying.
func inputText(in replica.Input) string {
	switch in := in.(type) {
	case replica.Tick, replica.Peer:
		return "" // a packet tells of its arrival itself
	case replica.PeerDown:
		return fmt.Sprintf("%v is gone", in.Peer)
	case replica.Stored:
		return fmt.Sprintf("save %d is stored", in.Saved.Seq)
	case replica.Fetched:
		return fmt.Sprintf("rows at %d", in.Rows.Index)
	case replica.Exported:
		return fmt.Sprintf("a snapshot at %d", in.Snapshot.Mark.Index)
	case replica.Calls:
		var parts []string
		for i := range in.List {
			parts = append(parts, callText(&in.List[i]))
		}
		return strings.Join(parts, "; ")
	case replica.Attach:
		return fmt.Sprintf("attach %s after %d", deviceText(in.Device), in.After)
	case replica.Ack:
		return fmt.Sprintf("acknowledges up to %d", in.N)
	case replica.Resign:
		return "is asked to resign"
	case replica.Hangup:
		return "a client hung up"
	case replica.Verified, replica.Hashed:
		return "a password is done"
	}
	return fmt.Sprintf("%T", in)
}

// deviceText shows enough of a device to tell two apart.
func deviceText(d session.DeviceID) string { return fmt.Sprintf("%x", d[:2]) }

func callText(c *replica.Call) string {
	if c.Command == nil {
		return queryText(c.Query)
	}
	return fmt.Sprintf("no. %d: %s", c.DSeq, commandText(c.Command))
}

func commandText(c chat.Command) string {
	switch c := c.(type) {
	case chat.Signup:
		return fmt.Sprintf("sign up %q", c.Name)
	case chat.Login:
		if c.Takeover {
			return fmt.Sprintf("log in %q, taking over", c.Name)
		}
		return fmt.Sprintf("log in %q", c.Name)
	case chat.Logout:
		return "log out"
	case chat.Passwd:
		return "change the password"
	case chat.DeleteAccount:
		return "delete the account"
	case chat.Send:
		return fmt.Sprintf("send %q to %q", c.Body, c.To)
	case chat.Void:
		return "void"
	}
	return fmt.Sprintf("%T", c)
}

// words say what is repeated.
func (s *settledCall) words() string { return commandText(s.cmd) }

func queryText(q replica.Query) string {
	switch q := q.(type) {
	case replica.List:
		return fmt.Sprintf("list %q", q.Prefix)
	case replica.History:
		return fmt.Sprintf("read the talk of %d and %d after %d", q.Members[0], q.Members[1], q.After)
	case replica.Whoami:
		return "know who it is"
	}
	return fmt.Sprintf("%T", q)
}

func replyText(r *replica.Reply) string {
	text := "done"
	if r.Code != "" {
		text = r.Code
	}
	switch {
	case r.Page != nil:
		text = fmt.Sprintf("names %q", r.Page.Names)
	case r.Thread != nil:
		text = fmt.Sprintf("%d messages of %d", len(r.Thread.Messages), r.Thread.Last)
	case r.Result.Seq != 0:
		text += fmt.Sprintf(", message %d", r.Result.Seq)
	case r.Result.UID != 0:
		text += fmt.Sprintf(", uid %d", r.Result.UID)
	}
	if r.Replayed {
		text += ", as before"
	}
	return fmt.Sprintf("%s at %d", text, r.Pos.Index)
}

func pushText(p *replica.Push) string {
	if p.Message != nil {
		return fmt.Sprintf("event %d: %q", p.Event.N, p.Message.Body)
	}
	return fmt.Sprintf("event %d", p.Event.N)
}

func noteText(n replica.Note) string {
	switch n.Kind {
	case replica.LeaderElected:
		return fmt.Sprintf("%v leads term %d", n.Peer, n.Term)
	case replica.LeaderLost:
		return fmt.Sprintf("the leader of term %d is lost", n.Term)
	case replica.AccountMade:
		return fmt.Sprintf("account %q is made", n.Name)
	case replica.AccountEnded:
		return fmt.Sprintf("account %q ends", n.Name)
	case replica.DeviceOpened:
		return fmt.Sprintf("a device of %q opens", n.Name)
	case replica.LeaseEnded:
		return fmt.Sprintf("a lease of %q ends", n.Name)
	case replica.SnapshotSent:
		return fmt.Sprintf("a snapshot at %d goes to %v", n.Index, n.Peer)
	case replica.SnapshotInstalled:
		return fmt.Sprintf("the snapshot at %d is installed", n.Index)
	case replica.LogCompacted:
		return fmt.Sprintf("the log is cut up to %d", n.Index)
	}
	return fmt.Sprintf("note %d", n.Kind)
}

// took tells what a client's machine took and what it does.
func (t *Tape) took(c *client, in session.ClientInput) {
	if t == nil {
		return
	}
	on := person(c.n)
	switch in := in.(type) {
	case session.Submit:
		t.asked(on, in.Command)
	case session.Ask:
		t.tell(Fact{Kind: FactAsked, On: on, Text: queryText(c.queries[in.ID])})
	case session.Answered:
		t.tell(Fact{Kind: FactHeard, On: on, To: node(raft.ID(in.Server + 1)), N: in.Reply.Pos.Index,
			Text: replyText(&c.replies[binary.BigEndian.Uint64(in.Reply.Body)])})
	case session.ServerDown:
		t.tell(Fact{Kind: FactNote, On: on, Text: fmt.Sprintf("loses n%d", in.Server+1)})
	}
	for i := range c.out.Sends {
		s := &c.out.Sends[i]
		t.tell(Fact{Kind: FactCall, On: on, To: node(raft.ID(s.Server + 1)), N: s.DSeq, Text: t.attempt(c, s)})
	}
}

// device notes whose a device is: the history names devices, people think of clients.
func (t *Tape) device(c *client) {
	if t != nil {
		name := fmt.Sprintf("c%d.%d", c.n, c.dev.count)
		t.devices = append(t.devices, [2]string{device(c.dev.id), name})
		t.tell(Fact{Kind: FactNote, On: person(c.n), Text: "takes a new device, " + name})
	}
}

// named puts clients and the count of their device for what a history calls a device.
func (t *Tape) named(text string) string {
	for _, d := range t.devices {
		text = strings.ReplaceAll(text, d[0], d[1])
	}
	return text
}

func (t *Tape) heard(c *client, from *stream, p *replica.Push) {
	if t != nil {
		t.tell(Fact{Kind: FactHeard, On: person(c.n), To: node(from.server.id), N: p.Event.Index, Text: pushText(p)})
	}
}

func (t *Tape) asked(on Who, command []byte) {
	t.tell(Fact{Kind: FactAsked, On: on, Text: outboxText(command)})
}

func (t *Tape) attempt(c *client, s *session.ClientSend) string {
	if s.Command == nil {
		return queryText(c.queries[binary.BigEndian.Uint64(s.Query)])
	}
	return outboxText(s.Command)
}
