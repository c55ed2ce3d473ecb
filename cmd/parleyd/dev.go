package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"parley/core/chat"
	"parley/realnet"
)

type devFlags struct {
	data, peers string
	policy      policyFlags
}

func newDev(io stdio) *cobra.Command {
	var f devFlags
	cmd := &cobra.Command{
		Use:   "dev",
		Short: "Run three servers on this machine, to try things out",
		Long: "dev runs three ordinary server processes and prints their logs. The data is kept: ending and\n" +
			"starting again finds everything. Kill one of them and watch; Ctrl+C stops all three in order.",
		RunE: func(cmd *cobra.Command, _ []string) error { return f.run(cmd, io) },
	}
	cmd.Flags().StringVar(&f.data, "data", "./parley-data", "directory of the servers' directories")
	cmd.Flags().StringVar(&f.peers, "peers", defaultPeers, "the servers and their addresses")
	f.policy.add(cmd)
	return cmd
}

func (f *devFlags) run(cmd *cobra.Command, io stdio) error {
	members, err := parsePeers(f.peers)
	if err != nil {
		return err
	}
	if err := f.prepare(cmd, members); err != nil {
		return err
	}
	d := &dev{log: &lineWriter{w: io.out}, ended: make(chan *child)}
	for _, m := range members {
		if err := d.startChild(f.dir(m), realnet.NodeName(m.ID)); err != nil {
			d.stop()
			return err
		}
	}
	return d.watch(cmd.Context(), chatLine(f.peers, members))
}

func chatLine(peers string, members []realnet.Member) string {
	line := "chat with  parley"
	if peers != defaultPeers {
		var addresses []string
		for _, m := range members {
			addresses = append(addresses, m.Address)
		}
		line += " --server " + strings.Join(addresses, ",")
	}
	return line + "   (try 1|ada)"
}

// prepare makes all directories, or finds all of them there and as they were asked for.
func (f *devFlags) prepare(cmd *cobra.Command, members []realnet.Member) error {
	settings, err := f.policy.settings()
	if err != nil {
		return err
	}
	var have, missing []string
	for _, m := range members {
		dir := f.dir(m)
		if _, err := os.Stat(dir); err == nil {
			have = append(have, dir)
		} else {
			missing = append(missing, dir)
		}
	}
	switch {
	case len(have) == 0:
		return f.make(members, settings)
	case len(missing) > 0:
		return config(fmt.Errorf("%s is gone, and its promises with it: it cannot simply be made again",
			strings.Join(missing, " and ")), "bring it back, or move "+f.data+" away to begin anew")
	}
	return f.check(cmd, members, settings)
}

func (f *devFlags) dir(m realnet.Member) string { return filepath.Join(f.data, realnet.NodeName(m.ID)) }

func (f *devFlags) make(members []realnet.Member, settings chat.Settings) error {
	birth, err := realnet.NewBirth("dev", members, settings)
	if err != nil {
		return usage("--peers: %v", err)
	}
	for _, m := range members {
		if err := createHome(f.dir(m), realnet.Home{Birth: birth, ID: m.ID, Listen: m.Address}); err != nil {
			return err
		}
	}
	return nil
}

func (f *devFlags) check(cmd *cobra.Command, members []realnet.Member, settings chat.Settings) error {
	for _, m := range members {
		home, err := realnet.LoadHome(f.dir(m))
		if err != nil {
			return config(err, "")
		}
		if home.ID != m.ID || home.Address(m.ID) != m.Address || len(home.Members) != len(members) {
			return config(fmt.Errorf("%s was made for %s at %s", f.dir(m), realnet.NodeName(home.ID), home.Address(home.ID)),
				"say the same --peers as then, or choose another --data")
		}
		for _, name := range policyNames {
			if cmd.Flags().Changed(name) && home.Settings != settings {
				return config(fmt.Errorf("%s was made with other settings than --%s", f.data, name),
					"leave the flag out, or choose another --data: settings are fixed when a cluster is made")
			}
		}
	}
	return nil
}

