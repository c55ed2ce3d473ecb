package chat

import "testing"

// Deleting an account closes all its devices in the same entry, and frees the name.
func TestDeleteAccount(t *testing.T) {
	w := newWorld(t, multi)
	w.signup("Ada", "bob")
	ada := w.uid("ada")
	w.login(dev("phone"), "ada")
	w.send("bob", "ada", "one")
	w.heard(dev("Ada"), 1)
	w.send("bob", "ada", "two")
	r := w.must(dev("phone"), DeleteAccount{})
	equal(t, "result", r, Result{Discarded: 1})
	equal(t, "endings", w.endings(), "Ada: account deleted, phone: account deleted")
	equal(t, "closed", w.closed(), "Ada, phone")
	equal(t, "name", w.out.Name, "Ada")
	name, deleted := w.s.Name(ada)
	equal(t, "shown as", name, "Ada")
	equal(t, "deleted", deleted, true)
	_, found := w.s.Lookup("ada")
	equal(t, "found", found, false)
	equal(t, "her feed", w.feed(ada), "")
	w.refused(dev("bob"), Send{To: "ada", Body: "x"}, NoSuchUser)
	w.refused(dev("new"), Login{Name: "ada"}, NoSuchUser)
	equal(t, "accounts", w.s.Len(), 1)
	_, last, ok := w.s.Conversation(ada, w.uid("bob"))
	equal(t, "history", last, 2)
	equal(t, "stays", ok, true)
}

// An account that nothing ever happened to leaves as little behind as any other.
func TestDeleteUntouched(t *testing.T) {
	w := newWorld(t)
	w.signup("ada")
	w.at.Time += 40 * second
	w.internal(Expire{Leases: w.s.Lapsed(w.at.Time)})
	w.must(dev("ada"), DeleteAccount{})
	w.reload()
	equal(t, "mailboxes", len(w.store.rows(mailboxTable)), 0)
}

// No acknowledged message just vanishes: whoever talked with the account is told which messages its
// delivered mark does not cover.
func TestUndeliverable(t *testing.T) {
	w := newWorld(t, queue(3))
	w.signup("ada", "bob", "eve", "joe")
	bob := w.send("bob", "ada", "1").Conversation
	w.send("ada", "bob", "2")
	w.send("ada", "ada", "note")
	w.heard(dev("ada"), 3, Mark{bob, 1})
	eve := w.send("eve", "ada", "1").Conversation
	w.send("eve", "ada", "2")
	joe := w.send("ada", "joe", "1").Conversation
	w.heard(dev("ada"), 3, Mark{joe, 1})
	w.must(dev("joe"), Void{})
	r := w.must(dev("ada"), DeleteAccount{})
	equal(t, "discarded", r.Discarded, 3)
	equal(t, "bob's feed", w.feed(w.uid("bob")), "1:message(ada 1) 2:message(ada 2) 3:undeliverable(ada 2)")
	equal(t, "eve's feed", w.feed(w.uid("eve")), "1:message(ada 1) 2:message(ada 2) 3:undeliverable(ada 1-2)")
	equal(t, "joe's feed", w.feed(w.uid("joe")), "1:message(ada 1)")
	equal(t, "order", [2]ConversationID{w.out.Events[0].Conversation, w.out.Events[1].Conversation},
		[2]ConversationID{bob, eve})
}

// An undeliverable event finds a place in a full feed, and nobody tells the dead.
func TestUndeliverableExceedsLimit(t *testing.T) {
	w := newWorld(t, queue(1))
	w.signup("ada", "bob")
	w.send("bob", "ada", "1")
	w.must(dev("ada"), DeleteAccount{})
	equal(t, "bob's feed", w.feed(w.uid("bob")), "1:message(ada 1) 2:undeliverable(ada 1)")
	w.must(dev("bob"), DeleteAccount{})
	equal(t, "events", len(w.out.Events), 0)
}

