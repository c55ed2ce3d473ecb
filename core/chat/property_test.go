package chat

import (
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// pair is a state and its twin, fed with the same entries.
type pair struct {
	*world
	twin *twin
	// ids of devices that were closed: the session table would not let them in again.
	closedIDs map[DeviceID]bool
}

// Random commands do to the state what they do to a twin written from the page, and neither
// snapshots, restarts nor clones in between make a difference.
func TestAgreesWithTwin(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := newWorld(t, func(s *Settings) {
			s.MultiLogin = rapid.Bool().Draw(t, "multi")
			s.OpenAuth = rapid.Bool().Draw(t, "open")
			s.MaxQueue = rapid.SampledFrom([]int{1, 2, 3, 1000}).Draw(t, "queue")
			s.MaxDevices = rapid.IntRange(1, 3).Draw(t, "devices")
			s.MaxBody = 5
		})
		w.every = rapid.Uint64Range(1, 9).Draw(t, "entries between flushes")
		p := &pair{w, &twin{set: w.s.Settings()}, map[DeviceID]bool{}}
		t.Repeat(map[string]func(*rapid.T){
			"first": p.first, "command": p.command, "send": p.say, "burst": p.burst, "heard": p.report,
			"expire": p.expire, "idle": p.idle, "wait": p.wait, "reload": p.restart, "": p.compare,
		})
	})
}

var (
	names  = []string{"ada", "Ada", "bob", "BOB", "eve", "parley", "x y", ""}
	people = []string{"ada", "bob", "eve"}
)

func (p *pair) device(t *rapid.T) DeviceID {
	id := dev(rapid.StringMatching("[a-h]").Draw(t, "device"))
	for p.closedIDs[id] {
		id[15]++
	}
	return id
}

func (p *pair) both(t *rapid.T, id DeviceID, cmd Command, ev Evidence) {
	p.t = t
	var want Outcome
	p.next()
	p.s.Apply(p.at, id, cmd, ev, &p.out)
	p.twin.apply(p.at, id, cmd, ev, &want)
	p.after(t, &want)
}

func (p *pair) inside(t *rapid.T, cmd Command) {
	p.t = t
	var want Outcome
	p.next()
	p.s.ApplyInternal(p.at, cmd, &p.out)
	p.twin.internal(p.at, cmd, &want)
	p.after(t, &want)
}

func (p *pair) after(t *rapid.T, want *Outcome) {
	if err := p.twin.differs(&p.out, want); err != nil {
		t.Fatal(err)
	}
	for _, id := range want.Closed {
		p.closedIDs[id] = true
	}
	p.settled()
}

func (p *pair) first(t *rapid.T) {
	name := rapid.SampledFrom(names).Draw(t, "name")
	id := p.device(t)
	if rapid.Bool().Draw(t, "signup") {
		cmd := Signup{Name: name, Label: "s"}
		p.both(t, id, cmd, p.evidence(id, cmd))
		return
	}
	cmd := Login{Name: name, Label: label(id)[:1], Takeover: rapid.Bool().Draw(t, "takeover")}
	p.both(t, id, cmd, p.draw(t, id, cmd))
}

// draw gives evidence that is out of date now and then.
func (p *pair) draw(t *rapid.T, id DeviceID, cmd Command) Evidence {
	ev := p.evidence(id, cmd)
	if rapid.IntRange(0, 9).Draw(t, "stale") == 0 {
		ev.Version += 3
	}
	return ev
}

func (p *pair) command(t *rapid.T) {
	id := p.device(t)
	cmd := rapid.SampledFrom([]Command{
		Void{}, Void{}, Logout{}, Passwd{}, Passwd{CloseOthers: true}, DeleteAccount{},
	}).Draw(t, "command")
	p.both(t, id, cmd, p.draw(t, id, cmd))
}

func (p *pair) say(t *rapid.T) {
	cmd := Send{
		To:      rapid.SampledFrom(names).Draw(t, "to"),
		Body:    rapid.SampledFrom([]string{"a", "bc", "é", "abcde", "", "toolong", "\x00", "\xff"}).Draw(t, "body"),
		ReplyTo: rapid.Uint64Range(0, 3).Draw(t, "reply"),
	}
	if len(p.twin.accounts) > 0 && rapid.IntRange(0, 3).Draw(t, "names uid") == 0 {
		cmd.ToUID = rapid.SampledFrom(p.twin.accounts).Draw(t, "uid").uid
	}
	p.both(t, p.device(t), cmd, Evidence{})
}

