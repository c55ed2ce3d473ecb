package chat

import (
	"bytes"
	"slices"
	"strings"
	"testing"

	"parley/core/row"
)

// lived is a world in which everything that a state can hold is there.
func lived(t failer, change ...func(*Settings)) *world {
	w := newWorld(t, append([]func(*Settings){queue(2)}, change...)...)
	w.signup("ada", "bob", "eve", "gone")
	w.send("gone", "bob", "x")
	w.heard(dev("bob"), 1)
	w.must(dev("gone"), DeleteAccount{})
	w.login(dev("phone"), "ada")
	w.must(dev("phone"), Send{To: "bob", Body: "x"})
	w.heard(dev("phone"), 1)
	w.heard(dev("bob"), 3)
	w.must(dev("phone"), Send{To: "bob", Body: "x"})
	w.must(dev("phone"), Send{To: "bob", Body: "x"})
	w.must(dev("phone"), Send{To: "eve", Body: "x"}) // deferred
	return w
}

// Check finds each kind of planted damage and says where.
func TestCheckFindsDamage(t *testing.T) {
	damage := map[string]func(s *State){
		"is not found by its name":       func(s *State) { delete(s.names, "ada") },
		"names, 3 in order":              func(s *State) { s.names["zoe"] = s.accounts[0] },
		"stands behind \"eve\"":          func(s *State) { slices.Reverse(s.byKey) },
		"in order is another account's":  func(s *State) { a := *s.byKey[0]; s.byKey[0] = &a },
		"stands behind account":          func(s *State) { slices.Reverse(s.accounts) },
		"is not found by its uid":        func(s *State) { delete(s.byUID, s.accounts[0].uid) },
		"accounts by uid":                func(s *State) { s.byUID[99] = s.accounts[0] },
		"bad name":                       func(s *State) { s.accounts[0].name = "eda" },
		"epoch 0":                        func(s *State) { s.accounts[0].epoch = 0 },
		"before the account":             func(s *State) { s.accounts[0].version = 1 },
		"beyond length":                  func(s *State) { s.accounts[1].cursor = 100 },
		"beyond cursor":                  func(s *State) { s.accounts[1].floor = 256 },
		"within a block":                 func(s *State) { s.accounts[1].floor = 1 },
		"conversations deferred at 1 of": func(s *State) { s.accounts[0].cursor = 2 },
		"before it began":                func(s *State) { s.accounts[3].ended = 1 },
		"but has epoch":                  func(s *State) { s.accounts[3].hash = "x" },
		"but has a feed":                 func(s *State) { s.accounts[3].length = 1 },
		"devices by id":                  func(s *State) { s.devices[dev("x")] = s.devices[dev("ada")] },
		"not found by its id":            func(s *State) { delete(s.devices, dev("ada")) },
		"stands behind 70":               func(s *State) { slices.Reverse(s.accounts[0].devices) },
		"epoch 3, the account's is 2":    func(s *State) { s.devices[dev("ada")].epoch = 3 },
		"2 leases under exclusive": func(s *State) {
			s.devices[dev("ada")].epoch = 2
			s.devices[dev("ada")].lease.held = true
		},
		"2 devices not fenced":        func(s *State) { s.devices[dev("ada")].epoch = 2 },
		"beyond the account's 1":      func(s *State) { s.devices[dev("ada")].cursor = 2 },
		"fenced at epoch 1":           func(s *State) { s.devices[dev("ada")].lease.held = true },
		"unclean label":               func(s *State) { s.devices[dev("ada")].label = "\x00" },
		"which does not hold one":     func(s *State) { s.leases.first.lease.held = false },
		"stands behind one until":     func(s *State) { s.leases.last.lease.until = 1 },
		"leases listed":               func(s *State) { s.leases.n++ },
		"conversation 19 stands":      func(s *State) { slices.Reverse(s.conversations) },
		"its id or members":           func(s *State) { delete(s.pairs, s.conversations[0].uids()) },
		"conversations by id":         func(s *State) { s.byID[99] = s.conversations[0] },
		"members not sorted":          func(s *State) { flip(s, s.conversations[0]) },
		"older than a member":         func(s *State) { renumber(s, s.conversations[0], 12) },
		"last 0":                      func(s *State) { s.conversations[1].last = 0 },
		"chain 0000":                  func(s *State) { s.conversations[1].chain = Chain{} },
		"delivered 9 beyond last":     func(s *State) { s.conversations[0].sides[0].delivered = 9 },
		"deferred 9 beyond last":      func(s *State) { s.conversations[0].sides[0].deferred = 9 },
		"lists the conversation":      func(s *State) { s.accounts[1].conversations = nil },
		"waits: false":                func(s *State) { s.conversations[0].sides[0].deferred = 1 },
		"deferred from 1, but ended":  func(s *State) { bury(s) },
		"oneself, but":                func(s *State) { alone(s) },
		"oneself defers what it says": func(s *State) { alone(s); s.conversations[0].sides = [2]side{{deferred: 1}} },
	}
	whole := lived(t).s
	if err := whole.Check(); err != nil {
		t.Fatal(err)
	}
	for want, plant := range damage {
		s := whole.Clone()
		plant(s)
		if err := s.Check(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %q", err, want)
		}
	}
}

