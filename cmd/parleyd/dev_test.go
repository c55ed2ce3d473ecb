package main

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"parley/realnet/realnettest"
)

// devRun is a `parleyd dev` under way.
type devRun struct {
	t         *testing.T
	cmd       *exec.Cmd
	log       *logBuffer
	addresses []string
	ended     chan struct{}
}

func startDev(t *testing.T, data string, addresses []string, flags ...string) *devRun {
	t.Helper()
	var peers []string
	for i, a := range addresses {
		peers = append(peers, name(i)+"="+a)
	}
	args := append([]string{"dev", "--data", data, "--peers", strings.Join(peers, ",")}, flags...)
	d := &devRun{t: t, cmd: parleyd(args...), log: &logBuffer{}, addresses: addresses, ended: make(chan struct{})}
	d.cmd.Stdout, d.cmd.Stderr = d.log, d.log
	if err := d.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() { // ends with the process
		_ = d.cmd.Wait()
		close(d.ended)
	}()
	t.Cleanup(func() {
		_ = d.cmd.Process.Kill()
		<-d.ended
		if t.Failed() {
			t.Log(d.log.tail())
		}
	})
	return d
}

func (d *devRun) says(text string) {
	d.t.Helper()
	realnettest.Until(d.t, text, func() bool { return strings.Contains(d.log.String(), text) })
}

func (d *devRun) up() int { return look(context.Background(), d.addresses).Up }

func (d *devRun) end(how syscall.Signal) int {
	d.t.Helper()
	if err := d.cmd.Process.Signal(how); err != nil {
		d.t.Fatal(err)
	}
	<-d.ended
	return d.cmd.ProcessState.ExitCode()
}

var startedAs = regexp.MustCompile(`msg="server started" node=(n\d).* pid=(\d+)`)

// dev starts three real processes, tells when one is killed, stops them in order, keeps its data, and
// takes its children along even when it is killed itself.
func TestDev(t *testing.T) {
	data, addresses := filepath.Join(t.TempDir(), "data"), realnettest.FreeAddresses(t, 3)
	d := startDev(t, data, addresses, "--auth", "open")
	d.says("chat with  parley --server " + strings.Join(addresses, ",") + "   (try 1|ada)")
	ada := realnettest.NewPerson("ada", "", addresses)
	defer ada.Close()
	ada.Signup(t)
	realnettest.Until(t, "the three starts in the log", func() bool {
		return len(startedAs.FindAllString(d.log.String(), -1)) == 3
	})

	victim := startedAs.FindStringSubmatch(d.log.String())
	pid, err := strconv.Atoi(victim[2])
	if err != nil {
		t.Fatal(err)
	}
	if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	d.says(victim[1] + "  has ended (signal: killed)")
	ada.Say(t, "ada", "still here")
	if code := d.end(syscall.SIGINT); code != 0 {
		t.Errorf("dev ended with %d after Ctrl+C", code)
	}
	if n := strings.Count(d.log.String(), "server stopped"); n != 2 {
		t.Errorf("%d servers stopped in order, want 2", n)
	}

	says(t, exitConfig, "other settings", "dev", "--data", data, "--peers", d.cmd.Args[5], "--login-policy", "multi")
	again := startDev(t, data, addresses)
	again.says("chat with")
	ada.Say(t, "ada", "again")
	again.end(syscall.SIGKILL)
	realnettest.Until(t, "the children's end", func() bool { return again.up() == 0 })

	if err := os.Rename(filepath.Join(data, "n2"), filepath.Join(data, "away")); err != nil {
		t.Fatal(err)
	}
	says(t, exitConfig, "n2 is gone", "dev", "--data", data, "--peers", d.cmd.Args[5])
}
