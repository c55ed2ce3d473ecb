package linearizability

import (
	"slices"
	"strings"
)

// An ending is when a device surely was in no session any more, and what ended it.
type ending struct {
	t  uint64
	by *operation
}

// oneSession: no success on a device after its end was answered.
func (ev *evidence) oneSession(r *Report) {
	ends := ev.endings()
	for _, o := range ev.ops {
		if end := ends[o.device]; end.by != nil && o.ok() && o.call > end.t && o != end.by {
			illegal(r, RuleOneSession, o.pos(), ids(o, end.by), "%s succeeded after %s, answered at %d, had ended the device",
				o.name(), end.by.name(), end.t)
		}
	}
	if ev.meta.Rules.Login == LoginExclusive {
		ev.fenced(r)
	}
}

// endings finds, by device, those that are closed for good: logged out, or of a deleted account.
func (ev *evidence) endings() []ending {
	ends := make([]ending, len(ev.devices))
	note := func(device int32, o *operation) {
		if end := ends[device]; end.by == nil || o.ret < end.t {
			ends[device] = ending{o.ret, o}
		}
	}
	devices := map[uint64][]*operation{} // uid → what opened its devices
	for _, o := range ev.ops {
		if (o.op == opSignup || o.op == opLogin) && o.ok() {
			devices[o.ans.UID] = append(devices[o.ans.UID], o)
		}
	}
	for _, o := range ev.ops {
		switch {
		case o.op == opLogout && o.ok():
			note(o.device, o)
		case o.op == opDelete && o.ok():
			note(o.device, o)
			if uid := ev.deviceUID[o.device]; uid != 0 {
				for _, opened := range devices[uid] {
					note(opened.device, o)
				}
			}
		}
	}
	return ends
}

// fenced: under exclusive login a device is out once another has logged in, until it logs in
// again itself.
func (ev *evidence) fenced(r *Report) {
	logins := map[uint64][]*operation{} // uid → answered signups and logins
	tries := map[int32][]*operation{}   // device → logins that may have succeeded
	for _, o := range ev.ops {
		if (o.op == opSignup || o.op == opLogin) && o.code() == "" {
			tries[o.device] = append(tries[o.device], o)
			if o.ok() {
				logins[o.ans.UID] = append(logins[o.ans.UID], o)
			}
		}
	}
	for uid, list := range logins {
		slices.SortStableFunc(list, func(a, b *operation) int { return compare(a.ret, b.ret) })
		best := 0 // keep only those that raise the epoch
		for _, o := range list {
			if best == 0 || epochOf(o) > epochOf(list[best-1]) {
				list[best] = o
				best++
			}
		}
		logins[uid] = list[:best]
	}
	for _, o := range ev.ops {
		if !o.ok() || o.op == opSignup || o.op == opLogin || o.op == opLogout {
			continue
		}
		by := lastBefore(logins[ev.deviceUID[o.device]], o.call)
		if by == nil || by.device == o.device {
			continue
		}
		fresh := slices.ContainsFunc(tries[o.device], func(l *operation) bool {
			return l.call <= o.ret && (l.unknown() || epochOf(l) > epochOf(by))
		})
		if !fresh {
			illegal(r, RuleOneSession, o.pos(), ids(o, by), "%s succeeded, though %s, answered at %d, had fenced the device",
				o.name(), by.name(), by.ret)
		}
	}
}

func epochOf(o *operation) uint64 {
	if o.op == opSignup {
		return 1
	}
	return o.ans.Epoch
}

// lastBefore returns the last of a list, sorted by return, that was answered before t.
func lastBefore(list []*operation, t uint64) *operation {
	i, _ := slices.BinarySearchFunc(list, t, func(o *operation, t uint64) int { return compare(o.ret, t) })
	if i == 0 {
		return nil
	}
	return list[i-1]
}

// nameTimes is what is sure about one name.
type nameTimes struct {
	key       string
	firstCall uint64 // of a signup that may have made it
	signups   []*operation
	deletes   []*operation // that may have ended an account of this name
	ends      []*operation // deletes that did
}

