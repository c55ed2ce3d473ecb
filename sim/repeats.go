package sim

import (
	"time"

	"parley/core/chat"
	"parley/core/replica"
	"parley/core/session"
)

// What a client says beside its machine, on any server: commands once more that were answered long ago
// or are under way, and reads of whatever a server has. A correct machine does not do all of that; a
// network, a proxy or an old process may.

// settledCall is a command that was answered, for asking once more.
type settledCall struct {
	dev  identity
	dseq uint64
	cmd  chat.Command // nil: of one that was under way; its answer is compared with the first one
	code string
	pos  replica.Pos
}

// Where the ids of calls begin that the machine knows nothing of.
const (
	repeatsFrom = 1 << 63
	keepSettled = 200 // more than a window of numbers
)

// settledNow keeps a command for asking once more; of many, any older one goes.
func (c *client) settledNow(s settledCall) {
	if len(c.settled) == keepSettled {
		c.settled = c.settled[:copy(c.settled, c.settled[1:])]
	}
	c.settled = append(c.settled, s)
}

// repeat asks once more what was answered already, now or much later.
func (c *client) repeat(r *roll) {
	if len(c.settled) == 0 {
		return
	}
	want := c.settled[len(c.settled)-1]
	if r.upTo(2) == 0 {
		want = c.settled[r.upTo(len(c.settled))]
	}
	in := replica.Call{Device: want.dev.id, Token: want.dev.token, DSeq: want.dseq, Command: want.cmd,
		Secret: c.w.plan.Password && needsSecret(want.cmd)}
	place, wait := r.upTo(len(c.w.servers)), time.Duration(0)
	if r.upTo(2) == 0 {
		wait = time.Duration(r.logUpTo(20_000)) * time.Millisecond
	}
	c.w.after(wait, "repeat", uint64(c.n), func() {
		if c.up {
			if wait > time.Second {
				c.w.mark(RepeatedLate, c.name)
			}
			c.w.say(person(c.n), "repeats no. %d to n%d: %s", in.DSeq, place+1, want.words())
			c.aside(place, in, want)
		}
	})
}

// double sends what lies in the outbox to other servers as well, the last first: numbers overtake each other.
func (c *client) double(r *roll) {
	for i := len(c.box.Lines) - 1; i >= 0; i-- {
		l := c.box.Lines[i]
		cmd, err := chat.DecodeCommand(l.Command)
		if _, send := cmd.(chat.Send); err != nil || !send {
			continue
		}
		in := replica.Call{Device: c.dev.id, Token: c.dev.token, DSeq: l.DSeq, Through: c.box.Through, Command: cmd}
		c.w.mark(Doubled, c.name)
		c.aside(r.upTo(len(c.w.servers)), in, settledCall{dev: c.dev, dseq: l.DSeq})
	}
}

// peek reads whatever a server has, however old.
func (c *client) peek(r *roll) {
	in := replica.Call{Device: c.dev.id, Token: c.dev.token, Stale: true, Query: replica.Whoami{}}
	c.aside(r.upTo(len(c.w.servers)), in, settledCall{dev: c.dev})
}

// aside puts a call on a stream that the machine knows nothing of.
func (c *client) aside(place int, in replica.Call, want settledCall) {
	c.repeats++
	t := c.stream(place)
	in.Conn, in.ID, in.Origin = t.id, repeatsFrom+c.repeats, "sim"
	c.w.stats.Repeats++
	t.toServer(func() replica.Input {
		if in.Secret {
			t.server.passwords[call{in.Conn, in.ID}] = passwords{"secret", "secret"}
		}
		in.Date = t.server.date()
		c.w.checks.repeated(in.ID, uint64(c.n), want)
		return replica.Calls{List: []replica.Call{in}}
	})
}

// repeatAnswered: a repetition gets the same answer as at first, or none; never another.
func (k *checks) repeatAnswered(r replica.Reply, client uint64) bool {
	want, ok := k.once.repeats[[2]uint64{client, r.ID}]
	switch {
	case !ok:
		return false
	case want.dseq == 0:
		k.peeked(want.dev, r)
		return true
	}
	forgotten := r.Code == string(session.Window) || r.Code == string(session.NoSession)
	switch {
	case r.Class == session.NotApplied || forgotten:
		return true
	case want.cmd == nil:
		k.answered(want.dev.id, want.dseq, &r)
		return true
	}
	k.looked(ofExactlyOnce)
	k.w.stats.Replayed++
	k.w.mark(RepeatAnswered, k.w.clients[client].name)
	if r.Code != want.code || r.Pos != want.pos {
		k.fail(ofExactlyOnce, "number %d of device %s was answered %q at %d, and then %q at %d",
			want.dseq, device(want.dev.id), want.code, want.pos.Index, r.Code, r.Pos.Index)
	}
	return true
}

// peeked: also an old view is one that was, and knows whose a device is.
func (k *checks) peeked(dev identity, r replica.Reply) {
	if int(r.Pos.Index) > len(k.ghost) {
		k.fail(ofFreshness, "a view of entry %d is shown, and %d are committed", r.Pos.Index, len(k.ghost))
	}
	if r.Identity != nil {
		k.w.mark(StaleRead, k.w.servers[0].name)
		k.owner(dev.id, r.Identity.UID, "an old view")
	}
}
