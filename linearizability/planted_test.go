package linearizability

import (
	"fmt"
	"slices"
	"strings"
	"testing"
)

// annAndBob begins most scripts: two accounts on two devices.
const annAndBob = `
	d1 signup ann = 11 @11
	d2 signup Bob = 12 @12
`

func exclusive(expiry string) Meta {
	return Meta{Clock: ClockEvent, Positions: PositionsEvery, Rules: Rules{LoginExclusive, expiry}}
}

func withoutPositions(m Meta) Meta {
	m.Positions = PositionsNone
	return m
}

func multi() Meta {
	return Meta{Clock: ClockEvent, Positions: PositionsEvery, Rules: Rules{LoginMulti, ExpiryNever}}
}

// A planted history breaks one rule, and the report must name it. verdict is the whole report's.
type planted struct {
	name    string
	rule    string
	verdict Verdict
	meta    Meta
	text    string
}

var never0 = exclusive(ExpiryNever)

var plantedHistories = []planted{
	{"a message lost", RuleLostAck, Illegal, never0, annAndBob + `
		d1 send bob m1 = 11,12#1 @13
		d2 history 11,12 0 50 = last 0 @14`},
	{"my own message lost", RuleOwnWrites, Illegal, never0, annAndBob + `
		d1 send bob m1 = 11,12#1 @13
		d1 history 11,12 0 50 = last 0 @14`},
	{"a client's reads going back", RuleMonotonic, Illegal, never0, annAndBob + `
		a: d1 send bob m1
		d2 history 11,12 0 50 = 1:11:m1@13 last 1 @13
		d2 history 11,12 0 50 = last 0 @14
		a = 11,12#1 @13`},
	{"a message doubled", RuleDuplicate, Illegal, never0, annAndBob + `
		d1 send bob m1 = 11,12#1 @13
		d2 history 11,12 0 50 = 1:11:m1@13 2:11:m1@14 last 2 @14`},
	{"a message altered", RuleDuplicate, Illegal, never0, annAndBob + `
		d1 send bob m1 = 11,12#1 @13
		d2 history 11,12 0 50 = 1:11:m9@13 last 1 @14`},
	{"messages swapped within one read", RuleDuplicate, Illegal, never0, annAndBob + `
		d1 send bob m1 = 11,12#1 @13
		d1 send bob m2 = 11,12#2 @14
		d2 history 11,12 0 50 = 1:11:m2@13 2:11:m1@14 last 2 @14`},
	{"numbers against real time", RuleReorder, Illegal, never0, annAndBob + `
		d1 send bob m1 = 11,12#2 @13
		d1 send bob m2 = 11,12#1 @14`},
	{"a hole in a page", RuleHole, Illegal, never0, annAndBob + `
		a: d1 send bob m1
		b: d1 send bob m2
		d2 history 11,12 0 50 = 2:11:m2@14 last 2 @14
		a = 11,12#1 @13
		b = 11,12#2 @14`},
	{"a hole in the numbers", RuleHole, Illegal, never0, annAndBob + `
		d1 send bob m1 = 11,12#1 @13
		d1 send bob m2 = 11,12#3 @14`},
	{"a page that stops early", RuleHole, Illegal, never0, annAndBob + `
		d1 send bob m1 = 11,12#1 @13
		d1 send bob m2 = 11,12#2 @14
		d2 history 11,12 0 50 = 1:11:m1@13 last 2 @14`},
	{"a message of a send that failed", RulePhantom, Illegal, never0, annAndBob + `
		a: d1 send bob m1
		a fail
		d2 history 11,12 0 50 = 1:11:m1@13 last 1 @13`},
	{"a message of a send that was refused", RulePhantom, Illegal, never0, annAndBob + `
		d1 send cat m1 ! E_NO_SUCH_USER @13
		d2 history 11,12 0 50 = 1:11:m1@13 last 1 @13`},
	{"a message before it was sent", RulePhantom, Illegal, never0, annAndBob + `
		d2 history 11,12 0 50 = 1:11:m1@13 last 1 @13
		d1 send bob m1 = 11,12#1 @13`},
	{"a message by someone else", RulePhantom, Illegal, never0, annAndBob + `
		a: d1 send bob m1
		d2 history 11,12 0 50 = 1:12:m1@13 last 1 @13
		a info`},
	{"a stale list", RuleHonestNames, Illegal, never0, annAndBob + `
		d2 list - - 10 = ann @11`},
	{"a deleted name in a list", RuleHonestNames, Illegal, never0, annAndBob + `
		d1 delete = @13
		d2 list - - 10 = ann Bob @14`},
	{"one name twice in a list", RuleHonestNames, Illegal, never0, annAndBob + `
		d2 list - - 10 = ann ann Bob @13`},
	{"a name that does not belong", RuleHonestNames, Illegal, never0, annAndBob + `
		d2 list b - 10 = ann Bob @13`},
	{"names out of order", RuleHonestNames, Illegal, never0, annAndBob + `
		d2 list - - 10 = Bob ann @13`},
	{"a page that denies more", RuleHonestNames, Illegal, never0, annAndBob + `
		a: d3 signup cat
		a = 13 @13
		d2 list - - 2 = ann Bob @14
		d2 list - - 2 = ann Bob more @14`},
	{"two signups that both got it", RuleSearch, Illegal, never0, `
		d1 signup ann = 11 @11
		d2 signup Ann = 12 @12`},
	{"two accounts with one uid", RuleResurrection, Illegal, never0, `
		d1 signup ann = 11 @11
		d2 signup Bob = 11 @12`},
	{"a send after logout", RuleOneSession, Illegal, never0, annAndBob + `
		d1 logout = @13
		d1 send bob m1 = 11,12#1 @14`},
	{"a send after takeover", RuleOneSession, Illegal, never0, annAndBob + `
		d3 login! ann = 11 2 0 @13
		d1 send bob m1 = 11,12#1 @14`},
	{"a read after takeover", RuleOneSession, Illegal, never0, annAndBob + `
		d3 login! ann = 11 2 0 @13
		d1 list - - 10 = ann Bob @13`},
	{"another device after deletion", RuleOneSession, Illegal, multi(), annAndBob + `
		d3 login ann = 11 1 0 @13
		d1 delete = @14
		d3 send bob m1 = 11,12#1 @15`},
	{"a login without takeover", RuleSearch, Illegal, never0, annAndBob + `
		d3 login ann = 11 2 0 @13`},
	{"a login thanks to a later logout", RuleSearch, Illegal, never0, annAndBob + `
		d3 login ann = 11 2 0 @13
		a: d1 logout
		a info`},
	{"refused elsewhere after logout", RuleSearch, Illegal, never0, annAndBob + `
		d1 logout = @13
		d3 login ann ! E_LOGGED_IN_ELSEWHERE @14`},
	{"refused though the recipient was there", RuleSearch, Illegal, never0, annAndBob + `
		d1 send bob m1 ! E_NO_SUCH_USER @13`},
	{"fenced by nobody", RuleSearch, Illegal, never0, annAndBob + `
		d1 send bob m1 ! E_FENCED @13`},
	{"a session that vanished", RuleSearch, Illegal, never0, annAndBob + `
		d1 send bob m1 ! E_NO_SESSION @13`},
	{"a re-created account with old messages", RuleSearch, Illegal, never0, annAndBob + `
		d1 send bob m1 = 11,12#1 @13
		d2 delete = @14
		d3 signup bob = 15 @15
		d3 history 11,12 0 50 = 1:11:m1@13 last 1 @15`},
	{"a send to a deleted uid", RuleResurrection, Illegal, never0, annAndBob + `
		d2 delete = @14
		d1 send bob m1 = 11,12#1 @15`},
	{"a login to a deleted uid", RuleResurrection, Illegal, never0, annAndBob + `
		d2 delete = @14
		d4 login bob = 12 2 0 @15`},
	{"a number that was voided", RuleBurnt, Illegal, never0, annAndBob + `
		a: d1 send bob m1
		v: d1/2 void
		a = 11,12#1 @13
		v = @14`},
	{"a cursor beyond what was stored", RuleCursor, Illegal, never0, annAndBob + `
		sub 1 d1 0
		d2 send ann m1 = 11,12#1 @13
		push 1 1 @13 11,12#1 12:m1
		d3 login! ann = 11 2 1 @14`},
	{"a cursor falling", RuleCursor, Illegal, never0, annAndBob + `
		sub 1 d1 0
		d2 send ann m1 = 11,12#1 @13
		push 1 1 @13 11,12#1 12:m1
		ack 1 1
		d3 login! ann = 11 2 1 @14
		d4 login! ann = 11 3 0 @15`},
	{"a device's commands out of order", RuleSearch, Illegal, never0, annAndBob + `
		a: d1 send bob m1
		b: d1 send bob m2
		b = 11,12#1 @13
		a = 11,12#2 @14`},

	{"a number used twice", RuleSearch, Illegal, never0, annAndBob + `
		d1/2 send bob m1 = 11,12#1 @13
		d1/2 send bob m2 = 11,12#2 @14`},
	{"a page that promises more", RuleSearch, Illegal, never0, annAndBob + `
		d2 list - - 2 = ann Bob more @12`},
	{"a late refusal that was not true in time", RuleSearch, Illegal, never0, annAndBob + `
		a: d1 send bob m1
		a info
		a ! E_NO_SUCH_USER @13
		d2 delete = @14`},
	{"a late refusal that had been true", RuleSearch, Illegal, never0, `
		d1 signup ann = 11 @11
		d2 signup bob = 12 @12
		a: d1 send bob m1
		a info
		a ! E_NO_SUCH_USER @13`},
	{"late refusals, each true, not in this order", RuleSearch, Illegal, never0, annAndBob + `
		d: d2 delete
		a: d1 send bob m1
		a info
		a ! E_NO_SUCH_USER @14
		b: d9 login bob
		b info
		b ! E_LOGGED_IN_ELSEWHERE @15
		d = @13`},

	// A send that is not atomic: the split by account caught none of these.
	{"a send half before a takeover", RuleSearch, Illegal, never0, `
		d1 signup ann = 11 @11
		a: d1 send bob m1
		d3 login! ann = 11 2 0 @12
		d3 send bob m2 ! E_NO_SUCH_USER @13
		d2 signup bob = 14 @14
		a = 11,14#1 @15`},
	// An index ahead of its table.
	{"a name in the list before its account", RuleSearch, Illegal, never0, `
		d1 signup ann = 11 @11
		a: d2 signup bob
		d1 list - - 10 = ann bob @12
		d1 send bob m1 ! E_NO_SUCH_USER @13
		a = 14 @14`},

	{"two positions swapped", RuleRealTime, PositionContract, never0, annAndBob + `
		d1 send ann m1 = 11#1 @14
		d2 send bob m2 = 12#1 @13`},
	{"two positions swapped, at once", RuleReplay, PositionContract, never0, annAndBob + `
		a: d1 send bob m1
		b: d2 send ann m2
		a = 11,12#1 @14
		b = 11,12#2 @13`},
	{"one position for two commands", RuleSharedPos, PositionContract, never0, annAndBob + `
		a: d1 send bob m1
		b: d2 send ann m2
		a = 11,12#1 @13
		b = 11,12#2 @13`},
	{"a read at too low a position", RuleReplay, PositionContract, never0, annAndBob + `
		a: d1 send bob m1
		d2 history 11,12 0 50 = 1:11:m1@13 last 1 @12
		a = 11,12#1 @13`},
	{"a uid that is not the position", RuleReplay, PositionContract, never0, `
		d1 signup ann = 12 @11`},
	{"a row at a wrong position", RuleReplay, PositionContract, never0, annAndBob + `
		d1 send bob m1 = 11,12#1 @13
		d2 history 11,12 0 50 = 1:11:m1@12 last 1 @13`},
	{"no position", RuleMissingPos, PositionContract, never0, annAndBob + `
		d1 send bob m1 = 11,12#1`},
	{"another position in the log", RuleEntry, PositionContract, never0, annAndBob + `
		d1 send bob m1 = 11,12#1 @13
		entry @14 d1 2`},
	{"an entry that nobody sent", RuleEntry, PositionContract, never0, annAndBob + `
		entry @14 d1 2`},
	{"a lease that ended for no reason", RuleReplay, PositionContract, exclusive(ExpiryLogged), annAndBob + `
		d3 login ann = 11 2 0 @13
		expire @14 d1`},

	{"nothing but unknowns", RuleVacuous, Unknown, never0, `
		a: d1 signup ann
		a info`},
	{"nothing", RuleVacuous, Unknown, never0, ``},
	{"a recording cut short", RuleEnd, Unknown, never0, annAndBob + `cut`},
	{"too much that is not modelled", RuleVacuous, Unknown, never0, annAndBob + `
		d1 send bob m1 ! E_QUEUE_FULL @13`},
}