// A nameTable is sorted by key.
type nameTable []*nameTimes

func (t nameTable) from(key string) nameTable {
	i, _ := slices.BinarySearchFunc(t, key, func(n *nameTimes, key string) int { return strings.Compare(n.key, key) })
	return t[i:]
}

func (t nameTable) find(key string) *nameTimes {
	if t = t.from(key); len(t) > 0 && t[0].key == key {
		return t[0]
	}
	return nil
}

func (ev *evidence) nameTable() nameTable {
	m := map[string]*nameTimes{}
	for _, o := range ev.ops {
		if o.op != opSignup || o.code() != "" {
			continue
		}
		key := fold(o.Name)
		n := m[key]
		if n == nil {
			n = &nameTimes{key: key, firstCall: o.call}
			m[key] = n
		}
		n.firstCall = min(n.firstCall, o.call)
		n.signups = append(n.signups, o)
	}
	for _, o := range ev.ops {
		if o.op != opDelete || o.code() != "" {
			continue
		}
		uid := ev.deviceUID[o.device]
		if made := ev.signupOf[uid]; made != nil {
			n := m[fold(made.Name)]
			n.deletes = append(n.deletes, o)
			if o.ok() {
				n.ends = append(n.ends, o)
			}
			continue
		}
		for _, n := range m { // whose it was is not known: it may have been anybody's
			n.deletes = append(n.deletes, o)
		}
	}
	table := make(nameTable, 0, len(m))
	for _, n := range m {
		table = append(table, n)
	}
	slices.SortFunc(table, func(a, b *nameTimes) int { return strings.Compare(a.key, b.key) })
	return table
}

// there says that the name surely exists all through an interval: a signup was answered before,
// and no delete that could have ended any account of the name began before its end.
func (n *nameTimes) there(from, to uint64) bool {
	for _, d := range n.deletes {
		if d.call <= to {
			return false
		}
	}
	return slices.ContainsFunc(n.signups, func(o *operation) bool { return o.ok() && o.ret < from })
}

// gone says that the name surely does not exist all through an interval: as many deletes were
// answered before it as signups can have been made before its end.
func (n *nameTimes) gone(from, to uint64) bool {
	made, ended := 0, 0
	for _, o := range n.signups {
		if o.call <= to {
			made++
		}
	}
	for _, d := range n.ends {
		if d.ret < from {
			ended++
		}
	}
	return ended >= made
}

// resurrection: nothing revives a uid, and no two accounts have the same.
func (ev *evidence) resurrection(r *Report) {
	made, ended := map[uint64]*operation{}, map[uint64]*operation{}
	for _, o := range ev.ops {
		if !o.ok() {
			continue
		}
		switch o.op {
		case opSignup:
			if other := made[o.ans.UID]; other != nil {
				illegal(r, RuleResurrection, o.pos(), ids(o, other), "%s and %s got the same uid %d", o.name(), other.name(), o.ans.UID)
			}
			made[o.ans.UID] = o
		case opDelete:
			if uid := ev.deviceUID[o.device]; uid != 0 && (ended[uid] == nil || ended[uid].ret > o.ret) {
				ended[uid] = o
			}
		}
	}
	reaches := make([][]*operation, len(ev.convs)) // what ended the members of each conversation
	for conv, uids := range ev.convs {
		for _, uid := range uids.uids() {
			if end := ended[uid]; end != nil {
				reaches[conv] = append(reaches[conv], end)
			}
		}
	}
	for _, o := range ev.ops {
		if !o.ok() || o.op != opLogin && o.op != opSend {
			continue
		}
		ends := reaches[o.ans.conv]
		if end := ended[o.ans.UID]; o.op == opLogin && end != nil {
			ends = []*operation{end}
		}
		for _, end := range ends {
			if before(end, o) {
				uid := ev.deviceUID[end.device]
				illegal(r, RuleResurrection, o.pos(), ids(o, end), "%s reached uid %d, deleted at %d", o.name(), uid, end.ret)
			}
		}
	}
}
