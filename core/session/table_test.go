package session

import (
	"bytes"
	"fmt"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"parley/core/row"
)

var (
	alice, bob           = DeviceID{0xa}, DeviceID{0xb}
	aliceToken, bobToken = Token{0xa1}, Token{0xb1}
)

// ran does what Apply does with a command that Begin lets pass.
func ran(t *Table, r Request, result string, pos uint64) Verdict {
	v := t.Begin(r, false)
	if v.Decision == Execute {
		t.Record(r, []byte(result), pos)
	}
	return v
}

// opened is a table in which alice's device has been let in.
func opened() *Table {
	t := NewTable()
	t.Open(Request{Device: alice, DSeq: 1, Fingerprint: 100}, aliceToken, []byte("hi"), 7)
	return t
}

func request(dseq, through uint64) Request {
	return Request{Device: alice, DSeq: dseq, Through: through, Fingerprint: 100 + dseq}
}

func wantVerdict(t *testing.T, got, want Verdict) {
	t.Helper()
	if fmt.Sprintf("%+v", got) != fmt.Sprintf("%+v", want) {
		t.Errorf("got %+v\nwant %+v", got, want)
	}
}

// Step 1: from an unknown device only a Signup or Login under number 1 goes on.
func TestUnknownDevice(t *testing.T) {
	tab := NewTable()
	wantVerdict(t, tab.Begin(request(1, 0), true), Verdict{Decision: FirstContact})
	wantVerdict(t, tab.Begin(request(1, 0), false), Verdict{Code: NoSession})
	wantVerdict(t, tab.Begin(request(2, 0), true), Verdict{Code: NoSession})
	wantVerdict(t, tab.Begin(request(0, 0), true), Verdict{Code: NoSession})
	if _, ok := tab.Recorded(request(1, 0)); ok {
		t.Error("the door knows a number of an unknown device")
	}
}

// Step 2: a number that was used gets its recorded result and position; under another command's
// fingerprint that, and E_SEQ_REUSED; and E_WINDOW when the device had confirmed it.
func TestUsedNumber(t *testing.T) {
	tab := opened()
	ran(tab, request(2, 1), "two", 8)
	same, other := request(2, 1), request(2, 1)
	other.Fingerprint = 5
	wantVerdict(t, tab.Begin(same, false), Verdict{Decision: Replay, Result: []byte("two"), Pos: 8})
	wantVerdict(t, tab.Begin(other, true), Verdict{Decision: Replay, Code: SeqReused, Result: []byte("two"), Pos: 8})
	wantVerdict(t, tab.Begin(request(1, 0), true), Verdict{Code: Window})
	wantVerdict(t, tab.Begin(request(0, 0), false), Verdict{Code: Window})
}

// Step 2 before step 3: a closed device still learns what it was answered, and nothing else goes on.
func TestClosedDevice(t *testing.T) {
	tab := opened()
	ran(tab, request(2, 1), "bye", 8)
	tab.Close(alice, 50)
	wantVerdict(t, tab.Begin(request(2, 1), false), Verdict{Decision: Replay, Result: []byte("bye"), Pos: 8})
	wantVerdict(t, tab.Begin(request(3, 2), false), Verdict{Code: NoSession})
	wantVerdict(t, tab.Begin(request(3, 2), true), Verdict{Code: NoSession})
	wantVerdict(t, tab.Begin(request(9, 2), false), Verdict{Code: NoSession})
}

// A command that closes its own device is recorded all the same, in either order.
func TestClosedByItsOwnCommand(t *testing.T) {
	before, after := opened(), opened()
	before.Record(request(2, 1), []byte("out"), 8)
	before.Close(alice, 50)
	after.Close(alice, 50)
	after.Record(request(2, 1), []byte("out"), 8)
	if before.Hash() != after.Hash() {
		t.Error("the order of Record and Close matters")
	}
	wantVerdict(t, after.Begin(request(2, 1), false), Verdict{Decision: Replay, Result: []byte("out"), Pos: 8})
}

// Step 4: a number may not be skipped, and may not run more than 64 ahead of what is confirmed.
func TestGapAndWindow(t *testing.T) {
	tab := opened()
	wantVerdict(t, tab.Begin(request(3, 1), false), Verdict{Code: SeqGap, Expected: 2})
	wantVerdict(t, tab.Begin(request(1000, 1), false), Verdict{Code: SeqGap, Expected: 2})
	for d := uint64(2); d <= MaxAhead; d++ {
		wantVerdict(t, ran(tab, request(d, 0), "", 10+d), Verdict{Decision: Execute})
	}
	wantVerdict(t, tab.Begin(request(MaxAhead+1, 0), false), Verdict{Code: Window})
	wantVerdict(t, ran(tab, request(MaxAhead+1, 1), "", 99), Verdict{Decision: Execute})
	wantVerdict(t, tab.Begin(request(1, 0), false), Verdict{Code: Window})
	if err := tab.Check(); err != nil {
		t.Error(err)
	}
}

