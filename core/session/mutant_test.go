package session

import "testing"

// Bugs planted on purpose: judge must see each of them within a few hundred worlds. A check that
// cannot fail is no check.

// byDevice knows a retry by its device alone: whatever number comes, the last answer will do.
type byDevice struct{ *Table }

func (t byDevice) Begin(r Request, first bool) Verdict {
	v := t.Table.Begin(r, first)
	if v.Decision != Execute || r.DSeq%8 != 0 {
		return v
	}
	w, _ := t.Recorded(Request{Device: r.Device, DSeq: r.DSeq - 1, Fingerprint: r.Fingerprint})
	t.Record(r, w.Result, w.Pos+1)
	w.Code = OK
	return w
}

// atTheDoor looks only when the command arrives; Apply trusts it.
type atTheDoor struct{ *Table }

func (t atTheDoor) Begin(r Request, first bool) Verdict {
	if v := t.Table.Begin(r, first); v.Decision != Replay {
		return v
	}
	return Verdict{Decision: Execute}
}

func (t atTheDoor) Record(r Request, result []byte, pos uint64) {
	if last, _ := t.Last(r.Device); r.DSeq == last+1 {
		t.Table.Record(r, result, pos)
	}
}

// noFingerprint takes whatever comes under a number for the command that had it.
type noFingerprint struct{ *Table }

func (t noFingerprint) Begin(r Request, first bool) Verdict {
	v := t.Table.Begin(r, first)
	if v.Decision == Replay {
		v.Code = OK
	}
	return v
}

func (t noFingerprint) Recorded(r Request) (Verdict, bool) { return Verdict{}, false }

// shortMemory forgets each answer with the next command.
type shortMemory struct{ *Table }

func (t shortMemory) Record(r Request, result []byte, pos uint64) {
	r.Through = r.DSeq - 1
	t.Table.Record(r, result, pos)
}

func TestPlantedBugs(t *testing.T) {
	client := func(bug func(*world, *Client)) func(*world) {
		return func(w *world) { w.mutate = func(c *Client) { bug(w, c) } }
	}
	server := func(wrap func(*Table) decider) func(*world) {
		return func(w *world) { w.decide = wrap(NewTable()) }
	}
	for _, bug := range []struct {
		name  string
		plant func(*world)
	}{
		{"dedupe by device alone", server(func(t *Table) decider { return byDevice{t} })},
		{"dedupe only at the door", server(func(t *Table) decider { return atTheDoor{t} })},
		{"no fingerprint", server(func(t *Table) decider { return noFingerprint{t} })},
		{"short memory", server(func(t *Table) decider { return shortMemory{t} })},
		{"resend under a new number", client(func(w *world, c *Client) {
			if i := len(c.numbers) - 1; i >= 0 && c.numbers[i].sent && c.numbers[i].due {
				c.numbers[i].DSeq = c.next
				c.next++
			}
		})},
		{"send before StoredOutbox", client(func(w *world, c *Client) {
			for i := range c.numbers {
				if n := &c.numbers[i]; !n.settled {
					n.saving = false
				}
			}
		})},
		{"confirm before the outbox has let go", client(func(w *world, c *Client) {
			for len(c.numbers) > 0 && c.numbers[0].settled {
				c.outbox.gone = append(c.outbox.gone, c.numbers[0].DSeq)
				c.numbers = c.numbers[1:]
			}
		})},
		{"not applied though one attempt is open", client(func(w *world, c *Client) {
			for i := range c.numbers {
				c.numbers[i].open, c.numbers[i].maybe = nil, false
			}
		})},
		{"tell before the outbox knows", client(func(w *world, c *Client) {
			for _, t := range c.outbox.told {
				w.answered(t.outcome)
			}
			c.outbox.told = nil
		})},
		{"a life counts its attempts as the last one did", client(func(w *world, c *Client) {
			if c.greeted {
				return
			}
			c.route.attempt = 1
			for i := range c.numbers {
				c.numbers[i].from = 0
			}
		})},
		{"a Void taken for what it voids", client(func(w *world, c *Client) {
			for i := range c.numbers {
				if n := &c.numbers[i]; n.voidFrom != 0 {
					n.voidFrom = 1
				}
			}
		})},
	} {
		t.Run(bug.name, func(t *testing.T) {
			for seed := range uint64(3000) {
				if _, err := play(seed+1, false, bug.plant); err != nil {
					t.Logf("seed %d: %v", seed+1, err)
					return
				}
			}
			t.Error("lives")
		})
	}
}
