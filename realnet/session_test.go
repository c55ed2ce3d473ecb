package realnet_test

import (
	"context"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"parley/core/chat"
	"parley/core/replica"
	"parley/core/session"
	"parley/realnet/realnettest"
	"parley/realnet/wire"
)

func patient(t testing.TB) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), realnettest.Patience)
	t.Cleanup(cancel)
	return ctx
}

func dial(t testing.TB, address string) *realnettest.Puppet {
	t.Helper()
	p, err := realnettest.Dial(address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Close)
	return p
}

// People sign up, talk and read along, with passwords.
func TestConversation(t *testing.T) {
	c := realnettest.Start(t, memory(realnettest.Options{}))
	ada := realnettest.NewPerson("ada", "pass", c.Addresses())
	bob := realnettest.NewPerson("bob", "word", c.Addresses())
	defer ada.Close()
	defer bob.Close()
	ada.Signup(t)
	bob.Signup(t)
	for i := range 20 {
		ada.Say(t, "bob", fmt.Sprint("message ", i))
	}
	feed := realnettest.NewFeed(bob)
	if err := feed.Until(patient(t), 20); err != nil {
		t.Fatal(err)
	}
	if got := feed.Bodies(); got[0] != "message 0" || got[19] != "message 19" {
		t.Errorf("got %q", got)
	}
	r, err := bob.Query(patient(t), replica.List{Limit: 10})
	if err != nil || r.Page == nil || strings.Join(r.Page.Names, " ") != "ada bob" {
		t.Errorf("list: %+v, %v", r, err)
	}
	r, err = bob.Query(patient(t), replica.History{With: "ada", Latest: true, Limit: 5})
	if err != nil || r.Thread == nil || len(r.Thread.Messages) != 5 || r.Thread.Last != 20 {
		t.Errorf("history: %+v, %v", r.Thread, err)
	}
	r, err = bob.Query(patient(t), replica.Whoami{})
	if err != nil || r.Identity == nil || r.Identity.Name != "bob" {
		t.Errorf("whoami: %+v, %v", r.Identity, err)
	}
}

// A wrong password is refused, the right one is not, on a device of its own.
func TestPasswords(t *testing.T) {
	c := realnettest.Start(t, memory(realnettest.Options{}))
	ada := realnettest.NewPerson("ada", "pass", c.Addresses())
	defer ada.Close()
	ada.Signup(t)
	for password, want := range map[string]string{"word": string(replica.BadPassword), "pass": ""} {
		again := realnettest.NewPerson("ada", password, c.Addresses())
		defer again.Close()
		r, err := again.Command(patient(t), chat.Login{Name: "ada", Takeover: true})
		if err != nil || r.Code != want {
			t.Errorf("with %q: %q, %v, want %q", password, r.Code, err, want)
		}
	}
	nobody := realnettest.NewPerson("zoe", "pass", c.Addresses())
	defer nobody.Close()
	r, err := nobody.Command(patient(t), chat.Login{Name: "zoe"})
	if err != nil || r.Code != string(chat.NoSuchUser) {
		t.Errorf("unknown name: %q, %v", r.Code, err)
	}
}

