package replica_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"parley/core/chat"
	"parley/core/replica"
)

// A judge of histories needs the place in the log of every answer, whatever it says: of a command
// its own entry, of all else what had been applied. Each case leads to one code, and says whether
// it has an entry of its own.
func TestEveryAnswerHasItsPosition(t *testing.T) {
	type setting = func(*chat.Settings)
	passwords := func(s *chat.Settings) { s.OpenAuth = false }
	two := func(a *alone) (ada, bob *person) { return a.signup(1, "ada"), a.signup(2, "bob") }
	login := func(a *alone, n byte, name string, takeover bool) replica.Reply {
		p := device(n)
		return a.do(p, chat.Login{Name: name, Token: chat.Token(p.tok), Takeover: takeover})
	}
	say := func(a *alone, p *person, to, body string) replica.Reply {
		return a.do(p, chat.Send{To: to, Body: body})
	}
	cases := []struct {
		code  string
		entry bool
		set   setting
		do    func(a *alone) replica.Reply
	}{
		{"", true, nil, func(a *alone) replica.Reply { ada, _ := two(a); return say(a, ada, "bob", "hi") }},
		{"", false, nil, func(a *alone) replica.Reply { ada, _ := two(a); return a.ask(ada, replica.List{}) }},
		{"", false, nil, func(a *alone) replica.Reply { ada, _ := two(a); return a.ask(ada, replica.Whoami{}) }},
		{"", false, nil, func(a *alone) replica.Reply { ada, _ := two(a); return a.ask(ada, replica.History{With: "bob"}) }},
		{"", false, nil, func(a *alone) replica.Reply {
			ada, _ := two(a)
			return a.call(replica.Call{Device: ada.dev, Token: ada.tok, Query: replica.List{}, Stale: true})
		}},
		{"E_NO_SUCH_USER", true, nil, func(a *alone) replica.Reply { ada, _ := two(a); return say(a, ada, "cat", "hi") }},
		{"E_NO_SUCH_USER", false, nil, func(a *alone) replica.Reply {
			ada, _ := two(a)
			return a.ask(ada, replica.History{With: "cat"})
		}},
		{"E_NOT_MEMBER", false, nil, func(a *alone) replica.Reply {
			ada, _ := two(a)
			return a.ask(ada, replica.History{Members: [2]chat.UID{77, 78}})
		}},
		{"E_NAME_TAKEN", true, nil, func(a *alone) replica.Reply {
			two(a)
			p := device(3)
			return a.do(p, chat.Signup{Name: "ADA", Token: chat.Token(p.tok)})
		}},
		{"E_BAD_NAME", true, nil, func(a *alone) replica.Reply {
			p := device(3)
			return a.do(p, chat.Signup{Name: "a b", Token: chat.Token(p.tok)})
		}},
		{"E_REGISTRATION_CLOSED", true, func(s *chat.Settings) { s.ClosedRegistration = true }, func(a *alone) replica.Reply {
			p := device(3)
			return a.do(p, chat.Signup{Name: "cat", Token: chat.Token(p.tok)})
		}},
		{"E_DEVICE_IN_USE", true, nil, func(a *alone) replica.Reply {
			ada, _ := two(a)
			return a.do(ada, chat.Login{Name: "bob", Token: chat.Token(ada.tok)})
		}},
		{"E_LOGGED_IN_ELSEWHERE", true, nil, func(a *alone) replica.Reply { two(a); return login(a, 3, "ada", false) }},
		{"E_FENCED", true, nil, func(a *alone) replica.Reply {
			ada, _ := two(a)
			login(a, 3, "ada", true)
			return say(a, ada, "bob", "hi")
		}},
		{"E_FENCED", false, nil, func(a *alone) replica.Reply {
			ada, _ := two(a)
			login(a, 3, "ada", true)
			return a.ask(ada, replica.List{})
		}},
		{"E_TOO_MANY_DEVICES", true, func(s *chat.Settings) { s.MultiLogin, s.MaxDevices = true, 1 }, func(a *alone) replica.Reply {
			two(a)
			return login(a, 3, "ada", false)
		}},
		{"E_RECREATED", true, nil, func(a *alone) replica.Reply {
			ada, _ := two(a)
			return a.do(ada, chat.Send{To: "bob", ToUID: 999, Body: "hi"})
		}},
		{"E_EMPTY", true, nil, func(a *alone) replica.Reply { ada, _ := two(a); return say(a, ada, "bob", "") }},
		{"E_BAD_TEXT", true, nil, func(a *alone) replica.Reply { ada, _ := two(a); return say(a, ada, "bob", "\xff") }},
		{"E_TOO_LARGE", true, nil, func(a *alone) replica.Reply {
			ada, _ := two(a)
			return say(a, ada, "bob", strings.Repeat("x", 16<<10+1))
		}},
		{"E_TOO_LARGE", false, nil, func(a *alone) replica.Reply {
			ada, _ := two(a)
			return say(a, ada, "bob", strings.Repeat("x", chat.MaxCommand))
		}},
		{"E_QUEUE_FULL", true, func(s *chat.Settings) { s.MaxQueue = 1 }, func(a *alone) replica.Reply {
			ada, _ := two(a)
			say(a, ada, "bob", "one")
			return say(a, ada, "bob", "two")
		}},
		{"E_SEQ_REUSED", true, nil, func(a *alone) replica.Reply {
			ada, _ := two(a)
			say(a, ada, "bob", "one")
			ada.next--
			return a.do(ada, chat.Void{})
		}},
		{"E_SEQ_GAP", false, nil, func(a *alone) replica.Reply { ada, _ := two(a); ada.next = 9; return say(a, ada, "bob", "hi") }},
		{"E_WINDOW", false, nil, func(a *alone) replica.Reply {
			ada, _ := two(a)
			say(a, ada, "bob", "one")
			say(a, ada, "bob", "two") // confirms the first
			ada.next = 2
			return say(a, ada, "bob", "one")
		}},
		{"E_NO_SESSION", false, nil, func(a *alone) replica.Reply { return say(a, device(7), "bob", "hi") }},
		{"E_NO_SESSION", false, nil, func(a *alone) replica.Reply { return a.ask(device(7), replica.List{}) }},
		{"E_OTHER_HISTORY", false, nil, func(a *alone) replica.Reply {
			ada, _ := two(a)
			return a.call(replica.Call{Device: ada.dev, Token: ada.tok, Pos: replica.Pos{Epoch: 2}, Query: replica.List{}})
		}},
		{"E_BAD_PASSWORD", false, passwords, func(a *alone) replica.Reply {
			two(a)
			a.wrong = true
			return login(a, 3, "ada", true)
		}},
		{"E_BUSY", false, passwords, func(a *alone) replica.Reply { two(a); a.busy = true; return login(a, 3, "ada", true) }},
		{"E_RATE", false, func(s *chat.Settings) { s.SendPerSec, s.SendBurst = 5, 1 }, func(a *alone) replica.Reply {
			ada, _ := two(a)
			say(a, ada, "bob", "one")
			return say(a, ada, "bob", "two")
		}},
		{"E_NOT_LEADER", false, nil, func(a *alone) replica.Reply {
			ada, _ := two(a)
			a.step(replica.Resign{})
			return say(a, ada, "bob", "hi")
		}},
	}
	met := []string{}
	for _, c := range cases {
		a := start(t, c.set)
		r := c.do(a)
		met = append(met, c.code)
		applied := a.m.Status().Applied
		switch {
		case r.Code != c.code:
			t.Errorf("%q: answered %q", c.code, r.Code)
		case r.Pos.Epoch != 1 || r.Pos.Index == 0 || r.Pos.Index > applied:
			t.Errorf("%q at %+v, with %d applied", c.code, r.Pos, applied)
		}
		before := len(a.replies) - 1
		for _, earlier := range a.replies[:before] {
			if c.entry && !r.Replayed && earlier.Pos.Index >= r.Pos.Index {
				t.Errorf("%q at %d, which is no entry of its own", c.code, r.Pos.Index)
			}
		}
		if r.Replayed && r.Pos != a.replies[before-1].Pos {
			t.Errorf("%q at %+v, want that of the command: %+v", c.code, r.Pos, a.replies[before-1].Pos)
		}
	}
	// E_UNAVAILABLE needs a majority that is lost, E_RETRY two commands at once, E_NO_SPACE nobody gives;
	// the rest are a client's own. The simulator holds every reply to the same (checks.positions).
	others := []string{"E_UNAVAILABLE", "E_RETRY", "E_NO_SPACE", "E_TIMEOUT", "E_VOIDED", "E_MISUSE"}
	for _, code := range codesInCore(t) {
		if !slices.Contains(met, code) && !slices.Contains(others, code) {
			t.Errorf("no case leads to %s", code)
		}
	}
}

