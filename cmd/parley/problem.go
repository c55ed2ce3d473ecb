package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"parley/core/session"
	"parley/realnet"
)

// The exit codes, as in the manual. Scripts rely on them.
const (
	exitOK          = 0
	exitNo          = 1   // the answer is no, or an error without a better number
	exitUsage       = 64  // wrong usage
	exitData        = 65  // bad name or text, or a file that is no history
	exitNoInput     = 66  // a file cannot be read
	exitNoSuch      = 67  // no such user, message …
	exitNotApplied  = 69  // definitely not applied: safe to run again
	exitBug         = 70  // a check of our own failed
	exitTaken       = 73  // the name is taken
	exitUnknown     = 75  // not known yet
	exitProtocol    = 76  // other protocol version or other cluster
	exitRefused     = 77  // not allowed
	exitConfig      = 78  // configuration
	exitElsewhere   = 79  // logged in elsewhere
	exitInterrupted = 130 // Ctrl+C
)

// problem is an error as people and programs get it: what happened, what helps, and the number.
type problem struct {
	exit  int
	code  string // E_…; empty if the cluster has no word for it
	class string // rejected, not applied, unknown; empty: never left this machine
	text  string
	hint  string
	quiet bool // it has been said already

	where string // E_LOGGED_IN_ELSEWHERE: the device in use, and since when
}

func (p *problem) Error() string { return p.text }

// details are what a sentence about a code may name.
type details struct {
	name    string // the account that was asked for
	label   string // the device that is in use
	since   int64  // its login, Unix milliseconds
	date    int64  // E_RECREATED: when the earlier account was deleted
	afterMs int64  // worth asking again then
}

// sentence is what a code means to people; {name} and the like are filled in from details.
type sentence struct {
	exit int
	text string
	hint string
}

// sentences has one for every code there is; a test walks core for those that are missing.
var sentences = map[string]sentence{
	"E_BAD_NAME": {exitData, "{name} is not a name", "a name is 1 to 32 ASCII letters, digits, '.', '_' or '-', and begins with a letter or digit"},
	"E_BAD_TEXT": {exitData, "the message is not valid UTF-8 without NUL", ""},
	"E_EMPTY":    {exitData, "the message is empty", ""},
	"E_TOO_LARGE": {exitData, "the message is larger than the cluster takes",
		"split it, or send each line of standard input with --lines"},

	"E_NO_SUCH_USER": {exitNoSuch, "no such user {name}", "parley list shows all names"},
	"E_RECREATED": {exitNoSuch, "{name} is no longer the account you meant: it was deleted on {date} and the name taken again",
		"parley send again reaches the new account"},

	"E_NOT_LEADER":  {exitNotApplied, "no server leads at the moment", "parley status shows all servers"},
	"E_UNAVAILABLE": {exitNotApplied, "no majority of the servers can be reached", "parley status shows all servers"},
	"E_RATE":        {exitNotApplied, "too much at once", "ask again in {after}"},
	"E_BUSY":        {exitNotApplied, "the servers are busy", "ask again in {after}"},
	"E_NO_SPACE":    {exitNotApplied, "the servers have no space left", "whoever runs them must make room"},
	"E_QUEUE_FULL":  {exitNotApplied, "the queue of {name} is full", "it takes messages again when some are read"},
	"E_TIMEOUT":     {exitNotApplied, "no answer in time", "parley status shows all servers"},
	"E_VOIDED":      {exitNotApplied, "given up: it never was applied, and never will be", ""},
	"E_RETRY":       {exitNotApplied, "the account changed while it was asked", "run the command again"},

	"E_SEQ_REUSED": {exitBug, "the number of this command was used for another one", "parley outbox shows what is not settled"},
	"E_SEQ_GAP":    {exitBug, "the outbox of this device is older than what the cluster knows of it", "parley login from a new profile"},
	"E_MISUSE":     {exitBug, "the outbox does not know this number", "this is a bug in parley"},
	"E_WINDOW":     {exitBug, "this device asked too far ahead of its answers", "this is a bug in parley"},

	"E_NAME_TAKEN": {exitTaken, "the name {name} is taken", "parley login {bare}, if it is yours"},

	"E_OTHER_HISTORY": {exitProtocol, "the cluster was restored to a time before what this device has seen", "parley login from a new profile"},

	"E_BAD_PASSWORD":        {exitRefused, "wrong password", ""},
	"E_NO_SESSION":          {exitRefused, "this device is not logged in any more", "parley login NAME"},
	"E_FENCED":              {exitRefused, "another device has taken over", "parley login NAME --takeover takes it back"},
	"E_REGISTRATION_CLOSED": {exitRefused, "this cluster takes no new accounts", "ask whoever runs it"},
	"E_DEVICE_IN_USE":       {exitRefused, "this device belongs to another account", "parley logout first, or use another --profile"},
	"E_TOO_MANY_DEVICES":    {exitRefused, "the account has too many devices", "log one of them out"},
	"E_NOT_MEMBER":          {exitRefused, "this conversation is not yours", ""},

	"E_LOGGED_IN_ELSEWHERE": {exitElsewhere, "already logged in on {label} since {since}", "parley login {bare} --takeover ends that one"},
}

