package chat

import (
	"strings"
	"testing"
)

// A signed-up account has a uid, which is the index of its entry, and its device is open at once.
func TestSignup(t *testing.T) {
	w := newWorld(t)
	r := w.must(dev("laptop"), Signup{Name: "Ada", Label: "laptop"})
	equal(t, "result", r, Result{UID: UID(w.at.Index)})
	equal(t, "opened", w.out.Opened, true)
	equal(t, "identity", w.s.Whoami(dev("laptop")), Identity{UID: r.UID, Name: "Ada", Epoch: 1, Label: "laptop"})
	equal(t, "lapse", w.s.NextLapse(), w.at.Time+30*second)
	_, hash, version, _ := w.s.Credential("ADA")
	equal(t, "hash", hash, "hash of Ada")
	equal(t, "version", version, w.at.Index)
}

// Signup is refused in this order, each refusal hiding those behind it.
func TestSignupRefusals(t *testing.T) {
	w := newWorld(t, closedRegistration)
	w.refused(dev("x"), Signup{Name: "!"}, RegistrationClosed)

	w = newWorld(t)
	w.signup("ada")
	w.refused(dev("ada"), Signup{Name: "!"}, DeviceInUse)
	w.refused(dev("x"), Signup{Name: "!"}, BadName)
	w.refused(dev("x"), Signup{Name: "parley"}, BadName)
	w.refused(dev("x"), Signup{Name: "ADA"}, NameTaken)
	w.must(dev("x"), Signup{Name: "bob"})
}

// A name is an ASCII letter or digit, then letters, digits, '.', '_', '-', 32 bytes at most, and not
// reserved; its key folds A to Z and nothing else.
func TestNames(t *testing.T) {
	for name, want := range map[string]bool{
		"a": true, "Z": true, "7": true, "a.b_c-d": true, "0x": true, strings.Repeat("x", 32): true,
		"": false, ".a": false, "_a": false, "-a": false, "a b": false, "a\x00": false, "a#": false, "@a": false,
		"аda": false, "ada\u0301": false, "a\xff": false, strings.Repeat("x", 33): false,
		"parley": false, "System": false, "PARLEY": false, "systems": true,
	} {
		equal(t, name, validName(name), want)
	}
	equal(t, "key", fold("aZ@[`{ÄÉ"), "az@[`{ÄÉ")
}

// Login gives uid, epoch, cursor and what is queued; under exclusive it raises the epoch.
func TestLogin(t *testing.T) {
	w := newWorld(t)
	w.signup("ada", "bob")
	w.send("bob", "ada", "one")
	w.send("bob", "ada", "two")
	w.heard(dev("ada"), 1)
	r := w.must(dev("phone"), Login{Name: "ADA", Label: "phone", Takeover: true})
	equal(t, "result", r, Result{UID: w.uid("ada"), Epoch: 2, Cursor: 1, Queued: 1})
	equal(t, "endings", w.endings(), "ada: taken over by phone")
	equal(t, "closed", w.closed(), "")
	equal(t, "identity", w.s.Whoami(dev("phone")),
		Identity{UID: r.UID, Name: "ada", Epoch: 2, Label: "phone", Cursor: 1, Queued: 1})
	equal(t, "opened", w.out.Opened, true)

	w.must(dev("phone"), Login{Name: "ada", Label: "phone 2"})
	equal(t, "opened again", w.out.Opened, false)
	equal(t, "endings of oneself", w.endings(), "")
	equal(t, "identity", w.s.Whoami(dev("phone")),
		Identity{UID: r.UID, Name: "ada", Epoch: 3, Label: "phone 2", Cursor: 1, Queued: 1})
}

// What a Login elsewhere is told is the label and the date of the last login of the device in use.
func TestLoggedInElsewhere(t *testing.T) {
	w := newWorld(t)
	w.signup("ada")
	w.must(dev("ada"), Login{Name: "ada", Label: "desk"})
	since := w.at.Date
	w.must(dev("ada"), Void{})
	r := w.refused(dev("phone"), Login{Name: "ada"}, LoggedInElsewhere)
	equal(t, "result", r, Result{Code: LoggedInElsewhere, Label: "desk", Since: since})
}

