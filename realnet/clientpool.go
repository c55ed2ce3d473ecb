package realnet

import (
	"crypto/tls"
	"net"
	"sync"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/backoff"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/keepalive"

	"parley/realnet/wire"
)

// ClientPool is what clients of one process share: TCP connections, each carrying the streams of so
// many clients, and a few goroutines that own the clients. One client alone needs none; a thousand
// would otherwise be three thousand connections and a thousand goroutines more.
type ClientPool struct {
	perConn int
	owners  []*owner

	mu    sync.Mutex // of what follows: connections are made and dropped rarely
	conns map[connKey][]*sharedConn
	next  int
}

// connKey tells connections apart that must not be shared.
type connKey struct {
	address string
	tls     *tls.Config // nil: in clear
}

type sharedConn struct {
	cc    *grpc.ClientConn
	users int
}

// NewClientPool makes a pool with so many owner goroutines, and at most perConn streams on one TCP
// connection (0: 64). Close it after its clients.
func NewClientPool(owners, perConn int) *ClientPool {
	if perConn <= 0 {
		perConn = 64
	}
	p := &ClientPool{perConn: perConn, conns: map[connKey][]*sharedConn{}}
	for range max(owners, 1) {
		p.owners = append(p.owners, newOwner())
	}
	return p
}

// Connections counts the TCP connections in use, or waiting to be made.
func (p *ClientPool) Connections() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	n := 0
	for _, list := range p.conns {
		n += len(list)
	}
	return n
}

// Close ends the owners and the connections.
func (p *ClientPool) Close() {
	for _, o := range p.owners {
		o.stop()
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, list := range p.conns {
		for _, c := range list {
			_ = c.cc.Close()
		}
	}
	clear(p.conns)
}

// owner gives the next client its goroutine, in turn.
func (p *ClientPool) owner() *owner {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.next++
	return p.owners[p.next%len(p.owners)]
}

// conn finds a connection with room, or dials one, which does not wait. free gives it back.
func (p *ClientPool) conn(key connKey) (cc *grpc.ClientConn, free func(), err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	var c *sharedConn
	for _, have := range p.conns[key] {
		if have.users < p.perConn {
			c = have
			break
		}
	}
	if c == nil {
		cc, err := dialServer(key)
		if err != nil {
			return nil, nil, err
		}
		c = &sharedConn{cc: cc}
		p.conns[key] = append(p.conns[key], c)
	}
	c.users++
	return c.cc, sync.OnceFunc(func() { p.free(c) }), nil
}

// free keeps the connection: whoever lost a stream on it is about to open another.
func (p *ClientPool) free(c *sharedConn) {
	p.mu.Lock()
	defer p.mu.Unlock()
	c.users--
}

// dialServer makes a connection by the rules of docs: quick to notice, quick to try again, and no
// retries behind the session's back.
func dialServer(key connKey) (*grpc.ClientConn, error) {
	creds := insecure.NewCredentials()
	if key.tls != nil {
		creds = credentials.NewTLS(key.tls)
	}
	return grpc.NewClient("passthrough:///"+key.address,
		grpc.WithTransportCredentials(creds),
		grpc.WithConnectParams(grpc.ConnectParams{
			Backoff: backoff.Config{
				BaseDelay: 50 * time.Millisecond, Multiplier: 1.6, Jitter: 0.2, MaxDelay: time.Second,
			},
			MinConnectTimeout: time.Second,
		}),
		grpc.WithKeepaliveParams(keepalive.ClientParameters{Time: 10 * time.Second, Timeout: 3 * time.Second}),
		grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(wire.MaxServerFrame), grpc.MaxCallSendMsgSize(wire.MaxFrame)),
		// Static windows: gRPC would otherwise ping to estimate them.
		grpc.WithInitialWindowSize(1<<20), grpc.WithInitialConnWindowSize(4<<20),
		grpc.WithIdleTimeout(0), grpc.WithDisableRetry(), grpc.WithDisableServiceConfig(),
		grpc.WithNoProxy())
}

// isLoopback says whether an address stays on this machine, by its form: names are not resolved,
// but localhost is what it says.
func isLoopback(address string) bool {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		host = address
	}
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}
