package main

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"parley/realnet"
)

// cutCase is a command of the tests of cuts: what it looks like on the wire, what it prints, and how
// to see its one effect.
type cutCase struct {
	name    string
	args    []string
	marker  string
	stdout  string
	prepare [][]string // as the same profile
	check   []string
	want    string // what check prints, to another user
}

// startCuts starts a server behind a proxy that can cut.
func startCuts(t *testing.T) *cuts {
	t.Helper()
	var net *proxy
	s, err := startServers(t.TempDir(), 1, true, func(address string) string {
		net = newProxy(t, address)
		return net.listener.Addr().String()
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.stop)
	return &cuts{T: t, net: net, servers: s, visitor: s.visitor(t), dir: t.TempDir()}
}

// Every command cut before sending, after commit and after the reply, by the network or by the death
// of the client, then retried: the same result, and one effect (T11, C08, C15). The simulator cuts
// between any two steps; this is the same on real files and sockets.
func TestT11Cuts(t *testing.T) {
	c := startCuts(t)
	c.must("sink", "signup", "sink")
	for _, cut := range []struct {
		name string
		run  func(cutCase, string) string
	}{
		{"BeforeSending", c.beforeSending}, {"AfterCommit", c.afterCommit},
		{"ClientKilledAfterCommit", c.killed}, {"AfterReply", c.afterReply},
	} {
		for _, what := range cutCases(strings.ToLower(cut.name)) {
			t.Run(what.name+"/"+cut.name, func(t *testing.T) {
				c := c.with(t)
				home := what.name + cut.name
				for _, args := range what.prepare {
					c.must(home, args...)
				}
				if got := cut.run(what, home); got != what.stdout {
					t.Errorf("it says %q, want %q", got, what.stdout)
				}
				if got := c.must("sink", what.check...); got != what.want {
					t.Errorf("effect: %q, want %q", got, what.want)
				}
			})
		}
	}
}

func cutCases(id string) []cutCase {
	name := func(what string) string { return (what + id)[:min(len(what+id), 20)] }
	named := func(s string) string { return "\x0a" + string(rune(len(s))) + s }
	su, lo, se, ou, de := name("su"), name("lo"), name("se"), name("ou"), name("de")
	return []cutCase{
		{name: "signup", args: []string{"signup", su}, marker: named(su), stdout: "Signup successful!\n",
			check: []string{"list", su}, want: su + "\n"},
		{name: "login", args: []string{"login", lo}, marker: named(lo), stdout: "Login successful!\n",
			prepare: [][]string{{"signup", lo}, {"logout"}}, check: []string{"list", lo}, want: lo + "\n"},
		{name: "send", args: []string{"send", "sink", "once " + id}, marker: "once " + id, stdout: "S[sink] once " + id + "\n",
			prepare: [][]string{{"signup", se}}, check: []string{"read"}, want: "R[" + se + "] once " + id + "\n"},
		{name: "logout", args: []string{"logout"}, marker: "\x92\x01\x00", stdout: "Logout successful!\n",
			prepare: [][]string{{"signup", ou}}, check: []string{"list", ou}, want: ou + "\n"},
		{name: "delete", args: []string{"delete-account", "--yes"}, marker: "\xa2\x01\x00", stdout: "Account deleted.\n",
			prepare: [][]string{{"signup", de}}, check: []string{"list", de}, want: ""},
	}
}

// cuts is the world of the test.
type cuts struct {
	*testing.T
	net     *proxy
	servers *servers
	visitor *realnet.Client
	dir     string
}

func (c *cuts) with(t *testing.T) *cuts {
	d := *c
	d.T = t
	return &d
}

func (c *cuts) command(home string, args ...string) (*exec.Cmd, *bytes.Buffer) {
	cmd := parley(c, filepath.Join(c.dir, home), c.servers.addresses(), args...)
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &logWriter{c.T}
	return cmd, &out
}

type logWriter struct{ *testing.T }

func (w *logWriter) Write(p []byte) (int, error) {
	w.Logf("stderr: %s", p)
	return len(p), nil
}

// must runs parley to its good end, and gives what it printed.
func (c *cuts) must(home string, args ...string) string {
	c.Helper()
	cmd, out := c.command(home, args...)
	if err := cmd.Run(); err != nil {
		c.Fatalf("parley %s: %v", strings.Join(args, " "), err)
	}
	return out.String()
}

// begin starts the command with a cut in its way, and waits until it has happened.
func (c *cuts) begin(what cutCase, home string, before bool) (*exec.Cmd, *bytes.Buffer) {
	c.Helper()
	cut := c.net.cutAt(what.marker, before)
	applied := appliedNow(c.T, c.visitor)
	cmd, out := c.command(home, what.args...)
	if err := cmd.Start(); err != nil {
		c.Fatal(err)
	}
	<-cut
	if !before {
		until(c.T, c.visitor, "the command is applied", func(list []realnet.ServerStatus) bool {
			lead, ok := leads(list)
			return ok && lead.Applied > applied
		})
	}
	return cmd, out
}

func (c *cuts) finish(cmd *exec.Cmd, out *bytes.Buffer) string {
	c.Helper()
	if err := cmd.Wait(); err != nil {
		c.Fatalf("%s: %v", strings.Join(cmd.Args, " "), err)
	}
	return out.String()
}

func (c *cuts) beforeSending(what cutCase, home string) string {
	return c.finish(c.begin(what, home, true))
}

func (c *cuts) afterCommit(what cutCase, home string) string {
	cmd, out := c.begin(what, home, false)
	c.net.heal()
	return c.finish(cmd, out)
}

// killed: the client dies without having heard anything; its next life asks again.
func (c *cuts) killed(what cutCase, home string) string {
	cmd, _ := c.begin(what, home, false)
	cmd.Process.Kill()
	cmd.Wait()
	c.net.heal()
	return c.must(home, "outbox", "retry")
}

// afterReply: the client dies between hearing the answer and remembering it. Its files are those
// from before.
func (c *cuts) afterReply(what cutCase, home string) string {
	cmd, out := c.begin(what, home, false)
	saved := filepath.Join(c.dir, home+"-saved")
	if err := os.CopyFS(saved, os.DirFS(filepath.Join(c.dir, home))); err != nil {
		c.Fatal(err)
	}
	c.net.heal()
	c.finish(cmd, out)
	for _, dir := range []string{"", "default", "run"} {
		os.Chmod(filepath.Join(saved, dir), 0o700)
	}
	for _, file := range []string{"device", "outbox"} {
		os.Chmod(filepath.Join(saved, "default", file), 0o600)
	}
	return c.must(home+"-saved", "outbox", "retry")
}

// What a dead client left: unsent it stays in the outbox, is listed, and given up never happens; sent
// it did happen, and giving it up says so.
func TestOutboxVoid(t *testing.T) {
	c := startCuts(t)
	c.must("ada", "signup", "ada")
	for _, before := range []bool{true, false} {
		text := fmt.Sprintf("cut before=%t", before)
		cmd, _ := c.begin(cutCase{args: []string{"send", "ada", text, "--timeout", "20s"}, marker: text}, "ada", before)
		c.net.listener.Close()
		cmd.Process.Kill()
		cmd.Wait()
		list := c.must("ada", "outbox")
		if !strings.HasSuffix(list, "  send ada  "+text+"\n") {
			t.Errorf("outbox lists %q", list)
		}
		c.net.reopen(t)
		want := strings.TrimSuffix(list, text+"\n") + "never happened\n"
		if !before {
			want = "S[ada] " + text + "\n"
		}
		if got := c.must("ada", "outbox", "void"); got != want {
			t.Errorf("void says %q, want %q", got, want)
		}
		if got := c.must("ada", "outbox"); got != "" {
			t.Errorf("then the outbox lists %q", got)
		}
	}
	if got := c.must("ada", "read"); got != "R[ada] cut before=false\n" {
		t.Errorf("what happened: %q", got)
	}
}

// \delete while the leader goes and its reply is lost, retried with the next one: Account deleted.
// (T10, C40–C44).
func TestT10DeleteDuringFailover(t *testing.T) {
	var nets []*proxy
	s, err := startServers(t.TempDir(), 3, true, func(address string) string {
		nets = append(nets, newProxy(t, address))
		return nets[len(nets)-1].listener.Addr().String()
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.stop)
	visitor := s.visitor(t)
	applied := appliedNow(t, visitor)
	home := t.TempDir()

	cmd := parley(t, filepath.Join(home, "ada"), s.addresses(), "--plain")
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &logWriter{t}
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	io.WriteString(in, "1|ada\n")
	var lead realnet.ServerStatus
	until(t, visitor, "ada is there", func(list []realnet.ServerStatus) bool {
		l, ok := leads(list)
		lead = l
		return ok && l.Accounts == 1 && l.Applied > applied
	})
	net := nets[lead.Node-1]
	cut := net.cutAt("\xa2\x01\x00", false)
	io.WriteString(in, "\\delete\ny\n")
	<-cut
	until(t, visitor, "the deletion is applied", func(list []realnet.ServerStatus) bool {
		l, ok := leads(list)
		return ok && l.Accounts == 0
	})
	s.nodes[lead.Node-1].end()
	net.heal()
	in.Close()
	if err := cmd.Wait(); err != nil {
		t.Fatalf("parley: %v", err)
	}
	want := askDoor + signupDone + "\n" + commands + "\n" + askDelete + accountDeleted + "\n" + askDoor + "\n"
	if got := out.String(); got != want {
		t.Errorf("screen\n%s\nwant\n%s", got, want)
	}
}