// Login is refused in this order, each refusal hiding those behind it.
func TestLoginRefusals(t *testing.T) {
	stale := Evidence{Version: 1}
	w := newWorld(t)
	w.signup("ada", "bob")
	since := w.at.Date - 1000
	check := func(d, name string, ev Evidence, want Result) {
		t.Helper()
		before := w.s.Hash()
		equal(t, "login "+name, w.try(dev(d), Login{Name: name}, ev), want)
		equal(t, "hash", w.s.Hash(), before)
	}
	check("bob", "nobody", stale, Result{Code: NoSuchUser})
	check("bob", "ada", stale, Result{Code: DeviceInUse})
	check("phone", "ada", stale, Result{Code: Retry})
	_, _, version, _ := w.s.Credential("ada")
	check("phone", "ada", Evidence{Version: version}, Result{Code: LoggedInElsewhere, Label: "first of ada", Since: since})

	w = newWorld(t, multi, devices(1))
	w.signup("ada")
	check("phone", "ada", stale, Result{Code: Retry})
	w.refused(dev("phone"), Login{Name: "ada"}, TooManyDevices)
	w.must(dev("ada"), Login{Name: "ada"})
}

// In open mode nobody is asked for a password, so none can be stale.
func TestOpenModeIgnoresCredentials(t *testing.T) {
	w := newWorld(t, open)
	w.signup("ada")
	for _, cmd := range []Command{Login{Name: "ada"}, Passwd{}, DeleteAccount{}} {
		equal(t, "code", w.try(dev("ada"), cmd, Evidence{Version: 99}).Code, OK)
	}
}

// Logout closes the device and ends the lease: a plain Login elsewhere works at once.
func TestLogout(t *testing.T) {
	w := newWorld(t)
	w.signup("ada")
	w.refused(dev("phone"), Login{Name: "ada"}, LoggedInElsewhere)
	equal(t, "result", w.must(dev("ada"), Logout{}), Result{})
	equal(t, "endings", w.endings(), "ada: logged out")
	equal(t, "closed", w.closed(), "ada")
	equal(t, "lapse", w.s.NextLapse(), Never)
	w.must(dev("phone"), Login{Name: "ada"})
}

// A fenced device gets E_FENCED for everything but Login and Logout, and that changes nothing.
func TestFencing(t *testing.T) {
	w := newWorld(t)
	w.signup("ada", "bob")
	w.login(dev("phone"), "ada")
	for _, cmd := range []Command{
		Signup{Name: "new"}, Passwd{CloseOthers: true}, DeleteAccount{}, Send{To: "bob", Body: "x"}, Void{},
	} {
		w.refused(dev("ada"), cmd, Fenced)
	}
	w.refused(dev("ada"), Login{Name: "ada"}, LoggedInElsewhere)
	uid, code := w.s.Access(dev("ada"))
	equal(t, "access", code, Fenced)
	equal(t, "uid", uid, w.uid("ada"))
	_, code = w.s.Attach(dev("ada"))
	equal(t, "attach", code, Fenced)

	w.must(dev("ada"), Logout{})
	equal(t, "endings of what had ended", w.endings(), "")
	equal(t, "closed", w.closed(), "ada")
	w.must(dev("phone"), Void{})
}

// Under multi nothing is refused and nobody fenced; each device has its own cursor.
func TestMulti(t *testing.T) {
	w := newWorld(t, multi)
	w.signup("ada", "bob")
	r := w.login(dev("phone"), "ada")
	equal(t, "epoch", r.Epoch, 1)
	equal(t, "endings", w.endings(), "")
	w.send("bob", "ada", "one")
	w.heard(dev("phone"), 1)
	equal(t, "phone", w.s.Whoami(dev("phone")).Cursor, 1)
	equal(t, "ada", w.s.Whoami(dev("ada")).Cursor, 0)
	equal(t, "account", w.s.Cursor(w.uid("ada")), 1)
	equal(t, "a new device", w.login(dev("tablet"), "ada").Cursor, 1)
	equal(t, "tablet", w.s.Whoami(dev("tablet")).Cursor, 1)
	w.must(dev("ada"), Login{Name: "ada"})
	equal(t, "ada keeps its own", w.s.Whoami(dev("ada")).Cursor, 0)
}

