package realnet

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"sync"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	grpcpeer "google.golang.org/grpc/peer"
	"google.golang.org/grpc/status"

	"parley/core/replica"
	"parley/realnet/wire"
)

// What one session may hold here. An honest client comes nowhere near.
const (
	maxSubs     = 4096             // feeds
	maxOpen     = 16 << 10         // calls not answered
	helloWithin = 10 * time.Second // from the beginning of the stream
)

// chatSession is one client's stream. Two goroutines serve it: the handler that gRPC gave us writes,
// since a stream ends when its handler returns; the reader is ours. The fields below the line are
// the loop's.
type chatSession struct {
	server *Server
	conn   replica.Conn
	origin string // the client's address, without its port
	stream grpc.BidiStreamingServer[wire.ClientFrame, wire.ServerFrame]
	out    outbox

	once sync.Once
	end  chan struct{} // closed by finish: the handler returns why
	why  error

	// ----
	subs    map[uint64]struct{}
	open    int // calls not answered
	secrets map[uint64]wire.Secrets
}

// Session serves one client.
func (s *Server) Session(stream grpc.BidiStreamingServer[wire.ClientFrame, wire.ServerFrame]) error {
	c := &chatSession{
		server: s, conn: replica.Conn(s.nextConn.Add(1)), origin: originOf(stream.Context()), stream: stream,
		end: make(chan struct{}), subs: map[uint64]struct{}{}, secrets: map[uint64]wire.Secrets{},
	}
	c.out.wake = make(chan struct{}, 1)
	s.sessions.Add(1)
	defer s.sessions.Add(-1)
	s.streams.Go(c.read)
	return c.write()
}

func originOf(ctx context.Context) string {
	p, ok := grpcpeer.FromContext(ctx)
	if !ok {
		return ""
	}
	host, _, err := net.SplitHostPort(p.Addr.String())
	if err != nil {
		return p.Addr.String()
	}
	return host
}

// finish ends the session, from any goroutine. The first reason counts.
func (c *chatSession) finish(why error) {
	c.once.Do(func() {
		c.why = why
		close(c.end)
	})
}

// write sends what gathers in the outbox until the session ends.
func (c *chatSession) write() error {
	late := time.AfterFunc(helloWithin, func() {
		if !c.out.greeted() {
			c.finish(status.Error(codes.DeadlineExceeded, "no hello came"))
		}
	})
	defer late.Stop()
	for {
		select {
		case <-c.out.wake:
			if err := c.send(); err != nil {
				return err
			}
		case <-c.end:
			if status.Code(c.why) == codes.FailedPrecondition {
				_ = c.send() // our hello says what would have matched
			}
			return c.why
		case <-c.stream.Context().Done():
			return c.stream.Context().Err()
		case <-c.server.ending:
			_ = c.send()
			return status.Errorf(codes.Unavailable, "%s is stopping", NodeName(c.server.home.ID))
		}
	}
}

func (c *chatSession) send() error {
	for _, f := range c.out.take() {
		if err := c.stream.Send(f); err != nil {
			return err
		}
	}
	return nil
}

// read takes frames until there are no more, then hangs up. Only it speaks for this connection, so
// the loop hears of everything in order.
func (c *chatSession) read() {
	err := c.greet()
	for err == nil {
		var f *wire.ClientFrame
		if f, err = c.stream.Recv(); err == nil {
			err = c.frame(f)
		}
	}
	c.server.post(happening{input: replica.Hangup{Conn: c.conn}}) // harmless if it never joined
	if errors.Is(err, io.EOF) {
		err = nil // the client has gone, as it may
	}
	c.finish(err)
}

// greet reads the first frame and answers with our hello.
func (c *chatSession) greet() error {
	f, err := c.stream.Recv()
	if err != nil {
		return err
	}
	hello, s := f.GetHello(), c.server
	if hello == nil {
		return status.Error(codes.InvalidArgument, "the first frame must hold a hello")
	}
	c.out.hello(s.hello())
	if hello.GetProtocol() != wire.Protocol {
		return status.Errorf(codes.FailedPrecondition, "%s speaks protocol %d, the client %d: upgrade the older one",
			NodeName(s.home.ID), wire.Protocol, hello.GetProtocol())
	}
	if want := hello.GetCluster(); len(want) > 0 && !bytes.Equal(want, s.home.Cluster[:]) {
		return status.Errorf(codes.FailedPrecondition, "%s is of cluster %s (%x), the client wants %.32x",
			NodeName(s.home.ID), s.home.Name, s.home.Cluster[:2], want)
	}
	f.Hello = nil
	if !c.server.post(happening{join: c}) {
		return status.Errorf(codes.Unavailable, "%s is stopping", NodeName(s.home.ID))
	}
	return c.frame(f)
}

