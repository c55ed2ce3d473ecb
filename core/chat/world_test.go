package chat

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"parley/core/row"
)

// world is a state with a log in front of it and a store behind it, for tests. Every entry goes
// through the door that replicas use, and every entry is followed by Check.
type world struct {
	t     failer
	s     *State
	at    Stamp
	out   Outcome
	store store
	hot   row.Digest // of the hot rows in the store
	every uint64     // entries between flushes
}

// failer is what *testing.T and *rapid.T have in common.
type failer interface {
	Helper()
	Fatalf(format string, args ...any)
}

func newWorld(t failer, change ...func(*Settings)) *world {
	set := DefaultSettings()
	for _, f := range change {
		f(&set)
	}
	w := &world{t: t, s: New(set), store: store{}, every: 1, at: Stamp{Index: 10, Time: 1000 * second, Date: 1_700_000_000_000}}
	for _, r := range Genesis(set) {
		w.put(row.Effect{Op: row.Insert, Row: r})
	}
	return w
}

func multi(s *Settings)              { s.MultiLogin = true }
func open(s *Settings)               { s.OpenAuth = true }
func closedRegistration(s *Settings) { s.ClosedRegistration = true }
func queue(n int) func(*Settings)    { return func(s *Settings) { s.MaxQueue = n } }
func devices(n int) func(*Settings)  { return func(s *Settings) { s.MaxDevices = n } }

// next moves on to the entry that comes next, a second later.
func (w *world) next() Stamp {
	w.at.Index++
	w.at.Time += second
	w.at.Date += 1000
	w.out.Reset()
	return w.at
}

func (w *world) settled() {
	w.t.Helper()
	if err := w.s.Check(); err != nil {
		w.t.Fatalf("after entry %d: %v", w.at.Index, err)
	}
	for _, e := range w.out.Effects {
		w.put(e)
	}
	if w.at.Index%w.every == 0 {
		w.flush()
	}
}

// flush writes the hot rows that changed, each once.
func (w *world) flush() {
	w.t.Helper()
	written := map[string]bool{}
	for _, e := range w.s.Flush(nil) {
		key := storeKey(e.Row)
		if written[key] {
			w.t.Fatalf("%s is written twice", key)
		}
		written[key] = true
		w.put(e)
	}
	if got, want := w.hot[0], w.s.Hash(); got != want {
		w.t.Fatalf("after entry %d: the store holds %x, the state is %x", w.at.Index, got, want)
	}
}

// do applies a command of dev, with evidence that is up to date.
func (w *world) do(dev DeviceID, cmd Command) Result {
	w.t.Helper()
	return w.try(dev, cmd, w.evidence(dev, cmd))
}

func (w *world) evidence(dev DeviceID, cmd Command) (ev Evidence) {
	switch c := cmd.(type) {
	case Signup:
		ev.Hash = "hash of " + c.Name
	case Login:
		_, _, ev.Version, _ = w.s.Credential(c.Name)
	case Passwd:
		_, ev.Version, _ = w.s.CredentialOf(dev)
		ev.Hash = "another hash"
	case DeleteAccount:
		_, ev.Version, _ = w.s.CredentialOf(dev)
	}
	return ev
}

// try is do with evidence of one's own.
func (w *world) try(dev DeviceID, cmd Command, ev Evidence) Result {
	w.t.Helper()
	w.s.Apply(w.next(), dev, cmd, ev, &w.out)
	w.settled()
	return w.out.Result
}

// must is do for what is not refused.
func (w *world) must(dev DeviceID, cmd Command) Result {
	w.t.Helper()
	r := w.do(dev, cmd)
	if r.Code != OK {
		w.t.Fatalf("%T: got %s", cmd, r.Code)
	}
	return r
}

// refused is do for what is.
func (w *world) refused(dev DeviceID, cmd Command, want Code) Result {
	w.t.Helper()
	before := w.s.Hash()
	r := w.do(dev, cmd)
	if r.Code != want {
		w.t.Fatalf("%T: got code %q, want %q", cmd, r.Code, want)
	}
	if len(w.out.Effects)+len(w.out.Events)+len(w.out.Endings)+len(w.out.Closed) != 0 || w.out.Opened {
		w.t.Fatalf("%T was refused with %s, but did %+v", cmd, want, w.out)
	}
	if login, ok := cmd.(Login); (ok || want == Fenced) && w.s.Hash() != before {
		w.t.Fatalf("%+v was refused with %s, but changed the state", login, want)
	}
	return r
}

func (w *world) internal(cmd Command) {
	w.t.Helper()
	w.s.ApplyInternal(w.next(), cmd, &w.out)
	w.settled()
}

