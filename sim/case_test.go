package sim

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"
)

// A run that is recorded is the same run, and the tape is whole: every event is on it, nothing has a cause
// that comes later, and what arrived was sent.
func TestATapeChangesNothing(t *testing.T) {
	for seed := range uint64(8) {
		p := Generate(seed, Lite)
		plain, c := Run(p), NewCase(p)
		if plain.Trace != c.Result.Trace {
			t.Errorf("seed %d: trace %016x, recorded %016x", seed, plain.Trace, c.Result.Trace)
		}
		var events uint64
		for i, s := range c.Tape.Steps {
			events = max(events, s.Event)
			if s.Cause >= i {
				t.Fatalf("seed %d: step %d is caused by step %d", seed, i, s.Cause)
			}
		}
		if events != plain.Stats.Events {
			t.Errorf("seed %d: %d events, %d on the tape", seed, plain.Stats.Events, events)
		}
		under := map[mailKey]int{}
		for _, f := range c.Tape.Facts {
			name := mailKey{f.Say, f.Nth, f.N}
			switch f.Kind {
			case FactSent:
				under[name]++
			case FactArrived, FactMissed:
				if under[name]--; under[name] < 0 {
					t.Fatalf("seed %d: %v arrives and was not sent", seed, f.Say)
				}
			}
		}
	}
}

// failing is a case of the planted bug.
func failing(t *testing.T, p Plan, o Options) *Case {
	t.Helper()
	tape := &Tape{}
	o.Tape = tape
	w := lyingAfterACrash(p, o)
	w.live()
	r := w.result()
	if r.Failure == nil {
		t.Fatal("the planted bug does not show")
	}
	return &Case{Result: r, Tape: tape, Repro: "go test ./sim -seed=1"}
}

// A card has at most forty lines and its story at most eight, which end at the violation and name what
// matters.
func TestACardTellsTheFailure(t *testing.T) {
	p := planted(t)
	s := Shrink(ShrinkOptions{Plan: p, Try: tryPlanted})
	c := failing(t, s.Now.Plan, Options{})
	c.Was = &s
	for _, c := range []*Case{failing(t, p, Options{}), c} {
		card := Card(c)
		lines := strings.Split(strings.TrimSpace(card), "\n")
		if len(lines) > 40 {
			t.Errorf("%d lines:\n%s", len(lines), card)
		}
		for _, want := range []string{"FAIL durable-ack: ", "repro   go test ./sim -seed=1", "was ", "want ", "then    n2", "<- here", "trace "} {
			if !strings.Contains(card, want) {
				t.Errorf("nothing says %q:\n%s", want, card)
			}
		}
		story := c.Story()
		if len(story) == 0 || len(story) > storyLines || !story[len(story)-1].Here {
			t.Errorf("a story of %d lines:\n%s", len(story), card)
		}
	}
	card := Card(c)
	for _, want := range []string{"now ", "crash of n2", "n2 dies", "n2 comes back"} {
		if !strings.Contains(card, want) {
			t.Errorf("nothing says %q:\n%s", want, card)
		}
	}
}

// The log has a line for every event that came to something, in order, and every name in a column.
func TestTheLogHasOneEventALine(t *testing.T) {
	c := failing(t, planted(t), Options{})
	var out bytes.Buffer
	if err := WriteLog(&out, c); err != nil {
		t.Fatal(err)
	}
	last, rows := uint64(0), 0
	for _, line := range strings.Split(out.String(), "\n") {
		var event uint64
		var at string
		if n, _ := fmt.Sscan(line, &event, &at); n == 2 {
			rows++
			if event < last {
				t.Fatalf("event %d after %d", event, last)
			}
			last = event
		}
	}
	if rows < 100 || last != c.Result.Failure.Event || !strings.Contains(out.String(), "\nFAIL durable-ack") {
		t.Errorf("%d rows up to event %d:\n%s", rows, last, out.Bytes()[:min(2000, out.Len())])
	}
}