// Steps 1, 3 and 4 change nothing, nor does a repetition.
func TestRefusalsChangeNothing(t *testing.T) {
	tab := opened()
	tab.Flush(nil)
	before := tab.Hash()
	tab.Begin(request(1, 0), true)
	tab.Begin(request(5, 4), false)
	tab.Begin(Request{Device: bob, DSeq: 1}, false)
	tab.Begin(Request{Device: bob, DSeq: 1}, true)
	tab.Close(bob, 5)
	if eff := tab.Flush(nil); len(eff) > 0 || tab.Hash() != before {
		t.Errorf("something changed: %v", eff)
	}
}

// Step 7 forgets what the device has confirmed. It cannot confirm the answer to what it is asking,
// nor take a confirmation back.
func TestThroughIsCutToSize(t *testing.T) {
	tab := opened()
	ran(tab, request(2, 1000), "two", 8)
	wantVerdict(t, tab.Begin(request(2, 1000), false), Verdict{Decision: Replay, Result: []byte("two"), Pos: 8})
	ran(tab, request(3, 2), "three", 9)
	ran(tab, request(4, 0), "four", 10)
	wantVerdict(t, tab.Begin(request(2, 0), false), Verdict{Code: Window})
	wantVerdict(t, tab.Begin(request(3, 0), false), Verdict{Decision: Replay, Result: []byte("three"), Pos: 9})
}

// A refused first contact leaves a tombstone that gives the same answer again, and is no device.
func TestRefusedFirstContact(t *testing.T) {
	tab := NewTable()
	r := Request{Device: bob, DSeq: 1, Fingerprint: 3}
	tab.Refused(r, bobToken, []byte("taken"), 20, 1000)
	wantVerdict(t, tab.Begin(r, true), Verdict{Decision: Replay, Result: []byte("taken"), Pos: 20})
	r.DSeq = 2
	wantVerdict(t, tab.Begin(r, true), Verdict{Code: NoSession})
	if got := tab.Authenticate(bob, bobToken); got != Tombstoned {
		t.Errorf("standing %d", got)
	}
}

// Who a device and a token make.
func TestAuthenticate(t *testing.T) {
	tab := opened()
	for _, c := range []struct {
		dev   DeviceID
		token Token
		want  Standing
	}{{bob, bobToken, Stranger}, {alice, bobToken, Impostor}, {alice, aliceToken, Known}} {
		if got := tab.Authenticate(c.dev, c.token); got != c.want {
			t.Errorf("%x: %d, want %d", c.dev[:1], got, c.want)
		}
	}
	tab.Close(alice, 1)
	if got := tab.Authenticate(alice, aliceToken); got != Tombstoned {
		t.Errorf("closed: %d", got)
	}
	if got := tab.Authenticate(alice, bobToken); got != Impostor {
		t.Errorf("closed, wrong token: %d", got)
	}
}

// A tombstone stays for seven days of cluster time to the nanosecond, and then leaves no trace.
func TestPurge(t *testing.T) {
	tab := opened()
	tab.Refused(Request{Device: bob, DSeq: 1}, bobToken, nil, 20, 10)
	tab.Close(alice, 30)
	tab.Flush(nil)
	tab.Purge(10 + TombstoneNs)
	if _, ok := tab.Last(bob); !ok {
		t.Fatal("dropped too early")
	}
	tab.Purge(10 + TombstoneNs + 1)
	if _, ok := tab.Last(bob); ok {
		t.Fatal("still there")
	}
	if closed, refused := tab.Room(); closed != MaxClosed-1 || refused != MaxRefused {
		t.Errorf("room for %d and %d", closed, refused)
	}
	tab.Purge(31 + TombstoneNs)
	eff := tab.Flush(nil)
	if len(eff) != 2 || eff[0].Op != row.Delete || eff[0].Row.Values[0].Str != string(alice[:]) {
		t.Errorf("effects %v", eff)
	}
	if tab.Hash() != NewTable().Hash() {
		t.Error("something is left")
	}
}

