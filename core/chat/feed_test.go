package chat

import (
	"fmt"
	"strings"
	"testing"

	"parley/core/row"
)

// A lease ends only by an entry: time alone refuses and frees nobody.
func TestLeaseEndsByEntry(t *testing.T) {
	w := newWorld(t)
	w.signup("ada")
	w.at.Time += 1000 * second
	w.refused(dev("phone"), Login{Name: "ada"}, LoggedInElsewhere)
	equal(t, "lapsed", fmt.Sprint(len(w.s.Lapsed(w.at.Time))), "1")
	w.internal(Expire{Leases: w.s.Lapsed(w.at.Time)})
	equal(t, "lapse", w.s.NextLapse(), Never)
	w.must(dev("phone"), Login{Name: "ada"})
	equal(t, "endings", w.endings(), "ada: taken over by ")
}

// A lease is good for 30 seconds, and an Expire at their end is not too early.
func TestExpireInTime(t *testing.T) {
	w := newWorld(t)
	w.signup("ada")
	expire := Expire{Leases: []Lapse{{dev("ada"), 1}}}
	w.at.Time += 28 * second
	w.internal(expire)
	equal(t, "after 29 seconds", w.s.NextLapse(), w.at.Time+second)
	w.internal(expire)
	equal(t, "after 30 seconds", w.s.NextLapse(), Never)
}

// Expire is re-checked: a lease that was renewed, or is another's by now, stays.
func TestExpireIsChecked(t *testing.T) {
	w := newWorld(t)
	w.signup("ada")
	w.at.Time += 30 * second
	lapsed := w.s.Lapsed(w.at.Time)
	w.must(dev("ada"), Void{})
	w.internal(Expire{Leases: lapsed})
	equal(t, "renewed", w.s.NextLapse(), w.at.Time+29*second)
	w.login(dev("phone"), "ada")
	w.login(dev("ada"), "ada")
	w.at.Time += 40 * second
	w.internal(Expire{Leases: lapsed})
	equal(t, "of an older epoch", len(w.s.Lapsed(w.at.Time)), 1)
	w.internal(Expire{Leases: []Lapse{{dev("nobody"), 1}, {dev("phone"), 2}}})
	equal(t, "of others", len(w.s.Lapsed(w.at.Time)), 1)
}

// Every numbered command renews the lease or takes a free one, refused ones too, but for a refused
// Login.
func TestCommandsRenewLeases(t *testing.T) {
	w := newWorld(t)
	w.signup("ada", "bob")
	w.must(dev("bob"), Logout{})
	for _, cmd := range []Command{
		Void{}, Send{To: "bob", Body: "x"}, Send{To: "nobody", Body: "x"}, Passwd{}, Signup{Name: "x"},
		Login{Name: "ada"},
	} {
		w.do(dev("ada"), cmd)
		equal(t, fmt.Sprintf("%T", cmd), w.s.NextLapse(), w.at.Time+30*second)
		w.at.Time += 100 * second
		w.internal(Expire{Leases: w.s.Lapsed(w.at.Time)})
		equal(t, "free", w.s.NextLapse(), Never)
		w.do(dev("ada"), cmd)
		equal(t, fmt.Sprintf("%T takes", cmd), w.s.NextLapse(), w.at.Time+30*second)
	}
	was := w.s.NextLapse()
	w.do(dev("ada"), Login{Name: "bob"})
	equal(t, "refused login", w.s.NextLapse(), was)
}

// Heard renews the leases it names and never takes a free one.
func TestHeardRenews(t *testing.T) {
	w := newWorld(t)
	w.signup("ada")
	w.heard(dev("ada"), 0)
	equal(t, "renewed", w.s.NextLapse(), w.at.Time+30*second)
	w.at.Time += 100 * second
	w.internal(Expire{Leases: w.s.Lapsed(w.at.Time)})
	w.heard(dev("ada"), 0)
	equal(t, "not taken", w.s.NextLapse(), Never)
}

// NeedsHeard is true when something would move, or ten seconds after the lease was last renewed.
func TestNeedsHeard(t *testing.T) {
	w := newWorld(t)
	w.signup("ada", "bob")
	r := w.send("bob", "ada", "x")
	item := HeardItem{Device: dev("ada"), Epoch: 1}
	now := w.at.Time - second*2
	with := func(cursor uint64, marks ...Mark) HeardItem {
		return HeardItem{Device: dev("ada"), Epoch: 1, Cursor: cursor, Marks: marks}
	}
	equal(t, "fresh", w.s.NeedsHeard(item, now), false)
	equal(t, "nine seconds", w.s.NeedsHeard(item, now+9*second), false)
	equal(t, "ten seconds", w.s.NeedsHeard(item, now+10*second), true)
	equal(t, "cursor", w.s.NeedsHeard(with(1), now), true)
	equal(t, "mark", w.s.NeedsHeard(with(0, Mark{r.Conversation, 1}), now), true)
	w.heard(dev("ada"), 1, Mark{r.Conversation, 1})
	equal(t, "again", w.s.NeedsHeard(with(9, Mark{r.Conversation, 9}, Mark{1, 1}), w.at.Time), false)
	w.must(dev("ada"), Logout{})
	equal(t, "closed", w.s.NeedsHeard(with(9), w.at.Time+100*second), false)
}

