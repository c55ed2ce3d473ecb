package linearizability

import (
	"maps"
	"slices"
	"strings"
)

// naive is the specification once more, from chat.md, in the plainest way: maps, whole copies, no
// numbers. It is the server of the generated histories and the oracle of the brute force. With a
// flaw it is a server with a bug.
type naive struct {
	login, expiry string
	flaw          string

	names   map[string]uint64
	users   map[uint64]*naiveUser
	devices map[string]*naiveDevice
	convs   map[convID][]Row
}

type naiveUser struct {
	name    string
	epoch   uint64
	lease   string
	cursor  uint64
	deleted bool
	feed    []Event // pushes, without sub and time
	acked   uint64
}

type naiveDevice struct {
	uid    uint64
	epoch  uint64
	closed bool
	last   uint64
}

func newNaive(r Rules, flaw string) *naive {
	return &naive{
		login: r.Login, expiry: r.Expiry, flaw: flaw,
		names: map[string]uint64{}, users: map[uint64]*naiveUser{},
		devices: map[string]*naiveDevice{}, convs: map[convID][]Row{},
	}
}

func (n *naive) clone() *naive {
	c := *n
	c.names = maps.Clone(n.names)
	c.users, c.devices, c.convs = map[uint64]*naiveUser{}, map[string]*naiveDevice{}, map[convID][]Row{}
	for k, v := range n.users {
		u := *v
		u.feed = slices.Clone(v.feed)
		c.users[k] = &u
	}
	for k, v := range n.devices {
		d := *v
		c.devices[k] = &d
	}
	for k, v := range n.convs {
		c.convs[k] = slices.Clone(v)
	}
	return &c
}

func refusedWith(code string) Event { return Event{E: Err, Code: code} }

// apply does one call; pos is its position, and the uid of whom it signs up.
func (n *naive) apply(c *Event, pos uint64) Event {
	d := n.devices[c.Dev]
	first := d == nil && (c.Op == OpSignup || c.Op == OpLogin)
	switch {
	case d == nil && (!first || c.Dseq != 1):
		return refusedWith("E_NO_SESSION")
	case d != nil && d.closed:
		return refusedWith("E_NO_SESSION")
	}
	exclusive := n.login == LoginExclusive
	fenced := d != nil && exclusive && d.epoch < n.users[d.uid].epoch
	if fenced && c.Op != OpLogin && c.Op != OpLogout && n.flaw != "takeover leaves the old device working" {
		return refusedWith("E_FENCED")
	}
	read := c.Op == OpHistory || c.Op == OpList
	if d != nil && !read && c.Op != OpLogin && c.Op != OpLogout {
		n.users[d.uid].lease = c.Dev
	}
	a := n.execute(c, d, pos)
	if a.E == Err && first {
		n.devices[c.Dev] = &naiveDevice{closed: true}
	}
	return a
}

func (n *naive) execute(c *Event, d *naiveDevice, pos uint64) Event {
	switch c.Op {
	case OpSignup:
		return n.doSignup(c, d, pos)
	case OpLogin:
		return n.doLogin(c, d)
	case OpLogout:
		d.closed = n.flaw != "logout leaves the device open"
		if u := n.users[d.uid]; u.lease == c.Dev && n.flaw != "logout keeps the lease" {
			u.lease = ""
		}
	case OpDelete:
		n.doDelete(d)
	case OpSend:
		return n.doSend(c, d, pos)
	case OpHistory:
		return n.doHistory(c, d)
	case OpList:
		return n.doList(c)
	}
	return Event{E: OK}
}

func (n *naive) key(name string) string {
	if n.flaw == "names are not folded" {
		return name
	}
	return strings.ToLower(name)
}

func (n *naive) doSignup(c *Event, d *naiveDevice, pos uint64) Event {
	if d != nil {
		return refusedWith("E_DEVICE_IN_USE")
	}
	if _, taken := n.names[n.key(c.Name)]; taken && n.flaw != "a name taken twice" {
		return refusedWith("E_NAME_TAKEN")
	}
	n.names[n.key(c.Name)] = pos
	n.users[pos] = &naiveUser{name: c.Name, epoch: 1, lease: c.Dev}
	n.devices[c.Dev] = &naiveDevice{uid: pos, epoch: 1}
	return Event{E: OK, UID: pos}
}

