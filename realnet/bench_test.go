package realnet_test

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"parley/core/chat"
	"parley/core/replica"
	"parley/realnet/realnettest"
	"parley/realnet/wire"
)

// BenchmarkSend is acknowledged sends over sockets to three servers in this process, each with a real
// store, from so many sessions with one send in flight each. The load generator's CPU is in it.
//
//	go test ./realnet -run - -bench Send -disk -benchtime 20000x -cpuprofile cpu.out
func BenchmarkSend(b *testing.B) {
	for _, sessions := range []int{1, 64, 256, 1000} {
		b.Run(fmt.Sprint(sessions), func(b *testing.B) { benchmarkSend(b, sessions) })
	}
}

func benchmarkSend(b *testing.B, sessions int) {
	settings := realnettest.Settings()
	settings.OpenAuth, settings.MaxQueue = true, 1_000_000
	c := realnettest.Start(b, memory(realnettest.Options{Settings: &settings, Tuning: realnettest.Patient}))
	leader := c.Addresses()[c.Leader()]
	first := dial(b, leader)
	var people []*realnettest.Person
	var streams []*realnettest.Puppet
	var wait sync.WaitGroup
	for i := range sessions {
		p := realnettest.NewPerson(fmt.Sprint("u", i), "", nil)
		people = append(people, p)
		wait.Go(func() { askOn(b, first, p, chat.Signup{Name: p.Name}) })
	}
	wait.Wait()
	for i := range people {
		s, err := realnettest.Share(leader, i%((sessions+63)/64))
		if err != nil {
			b.Fatal(err)
		}
		defer s.Close()
		streams = append(streams, s)
	}
	body := strings.Repeat("x", 256)
	var acked, moved atomic.Int64
	b.ResetTimer()
	for i, s := range streams {
		wait.Go(func() {
			p := people[i]
			for n := i; n < b.N; n += sessions {
				err := exchange(s, p, &people[(i+1)%sessions].Name, body)
				if errors.Is(err, errMoved) {
					moved.Add(1)
					return // the leader has moved: no measurement, but no failure of the server's either
				}
				if err != nil {
					b.Error(err)
					return
				}
				acked.Add(1)
			}
		})
	}
	wait.Wait()
	b.ReportMetric(float64(acked.Load()), "acked")
	if moved.Load() > 0 {
		b.Logf("leadership moved during the run")
	}
}

var errMoved = errors.New("the leader has moved")

// exchange sends one message and waits for its answer, by hand.
func exchange(s *realnettest.Puppet, p *realnettest.Person, to *string, body string) error {
	p.DSeq++
	w, err := wire.EncodeCall(&replica.Call{
		ID: p.DSeq, Device: p.Device, DSeq: p.DSeq, Through: p.DSeq - 1, Command: chat.Send{To: *to, Body: body},
	}, &p.Secrets)
	if err != nil {
		return err
	}
	if err := s.Stream.Send(&wire.ClientFrame{Calls: []*wire.Call{w}}); err != nil {
		return err
	}
	for {
		f, err := s.Stream.Recv()
		if err != nil {
			return err
		}
		for _, r := range f.GetReplies() {
			if r.GetCode() == string(replica.NotLeader) || r.GetCode() == string(replica.Unavailable) {
				return errMoved
			}
			if r.GetCode() != "" {
				return fmt.Errorf("%s", r.GetCode())
			}
			return nil
		}
	}
}
