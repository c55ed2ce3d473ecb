package realnet

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"parley/core/chat"
	"parley/core/raft"
	"parley/core/replica"
	"parley/realnet/wire"
)

// Version is what this build calls itself.
const Version = "0.1.0"

// ServerConfig is fixed for the life of a Server.
type ServerConfig struct {
	Dir      string         // made by CreateHome
	Listen   string         // host:port; empty: as the directory says
	Insecure bool           // listen beyond this machine although nothing is encrypted
	Logger   *slog.Logger   // nil: slog.Default
	Argon    Argon          // zero: DefaultArgon
	WallDate func() int64   // Unix milliseconds, for people to read; nil: the wall clock
	Tuning   replica.Config // delays and log sizes; identity and voters come from the directory

	// OpenStore opens the store in the given directory; nil: the one that CreateHome makes.
	OpenStore func(dir string, h *Home) (replica.Store, error)
}

// FatalError ends a server at once: its disk failed, or it found that going on would be worse.
// Nothing is retried; the process exits with 74.
type FatalError struct {
	Doing string
	Err   error
}

func (e *FatalError) Error() string { return fmt.Sprintf("%s: %v", e.Doing, e.Err) }
func (e *FatalError) Unwrap() error { return e.Err }

// Server is one replica with its sockets, its store and its goroutines.
type Server struct {
	wire.UnimplementedPeersServer
	wire.UnimplementedChatServer

	cfg      ServerConfig
	home     *Home
	log      *slog.Logger
	store    replica.Store
	machine  *replica.Machine // the loop's
	settings chat.Settings
	boot     uint64
	life     [16]byte // of this process
	witness  *witness
	started  time.Time // the origin of the monotonic time the machine is given

	listener      net.Listener
	grpc          *grpc.Server
	admin         *admin // nil: none
	adminListener net.Listener
	inbox         chan happening
	fatal         chan *FatalError // cap 1: from the keeper of the store
	over          chan struct{}    // closed when the loop has ended: nobody takes from inbox
	ending        chan struct{}    // closed when sessions and links are to end
	nextConn      atomic.Uint64
	sessions      atomic.Int64
	streams       sync.WaitGroup // readers of sessions and links
	peers         map[raft.ID]*peer
	abort         context.CancelFunc
	aborted       context.Context
}

// OpenServer opens the directory, recovers the replica and begins to listen. Serve does the rest.
func OpenServer(cfg ServerConfig) (*Server, error) {
	h, err := LoadHome(cfg.Dir)
	if err != nil {
		return nil, err
	}
	if cfg.Listen == "" {
		cfg.Listen = h.Listen
	}
	if !cfg.Insecure && !isLoopback(cfg.Listen) {
		return nil, fmt.Errorf("refuse to listen on %s: nothing is encrypted yet, so all could read along; "+
			"listen on 127.0.0.1, or say --insecure", cfg.Listen)
	}
	s := newServer(cfg, h)
	if s.witness, err = openWitness(cfg.Dir); err != nil {
		return nil, err
	}
	if err := s.recover(); err != nil {
		return nil, err
	}
	if s.listener, err = net.Listen("tcp", cfg.Listen); err != nil {
		return nil, errors.Join(err, s.store.Close())
	}
	if s.admin, s.adminListener, err = listenAdmin(s); err != nil {
		return nil, errors.Join(fmt.Errorf("open the socket for administration: %w", err), s.listener.Close(), s.store.Close())
	}
	return s, nil
}

func newServer(cfg ServerConfig, h *Home) *Server {
	if cfg.Logger == nil {
		cfg.Logger = slog.Default()
	}
	if cfg.Argon == (Argon{}) {
		cfg.Argon = DefaultArgon
	}
	if cfg.OpenStore == nil {
		cfg.OpenStore = openStore
	}
	if cfg.WallDate == nil {
		cfg.WallDate = func() int64 { return time.Now().UnixMilli() }
	}
	s := &Server{
		cfg: cfg, home: h, log: cfg.Logger.With("node", NodeName(h.ID)), started: time.Now(),
		inbox: make(chan happening, inboxSize), fatal: make(chan *FatalError, 1),
		over: make(chan struct{}), ending: make(chan struct{}), peers: map[raft.ID]*peer{},
	}
	rand.Read(s.life[:]) // never fails
	s.aborted, s.abort = context.WithCancel(context.Background())
	for _, m := range h.Members {
		if m.ID != h.ID {
			s.peers[m.ID] = &peer{id: m.ID, address: m.Address, server: s}
		}
	}
	return s
}

