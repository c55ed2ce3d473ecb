package realnet

import (
	"cmp"
	"net"
	"slices"
	"sync"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"parley/core/chat"
	"parley/core/raft"
	"parley/core/replica"
	"parley/core/session"
	"parley/realnet/wire"
)

// fakeCluster is a few servers with one memory: a client's view of a cluster that never loses
// anything, and whose every word a test may twist. It keeps the promises of the session table.
type fakeCluster struct {
	t       *testing.T
	servers []*fakeServer

	mu      sync.Mutex
	leader  int // who takes commands
	pos     uint64
	devices map[session.DeviceID]*fakeDevice
	log     []string // bodies of sends, in order
	events  []chat.Event
	feeds   []*fakeFeed
	// fault says what happens to a call, before anything else does.
	fault func(server int, c *replica.Call) fakeFault
}

type fakeDevice struct {
	last    uint64
	replies map[uint64]replica.Reply
}

// fakeFault is what a server does wrong with a call.
type fakeFault int

const (
	honest    fakeFault = iota
	cutBefore           // the stream breaks, nothing is applied
	cutAfter            // it is applied, then the stream breaks
	twice               // it is answered twice
	silent              // it is never answered, nor applied
	mute                // it is applied, and never answered
	garbled             // the answer makes no sense
)

type fakeServer struct {
	wire.UnimplementedChatServer
	cluster *fakeCluster
	id      int
	address string
	grpc    *grpc.Server
}

type fakeFeed struct {
	server *fakeServer
	sub    uint64
	stream *fakeStream
	next   uint64
}

// fakeStream serializes what is sent.
type fakeStream struct {
	grpc.BidiStreamingServer[wire.ClientFrame, wire.ServerFrame]
	mu  sync.Mutex
	cut chan struct{}
}

func (s *fakeStream) send(f *wire.ServerFrame) {
	s.mu.Lock()
	defer s.mu.Unlock()
	_ = s.Send(f)
}

func newFakeCluster(t *testing.T, n int) *fakeCluster {
	c := &fakeCluster{t: t, devices: map[session.DeviceID]*fakeDevice{}}
	for i := range n {
		s := &fakeServer{cluster: c, id: i}
		s.listen("127.0.0.1:0")
		c.servers = append(c.servers, s)
	}
	t.Cleanup(func() {
		for _, s := range c.servers {
			s.grpc.Stop()
		}
	})
	return c
}

func (s *fakeServer) listen(address string) {
	l, err := net.Listen("tcp", address)
	if err != nil {
		s.cluster.t.Fatal(err)
	}
	s.address = l.Addr().String()
	s.grpc = grpc.NewServer(serverOptions()...)
	wire.RegisterChatServer(s.grpc, s)
	go func() { _ = s.grpc.Serve(l) }()
}

// kill ends a server as a crash does; revive brings it back.
func (s *fakeServer) kill()   { s.grpc.Stop() }
func (s *fakeServer) revive() { s.listen(s.address) }

func (c *fakeCluster) addresses() (list []string) {
	for _, s := range c.servers {
		list = append(list, s.address)
	}
	return list
}

func (c *fakeCluster) setLeader(i int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.leader = i
}

func (c *fakeCluster) setFault(f func(server int, call *replica.Call) fakeFault) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.fault = f
}

// said is what was sent, in the order of the log.
func (c *fakeCluster) said() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.log)
}

func (s *fakeServer) hello() *wire.ServerHello {
	h := &wire.ServerHello{Protocol: wire.Protocol, Id: uint64(s.id + 1), Version: "fake"}
	for _, o := range s.cluster.servers {
		h.Members = append(h.Members, &wire.Member{Id: uint64(o.id + 1), Address: o.address})
	}
	return h
}

func (s *fakeServer) Session(raw grpc.BidiStreamingServer[wire.ClientFrame, wire.ServerFrame]) error {
	stream := &fakeStream{BidiStreamingServer: raw, cut: make(chan struct{})}
	defer s.cluster.hangup(stream)
	stream.send(&wire.ServerFrame{Hello: s.hello()})
	frames := make(chan error, 1)
	go func() {
		for {
			f, err := raw.Recv()
			if err == nil {
				err = s.frame(stream, f)
			}
			if err != nil {
				frames <- err
				return
			}
		}
	}()
	select {
	case err := <-frames:
		return err
	case <-stream.cut:
		return status.Error(codes.Unavailable, "cut")
	}
}

func (s *fakeServer) frame(stream *fakeStream, f *wire.ClientFrame) error {
	if err := wire.CheckClientFrame(f); err != nil {
		s.cluster.t.Errorf("frame: %v", err)
	}
	for _, w := range f.GetCalls() {
		call, _, err := wire.DecodeCall(w)
		if err != nil {
			s.cluster.t.Errorf("call: %v", err)
			return status.Error(codes.InvalidArgument, err.Error())
		}
		if err := s.call(stream, &call); err != nil {
			return err
		}
	}
	for _, w := range f.GetAttaches() {
		a, err := wire.DecodeAttach(w)
		if err != nil {
			return status.Error(codes.InvalidArgument, err.Error())
		}
		s.cluster.attach(s, stream, &a)
	}
	for _, w := range f.GetDetaches() {
		s.cluster.detach(stream, w.GetSub())
	}
	return nil
}

var errCut = status.Error(codes.Unavailable, "cut")

