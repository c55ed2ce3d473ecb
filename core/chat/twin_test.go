package chat

import (
	"bytes"
	"fmt"
	"reflect"
	"slices"
	"sort"
	"strings"
	"unicode/utf8"
)

// twin is the chat once more, written from the page on chat semantics with maps and slices and no
// care for cost: feeds and messages are kept whole, everything is looked for.
type twin struct {
	set      Settings
	accounts []*twinAccount
	convs    []*twinConv
}

type twinAccount struct {
	uid       UID
	name      string
	recreated int64
	gone      bool
	goneDate  int64
	epoch     uint64
	hash      string
	version   uint64
	feed      []Event
	cursor    uint64
	floor     uint64
	devices   []*twinDevice
}

type twinDevice struct {
	id     DeviceID
	label  string
	epoch  uint64
	since  int64
	cursor uint64
	used   int64
	lease  bool
	until  int64
}

type twinConv struct {
	id        ConversationID
	members   []UID // one or two, sorted
	messages  []Message
	delivered map[UID]uint64
	deferred  map[UID][]uint64
}

func twinKey(name string) string {
	return strings.Map(func(r rune) rune {
		if 'A' <= r && r <= 'Z' {
			return r - 'A' + 'a'
		}
		return r
	}, name)
}

func twinName(name string) bool {
	const first = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
	return name != "" && len(name) <= 32 && strings.Contains(first, name[:1]) &&
		strings.Trim(name, first+"._-") == "" && !slices.ContainsFunc([]byte(name), func(b byte) bool {
		return !strings.Contains(first+"._-", string(rune(b)))
	}) && !strings.EqualFold(name, "parley") && !strings.EqualFold(name, "system")
}

func (w *twin) named(name string) *twinAccount {
	for _, a := range w.accounts {
		if !a.gone && twinKey(a.name) == twinKey(name) {
			return a
		}
	}
	return nil
}

func (w *twin) byUID(uid UID) *twinAccount {
	for _, a := range w.accounts {
		if a.uid == uid {
			return a
		}
	}
	return nil
}

func (w *twin) owner(id DeviceID) (*twinAccount, *twinDevice) {
	for _, a := range w.accounts {
		for _, d := range a.devices {
			if d.id == id {
				return a, d
			}
		}
	}
	return nil, nil
}

func (w *twin) fenced(a *twinAccount, d *twinDevice) bool {
	return !w.set.MultiLogin && d.epoch < a.epoch
}

func (a *twinAccount) queued() uint64 { return uint64(len(a.feed)) - a.cursor }

func (a *twinAccount) leased() *twinDevice {
	for _, d := range a.devices {
		if d.lease {
			return d
		}
	}
	return nil
}

// apply is steps 5 to 7 of the preamble.
func (w *twin) apply(at Stamp, id DeviceID, cmd Command, ev Evidence, out *Outcome) {
	a, d := w.owner(id)
	_, login := cmd.(Login)
	_, logout := cmd.(Logout)
	_, signup := cmd.(Signup)
	if d == nil && !login && !signup || d != nil && w.fenced(a, d) && !login && !logout {
		out.Result.Code = Fenced
		return
	}
	switch c := cmd.(type) {
	case Signup:
		w.signup(at, id, c, ev, out)
	case Login:
		w.login(at, id, c, ev, out)
	case Logout:
		w.close(a, d, LoggedOut, out)
	case Passwd:
		if !w.set.OpenAuth && ev.Version != a.version {
			out.Result.Code = Retry
			break
		}
		a.hash, a.version = ev.Hash, at.Index
		if c.CloseOthers {
			for _, other := range slices.Clone(a.devices) {
				if other != d {
					w.close(a, other, DeviceClosed, out)
				}
			}
		}
	case DeleteAccount:
		w.delete(at, a, ev, out)
	case Send:
		w.send(at, a, c, out)
	}
	if a, d = w.owner(id); d != nil && !(login && out.Result.Code != OK) {
		d.lease, d.until, d.used = true, at.Time+w.set.LeaseNs, at.Time
	}
}