func (s *Server) hello() *wire.ServerHello {
	h := &wire.ServerHello{
		Protocol: wire.Protocol, Version: Version, Cluster: s.home.Cluster[:], ClusterName: s.home.Name,
		Id: uint64(s.home.ID), Epoch: s.home.Epoch, Policy: s.policy(),
	}
	for _, m := range s.home.Members {
		h.Members = append(h.Members, &wire.Member{Id: uint64(m.ID), Address: m.Address})
	}
	return h
}

func (s *Server) policy() *wire.Policy {
	return &wire.Policy{
		OpenAuth: s.settings.OpenAuth, MultiLogin: s.settings.MultiLogin,
		ClosedRegistration: s.settings.ClosedRegistration, MaxBody: uint64(s.settings.MaxBody),
	}
}

// frame hands the parts of a frame to the loop. A frame that no honest client sends ends the session.
func (c *chatSession) frame(f *wire.ClientFrame) error {
	if f.GetHello() != nil {
		return status.Error(codes.InvalidArgument, "a second hello")
	}
	if err := wire.CheckClientFrame(f); err != nil {
		return status.Error(codes.InvalidArgument, err.Error())
	}
	if err := c.calls(f.GetCalls()); err != nil {
		return err
	}
	for _, w := range f.GetAttaches() {
		in, err := wire.DecodeAttach(w)
		if err != nil {
			return status.Error(codes.InvalidArgument, err.Error())
		}
		in.Conn = c.conn
		c.server.post(happening{input: in})
	}
	for _, w := range f.GetAcks() {
		in, err := wire.DecodeAck(w)
		if err != nil {
			return status.Error(codes.InvalidArgument, err.Error())
		}
		in.Conn = c.conn
		c.server.post(happening{input: in})
	}
	for _, w := range f.GetDetaches() {
		c.server.post(happening{input: replica.Detach{Conn: c.conn, Sub: w.GetSub()}})
	}
	return nil
}

func (c *chatSession) calls(list []*wire.Call) error {
	if len(list) == 0 {
		return nil
	}
	h := happening{calls: make([]replica.Call, len(list))}
	for i, w := range list {
		call, secrets, err := wire.DecodeCall(w)
		if err != nil {
			return status.Error(codes.InvalidArgument, err.Error())
		}
		call.Conn, call.Origin = c.conn, c.origin
		if call.Secret {
			h.keep = append(h.keep, keptSecret{call.ID, secrets})
		}
		h.calls[i] = call
	}
	c.server.post(h)
	return nil
}

// ---- What follows is called by the loop.

// admit counts a call; false: there are too many unanswered ones, and the session ends.
func (c *chatSession) admit(n int) bool {
	c.open += n
	if c.open > maxOpen {
		c.finish(status.Errorf(codes.ResourceExhausted, "more than %d calls wait for answers", maxOpen))
		return false
	}
	return true
}

// addSub counts a feed in; false: it is not to be granted, and the session ends.
func (c *chatSession) addSub(sub uint64) bool {
	if _, used := c.subs[sub]; used {
		c.finish(status.Errorf(codes.InvalidArgument, "feed %d is open already", sub))
		return false
	}
	if len(c.subs) >= maxSubs {
		c.finish(status.Errorf(codes.ResourceExhausted, "more than %d feeds", maxSubs))
		return false
	}
	c.subs[sub] = struct{}{}
	return true
}

func (c *chatSession) attached(a *replica.Attached) {
	c.out.attached(wire.EncodeAttached(a))
}

// push queues an event; false: the client does not keep up, and its feed is closed.
func (c *chatSession) push(p *replica.Push) bool {
	if _, open := c.subs[p.Sub]; !open {
		return true // closed a moment ago: the machine does not know yet
	}
	if c.out.push(wire.EncodePush(p)) {
		return true
	}
	c.closing(&replica.Closing{Conn: c.conn, Sub: p.Sub, Why: replica.Resume, Pos: p.Pos})
	return false
}

func (c *chatSession) closing(w *replica.Closing) {
	delete(c.subs, w.Sub)
	c.out.closing(wire.EncodeClosing(w))
}

// reply queues an answer; if there is no room, the session ends: an answer is never dropped alone.
func (c *chatSession) reply(r *replica.Reply, leader string) {
	c.open--
	delete(c.secrets, r.ID)
	if !c.out.reply(wire.EncodeReply(r, leader)) {
		c.finish(status.Error(codes.ResourceExhausted, "the client does not read its answers"))
	}
}