// Flush gives each changed row once, by device, whatever happened in between.
func TestFlushOrder(t *testing.T) {
	tab := NewTable()
	for i := byte(200); i > 0; i -= 7 {
		r := Request{Device: DeviceID{i}, DSeq: 1}
		tab.Open(r, Token{}, []byte{i}, uint64(i))
		r.DSeq = 2
		tab.Record(r, nil, uint64(i)+1)
		if i < 7 {
			break
		}
	}
	eff := tab.Flush(nil)
	if !slices.IsSortedFunc(eff, func(a, b row.Effect) int {
		return row.CompareKeys(sessionTable, a.Row.Key(), b.Row.Key())
	}) {
		t.Error("not in order")
	}
	if len(eff) != tab.Len() || len(tab.Flush(nil)) != 0 {
		t.Errorf("%d effects for %d sessions", len(eff), tab.Len())
	}
}

// Results that were handed out, and clones, do not change when the table goes on.
func TestNothingIsShared(t *testing.T) {
	tab := opened()
	ran(tab, request(2, 0), "two", 8)
	v := tab.Begin(request(2, 0), false)
	c := tab.Clone()
	before := c.Hash()
	ran(tab, request(3, 2), "three", 9)
	tab.Close(alice, 3)
	if string(v.Result) != "two" || c.Hash() != before || c.Check() != nil {
		t.Errorf("changed from behind: %q", v.Result)
	}
	v.Result[0] = 'X'
	if w := c.Begin(request(2, 0), false); string(w.Result) != "two" {
		t.Errorf("changed through a result: %q", w.Result)
	}
	ran(c, request(3, 2), "drei", 9)
	if c.Hash() == tab.Hash() {
		t.Error("different tables, equal hashes")
	}
}

// Calls that Apply must never make.
func TestInvariants(t *testing.T) {
	for _, c := range []struct {
		name string
		f    func(*Table)
	}{
		{"opened twice", func(t *Table) { t.Open(request(1, 0), aliceToken, nil, 9) }},
		{"opened under 2", func(t *Table) { t.Open(Request{Device: bob, DSeq: 2}, bobToken, nil, 9) }},
		{"recorded a gap", func(t *Table) { t.Record(request(3, 0), nil, 9) }},
		{"recorded again", func(t *Table) { t.Record(request(1, 0), nil, 9) }},
		{"recorded stranger", func(t *Table) { t.Record(Request{Device: bob, DSeq: 1}, nil, 9) }},
		{"beyond the window", func(t *Table) {
			for d := uint64(2); d <= MaxAhead+1; d++ {
				t.Record(request(d, 0), nil, 9+d)
			}
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			defer func() {
				if recover() == nil {
					t.Error("nothing noticed")
				}
			}()
			c.f(opened())
		})
	}
}

// Check finds planted damage.
func TestCheckTable(t *testing.T) {
	damage := []struct {
		name  string
		plant func(*Table, *session)
	}{
		{"state", func(_ *Table, s *session) { s.state = 9 }},
		{"ended", func(_ *Table, s *session) { s.ended = 3 }},
		{"last", func(_ *Table, s *session) { s.last++ }},
		{"through", func(_ *Table, s *session) { s.through = s.last }},
		{"record lost", func(_ *Table, s *session) { s.records = forget(s.records, 1) }},
		{"record cut", func(_ *Table, s *session) { s.records = s.records[:len(s.records)-1] }},
		{"record order", func(_ *Table, s *session) { s.records = swapped(s.records) }},
		{"slot", func(t *Table, s *session) { t.slots[s.device]++ }},
		{"not listed", func(t *Table, s *session) { delete(t.slots, s.device) }},
		{"free", func(t *Table, _ *session) { t.free = append(t.free, 0) }},
		{"grave missing", func(t *Table, _ *session) { t.closed = nil }},
		{"grave wrong", func(t *Table, _ *session) { t.closed[0].ended++ }},
		{"closed twice", func(t *Table, s *session) { s.state, s.ended = closed, 0 }},
		{"grave order", func(t *Table, _ *session) { t.refused[0], t.refused[1] = t.refused[1], t.refused[0] }},
	}
	for _, d := range damage {
		tab := opened()
		ran(tab, request(2, 0), "two", 8)
		tab.Open(Request{Device: bob, DSeq: 1}, bobToken, nil, 9)
		tab.Close(bob, 5)
		tab.Refused(Request{Device: DeviceID{1}, DSeq: 1}, bobToken, nil, 10, 6)
		tab.Refused(Request{Device: DeviceID{2}, DSeq: 1}, bobToken, nil, 11, 7)
		if err := tab.Check(); err != nil {
			t.Fatalf("before: %v", err)
		}
		d.plant(tab, tab.find(alice))
		if tab.Check() == nil {
			t.Errorf("%s: not noticed", d.name)
		}
	}
}