// signup makes an account whose first device is called like it.
func (w *world) signup(names ...string) {
	w.t.Helper()
	for _, name := range names {
		w.must(dev(name), Signup{Name: name, Label: "first of " + name})
	}
}

// login logs dev in as name.
func (w *world) login(d DeviceID, name string) Result {
	w.t.Helper()
	return w.must(d, Login{Name: name, Label: label(d), Takeover: true})
}

func (w *world) send(from, to, body string) Result {
	w.t.Helper()
	return w.must(dev(from), Send{To: to, Body: body})
}

// heard reports that dev has stored its feed up to n, and messages by marks.
func (w *world) heard(d DeviceID, n uint64, marks ...Mark) {
	w.t.Helper()
	_, epoch, _ := w.s.DeviceState(d)
	w.internal(Heard{Items: []HeardItem{{Device: d, Epoch: epoch, Cursor: n, Marks: marks}}})
}

func (w *world) uid(name string) UID {
	w.t.Helper()
	uid, ok := w.s.Lookup(name)
	if !ok {
		w.t.Fatalf("no account %q", name)
	}
	return uid
}

// feed is what the store holds of an account's feed, as text.
func (w *world) feed(uid UID) string {
	w.t.Helper()
	var b strings.Builder
	for _, r := range w.store.rows(feedTable) {
		e, err := EventOf(r)
		if err != nil {
			w.t.Fatalf("%v", err)
		}
		if e.Account == uid {
			fmt.Fprintf(&b, "%d:%s ", e.N, w.event(e))
		}
	}
	return strings.TrimSuffix(b.String(), " ")
}

// event is "kind conversation partner from-to" in short.
func (w *world) event(e Event) string {
	kind := map[EventKind]string{MessageEvent: "message", UndeliverableEvent: "undeliverable", CatchUpEvent: "catch-up"}[e.Kind]
	members, _ := w.s.Members(e.Conversation)
	name, _ := w.s.Name(members[0] ^ members[1] ^ e.Account)
	if e.From == e.To {
		return fmt.Sprintf("%s(%s %d)", kind, name, e.From)
	}
	return fmt.Sprintf("%s(%s %d-%d)", kind, name, e.From, e.To)
}

func (w *world) endings() string {
	var list []string
	for _, e := range w.out.Endings {
		why := [...]string{"", "logged out", "taken over by " + e.By, "account deleted", "device closed"}[e.Reason]
		list = append(list, label(e.Device)+": "+why)
	}
	return strings.Join(list, ", ")
}

func (w *world) closed() string {
	var list []string
	for _, d := range w.out.Closed {
		list = append(list, label(d))
	}
	return strings.Join(list, ", ")
}

// dev is the id of a device for tests: its name and zeros. label is the name again.
func dev(name string) (id DeviceID) {
	copy(id[:], name)
	return id
}

func label(d DeviceID) string { return strings.TrimRight(string(d[:]), "\x00") }

// store keeps rows as stores do: by table and key.
type store map[string]row.Row

func storeKey(r row.Row) string { return fmt.Sprintf("%s %v", r.Table.Name, r.Key()) }

func (w *world) put(e row.Effect) {
	w.t.Helper()
	key := storeKey(e.Row)
	old, there := w.store[key]
	if there && e.Op == row.Insert {
		w.t.Fatalf("insert of %s, which is there", key)
	}
	if there && old.Table.Hot {
		w.hot.Remove(old)
	}
	if e.Op == row.Delete {
		delete(w.store, key)
		return
	}
	w.store[key] = e.Row
	if e.Row.Table.Hot {
		w.hot.Add(e.Row)
	}
}

// rows gives the rows of a table by key.
func (st store) rows(t *row.Table) []row.Row {
	var list []row.Row
	for _, r := range st {
		if r.Table == t {
			list = append(list, r)
		}
	}
	slices.SortFunc(list, func(a, b row.Row) int { return row.CompareKeys(t, a.Key(), b.Key()) })
	return list
}

func (st store) hot() []row.Row {
	var list []row.Row
	for _, t := range Tables() {
		if t.Hot {
			list = append(list, st.rows(t)...)
		}
	}
	return list
}

// reload writes what changed, and reads the whole state back from the rows.
func (w *world) reload() *State {
	w.t.Helper()
	w.flush()
	loaded := New(Settings{})
	if err := loaded.Load(w.store.hot()); err != nil {
		w.t.Fatalf("load: %v", err)
	}
	if got, want := loaded.Hash(), w.s.Hash(); got != want {
		w.t.Fatalf("hash after load: got %x, want %x", got, want)
	}
	return loaded
}

func equal[T comparable](t *testing.T, what string, got, want T) {
	t.Helper()
	if got != want {
		t.Fatalf("%s:\n got %v\nwant %v", what, got, want)
	}
}
