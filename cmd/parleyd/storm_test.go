package main

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"parley/core/chat"
	"parley/core/replica"
	"parley/realnet/realnettest"
)

// ledger is what one sender knows: which messages were acknowledged, and as what.
type ledger struct {
	ada, bob *realnettest.Person
	acked    map[string]replica.Reply // by body
	said     int
}

// C09, C14, C17: all servers are killed at once, under load, again and again: whatever was
// acknowledged is there, once, as it was acknowledged, nothing is there twice, digests agree, and the
// judge finds what all clients saw linearizable.
// A few rounds here; the full measure is
//
//	go test ./cmd/parleyd -run TestKillAllUnderLoad -rounds 100 -timeout 1h -v
func TestKillAllUnderLoad(t *testing.T) {
	s := cluster(t, 3)
	saw := witness(t)
	var books []*ledger
	for i := range 4 {
		b := &ledger{
			ada: realnettest.NewPerson(fmt.Sprint("ada", i), "", s.addresses),
			bob: realnettest.NewPerson(fmt.Sprint("bob", i), "", s.addresses), acked: map[string]replica.Reply{},
		}
		defer b.ada.Close()
		defer b.bob.Close()
		b.ada.Record, b.bob.Record = saw, saw
		b.ada.Signup(t)
		b.bob.Signup(t)
		books = append(books, b)
	}
	slowest := time.Duration(0)
	for round := range *rounds {
		slowest = max(slowest, s.killAll(books, round))
	}
	s.level()
	total := 0
	for _, b := range books {
		b.check(t)
		total += len(b.acked)
	}
	t.Logf("%d rounds, %d messages acknowledged, all there; slowest return %v", *rounds, total, slowest)
}

// killAll is one round: load, kill, start, and every sender is answered again.
func (s *servers) killAll(books []*ledger, round int) (back time.Duration) {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 3*realnettest.Patience)
	defer cancel()
	var answered atomic.Int64
	var senders sync.WaitGroup
	stop := make(chan struct{})
	errs := make(chan error, len(books))
	for _, b := range books {
		senders.Go(func() { errs <- b.load(ctx, stop, &answered) })
	}
	// How far they get before the kill differs from round to round.
	goal := int64(20 + 37*round%200)
	realnettest.Until(s.t, "load", func() bool { return answered.Load() >= goal })
	for i := range s.running {
		s.signal(i, syscall.SIGKILL)
	}
	for i := range s.running {
		s.wait(i)
	}
	begin, had := time.Now(), answered.Load()
	s.startAll()
	realnettest.Until(s.t, "answers again", func() bool { return answered.Load() > had+4 })
	back = time.Since(begin)
	close(stop)
	senders.Wait()
	for range books {
		if err := <-errs; err != nil {
			s.t.Fatalf("round %d: %v", round, err)
		}
	}
	return back
}

// load sends messages, each until it is acknowledged.
func (b *ledger) load(ctx context.Context, stop <-chan struct{}, answered *atomic.Int64) error {
	for {
		select {
		case <-stop:
			return nil
		default:
		}
		b.said++
		body := fmt.Sprintf("%s %d", b.ada.Name, b.said)
		r, err := b.ada.Command(ctx, chat.Send{To: b.bob.Name, Body: body})
		if err != nil || r.Code != "" {
			return fmt.Errorf("%s: %q %w", body, r.Code, err)
		}
		b.acked[body] = r
		answered.Add(1)
	}
}

// check reads the whole history and the whole feed.
func (b *ledger) check(t *testing.T) {
	t.Helper()
	who, err := b.bob.Query(patient(t), replica.History{With: b.ada.Name, Limit: 1})
	if err != nil || who.Thread == nil {
		t.Fatalf("who %s and %s are: %q %v", b.ada.Name, b.bob.Name, who.Code, err)
	}
	found := map[string]uint64{}
	for after := uint64(0); ; {
		r, err := b.bob.Query(patient(t), replica.History{Members: who.Thread.Members, After: after, Limit: 500})
		if err != nil || r.Thread == nil {
			t.Fatalf("history of %s after %d: %q %v", b.bob.Name, after, r.Code, err)
		}
		for _, m := range r.Thread.Messages {
			if after++; m.Seq != after {
				t.Fatalf("number %d follows %d", m.Seq, after-1)
			}
			if was, twice := found[m.Body]; twice {
				t.Errorf("%q is there twice, as %d and %d", m.Body, was, m.Seq)
			}
			found[m.Body] = m.Seq
		}
		if after >= r.Thread.Last {
			break
		}
	}
	for body, r := range b.acked {
		if found[body] != r.Result.Seq {
			t.Errorf("%q was acknowledged as number %d, and is %d", body, r.Result.Seq, found[body])
		}
	}
	feed := realnettest.NewFeed(b.bob)
	if err := feed.Until(patient(t), len(found)); err != nil {
		t.Errorf("feed of %s: %d of %d events: %v", b.bob.Name, len(feed.Events), len(found), err)
	}
}