// What no honest client does ends its session with a reason, and nobody else's.
func TestHostileSessions(t *testing.T) {
	c := realnettest.Start(t, memory(realnettest.Options{Size: 1}))
	c.Leader()
	address := c.Addresses()[0]
	polite := dial(t, address)

	hello := &wire.ClientHello{Protocol: wire.Protocol}
	call := func(spoil func(*wire.Call)) *wire.Call {
		w, err := wire.EncodeCall(&replica.Call{ID: 1, Query: replica.Whoami{}}, &wire.Secrets{})
		if err != nil {
			t.Fatal(err)
		}
		spoil(w)
		return w
	}
	attaches := func(subs ...uint64) (list []*wire.Attach) {
		for _, sub := range subs {
			list = append(list, wire.EncodeAttach(&replica.Attach{Sub: sub, After: 1}, [32]byte{}))
		}
		return list
	}
	many := make([]uint64, wire.MaxItems)
	for i := range many {
		many[i] = uint64(i)
	}
	for name, c := range map[string]struct {
		frames []*wire.ClientFrame
		code   codes.Code
		why    string
	}{
		"no hello":       {[]*wire.ClientFrame{{}}, codes.InvalidArgument, "must hold a hello"},
		"other protocol": {[]*wire.ClientFrame{{Hello: &wire.ClientHello{Protocol: 99}}}, codes.FailedPrecondition, "the client 99"},
		"other cluster": {[]*wire.ClientFrame{{Hello: &wire.ClientHello{Protocol: wire.Protocol, Cluster: []byte("0123456789abcdef")}}},
			codes.FailedPrecondition, "the client wants"},
		"second hello": {[]*wire.ClientFrame{{Hello: hello}, {Hello: hello}}, codes.InvalidArgument, "second hello"},
		"short device": {[]*wire.ClientFrame{{Hello: hello, Calls: []*wire.Call{call(func(w *wire.Call) { w.Device = w.Device[1:] })}}},
			codes.InvalidArgument, "device: 15 bytes"},
		"unknown call": {[]*wire.ClientFrame{{Hello: hello, Calls: []*wire.Call{call(func(w *wire.Call) { w.What = nil })}}},
			codes.InvalidArgument, "neither a command nor a query"},
		"too many items": {[]*wire.ClientFrame{{Hello: hello, Detaches: make([]*wire.Detach, wire.MaxItems+1)}},
			codes.InvalidArgument, "at most 4096"},
		"one feed twice": {[]*wire.ClientFrame{{Hello: hello, Attaches: attaches(1, 1)}}, codes.InvalidArgument, "feed 1 is open"},
		"too large": {[]*wire.ClientFrame{{Hello: hello, Calls: []*wire.Call{call(func(w *wire.Call) {
			w.Password = strings.Repeat("x", wire.MaxFrame+1)
		})}}}, codes.ResourceExhausted, "larger than max"},
	} {
		t.Run(name, func(t *testing.T) {
			p, err := realnettest.DialSilently(address)
			if err != nil {
				t.Fatal(err)
			}
			defer p.Close()
			for _, f := range c.frames {
				for i := range f.Detaches {
					f.Detaches[i] = &wire.Detach{}
				}
				_ = p.Stream.Send(f)
			}
			for err == nil {
				_, err = p.Stream.Recv()
			}
			if status.Code(err) != c.code || !strings.Contains(err.Error(), c.why) {
				t.Errorf("got %v, want %v with %q", err, c.code, c.why)
			}
		})
	}
	if _, _, err := polite.Ask(patient(t), replica.Call{Query: replica.List{}}, wire.Secrets{}); err != nil {
		t.Errorf("the polite client was disturbed: %v", err)
	}
}

// A client that does not read loses its feed, is told to resume, and finds everything.
func TestSlowReader(t *testing.T) {
	settings := realnettest.Settings()
	settings.MaxQueue = 100_000
	c := realnettest.Start(t, memory(realnettest.Options{Size: 1, Settings: &settings}))
	c.Leader()
	ada := realnettest.NewPerson("ada", "pass", c.Addresses())
	defer ada.Close()
	ada.Signup(t)
	slow, err := realnettest.DialSilently(c.Addresses()[0])
	if err != nil {
		t.Fatal(err)
	}
	defer slow.Close()
	a := replica.Attach{Sub: 1, Device: ada.Device, After: 0}
	err = slow.Stream.Send(&wire.ClientFrame{
		Hello:    &wire.ClientHello{Protocol: wire.Protocol},
		Attaches: []*wire.Attach{wire.EncodeAttach(&a, ada.Secrets.Device)},
	})
	if err != nil {
		t.Fatal(err)
	}
	body := strings.Repeat("x", 16<<10)
	sent := 0
	for ; c.Status(0).GetFeeds() == 0; sent++ {
		ada.Say(t, "ada", body)
	}
	for ; c.Status(0).GetFeeds() == 1; sent++ {
		if sent > 5000 {
			t.Fatal("80 MiB are waiting for a client that does not read")
		}
		ada.Say(t, "ada", body)
	}
	last := uint64(0)
	for {
		f, err := slow.Stream.Recv()
		if err != nil {
			t.Fatal(err)
		}
		for _, p := range f.GetPushes() {
			if last++; p.GetEvent().GetN() != last {
				t.Fatalf("event %d instead of %d", p.GetEvent().GetN(), last)
			}
		}
		if len(f.GetClosings()) > 0 {
			if why := f.GetClosings()[0].GetWhy(); why != wire.Why_WHY_RESUME {
				t.Errorf("closed with %v", why)
			}
			break
		}
	}
	feed := realnettest.NewFeed(ada)
	if err := feed.Until(patient(t), sent); err != nil {
		t.Fatal(err)
	}
}

