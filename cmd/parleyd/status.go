package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"parley/core/raft"
	"parley/core/row"
	"parley/realnet"
	"parley/realnet/wire"
)

type statusFlags struct {
	data, servers string
	json, watch   bool
}

func newStatus(io stdio) *cobra.Command {
	var f statusFlags
	cmd := &cobra.Command{
		Use:   "status",
		Short: "Show how the cluster is",
		Long: "status asks all members, seen from here. It exits with 0 if all is well, 1 if the cluster works\n" +
			"but something is wrong, 2 if there is no majority.",
		RunE: func(cmd *cobra.Command, _ []string) error { return f.run(cmd.Context(), io) },
	}
	fl := cmd.Flags()
	fl.StringVar(&f.data, "data", "", "ask the cluster of this server's directory")
	fl.StringVar(&f.servers, "server", strings.Join(realnet.DefaultServers, ","), "ask the cluster of these servers")
	fl.BoolVar(&f.json, "json", false, "as one JSON object")
	fl.BoolVar(&f.watch, "watch", false, "again every second, until Ctrl+C")
	return cmd
}

func (f *statusFlags) run(ctx context.Context, io stdio) error {
	addresses := strings.Split(f.servers, ",")
	if f.data != "" {
		home, err := realnet.LoadHome(f.data)
		if err != nil {
			return config(err, "")
		}
		addresses = nil
		for _, m := range home.Members {
			addresses = append(addresses, m.Address)
		}
	}
	for {
		view := look(ctx, addresses)
		if err := view.print(io.out, f.json); err != nil {
			return err
		}
		if !f.watch {
			return view.verdict()
		}
		select {
		case <-ctx.Done():
			return view.verdict()
		case <-time.After(time.Second):
		}
	}
}

// view is the cluster as it looks from here.
type view struct {
	Version int          `json:"v"`
	Cluster string       `json:"cluster"`
	ID      string       `json:"cluster_id"`
	Up      int          `json:"up"`
	Size    int          `json:"size"`
	Leader  string       `json:"leader"` // empty: none that a majority follows
	Term    uint64       `json:"term"`
	LeadsMs int64        `json:"leader_for_ms"`
	Index   uint64       `json:"index"`
	Auth    string       `json:"auth"`
	Login   string       `json:"login_policy"`
	Health  string       `json:"health"` // ok, degraded, no majority
	Members []memberView `json:"members"`
	Wrong   []string     `json:"problems"`
	leading time.Duration
}

type memberView struct {
	ID       string `json:"id"`
	Address  string `json:"address"`
	Role     string `json:"role"`
	State    string `json:"state"`
	Term     uint64 `json:"term"`
	Applied  uint64 `json:"applied"`
	Durable  uint64 `json:"durable"`
	Commit   uint64 `json:"commit"`
	Behind   uint64 `json:"behind"`
	FsyncUs  uint64 `json:"fsync_p99_us"`
	Digest   string `json:"digest"`
	Agrees   string `json:"digest_state"` // ok, differs, or empty: nobody else is at this index
	Build    string `json:"version"`
	Boot     uint64 `json:"boot"`
	UptimeMs int64  `json:"uptime_ms"`
	Feeds    uint64 `json:"feeds"`
	Accounts uint64 `json:"accounts"`
	Sessions uint64 `json:"sessions"`

	leader uint64
	digest row.Digest
}

// look asks the addresses, then whoever else they name as members.
func look(ctx context.Context, addresses []string) *view {
	replies := map[uint64]*wire.StatusReply{}
	asked := map[string]bool{}
	for len(addresses) > 0 {
		var next []string
		for _, r := range askAll(ctx, addresses, asked) {
			replies[r.GetId()] = r
			for _, m := range r.GetMembers() {
				if !asked[m.GetAddress()] && !slices.Contains(next, m.GetAddress()) {
					next = append(next, m.GetAddress())
				}
			}
		}
		addresses = next
	}
	return judge(replies)
}

func askAll(ctx context.Context, addresses []string, asked map[string]bool) []*wire.StatusReply {
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	replies := make([]*wire.StatusReply, len(addresses))
	var wait sync.WaitGroup
	for i, address := range addresses {
		asked[address] = true
		wait.Go(func() { replies[i], _ = realnet.AskStatus(ctx, address) }) // no answer is an answer here
	}
	wait.Wait()
	return slices.DeleteFunc(replies, func(r *wire.StatusReply) bool { return r == nil })
}

// judge makes one picture of what the members said.
func judge(replies map[uint64]*wire.StatusReply) *view {
	v := &view{Version: 1, Members: []memberView{}, Wrong: []string{}}
	var first *wire.StatusReply
	for _, r := range replies {
		if first == nil || r.GetTerm() > first.GetTerm() || r.GetTerm() == first.GetTerm() && r.GetId() < first.GetId() {
			first = r
		}
	}
	if first == nil {
		v.Health = "no majority"
		return v
	}
	v.Cluster, v.ID, v.Size = first.GetClusterName(), fmt.Sprintf("%x", first.GetCluster()), len(first.GetMembers())
	v.Auth, v.Login = either(first.GetPolicy().GetOpenAuth(), "open", "password"), either(first.GetPolicy().GetMultiLogin(), "multi", "exclusive")
	for _, m := range first.GetMembers() {
		r := replies[m.GetId()]
		if r != nil && string(r.GetCluster()) != string(first.GetCluster()) {
			v.Wrong = append(v.Wrong, fmt.Sprintf("%s answers for another cluster, %s", m.GetAddress(), r.GetClusterName()))
			r = nil
		}
		v.Members = append(v.Members, describe(m, r))
		if r != nil {
			v.Up++
			v.Index = max(v.Index, r.GetCommit())
		}
	}
	v.findLeader(replies)
	v.compare()
	v.weigh()
	return v
}

