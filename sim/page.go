package sim

import (
	_ "embed"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"time"

	"parley/core/raft"
)

// The page of a failure. What is on it stands here as data; page.html, page.css and page.js show it. All of
// it goes into one file that needs no network. Whatever a history says is shown as text: the data is JSON
// in which no "<" stands, and the script makes text nodes of it, never HTML.

//go:embed page.html
var pageHTML string

//go:embed page.css
var pageCSS string

//go:embed page.js
var pageJS string

// WriteReport writes a page that shows the failure, and needs nothing else: no network, no other file.
func WriteReport(w io.Writer, c *Case) error {
	data, err := json.Marshal(c.picture())
	if err != nil {
		return fmt.Errorf("write a report: %w", err)
	}
	page := strings.NewReplacer("/*STYLE*/", pageCSS, "/*DATA*/", string(data), "/*SCRIPT*/", pageJS).Replace(pageHTML)
	_, err = io.WriteString(w, page)
	return err
}

// picture is all that the page shows.
type picture struct {
	Checker string      `json:"checker"`
	Head    string      `json:"head"`
	Want    string      `json:"want"`
	Got     []string    `json:"got"`
	State   []string    `json:"state"`
	Repro   string      `json:"repro"`
	Card    string      `json:"card"`
	Plan    string      `json:"plan"`
	Sizes   [][3]any    `json:"sizes"` // what, was, now
	Tried   int         `json:"tried"`
	Passes  []Pass      `json:"passes"`
	Others  []string    `json:"others"`
	Seen    []string    `json:"seen"` // accidents of the plan, in words
	Still   bool        `json:"still"`
	Lanes   []string    `json:"lanes"`
	Steps   []pageStep  `json:"steps"`
	Packets []pageMail  `json:"packets"`
	Faults  []pageFault `json:"faults"`
	Saves   []pageSave  `json:"saves"`
	Story   []pageLine  `json:"story"`
	Here    int         `json:"here"`
}

// pageStep is a step that came to something. Places are among these steps.
type pageStep struct {
	Event uint64      `json:"e"`
	At    int64       `json:"t"` // ns
	Who   string      `json:"w"`
	Cause int         `json:"k"` // -1: none
	Cone  bool        `json:"c"`
	Dull  bool        `json:"d"` // heartbeats and the like
	Texts []string    `json:"x"`
	News  [][4]uint64 `json:"n,omitempty"` // what changed about whom: node, what, to, and more
}

// What News are about.
const (
	newsUp     = iota + 1 // 0 down, 1 up, 2 paused
	newsRole              // kind; more: term
	newsLog               // in memory
	newsDisk              // on disk
	newsCommit            // of this replica
)

type pageMail struct {
	From int    `json:"a"` // step
	To   int    `json:"b"` // step, or -1
	On   string `json:"f"`
	At   string `json:"g"`
	Kind string `json:"k"`
	Text string `json:"x"`
	Fate string `json:"z"` // ok, lost, shut, missed, double, late
}

type pageFault struct {
	Step  int    `json:"a"`
	Until int64  `json:"u"` // ns
	On    string `json:"o"`
	Text  string `json:"x"`
}

type pageSave struct {
	On   string `json:"o"`
	From int    `json:"a"`
	To   int    `json:"b"` // -1: it never came to an end
	Fate string `json:"z"` // durable, gone, kept
	Text string `json:"x"`
}

type pageLine struct {
	Step int    `json:"a"`
	Text string `json:"x"`
}

// picturing makes a picture of a tape.
type picturing struct {
	c      *Case
	p      *picture
	place  []int // of each step of the tape among those shown; -1: not
	sent   map[mailKey][]int
	saving map[Who]int
	healed time.Duration // when all faults ended
}

type mailKey struct {
	say   Saying
	nth   int
	which uint64
}

