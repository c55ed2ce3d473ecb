package sim

import (
	"fmt"
	"time"

	"parley/core/chat"
	"parley/core/raft"
	"parley/core/replica"
	"parley/core/session"
	lin "parley/linearizability"
)

// persona is the person behind a client: what it is up to, crash or no crash.
type persona struct {
	account  int  // whose account it uses; its own, or somebody else's for a while
	member   bool // logged in, as far as it knows
	relogin  bool // fenced: logs in again on the same device
	again    bool // did so
	signup   bool // believes that the account does not exist
	takeover bool
	visit    int  // items left as somebody else
	entering bool // a login or signup is under way …
	entrance int  // … this one: what comes of an earlier one means nothing any more
	asking   bool
	resting  bool
	finished bool
	convs    [][2]chat.UID // conversations it has met
	settled  []settledCall
	repeats  uint64
}

func raftIndex(i uint64) raft.Index { return raft.Index(i) }

func name(account int) string { return fmt.Sprintf("u%d", account) }

// next goes on with whatever is next, unless something is under way.
func (c *client) next() {
	c.awake()
	held := !c.member && c.machine != nil && c.machine.Stopped() != "" // what is left waits for a login
	switch {
	case !c.up || c.finished || c.asking || c.resting || c.entering || len(c.ops) > 0 && !held:
	case !c.member:
		c.enter()
	case c.account != c.n && c.visit == 0:
		c.leave()
	case c.item < len(c.script):
		op := c.script[c.item]
		c.item++
		c.visit = max(0, c.visit-1)
		c.rest(time.Duration(op.Rest), func() { c.do(op) })
	default:
		c.finished = true
	}
}

// awake notices what the answer to a forgotten command has told the machine.
func (c *client) awake() {
	if c.machine == nil || !c.member {
		return
	}
	switch c.machine.Stopped() {
	case string(chat.Fenced):
		c.member, c.relogin, c.takeover = false, true, true
	case string(session.NoSession):
		c.member, c.relogin, c.signup = false, false, false
	}
}

func (c *client) rest(d time.Duration, then func()) {
	c.resting = true
	c.later(d, "rested", func() {
		c.resting = false
		then()
	})
}

// pause is a rest for nothing, unless there is one already.
func (c *client) pause(d time.Duration) {
	if !c.resting {
		c.rest(d, c.next)
	}
}

func (c *client) do(op Op) {
	r := c.roll("op", op.ID)
	switch op.Kind {
	case DoSend:
		for i := range 1 + r.upTo(min(4, c.w.plan.Knobs.Window)) {
			body := fmt.Sprintf("m%d.%d.%d", c.n, op.ID, i)
			c.submit(chat.Send{To: name(op.To), Body: body, ReplyTo: uint64(i)}, false, c.answeredOp)
		}
	case DoList:
		c.list(r, op)
	case DoHistory:
		c.history(r, op)
	case DoBrowse:
		c.browse(r, op)
	case DoWhoami:
		if r.ppm(500_000) {
			c.read(replica.Barrier{}, lin.Event{})
		} else {
			c.read(replica.Whoami{}, lin.Event{})
		}
	case DoLogout:
		c.submit(chat.Logout{}, false, c.answeredOp)
	case DoDelete:
		if c.account == c.n {
			c.submit(chat.DeleteAccount{}, false, c.answeredOp)
		}
	case DoTakeover:
		c.account, c.visit, c.member, c.relogin, c.signup, c.takeover = op.To, 3, false, false, false, true
	case DoPasswd:
		c.submit(chat.Passwd{}, false, c.answeredOp) // closing the others is outside the judge's model
	case DoRepeat:
		c.repeat(r)
	case DoDouble:
		c.double(r)
	case DoPeek:
		c.peek(r)
	case DoReadTwice:
		c.readTwice(r)
	case DoMoveFeed:
		c.moveFeed()
	case DoSquat:
		if c.account == c.n && op.To != c.n {
			c.account, c.visit, c.member, c.relogin, c.signup, c.takeover = op.To, 3, false, false, true, false
		}
	}
	c.next()
}

func (c *client) list(r *roll, op Op) {
	prefix := []string{"", "u", "U1", "u2", "*", "%", "_", "\\", "["}[r.upTo(9)]
	limit := 1 + r.upTo(4)
	if op.To == 0 {
		limit = 100
	}
	after := ""
	if r.upTo(3) == 0 {
		after = name(r.upTo(len(c.w.clients)))
		c.w.mark(ListContinued, c.name)
	}
	c.read(replica.List{Prefix: prefix, After: after, Limit: limit},
		lin.Event{Op: lin.OpList, Dev: device(c.dev.id), Prefix: prefix, AfterKey: after, Limit: uint64(limit)})
}

func (c *client) history(r *roll, op Op) {
	if len(c.convs) == 0 {
		return
	}
	conv := c.convs[r.upTo(len(c.convs))]
	after, limit := uint64(r.upTo(4)*op.To), 1+r.upTo(c.w.plan.Knobs.Page)
	c.read(replica.History{Members: conv, After: after, Limit: limit},
		lin.Event{Op: lin.OpHistory, Dev: device(c.dev.id), Conv: pair(conv), After: after, Limit: uint64(limit)})
}

