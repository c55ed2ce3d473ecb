package linearizability

import (
	"bytes"
	"flag"
	"html"
	"os"
	"regexp"
	"strings"
	"testing"
)

var explainPage = flag.String("explain.page", "", "where TestPage leaves its page, to look at")

// lostAck is what the design page explains: a read that lacks a message acknowledged before, while
// a link is cut; the names and bodies are those of an attacker.
func lostAck(t testing.TB) *History {
	const evil = `<script>alert(1)</script>`
	h := script(t, never0, annAndBob+`
		sub 1 d2 0
		d1 send bob m1 = 11,12#1 @13
		push 1 1 @13 11,12#1 11:m1
		d2 history 11,12 0 50 = 1:11:m1@13 last 1 @13
		a: d1 send bob `+evil+`
		push 1 2 @14 11,12#2 11:`+evil+`
		b: d3 login! ann
		a = 11,12#2 @14
		c: d2 send ann "]]>--></svg>
		d2 history 11,12 0 50 = 1:11:m1@13 last 1 @14
		b = 11 2 0 @16
		c = 11,12#3 @15`)
	for i := range h.Events {
		if e := &h.Events[i]; e.E == Inv && e.Op == OpSend && e.Body == evil {
			fault := Event{E: Fault, T: e.T - 1, Until: e.T + 7, Kind: "partition", On: "S1 | S2 S3 " + evil}
			for j := i; j < len(h.Events); j++ {
				h.Events[j].T++
			}
			fault.T++
			h.Events = append(h.Events[:i:i], append([]Event{fault}, h.Events[i:]...)...)
			break
		}
	}
	end := &h.Events[len(h.Events)-1]
	end.Lines = uint64(len(h.Events))
	return h
}

// The page stands alone and takes nothing that a history says for HTML, in our part or porcupine's.
func TestPage(t *testing.T) {
	h := lostAck(t)
	r := Check(h, Options{})
	if r.Core == nil || r.Core.Because == nil || r.Verdict != Illegal {
		t.Fatal(r)
	}
	var b bytes.Buffer
	if err := r.HTML(&b, h); err != nil {
		t.Fatal(err)
	}
	if *explainPage != "" {
		if err := os.WriteFile(*explainPage, b.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	text := b.String()
	frame := regexp.MustCompile(`srcdoc="([^"]*)"`).FindStringSubmatch(text)
	if frame == nil {
		t.Fatal("no picture by porcupine")
	}
	ours, theirs := strings.Replace(text, frame[0], "", 1), html.UnescapeString(frame[1])
	for _, want := range []string{"Illegal", "no lost ack", "partition", `class="stuck"`, `class="because"`, "&lt;script&gt;alert", "position in the log"} {
		if !strings.Contains(ours, want) {
			t.Errorf("no %q in the page", want)
		}
	}
	for _, page := range []string{ours, theirs} {
		for _, bad := range []string{"<script>alert", "</script>alert", "alert(1)</script>", "src=", "<link", "@import", "url(http", "</svg>&#34;"} {
			if strings.Contains(page, bad) {
				t.Errorf("%q in the page", bad)
			}
		}
		for _, link := range regexp.MustCompile(`https?://[^"' )]+`).FindAllString(page, -1) {
			if link != "http://www.w3.org/2000/svg" {
				t.Errorf("the page refers to %s", link)
			}
		}
	}
	if strings.Contains(ours, "<script") {
		t.Error("a script outside the frame")
	}
	if !strings.Contains(theirs, "IntersectionObserver") {
		t.Error("porcupine's page has changed: it draws itself unseen")
	}
	if !strings.Contains(theirs, "reads [11 12] after 0") {
		t.Error("porcupine does not show the read")
	}
}

// Every report has a page: without a core, of nothing at all, and of every kind of failure.
func TestPages(t *testing.T) {
	for _, p := range append(plantedHistories, plantedFeeds...) {
		text := p.text
		if strings.Contains(text, "push 1") && !strings.Contains(text, "sub 1 d1") {
			text = feedPrelude + text
		}
		h := script(t, p.meta, text)
		r := Check(h, Options{})
		var b bytes.Buffer
		if err := r.HTML(&b, h); err != nil {
			t.Errorf("%s: %v", p.name, err)
		}
		if r.Core != nil && !strings.Contains(b.String(), "<svg xmlns") {
			t.Errorf("%s: no timeline", p.name)
		}
		if !strings.HasSuffix(b.String(), "</html>\n") {
			t.Errorf("%s: half a page", p.name)
		}
	}
}
