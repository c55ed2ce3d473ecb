package session

import (
	"fmt"
	"strings"
)

// judge is the promise: each command takes effect exactly once or is reported, in the order given.
// It knows what ran, in log order, and what the person was told; nothing of how.
func (w *world) judge() error {
	if w.bug != nil {
		return w.bug
	}
	for _, a := range w.asked {
		if err := w.judgeOne(a); err != nil {
			return fmt.Errorf("%s (life %d, lost %v): %w", a.payload, a.life, a.lost, err)
		}
	}
	last := -1
	for _, r := range w.ran {
		a := w.find(r.payload)
		if a == nil || r.code != "" || a.kind == "login" {
			continue
		}
		if a.n < last {
			return fmt.Errorf("%s ran after a later command, at %d", r.payload, r.pos)
		}
		last = a.n
	}
	return nil
}

func (w *world) judgeOne(a *asked) error {
	if a.life == w.life && len(a.answers) != 1 || len(a.answers) > 1 {
		return fmt.Errorf("%d outcomes: %v", len(a.answers), a.answers)
	}
	if a.kind == "read" {
		return nil
	}
	if a.kind == "void" {
		return w.judgeVoid(a)
	}
	effects, last := w.runs(a.payload)
	if effects > 1 {
		return fmt.Errorf("took effect %d times", effects)
	}
	if a.final == nil {
		if a.lost || w.voided(a) || effects == 0 && w.client.Stopped() == string(NoSession) {
			return nil
		}
		return fmt.Errorf("never reported; took effect %d times", effects)
	}
	return w.judgeFinal(a.final, effects, last)
}

// judgeFinal compares what was said with what was done.
func (w *world) judgeFinal(o *Outcome, effects int, last *run) error {
	r := &o.Reply
	switch {
	case r.Class == NotApplied && effects > 0:
		return fmt.Errorf("told not applied (%s), but it was, at %d", r.Code, last.pos)
	case r.Class == NotApplied:
		return nil
	case effects == 0 && r.Code == string(SeqReused) && strings.HasSuffix(string(r.Body), "|"+voidCommand):
		return nil // a Void of an earlier life
	case last == nil:
		return fmt.Errorf("told %v %s, but it never ran", r.Class, r.Code)
	case r.Code == string(SeqReused):
		if !strings.HasSuffix(string(r.Body), "|"+last.payload) {
			return fmt.Errorf("told that %q stands in its place", r.Body)
		}
		return nil
	case r.Code != last.code || r.Pos.Index != last.pos:
		return fmt.Errorf("told %q at %d, ran %q at %d", r.Code, r.Pos.Index, last.code, last.pos)
	}
	return nil
}

func (w *world) judgeVoid(a *asked) error {
	if a.final == nil || a.of == nil {
		return nil
	}
	_, last := w.runs(a.of.payload)
	r := a.final.Reply
	switch {
	case r.Code == string(SeqReused) && last == nil:
		return fmt.Errorf("told that %s stood first, but it never ran", a.of.payload)
	case (r.Class == Applied || r.Code == fenced) && last != nil && last.dseq == a.final.DSeq:
		return fmt.Errorf("told that it burnt %d, but %s ran there", last.dseq, a.of.payload)
	}
	return nil
}

// voided tells whether a command's number was given up by a Void whose outcome was told.
func (w *world) voided(a *asked) bool {
	for _, v := range w.asked {
		if v.kind == "void" && v.of == a && v.final != nil {
			return true
		}
	}
	return false
}

// runs counts the effects of a command and finds its last execution.
func (w *world) runs(payload string) (effects int, last *run) {
	for i := range w.ran {
		if r := &w.ran[i]; r.payload == payload {
			last = r
			if r.code == "" {
				effects++
			}
		}
	}
	return effects, last
}
