package realnet

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/connectivity"
	"google.golang.org/grpc/status"

	"parley/core/raft"
	"parley/core/replica"
	"parley/realnet/wire"
)

// peer is another server, as seen from this one: two senders that dial it, and what is known of its
// links to us.
type peer struct {
	id      raft.ID
	address string
	server  *Server
	main    *sender      // the protocol
	bulk    *sender      // chunks of snapshots, so that they never delay a heartbeat
	linked  atomic.Int32 // links it has to us, bulk ones apart
	heard   atomic.Int64 // when it was last heard, in the machine's time; 0: never
}

// start begins to dial; it goes on until ctx ends.
func (p *peer) start(ctx context.Context, done *sync.WaitGroup) {
	p.main, p.bulk = newSender(p, false), newSender(p, true)
	done.Go(func() { p.main.run(ctx) })
	done.Go(func() { p.bulk.run(ctx) })
}

// offer queues a message, or drops it: the protocol repeats what matters. The queue holds messages by
// value: what an Output holds is overwritten by the next Step.
func (p *peer) offer(m replica.PeerMessage) {
	to := p.main
	if m.Chunk != nil {
		to = p.bulk
	}
	if !to.linked.Load() {
		return
	}
	select {
	case to.queue <- m:
	default:
	}
}

// sender is the goroutine that keeps one link to a peer and sends what is offered.
type sender struct {
	peer   *peer
	bulk   bool
	queue  chan replica.PeerMessage
	linked atomic.Bool   // what is offered now would leave
	soon   chan struct{} // cap 1: the peer was heard, so try again at once
}

const (
	senderQueue    = 1024
	senderMessages = 64      // in a frame
	senderBytes    = 1 << 20 // in a frame, about
)

func newSender(p *peer, bulk bool) *sender {
	return &sender{peer: p, bulk: bulk, queue: make(chan replica.PeerMessage, senderQueue), soon: make(chan struct{}, 1)}
}

// run links again and again until ctx ends.
func (s *sender) run(ctx context.Context) {
	cc, err := dialPeer(s.peer.address, s.dialer())
	if err != nil {
		s.peer.server.fail("dial "+s.peer.address, err) // an address that cannot be one
		return
	}
	defer cc.Close()
	pause, said := minBackoff, ""
	for ctx.Err() == nil {
		if !s.connect(ctx, cc) {
			return
		}
		linked, err := s.link(ctx, cc)
		if linked {
			pause, said = minBackoff, ""
		}
		if ctx.Err() != nil {
			return
		}
		if why := status.Convert(err).Message(); why != said && !s.bulk {
			said = why
			s.peer.server.log.Warn("no link to peer", "peer", NodeName(s.peer.id), "why", why)
		}
		if s.wait(ctx, pause); !linked {
			pause = min(2*pause, maxBackoff)
		}
	}
}

func (s *sender) dialer() func(context.Context, string) (net.Conn, error) {
	return watchedDialer(func() {
		if !s.bulk {
			s.peer.server.post(happening{input: replica.PeerDown{Peer: s.peer.id}})
		}
	})
}

// connect waits for a connection; gRPC does the dialling and the backing off.
func (s *sender) connect(ctx context.Context, cc *grpc.ClientConn) bool {
	for {
		state := cc.GetState()
		switch state {
		case connectivity.Ready:
			return true
		case connectivity.Idle:
			cc.Connect()
		case connectivity.TransientFailure:
			select {
			case <-s.soon:
				cc.ResetConnectBackoff()
			default:
			}
		}
		if !s.changed(ctx, cc, state) {
			return false
		}
	}
}

// changed waits until the connection's state does, or the peer was heard; false: ctx has ended.
func (s *sender) changed(ctx context.Context, cc *grpc.ClientConn, state connectivity.State) bool {
	waiting, stop := context.WithCancel(ctx)
	defer stop()
	var nudge sync.WaitGroup
	nudge.Go(func() {
		select {
		case <-s.soon:
			cc.ResetConnectBackoff()
		case <-waiting.Done():
		}
	})
	cc.WaitForStateChange(waiting, state)
	stop()
	nudge.Wait()
	return ctx.Err() == nil
}