func (w *twin) signup(at Stamp, id DeviceID, c Signup, ev Evidence, out *Outcome) {
	_, d := w.owner(id)
	switch {
	case w.set.ClosedRegistration:
		out.Result.Code = RegistrationClosed
	case d != nil:
		out.Result.Code = DeviceInUse
	case !twinName(c.Name):
		out.Result.Code = BadName
	case w.named(c.Name) != nil:
		out.Result.Code = NameTaken
	}
	if out.Result.Code != OK {
		return
	}
	a := &twinAccount{uid: UID(at.Index), name: c.Name, epoch: 1, hash: ev.Hash, version: at.Index}
	for _, old := range w.accounts {
		if twinKey(old.name) == twinKey(a.name) {
			a.recreated = old.goneDate // of the last one
		}
	}
	w.accounts = append(w.accounts, a)
	a.devices = []*twinDevice{{id: id, label: c.Label, epoch: 1, since: at.Date}}
	out.Opened = true
	out.Result = Result{UID: a.uid, Recreated: a.recreated}
}

func (w *twin) login(at Stamp, id DeviceID, c Login, ev Evidence, out *Outcome) {
	a := w.named(c.Name)
	owner, d := w.owner(id)
	switch {
	case a == nil:
		out.Result.Code = NoSuchUser
	case d != nil && owner != a:
		out.Result.Code = DeviceInUse
	case !w.set.OpenAuth && ev.Version != a.version:
		out.Result.Code = Retry
	case !w.set.MultiLogin && a.leased() != nil && a.leased() != d && !c.Takeover:
		out.Result = Result{Code: LoggedInElsewhere, Label: a.leased().label, Since: a.leased().since}
	case w.set.MultiLogin && d == nil && len(a.devices) >= w.set.MaxDevices:
		out.Result.Code = TooManyDevices
	}
	if out.Result.Code != OK {
		return
	}
	if d == nil {
		d = &twinDevice{id: id, cursor: a.cursor}
		out.Opened = true
	} else if w.fenced(a, d) {
		d.cursor = a.cursor
	}
	if !w.set.MultiLogin {
		for _, other := range a.devices {
			if other != d && !w.fenced(a, other) {
				other.lease = false
				out.Endings = append(out.Endings, Ending{other.id, TakenOver, c.Label})
			}
		}
		a.epoch++
		if out.Opened && len(a.devices) >= w.set.MaxDevices {
			sort.SliceStable(a.devices, func(i, j int) bool { return a.devices[i].used < a.devices[j].used })
			w.close(a, a.devices[0], DeviceClosed, out)
		}
	}
	if out.Opened {
		a.devices = append(a.devices, d)
	}
	d.label, d.epoch, d.since = c.Label, a.epoch, at.Date
	out.Result = Result{UID: a.uid, Epoch: a.epoch, Cursor: a.cursor, Queued: a.queued()}
}

func (w *twin) close(a *twinAccount, d *twinDevice, why EndReason, out *Outcome) {
	if !w.fenced(a, d) {
		out.Endings = append(out.Endings, Ending{Device: d.id, Reason: why})
	}
	out.Closed = append(out.Closed, d.id)
	a.devices = slices.DeleteFunc(a.devices, func(x *twinDevice) bool { return x == d })
	w.trim(a)
}

func (w *twin) trim(a *twinAccount) {
	lowest := a.cursor
	for _, d := range a.devices {
		if !w.fenced(a, d) && d.cursor < lowest {
			lowest = d.cursor
		}
	}
	for a.floor+256 <= lowest {
		a.floor += 256
	}
}

func (w *twin) conv(create uint64, a, b UID) *twinConv {
	members := []UID{a, b}
	slices.Sort(members)
	members = slices.Compact(members)
	for _, c := range w.convs {
		if slices.Equal(c.members, members) {
			return c
		}
	}
	if create == 0 {
		return nil
	}
	c := &twinConv{ConversationID(create), members, nil, map[UID]uint64{}, map[UID][]uint64{}}
	w.convs = append(w.convs, c)
	return c
}

func (w *twin) tell(a *twinAccount, e Event, out *Outcome) {
	e.Account, e.N = a.uid, uint64(len(a.feed)+1)
	a.feed = append(a.feed, e)
	out.Events = append(out.Events, e)
}