var plantedFeeds = []planted{
	{"a push altered", RuleFeedAgreement, Illegal, never0, `
		push 1 1 @13 11,12#1 11:m9`},
	{"a push of someone else's", RuleFeedAgreement, Illegal, never0, `
		push 1 1 @13 11#1 11:m1`},
	{"a push at a wrong position", RuleFeedAgreement, PositionContract, never0, `
		push 1 1 @14 11,12#1 11:m1
		push 1 2 @14 11,12#2 11:m2`},
	{"streams that differ", RuleFeedAgreement, Illegal, multi(), `
		d4 login bob = 12 1 0 @15
		sub 2 d4 0
		push 1 1 @13 delivered
		push 1 2 @13 11,12#1 11:m1
		push 2 1 @13 11,12#1 11:m1`},
	{"a push before its send", RuleFeedEarly, Illegal, never0, `
		push 1 1 @13 11,12#1 11:m1
		push 1 2 @14 11,12#2 11:m2
		push 1 3 @15 11,12#3 11:m3
		d1 send bob m3 = 11,12#3 @15`},
	{"a gap in the numbers", RuleFeedGap, Illegal, never0, `
		push 1 2 @13 11,12#1 11:m1`},
	{"a message left out", RuleFeedGap, Illegal, never0, `
		push 1 1 @14 11,12#2 11:m2`},
	{"a message left out between others", RuleFeedGap, Illegal, never0, `
		d3 signup cat = 15 @15
		d3 send bob c1 = 12,15#1 @16
		push 1 1 @13 11,12#1 11:m1
		push 1 2 @16 12,15#1 15:c1`},
	{"a number twice", RuleFeedRepeat, Illegal, never0, `
		push 1 1 @13 11,12#1 11:m1
		push 1 1 @13 11,12#1 11:m1`},
	{"a message twice", RuleFeedRepeat, Illegal, never0, `
		push 1 1 @13 11,12#1 11:m1
		push 1 2 @13 11,12#1 11:m1`},
	{"messages swapped", RuleFeedOrder, Illegal, never0, `
		push 1 1 @14 11,12#2 11:m2
		push 1 2 @13 11,12#1 11:m1`},
	{"a push after logout", RuleFeedEnd, Illegal, never0, `
		push 1 1 @13 11,12#1 11:m1
		push 1 2 @14 11,12#2 11:m2
		d2 logout = @15
		d1 send bob m3 = 11,12#3 @16
		push 1 3 @16 11,12#3 11:m3`},
	{"a push after takeover", RuleFeedEnd, Illegal, never0, `
		push 1 1 @13 11,12#1 11:m1
		push 1 2 @14 11,12#2 11:m2
		d4 login! bob = 12 2 0 @15
		d1 send bob m3 = 11,12#3 @16
		push 1 3 @16 11,12#3 11:m3`},
	{"a push after deletion", RuleFeedEnd, Illegal, never0, `
		push 1 1 @13 11,12#1 11:m1
		push 1 2 @14 11,12#2 11:m2
		d2 delete = @15
		push 1 3 @17 membership`},
	{"a stream that never catches up", RuleFeedComplete, Illegal, never0, `
		push 1 1 @13 11,12#1 11:m1
		phase drained`},
}

