package realnet

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"

	"parley/core/raft"
	"parley/core/replica"
	"parley/core/session"
	"parley/realnet/wire"
)

// Administration goes through a socket in the server's directory. Who may open the directory may
// administer the server; nobody else can reach it.

const adminName = "admin.sock"

// maxSocketPath is what fits into a socket's address everywhere.
const maxSocketPath = 100

type admin struct {
	wire.UnimplementedAdminServer
	server *Server
	grpc   *grpc.Server
}

// listenAdmin opens the socket. A path that is too long for one is no reason not to serve.
func listenAdmin(s *Server) (*admin, net.Listener, error) {
	path := filepath.Join(s.cfg.Dir, adminName)
	if len(path) > maxSocketPath {
		s.log.Warn("no administration while the server runs: the directory's path is too long for a socket", "path", path)
		return nil, nil, nil
	}
	// What an earlier life left behind; the store's lock says that nobody else is alive.
	if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, nil, err
	}
	listener, err := net.Listen("unix", path)
	if err != nil {
		return nil, nil, err
	}
	if err := os.Chmod(path, 0o600); err != nil {
		return nil, nil, errors.Join(err, listener.Close())
	}
	a := &admin{server: s, grpc: grpc.NewServer(grpc.MaxRecvMsgSize(wire.MaxFrame))}
	wire.RegisterAdminServer(a.grpc, a)
	return a, listener, nil
}

// Backup implements the wire's Admin.
func (a *admin) Backup(_ *wire.BackupRequest, stream grpc.ServerStreamingServer[wire.BackupPart]) error {
	snap, err := a.server.snapshot(stream.Context())
	if err != nil {
		return err
	}
	if err := stream.Send(&wire.BackupPart{Head: wire.EncodeBackupHead(&snap)}); err != nil {
		return err
	}
	for rest := snap.Data; len(rest) > 0; {
		n := min(len(rest), backupPart)
		if err := stream.Send(&wire.BackupPart{Data: rest[:n]}); err != nil {
			return err
		}
		rest = rest[n:]
	}
	return nil
}

const backupPart = 256 << 10

// snapshot is of the rows at or after everything that was acknowledged when it was asked for. Rows
// are stored a moment after they are applied, so it may have to look again.
func (s *Server) snapshot(ctx context.Context) (replica.Snapshot, error) {
	at, err := s.barrier(ctx)
	if err != nil {
		return replica.Snapshot{}, err
	}
	again := time.NewTicker(100 * time.Millisecond)
	defer again.Stop()
	for {
		snap, err := s.store.Export()
		if err != nil {
			return snap, status.Errorf(codes.Internal, "take a snapshot: %v", err)
		}
		if snap.Mark.Index >= at {
			return snap, nil
		}
		select {
		case <-again.C:
		case <-s.over:
			return snap, status.Errorf(codes.Unavailable, "%s is stopping", NodeName(s.home.ID))
		case <-ctx.Done():
			return snap, status.FromContextError(ctx.Err()).Err()
		}
	}
}

// barrier gives a position that everything acknowledged before lies at or before.
func (s *Server) barrier(ctx context.Context) (raft.Index, error) {
	for {
		answer := make(chan replica.Reply, 1)
		s.post(happening{barrier: answer})
		select {
		case r := <-answer:
			if r.Class == session.Applied {
				return r.Pos.Index, nil
			}
			// No leader, or none that a majority follows: there may be one soon.
		case <-s.over:
			return 0, status.Errorf(codes.Unavailable, "%s is stopping", NodeName(s.home.ID))
		case <-ctx.Done():
			return 0, status.Errorf(codes.Unavailable, "%s cannot tell what is acknowledged without a majority", NodeName(s.home.ID))
		}
	}
}

// ErrNotRunning says that no server answers on the socket of a directory.
var ErrNotRunning = errors.New("no server runs there")

// TakeBackup asks the server that runs in dir for a snapshot.
func TakeBackup(ctx context.Context, dir string) (replica.Snapshot, error) {
	path := filepath.Join(dir, adminName)
	probe, err := net.DialTimeout("unix", path, time.Second)
	if err != nil {
		return replica.Snapshot{}, fmt.Errorf("ask %s: %w", path, ErrNotRunning)
	}
	_ = probe.Close()
	cc, err := grpc.NewClient("passthrough:///admin", grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "unix", path)
		}), grpc.WithDisableRetry(), grpc.WithDisableServiceConfig(), grpc.WithNoProxy())
	if err != nil {
		return replica.Snapshot{}, err
	}
	defer cc.Close()
	stream, err := wire.NewAdminClient(cc).Backup(ctx, &wire.BackupRequest{})
	if err != nil {
		return replica.Snapshot{}, fmt.Errorf("ask for a backup: %w", err)
	}
	return receiveBackup(stream)
}

func receiveBackup(stream grpc.ServerStreamingClient[wire.BackupPart]) (replica.Snapshot, error) {
	first, err := stream.Recv()
	if err != nil {
		return replica.Snapshot{}, fmt.Errorf("ask for a backup: %w", err)
	}
	snap, size, err := wire.DecodeBackupHead(first.GetHead())
	if err != nil {
		return snap, err
	}
	for {
		part, err := stream.Recv()
		switch {
		case errors.Is(err, io.EOF) && uint64(len(snap.Data)) == size:
			return snap, nil
		case errors.Is(err, io.EOF):
			return snap, fmt.Errorf("receive a backup: %d bytes of %d", len(snap.Data), size)
		case err != nil:
			return snap, fmt.Errorf("receive a backup: %w", err)
		}
		snap.Data = append(snap.Data, part.GetData()...)
	}
}