// What devices claim is clamped, and cursors and marks never go back; a stale item does nothing.
func TestHeardIsClamped(t *testing.T) {
	w := newWorld(t)
	w.signup("ada", "bob", "eve")
	conv := w.send("bob", "ada", "one").Conversation
	w.send("bob", "ada", "two")
	ada := w.uid("ada")
	w.heard(dev("eve"), 0, Mark{conv, 1})
	equal(t, "no member", w.s.Delivered(w.uid("eve"), conv), 0)
	w.internal(Heard{Items: []HeardItem{
		{Device: dev("ada"), Epoch: 2, Cursor: 1}, {Device: dev("nobody"), Epoch: 1, Cursor: 1},
	}})
	equal(t, "stale", w.s.Cursor(ada), 0)
	w.heard(dev("ada"), 99, Mark{conv, 99}, Mark{conv, 1}, Mark{12345, 1})
	equal(t, "cursor", w.s.Cursor(ada), 2)
	equal(t, "mark", w.s.Delivered(ada, conv), 2)
	w.heard(dev("ada"), 1, Mark{conv, 1})
	equal(t, "cursor", w.s.Cursor(ada), 2)
	equal(t, "mark", w.s.Delivered(ada, conv), 2)
	equal(t, "bob's", w.s.Delivered(w.uid("bob"), conv), 0)
	w.login(dev("phone"), "ada")
	w.send("bob", "ada", "three")
	w.internal(Heard{Items: []HeardItem{{Device: dev("ada"), Epoch: 1, Cursor: 3}}})
	equal(t, "fenced", w.s.Cursor(ada), 2)
}

// Rows go in blocks of 256, once every device that is open and not fenced has acknowledged them.
func TestTrim(t *testing.T) {
	w := newWorld(t, multi)
	w.signup("ada", "bob")
	ada := w.uid("ada")
	w.login(dev("phone"), "ada")
	for i := range 600 {
		w.send("bob", "ada", fmt.Sprint(i))
	}
	floor := func() uint64 {
		a, _ := w.s.Attach(dev("phone"))
		return a.Floor
	}
	w.heard(dev("phone"), 255)
	w.heard(dev("ada"), 255)
	equal(t, "below a block", floor(), 0)
	w.heard(dev("phone"), 550)
	equal(t, "the other lags", floor(), 0)
	w.heard(dev("ada"), 256)
	equal(t, "one block", floor(), 256)
	first, _ := EventOf(w.store.rows(feedTable)[0])
	equal(t, "first row", [2]uint64{uint64(first.Account), first.N}, [2]uint64{uint64(ada), 257})
	w.must(dev("ada"), Logout{})
	equal(t, "the other is gone", floor(), 512)
	a, _ := w.s.Attach(dev("phone"))
	equal(t, "attachment", a, Attachment{UID: ada, Epoch: 1, Cursor: 550, Length: 600, Floor: 512})
}

// Under exclusive a fenced device holds back no rows.
func TestTrimIgnoresFenced(t *testing.T) {
	w := newWorld(t)
	w.signup("ada", "bob")
	w.login(dev("phone"), "ada")
	for i := range 300 {
		w.send("bob", "ada", fmt.Sprint(i))
	}
	w.heard(dev("phone"), 300)
	a, _ := w.s.Attach(dev("phone"))
	equal(t, "attachment", a, Attachment{UID: w.uid("ada"), Epoch: 2, Cursor: 300, Length: 300, Floor: 256})
}