// burst is what fills blocks of feed rows.
func (p *pair) burst(t *rapid.T) {
	if p.s.Settings().MaxQueue < 100 || rapid.IntRange(0, 3).Draw(t, "now") != 0 {
		t.Skip("an action that this state does not offer: small queues")
	}
	id, to := p.device(t), rapid.SampledFrom(people).Draw(t, "to")
	for range 150 {
		p.both(t, id, Send{To: to, Body: "x"}, Evidence{})
	}
}

func (p *pair) report(t *rapid.T) {
	var cmd Heard
	for range rapid.IntRange(1, 3).Draw(t, "items") {
		id := p.device(t)
		_, epoch, _ := p.s.DeviceState(id)
		item := HeardItem{Device: id, Epoch: epoch, Cursor: p.s.Whoami(id).Cursor}
		item.Cursor += rapid.SampledFrom([]uint64{0, 1, 2, 5, 200, 1 << 63}).Draw(t, "cursor")
		if rapid.IntRange(0, 5).Draw(t, "old") == 0 {
			item.Epoch--
		}
		for range rapid.IntRange(0, 2).Draw(t, "marks") {
			if len(p.twin.convs) > 0 {
				c := rapid.SampledFrom(p.twin.convs).Draw(t, "conversation")
				item.Marks = append(item.Marks, Mark{c.id, rapid.Uint64Range(0, 6).Draw(t, "seq")})
			}
		}
		cmd.Items = append(cmd.Items, item)
	}
	p.inside(t, cmd)
}

func (p *pair) expire(t *rapid.T) {
	id := p.device(t)
	_, epoch, _ := p.s.DeviceState(id)
	p.inside(t, Expire{Leases: append(p.s.Lapsed(p.at.Time), Lapse{id, epoch})})
}

func (p *pair) idle(t *rapid.T) {
	p.inside(t, CloseIdle{Devices: append(p.s.Idle(p.at.Time), p.device(t))})
}

// wait leaves the hour alone in which the last use of a device is not known exactly.
func (p *pair) wait(t *rapid.T) {
	p.at.Time += rapid.SampledFrom([]int64{second, 10 * second, 29 * second, 60 * second}).Draw(t, "time")
	if rapid.IntRange(0, 20).Draw(t, "long") == 0 {
		p.at.Time += IdleNs + seenNs
	}
}

// restart goes on from what the store holds, or with a clone.
func (p *pair) restart(t *rapid.T) {
	p.t = t
	if rapid.Bool().Draw(t, "clone") {
		old := p.s
		p.s = old.Clone()
		if p.s.Hash() != old.Hash() {
			t.Fatalf("a clone has another hash")
		}
		return
	}
	p.s = p.reload()
}

func (p *pair) compare(t *rapid.T) {
	if err := p.twin.differsIn(p.s, p.store); err != nil {
		t.Fatal(err)
	}
}

// Two states fed with the same entries are equal, however often each of them was flushed.
func TestFlushesDoNotMatter(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a, b := lived(t), lived(t)
		b.every = 1 << 60
		for range rapid.IntRange(1, 20).Draw(t, "n") {
			from := rapid.SampledFrom([]DeviceID{dev("ada"), dev("bob"), dev("eve"), dev("phone")}).Draw(t, "device")
			cmd := rapid.SampledFrom([]Command{
				Void{}, Logout{}, Send{To: "bob", Body: "x"}, Login{Name: "ada", Takeover: true}, DeleteAccount{},
			}).Draw(t, "command")
			got, want := a.do(from, cmd), b.do(from, cmd)
			if got != want {
				t.Fatalf("got %+v, want %+v", got, want)
			}
			a.every = rapid.Uint64Range(1, 3).Draw(t, "entries between flushes")
		}
		if a.reload().Hash() != b.reload().Hash() {
			t.Fatalf("the stores differ")
		}
		if !slices.EqualFunc(a.store.hot(), b.store.hot(), sameRow) {
			t.Fatalf("the rows differ")
		}
	})
}
