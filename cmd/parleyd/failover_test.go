package main

import (
	"context"
	"flag"
	"fmt"
	"regexp"
	"slices"
	"syscall"
	"testing"
	"time"

	"parley/core/chat"
	"parley/core/replica"
	"parley/realnet/realnettest"
)

var (
	rounds = flag.Int("rounds", 2, "rounds of TestKillAllUnderLoad and TestT03StartedTogether; the requirement is 100")
	quick  = flag.Duration("failover", 3*time.Second, "longest time from a kill to the next acknowledgement")
)

// conversation is people talking while servers fail: what was acknowledged, and who listens.
type conversation struct {
	t        testing.TB
	ada, bob *realnettest.Person
	acked    []replica.Reply
	bodies   []string
	longest  time.Duration
}

func talk(t testing.TB, s *servers) *conversation {
	t.Helper()
	c := &conversation{
		t:   t,
		ada: realnettest.NewPerson("ada", "", s.addresses), bob: realnettest.NewPerson("bob", "", s.addresses),
	}
	saw := witness(t)
	c.ada.Record, c.bob.Record = saw, saw
	t.Cleanup(c.ada.Close)
	t.Cleanup(c.bob.Close)
	c.ada.Signup(t)
	c.bob.Signup(t)
	return c
}

// say sends messages until n are acknowledged.
func (c *conversation) say(n int) {
	c.t.Helper()
	for range n {
		body := fmt.Sprint("message ", len(c.acked))
		begin := time.Now()
		r := c.ada.Say(c.t, "bob", body)
		c.longest = max(c.longest, time.Since(begin))
		c.acked, c.bodies = append(c.acked, r), append(c.bodies, body)
	}
}

// check compares bob's feed and the history with what was acknowledged: all of it, once, in order.
func (c *conversation) check(feed *realnettest.Feed) {
	c.t.Helper()
	if err := feed.Until(patient(c.t), len(c.bodies)); err != nil {
		c.t.Fatalf("feed: %d of %d events: %v", len(feed.Events), len(c.bodies), err)
	}
	if got := feed.Bodies(); !slices.Equal(got, c.bodies) {
		c.t.Errorf("the feed has %d messages that differ from the %d acknowledged", len(got), len(c.bodies))
	}
	for i, r := range c.acked {
		if r.Result.Seq != uint64(i+1) {
			c.t.Errorf("message %d was acknowledged as number %d", i+1, r.Result.Seq)
		}
	}
	c.checkHistory()
}

func (c *conversation) checkHistory() {
	c.t.Helper()
	for after := uint64(0); after < uint64(len(c.bodies)); {
		r, err := c.bob.Query(patient(c.t), replica.History{With: "ada", After: after, Limit: 200})
		if err != nil || r.Thread == nil || len(r.Thread.Messages) == 0 {
			c.t.Fatalf("history after %d: %+v %v", after, r, err)
		}
		for _, m := range r.Thread.Messages {
			if after++; m.Seq != after || after > uint64(len(c.bodies)) || m.Body != c.bodies[after-1] {
				c.t.Fatalf("history has %q as number %d", m.Body, m.Seq)
			}
		}
	}
}

// listen follows bob's feed in the background; it stops with the test.
func (c *conversation) listen(n int) (*realnettest.Feed, <-chan error) {
	feed := realnettest.NewFeed(c.bob)
	ended := make(chan error, 1)
	ctx := patient(c.t)
	go func() { ended <- feed.Until(ctx, n) }()
	return feed, ended
}

// T1, C10–C14: the leader ends by SIGKILL, SIGTERM or SIGINT while feeds are open: another leads and
// acknowledges within 3 s, and nothing acknowledged is missing, doubled or out of place.
func TestT01LeaderEnds(t *testing.T) {
	for _, sig := range []syscall.Signal{syscall.SIGKILL, syscall.SIGTERM, syscall.SIGINT} {
		t.Run(sig.String(), func(t *testing.T) {
			s := cluster(t, 3)
			c := talk(t, s)
			c.say(20)
			feed, fed := c.listen(60)
			leader := s.leader()
			s.signal(leader, sig)
			c.longest = 0
			c.say(20)
			t.Logf("longest pause after %v: %v", sig, c.longest)
			if c.longest > *quick {
				t.Errorf("no acknowledgement for %v after %v", c.longest, sig)
			}
			code := s.wait(leader)
			if want := map[syscall.Signal]int{syscall.SIGKILL: -1}[sig]; code != want {
				t.Errorf("%s ended with %d, want %d", name(leader), code, want)
			}
			s.start(leader)
			c.say(20)
			if err := <-fed; err != nil {
				t.Fatalf("the feed that was open: %v", err)
			}
			c.check(feed)
			s.level()
		})
	}
}

