package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"parley/core/chat"
	"parley/core/raft"
	"parley/realnet"
)

// cluster is one that this program started: each replica is a process of its own, this program again,
// so that a kill is a kill. They end when their standard input does, whatever becomes of us.
type cluster struct {
	dir      string
	keep     bool
	replicas []*process
}

// process is one replica.
type process struct {
	id      raft.ID
	dir     string
	address string
	cmd     *exec.Cmd
	stdin   io.Closer
	spent   float64 // processor time of those that were killed
}

// serveReplica is what such a process does.
func serveReplica(dir string) int {
	log := slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelWarn}))
	s, err := realnet.OpenServer(realnet.ServerConfig{Dir: dir, Logger: log})
	if err != nil {
		fmt.Fprintln(os.Stderr, "replica:", err)
		return 1
	}
	ctx, cancel := context.WithCancel(context.Background())
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		cancel()
	}()
	fmt.Println("listening")
	if err := s.Serve(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "replica:", err)
		return 1
	}
	return 0
}

// startCluster makes a fresh cluster without passwords and rates, and with long queues, and waits
// until all of it listens.
func startCluster(o *options) (_ *cluster, err error) {
	c := &cluster{dir: o.keep, keep: o.keep != ""}
	if !c.keep {
		if c.dir, err = os.MkdirTemp("", "parleybench-"); err != nil {
			return nil, err
		}
	}
	defer func() {
		if err != nil {
			c.stop()
		}
	}()
	addresses, err := freeAddresses(o.start)
	if err != nil {
		return nil, err
	}
	var members []realnet.Member
	for i, address := range addresses {
		members = append(members, realnet.Member{ID: raft.ID(i + 1), Address: address})
	}
	settings := chat.DefaultSettings()
	settings.OpenAuth, settings.SendPerSec, settings.MaxQueue = true, 0, 1_000_000
	birth, err := realnet.NewBirth("bench", members, settings)
	if err != nil {
		return nil, err
	}
	for _, m := range members {
		p := &process{id: m.ID, address: m.Address, dir: filepath.Join(c.dir, realnet.NodeName(m.ID))}
		if err := realnet.CreateHome(p.dir, realnet.Home{Birth: birth, ID: m.ID, Listen: m.Address}, nil); err != nil {
			return nil, err
		}
		if err := p.start(); err != nil {
			return nil, err
		}
		c.replicas = append(c.replicas, p)
	}
	return c, nil
}

// freeAddresses finds ports that nobody uses now.
func freeAddresses(n int) (list []string, err error) {
	for range n {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return nil, err
		}
		defer l.Close()
		list = append(list, l.Addr().String())
	}
	return list, nil
}

// start runs the process until it listens.
func (p *process) start() error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	p.cmd = exec.Command(self, "replica", p.dir)
	log, err := os.OpenFile(p.dir+".log", os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o600)
	if err != nil {
		return err
	}
	defer log.Close() // the process has its own
	p.cmd.Stderr = log
	if p.stdin, err = p.cmd.StdinPipe(); err != nil {
		return err
	}
	out, err := p.cmd.StdoutPipe()
	if err != nil {
		return err
	}
	if err := p.cmd.Start(); err != nil {
		return err
	}
	if line, err := bufio.NewReader(out).ReadString('\n'); err != nil {
		said, _ := os.ReadFile(p.dir + ".log")
		return fmt.Errorf("start %s: %w\n%s%s", realnet.NodeName(p.id), errors.Join(err, p.cmd.Wait()), line, said)
	}
	return nil
}

// kill is kill -9.
func (p *process) kill() {
	p.spent += processCPU(p.cmd.Process.Pid)
	_ = p.cmd.Process.Kill()
	_ = p.cmd.Wait()
}

func (c *cluster) stop() {
	if c == nil {
		return
	}
	for _, p := range c.replicas {
		_ = p.stdin.Close()
	}
	for _, p := range c.replicas {
		_ = p.cmd.Wait()
	}
	if !c.keep {
		_ = os.RemoveAll(c.dir)
	}
}

func (c *cluster) addresses() (list []string) {
	for _, p := range c.replicas {
		list = append(list, p.address)
	}
	return list
}

// cpu is the processor time of all replicas so far, in seconds.
func (c *cluster) cpu() (seconds float64) {
	if c == nil {
		return 0
	}
	for _, p := range c.replicas {
		seconds += p.spent + processCPU(p.cmd.Process.Pid)
	}
	return seconds
}

// memory is what the largest replica holds, in MB.
func (c *cluster) memory() (mb float64) {
	if c == nil {
		return 0
	}
	for _, p := range c.replicas {
		text, _ := os.ReadFile(fmt.Sprintf("/proc/%d/statm", p.cmd.Process.Pid))
		if f := strings.Fields(string(text)); len(f) > 1 {
			pages, _ := strconv.ParseFloat(f[1], 64)
			mb = max(mb, pages*float64(os.Getpagesize())/1e6)
		}
	}
	return mb
}

// processCPU is the processor time of a process, in seconds; 0 where the system does not tell.
func processCPU(pid int) float64 {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0
	}
	_, rest, ok := strings.Cut(string(text), ") ") // the name may hold anything
	f := strings.Fields(rest)
	if !ok || len(f) < 13 {
		return 0
	}
	user, _ := strconv.ParseFloat(f[11], 64)
	system, _ := strconv.ParseFloat(f[12], 64)
	const ticksPerSecond = 100 // on every Linux there is
	return (user + system) / ticksPerSecond
}

// leader asks the replicas who leads. They agree when the one that leads says so itself.
func (c *cluster) leader(ctx context.Context, status func(context.Context) []realnet.ServerStatus) *process {
	for ctx.Err() == nil {
		for _, s := range status(ctx) {
			if s.Err == nil && s.Role == "leader" {
				for _, p := range c.replicas {
					if p.id == raft.ID(s.Node) {
						return p
					}
				}
			}
		}
		wait(ctx, 10*time.Millisecond, nil)
	}
	return nil
}