// T13, C46: attaching and detaching leaves nothing behind. 2,000 cycles here, of which every tenth
// also hangs up; the requirement's 10,000 run with -t13=10000.
func TestT13AttachDetach(t *testing.T) {
	c := realnettest.Start(t, memory(realnettest.Options{}))
	c.Leader()
	ada := realnettest.NewPerson("ada", "pass", c.Addresses())
	defer ada.Close()
	ada.Signup(t)
	cycle(t, c, ada, 100) // what is made once is made now
	before := settled(runtime.NumGoroutine)
	cycle(t, c, ada, *t13)
	c.Until("no feeds", func() bool { return c.Status(0).GetFeeds() == 0 && c.Status(0).GetSessions() <= 1 })
	for range 200 {
		if runtime.NumGoroutine() <= before+5 {
			return
		}
		runtime.Gosched()
	}
	c.Until("no goroutine left behind", func() bool { return runtime.NumGoroutine() <= before+5 })
}

func settled(count func() int) int {
	runtime.GC()
	return count()
}

func cycle(t *testing.T, c *realnettest.Cluster, ada *realnettest.Person, n int) {
	t.Helper()
	p := dial(t, c.Addresses()[0])
	base := 0
	for i := range n {
		a := replica.Attach{Sub: uint64(i + 1), Device: ada.Device, FromCursor: true}
		if err := p.Send(&wire.ClientFrame{Attaches: []*wire.Attach{wire.EncodeAttach(&a, ada.Secrets.Device)}}); err != nil {
			t.Fatal(err)
		}
		err := p.Await(patient(t), func(at []replica.Attached, _ []replica.Push, _ []replica.Closing) bool { return len(at) > i-base })
		if err != nil {
			t.Fatal(err)
		}
		if i%10 == 9 {
			p.Close()
			p, base = dial(t, c.Addresses()[i%3]), i+1
			continue
		}
		if err := p.Send(&wire.ClientFrame{Detaches: []*wire.Detach{{Sub: uint64(i + 1)}}}); err != nil {
			t.Fatal(err)
		}
	}
	p.Close()
}

// When a server is told to stop, no client sees an error: what it has taken it answers, what it has
// not it sends elsewhere.
func TestGracefulStop(t *testing.T) {
	c := realnettest.Start(t, memory(realnettest.Options{}))
	ada := realnettest.NewPerson("ada", "pass", c.Addresses())
	defer ada.Close()
	ada.Signup(t)
	var longest time.Duration
	for round := range 6 {
		leader := c.Leader()
		stopped := make(chan struct{})
		go func() {
			defer close(stopped)
			c.Stop(leader)
		}()
		for running := true; running; {
			select {
			case <-stopped:
				running = false
			default:
			}
			begin := time.Now()
			ada.Say(t, "ada", fmt.Sprint("round ", round))
			longest = max(longest, time.Since(begin))
		}
		c.Restart(leader)
	}
	t.Logf("longest pause %v", longest)
	c.Level()
}