func codesInCore(t *testing.T) (codes []string) {
	t.Helper()
	for _, room := range []string{"../chat", "../session", "."} {
		sources := func(f fs.FileInfo) bool { return !strings.HasSuffix(f.Name(), "_test.go") }
		pkgs, err := parser.ParseDir(token.NewFileSet(), room, sources, 0)
		if err != nil {
			t.Fatal(err)
		}
		for _, p := range pkgs {
			ast.Inspect(p, func(n ast.Node) bool {
				if l, ok := n.(*ast.BasicLit); ok && l.Kind == token.STRING {
					if s, _ := strconv.Unquote(l.Value); strings.HasPrefix(s, "E_") {
						codes = append(codes, s)
					}
				}
				return true
			})
		}
	}
	slices.Sort(codes)
	return slices.Compact(codes)
}

// What a feed says names the incarnation of the account and a place in the log: the grant, each
// event, the end.
func TestFeedsNameTheirAccount(t *testing.T) {
	a := start(t, nil)
	ada, bob := a.signup(1, "ada"), a.signup(2, "bob")
	uid := a.ask(bob, replica.Whoami{}).Identity.UID
	a.step(replica.Attach{Conn: 9, Sub: 3, Device: bob.dev, Token: bob.tok, FromCursor: true})
	a.do(ada, chat.Send{To: "bob", Body: "hi"})
	p := device(3)
	in := a.do(p, chat.Login{Name: "bob", Token: chat.Token(p.tok), Takeover: true})
	a.wait(time.Second)
	if len(a.attached) != 1 || len(a.pushes) != 1 || len(a.closed) != 1 {
		t.Fatalf("%d attached, %d pushes, %d closed, want one each", len(a.attached), len(a.pushes), len(a.closed))
	}
	if uid == 0 || a.attached[0].UID != uid || a.pushes[0].Event.Account != uid || in.Result.UID != uid {
		t.Errorf("uid %d: attached as %d, event of %d, login %d", uid, a.attached[0].UID, a.pushes[0].Event.Account, in.Result.UID)
	}
	for what, pos := range map[string]replica.Pos{"attached": a.attached[0].Pos, "push": a.pushes[0].Pos, "closing": a.closed[0].Pos} {
		if pos.Epoch != 1 || pos.Index == 0 {
			t.Errorf("%s at %+v", what, pos)
		}
	}
}