// dev runs children and prints what they say.
type dev struct {
	children []*child
	log      *lineWriter
	ended    chan *child
	running  sync.WaitGroup
}

// child is one server process. It ends when its standard input does, so it never outlives dev.
type child struct {
	name, dir string
	cmd       *exec.Cmd
	stdin     io.Closer
	listening chan struct{} // closed when it said so
	done      chan struct{} // closed when it has ended, and err says how
	err       error
}

func (d *dev) startChild(dir, name string) error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	c := &child{name: name, dir: dir, listening: make(chan struct{}), done: make(chan struct{})}
	c.cmd = exec.Command(self, "serve", "--data", dir, "--attached")
	c.cmd.SysProcAttr = ownGroup() // Ctrl+C is for us; we stop them in order
	if c.stdin, err = c.cmd.StdinPipe(); err != nil {
		return err
	}
	stdout, err := c.cmd.StdoutPipe()
	if err != nil {
		return err
	}
	c.cmd.Stderr = d.log.prefixed(name)
	if err := c.cmd.Start(); err != nil {
		return fmt.Errorf("start %s: %w", name, err)
	}
	d.children = append(d.children, c)
	d.running.Go(func() { d.follow(c, stdout) })
	return nil
}

// follow reads a child's output and waits for its end.
func (d *dev) follow(c *child, stdout io.Reader) {
	first := true
	for lines := bufio.NewScanner(stdout); lines.Scan(); {
		fmt.Fprintf(d.log, "%s  %s\n", c.name, lines.Text())
		if first {
			first = false
			close(c.listening)
		}
	}
	c.err = c.cmd.Wait()
	close(c.done)
	d.ended <- c
}

// watch runs until ctx ends or no child is left.
func (d *dev) watch(ctx context.Context, ready string) error {
	go func() { // ends with the children at the latest
		for _, c := range d.children {
			select {
			case <-c.listening:
			case <-c.done:
				return
			}
		}
		fmt.Fprintln(d.log, ready)
	}()
	for left := len(d.children); left > 0; left-- {
		select {
		case <-ctx.Done():
			d.stop()
			return nil
		case c := <-d.ended:
			fmt.Fprintf(d.log, "%s  has ended (%v); start it again with:  parleyd serve --data %s\n", c.name, how(c.err), c.dir)
		}
	}
	d.stop()
	return &exitError{code: exitNo, err: errors.New("no server is left")}
}

func how(err error) string {
	if err == nil {
		return "stopped"
	}
	return err.Error()
}

// stopWithin is how long a child may take; it hands over within 5 s.
const stopWithin = 8 * time.Second

// stop ends the children, one after the other, so that each hands over to those that remain.
func (d *dev) stop() {
	go func() { // nobody reads ended any more; ends with running
		for range d.ended {
		}
	}()
	for _, c := range d.children {
		_ = c.stdin.Close()
		timer := time.NewTimer(stopWithin)
		select {
		case <-c.done:
		case <-timer.C:
			_ = c.cmd.Process.Kill()
			<-c.done
		}
		timer.Stop()
	}
	d.running.Wait()
	close(d.ended)
}

// lineWriter keeps the lines of several children apart.
type lineWriter struct {
	mu sync.Mutex
	w  io.Writer
}

func (l *lineWriter) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.w.Write(b)
}

// prefixed gives a writer that puts a name before each line.
func (l *lineWriter) prefixed(name string) io.Writer { return &prefixWriter{to: l, name: name} }

type prefixWriter struct {
	to   *lineWriter
	name string
	part []byte
}

func (p *prefixWriter) Write(b []byte) (int, error) {
	p.part = append(p.part, b...)
	for {
		i := strings.IndexByte(string(p.part), '\n')
		if i < 0 {
			return len(b), nil
		}
		fmt.Fprintf(p.to, "%s  %s\n", p.name, p.part[:i])
		p.part = p.part[i+1:]
	}
}
