package main

import (
	"bufio"
	"errors"
	"fmt"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"parley/core/chat"
	"parley/realnet"
)

const defaultPeers = "n1=127.0.0.1:2056,n2=127.0.0.1:3056,n3=127.0.0.1:4056"

// policyFlags are the replicated settings that can be chosen when a cluster is born.
type policyFlags struct {
	auth, login, registration string
	rate, queue               int
}

var policyNames = []string{"auth", "login-policy", "registration", "send-rate", "max-queue"}

func (p *policyFlags) add(cmd *cobra.Command) {
	d := chat.DefaultSettings()
	f := cmd.Flags()
	f.StringVar(&p.auth, "auth", "password", "`password`, or open: anyone may be anyone")
	f.StringVar(&p.login, "login-policy", "exclusive", "`exclusive`: one device at a time; or multi")
	f.StringVar(&p.registration, "registration", "open", "`open`, or closed: nobody can sign up")
	f.IntVar(&p.rate, "send-rate", d.SendPerSec, "messages per second and account, 0: unlimited")
	f.IntVar(&p.queue, "max-queue", d.MaxQueue, "undelivered events per account")
}

func (p *policyFlags) settings() (chat.Settings, error) {
	s := chat.DefaultSettings()
	var err error
	choose := func(name, value, no, yes string) bool {
		if value != no && value != yes {
			err = errors.Join(err, usage("--%s is %q, want %s or %s", name, value, no, yes))
		}
		return value == yes
	}
	s.OpenAuth = choose("auth", p.auth, "password", "open")
	s.MultiLogin = choose("login-policy", p.login, "exclusive", "multi")
	s.ClosedRegistration = choose("registration", p.registration, "open", "closed")
	s.SendPerSec, s.MaxQueue = p.rate, p.queue
	if err == nil {
		if bad := s.Check(); bad != nil {
			err = usage("%v", bad)
		}
	}
	return s, err
}

type initFlags struct {
	name, data, listen, peers, token, cluster string
	policy                                    policyFlags
}

func newInit(io stdio) *cobra.Command {
	var f initFlags
	cmd := &cobra.Command{
		Use:   "init --name n1",
		Short: "Make a server's directory",
		Long: "init makes the directory of one server. The first founder's prints a cluster token; the\n" +
			"other founders are made with it. Whoever has the token can pose as a server of the cluster.\n\n" +
			"  parleyd init --name n1 --peers n1=10.0.0.1:2056,n2=10.0.0.2:2056,n3=10.0.0.3:2056\n" +
			"  parleyd init --name n2 --cluster TOKEN",
		RunE: func(cmd *cobra.Command, _ []string) error { return f.run(cmd, io) },
	}
	fl := cmd.Flags()
	fl.StringVar(&f.name, "name", "", "which server this is: n1, n2, and so on")
	fl.StringVar(&f.data, "data", "", "its directory (default parley-data/NAME)")
	fl.StringVar(&f.listen, "listen", "", "host:port to listen on (default as --peers says)")
	fl.StringVar(&f.peers, "peers", defaultPeers, "all founders and their addresses")
	fl.StringVar(&f.cluster, "cluster-name", "home", "what to call the cluster")
	fl.StringVar(&f.token, "cluster", "", "`token` of the cluster to found with others; - reads it from standard input")
	f.policy.add(cmd)
	return cmd
}

func (f *initFlags) run(cmd *cobra.Command, io stdio) error {
	id, err := realnet.ParseNode(f.name)
	if err != nil {
		return usage("--name: %v", err)
	}
	birth, err := f.birth(cmd, io)
	if err != nil {
		return err
	}
	home := realnet.Home{Birth: birth, ID: id, Listen: f.listen}
	if home.Listen == "" {
		home.Listen = birth.Address(id)
	}
	dir := f.data
	if dir == "" {
		dir = filepath.Join("parley-data", f.name)
	}
	if err := createHome(dir, home); err != nil {
		return err
	}
	fmt.Fprintf(io.err, "made %s for %s of cluster %s\n", dir, f.name, birth.Name)
	if f.token == "" {
		fmt.Fprintf(io.err, "the other founders are made with this token, which is a secret:\n"+
			"  parleyd init --name NAME --cluster TOKEN\n")
		fmt.Fprintln(io.out, birth.Token())
	}
	fmt.Fprintf(io.err, "run it with:  parleyd serve --data %s\n", dir)
	return nil
}

func createHome(dir string, home realnet.Home) error {
	err := realnet.CreateHome(dir, home, nil)
	if errors.Is(err, realnet.ErrExists) {
		return config(err, "init never touches existing data; choose another --data, or move it away yourself")
	} else if err != nil {
		return config(fmt.Errorf("make %s: %w", dir, err), "")
	}
	return nil
}

// birth is the token's, or a new one.
func (f *initFlags) birth(cmd *cobra.Command, io stdio) (realnet.Birth, error) {
	if f.token == "" {
		members, err := parsePeers(f.peers)
		if err != nil {
			return realnet.Birth{}, err
		}
		settings, err := f.policy.settings()
		if err != nil {
			return realnet.Birth{}, err
		}
		b, err := realnet.NewBirth(f.cluster, members, settings)
		if err != nil {
			return b, usage("--peers: %v", err)
		}
		return b, nil
	}
	for _, name := range append([]string{"peers", "cluster-name"}, policyNames...) {
		if cmd.Flags().Changed(name) {
			return realnet.Birth{}, usage("--%s is in the token already; only the first founder says it", name)
		}
	}
	return birthOfToken(f.token, io)
}

// birthOfToken reads a token, from standard input if it is "-".
func birthOfToken(token string, io stdio) (realnet.Birth, error) {
	if token == "-" {
		line, err := bufio.NewReader(io.in).ReadString('\n')
		if err != nil && line == "" {
			return realnet.Birth{}, fmt.Errorf("read the token: %w", err)
		}
		token = line
	}
	b, err := realnet.ParseToken(token)
	if err != nil {
		return b, &exitError{exitUsage, err, "it is the one line that the first founder's init printed"}
	}
	return b, nil
}

func parsePeers(text string) ([]realnet.Member, error) {
	var members []realnet.Member
	for _, part := range strings.Split(text, ",") {
		name, address, ok := strings.Cut(strings.TrimSpace(part), "=")
		if !ok {
			return nil, usage("--peers: %q is not NAME=HOST:PORT", part)
		}
		id, err := realnet.ParseNode(name)
		if err != nil {
			return nil, usage("--peers: %v", err)
		}
		members = append(members, realnet.Member{ID: id, Address: address})
	}
	return members, nil
}
