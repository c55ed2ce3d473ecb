package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"parley/core/chat"
	"parley/core/raft"
	"parley/realnet"
)

// replicaCommand is a server of the demo: this binary, run again. It ends with its standard input,
// whatever becomes of its parent.
func replicaCommand(a *app) *cobra.Command {
	return &cobra.Command{
		Use: "demo-replica DIR", Hidden: true, Args: args(cobra.ExactArgs(1)),
		RunE: func(cmd *cobra.Command, list []string) error {
			ctx, cancel := context.WithCancel(cmd.Context())
			defer cancel()
			go func() {
				io.Copy(io.Discard, a.stdin)
				cancel()
			}()
			server, err := realnet.OpenServer(realnet.ServerConfig{
				Dir: list[0], Logger: slog.New(slog.NewTextHandler(a.stderr, nil)),
			})
			if err != nil {
				return err
			}
			return server.Serve(ctx)
		},
	}
}

// demoCluster is three server processes.
type demoCluster struct {
	dir     string
	nodes   []*demoNode
	visitor *realnet.Client // asks them how they are

	started    time.Time
	killed     time.Time
	killedTerm uint64
}

// demoNode is one of them; process is nil while it is not running.
type demoNode struct {
	name    string
	id      uint64
	address string
	dir     string
	process *exec.Cmd
	stdin   io.Closer
	ended   chan error
}

// newDemoCluster makes the directories of three servers on free ports, open to everybody and without
// a limit on the rate.
func newDemoCluster(dir string) (*demoCluster, error) {
	c := &demoCluster{dir: dir}
	var members []realnet.Member
	for i := range 3 {
		id := raft.ID(i + 1)
		address, err := freeAddress()
		if err != nil {
			return nil, err
		}
		name := realnet.NodeName(id)
		c.nodes = append(c.nodes, &demoNode{name: name, id: uint64(id), address: address, dir: filepath.Join(dir, name)})
		members = append(members, realnet.Member{ID: id, Address: address})
	}
	settings := chat.DefaultSettings()
	settings.OpenAuth, settings.SendPerSec = true, 0
	birth, err := realnet.NewBirth("demo", members, settings)
	if err != nil {
		return nil, err
	}
	for i, n := range c.nodes {
		if err := realnet.CreateHome(n.dir, realnet.Home{Birth: birth, ID: raft.ID(i + 1), Listen: n.address}, nil); err != nil {
			return nil, err
		}
	}
	c.visitor, err = realnet.NewClient(realnet.ClientConfig{Servers: c.servers(), Agent: "parley demo"})
	return c, err
}

// freeAddress finds a port that nobody listens on.
func freeAddress() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	return l.Addr().String(), l.Close()
}

func (c *demoCluster) servers() []string {
	var list []string
	for _, n := range c.nodes {
		list = append(list, n.address)
	}
	return list
}

func (c *demoCluster) startAll() error {
	c.started = time.Now()
	for _, n := range c.nodes {
		if err := n.start(); err != nil {
			return fmt.Errorf("start %s: %w", n.name, err)
		}
	}
	return nil
}

func (n *demoNode) start() error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	log, err := os.OpenFile(n.dir+".log", os.O_WRONLY|os.O_APPEND|os.O_CREATE, 0o600)
	if err != nil {
		return err
	}
	defer log.Close()
	cmd := exec.Command(self, "demo-replica", n.dir)
	cmd.Stderr, cmd.Stdout = log, log
	if n.stdin, err = cmd.StdinPipe(); err != nil {
		return err
	}
	detach(cmd)
	if err := cmd.Start(); err != nil {
		return err
	}
	n.process, n.ended = cmd, make(chan error, 1)
	go func() { n.ended <- cmd.Wait() }()
	return nil
}

// stop lets a server go in order.
func (n *demoNode) stop(ctx context.Context) error {
	n.stdin.Close()
	select {
	case err := <-n.ended:
		n.process = nil
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (c *demoCluster) stopAll(ctx context.Context) error {
	var failed error
	for _, n := range c.nodes {
		if n.process != nil {
			if err := n.stop(ctx); err != nil {
				failed = errors.Join(failed, fmt.Errorf("stop %s: %w (see %s.log)", n.name, err, n.dir))
			}
		}
	}
	return failed
}

// kill is kill -9.
func (c *demoCluster) kill(lead leadership) error {
	n := lead.node
	c.killed, c.killedTerm = time.Now(), lead.term
	if err := n.process.Process.Kill(); err != nil {
		return err
	}
	<-n.ended
	n.process = nil
	return nil
}

func (c *demoCluster) close() {
	for _, n := range c.nodes {
		if n.process != nil {
			n.process.Process.Kill()
			<-n.ended
			n.process = nil
		}
	}
	if c.visitor != nil {
		c.visitor.Close()
	}
}

// leadership is who leads, and in which term.
type leadership struct {
	name string
	node *demoNode
	term uint64
}

// leader waits until one server leads, in a term after the given one.
func (c *demoCluster) leader(ctx context.Context, after uint64) (lead leadership, err error) {
	err = c.until(ctx, "nobody leads", func(list []realnet.ServerStatus) bool {
		for _, s := range list {
			if s.Err == nil && s.Role == "leader" && s.Term > after {
				n := c.nodes[s.Node-1]
				lead = leadership{n.name, n, s.Term}
				return true
			}
		}
		return false
	})
	return lead, err
}

// digest waits until the given number of servers hold the same, saved, and nothing is under way.
func (c *demoCluster) digest(ctx context.Context, servers int) (digest string, err error) {
	err = c.until(ctx, "the servers do not come to hold the same", func(list []realnet.ServerStatus) bool {
		var up []realnet.ServerStatus
		for _, s := range list {
			if s.Err == nil {
				up = append(up, s)
			}
		}
		for _, s := range up {
			if s.Feeds > 0 || s.Durable != up[0].Commit || s.Commit != up[0].Commit || s.Digest != up[0].Digest || s.Leader == 0 {
				return false
			}
		}
		if len(up) != servers {
			return false
		}
		digest = up[0].Digest.String()
		return true
	})
	return digest, err
}

// until asks all servers how they are until it is as it should be.
func (c *demoCluster) until(ctx context.Context, otherwise string, good func([]realnet.ServerStatus) bool) error {
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for {
		if good(c.visitor.Status(ctx)) {
			return nil
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			if errors.Is(ctx.Err(), context.DeadlineExceeded) {
				return errors.New(otherwise)
			}
			return ctx.Err()
		}
	}
}