// A password queue that is full is said to be full; nothing is lost by it.
func TestPasswordQueue(t *testing.T) {
	c := realnettest.Start(t, memory(realnettest.Options{Size: 1}))
	c.Leader()
	p := dial(t, c.Addresses()[0])
	var f wire.ClientFrame
	const n = 100
	for i := range n {
		w, err := wire.EncodeCall(&replica.Call{
			ID: uint64(i + 1), Device: session.DeviceID{1, byte(i)}, DSeq: 1, Command: chat.Signup{Name: fmt.Sprint("u", i)},
		}, &wire.Secrets{Device: [32]byte{byte(i)}, Password: "x"})
		if err != nil {
			t.Fatal(err)
		}
		f.Calls = append(f.Calls, w)
	}
	q, err := realnettest.DialSilently(c.Addresses()[0])
	if err != nil {
		t.Fatal(err)
	}
	defer q.Close()
	f.Hello = &wire.ClientHello{Protocol: wire.Protocol}
	if err := q.Stream.Send(&f); err != nil {
		t.Fatal(err)
	}
	var codes []string
	for len(codes) < n {
		f, err := q.Stream.Recv()
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range f.GetReplies() {
			codes = append(codes, r.GetCode())
		}
	}
	if !slices.Contains(codes, "") || !slices.Contains(codes, string(replica.Busy)) {
		t.Errorf("answers are %q", codes)
	}
	_ = p
}

// C46: a thousand feeds on a follower cost no goroutine each, and each gets its own.
func TestThousandFeeds(t *testing.T) {
	settings := realnettest.Settings()
	settings.OpenAuth = true
	c := realnettest.Start(t, realnettest.Options{Settings: &settings, Tuning: realnettest.Patient})
	leader := c.Leader()
	const n = 1000
	talking := dial(t, c.Addresses()[leader])
	var people []*realnettest.Person
	var wait sync.WaitGroup
	for i := range n {
		p := realnettest.NewPerson(fmt.Sprint("u", i), "", nil)
		people = append(people, p)
		wait.Go(func() { askOn(t, talking, p, chat.Signup{Name: p.Name}) })
	}
	wait.Wait()
	before := runtime.NumGoroutine()
	listening := dial(t, c.Addresses()[(leader+1)%3])
	var f wire.ClientFrame
	for i, p := range people {
		a := replica.Attach{Sub: uint64(i + 1), Device: p.Device, Pos: p.Pos}
		f.Attaches = append(f.Attaches, wire.EncodeAttach(&a, p.Secrets.Device))
	}
	if err := listening.Send(&f); err != nil {
		t.Fatal(err)
	}
	err := listening.Await(patient(t), func(a []replica.Attached, _ []replica.Push, _ []replica.Closing) bool { return len(a) == n })
	if err != nil {
		t.Fatal(err)
	}
	if more := runtime.NumGoroutine() - before; more > 50 {
		t.Errorf("%d goroutines more for %d feeds", more, n)
	}
	for i := range people {
		wait.Go(func() {
			askOn(t, talking, people[i], chat.Send{To: people[(i+1)%n].Name, Body: people[i].Name})
		})
	}
	wait.Wait()
	err = listening.Await(patient(t), func(_ []replica.Attached, e []replica.Push, _ []replica.Closing) bool { return len(e) >= 2*n })
	if err != nil {
		t.Fatal(err)
	}
}

// askOn gives a command of a person's the next number, on a session that many share.
func askOn(t testing.TB, on *realnettest.Puppet, p *realnettest.Person, cmd chat.Command) {
	p.DSeq++
	r, _, err := on.Ask(patient(t), replica.Call{
		Device: p.Device, DSeq: p.DSeq, Through: p.DSeq - 1, Command: cmd,
	}, p.Secrets)
	if err != nil || r.Code != "" {
		t.Errorf("%s: %T: %q %v", p.Name, cmd, r.Code, err)
		return
	}
	p.Pos = r.Pos
}