// Under exclusive a Login that meets the limit on devices closes the longest-unused fenced one.
func TestEviction(t *testing.T) {
	w := newWorld(t, devices(3))
	w.signup("ada")
	w.login(dev("phone"), "ada")
	w.login(dev("tablet"), "ada")
	w.login(dev("ada"), "ada") // phone is now the longest unused
	w.login(dev("desk"), "ada")
	equal(t, "closed", w.closed(), "phone")
	equal(t, "endings", w.endings(), "ada: taken over by desk")

	w = newWorld(t, devices(1))
	w.signup("ada")
	w.login(dev("phone"), "ada")
	equal(t, "closed", w.closed(), "ada")
	equal(t, "endings", w.endings(), "ada: taken over by phone")
}

// Passwd installs a credential; logins checked against the one before are asked again. It closes
// the other devices if asked to.
func TestPasswd(t *testing.T) {
	w := newWorld(t, multi)
	w.signup("ada")
	w.login(dev("phone"), "ada")
	old := w.evidence(dev("ada"), Login{Name: "ada"})
	equal(t, "result", w.must(dev("ada"), Passwd{}), Result{})
	equal(t, "endings", w.endings(), "")
	for _, cmd := range []Command{Login{Name: "ada"}, Passwd{}, DeleteAccount{}} {
		equal(t, "code", w.try(dev("phone"), cmd, old).Code, Retry)
	}
	_, hash, version, _ := w.s.Credential("ada")
	equal(t, "hash", hash, "another hash")
	equal(t, "grows", version > old.Version, true)
	w.must(dev("ada"), Passwd{CloseOthers: true})
	equal(t, "endings", w.endings(), "phone: device closed")
	equal(t, "closed", w.closed(), "phone")
}

// A password checked against an account is not taken for its namesake's.
func TestCredentialOfNamesake(t *testing.T) {
	w := newWorld(t)
	w.signup("ada")
	old := w.evidence(dev("x"), Login{Name: "ada"})
	w.must(dev("ada"), DeleteAccount{})
	w.must(dev("new"), Signup{Name: "ada"})
	w.must(dev("new"), Logout{})
	equal(t, "code", w.try(dev("x"), Login{Name: "ada"}, old).Code, Retry)
}

// A message has a number, a chain, a row, and one event for each of the two.
func TestSend(t *testing.T) {
	w := newWorld(t)
	w.signup("ada", "bob")
	ada, bob := w.uid("ada"), w.uid("bob")
	r := w.must(dev("bob"), Send{To: "ADA", Body: "hi", ReplyTo: 7})
	conv := ConversationID(w.at.Index)
	chain := Chain{}.Next(1, bob, "hi")
	equal(t, "result", r, Result{
		Conversation: conv, Members: [2]UID{ada, bob}, Seq: 1, Date: w.at.Date, Chain: chain, Sent: true,
	})
	m := Message{
		Index: w.at.Index, Conversation: conv, Seq: 1, Author: bob, Time: w.at.Time, Date: w.at.Date,
		Body: "hi", ReplyTo: 7, Chain: chain,
	}
	equal(t, "message", *w.out.Message, m)
	got, err := MessageOf(w.store.rows(messageTable)[0])
	equal(t, "row", got, m)
	equal(t, "error", err, nil)
	equal(t, "ada's feed", w.feed(ada), "1:message(bob 1)")
	equal(t, "bob's feed", w.feed(bob), "1:message(ada 1)")

	r = w.send("ada", "bob", "ho")
	equal(t, "seq", r.Seq, 2)
	equal(t, "chain", r.Chain, chain.Next(2, ada, "ho"))
	equal(t, "conversation", r.Conversation, conv)
	id, last, ok := w.s.Conversation(bob, ada)
	equal(t, "conversation", id, conv)
	equal(t, "last", last, 2)
	equal(t, "found", ok, true)
}