// T2, C10: followers end the same ways, and no client of the leader sees an error.
func TestT02FollowerEnds(t *testing.T) {
	s := cluster(t, 3)
	c := talk(t, s)
	c.say(5)
	for _, sig := range []syscall.Signal{syscall.SIGKILL, syscall.SIGTERM, syscall.SIGINT} {
		w := &watchful{t: t, s: s, c: c}
		w.dial(s.leader())
		follower := (w.leader + 1) % 3
		s.signal(follower, sig)
		for running := true; running; {
			select {
			case <-s.running[follower].ended:
				running = false
			default:
			}
			w.say()
		}
		for range 20 {
			w.say()
		}
		w.puppet.Close()
		s.start(follower)
		s.level()
	}
	c.check(realnettest.NewFeed(c.bob))
}

// watchful sends each message once on one connection. An error fails the test; only if leadership
// moves for reasons of its own, as it may on a busy machine, does it follow.
type watchful struct {
	t      *testing.T
	s      *servers
	c      *conversation
	leader int
	puppet *realnettest.Puppet
}

func (w *watchful) dial(leader int) {
	w.t.Helper()
	w.leader = leader
	var err error
	if w.puppet, err = realnettest.Dial(w.s.addresses[leader]); err != nil {
		w.t.Fatal(err)
	}
}

func (w *watchful) say() {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), realnettest.Patience)
	defer cancel()
	c := w.c
	body := fmt.Sprint("message ", len(c.acked))
	c.ada.DSeq++
	for {
		r, _, err := w.puppet.Ask(ctx, replica.Call{
			Device: c.ada.Device, DSeq: c.ada.DSeq, Through: c.ada.DSeq - 1, Command: chat.Send{To: "bob", Body: body},
		}, c.ada.Secrets)
		if err == nil && r.Code == string(replica.NotLeader) {
			w.puppet.Close()
			w.dial(w.s.leader())
			continue
		}
		if err != nil || r.Code != "" {
			w.t.Fatalf("a client of the leader saw %q %v", r.Code, err)
		}
		c.acked, c.bodies = append(c.acked, r), append(c.bodies, body)
		return
	}
}

var elected = regexp.MustCompile(`msg="leader elected" node=(n\d) leader=(n\d) term=(\d+)`)

// T3, C02–C04: three servers started at the same instant, again and again (-rounds; the requirement is
// 100): never two leaders in a term.
func TestT03StartedTogether(t *testing.T) {
	s := cluster(t, 3)
	for range *rounds {
		s.leader()
		for i := range s.running {
			s.signal(i, syscall.SIGKILL)
		}
		for i := range s.running {
			s.wait(i)
		}
		s.startAll()
	}
	s.leader()
	leaders := map[string]string{}
	for i, r := range s.running {
		for _, m := range elected.FindAllStringSubmatch(r.log.String(), -1) {
			leader, term := m[2], m[3]
			if other, known := leaders[term]; known && other != leader {
				t.Errorf("%s saw %s lead term %s, another saw %s", name(i), leader, term, other)
			}
			leaders[term] = leader
		}
	}
	if len(leaders) < *rounds {
		t.Errorf("%d terms with a leader in %d rounds", len(leaders), *rounds)
	}
}

// T4, C14, C27, C31, C32: 1,000 messages for somebody who is away, two failovers, then they log in:
// exactly 1,000, in order.
func TestT04AwayDuringFailovers(t *testing.T) {
	s := cluster(t, 3)
	c := talk(t, s)
	c.bob.Close()
	for i := range 3 {
		c.say(334 - i/2)
		if i < 2 {
			leader := s.leader()
			s.signal(leader, syscall.SIGKILL)
			s.wait(leader)
			s.start(leader)
		}
	}
	if len(c.acked) != 1001 {
		t.Fatalf("%d acknowledged", len(c.acked))
	}
	c.check(realnettest.NewFeed(c.bob))
	s.level()
}

// T5, C09, C17, C18: stop all, start all: the digest is the same, and so is all that was said.
func TestT05StopAllStartAll(t *testing.T) {
	s := cluster(t, 3)
	c := talk(t, s)
	c.say(50)
	before := s.level()
	for _, sig := range []syscall.Signal{syscall.SIGTERM, syscall.SIGKILL} {
		for i := range s.running {
			s.signal(i, sig)
		}
		for i := range s.running {
			if code := s.wait(i); sig == syscall.SIGTERM && code != 0 {
				t.Errorf("%s ended with %d", name(i), code)
			}
		}
		s.startAll()
		// A new leader opens its term with an entry that changes nothing.
		if after := s.level(); after != before {
			t.Errorf("digest %s before, %s after %v", before, after, sig)
		}
	}
	c.check(realnettest.NewFeed(c.bob))
}
