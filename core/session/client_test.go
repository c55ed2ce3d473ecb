package session

import (
	"flag"
	"runtime"
	"strings"
	"testing"
)

var (
	seedFlag  = flag.Uint64("seed", 0, "play only this seed, and tell its story")
	seedsFlag = flag.Uint64("seeds", 3000, "how many worlds to play")
)

func play(seed uint64, tell bool, plant func(*world)) (*world, error) {
	w := newWorld(seed, NewTable())
	if tell {
		w.story = []string{}
	}
	if plant != nil {
		plant(w)
	}
	return w, w.run(30)
}

// Whatever the network, the servers and the client's own machine do: each command takes effect
// exactly once or is reported, in order.
func TestExactlyOnce(t *testing.T) {
	if *seedFlag != 0 {
		w, err := play(*seedFlag, true, nil)
		for _, line := range w.story {
			t.Log(line)
		}
		if err != nil {
			t.Fatal(err)
		}
		return
	}
	failed := 0
	for seed := range *seedsFlag {
		if _, err := play(seed+1, false, nil); err != nil {
			t.Errorf("-seed=%d: %v", seed+1, err)
			if failed++; failed == 5 {
				t.FailNow()
			}
		}
	}
}

// One seed, one story: and a client that is cloned at any moment goes on as the original does.
func TestDeterminism(t *testing.T) {
	for seed := uint64(1); seed <= 50; seed++ {
		a, _ := play(seed, true, nil)
		clones := 0
		b, _ := play(seed, true, func(w *world) {
			w.swap = func(c *Client) *Client {
				if clones++; clones%3 > 0 {
					return c
				}
				d := c.Clone()
				if d.Hash() != c.Hash() {
					t.Fatalf("seed %d: the clone has another hash", seed)
				}
				*c = Client{} // whoever still shares something with it will notice
				return d
			}
		})
		if got, want := strings.Join(b.story, "\n"), strings.Join(a.story, "\n"); got != want {
			t.Fatalf("seed %d: two stories", seed)
		}
		if a.client.Hash() != b.client.Hash() {
			t.Fatalf("seed %d: two hashes", seed)
		}
	}
}

// Whatever changes what a client will do changes its hash.
func TestClientHash(t *testing.T) {
	seen := map[uint64]string{}
	r := newRig(t, ClientRecovered{}, nil)
	note := func(what string) {
		h := r.c.Hash()
		if before, ok := seen[h]; ok {
			t.Errorf("%s and %s have one hash", before, what)
		}
		seen[h] = what
	}
	note("new")
	r.do(say(1, "a"))
	note("saving")
	r.do(StoredOutbox{r.seq})
	note("sent")
	r.do(quick(2, "b"))
	note("two sent")
	r.do(ServerDown{Server: 2})
	note("one down")
	r.do(Ask{ID: 3, Query: []byte("?")})
	note("asked")
	r.do(Void{ID: 4, DSeq: 2})
	note("voided")
	r.do(r.answer(1, Applied, ""))
	note("settled")
	r.do(r.answer(2, Rejected, fenced))
	note("fenced")
}

// A hundred thousand devices are cheap.
func TestTableIsSmall(t *testing.T) {
	const devices = 100_000
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	tab := NewTable()
	result := make([]byte, 60)
	for i := range uint64(devices) {
		r := Request{Device: DeviceID{byte(i), byte(i >> 8), byte(i >> 16)}, DSeq: 1}
		tab.Open(r, Token{}, result, i+1)
	}
	tab.Flush(nil)
	tab.dirty = nil
	runtime.GC()
	runtime.ReadMemStats(&after)
	if per := (after.HeapAlloc - before.HeapAlloc) / devices; per > 400 {
		t.Errorf("%d bytes each", per)
	} else {
		t.Logf("%d bytes each", per)
	}
	runtime.KeepAlive(tab)
}

func BenchmarkTable(b *testing.B) {
	tab := opened()
	result := make([]byte, 60)
	b.ReportAllocs()
	for i := range uint64(b.N) {
		r := request(i+2, i+1-min(i, 8))
		if v := tab.Begin(r, false); v.Decision != Execute {
			b.Fatal(v)
		}
		tab.Record(r, result, i+8)
		tab.dirty = tab.dirty[:0]
	}
}

func BenchmarkClient(b *testing.B) {
	c := NewClient(ClientConfig{Servers: 3}, ClientRecovered{}, 0)
	var out ClientOutput
	b.ReportAllocs()
	for i := range uint64(b.N) {
		c.Step(0, Submit{ID: i + 1, Command: []byte("x")}, &out)
		s := out.Sends[0]
		c.Step(0, Answered{s.Server, Reply{ID: s.ID, DSeq: s.DSeq, Class: Applied}}, &out)
		if len(out.Done) != 1 {
			b.Fatal("not answered")
		}
	}
}
