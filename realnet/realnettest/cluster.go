// Package realnettest starts clusters of real servers in one process, for tests: real sockets on free
// loopback ports, real stores in temporary directories.
package realnettest

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"parley/core/chat"
	"parley/core/raft"
	"parley/core/replica"
	"parley/realnet"
	"parley/realnet/wire"
)

// Patience is how long a test waits for a fact before it fails. Nothing waits that long when all
// is well.
const Patience = time.Minute

// Options say what cluster to start; the zero value is three servers, open registration, passwords
// at a price of nothing, no limit on sending.
type Options struct {
	Size     int // 0: 3
	Settings *chat.Settings
	Logger   *slog.Logger // nil: silent
	Tuning   replica.Config

	// OpenStore and MakeStore replace the store.
	OpenStore func(dir string, h *realnet.Home) (replica.Store, error)
	MakeStore func(dir string, h *realnet.Home) error
}

// Patient timing keeps a leader in its place on a machine that is busy with other things, for tests in
// which nobody fails.
var Patient = replica.Config{Raft: raft.Config{Base: 2 * time.Second, Heartbeat: 100 * time.Millisecond}}

// CheapArgon makes hashing passwords cost nothing.
var CheapArgon = realnet.Argon{MemoryKiB: 8, Passes: 1, Lanes: 1}

// Settings are the default ones without a limit on the sending rate.
func Settings() chat.Settings {
	s := chat.DefaultSettings()
	s.SendPerSec = 0
	return s
}

// Cluster is the servers of one cluster; the i-th is n(i+1). Its methods are for one goroutine.
type Cluster struct {
	Birth   realnet.Birth
	t       testing.TB
	options Options
	dir     string
	servers []*running
}

// running is a server under way.
type running struct {
	server *realnet.Server
	stop   context.CancelFunc
	done   sync.WaitGroup
	err    error
}

// Start makes and starts a cluster, and stops it when the test ends.
func Start(t testing.TB, o Options) *Cluster {
	t.Helper()
	if o.Size == 0 {
		o.Size = 3
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.NewTextHandler(io.Discard, nil))
	}
	settings := Settings()
	if o.Settings != nil {
		settings = *o.Settings
	}
	c := &Cluster{t: t, options: o, dir: t.TempDir(), servers: make([]*running, o.Size)}
	var members []realnet.Member
	for i, address := range FreeAddresses(t, o.Size) {
		members = append(members, realnet.Member{ID: raft.ID(i + 1), Address: address})
	}
	var err error
	if c.Birth, err = realnet.NewBirth("test", members, settings); err != nil {
		t.Fatal(err)
	}
	for i, m := range members {
		h := realnet.Home{Birth: c.Birth, ID: m.ID, Listen: m.Address}
		if err := realnet.CreateHome(c.Dir(i), h, o.MakeStore); err != nil {
			t.Fatal(err)
		}
	}
	t.Cleanup(c.Close)
	for i := range members {
		c.Restart(i)
	}
	return c
}

// FreeAddresses finds ports that nobody listens on.
func FreeAddresses(t testing.TB, n int) []string {
	t.Helper()
	var addresses []string
	for range n {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close() // all of them at the end, so that they differ
		addresses = append(addresses, l.Addr().String())
	}
	return addresses
}

// Dir is the directory of a server.
func (c *Cluster) Dir(i int) string { return filepath.Join(c.dir, fmt.Sprint("n", i+1)) }

// Addresses are those of all servers.
func (c *Cluster) Addresses() []string {
	var list []string
	for _, m := range c.Birth.Members {
		list = append(list, m.Address)
	}
	return list
}

// Restart starts a server that does not run.
func (c *Cluster) Restart(i int) {
	c.t.Helper()
	server, err := realnet.OpenServer(realnet.ServerConfig{
		Dir: c.Dir(i), Logger: c.options.Logger, Argon: CheapArgon, Tuning: c.options.Tuning,
		OpenStore: c.options.OpenStore,
	})
	if err != nil {
		c.t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	r := &running{server: server, stop: stop}
	r.done.Go(func() { r.err = server.Serve(ctx) })
	c.servers[i] = r
}

// Stop asks a server to hand over and end, and waits until it has.
func (c *Cluster) Stop(i int) {
	c.t.Helper()
	c.end(i, func(r *running) { r.stop() })
}

// Abort ends a server as a crash would.
func (c *Cluster) Abort(i int) {
	c.t.Helper()
	c.end(i, func(r *running) { r.server.Abort() })
}

func (c *Cluster) end(i int, how func(*running)) {
	c.t.Helper()
	r := c.servers[i]
	if r == nil {
		return
	}
	how(r)
	r.done.Wait()
	c.servers[i] = nil
	if r.err != nil {
		c.t.Errorf("n%d: %v", i+1, r.err)
	}
}

// Close stops all servers that run, at the same time.
func (c *Cluster) Close() {
	c.t.Helper()
	for _, r := range c.servers {
		if r != nil {
			r.server.Abort()
		}
	}
	for i := range c.servers {
		c.Abort(i)
	}
}

// Status asks a server; nil if it does not answer.
func (c *Cluster) Status(i int) *wire.StatusReply {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	r, _ := realnet.AskStatus(ctx, c.Birth.Members[i].Address) // no answer is an answer here
	return r
}

// Leader waits until a majority follows one leader, and says which server that is.
func (c *Cluster) Leader() int {
	c.t.Helper()
	leader := -1
	c.Until("a leader", func() bool {
		leader = c.leader()
		return leader >= 0
	})
	return leader
}

func (c *Cluster) leader() int {
	follow := map[[2]uint64]int{}
	for i := range c.servers {
		if r := c.Status(i); r != nil && r.GetLeader() != 0 {
			key := [2]uint64{r.GetTerm(), r.GetLeader()}
			if follow[key]++; follow[key] > len(c.servers)/2 {
				return int(r.GetLeader()) - 1
			}
		}
	}
	return -1
}

// Level waits until all running servers have applied and stored the same, and gives the digest; it
// fails the test if digests differ.
func (c *Cluster) Level() (index uint64, digest string) {
	c.t.Helper()
	c.Until("all level", func() bool {
		index, digest = 0, ""
		for i, r := range c.servers {
			if r == nil {
				continue
			}
			st := c.Status(i)
			if st == nil || st.GetDurable() != st.GetLast() || index != 0 && st.GetDurable() != index {
				return false
			}
			got := fmt.Sprintf("%x", st.GetDigest())
			if index != 0 && got != digest {
				c.t.Fatalf("n%d has digest %s at %d, another %s", i+1, got, index, digest)
			}
			index, digest = st.GetDurable(), got
		}
		return index != 0
	})
	return index, digest
}

// Until waits for a fact.
func (c *Cluster) Until(what string, fact func() bool) {
	c.t.Helper()
	Until(c.t, what, fact)
}

// Until looks every few milliseconds whether something has become true.
func Until(t testing.TB, what string, fact func() bool) {
	t.Helper()
	deadline := time.Now().Add(Patience)
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for !fact() {
		if time.Now().After(deadline) {
			t.Fatalf("waited %v in vain for %s", Patience, what)
		}
		<-tick.C
	}
}