func (w *twin) send(at Stamp, from *twinAccount, c Send, out *Outcome) {
	to := w.named(c.To)
	switch {
	case to == nil:
		out.Result.Code = NoSuchUser
	case c.ToUID != 0 && c.ToUID != to.uid:
		out.Result = Result{Code: Recreated, Recreated: to.recreated}
	case c.Body == "":
		out.Result.Code = Empty
	case !utf8.ValidString(c.Body) || strings.Contains(c.Body, "\x00"):
		out.Result.Code = BadText
	case len(c.Body) > w.set.MaxBody:
		out.Result.Code = TooLarge
	case to.queued() >= uint64(w.set.MaxQueue):
		out.Result.Code = QueueFull
	}
	if out.Result.Code != OK {
		return
	}
	conv := w.conv(at.Index, from.uid, to.uid)
	m := Message{
		Index: at.Index, Conversation: conv.id, Seq: uint64(len(conv.messages) + 1), Author: from.uid,
		Time: at.Time, Date: at.Date, Body: c.Body, ReplyTo: c.ReplyTo,
	}
	var chain Chain
	if len(conv.messages) > 0 {
		chain = conv.messages[len(conv.messages)-1].Chain
	}
	m.Chain = chain.Next(m.Seq, from.uid, c.Body)
	conv.messages = append(conv.messages, m)
	out.Message = &m
	for _, uid := range conv.members {
		member := w.byUID(uid)
		if member == from && from != to && member.queued() >= uint64(w.set.MaxQueue) {
			conv.deferred[uid] = append(conv.deferred[uid], m.Seq)
			continue
		}
		w.tell(member, Event{
			Kind: MessageEvent, Index: at.Index, Conversation: conv.id, From: m.Seq, To: m.Seq,
		}, out)
	}
	out.Result = Result{
		Conversation: conv.id, Members: pairOf(from.uid, to.uid), Seq: m.Seq, Date: m.Date,
		Chain: m.Chain, Sent: to.leased() != nil,
	}
	if m.Seq == 1 {
		if out.Result.Recreated = to.recreated; to.recreated == 0 {
			out.Result.Recreated = from.recreated
		}
	}
}

func (w *twin) delete(at Stamp, a *twinAccount, ev Evidence, out *Outcome) {
	if !w.set.OpenAuth && ev.Version != a.version {
		out.Result.Code = Retry
		return
	}
	out.Result.Discarded = a.queued()
	out.Name = a.name
	for _, d := range slices.Clone(a.devices) {
		w.close(a, d, AccountDeleted, out)
	}
	for _, c := range w.convs {
		if !slices.Contains(c.members, a.uid) {
			continue
		}
		c.deferred[a.uid] = nil
		mark, last := c.delivered[a.uid], uint64(len(c.messages))
		for _, uid := range c.members {
			if p := w.byUID(uid); p != a && !p.gone && mark < last {
				w.tell(p, Event{
					Kind: UndeliverableEvent, Index: at.Index, Conversation: c.id, From: mark + 1, To: last,
				}, out)
			}
		}
	}
	a.gone, a.goneDate, a.feed = true, at.Date, nil
}

func (w *twin) internal(at Stamp, cmd Command, out *Outcome) {
	switch c := cmd.(type) {
	case Heard:
		for _, item := range c.Items {
			w.heard(at, item, out)
		}
	case Expire:
		for _, l := range c.Leases {
			if _, d := w.owner(l.Device); d != nil && d.epoch == l.Epoch && d.lease && d.until <= at.Time {
				d.lease = false
			}
		}
	case CloseIdle:
		for _, id := range c.Devices {
			// The last use is known to the hour; tests stay clear of it.
			if a, d := w.owner(id); d != nil && at.Time-d.used >= IdleNs {
				w.close(a, d, DeviceClosed, out)
			}
		}
	}
}

func (w *twin) heard(at Stamp, item HeardItem, out *Outcome) {
	a, d := w.owner(item.Device)
	if d == nil || d.epoch != item.Epoch || w.fenced(a, d) {
		return
	}
	for _, m := range item.Marks {
		for _, c := range w.convs {
			if c.id == m.Conversation && slices.Contains(c.members, a.uid) {
				c.delivered[a.uid] = max(c.delivered[a.uid], min(m.Seq, uint64(len(c.messages))))
			}
		}
	}
	d.cursor = max(d.cursor, min(item.Cursor, uint64(len(a.feed))))
	a.cursor = max(a.cursor, d.cursor)
	d.used = at.Time
	if d.lease {
		d.until = at.Time + w.set.LeaseNs
	}
	w.trim(a)
	for _, c := range w.convs { // in the order of their ids
		waiting := c.deferred[a.uid]
		if len(waiting) > 0 && a.queued() < uint64(w.set.MaxQueue) {
			c.deferred[a.uid] = nil
			w.tell(a, Event{
				Kind: CatchUpEvent, Index: at.Index, Conversation: c.id,
				From: waiting[0], To: waiting[len(waiting)-1],
			}, out)
		}
	}
}

