package main

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"parley/core/chat"
	"parley/core/replica"
	"parley/core/session"
	"parley/realnet"
)

// told is what a dialogue does, a line each.
func told(acts []act) string {
	var lines []string
	for _, a := range acts {
		switch a := a.(type) {
		case say:
			lines = append(lines, a.text)
		case hello:
			lines = append(lines, a.text)
		case note:
			lines = append(lines, "-- "+a.text)
		case fail:
			if a.words == "" {
				a.words = "-- " + a.problem.text
			}
			lines = append(lines, a.words)
		case send:
			lines = append(lines, fmt.Sprintf("<send %s %q>", a.letter.to, a.letter.body))
		case enter:
			lines = append(lines, fmt.Sprintf("<enter %s signup=%t password=%q takeover=%t>", a.contact.name,
				a.contact.signup, a.contact.password, a.contact.takeover))
		default:
			lines = append(lines, strings.TrimPrefix(fmt.Sprintf("<%T %v>", a, a), "<main."))
		}
	}
	return strings.Join(lines, "\n")
}

// exchange is something that happens, what comes of it, and the prompt after it.
type exchange struct {
	in     input
	want   string
	prompt string
}

func play(t *testing.T, d *dialogue, turns []exchange) {
	t.Helper()
	for i, x := range turns {
		got := told(d.step(x.in))
		prompt, _ := d.prompt()
		if d.mode == busy {
			prompt = "busy"
		}
		if got != x.want || prompt != x.prompt {
			t.Fatalf("turn %d, %+v\n got %q, prompt %q\nwant %q, prompt %q", i+1, x.in, got, prompt, x.want, x.prompt)
		}
	}
}

func no(code string, d details) error { return refusal(session.Rejected, code, d) }

// At the door: the original's words, and the new ones on lines of their own.
func TestDialogueAtTheDoor(t *testing.T) {
	open := true
	play(t, &dialogue{open: &open}, []exchange{
		{typed{""}, invalidInput, askDoor},
		{typed{"1|"}, invalidInput, askDoor},
		{typed{"1|a b"}, invalidInput, askDoor},
		{typed{"1|bob!"}, invalidInput, askDoor},
		{typed{"12|bob"}, invalidInput, askDoor},
		{typed{"1|" + strings.Repeat("a", 33)}, invalidInput, askDoor},
		{typed{"1|bob"}, `<enter bob signup=true password="" takeover=false>`, "busy"},
		{enterDone{"bob", no("E_NAME_TAKEN", details{})}, nameTaken, askDoor},
		{typed{" 2|bob "}, `<enter bob signup=false password="" takeover=false>`, "busy"},
		{enterDone{"bob", no("E_NO_SUCH_USER", details{})}, noSuchUser, askDoor},
		{typed{"2|bob"}, `<enter bob signup=false password="" takeover=false>`, "busy"},
		{enterDone{"bob", errors.New("no route")}, "-- no route", askDoor},
		{typed{"2|bob!"}, `<enter bob signup=false password="" takeover=true>`, "busy"},
		{enterDone{"bob", nil}, loginDone + "\n" + commands, ""},
		{feedOver{"device closed", ""}, "-- device closed", askDoor},
		{ctrlC{}, "quit {130}>", askDoor},
		{inputEnd{}, "quit {0}>", askDoor},
	})
}

// With passwords they are asked for: twice to sign up, once to log in.
func TestDialoguePasswords(t *testing.T) {
	d := &dialogue{}
	play(t, d, []exchange{
		{typed{"1|bob"}, "askPolicy {}>", "busy"},
		{policyIs{err: errors.New("no server")}, "-- no server", askDoor},
		{typed{"1|bob"}, "askPolicy {}>", "busy"},
		{policyIs{open: false}, "", askSecret},
		{typed{"one"}, "", askSecret},
		{typed{"two"}, "-- the two passwords differ", askDoor},
		{typed{"1|bob"}, "", askSecret},
		{typed{"s"}, "", askSecret},
		{typed{"s"}, `<enter bob signup=true password="s" takeover=false>`, "busy"},
		{enterDone{"bob", nil}, signupDone + "\n" + commands, ""},
		{typed{`\delete`}, "", askDelete},
		{typed{"y"}, "", askSecret},
		{typed{"s"}, "remove {s}>", "busy"},
		{deleteDone{false, no("E_BAD_PASSWORD", details{})}, "-- wrong password", ""},
		{typed{`\delete`}, "", askDelete},
		{typed{"Y"}, notDeleted, ""},
		{typed{`\delete`}, "", askDelete},
		{typed{"y"}, "", askSecret},
		{typed{"s"}, "remove {s}>", "busy"},
		{deleteDone{true, nil}, noUser, askDoor},
	})
	if _, secret := (&dialogue{mode: atSecret}).prompt(); !secret {
		t.Error("the password is echoed")
	}
}