func either(yes bool, a, b string) string {
	if yes {
		return a
	}
	return b
}

func describe(m *wire.MemberStatus, r *wire.StatusReply) memberView {
	d := memberView{ID: realnet.NodeName(raft.ID(m.GetId())), Address: m.GetAddress(), Role: "voter", State: "down"}
	if r == nil {
		return d
	}
	d.State = [...]string{"follower", "candidate", "candidate", "leader"}[r.GetRole()&3]
	if r.GetResigning() {
		d.State = "leaving"
	}
	d.Term, d.Applied, d.Durable, d.Commit = r.GetTerm(), r.GetApplied(), r.GetDurable(), r.GetCommit()
	d.FsyncUs, d.Build, d.Boot, d.UptimeMs = r.GetFsyncP99Us(), r.GetVersion(), r.GetBoot(), r.GetUptimeMs()
	d.Feeds, d.Accounts, d.Sessions, d.leader = r.GetFeeds(), r.GetAccounts(), r.GetSessions(), r.GetLeader()
	copy(d.digest[:], r.GetDigest())
	d.Digest = d.digest.String()
	return d
}

// findLeader believes a leader whom a majority names, in its own term.
func (v *view) findLeader(replies map[uint64]*wire.StatusReply) {
	for id, r := range replies {
		if r.GetRole() != wire.Role_ROLE_LEADER {
			continue
		}
		followers := 0
		for _, m := range v.Members {
			if m.State != "down" && m.leader == id && m.Term == r.GetTerm() {
				followers++
			}
		}
		if followers > v.Size/2 {
			v.Leader, v.Term = realnet.NodeName(raft.ID(id)), r.GetTerm()
			v.leading = time.Duration(r.GetLeaderForMs()) * time.Millisecond
			v.LeadsMs = r.GetLeaderForMs()
		}
	}
}

// compare holds the digests of members that stand at one index against each other.
func (v *view) compare() {
	for i := range v.Members {
		m := &v.Members[i]
		if m.State == "down" {
			continue
		}
		m.Behind = v.Index - min(v.Index, m.Applied)
		for j := range v.Members {
			o := &v.Members[j]
			if i == j || o.State == "down" || o.Durable != m.Durable {
				continue
			}
			if o.digest != m.digest {
				m.Agrees = "differs"
			} else if m.Agrees == "" {
				m.Agrees = "ok"
			}
		}
	}
}

func (v *view) weigh() {
	for _, m := range v.Members {
		if m.State == "down" {
			v.Wrong = append(v.Wrong, m.ID+" does not answer at "+m.Address)
		}
		if m.Agrees == "differs" {
			v.Wrong = append(v.Wrong, fmt.Sprintf("the state of %s at %d differs from another's", m.ID, m.Durable))
		}
	}
	switch {
	case v.Leader == "":
		v.Health = "no majority"
	case len(v.Wrong) > 0:
		v.Health = "degraded"
	default:
		v.Health = "ok"
	}
}

func (v *view) verdict() error {
	switch {
	case v.Size == 0:
		return &exitError{exitNoQuorum, errors.New("no server answers"), "parleyd dev starts three on this machine; --server names others"}
	case v.Health == "no majority":
		return &exitError{code: exitNoQuorum, err: errors.New("no leader that a majority follows: nothing is acknowledged until there is one")}
	case v.Health == "degraded":
		return &exitError{code: exitNo, err: errors.New(strings.Join(v.Wrong, "; "))}
	}
	return nil
}

func (v *view) print(w io.Writer, asJSON bool) error {
	if asJSON {
		return json.NewEncoder(w).Encode(v)
	}
	if v.Size == 0 {
		return nil
	}
	leader := "no leader"
	if v.Leader != "" {
		leader = fmt.Sprintf("leader %s, term %d, for %s", v.Leader, v.Term, v.leading.Round(time.Second))
	}
	fmt.Fprintf(w, "cluster %s %.4s   %d of %d up   %s   index %d   auth %s   login %s\n",
		v.Cluster, v.ID, v.Up, v.Size, leader, v.Index, v.Auth, v.Login)
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "ID\tADDRESS\tROLE\tSTATE\tAPPLIED\tBEHIND\tFSYNC p99\tDIGEST\tVERSION")
	for _, m := range v.Members {
		if m.State == "down" {
			fmt.Fprintf(t, "%s\t%s\t%s\tdown\t-\t-\t-\t-\t-\n", m.ID, m.Address, m.Role)
			continue
		}
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%d\t%d\t%.1f ms\t%s\t%s\n", m.ID, m.Address, m.Role, m.State,
			m.Applied, m.Behind, float64(m.FsyncUs)/1000, digestText(m), m.Build)
	}
	if err := t.Flush(); err != nil {
		return err
	}
	if spare := v.Up - (v.Size/2 + 1); v.Leader != "" {
		_, err := fmt.Fprintf(w, "can lose %d more\n", max(spare, 0))
		return err
	}
	return nil
}

func digestText(m memberView) string {
	switch m.Agrees {
	case "ok":
		return fmt.Sprintf("ok at %d", m.Durable)
	case "differs":
		return fmt.Sprintf("DIFFERS at %d", m.Durable)
	}
	return fmt.Sprintf("%.4s at %d", m.Digest, m.Durable)
}