func flip(s *State, c *conversation) {
	c.members[0], c.members[1] = c.members[1], c.members[0]
	s.pairs[c.uids()] = c
}

func renumber(s *State, c *conversation, id ConversationID) {
	c.id = id
	s.byID[id] = c
}

func bury(s *State) {
	c, dead := s.conversations[0], s.accounts[3]
	c.side(dead).deferred = 1
	dead.deferred = []*conversation{c}
}

func alone(s *State) {
	c := s.conversations[0]
	delete(s.pairs, c.uids())
	c.members[1] = c.members[0]
	s.pairs[c.uids()] = c
	c.sides[1].delivered = 1
}

// Load refuses rows that are not the chat's, not in order, or do not fit together.
func TestLoadRefuses(t *testing.T) {
	w := lived(t)
	w.reload()
	good := w.store.hot()
	at := func(table *row.Table, n int) int {
		return slices.IndexFunc(good, func(r row.Row) bool { return r.Table == table }) + n
	}
	set := func(table *row.Table, n, column int, v row.Value) func([]row.Row) []row.Row {
		return func(rows []row.Row) []row.Row {
			i := at(table, n)
			rows[i].Values = slices.Clone(rows[i].Values)
			rows[i].Values[column] = v
			return rows
		}
	}
	foreign := &row.Table{Name: "session", Columns: []row.Column{{Name: "x", Kind: row.Int}}, Key: 1, Hot: true}
	leases := good[at(mailboxTable, 0)].Values[4].Str
	for want, plant := range map[string]func([]row.Row) []row.Row{
		"of session":      func(r []row.Row) []row.Row { return append(r, row.Row{Table: foreign}) },
		"of no table":     func(r []row.Row) []row.Row { return append(r, row.Row{}) },
		"of message":      func(r []row.Row) []row.Row { return append(r, MessageRow(Message{})) },
		"of account":      func(r []row.Row) []row.Row { return append(r, r[at(accountTable, 0)]) },
		"order of keys":   func(r []row.Row) []row.Row { slices.Reverse(r[at(accountTable, 0):at(mailboxTable, 0)]); return r },
		"has 1 columns":   func(r []row.Row) []row.Row { r[at(accountTable, 0)].Values = r[0].Values[:1]; return r },
		"11 settings":     func(r []row.Row) []row.Row { return r[1:] },
		"setting \"x\"":   set(settingTable, 3, 0, row.S("x")),
		"max_queue is 0":  set(settingTable, 5, 1, row.I(0)),
		"both called":     set(accountTable, 1, 1, row.S("ADA")),
		"bad name":        set(accountTable, 0, 1, row.S("-")),
		"2 mailboxes":     func(r []row.Row) []row.Row { return slices.Delete(r, at(mailboxTable, 0), at(mailboxTable, 1)) },
		"was deleted at":  set(mailboxTable, 2, 0, row.I(14)),
		"no account 99":   set(mailboxTable, 2, 0, row.I(99)),
		"none of its":     set(mailboxTable, 1, 4, row.S(leases)),
		"bytes too many":  set(mailboxTable, 0, 4, row.S(leases+"x")),
		"order of device": set(mailboxTable, 0, 4, row.S(leases+leases)),
		"id of 1 bytes":   set(deviceTable, 0, 0, row.S("a")),
		"row 1 of device": set(deviceTable, 1, 1, row.I(99)),
		"no such account": set(conversationTable, 0, 1, row.I(99)),
		"chain of 3":      set(conversationTable, 0, 4, row.S("abc")),
		"a second":        set(conversationTable, 1, 2, good[at(conversationTable, 0)].Values[2]),
		"beyond length":   set(mailboxTable, 0, 1, row.I(0)),
	} {
		rows := plant(slices.Clone(good))
		if want == "a second" {
			rows = set(conversationTable, 1, 1, good[at(conversationTable, 0)].Values[1])(rows)
		}
		if err := New(DefaultSettings()).Load(rows); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %q", err, want)
		}
	}
}