// recover opens the store and makes the replica of what it holds.
func (s *Server) recover() error {
	store, err := s.cfg.OpenStore(homeStore(s.cfg.Dir), s.home)
	if err != nil {
		return fmt.Errorf("open the store: %w", err)
	}
	s.store = store
	rec, err := store.Recover()
	if err == nil {
		cfg := s.cfg.Tuning
		cfg.Epoch, cfg.Raft.ID, cfg.Raft.Voters = s.home.Epoch, s.home.ID, s.home.Voters()
		cfg.Raft.Seed, cfg.Raft.Chain = s.home.seed(rec.Boot), s.home.Chain()
		s.boot = rec.Boot
		s.machine, err = replica.New(cfg, rec, s.now())
	}
	if err != nil {
		return errors.Join(fmt.Errorf("recover from %s: %w", s.cfg.Dir, err), store.Close())
	}
	s.settings = s.machine.Settings()
	return nil
}

// now is the time the machine knows: monotonic, from the start of this life.
func (s *Server) now() time.Duration { return time.Since(s.started) }

// Addr is where the server listens.
func (s *Server) Addr() string { return s.listener.Addr().String() }

// ID is the server's own.
func (s *Server) ID() raft.ID { return s.home.ID }

// Serve runs until ctx ends, then hands over and closes; or until Abort, or a *FatalError. When it
// returns, all goroutines have ended and the store is closed.
func (s *Server) Serve(ctx context.Context) error {
	defer s.abort()
	s.grpc = grpc.NewServer(serverOptions()...)
	wire.RegisterPeersServer(s.grpc, s)
	wire.RegisterChatServer(s.grpc, s)

	var helpers sync.WaitGroup
	dialing, hangUp := context.WithCancel(context.Background())
	for _, p := range s.peers { // before anybody can link: a peer that is heard wakes its senders
		p.start(dialing, &helpers)
	}
	helpers.Go(func() { _ = s.grpc.Serve(s.listener) }) // ends with Stop
	if s.admin != nil {
		helpers.Go(func() { _ = s.admin.grpc.Serve(s.adminListener) })
	}
	s.log.Info("server started", "address", s.Addr(), "cluster", s.home.Name, "boot", s.boot,
		"applied", s.machine.Status().Applied, "pid", os.Getpid(), "members", s.home.memberList())

	l := newLoop(s)
	err := l.run(ctx)
	close(s.over)
	l.close()
	s.hangUp(err == nil && s.aborted.Err() == nil)
	if s.admin != nil {
		s.admin.grpc.Stop()
	}
	hangUp()
	helpers.Wait()
	s.streams.Wait()
	closed := s.store.Close()
	if err != nil {
		return err
	}
	if closed != nil {
		return &FatalError{"close the store", closed}
	}
	s.log.Info("server stopped")
	return nil
}

// Abort ends Serve at once, as a crash would, except that the store is closed.
func (s *Server) Abort() { s.abort() }

// stopGrace is how long sessions have to take their last answers.
const stopGrace = time.Second

// hangUp ends all streams: when it is gentle, after what is queued for them is sent.
func (s *Server) hangUp(gentle bool) {
	if !gentle {
		s.grpc.Stop()
		return
	}
	close(s.ending)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		s.grpc.GracefulStop()
	}()
	timer := time.NewTimer(stopGrace)
	defer timer.Stop()
	select {
	case <-ended:
	case <-timer.C:
		s.grpc.Stop()
		<-ended
	}
}

// post tells the loop that something happened; false: it has ended, nobody listens.
func (s *Server) post(h happening) bool {
	select {
	case s.inbox <- h:
		return true
	case <-s.over:
		return false
	}
}

// Status answers for operators.
func (s *Server) Status(ctx context.Context, _ *wire.StatusRequest) (*wire.StatusReply, error) {
	answer := make(chan *wire.StatusReply, 1)
	s.post(happening{ask: answer})
	select {
	case reply := <-answer:
		return reply, nil
	case <-s.over:
		return nil, status.Errorf(codes.Unavailable, "%s is stopping", NodeName(s.home.ID))
	case <-ctx.Done():
		return nil, status.FromContextError(ctx.Err()).Err()
	}
}