func (s *sender) wait(ctx context.Context, pause time.Duration) {
	timer := time.NewTimer(pause)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-s.soon:
	case <-ctx.Done():
	}
}

// link opens a link and sends on it until it breaks; linked says whether it ever stood.
func (s *sender) link(ctx context.Context, cc *grpc.ClientConn) (linked bool, err error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	stream, err := wire.NewPeersClient(cc).Link(ctx)
	if err != nil {
		return false, err
	}
	if err := s.shakeHands(stream); err != nil {
		return false, err
	}
	s.drop()
	s.linked.Store(true)
	defer s.linked.Store(false)
	broken := make(chan error, 1)
	var reader sync.WaitGroup
	reader.Go(func() {
		_, err := stream.Recv() // nothing comes, so this is the end
		if err == nil || errors.Is(err, io.EOF) {
			err = errEnded
		}
		broken <- err
	})
	err = s.send(ctx, stream, broken)
	cancel()
	reader.Wait()
	return true, err
}

var errEnded = errors.New("the peer ended the link")

// drop empties the queue: what waited while there was no link is of yesterday.
func (s *sender) drop() {
	for {
		select {
		case <-s.queue:
		default:
			return
		}
	}
}

func (s *sender) send(ctx context.Context, stream peerStream, broken <-chan error) error {
	for {
		select {
		case m := <-s.queue:
			f := &wire.PeerFrame{Messages: []*wire.PeerMessage{wire.EncodePeer(&m)}}
			s.pack(f, sizeOf(&m))
			if err := stream.Send(f); err != nil {
				return <-broken // says more than Send does
			}
		case err := <-broken:
			return err
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// pack adds what else is waiting, up to the size of a frame.
func (s *sender) pack(f *wire.PeerFrame, size int) {
	for len(f.Messages) < senderMessages && size < senderBytes {
		select {
		case m := <-s.queue:
			size += sizeOf(&m)
			f.Messages = append(f.Messages, wire.EncodePeer(&m))
		default:
			return
		}
	}
}

func sizeOf(m *replica.PeerMessage) int {
	n := 64
	switch {
	case m.Chunk != nil:
		n += len(m.Chunk.Data)
	case m.Raft != nil:
		for i := range m.Raft.Entries {
			n += 64 + len(m.Raft.Entries[i].Data)
		}
	}
	return n
}

type peerStream = grpc.BidiStreamingClient[wire.PeerFrame, wire.PeerFrame]

// shakeHands proves to the acceptor who we are, and has it prove the same.
func (s *sender) shakeHands(stream peerStream) error {
	srv := s.peer.server
	f, err := stream.Recv()
	if err != nil {
		return err
	}
	if f.GetChallenge() == nil {
		return errors.New("the peer did not begin with a challenge: is it a Parley server?")
	}
	hello := &wire.PeerHello{
		Protocol: wire.Protocol, Cluster: srv.home.Cluster[:], From: uint64(srv.home.ID), To: uint64(s.peer.id),
		Boot: srv.boot, Life: srv.life[:], Nonce: nonce(), Bulk: s.bulk,
	}
	hello.Proof = wire.Prove(srv.home.Secret, f.GetChallenge().GetNonce(), hello, nil)
	if err := stream.Send(&wire.PeerFrame{Hello: hello}); err != nil {
		return err
	}
	if f, err = stream.Recv(); err != nil {
		return err
	}
	w := f.GetWelcome()
	if w == nil || !hmac.Equal(w.GetProof(), wire.Prove(srv.home.Secret, hello.Nonce, hello, w)) {
		return fmt.Errorf("%s at %s does not know the cluster's secret", NodeName(s.peer.id), s.peer.address)
	}
	return srv.witness.see(s.peer.id, w.GetBoot(), w.GetLife())
}

func nonce() []byte {
	b := make([]byte, 32)
	rand.Read(b) // never fails
	return b
}

// ---- The accepting side.

// Link takes a peer's messages. The handler only waits: it must be able to return when the server
// ends, and a stream's reader cannot.
func (s *Server) Link(stream grpc.BidiStreamingServer[wire.PeerFrame, wire.PeerFrame]) error {
	ended := make(chan error, 1)
	s.streams.Go(func() { ended <- s.readLink(stream) })
	select {
	case err := <-ended:
		return err
	case <-s.ending:
		return status.Errorf(codes.Unavailable, "%s is stopping", NodeName(s.home.ID))
	}
}

func (s *Server) readLink(stream grpc.BidiStreamingServer[wire.PeerFrame, wire.PeerFrame]) error {
	p, hello, err := s.acceptLink(stream)
	if err != nil {
		return err
	}
	if !hello.GetBulk() {
		s.log.Info("peer linked", "peer", NodeName(p.id), "boot", hello.GetBoot())
		p.linked.Add(1)
		defer p.linked.Add(-1)
	}
	p.wasHeard()
	for {
		f, err := stream.Recv()
		if err != nil {
			return err
		}
		p.heard.Store(int64(s.now()))
		for _, w := range f.GetMessages() {
			m, err := wire.DecodePeer(w)
			if err == nil && (m.From != p.id || m.To != s.home.ID) {
				err = fmt.Errorf("a message from n%d to n%d", m.From, m.To)
			}
			if err != nil {
				s.log.Warn("peer sent what cannot be read", "peer", NodeName(p.id), "why", err)
				return status.Error(codes.InvalidArgument, err.Error())
			}
			s.post(happening{input: replica.Peer{Message: m}})
		}
	}
}

// wasHeard tells the senders that trying is worth while now.
func (p *peer) wasHeard() {
	p.heard.Store(int64(p.server.now()))
	for _, s := range []*sender{p.main, p.bulk} {
		select {
		case s.soon <- struct{}{}:
		default:
		}
	}
}

// acceptLink finds out who dials, and whether it is one of us.
func (s *Server) acceptLink(stream grpc.BidiStreamingServer[wire.PeerFrame, wire.PeerFrame]) (*peer, *wire.PeerHello, error) {
	challenge := nonce()
	if err := stream.Send(&wire.PeerFrame{Challenge: &wire.PeerChallenge{Nonce: challenge}}); err != nil {
		return nil, nil, err
	}
	f, err := stream.Recv()
	if err != nil {
		return nil, nil, err
	}
	h := f.GetHello()
	p, err := s.checkHello(h, challenge)
	if err != nil {
		s.log.Warn("refused a peer", "from", originOf(stream.Context()), "why", err)
		return nil, nil, status.Error(codes.FailedPrecondition, err.Error())
	}
	welcome := &wire.PeerWelcome{Boot: s.boot, Life: s.life[:]}
	welcome.Proof = wire.Prove(s.home.Secret, h.GetNonce(), h, welcome)
	return p, h, stream.Send(&wire.PeerFrame{Welcome: welcome})
}

func (s *Server) checkHello(h *wire.PeerHello, challenge []byte) (*peer, error) {
	self := NodeName(s.home.ID)
	if h == nil {
		return nil, errors.New("the first frame must hold a hello")
	}
	if h.GetProtocol() != wire.Protocol {
		return nil, fmt.Errorf("%s speaks protocol %d, you %d: upgrade the older one", self, wire.Protocol, h.GetProtocol())
	}
	if string(h.GetCluster()) != string(s.home.Cluster[:]) {
		return nil, fmt.Errorf("%s is of cluster %s (%x), you are of %.16x: another cluster's address, or a foreign directory",
			self, s.home.Name, s.home.Cluster[:2], h.GetCluster())
	}
	if raft.ID(h.GetTo()) != s.home.ID {
		return nil, fmt.Errorf("this is %s, you want n%d: check the addresses of the members", self, h.GetTo())
	}
	p := s.peers[raft.ID(h.GetFrom())]
	if p == nil {
		return nil, fmt.Errorf("n%d is not another member of cluster %s: members are %s", h.GetFrom(), s.home.Name, s.home.memberList())
	}
	if !hmac.Equal(h.GetProof(), wire.Prove(s.home.Secret, challenge, h, nil)) {
		return nil, fmt.Errorf("n%d does not know the secret of cluster %s: make its directory with this cluster's token", h.GetFrom(), s.home.Name)
	}
	return p, s.witness.see(p.id, h.GetBoot(), h.GetLife())
}