func swapped(records string) string {
	_, _, end, _ := span(records)
	return records[end:] + records[:end]
}

// Rows that no table would have made are refused, and leave nothing behind.
func TestLoadRefuses(t *testing.T) {
	good := opened().Flush(nil)[0].Row
	for _, c := range []struct {
		name  string
		plant func(v []row.Value) []row.Value
	}{
		{"columns", func(v []row.Value) []row.Value { return v[:6] }},
		{"device", func(v []row.Value) []row.Value { v[0].Str = "short"; return v }},
		{"token", func(v []row.Value) []row.Value { v[1].Str += "x"; return v }},
		{"state", func(v []row.Value) []row.Value { v[2].Int = 0; return v }},
		{"big", func(v []row.Value) []row.Value { v[2].Int = 257; return v }},
		{"ended", func(v []row.Value) []row.Value { v[3].Int = 1; return v }},
		{"last", func(v []row.Value) []row.Value { v[4].Int = -1; return v }},
		{"through", func(v []row.Value) []row.Value { v[5].Int = -1; return v }},
		{"version", func(v []row.Value) []row.Value { v[6].Str = "\x02" + v[6].Str[1:]; return v }},
		{"trailing", func(v []row.Value) []row.Value { v[6].Str += "x"; return v }},
		{"empty", func(v []row.Value) []row.Value { v[6].Str = ""; return v }},
	} {
		bad := row.Row{Table: good.Table, Values: c.plant(slices.Clone(good.Values))}
		tab := opened()
		if err := tab.Load([]row.Row{bad}); err == nil {
			t.Errorf("%s: taken", c.name)
		}
		if tab.Hash() != NewTable().Hash() {
			t.Errorf("%s: something is left", c.name)
		}
	}
	if err := NewTable().Load([]row.Row{good, good}); err == nil {
		t.Error("the same device twice: taken")
	}
}

// twin is the table as one would write it without a care: every answer is kept for ever.
type twin struct {
	devices []*twinDevice
	rows    map[DeviceID]row.Row // what Flush has made of the rows so far
}

type twinDevice struct {
	id            DeviceID
	closed        bool
	ended         int64
	last, through uint64
	answers       []record // by number, from 1
}

func (w *twin) find(id DeviceID) *twinDevice {
	for _, d := range w.devices {
		if d.id == id {
			return d
		}
	}
	return nil
}

func (w *twin) begin(r Request, first bool) Verdict {
	d := w.find(r.Device)
	if d == nil {
		if first && r.DSeq == 1 {
			return Verdict{Decision: FirstContact}
		}
		return Verdict{Code: NoSession}
	}
	if r.DSeq <= d.last {
		if r.DSeq <= d.through {
			return Verdict{Code: Window}
		}
		a := d.answers[r.DSeq-1]
		v := Verdict{Decision: Replay, Result: a.result, Pos: a.pos}
		if a.fingerprint != r.Fingerprint {
			v.Code = SeqReused
		}
		return v
	}
	through := max(d.through, min(r.Through, r.DSeq-1))
	switch {
	case d.closed:
		return Verdict{Code: NoSession}
	case r.DSeq != d.last+1:
		return Verdict{Code: SeqGap, Expected: d.last + 1}
	case r.DSeq-through > MaxAhead:
		return Verdict{Code: Window}
	}
	return Verdict{Decision: Execute}
}

// The table answers as its naive twin does, whatever comes, and whenever it is saved, loaded or
// cloned on the way.
func TestTableAgainstTwin(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		tab, w := NewTable(), &twin{rows: map[DeviceID]row.Row{}}
		clock, pos := int64(0), uint64(0)
		device := rapid.Custom(func(t *rapid.T) DeviceID { return DeviceID{byte(rapid.IntRange(1, 4).Draw(t, "device"))} })
		t.Repeat(map[string]func(*rapid.T){
			"command": func(t *rapid.T) { pos++; w.command(t, tab, device.Draw(t, "from"), pos, clock) },
			"burst": func(t *rapid.T) {
				dev := device.Draw(t, "from")
				for range rapid.IntRange(1, 80).Draw(t, "length") {
					pos++
					last, _ := tab.Last(dev)
					w.one(t, tab, Request{Device: dev, DSeq: last + 1, Through: last - min(last, 40)}, pos, clock, true)
				}
			},
			"close": func(t *rapid.T) {
				dev := device.Draw(t, "device")
				tab.Close(dev, clock)
				if d := w.find(dev); d != nil && !d.closed {
					d.closed, d.ended = true, clock
				}
			},
			"time": func(t *rapid.T) {
				passed := rapid.OneOf(rapid.Just(int64(TombstoneNs)), rapid.Just(int64(1)), rapid.Int64Range(0, TombstoneNs))
				clock += passed.Draw(t, "passed")
				tab.Purge(clock)
				w.devices = slices.DeleteFunc(w.devices, func(d *twinDevice) bool {
					return d.closed && clock-d.ended > TombstoneNs
				})
			},
			"reload": func(t *rapid.T) { tab = w.reload(t, tab) },
			"clone":  func(t *rapid.T) { tab = tab.Clone() },
			"":       func(t *rapid.T) { w.agree(t, tab) },
		})
	})
}