// refusal is the problem for a code of the cluster's.
func refusal(class session.Class, code string, d details) *problem {
	s, ok := sentences[code]
	if !ok { // of a newer server
		s = sentence{exitRefused, "refused: " + code, ""}
	}
	return &problem{exit: s.exit, code: code, class: className(class), text: d.fill(s.text), hint: d.fill(s.hint),
		where: d.fill("{label} since {since}")}
}

func className(c session.Class) string {
	switch c {
	case session.Rejected:
		return "rejected"
	case session.NotApplied:
		return "not applied"
	}
	return "unknown"
}

func (d details) fill(s string) string {
	after := "a moment"
	if d.afterMs > 0 {
		after = (time.Duration(d.afterMs) * time.Millisecond).String()
	}
	name := strconv.Quote(d.name)
	if d.name == "" {
		name = "by that name"
	}
	return strings.NewReplacer("{name}", name, "{bare}", d.name, "{label}", strconv.Quote(d.label), "{after}", after,
		"{since}", clock(d.since), "{date}", day(d.date)).Replace(s)
}

// clock is a time of day, with the day if that is not today.
func clock(ms int64) string {
	t, now := time.UnixMilli(ms), time.Now()
	if t.Format(time.DateOnly) == now.Format(time.DateOnly) {
		return t.Format("15:04")
	}
	return t.Format("2006-01-02 15:04")
}

func day(ms int64) string { return time.UnixMilli(ms).Format(time.DateOnly) }

// usage, config and bug are problems of this machine's own.
func usage(format string, args ...any) *problem {
	return &problem{exit: exitUsage, text: fmt.Sprintf(format, args...), hint: "parley help"}
}

func badConfig(hint, format string, args ...any) *problem {
	return &problem{exit: exitConfig, text: fmt.Sprintf(format, args...), hint: hint}
}

// asProblem finds the number and the hint for an error of any layer.
func asProblem(err error) *problem {
	var p *problem
	var unknown *realnet.UnknownError
	var none *realnet.NotAppliedError
	var gap *realnet.GapError
	var ended *realnet.FeedEndedError
	switch {
	case errors.As(err, &p):
		return p
	case errors.As(err, &unknown):
		return &problem{exit: exitUnknown, class: "unknown", text: unknown.Error(),
			hint: "parley outbox retry settles it; running the command again would do it twice"}
	case errors.As(err, &none):
		return refusal(session.NotApplied, none.Code, details{afterMs: none.AfterMs})
	case errors.As(err, &gap):
		return &problem{exit: exitBug, text: gap.Error(), hint: "this is a bug in parley; nothing was acknowledged"}
	case errors.As(err, &ended):
		return &problem{exit: exitRefused, class: "rejected", text: ended.Error(), hint: "parley login NAME"}
	case errors.Is(err, context.DeadlineExceeded):
		return &problem{exit: exitNotApplied, class: "not applied", text: "no answer in time", hint: "parley status shows all servers"}
	case errors.Is(err, context.Canceled):
		return &problem{exit: exitInterrupted, text: "interrupted", quiet: true}
	}
	return &problem{exit: exitNo, text: err.Error()}
}

// report says what is wrong to people, and gives the exit code.
func report(stderr io.Writer, err error) int {
	if err == nil {
		return exitOK
	}
	p := asProblem(err)
	if p.quiet {
		return p.exit
	}
	fmt.Fprintf(stderr, "parley: %s\n", safe(p.text))
	if p.hint != "" {
		fmt.Fprintf(stderr, "hint: %s\n", safe(p.hint))
	}
	return p.exit
}

// local says that p was found before anything left this machine.
func (p *problem) local() *problem {
	p.class = ""
	return p
}