func (s *fakeServer) call(stream *fakeStream, call *replica.Call) error {
	c := s.cluster
	c.mu.Lock()
	defer c.mu.Unlock()
	fault := honest
	if c.fault != nil {
		fault = c.fault(s.id, call)
	}
	if fault == cutBefore {
		return errCut
	}
	if fault == silent {
		return nil
	}
	r := c.decide(s.id, call)
	r.ID = call.ID
	w := wire.EncodeReply(&r, c.servers[c.leader].address)
	switch fault {
	case cutAfter:
		return errCut
	case mute:
		return nil
	case garbled:
		w.Class = 77
	case twice:
		stream.send(&wire.ServerFrame{Replies: []*wire.Reply{w}})
	}
	stream.send(&wire.ServerFrame{Replies: []*wire.Reply{w}})
	return nil
}

// decide is the cluster's answer, by the preamble of the chat's semantics.
func (c *fakeCluster) decide(server int, call *replica.Call) replica.Reply {
	here := replica.Pos{Epoch: 1, Index: raft.Index(c.pos)}
	if call.Query != nil {
		return replica.Reply{Class: session.Applied, Pos: here, Page: &replica.Page{Names: []string{"ada"}}}
	}
	if server != c.leader {
		return replica.Reply{
			Class: session.NotApplied, Code: string(replica.NotLeader), Leader: raft.ID(c.leader + 1), Pos: here,
		}
	}
	d := c.devices[call.Device]
	if d == nil {
		d = &fakeDevice{replies: map[uint64]replica.Reply{}}
		c.devices[call.Device] = d
	}
	if r, ok := d.replies[call.DSeq]; ok && call.DSeq > call.Through {
		r.Replayed = true
		if _, void := call.Command.(chat.Void); void {
			r.Code = string(session.SeqReused)
		}
		return r
	}
	for n := range d.replies {
		if n <= call.Through {
			delete(d.replies, n)
		}
	}
	switch {
	case call.DSeq <= d.last:
		return replica.Reply{Class: session.Rejected, Code: string(session.Window), Pos: here}
	case call.DSeq != d.last+1:
		return replica.Reply{
			Class: session.NotApplied, Code: string(session.SeqGap), Expected: d.last + 1, Pos: here,
		}
	}
	d.last++
	d.replies[d.last] = c.apply(call.Command)
	return d.replies[d.last]
}

func (c *fakeCluster) apply(cmd chat.Command) replica.Reply {
	c.pos++
	r := replica.Reply{Class: session.Applied, Pos: replica.Pos{Epoch: 1, Index: raft.Index(c.pos)}}
	if send, ok := cmd.(chat.Send); ok {
		c.log = append(c.log, send.Body)
		r.Result.Seq = uint64(len(c.log))
		c.event(chat.Event{N: uint64(len(c.events) + 1), Kind: chat.MessageEvent})
	}
	return r
}

// event puts one into the only feed there is, and sends it to all who read. It may leave a gap.
func (c *fakeCluster) event(e chat.Event) {
	c.events = append(c.events, e)
	for _, f := range c.feeds {
		f.pump(c)
	}
}

func (c *fakeCluster) say(bodies ...string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, b := range bodies {
		c.apply(chat.Send{Body: b})
	}
}

func (c *fakeCluster) attach(s *fakeServer, stream *fakeStream, a *replica.Attach) {
	c.mu.Lock()
	defer c.mu.Unlock()
	f := &fakeFeed{server: s, sub: a.Sub, stream: stream, next: a.After + 1}
	c.feeds = append(c.feeds, f)
	stream.send(&wire.ServerFrame{Attached: []*wire.Attached{
		wire.EncodeAttached(&replica.Attached{Sub: a.Sub, UID: 7, After: a.After, Pos: a.Pos}),
	}})
	f.pump(c)
}

// pump sends what is due.
func (f *fakeFeed) pump(c *fakeCluster) {
	at, _ := slices.BinarySearchFunc(c.events, f.next, func(e chat.Event, n uint64) int { return cmp.Compare(e.N, n) })
	for _, e := range c.events[at:] {
		p := replica.Push{Sub: f.sub, Event: e, Message: &chat.Message{Body: "body"}}
		f.stream.send(&wire.ServerFrame{Pushes: []*wire.Push{wire.EncodePush(&p)}})
		f.next = e.N + 1
	}
}

func (c *fakeCluster) detach(stream *fakeStream, sub uint64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.feeds = slices.DeleteFunc(c.feeds, func(f *fakeFeed) bool { return f.stream == stream && f.sub == sub })
}

func (c *fakeCluster) hangup(stream *fakeStream) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.feeds = slices.DeleteFunc(c.feeds, func(f *fakeFeed) bool { return f.stream == stream })
}

// closeFeeds ends all feeds, for a reason.
func (c *fakeCluster) closeFeeds(why replica.Why, by string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, f := range c.feeds {
		cl := replica.Closing{Sub: f.sub, Why: why, By: by}
		f.stream.send(&wire.ServerFrame{Closings: []*wire.Closing{wire.EncodeClosing(&cl)}})
	}
	c.feeds = nil
}

// cutFeeds breaks the streams that carry feeds.
func (c *fakeCluster) cutFeeds() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, f := range c.feeds {
		close(f.stream.cut)
	}
	c.feeds = nil
}

func (c *fakeCluster) feedCount() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.feeds)
}