// feedPrelude is what the feed histories begin with: two messages, and a stream to bob.
const feedPrelude = annAndBob + `
	d1 send bob m1 = 11,12#1 @13
	d1 send bob m2 = 11,12#2 @14
	sub 1 d2 0
`

// Every rule is broken by a history that names it.
func TestPlanted(t *testing.T) {
	for _, p := range plantedFeeds {
		p.text = feedPrelude + p.text
		p.check(t)
	}
	for _, p := range plantedHistories {
		p.check(t)
	}
}

func (p planted) check(t *testing.T) {
	h := script(t, p.meta, p.text)
	r := Check(h, Options{})
	named := slices.ContainsFunc(r.Findings, func(f Finding) bool { return f.Rule == p.rule })
	if !named || r.Verdict != p.verdict {
		t.Errorf("%s: want %v by %q, got\n%v", p.name, p.verdict, p.rule, r)
	}
}

// These look wrong and are not.
var mustAccept = []struct {
	name string
	meta Meta
	text string
}{
	{"an unknown send that took effect late", never0, annAndBob + `
		a: d1 send bob m1
		a info
		d2 history 11,12 0 50 = last 0 @12
		d2 send ann m2 = 11,12#1 @14
		d2 history 11,12 0 50 = 1:12:m2@14 2:11:m1@16 last 2 @16`},
	{"an unknown send that only a number shows", never0, annAndBob + `
		a: d1 send bob m1
		a info
		d2 send ann m2 = 11,12#2 @14`},
	{"an unknown takeover that only a fence shows", never0, annAndBob + `
		a: d3 login! ann
		a info
		d1 send bob m1 = 11,12#1 @13
		d1 send bob m2 ! E_FENCED @15`},
	{"an unknown signup that a login shows", never0, `
		a: d1 signup ann
		a info
		d2 login! ann = 11 2 0 @12`},
	{"an unknown signup that only its device shows", never0, `
		a: d1 signup ann
		a info
		d1 list - - 10 = ann @12`},
	{"an unknown signup that a conversation shows", never0, `
		d1 signup ann = 11 @11
		a: d2 signup bob
		a info
		d1 send bob m1 = 11,12#1 @13
		d1 history 11,12 0 50 = 1:11:m1@13 last 1 @13`},
	{"two unknown deeds, both needed", never0, annAndBob + `
		a: d1 delete
		a info
		b: d3 signup ann
		b info
		d2 list - - 10 = Bob @14
		d2 send ann m1 = 12,15#1 @16`},
	{"concurrent sends in either order", never0, annAndBob + `
		a: d1 send bob m1
		b: d2 send ann m2
		a = 11,12#2 @14
		b = 11,12#1 @13`},
	{"one body sent twice", never0, annAndBob + `
		a: d1 send bob m1
		a info
		d2 send ann m1 = 11,12#1 @13
		d2 history 11,12 0 50 = 1:12:m1@13 last 1 @13`},
	{"a first contact that is none", never0, annAndBob + `
		d3 list - - 10 ! E_NO_SESSION @12
		d3/2 signup cat ! E_NO_SESSION @12
		d3/1 signup cat = 13 @13`},
	{"a send to oneself", never0, `
		d1 signup ann = 11 @11
		d1 send ANN m1 = 11#1 @12
		d1 history 11 0 50 = 1:11:m1@12 last 1 @12`},
	{"reads that share a command's position", never0, annAndBob + `
		a: d1 list - - 10
		d1 send bob m1 = 11,12#1 @13
		a = ann Bob @13
		d1 history 11,12 0 50 = 1:11:m1@13 last 1 @13
		d2 history 11,12 1 50 = last 1 @13`},
	{"a fenced device logs in again", never0, annAndBob + `
		d3 login! ann = 11 2 0 @13
		d1 send bob m1 ! E_FENCED @14
		d1 login! ann = 11 3 0 @15
		d1 send bob m2 = 11,12#1 @16
		d3 logout = @17
		d3 list - - 10 ! E_NO_SESSION @17`},
	{"a login without takeover after logout", never0, annAndBob + `
		d1 logout = @13
		d3 login ann = 11 2 0 @14`},
	{"a lease that lapsed, and is taken back", exclusive(ExpiryLogged), annAndBob + `
		d1 send bob m1 = 11,12#1 @14
		expire @13 d1
		d3 login ann ! E_LOGGED_IN_ELSEWHERE @15
		d4 login ann = 11 2 0 @17
		expire @16 d1`},
	{"a lapsed lease taken back by a refused command", exclusive(ExpiryLogged), annAndBob + `
		d1 send cat m1 ! E_NO_SUCH_USER @14
		expire @13 d1
		d3 login ann ! E_LOGGED_IN_ELSEWHERE @15`},
	{"a lease that ended at some time", exclusive(ExpiryAny), annAndBob + `
		d3 login ann ! E_LOGGED_IN_ELSEWHERE @13
		d4 login ann = 11 2 0 @15`},
	{"a name again, as another account", never0, annAndBob + `
		d1 send bob m1 = 11,12#1 @13
		d2 delete = @14
		d1 send bob m2 ! E_NO_SUCH_USER @15
		d3 signup bob = 16 @16
		d1 send bob m3 = 11,16#1 @17
		d3 history 11,12 0 50 ! E_NOT_MEMBER @17
		d1 history 11,12 0 50 = 1:11:m1@13 last 1 @17`},
	{"a device refused at first contact", never0, annAndBob + `
		d3 signup ANN ! E_NAME_TAKEN @13
		d3 signup cat ! E_NO_SESSION @13
		d3 list - - 10 ! E_NO_SESSION @14`},
	{"two devices under multi", multi(), annAndBob + `
		d3 login ann = 11 1 0 @13
		d1 send bob m1 = 11,12#1 @14
		d3 send bob m2 = 11,12#2 @15
		d1 logout = @16
		d3 send bob m3 = 11,12#3 @17`},
	{"a number voided in time", never0, annAndBob + `
		a: d1 send bob m1
		a info
		a never
		d2 history 11,12 0 50 = last 0 @14`},
	{"a log that has the request twice", never0, annAndBob + `
		d1 send bob m1 = 11,12#1 @13
		entry @13 d1 2
		entry @15 d1 2
		entry @16 d2 1
		entry @12 d2 1`},
	{"an unknown placed by the log", never0, annAndBob + `
		a: d1 send bob m1
		a info
		d2 history 11,12 0 50 = last 0 @13
		d2 history 11,12 1 50 = last 1 @14
		entry @14 d1 2`},
	{"a stream that lags", never0, feedPrelude + `
		d2 history 11,12 0 50 = 1:11:m1@13 2:11:m2@14 last 2 @14
		push 1 1 @13 11,12#1 11:m1`},
	{"a stream that ends with its device", never0, feedPrelude + `
		push 1 1 @13 11,12#1 11:m1
		d4 login! bob = 12 2 0 @15
		push 1 2 @14 11,12#2 11:m2
		phase drained`},
	{"an event of what ended the device", never0, feedPrelude + `
		push 1 1 @13 11,12#1 11:m1
		push 1 2 @14 11,12#2 11:m2
		d2 logout = @15
		push 1 3 @15 device-closed`},
	{"other events between messages", never0, feedPrelude + `
		push 1 1 @13 delivered
		push 1 2 @13 11,12#1 11:m1
		push 1 3 @14 11,12#2 11:m2
		push 1 4 @16 undeliverable
		push 1 5 @16 undeliverable
		phase drained`},
	{"messages deferred and caught up", never0, feedPrelude + `
		d3 signup cat = 15 @15
		d3 send bob c1 = 12,15#1 @16
		push 1 1 @16 12,15#1 15:c1
		push 1 2 @17 catch-up 11,12#1 2
		phase drained`},
	{"a stream resumed elsewhere", never0, feedPrelude + `
		push 1 1 @13 11,12#1 11:m1
		ack 1 1
		close 1
		sub 2 d2 1
		push 2 2 @14 11,12#2 11:m2
		ack 2 2
		d4 login! bob = 12 2 2 @15
		phase drained`},
	{"a push of an unknown send", never0, feedPrelude + `
		a: d1 send bob m3
		a info
		push 1 1 @13 11,12#1 11:m1
		push 1 2 @14 11,12#2 11:m2
		push 1 3 @15 11,12#3 11:m3
		phase drained`},
}

