package realnet

import (
	"context"
	"errors"
	"io"
	"net"
	"sync"
	"syscall"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/backoff"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/keepalive"

	"parley/realnet/wire"
)

// gRPC's defaults were made for someone else's network; these are ours. (docs: dependencies)

func serverOptions() []grpc.ServerOption {
	return []grpc.ServerOption{
		grpc.MaxRecvMsgSize(wire.MaxFrame), grpc.MaxSendMsgSize(wire.MaxServerFrame),
		grpc.MaxConcurrentStreams(maxStreams), grpc.ConnectionTimeout(5 * time.Second),
		grpc.MaxHeaderListSize(16 << 10),
		// Static windows: gRPC would otherwise ping to estimate them.
		grpc.InitialWindowSize(1 << 20), grpc.InitialConnWindowSize(4 << 20),
		// A thousand clients at rest should not hold 64 KiB each.
		grpc.SharedWriteBuffer(true), grpc.ReadBufferSize(16 << 10),
		grpc.KeepaliveParams(keepalive.ServerParameters{Time: 10 * time.Second, Timeout: 3 * time.Second}),
		grpc.KeepaliveEnforcementPolicy(keepalive.EnforcementPolicy{
			MinTime: 5 * time.Second, PermitWithoutStream: true,
		}),
		grpc.WaitForHandlers(true),
	}
}

// maxStreams is how many sessions one TCP connection may carry.
const maxStreams = 4096

// dialPeer makes a connection to another server. It does not wait, and goes on trying for ever.
func dialPeer(address string, dial func(context.Context, string) (net.Conn, error)) (*grpc.ClientConn, error) {
	return grpc.NewClient("passthrough:///"+address,
		grpc.WithTransportCredentials(insecure.NewCredentials()), grpc.WithContextDialer(dial),
		grpc.WithConnectParams(grpc.ConnectParams{
			Backoff:           backoff.Config{BaseDelay: minBackoff, Multiplier: 1.6, Jitter: 0.2, MaxDelay: maxBackoff},
			MinConnectTimeout: time.Second,
		}),
		grpc.WithKeepaliveParams(keepalive.ClientParameters{
			Time: 10 * time.Second, Timeout: 3 * time.Second, PermitWithoutStream: true,
		}),
		grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(wire.MaxFrame), grpc.MaxCallSendMsgSize(wire.MaxFrame)),
		grpc.WithInitialWindowSize(1<<20), grpc.WithInitialConnWindowSize(4<<20),
		grpc.WithIdleTimeout(0), grpc.WithDisableRetry(), grpc.WithDisableServiceConfig(), grpc.WithNoProxy())
}

const (
	minBackoff = 50 * time.Millisecond
	maxBackoff = time.Second
)

// watchedDialer dials so that it comes out, at once, when nobody is there any more: the connection
// was refused, reset, or ended by the other side. A connection that we give up ourselves, because
// nothing came in time, says nothing about the other.
func watchedDialer(gone func()) func(context.Context, string) (net.Conn, error) {
	return func(ctx context.Context, address string) (net.Conn, error) {
		var dialer net.Dialer
		c, err := dialer.DialContext(ctx, "tcp", address)
		if err != nil {
			if errors.Is(err, syscall.ECONNREFUSED) {
				gone()
			}
			return nil, err
		}
		return &watchedConn{Conn: c, gone: sync.OnceFunc(gone)}, nil
	}
}

type watchedConn struct {
	net.Conn
	gone func()
}

func (c *watchedConn) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	if errors.Is(err, io.EOF) || errors.Is(err, syscall.ECONNRESET) {
		c.gone()
	}
	return n, err
}