// browse reads a conversation in the ways that the judge has no model for: backwards, or with whoever has a name
// now. It is kept out of the history, and looked at here.
func (c *client) browse(r *roll, op Op) {
	q := replica.History{With: name(op.To), Limit: 1 + r.upTo(c.w.plan.Knobs.Page)}
	if len(c.convs) > 0 && r.upTo(2) == 0 {
		q.With, q.Members = "", c.convs[r.upTo(len(c.convs))]
	}
	if q.Latest = r.upTo(2) == 0; !q.Latest {
		q.Before = 1 + r.next()%8
	}
	c.asking = true
	c.ask(q, lin.Event{}, func(reply *replica.Reply, code string) {
		c.asking = false
		if reply != nil && reply.Thread != nil {
			c.browsed(q, reply.Thread)
		}
		c.answeredOp(nil, code)
	})
}

// browsed demands that a page ends where it was asked to, and has no hole.
func (c *client) browsed(q replica.History, t *replica.Thread) {
	c.w.mark(HistoryBackwards, c.name)
	if q.With != "" {
		c.w.mark(HistoryByName, c.name)
	}
	end := t.Last
	if !q.Latest {
		end = min(end, q.Before-1)
	}
	want := min(end, uint64(q.Limit))
	if uint64(len(t.Messages)) != want {
		c.w.fail("read", "c%d asked for %+v and got %d messages of %d", c.n, q, len(t.Messages), t.Last)
		return
	}
	for i, m := range t.Messages {
		if seq := end - want + uint64(i) + 1; m.Seq != seq {
			c.w.fail("read", "c%d asked for %+v and got message %d where %d belongs", c.n, q, m.Seq, seq)
		}
	}
}

func (c *client) read(q replica.Query, e lin.Event) {
	c.asking = true
	c.ask(q, e, func(r *replica.Reply, code string) {
		c.asking = false
		c.answeredOp(r, code)
	})
}

// answeredOp draws the conclusions from an answer.
func (c *client) answeredOp(r *replica.Reply, code string) {
	switch code {
	case string(chat.Fenced):
		c.member, c.relogin, c.takeover = false, true, true
	case string(session.NoSession):
		c.member, c.relogin, c.signup = false, false, false
	case string(chat.QueueFull):
		c.pause(2 * time.Second)
	}
	if r != nil && r.Result.Seq != 0 && code == "" {
		c.meet(r.Result.Members)
	}
	c.next()
}

func (c *client) meet(conv [2]chat.UID) {
	for _, k := range c.convs {
		if k == conv {
			return
		}
	}
	c.convs = append(c.convs, conv)
}

// enter signs up or logs in.
func (c *client) enter() {
	if !c.relogin {
		c.newDevice()
	}
	label := fmt.Sprintf("c%d.%d", c.n, c.dev.count)
	var cmd chat.Command = chat.Login{Name: name(c.account), Token: chat.Token(c.dev.token), Label: label, Takeover: c.takeover}
	if c.signup && !c.relogin {
		cmd = chat.Signup{Name: name(c.account), Token: chat.Token(c.dev.token), Label: label}
	}
	c.entering = true
	c.entrance++
	nth := c.entrance
	c.submit(cmd, c.relogin, func(r *replica.Reply, code string) {
		if nth != c.entrance {
			c.next()
			return
		}
		c.entered(code)
	})
}

func (c *client) entered(code string) {
	was := c.relogin
	c.relogin, c.entering = false, false
	switch code {
	case "":
		c.member, c.takeover = true, false
		c.feed.over = false
		if c.again = c.again || was; was {
			c.take(session.Resume{})
			c.retrySecrets()
		}
		c.reattach()
	case string(chat.NameTaken):
		c.signup = false
	case string(chat.NoSuchUser):
		if c.account != c.n {
			c.account = c.n
		} else {
			c.signup = true
		}
	case string(chat.LoggedInElsewhere):
		c.takeover = c.roll("takeover", uint64(c.entrance)).upTo(3) > 0
		c.pause(200 * time.Millisecond)
		return
	case string(chat.TooManyDevices):
		c.finished = true
		return
	case string(chat.Fenced): // what the machine held back while it was stopped
		c.relogin, c.takeover = was, true
	case string(chat.Retry), string(session.NoSession), string(replica.BadPassword), string(chat.DeviceInUse):
	default:
		c.w.fail("client", "c%d: login answered with %q", c.n, code)
		return
	}
	c.next()
}

// leave ends a visit.
func (c *client) leave() {
	c.submit(chat.Logout{}, false, func(r *replica.Reply, code string) {
		c.account, c.member, c.relogin, c.takeover = c.n, false, false, true
		c.next()
	})
}

// concluded notes what a Logout or DeleteAccount that succeeded means.
func (c *client) concluded(cmd chat.Command) {
	switch cmd.(type) {
	case chat.Passwd:
		c.w.mark(PasswordChanged, c.name)
	case chat.Logout:
		c.member, c.relogin = false, false
	case chat.DeleteAccount:
		c.member, c.relogin, c.signup = false, false, true
	}
}