// No checker says a word about a legal history, however odd.
func TestMustAccept(t *testing.T) {
	for _, a := range mustAccept {
		h := script(t, a.meta, a.text)
		for _, o := range []Options{{}, {Search: true}, {Certificate: true, Search: true}} {
			if r := Check(h, o); r.Verdict != Pass || len(r.Findings) > 0 {
				t.Errorf("%s, %+v:\n%v", a.name, o, r)
			}
		}
	}
}

// What is refused for reasons outside the model still leaves its trace: a tombstone, a lease.
func TestRefusedElsewhere(t *testing.T) {
	filler := strings.Repeat("d2 list - - 10 = ann Bob @12\n", 60)
	h := script(t, exclusive(ExpiryLogged), annAndBob+filler+`
		d5 login bob ! E_TOO_MANY_DEVICES @14
		d5/1 signup cat ! E_NO_SESSION @15
		expire @16 d1
		d1 send bob m1 ! E_QUEUE_FULL @17
		d6 login ann ! E_LOGGED_IN_ELSEWHERE @18`)
	for _, o := range []Options{{Certificate: true}, {Search: true}} {
		if r := Check(h, o); r.Verdict != Pass || r.Stats.Outside != 2 {
			t.Errorf("%+v:\n%v", o, r)
		}
	}
}