func (c *Case) picture() *picture {
	f := c.Result.Failure
	head, got := c.headline()
	p := &picture{Checker: f.Checker, Head: head, Want: demand(f), Got: got, State: f.State, Repro: c.Repro, Card: Card(c),
		Plan: string(c.Result.Plan.Encode()), Still: c.Result.Plan.Still}
	for n := range c.Result.Plan.Clients {
		p.Lanes = append(p.Lanes, person(n).String())
	}
	for n := range c.Result.Plan.Voters {
		p.Lanes = append(p.Lanes, node(raft.ID(n+1)).String())
	}
	for _, d := range c.Result.Plan.Deviations {
		p.Seen = append(p.Seen, d.String())
	}
	c.sized(p)
	d := picturing{c: c, p: p, sent: map[mailKey][]int{}, saving: map[Who]int{}, healed: time.Duration(maxChaos)}
	for _, f := range c.Tape.Facts {
		if f.Kind == FactHealed {
			d.healed = c.Tape.Steps[f.Step].At
		}
	}
	d.steps()
	for i := range c.Tape.Facts {
		d.fact(&c.Tape.Facts[i])
	}
	for _, l := range c.Story() {
		p.Story = append(p.Story, pageLine{d.place[l.Step], l.Text})
		if l.Here {
			p.Here = d.place[l.Step]
		}
	}
	return p
}

// sized puts the plan's sizes beside those it had.
func (c *Case) sized(p *picture) {
	now := &c.Result.Plan
	was := now
	if c.Was != nil {
		was = &c.Was.Was.Plan
		p.Tried, p.Passes = c.Was.Tried, c.Was.Passes
		for _, o := range c.Was.Others {
			p.Others = append(p.Others, o.Signature())
		}
	}
	row := func(what string, of func(p *Plan) int) { p.Sizes = append(p.Sizes, [3]any{what, of(was), of(now)}) }
	row("faults", func(p *Plan) int { return len(p.Faults) })
	row("operations", func(p *Plan) int { return len(p.Ops) })
	row("replicas", func(p *Plan) int { return p.Voters })
	row("clients", func(p *Plan) int { return p.Clients })
}

// steps takes those steps of the tape that came to something.
func (d *picturing) steps() {
	t := d.c.Tape
	crux := d.c.crux()
	cone := t.cone(crux)
	d.place = make([]int, len(t.Steps))
	for i := range t.Steps {
		d.place[i] = -1
		s := pageStep{Event: t.Steps[i].Event, At: int64(t.Steps[i].At), Who: t.who(i).String(), Cone: cone[i], Cause: -1}
		s.Texts, s.News = d.told(i)
		s.Dull = t.dull(i)
		if len(s.Texts) == 0 && !cone[i] {
			continue
		}
		if k := t.cause(i); k >= 0 {
			s.Cause = d.place[k]
		}
		d.place[i] = len(d.p.Steps)
		d.p.Steps = append(d.p.Steps, s)
	}
}

// told is what a step says and changes.
func (d *picturing) told(i int) (texts []string, news [][4]uint64) {
	texts = []string{}
	who := d.c.Tape.who(i)
	facts := d.c.Tape.facts(i)
	for k := range facts {
		f := &facts[k]
		if text := f.words(); text != "" {
			if f.On.Kind != 0 && f.On != who {
				text = f.On.String() + " " + text
			}
			texts = append(texts, cutTo(plainText(text), 300))
		}
		news = append(news, newsOf(f)...)
	}
	return texts, news
}

func newsOf(f *Fact) [][4]uint64 {
	if f.On.Kind != 'n' {
		return nil
	}
	n := uint64(f.On.N)
	switch f.Kind {
	case FactBorn:
		return [][4]uint64{{n, newsUp, 1}, {n, newsDisk, f.M}}
	case FactWoke:
		return [][4]uint64{{n, newsUp, 1}}
	case FactDied:
		return [][4]uint64{{n, newsUp, 0}, {n, newsRole, 0, 0}, {n, newsLog, 0}}
	case FactPaused:
		return [][4]uint64{{n, newsUp, 2}}
	case FactRole:
		return [][4]uint64{{n, newsRole, f.M, f.N}}
	case FactLog:
		return [][4]uint64{{n, newsLog, f.N}}
	case FactDurable:
		return [][4]uint64{{n, newsDisk, f.M}}
	case FactCommit:
		return [][4]uint64{{n, newsCommit, f.N}}
	}
	return nil
}

