package sim

import (
	"parley/core/chat"
	"parley/core/replica"
	"parley/core/row"
	"parley/core/session"
)

// The checker "feed": what a device is shown is its account's feed from where it began, event by event,
// nothing left out, doubled or moved, and nothing that is not committed. An event of one number is the
// same for whoever sees it, pushed or stored.

type feedCheck struct {
	table   *row.Table
	events  map[place]happened
	cursors map[session.DeviceID]uint64 // what each device has been shown
}

func newFeedCheck() feedCheck {
	return feedCheck{table: tableCalled("feed"), events: map[place]happened{}, cursors: map[session.DeviceID]uint64{}}
}

// place is a number in the feed of an account.
type place struct {
	account chat.UID
	n       uint64
}

type happened struct {
	kind         chat.EventKind
	index        uint64
	conversation chat.ConversationID
	from, to     uint64
}

// fed looks at a row of a feed that a replica is about to store.
func (k *checks) fed(s *server, r row.Row) {
	v := r.Values
	k.happens("n%d stores", uint64(s.id), place{chat.UID(v[0].Int), uint64(v[1].Int)}, happened{chat.EventKind(v[2].Int),
		uint64(v[3].Int), chat.ConversationID(v[4].Int), uint64(v[5].Int), uint64(v[6].Int)})
}

func (k *checks) happens(who string, id uint64, at place, what happened) {
	k.looked(ofFeed)
	if first, ok := k.feed.events[at]; ok && first != what {
		k.fail(ofFeed, who+" event %d of account %d as %+v, before it was %+v", id, at.n, at.account, what, first)
		return
	}
	if what.index == 0 || what.index > uint64(len(k.ghost)) {
		k.fail(ofFeed, who+" event %d of account %d, made by entry %d, but only %d are committed", id, at.n, at.account, what.index, len(k.ghost))
	}
	k.feed.events[at] = what
}

// begins notes from where on a device is shown its feed.
func (k *checks) begins(dev session.DeviceID, after uint64) {
	if was, ok := k.feed.cursors[dev]; ok && was != after {
		k.fail(ofFeed, "device %s was shown its feed up to %d and goes on after %d", device(dev), was, after)
	}
	k.feed.cursors[dev] = after
}

// delivered looks at an event as it reaches a device.
func (k *checks) delivered(dev session.DeviceID, p *replica.Push) {
	e := &p.Event
	if was := k.feed.cursors[dev]; e.N != was+1 {
		k.fail(ofFeed, "device %s is shown event %d after event %d", device(dev), e.N, was)
	}
	k.feed.cursors[dev] = e.N
	k.shows(dev, p)
}

// shows looks at an event that a device is shown, whether it wanted it or not.
func (k *checks) shows(dev session.DeviceID, p *replica.Push) {
	e := &p.Event
	k.happens("stream %d shows", uint64(p.Conn), place{e.Account, e.N}, happened{e.Kind, e.Index, e.Conversation, e.From, e.To})
	if before, ok := k.feed.events[place{e.Account, e.N - 1}]; ok && before.index > e.Index {
		k.fail(ofFeed, "device %s is shown event %d of entry %d after one of entry %d", device(dev), e.N, e.Index, before.index)
	}
	if p.Message == nil || k.w.failure != nil {
		return
	}
	req, _ := k.request(raftIndex(e.Index))
	if send, ok := req.Command.(chat.Send); !ok || send.Body != p.Message.Body {
		k.fail(ofFeed, "device %s is shown %q as event %d, but entry %d is %T %q", device(dev), p.Message.Body, e.N, e.Index, req.Command, send.Body)
	}
}