// A server may cut a page at a limit of its own; a shorter page is a hole.
func TestPageLimits(t *testing.T) {
	for _, test := range []struct {
		rows, limit uint64
		want        Verdict
	}{{50, 500, Pass}, {60, 500, Pass}, {49, 500, Illegal}, {50, 60, Pass}, {40, 40, Pass}, {41, 40, Illegal}} {
		text := strings.Builder{}
		text.WriteString(annAndBob)
		page := strings.Builder{}
		for i := uint64(1); i <= 60; i++ {
			fmt.Fprintf(&text, "d1 send bob m%d = 11,12#%d @%d\n", i, i, 12+i)
			if i <= test.rows {
				fmt.Fprintf(&page, "%d:11:m%d@%d ", i, i, 12+i)
			}
		}
		fmt.Fprintf(&text, "d2 history 11,12 0 %d = %s last 60 @72", test.limit, &page)
		r := Check(script(t, never0, text.String()), Options{Certificate: true})
		if r.Verdict != test.want {
			t.Errorf("%+v:\n%v", test, r)
		}
	}
}

// On a clock that may stand, equal stamps are concurrent; on several that differ by a skew, so is
// what lies closer than that. Under an event clock the same is a stale read.
func TestClocks(t *testing.T) {
	for _, test := range []struct {
		name           string
		sent, read, sk uint64
		want           Verdict
	}{
		{"equal", 1000, 1000, 0, Pass},
		{"later", 1000, 1001, 0, Illegal},
		{"within twice the skew", 1000, 1020, 10, Pass},
		{"beyond it", 1000, 1021, 10, Illegal},
	} {
		h := script(t, never0, annAndBob+`
			d1 send bob m1 = 11,12#1 @13
			d2 history 11,12 0 50 = last 0 @12`)
		h.Meta.Clock, h.Meta.Skew = ClockMono, test.sk
		for i, stamp := range []uint64{1, 100, 101, 200, 900, test.sent, test.read, 2000, 2001} {
			h.Events[i].T = stamp
		}
		for _, o := range []Options{{}, {Search: true}} {
			if r := Check(h, o); r.Verdict != test.want {
				t.Errorf("%s, %+v:\n%v", test.name, o, r)
			}
		}
	}
}