// Whatever a history says stays text: on a terminal, and on the page.
func TestNothingThatARunSaysIsObeyed(t *testing.T) {
	c := failing(t, planted(t), Options{})
	evil := "\x1b[31m</script><img src=x onerror=alert(1)>\u202e"
	c.Result.Failure.Text, c.Result.Failure.Rule = "n2 says "+evil, "n says"
	c.Repro, c.Build = "go test "+evil, evil
	for i := range c.Tape.Facts {
		c.Tape.Facts[i].Text += evil
	}
	c.Result.Plan.Note = evil
	var log, page bytes.Buffer
	if err := WriteLog(&log, c); err != nil {
		t.Fatal(err)
	}
	if err := WriteReport(&page, c); err != nil {
		t.Fatal(err)
	}
	for _, text := range []string{Card(c), log.String()} {
		if strings.ContainsAny(text, "\x1b\u202e") {
			t.Error("an escape sequence reaches the terminal")
		}
	}
	if strings.Contains(page.String(), "<img") || strings.Count(page.String(), "</script>") != 2 {
		t.Error("what a run says became part of the page")
	}
}

// The page holds its data, as JSON, and asks for nothing from anywhere.
func TestThePageNeedsNothingElse(t *testing.T) {
	p := planted(t)
	s := Shrink(ShrinkOptions{Plan: p, Try: tryPlanted})
	c := failing(t, s.Now.Plan, Options{})
	c.Was = &s
	var page bytes.Buffer
	if err := WriteReport(&page, c); err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(page.String(), `id="data">`)
	data, _, _ := strings.Cut(rest, "</script>")
	var got picture
	if err := json.Unmarshal([]byte(data), &got); err != nil {
		t.Fatal(err)
	}
	if len(got.Steps) == 0 || len(got.Story) == 0 || len(got.Packets) == 0 || len(got.Faults) == 0 || got.Tried != s.Tried {
		t.Errorf("%d steps, %d packets, %d faults", len(got.Steps), len(got.Packets), len(got.Faults))
	}
	if at := got.Steps[got.Here]; at.Event != c.Result.Failure.Event || !at.Cone {
		t.Errorf("the violation is shown at event %d, it was at %d", at.Event, c.Result.Failure.Event)
	}
	cone := 0
	for i, s := range got.Steps {
		if s.Cause >= i {
			t.Fatalf("step %d is because of %d", i, s.Cause)
		}
		if s.Cone {
			cone++
		}
	}
	if cone < 5 || cone > len(got.Steps)/2 {
		t.Errorf("%d of %d steps are the violation's past", cone, len(got.Steps))
	}
	for _, m := range got.Packets {
		if m.From < 0 || m.To >= 0 && m.To <= m.From {
			t.Fatalf("a packet from step %d to step %d", m.From, m.To)
		}
	}
	for _, bad := range []string{"src=", "href=", "@import", "url(", "fetch(", "/*STYLE*/", "/*DATA*/", "/*SCRIPT*/"} {
		if strings.Contains(page.String(), bad) {
			t.Errorf("%q on the page", bad)
		}
	}
}

// A run that is stopped at an event ends there, is no failure, and shows everybody.
func TestARunStopsWhereItIsAsked(t *testing.T) {
	r := RunWith(Generate(3, Lite), Options{Until: 500})
	if r.Failure != nil || r.Stats.Events != 500 {
		t.Errorf("%v after %d events", r.Failure, r.Stats.Events)
	}
	for _, want := range []string{"after event 500", "n1 ", "disk", "memory", "c0: "} {
		if !strings.Contains(r.Stopped, want) {
			t.Errorf("nothing says %q:\n%s", want, r.Stopped)
		}
	}
}

// An invariant of the product that breaks is a verdict; what the language refuses is not.
func TestABrokenInvariantIsAFailure(t *testing.T) {
	w := newWorld(calm(1), Options{})
	w.after(time.Second, "test", 0, func() { panic("raft: invariant broken: planted") })
	w.live()
	if r := w.result(); r.Failure == nil || r.Failure.Checker != "invariant" || !strings.Contains(r.Failure.Text, "planted") {
		t.Errorf("%v", r.Failure)
	}
	defer func() {
		if recover() == nil {
			t.Error("an index out of range is hidden")
		}
	}()
	w = newWorld(calm(1), Options{})
	w.after(time.Second, "test", 0, func() { w.servers[len(w.clients)+100].start() })
	w.live()
}