// fact adds what joins two steps, or lasts.
func (d *picturing) fact(f *Fact) {
	at := d.place[f.Step]
	key := mailKey{f.Say, f.Nth, f.N}
	switch f.Kind {
	case FactSent:
		d.sent[key] = append(d.sent[key], len(d.p.Packets))
		d.p.Packets = append(d.p.Packets, pageMail{From: at, To: -1, On: f.On.String(), At: f.To.String(), Kind: mailKind(f.Say.Kind),
			Text: f.packet(), Fate: [...]string{"ok", "double", "late"}[f.N]})
	case FactLost:
		fate := "lost"
		if f.N == 1 {
			fate = "shut"
		}
		d.p.Packets = append(d.p.Packets, pageMail{From: at, To: -1, On: f.On.String(), At: f.To.String(), Kind: mailKind(f.Say.Kind),
			Text: f.packet(), Fate: fate})
	case FactArrived, FactMissed:
		if l := d.sent[key]; len(l) > 0 {
			m := &d.p.Packets[l[0]]
			d.sent[key] = l[1:]
			m.To = at
			if f.Kind == FactMissed {
				m.Fate = "missed"
			}
		}
	case FactFault:
		text, on := f.words(), ""
		if f.To.Kind != 0 {
			on = f.To.String()
		}
		until := min(d.c.Tape.Steps[f.Step].At+time.Duration(f.M), d.healed)
		d.p.Faults = append(d.p.Faults, pageFault{Step: at, Until: int64(until), On: on, Text: text})
	case FactBegun:
		d.saving[f.On] = len(d.p.Saves) + 1
		d.p.Saves = append(d.p.Saves, pageSave{On: f.On.String(), From: at, To: -1, Text: fmt.Sprintf("save %d: %s", f.N, f.Text)})
	case FactDurable, FactGone, FactKept:
		if n := d.saving[f.On]; n > 0 {
			s := &d.p.Saves[n-1]
			s.To, s.Fate = at, map[FactKind]string{FactDurable: "durable", FactGone: "gone", FactKept: "kept"}[f.Kind]
			d.saving[f.On] = 0
		}
	}
	d.client(f, at)
}

// client adds what clients and servers say to each other: an event at one that the other scheduled.
func (d *picturing) client(f *Fact, at int) {
	if f.Kind != FactTook && f.Kind != FactHeard {
		return
	}
	s := &d.c.Tape.Steps[f.Step]
	if s.Name != "request" && s.Name != "reply" || s.Cause < 0 {
		return
	}
	from := d.c.Tape.who(s.Cause)
	if from == f.On || from.Kind == 0 || d.place[s.Cause] < 0 {
		return
	}
	d.p.Packets = append(d.p.Packets, pageMail{From: d.place[s.Cause], To: at, On: from.String(), At: f.On.String(), Kind: "client",
		Text: plainText(cutTo(f.Text, 80)), Fate: "ok"})
}

// mailKind sorts packets by what they are for.
func mailKind(kind string) string {
	switch {
	case strings.Contains(kind, "vote"), kind == "timeout-now", kind == "successors":
		return "election"
	case kind == "heartbeat", kind == "presence":
		return "heartbeat"
	case strings.HasPrefix(kind, "append-reply"):
		return "reply"
	case strings.HasPrefix(kind, "chunk"):
		return "snapshot"
	case strings.HasPrefix(kind, "read-index"):
		return "read"
	}
	return "append"
}