// differs compares what an entry did on either side; the order of events of different accounts, and
// of devices that end together, is not part of the meaning.
func (w *twin) differs(got, want *Outcome) error {
	for _, out := range []*Outcome{got, want} {
		slices.SortFunc(out.Events, func(a, b Event) int {
			return bytes.Compare(fmt.Appendf(nil, "%9d %9d", a.Account, a.N), fmt.Appendf(nil, "%9d %9d", b.Account, b.N))
		})
		slices.SortFunc(out.Endings, func(a, b Ending) int { return bytes.Compare(a.Device[:], b.Device[:]) })
		slices.SortFunc(out.Closed, func(a, b DeviceID) int { return bytes.Compare(a[:], b[:]) })
	}
	for _, f := range []struct {
		what      string
		got, want any
	}{
		{"result", got.Result, want.Result}, {"opened", got.Opened, want.Opened}, {"name", got.Name, want.Name},
		{"events", none(got.Events), none(want.Events)}, {"endings", none(got.Endings), none(want.Endings)},
		{"closed", none(got.Closed), none(want.Closed)}, {"message", got.Message, want.Message},
	} {
		if !reflect.DeepEqual(f.got, f.want) {
			return fmt.Errorf("%s:\n got %+v\nwant %+v", f.what, f.got, f.want)
		}
	}
	return nil
}

// differsIn compares all that can be read.
func (w *twin) differsIn(s *State, rows store) error {
	var names []string
	for _, a := range w.accounts {
		if err := w.differsAt(s, a); err != nil {
			return fmt.Errorf("account %d (%s): %w", a.uid, a.name, err)
		}
		if !a.gone {
			names = append(names, a.name)
		}
	}
	slices.SortFunc(names, func(a, b string) int { return strings.Compare(twinKey(a), twinKey(b)) })
	if got, more := s.List("", "", 1000); !slices.Equal(got, names) || more {
		return fmt.Errorf("list: got %v %t, want %v", got, more, names)
	}
	return w.differsRows(rows)
}

func (w *twin) differsAt(s *State, a *twinAccount) error {
	if name, deleted := s.Name(a.uid); name != a.name || deleted != a.gone {
		return fmt.Errorf("name %q, deleted %t", name, deleted)
	}
	for _, d := range a.devices {
		cursor := d.cursor
		id := Identity{
			UID: a.uid, Name: a.name, Epoch: d.epoch, Label: d.label, Cursor: cursor,
			Queued: uint64(len(a.feed)) - cursor,
		}
		uid, code := s.Access(d.id)
		if uid != a.uid || (code == Fenced) != w.fenced(a, d) {
			return fmt.Errorf("access of %s: %d %q", label(d.id), uid, code)
		}
		if code == Fenced {
			continue // what a fenced device would read, nobody may
		}
		if got := s.Whoami(d.id); got != id {
			return fmt.Errorf("whoami:\n got %+v\nwant %+v", got, id)
		}
		want := Attachment{UID: a.uid, Epoch: d.epoch, Cursor: cursor, Length: uint64(len(a.feed)), Floor: a.floor}
		if got, _ := s.Attach(d.id); got != want {
			return fmt.Errorf("attach:\n got %+v\nwant %+v", got, want)
		}
	}
	return nil
}

// differsRows compares messages and feeds as they are stored.
func (w *twin) differsRows(rows store) error {
	messages, events := 0, 0
	for _, c := range w.convs {
		for _, m := range c.messages {
			messages++
			if got := rows[storeKey(MessageRow(m))]; !reflect.DeepEqual(got, MessageRow(m)) {
				return fmt.Errorf("message: got %v, want %v", got, m)
			}
		}
	}
	for _, a := range w.accounts {
		if a.gone {
			continue
		}
		for _, e := range a.feed[a.floor:] {
			events++
			if got := rows[storeKey(EventRow(e))]; !reflect.DeepEqual(got, EventRow(e)) {
				return fmt.Errorf("event: got %v, want %v", got, e)
			}
		}
	}
	if m, e := len(rows.rows(messageTable)), len(rows.rows(feedTable)); m != messages || e != events {
		return fmt.Errorf("%d messages and %d events stored, want %d and %d", m, e, messages, events)
	}
	return nil
}