// The hash is another when anything that matters is, and the same when only memory differs.
func TestHash(t *testing.T) {
	w := lived(t)
	whole := w.s.Hash()
	for i, change := range []func(s *State){
		func(s *State) { s.settings.MaxOpen++ },
		func(s *State) { s.accounts[0].name = "eda" },
		func(s *State) { s.accounts[0].recreated = 1 },
		func(s *State) { s.accounts[0].epoch++ },
		func(s *State) { s.accounts[0].version++ },
		func(s *State) { s.accounts[0].hash = "" },
		func(s *State) { s.accounts[0].length++ },
		func(s *State) { s.accounts[0].cursor++ },
		func(s *State) { s.accounts[0].floor++ },
		func(s *State) { s.accounts[3].ended++ },
		func(s *State) { s.accounts[3].endedDate++ },
		func(s *State) { s.devices[dev("ada")].label = "" },
		func(s *State) { s.devices[dev("ada")].epoch++ },
		func(s *State) { s.devices[dev("ada")].since++ },
		func(s *State) { s.devices[dev("ada")].cursor++ },
		func(s *State) { s.devices[dev("ada")].seen++ },
		func(s *State) { s.devices[dev("phone")].lease.held = false },
		func(s *State) { s.devices[dev("phone")].lease.until++ },
		func(s *State) { s.conversations[0].last++ },
		func(s *State) { s.conversations[0].chain[0]++ },
		func(s *State) { s.conversations[0].sides[0].delivered++ },
		func(s *State) { s.conversations[0].sides[1].deferred++ },
	} {
		s := w.s.Clone()
		equal(t, "hash of a clone", s.Hash(), whole)
		change(s)
		if s.Hash() == whole {
			t.Errorf("change %d leaves the hash as it is", i)
		}
	}
	w.s.Flush(nil)
	w.s.Idle(1 << 62)
	equal(t, "flushed", w.s.Hash(), whole)
}

// A clone shares nothing that changes, and flushes what the original would have.
func TestClone(t *testing.T) {
	w := lived(t)
	w.every = 1 << 60
	w.must(dev("phone"), Login{Name: "ada"})
	w.must(dev("phone"), Send{To: "eve", Body: "x"})
	clone := w.s.Clone()
	hash := clone.Hash()
	equal(t, "hash", hash, w.s.Hash())
	bytesOf := func(eff []row.Effect) (b []byte) {
		for _, e := range eff {
			b = e.Row.Append(append(append(b, byte(e.Op)), e.Row.Table.Name...))
		}
		return b
	}
	again := clone.Clone()
	equal(t, "flush", bytes.Equal(bytesOf(clone.Flush(nil)), bytesOf(w.s.Flush(nil))), true)
	equal(t, "and again", len(clone.Flush(nil)), 0)
	equal(t, "a clone's clone", len(again.Flush(nil)) > 0, true)
	w.heard(dev("phone"), 3)
	w.must(dev("bob"), DeleteAccount{})
	w.signup("zoe")
	equal(t, "the clone's hash", clone.Hash(), hash)
	if err := clone.Check(); err != nil {
		t.Fatal(err)
	}
}

// Settings out of bounds are refused by name, and Genesis writes them all.
func TestSettings(t *testing.T) {
	set := DefaultSettings()
	equal(t, "default", set.Check(), nil)
	equal(t, "rows", len(Genesis(set)), 12)
	s := New(Settings{})
	equal(t, "load", s.Load(Genesis(set)), nil)
	equal(t, "settings", s.Settings(), set)
	equal(t, "nothing stored", s.Load(nil), nil)
	equal(t, "as before", s.Settings(), set)
	set.MaxBody = 1 << 20
	equal(t, "error", set.Check().Error(), "setting max_body is 1048576, want 1 to 65536")
}