// The commands, long and short; / works for \.
func TestDialogueCommands(t *testing.T) {
	d := &dialogue{mode: atWork, me: "ada"}
	play(t, d, []exchange{
		{typed{"hello"}, invalidCommand, ""},
		{typed{""}, invalidCommand, ""},
		{typed{`\nonsense`}, invalidCommand, ""},
		{typed{`\send`}, "", askTo},
		{typed{"bob"}, "", askText},
		{typed{`\quit is text here`}, `<send bob "\\quit is text here">`, ""},
		{typed{`/send @bob  two spaces`}, `<send bob " two spaces">`, ""},
		{typed{`\send bob`}, "", askText},
		{typed{""}, needBoth, ""},
		{typed{`\send`}, "", askTo},
		{typed{""}, "", askText},
		{typed{"text"}, needBoth, ""},
		{typed{`\send b!b text`}, noRecipient, ""},
		{typed{`@bob hello`}, `<send bob "hello">`, "[@bob] "},
		{typed{"and more"}, `<send bob "and more">`, "[@bob] "},
		{typed{""}, "", "[@bob] "},
		{typed{`\\quit`}, `<send bob "\\quit">`, "[@bob] "},
		{typed{"//usr"}, `<send bob "/usr">`, "[@bob] "},
		{typed{"@carl"}, "", "[@carl] "},
		{typed{"@not a name!"}, `<send not "a name!">`, "[@not] "},
		{typed{"@a!b x"}, invalidCommand, "[@not] "},
		{typed{`\history`}, "showPast {not 20}>", "busy"},
		{workDone{}, "", "[@not] "},
		{typed{`\history bob 5`}, "showPast {bob 5}>", "busy"},
		{workDone{err: errors.New("gone")}, "-- gone", "[@not] "},
		{typed{"@"}, "", ""},
		{typed{`\history`}, invalidCommand, ""},
		{typed{`\list`}, "", askQuery},
		{typed{""}, "showNames {}>", "busy"},
		{workDone{acts: []act{say{text: "ada"}}}, "ada", ""},
		{typed{`\list al`}, "showNames {al}>", "busy"},
		{workDone{}, "", ""},
		{typed{strings.Repeat("x", 70000)}, invalidCommand, ""},
		{typed{"@bob " + strings.Repeat("x", 70000)}, "-- the message is larger than the cluster takes", "[@bob] "},
		{typed{`\logout`}, "logout {}>", "busy"},
		{leftDone{nil}, logoutDone, askDoor},
	})
}

// Several lines at once were pasted: they are asked about, and go as one.
func TestDialoguePaste(t *testing.T) {
	ask := "Send these 2 lines as one message? [y]: "
	play(t, &dialogue{mode: atWork, me: "ada", to: "bob"}, []exchange{
		{typed{"one\ntwo"}, "", ask},
		{typed{"y"}, `<send bob "one\ntwo">`, "[@bob] "},
		{typed{"one\ntwo"}, "", ask},
		{typed{""}, "-- not sent", "[@bob] "},
		{typed{"one\ntwo"}, "", ask},
		{ctrlC{}, "-- not sent", "[@bob] "},
		{typed{"@carl one\ntwo"}, "", ask},
		{typed{"y"}, `<send carl "one\ntwo">`, "[@carl] "},
		{typed{"\\list\nx"}, invalidCommand, "[@carl] "},
	})
}

// Ctrl+C on an empty line logs out, wherever one is; while that is under way it quits.
func TestDialogueInterrupt(t *testing.T) {
	for _, m := range []mode{atWork, atTo, atText, atQuery, atConfirm, atSecret} {
		play(t, &dialogue{mode: m, me: "ada"}, []exchange{
			{ctrlC{}, "logout {}>", "busy"},
			{ctrlC{}, "quit {130}>", "busy"},
			{leftDone{errors.New("no server")}, "-- no server", ""},
		})
	}
}

