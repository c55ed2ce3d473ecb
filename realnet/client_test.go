package realnet

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"google.golang.org/grpc"

	"parley/core/chat"
	"parley/core/replica"
	"parley/core/session"
	"parley/realnet/wire"
)

func newTestClient(t *testing.T, cfg ClientConfig) *Client {
	t.Helper()
	if cfg.Device == (session.DeviceID{}) {
		cfg.Device = testDevice
	}
	c, err := NewClient(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}

func send(body string) chat.Send { return chat.Send{To: "bob", Body: body} }

// mustDo has a command decided, within the patience of a test.
func mustDo(t *testing.T, c *Client, cmd chat.Command) replica.Reply {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	r, err := c.Do(ctx, cmd)
	if err != nil {
		t.Fatalf("%#v: %v", cmd, err)
	}
	return r
}

func wantSaid(t *testing.T, c *fakeCluster, want ...string) {
	t.Helper()
	if got := c.said(); !slices.Equal(got, want) {
		t.Errorf("said %q, want %q", got, want)
	}
}

// once gives a fault to the first call only.
func once(f fakeFault) func(int, *replica.Call) fakeFault {
	used := false
	return func(int, *replica.Call) fakeFault {
		if used {
			return honest
		}
		used = true
		return f
	}
}

// Whatever a server does wrong with a call, the command takes effect once and its answer arrives.
func TestClientExactlyOnce(t *testing.T) {
	for name, fault := range map[string]fakeFault{
		"honest": honest, "cut before it is applied": cutBefore, "cut after it is applied": cutAfter,
		"answered twice": twice, "answer makes no sense": garbled,
	} {
		t.Run(name, func(t *testing.T) {
			cluster := newFakeCluster(t, 3)
			cluster.setFault(once(fault))
			c := newTestClient(t, ClientConfig{Servers: cluster.addresses()})
			mustDo(t, c, send("one"))
			if r := mustDo(t, c, send("two")); r.Result.Seq != 2 {
				t.Errorf("the second message has seq %d, want 2", r.Result.Seq)
			}
			wantSaid(t, cluster, "one", "two")
		})
	}
}

// brokenStream is a stream whose end shows when something is sent, before its reader has seen it.
type brokenStream struct {
	grpc.BidiStreamingClient[wire.ClientFrame, wire.ServerFrame]
}

func (brokenStream) Send(*wire.ClientFrame) error { return io.EOF }

// A stream that turns out to be gone while the owner flushes makes more to flush; that must go too.
func TestClientSendFails(t *testing.T) {
	for _, n := range []int{1, 3} {
		t.Run(fmt.Sprintf("%d servers", n), func(t *testing.T) {
			cluster := newFakeCluster(t, n)
			c := newTestClient(t, ClientConfig{Servers: cluster.addresses()})
			mustDo(t, c, send("one"))
			for range 2 {
				server := inspect(c, func(c *Client) int {
					l := c.useLink(c.machine.Server())
					l.stream = brokenStream{l.stream}
					return l.server
				})
				cluster.setLeader((server + 1) % n)
				mustDo(t, c, send("more"))
			}
			wantSaid(t, cluster, "one", "more", "more")
		})
	}
}

// The leader is found wherever it is; knowing one address is enough, also when that server dies.
func TestClientFindsLeader(t *testing.T) {
	cluster := newFakeCluster(t, 3)
	cluster.setLeader(2)
	one := newTestClient(t, ClientConfig{Servers: cluster.addresses()[:1]})
	all := newTestClient(t, ClientConfig{Servers: cluster.addresses(), Device: session.DeviceID{2}})
	mustDo(t, one, send("a"))
	mustDo(t, all, send("b"))
	cluster.servers[2].kill()
	cluster.setLeader(1)
	mustDo(t, one, send("c"))
	mustDo(t, all, send("d"))
	wantSaid(t, cluster, "a", "b", "c", "d")
}

// A server that is gone comes back, and all is well; meanwhile people are told.
func TestClientOutage(t *testing.T) {
	cluster := newFakeCluster(t, 1)
	c := newTestClient(t, ClientConfig{Servers: cluster.addresses()})
	mustDo(t, c, send("before"))
	cluster.servers[0].kill()
	pending := c.Submit(send("during"))
	for n := range c.Events() {
		if n.Kind == NoMajority {
			break
		}
	}
	cluster.servers[0].revive()
	if o := <-pending; o.Err != nil {
		t.Fatal(o.Err)
	}
	wantSaid(t, cluster, "before", "during")
}

// No answer: the caller is told that nothing is known. The doubt is settled by asking again, or by a
// Void, which says whether the command had been applied.
func TestClientUnknown(t *testing.T) {
	for name, fault := range map[string]fakeFault{"never applied": silent, "applied": mute} {
		t.Run(name, func(t *testing.T) {
			cluster := newFakeCluster(t, 1)
			c := newTestClient(t, ClientConfig{Servers: cluster.addresses(), Timeout: 50 * time.Millisecond})
			cluster.setFault(once(fault))
			_, err := c.Do(t.Context(), send("one"))
			unknown := (*UnknownError)(nil)
			if !errors.As(err, &unknown) || unknown.DSeq != 1 {
				t.Fatalf("got %v, want an UnknownError about 1", err)
			}
			if p := c.Pending(); len(p) != 1 || p[0].Command != send("one") {
				t.Fatalf("pending: %+v", p)
			}
			ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
			defer cancel()
			c.cfg.Timeout = 10 * time.Second
			r, err := c.Void(ctx, 1)
			switch {
			case err != nil:
				t.Fatal(err)
			case fault == mute && (r.Code != string(session.SeqReused) || r.Result.Seq != 1):
				t.Errorf("void of an applied command: %+v", r)
			case fault == silent && r.Code != "":
				t.Errorf("void of a lost command: %+v", r)
			}
			if p := c.Pending(); len(p) != 0 {
				t.Errorf("still pending: %+v", p)
			}
		})
	}
}

// Without a server nothing is applied, and the client says just that.
func TestClientNobodyThere(t *testing.T) {
	cluster := newFakeCluster(t, 1)
	cluster.servers[0].kill()
	c := newTestClient(t, ClientConfig{Servers: cluster.addresses(), Timeout: 2 * time.Second})
	_, err := c.Do(t.Context(), send("one"))
	if e := (*NotAppliedError)(nil); !errors.As(err, &e) || e.Cause == nil {
		t.Fatalf("got %v, want a NotAppliedError with its cause", err)
	}
	if _, err := c.Ask(t.Context(), replica.List{}, false); err == nil {
		t.Error("a read was answered by nobody")
	}
}

// A server that hangs blocks nobody: large commands wait here, and end in time.
func TestClientHungServer(t *testing.T) {
	cluster := newFakeCluster(t, 1)
	cluster.setFault(func(int, *replica.Call) fakeFault { return silent })
	c := newTestClient(t, ClientConfig{Servers: cluster.addresses()})
	body := strings.Repeat("x", 60<<10)
	var outcomes []chan Outcome
	for range 32 {
		done := make(chan Outcome, 1)
		outcomes = append(outcomes, done)
		c.Start(Request{Command: send(body), Timeout: 200 * time.Millisecond, Done: func(o Outcome) { done <- o }})
	}
	for i, done := range outcomes {
		if o := <-done; o.Err == nil {
			t.Errorf("command %d was answered", i)
		}
	}
}

// Many commands in flight, over streams that keep breaking: each once, in order.
func TestClientPipeline(t *testing.T) {
	cluster := newFakeCluster(t, 3)
	rng := rand.New(rand.NewPCG(1, 2))
	cluster.setFault(func(_ int, call *replica.Call) fakeFault {
		if rng.IntN(40) > 0 {
			return honest
		}
		cluster.leader = rng.IntN(3)
		return []fakeFault{cutBefore, cutAfter, twice, garbled}[rng.IntN(4)]
	})
	c := newTestClient(t, ClientConfig{Servers: cluster.addresses()})
	var want []string
	var outcomes []<-chan Outcome
	for i := range 400 {
		want = append(want, fmt.Sprint(i))
		outcomes = append(outcomes, c.Submit(send(fmt.Sprint(i))))
	}
	for i, o := range outcomes {
		if o := <-o; o.Err != nil || o.Reply.Result.Seq != uint64(i+1) {
			t.Fatalf("command %d: seq %d, %v", i, o.Reply.Result.Seq, o.Err)
		}
	}
	wantSaid(t, cluster, want...)
}

func openTestOutbox(t *testing.T, dir string) *OutboxFile {
	t.Helper()
	s, err := OpenOutbox(filepath.Join(dir, "outbox"), filepath.Join(dir, "lock"), testDevice)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

// What a life leaves in the outbox the next one sends, under the same number: one effect.
func TestClientNextLife(t *testing.T) {
	for _, fault := range []fakeFault{silent, mute} {
		cluster := newFakeCluster(t, 1)
		dir := t.TempDir()
		cluster.setFault(once(fault))
		before := newTestClient(t, ClientConfig{
			Servers: cluster.addresses(), Store: openTestOutbox(t, dir), Timeout: 50 * time.Millisecond,
		})
		if _, err := before.Do(t.Context(), send("one")); err == nil {
			t.Fatal("answered")
		}
		_ = before.Close()

		after := newTestClient(t, ClientConfig{Servers: cluster.addresses(), Store: openTestOutbox(t, dir)})
		mustDo(t, after, send("two"))
		for n := range after.Events() {
			if n.Kind == Settled && n.DSeq == 1 {
				break
			}
		}
		wantSaid(t, cluster, "one", "two")
		_ = after.Close()
		if rec := load(t, openTestOutbox(t, dir)); len(rec.Lines) != 0 || rec.NextDSeq != 3 {
			t.Errorf("the outbox after all: %+v", rec)
		}
	}
}

// Processes of one profile share a device, its numbers and its outbox, and none disturbs another.
func TestClientSharedOutbox(t *testing.T) {
	cluster := newFakeCluster(t, 3)
	dir := t.TempDir()
	var wait sync.WaitGroup
	var want []string
	for p := range 4 {
		c := newTestClient(t, ClientConfig{Servers: cluster.addresses(), Store: openTestOutbox(t, dir)})
		for i := range 10 {
			want = append(want, fmt.Sprintf("%d.%d", p, i))
		}
		wait.Go(func() {
			for i := range 10 {
				body := fmt.Sprintf("%d.%d", p, i)
				if o := <-c.Submit(send(body)); o.Err != nil || o.Reply.Code != "" {
					t.Errorf("%s: %+v", body, o)
				}
			}
		})
	}
	wait.Wait()
	got := cluster.said()
	slices.Sort(got)
	if !slices.Equal(got, want) {
		t.Errorf("said %q, want %q", got, want)
	}
}

// A closed client leaves nothing behind and answers everybody.
func TestClientClose(t *testing.T) {
	cluster := newFakeCluster(t, 1)
	cluster.setFault(func(int, *replica.Call) fakeFault { return silent })
	c := newTestClient(t, ClientConfig{Servers: cluster.addresses()})
	pending := c.Submit(send("one"))
	f := make(chan error, 1)
	go func() {
		_, err := c.Do(t.Context(), send("two"))
		f <- err
	}()
	_ = c.Close()
	if o := <-pending; !errors.Is(o.Err, ErrClosed) {
		t.Errorf("pending: %v", o.Err)
	}
	if err := <-f; !errors.Is(err, ErrClosed) {
		t.Errorf("waiting: %v", err)
	}
	if o := <-c.Submit(send("three")); !errors.Is(o.Err, ErrClosed) {
		t.Errorf("late: %v", o.Err)
	}
	if p := c.Pending(); len(p) == 0 || p[0].Command != send("one") {
		t.Errorf("what stays in the outbox: %+v", p)
	}
}

// A hundred clients share one owner and a few connections.
func TestClientPool(t *testing.T) {
	cluster := newFakeCluster(t, 3)
	pool := NewClientPool(1, 50)
	defer pool.Close()
	var wait sync.WaitGroup
	for i := range 100 {
		c, err := NewClient(ClientConfig{Servers: cluster.addresses(), Device: session.DeviceID{9, byte(i)}, Pool: pool})
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		wait.Go(func() {
			for range 3 {
				if _, err := c.Do(t.Context(), send("x")); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wait.Wait()
	if n := len(cluster.said()); n != 300 {
		t.Errorf("%d messages, want 300", n)
	}
	if n := pool.Connections(); n > 6 {
		t.Errorf("%d connections", n)
	}
}
