package feed

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// What a subscription gets is every event of its feed, once and in order, however growing, loading
// and acknowledging interleave.
func TestASubscriptionGetsEveryEventOnceInOrder(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var h Hub
		var out Output
		length := uint64(rapid.IntRange(0, 700).Draw(t, "there before"))
		after := uint64(rapid.IntRange(0, int(length)).Draw(t, "after"))
		got, acked := after, after
		var loads []Load
		take := func() {
			t.Helper()
			for _, p := range out.Pushes {
				if p.N != got+1 {
					t.Fatalf("event %d after %d", p.N, got)
				}
				got = p.N
			}
			loads = append(loads, out.Loads...)
			out.Reset()
			if err := h.Check(); err != nil {
				t.Fatal(err)
			}
			if got > acked+Window {
				t.Fatalf("%d events ahead of what is acknowledged", got-acked)
			}
		}
		h.Step(Attach{Sub: 1, Account: 7, After: after, Length: length}, &out)
		take()
		for range rapid.IntRange(0, 200).Draw(t, "steps") {
			switch rapid.IntRange(0, 3).Draw(t, "what") {
			case 0, 1:
				for range rapid.IntRange(1, 40).Draw(t, "grown") {
					length++
					h.Step(Grown{Account: 7, N: length}, &out)
				}
			case 2:
				if len(loads) > 0 {
					l := loads[0]
					loads = loads[1:]
					h.Step(Loaded{Sub: 1, From: l.From, To: l.To}, &out)
				}
			case 3:
				acked = uint64(rapid.IntRange(int(acked), int(got)).Draw(t, "acked"))
				h.Step(Acked{Sub: 1, N: acked}, &out)
			}
			take()
			if h.Clone().Hash() != h.Hash() {
				t.Fatal("a clone differs")
			}
		}
		for range 2 * (int(length)/Page + 2) { // at rest everything arrives
			acked = got
			h.Step(Acked{Sub: 1, N: acked}, &out)
			take()
			if len(loads) > 0 {
				h.Step(Loaded{Sub: 1, From: loads[0].From, To: loads[0].To}, &out)
				loads = loads[1:]
				take()
			}
		}
		if got != length {
			t.Fatalf("got %d of %d events", got, length)
		}
	})
}

// A reader that claims more than it was given is believed only as far as it can be true.
func TestAnAcknowledgementCannotRunAhead(t *testing.T) {
	var h Hub
	var out Output
	h.Step(Attach{Sub: 1, Account: 1, After: 0, Length: 0}, &out)
	h.Step(Grown{Account: 1, N: 1}, &out)
	h.Step(Acked{Sub: 1, N: 999}, &out)
	if got := h.Acknowledged(1); got != 1 {
		t.Errorf("acknowledged %d, only 1 was pushed", got)
	}
}

// What ends is forgotten, and what comes late for it is no trouble.
func TestADetachedSubscriptionIsGone(t *testing.T) {
	var h Hub
	var out Output
	h.Step(Attach{Sub: 1, Account: 1, Length: 3}, &out)
	h.Step(Attach{Sub: 2, Account: 1, Length: 3}, &out)
	h.Step(Detach{Sub: 1}, &out)
	h.Step(Detach{Sub: 1}, &out)
	out.Reset()
	h.Step(Loaded{Sub: 1, From: 1, To: 3}, &out)
	h.Step(Acked{Sub: 1, N: 3}, &out)
	if len(out.Pushes) != 0 || h.Len() != 1 {
		t.Errorf("pushes %v, %d subscriptions", out.Pushes, h.Len())
	}
	h.Step(Detach{Sub: 2}, &out)
	if h.Len() != 0 || len(h.byAccount) != 0 {
		t.Errorf("%d subscriptions, %d accounts left", h.Len(), len(h.byAccount))
	}
}

// Each invariant speaks when it is broken.
func TestCheckFindsPlantedDamage(t *testing.T) {
	good := subscription{sub: 2, account: 1, next: 5, acked: 3, length: 4}
	for _, c := range []struct {
		says  string
		plant func(s *subscription)
	}{
		{"", func(s *subscription) {}},
		{"stands after", func(s *subscription) { s.sub = 1 }},
		{"acknowledged 5", func(s *subscription) { s.acked = 5 }},
		{"at 9 of 4", func(s *subscription) { s.next = 9 }},
		{"acknowledged 3", func(s *subscription) { s.next, s.length = Window+9, Window+9 }},
		{"idle at 5", func(s *subscription) { s.length = 6 }},
	} {
		bad := good
		c.plant(&bad)
		h := Hub{subs: []subscription{{sub: 1, account: 1, next: 1}, bad}}
		err := h.Check()
		if c.says == "" && err != nil || c.says != "" && (err == nil || !strings.Contains(err.Error(), c.says)) {
			t.Errorf("Check says %v, want %q", err, c.says)
		}
	}
}

// A hub that differs hashes differently.
func TestHashTellsHubsApart(t *testing.T) {
	h := Hub{subs: []subscription{{sub: 1, account: 1, next: 2, acked: 1, length: 1}}}
	seen := []uint64{h.Hash()}
	for _, change := range []func(s *subscription){
		func(s *subscription) { s.sub++ }, func(s *subscription) { s.account++ }, func(s *subscription) { s.next++ },
		func(s *subscription) { s.acked++ }, func(s *subscription) { s.length++ }, func(s *subscription) { s.loading = true },
	} {
		c := Hub{subs: slices.Clone(h.subs)}
		change(&c.subs[0])
		if slices.Contains(seen, c.Hash()) {
			t.Errorf("two hubs with hash %x", c.Hash())
		}
		seen = append(seen, c.Hash())
	}
}

// A reader lets each event through once, and stops at a gap.
func TestAReaderTakesEachEventOnce(t *testing.T) {
	r := Reader{Cursor: 2}
	var got []string
	for _, n := range []uint64{3, 3, 2, 4, 6, 5} {
		fresh, err := r.Take(n)
		var gap *Gap
		got = append(got, fmt.Sprint(n, fresh, errors.As(err, &gap)))
	}
	want := []string{"3 true false", "3 false false", "2 false false", "4 true false", "6 false true", "5 true false"}
	if !slices.Equal(got, want) {
		t.Errorf("took %v, want %v", got, want)
	}
}

func ExampleReader() {
	r := Reader{Cursor: 7} // what the device has stored
	for _, n := range []uint64{7, 8, 10} {
		fresh, err := r.Take(n)
		fmt.Println(n, fresh, err)
	}
	// Output:
	// 7 false <nil>
	// 8 true <nil>
	// 10 false feed has a gap: got event 10, the next is 9
}
