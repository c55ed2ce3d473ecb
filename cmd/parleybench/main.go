// Command parleybench measures a running cluster over its public interface, or one that it starts by
// itself: how many sends a second are acknowledged and how soon, how many a reader is given, and how
// long nothing is acknowledged when the leader is killed.
//
// Each connection is an account with a device of its own and a gRPC stream of its own; so many
// streams share a TCP connection, as the report says. What is counted is what the cluster decided:
// refusals, and commands whose outcome nobody knows, are counted apart.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime"
	"strings"
	"syscall"
	"time"
)

// options are the flags.
type options struct {
	servers     []string
	connections int
	inflight    int
	streams     int // on one TCP connection
	owners      int
	duration    time.Duration
	warmup      time.Duration
	most        int64
	size        int
	read        string
	watch       bool
	password    string
	prefix      string
	insecure    bool
	timeout     time.Duration
	record      string

	start    int
	keep     string
	kills    int
	killWait time.Duration

	json bool
}

func main() {
	if len(os.Args) > 2 && os.Args[1] == "replica" { // how this program starts its own cluster
		os.Exit(serveReplica(os.Args[2]))
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	err := run(ctx, os.Args[1:], os.Stdout)
	switch {
	case err == nil, errors.Is(err, flag.ErrHelp):
		return
	}
	fmt.Fprintln(os.Stderr, "parleybench:", err)
	if e := (usageError{}); errors.As(err, &e) {
		os.Exit(64)
	}
	os.Exit(1)
}

// usageError is what was typed wrong. (Exit code 64.)
type usageError struct{ error }

func run(ctx context.Context, args []string, out io.Writer) error {
	o, err := parse(args, out)
	if err != nil {
		return err
	}
	r, err := measure(ctx, o)
	if err != nil {
		return err
	}
	if o.json {
		return json.NewEncoder(out).Encode(r)
	}
	_, err = io.WriteString(out, r.text())
	return err
}

func parse(args []string, out io.Writer) (*options, error) {
	var o options
	var servers, passwordFile string
	f := flag.NewFlagSet("parleybench", flag.ContinueOnError)
	f.SetOutput(out)
	f.StringVar(&servers, "server", "", "servers, `H:P,H:P…` (default the three on this machine)")
	f.IntVar(&o.connections, "connections", 64, "accounts, each with a stream of its own")
	f.IntVar(&o.inflight, "inflight", 1, "requests in flight on each connection")
	f.IntVar(&o.streams, "streams", 64, "streams on one TCP connection")
	f.IntVar(&o.owners, "owners", max(1, runtime.NumCPU()/2), "goroutines that own connections")
	f.DurationVar(&o.duration, "duration", 10*time.Second, "how long to measure")
	f.DurationVar(&o.warmup, "warmup", time.Second, "how long to run before that")
	f.Int64Var(&o.most, "most", 0, "stop after so many requests (0: when the time is up)")
	f.IntVar(&o.size, "size", 256, "bytes of a body")
	f.StringVar(&o.read, "read", "", "read instead of sending: `list` or history")
	f.BoolVar(&o.watch, "watch", false, "every recipient watches its feed, and acknowledges it")
	f.StringVar(&passwordFile, "password-file", "", "password of the accounts made here (default: one is drawn if the cluster wants any)")
	f.StringVar(&o.prefix, "prefix", "", "how names of the accounts begin (default: drawn)")
	f.BoolVar(&o.insecure, "insecure", false, "servers beyond this machine, without TLS")
	f.DurationVar(&o.timeout, "timeout", 10*time.Second, "of one request")
	f.StringVar(&o.record, "record", "", "write a history (docs/linearizability.md) to `FILE`")
	f.IntVar(&o.start, "start", 0, "start a cluster of `N` processes for this run, in a temporary directory")
	f.StringVar(&o.keep, "keep", "", "with --start: keep its data in `DIR`")
	f.IntVar(&o.kills, "failover", 0, "with --start: kill -9 the leader `N` times under load, and measure the pauses")
	f.DurationVar(&o.killWait, "settle", time.Second, "with --failover: how long all is well before each kill")
	f.BoolVar(&o.json, "json", false, "print one JSON object")
	if err := f.Parse(args); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			return nil, err
		}
		return nil, usageError{err}
	}
	if f.NArg() > 0 {
		return nil, usageError{fmt.Errorf("what is %q?", f.Arg(0))}
	}
	if servers != "" {
		o.servers = strings.Split(servers, ",")
	}
	if passwordFile != "" {
		text, err := os.ReadFile(passwordFile)
		if err != nil {
			return nil, err
		}
		o.password = strings.TrimRight(string(text), "\r\n")
	}
	return &o, o.check()
}

func (o *options) check() error {
	for _, bad := range []struct {
		is   bool
		what string
	}{
		{o.connections < 1 || o.connections > 20_000, "--connections: 1 to 20000"},
		{o.inflight < 1 || o.inflight > 64, "--inflight: 1 to 64"},
		{o.streams < 1, "--streams: at least 1"},
		{o.owners < 1, "--owners: at least 1"},
		{o.size < 1 || o.size > 64<<10, "--size: 1 to 65536 bytes"},
		{o.duration <= 0 || o.duration > time.Hour, "--duration: up to an hour"},
		{o.read != "" && o.read != "list" && o.read != "history", "--read: list or history"},
		{o.start != 0 && (o.start < 1 || o.start > 7), "--start: 1 to 7"},
		{o.start != 0 && len(o.servers) > 0, "--start or --server, not both"},
		{o.kills > 0 && o.start < 3, "--failover needs --start 3, 5 or 7"},
	} {
		if bad.is {
			return usageError{errors.New(bad.what)}
		}
	}
	return nil
}