// A login that is refused says where the account is in use, and how to take it over (T8).
func TestT8DialogueElsewhere(t *testing.T) {
	open := true
	err := no("E_LOGGED_IN_ELSEWHERE", details{name: "bob", label: "lap\ntop", since: 1})
	d := &dialogue{open: &open}
	d.step(typed{"2|bob"})
	want := elsewhere + "\n-- in use on \"lap\\ntop\" since " + clock(1) + "; 2|bob! takes over"
	play(t, d, []exchange{
		{enterDone{"bob", err}, want, askDoor},
		{typed{"2|bob!"}, `<enter bob signup=false password="" takeover=true>`, "busy"},
		{enterDone{"bob", nil}, loginDone + "\n" + commands, ""},
		{feedOver{`taken over by "phone"`, "bob"}, `-- taken over by "phone"; 2|bob! takes it back`, askDoor},
	})
}

func own(seq uint64, body string) event {
	return event{Kind: kindMessage, Me: 1, Members: [2]uint64{1, 2}, Names: [2]string{"ada", "bob"}, Seq: seq, From: 1, Body: body}
}

func stored(seq uint64) replica.Reply {
	return replica.Reply{Class: session.Applied, Result: chat.Result{Members: [2]chat.UID{1, 2}, Seq: seq}}
}

// Each of one's own messages is shown once, whether the answer or the feed comes first; one that
// another device sent is shown when it comes.
func TestDialogueOwnMessages(t *testing.T) {
	d := &dialogue{mode: atWork, me: "ada", to: "bob"}
	theirs := own(9, "hi ada")
	theirs.From = 2
	play(t, d, []exchange{
		{typed{"one"}, `<send bob "one">`, "[@bob] "},
		{letterDone{1, stored(1), nil}, "S[bob] one", "[@bob] "},
		{letterSlow{1}, "", "[@bob] "},
		{came{own(1, "one")}, "", "[@bob] "},
		{typed{"two"}, `<send bob "two">`, "[@bob] "},
		{letterSlow{2}, "S[bob] two" + pendingMark, "[@bob] "},
		{came{own(3, "two")}, "", "[@bob] "},
		{came{own(2, "from the phone")}, "", "[@bob] "},
		{came{theirs}, "R[bob] hi ada", "[@bob] "},
		{letterDone{2, stored(3), nil}, "S[bob] two\nS[bob] from the phone", "[@bob] "},
		{came{own(4, "phone again")}, "S[bob] phone again", "[@bob] "},
	})
	if len(d.sent.acked)+len(d.sent.held)+len(d.sent.under) != 0 {
		t.Errorf("left over: %+v", d.sent)
	}
}

// What cannot be sent says so, with its text if that was long ago.
func TestDialogueRefusedMessage(t *testing.T) {
	d := &dialogue{mode: atWork, me: "ada", to: "bob"}
	play(t, d, []exchange{
		{typed{"one"}, `<send bob "one">`, "[@bob] "},
		{letterDone{1, replica.Reply{}, no("E_NO_SUCH_USER", details{name: "bob"})}, noRecipient, "[@bob] "},
		{typed{"two"}, `<send bob "two">`, "[@bob] "},
		{letterSlow{2}, "S[bob] two" + pendingMark, "[@bob] "},
		{letterDone{2, replica.Reply{}, no("E_QUEUE_FULL", details{name: "bob"})},
			"-- the queue of \"bob\" is full\n-- not sent to bob: two", "[@bob] "},
		{typed{"three"}, `<send bob "three">`, "[@bob] "},
		{letterDone{3, replica.Reply{}, realnet.ErrClosed}, "-- no answer any more for bob: three", "[@bob] "},
	})
}

// A note to oneself is received, once; and what is to be known of an account is said.
func TestDialogueEvents(t *testing.T) {
	self := event{Kind: kindMessage, Me: 1, Members: [2]uint64{1, 1}, Names: [2]string{"ada", "ada"}, Seq: 1, From: 1, Body: "note"}
	fresh := own(1, "hi")
	fresh.From, fresh.Recreated = 2, 1
	lost := own(5, "")
	lost.Kind, lost.To, lost.Names[1] = kindUndeliverable, 7, "bob (deleted)"
	play(t, &dialogue{mode: atWork, me: "ada"}, []exchange{
		{came{self}, "R[ada] note", ""},
		{came{fresh}, "-- bob is a new account: an earlier one of that name was deleted on " + day(1) + "\nR[bob] hi", ""},
		{came{lost}, "-- not delivered to bob (deleted): messages 5 to 7; the account was deleted", ""},
	})
}