func (w *twin) command(t *rapid.T, tab *Table, dev DeviceID, pos uint64, clock int64) {
	last, _ := tab.Last(dev)
	near := rapid.Uint64Range(last-min(last, 5), last+3)
	w.one(t, tab, Request{
		Device: dev, DSeq: rapid.OneOf(rapid.Just(last+1), near, rapid.Uint64Range(0, 100)).Draw(t, "dseq"),
		Through:     rapid.OneOf(near, rapid.Uint64()).Draw(t, "through"),
		Fingerprint: rapid.Uint64Range(0, 1).Draw(t, "fingerprint"),
	}, pos, clock, rapid.Bool().Draw(t, "first"))
}

func (w *twin) one(t *rapid.T, tab *Table, r Request, pos uint64, clock int64, first bool) {
	want, got := w.begin(r, first), tab.Begin(r, first)
	if fmt.Sprintf("%+v", got) != fmt.Sprintf("%+v", want) {
		t.Fatalf("%+v: got %+v, want %+v", r, got, want)
	}
	if v, ok := tab.Recorded(r); ok != (got.Decision == Replay || got.Code == Window && w.find(r.Device).last >= r.DSeq) ||
		ok && fmt.Sprint(v) != fmt.Sprint(got) {
		t.Fatalf("%+v: the door says %+v, %v", r, v, ok)
	}
	answer := record{r.Fingerprint, pos, bytes.Repeat([]byte{byte(pos)}, int(pos%300))}
	switch got.Decision {
	case Execute:
		d := w.find(r.Device)
		d.last, d.through = r.DSeq, max(d.through, min(r.Through, r.DSeq-1))
		d.answers = append(d.answers, answer)
		tab.Record(r, answer.result, pos)
	case FirstContact:
		d := &twinDevice{id: r.Device, last: 1, answers: []record{answer}}
		w.devices = append(w.devices, d)
		if rapid.Bool().Draw(t, "succeeds") {
			tab.Open(r, Token{r.Device[0]}, answer.result, pos)
			return
		}
		d.closed, d.ended = true, clock
		tab.Refused(r, Token{r.Device[0]}, answer.result, pos, clock)
	}
}

// reload carries the table through its rows.
func (w *twin) reload(t *rapid.T, tab *Table) *Table {
	for _, e := range tab.Flush(nil) {
		dev := DeviceID([]byte(e.Row.Values[0].Str))
		if e.Op == row.Delete {
			delete(w.rows, dev)
			continue
		}
		back, rest, err := row.Decode(sessionTable, e.Row.Append(nil))
		if err != nil || len(rest) > 0 {
			t.Fatalf("row: %v", err)
		}
		w.rows[dev] = back
	}
	var rows []row.Row
	for _, r := range w.rows {
		rows = append(rows, r)
	}
	slices.SortFunc(rows, func(a, b row.Row) int { return row.CompareKeys(sessionTable, a.Key(), b.Key()) })
	fresh := NewTable()
	if err := fresh.Load(rows); err != nil {
		t.Fatal(err)
	}
	if fresh.Hash() != tab.Hash() {
		t.Fatalf("loaded another table: %d sessions, had %d", len(fresh.slots), len(tab.slots))
	}
	return fresh
}

func (w *twin) agree(t *rapid.T, tab *Table) {
	if err := tab.Check(); err != nil {
		t.Fatal(err)
	}
	open := 0
	for _, d := range w.devices {
		want := Known
		if d.closed {
			want = Tombstoned
		} else {
			open++
		}
		if got := tab.Authenticate(d.id, Token{d.id[0]}); got != want {
			t.Fatalf("device %x: standing %d, want %d", d.id[:1], got, want)
		}
		if last, ok := tab.Last(d.id); !ok || last != d.last {
			t.Fatalf("device %x: last %d, want %d", d.id[:1], last, d.last)
		}
	}
	if tab.Len() != open || len(tab.slots) != len(w.devices) {
		t.Fatalf("%d open of %d, want %d of %d", tab.Len(), len(tab.slots), open, len(w.devices))
	}
}