// An end that counts other lines is no end.
func TestWrongEnd(t *testing.T) {
	h := script(t, never0, annAndBob)
	h.Events[len(h.Events)-1].Lines++
	if r := Check(h, Options{}); r.Verdict != Unknown {
		t.Error(r)
	}
}

// hard is a history of ten signups that may have been, in any of 1,024 sets, and none of them helps. The
// list makes one component of them.
func hard(t *testing.T) *History {
	t.Helper()
	text := annAndBob
	for i := range 10 {
		text += fmt.Sprintf("s%d: e%d signup eve%d\ns%d info\n", i, i, i, i)
	}
	return script(t, never0, text+`
		d9 list - - 10 ! E_NO_SESSION @12
		d3 login ann = 11 2 0 @13`)
}

// A budget that is too small never passes.
func TestSmallBudget(t *testing.T) {
	needed := script(t, never0, annAndBob+`
		a: d3 login! ann
		a info
		d1 send bob m1 = 11,12#1 @13
		d1 send bob m2 ! E_FENCED @15`)
	if r := Check(needed, Options{Certificate: true, Budget: 1}); r.Verdict != Unknown {
		t.Errorf("got %v", r)
	}
	h := hard(t)
	for budget, want := range map[int]Verdict{1: Unknown, DefaultBudget: Illegal} {
		if r := Check(h, Options{Search: true, Budget: budget}); r.Verdict != want || r.Stats.Confirmed != (want == Illegal) {
			t.Errorf("budget %d: want %v, got %v%+v", budget, want, r, r.Stats)
		}
	}
	known := newRecord(newWorld(3, never0.Rules, worldPlan{clients: 5, ops: 60, accounts: 3}).run()).ops
	s := searcher{rules: never0.Rules, left: 20}
	if found := s.component(known); found != gaveUp || s.left > 0 {
		t.Errorf("20 configurations for 60 operations: got %v, %d left", found, s.left)
	}
}