// What was deferred when its author goes is gone with the feed; what the partner deferred is not.
func TestDeleteWithDeferred(t *testing.T) {
	w := newWorld(t, queue(1))
	w.signup("ada", "bob")
	w.send("ada", "bob", "1")
	w.heard(dev("bob"), 1)
	w.send("ada", "bob", "2")
	w.heard(dev("ada"), 1)
	w.heard(dev("ada"), 2)    // what she had deferred
	w.send("bob", "ada", "3") // bob's feed is full, and he defers
	equal(t, "events", len(w.out.Events), 1)
	w.heard(dev("bob"), 1)
	bob := w.uid("bob")
	r := w.must(dev("ada"), DeleteAccount{})
	equal(t, "discarded", r.Discarded, 1)
	w.heard(dev("bob"), 3)
	equal(t, "bob's feed", w.feed(bob), "1:message(ada 1) 2:message(ada 2) 3:undeliverable(ada 1-3) 4:catch-up(ada 3)")
}

// A name is free at once for a new uid that inherits nothing; whoever meets it is told of the
// earlier deletion with the first message, and who means the other gets E_RECREATED.
func TestRecreated(t *testing.T) {
	w := newWorld(t)
	w.signup("ada", "bob", "eve")
	old := w.uid("ada")
	w.send("bob", "ada", "to the first")
	w.must(dev("ada"), DeleteAccount{})
	date := w.at.Date
	r := w.must(dev("second"), Signup{Name: "ADA"})
	equal(t, "signup", r, Result{UID: UID(w.at.Index), Recreated: date})
	ada := r.UID

	r = w.refused(dev("bob"), Send{To: "ada", ToUID: old, Body: "x"}, Recreated)
	equal(t, "date", r.Recreated, date)
	r = w.must(dev("bob"), Send{To: "ada", ToUID: ada, Body: "x"})
	equal(t, "a new conversation", r.Seq, 1)
	equal(t, "first to", r.Recreated, date)
	bob := w.uid("bob")
	equal(t, "bob is told", w.s.Recreated(bob, r.Conversation, 1), date)
	equal(t, "ada is told", w.s.Recreated(ada, r.Conversation, 1), date)
	equal(t, "eve is not", w.s.Recreated(w.uid("eve"), r.Conversation, 1), 0)
	equal(t, "nor for the next", w.s.Recreated(bob, r.Conversation, 2), 0)
	equal(t, "second", w.send("bob", "ada", "x").Recreated, 0)
	equal(t, "first from", w.must(dev("second"), Send{To: "eve", Body: "x"}).Recreated, date)

	w.must(dev("second"), DeleteAccount{})
	later := w.at.Date
	equal(t, "the last one counts", w.must(dev("third"), Signup{Name: "ada"}).Recreated, later)
}

// List gives names in the order of their keys as they were spelt, by folded prefix, in pages.
func TestList(t *testing.T) {
	w := newWorld(t, func(s *Settings) { s.PageAccounts = 3 })
	for _, name := range []string{"bob", "Al", "al.x", "ALAN", "al-y", "aL_z", "zoe"} {
		w.must(dev(name), Signup{Name: name})
	}
	page := func(prefix, after string, limit int) string {
		names, more := w.s.List(prefix, after, limit)
		s := ""
		for _, n := range names {
			s += n + " "
		}
		if more {
			s += "…"
		}
		return s
	}
	equal(t, "all", page("", "", 0), "Al al-y al.x …")
	equal(t, "on", page("", "al.x", 10), "aL_z ALAN bob …")
	equal(t, "last", page("", "BOB", 3), "zoe ")
	equal(t, "prefix", page("aL", "", 2), "Al al-y …")
	equal(t, "prefix, on", page("AL", "al-y", 2), "al.x aL_z …")
	equal(t, "prefix, last", page("al", "al_z", 2), "ALAN ")
	equal(t, "after nobody", page("al", "al0", 3), "aL_z ALAN ")
	equal(t, "after before the prefix", page("b", "al", 3), "bob ")
	equal(t, "after behind the prefix", page("al", "b", 3), "")
	equal(t, "no wildcards", page("%", "", 3)+page("*", "", 3)+page("al?", "", 3), "")
	w.must(dev("Al"), DeleteAccount{})
	equal(t, "gone", page("al", "", 2), "al-y al.x …")
}