// Send is refused in this order, each refusal hiding those behind it.
func TestSendRefusals(t *testing.T) {
	w := newWorld(t, queue(1), func(s *Settings) { s.MaxBody = 4 })
	w.signup("ada", "bob", "eve")
	w.send("eve", "bob", "full")
	other := w.uid("ada")
	w.refused(dev("ada"), Send{To: "nobody", ToUID: other, Body: ""}, NoSuchUser)
	w.refused(dev("ada"), Send{To: "#room", Body: "x"}, NoSuchUser)
	w.refused(dev("ada"), Send{To: "bob", ToUID: other, Body: ""}, Recreated)
	w.refused(dev("ada"), Send{To: "bob", Body: ""}, Empty)
	w.refused(dev("ada"), Send{To: "bob", Body: "longer\x00"}, BadText)
	w.refused(dev("ada"), Send{To: "bob", Body: "long\xff"}, BadText)
	w.refused(dev("ada"), Send{To: "bob", Body: "longer"}, TooLarge)
	w.refused(dev("ada"), Send{To: "bob", Body: "four"}, QueueFull)
	w.heard(dev("bob"), 1)
	w.must(dev("ada"), Send{To: "bob", ToUID: w.uid("bob"), Body: "four"})
}

// A message to oneself is one event in a conversation of one.
func TestSendToOneself(t *testing.T) {
	w := newWorld(t, queue(2))
	w.signup("ada")
	ada := w.uid("ada")
	r := w.send("ada", "ada", "note")
	equal(t, "members", r.Members, [2]UID{ada, ada})
	equal(t, "feed", w.feed(ada), "1:message(ada 1)")
	w.send("ada", "ada", "note")
	w.refused(dev("ada"), Send{To: "ada", Body: "note"}, QueueFull)
	w.heard(dev("ada"), 1, Mark{r.Conversation, 1})
	w.send("ada", "ada", "note")
}

// Sent means that the recipient held a lease, queued that nobody did.
func TestSentOrQueued(t *testing.T) {
	w := newWorld(t)
	w.signup("ada", "bob")
	equal(t, "in use", w.send("ada", "bob", "x").Sent, true)
	w.at.Time += 40 * second
	w.internal(Expire{Leases: w.s.Lapsed(w.at.Time)})
	equal(t, "lapsed", w.send("ada", "bob", "x").Sent, false)
	w.must(dev("bob"), Void{})
	equal(t, "in use again", w.send("ada", "bob", "x").Sent, true)
	w.must(dev("bob"), Logout{})
	equal(t, "logged out", w.send("ada", "bob", "x").Sent, false)
}

// Void does nothing, and renews the lease like every numbered command.
func TestVoid(t *testing.T) {
	w := newWorld(t)
	w.signup("ada")
	equal(t, "result", w.must(dev("ada"), Void{}), Result{})
	equal(t, "lapse", w.s.NextLapse(), w.at.Time+30*second)
}

// Commands that only the leader may give do nothing under a client's number, and the other way round.
func TestWrongDoor(t *testing.T) {
	w := newWorld(t)
	w.signup("ada")
	w.must(dev("ada"), CloseIdle{Devices: []DeviceID{dev("ada")}})
	w.must(dev("ada"), Expire{Leases: []Lapse{{dev("ada"), 1}}})
	before := w.s.Hash()
	for _, cmd := range []Command{nil, Signup{Name: "bob"}, Login{Name: "ada"}, Logout{}, DeleteAccount{}} {
		w.internal(cmd)
	}
	equal(t, "hash", w.s.Hash(), before)
	for _, cmd := range []Command{nil, Logout{}, Send{To: "ada", Body: "x"}, Void{}, DeleteAccount{}, Passwd{}} {
		w.refused(dev("unknown"), cmd, Fenced)
	}
}

// A label is decoration: it is cut and cleaned, not refused.
func TestLabels(t *testing.T) {
	for label, want := range map[string]string{
		"": "", "my laptop": "my laptop", "a\x00b": "a?b", "a\xffb": "a?b",
		strings.Repeat("x", 70):        strings.Repeat("x", 64),
		strings.Repeat("x", 63) + "é":  strings.Repeat("x", 63),
		strings.Repeat("x", 62) + "é!": strings.Repeat("x", 62) + "é",
	} {
		equal(t, label, cleanLabel(label), want)
		equal(t, label+", twice", cleanLabel(cleanLabel(label)), want)
	}
}