// The own full queue does not silence the sender: what it says is deferred, and caught up on once
// there is space, one conversation for each place.
func TestDeferral(t *testing.T) {
	w := newWorld(t, queue(2))
	w.signup("ada", "bob", "eve")
	ada := w.uid("ada")
	bob := w.send("bob", "ada", "1").Conversation
	w.send("eve", "ada", "1")
	w.refused(dev("bob"), Send{To: "ada", Body: "x"}, QueueFull)
	w.send("ada", "eve", "2")
	equal(t, "events", len(w.out.Events), 1)
	w.heard(dev("eve"), 2)
	w.send("ada", "bob", "2")
	w.send("ada", "eve", "3")
	w.must(dev("ada"), Void{})
	equal(t, "feed", w.feed(ada), "1:message(bob 1) 2:message(eve 1)")
	w.heard(dev("bob"), 2)
	w.heard(dev("eve"), 3)

	w.heard(dev("ada"), 1)
	equal(t, "one place", w.feed(ada), "1:message(bob 1) 2:message(eve 1) 3:catch-up(bob 2)")
	equal(t, "event", w.out.Events[0], Event{
		Account: ada, N: 3, Kind: CatchUpEvent, Index: w.at.Index, Conversation: bob, From: 2, To: 2,
	})
	w.send("ada", "bob", "3")
	w.heard(dev("ada"), 3)
	equal(t, "two places", w.feed(ada),
		"1:message(bob 1) 2:message(eve 1) 3:catch-up(bob 2) 4:catch-up(bob 3) 5:catch-up(eve 2-3)")
	w.heard(dev("ada"), 5)
	w.send("ada", "bob", "4")
	equal(t, "as ever", w.event(w.out.Events[0]), "message(bob 4)")
}

// Devices idle for 90 days of cluster time are closed, not earlier, and only if they still are.
func TestCloseIdle(t *testing.T) {
	const day = 24 * 3600 * second
	w := newWorld(t)
	w.signup("ada", "bob")
	idle := func() string {
		var s string
		for _, d := range w.s.Idle(w.at.Time) {
			s += label(d) + " "
		}
		return s
	}
	w.at.Time += 89 * day
	w.must(dev("bob"), Void{})
	equal(t, "89 days", idle(), "")
	w.internal(CloseIdle{Devices: []DeviceID{dev("ada"), dev("nobody")}})
	equal(t, "closed", w.closed(), "")
	w.at.Time += day + 3600*second
	equal(t, "90 days", idle(), "ada ")
	w.internal(CloseIdle{Devices: []DeviceID{dev("ada"), dev("bob")}})
	equal(t, "closed", w.closed(), "ada")
	equal(t, "endings", w.endings(), "ada: device closed")
	equal(t, "then", idle(), "")
	w.at.Time += 90 * day
	equal(t, "bob", idle(), "bob ")
}

// Being attached is use, even without a lease.
func TestAttachedIsNotIdle(t *testing.T) {
	const day = 24 * 3600 * second
	w := newWorld(t)
	w.signup("ada")
	w.at.Time += 40 * second
	w.internal(Expire{Leases: w.s.Lapsed(w.at.Time)})
	for range 100 {
		w.at.Time += day
		equal(t, "needs heard", w.s.NeedsHeard(HeardItem{Device: dev("ada"), Epoch: 1}, w.at.Time), true)
		w.heard(dev("ada"), 0)
	}
	equal(t, "idle", len(w.s.Idle(w.at.Time)), 0)
}

// The last use of a device moves at most once an hour, so that its row stays quiet.
func TestSeenIsQuiet(t *testing.T) {
	w := newWorld(t)
	w.every = 1 << 60
	w.signup("ada")
	w.s.Flush(nil)
	writes := func() (n int) {
		for _, e := range w.s.Flush(nil) {
			if e.Row.Table == deviceTable {
				n++
			}
		}
		return n
	}
	for range 10 {
		w.must(dev("ada"), Void{})
		w.heard(dev("ada"), 0)
	}
	equal(t, "within the hour", writes(), 0)
	w.at.Time += 3600 * second
	w.must(dev("ada"), Void{})
	equal(t, "after it", writes(), 1)
}

// Many changes to one row cost one write, and the order of the effects is that of tables and keys.
func TestFlush(t *testing.T) {
	w := newWorld(t)
	w.every = 1 << 60
	w.signup("bob", "ada")
	w.login(dev("phone"), "ada")
	for range 5 {
		w.must(dev("phone"), Send{To: "bob", Body: "x"})
	}
	w.must(dev("ada"), Logout{})
	w.send("bob", "bob", "x")
	equal(t, "effects", effects(w.s.Flush(nil)), "put account 11, put account 12, put mailbox 11, put mailbox 12, "+
		"delete device ada, put device bob, put device phone, put conversation 14, put conversation 20")
	w.send("bob", "bob", "x")
	w.must(dev("phone"), Send{To: "bob", Body: "x"})
	equal(t, "in order", effects(w.s.Flush(nil)),
		"put mailbox 11, put mailbox 12, put conversation 14, put conversation 20")
	equal(t, "then", len(w.s.Flush([]row.Effect{})), 0)
}

func effects(list []row.Effect) string {
	var words []string
	for _, e := range list {
		key := fmt.Sprint(e.Row.Values[0].Int)
		if e.Row.Table == deviceTable {
			key = label(DeviceID([]byte(e.Row.Values[0].Str)))
		}
		words = append(words, fmt.Sprintf("%s %s %s", [...]string{"put", "insert", "delete"}[e.Op], e.Row.Table.Name, key))
	}
	return strings.Join(words, ", ")
}