func (n *naive) doLogin(c *Event, d *naiveDevice) Event {
	uid, known := n.names[n.key(c.Name)]
	if !known {
		return refusedWith("E_NO_SUCH_USER")
	}
	if d != nil && d.uid != uid {
		return refusedWith("E_DEVICE_IN_USE")
	}
	u := n.users[uid]
	if n.login == LoginExclusive {
		if u.lease != "" && u.lease != c.Dev && !c.Takeover && n.flaw != "two devices at once" {
			return refusedWith("E_LOGGED_IN_ELSEWHERE")
		}
		if n.flaw != "login keeps the epoch" {
			u.epoch++
		}
	}
	u.lease = c.Dev
	if d == nil {
		d = &naiveDevice{uid: uid}
		n.devices[c.Dev] = d
	}
	d.epoch = u.epoch
	cursor := u.acked
	if n.flaw == "the cursor falls" && u.epoch%2 == 1 {
		cursor = 0
	}
	return Event{E: OK, UID: uid, Epoch: u.epoch, Cursor: cursor}
}

func (n *naive) doDelete(d *naiveDevice) {
	u := n.users[d.uid]
	u.deleted = true
	for _, other := range n.devices {
		if other.uid == d.uid && (other == d || n.flaw != "delete leaves devices open") {
			other.closed = true
		}
	}
	if n.flaw != "delete keeps the name" {
		delete(n.names, n.key(u.name))
	}
}

func (n *naive) doSend(c *Event, d *naiveDevice, pos uint64) Event {
	to, known := n.names[n.key(c.To)]
	if !known {
		return refusedWith("E_NO_SUCH_USER")
	}
	uids := []uint64{min(d.uid, to), max(d.uid, to)}
	if d.uid == to {
		uids = uids[:1]
	}
	conv := convOf(uids)
	row := Row{Seq: uint64(len(n.convs[conv])) + 1, Pos: pos, From: d.uid, Body: c.Body}
	answer := Event{E: OK, Conv: uids, Seq: row.Seq}
	switch {
	case n.flaw == "an acknowledged message is lost" && pos%7 == 0:
		return answer
	case n.flaw == "messages change places" && pos%5 == 0 && row.Seq > 1:
		last := &n.convs[conv][row.Seq-2]
		last.Body, row.Body = row.Body, last.Body
	case n.flaw == "a retry applied twice" && pos%5 == 0:
		n.convs[conv] = append(n.convs[conv], row)
		row.Seq++
	}
	n.convs[conv] = append(n.convs[conv], row)
	for _, uid := range uids {
		n.users[uid].push(Event{E: Push, Kind: PushMessage, Pos: pos, Conv: uids, Seq: row.Seq, From: row.From, Body: row.Body})
	}
	return answer
}

func (u *naiveUser) push(e Event) {
	e.N = uint64(len(u.feed)) + 1
	u.feed = append(u.feed, e)
}

func (n *naive) doHistory(c *Event, d *naiveDevice) Event {
	if !slices.Contains(c.Conv, d.uid) && n.flaw != "anybody reads" {
		return refusedWith("E_NOT_MEMBER")
	}
	rows := n.convs[convOf(c.Conv)]
	a := Event{E: OK, Last: uint64(len(rows))}
	for _, row := range rows {
		if row.Seq > c.After && uint64(len(a.Rows)) < c.Limit {
			a.Rows = append(a.Rows, row)
		}
	}
	return a
}

func (n *naive) doList(c *Event) Event {
	a := Event{E: OK}
	for _, key := range slices.Sorted(maps.Keys(n.names)) {
		if !strings.HasPrefix(key, n.key(c.Prefix)) || key < c.AfterKey ||
			key == c.AfterKey && n.flaw != "a page begins at its cursor" {
			continue
		}
		if a.More = uint64(len(a.Names)) == c.Limit; a.More {
			break
		}
		a.Names = append(a.Names, n.users[n.names[key]].name)
	}
	return a
}

// expire ends a device's lease and says whether it had one.
func (n *naive) expire(dev string) bool {
	d := n.devices[dev]
	if d == nil || d.closed || n.users[d.uid].lease != dev {
		return false
	}
	n.users[d.uid].lease = ""
	return true
}
