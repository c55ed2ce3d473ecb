package realnet

import (
	"context"
	"encoding/hex"
	"fmt"
	"sync"
	"time"

	"parley/core/row"
	"parley/realnet/wire"
)

// ServerStatus is what one server says about itself, or why it does not. Role, Version and Cluster
// are for people; the rest is StatusReply of the wire.
type ServerStatus struct {
	Address string // as it was asked
	Err     error  // no answer: nothing else counts

	Cluster   string // its name
	ClusterID string
	Node      uint64 // n1 is 1
	Listen    string // where it says it listens
	Version   string
	Uptime    time.Duration

	Role      string // leader, follower, candidate
	Term      uint64
	Leader    uint64 // 0: nobody it knows of
	LeaderFor time.Duration

	Epoch    uint64
	Applied  uint64
	Durable  uint64
	Commit   uint64
	Digest   row.Digest // of the rows at Durable
	FsyncP99 time.Duration

	Feeds, Accounts, Sessions uint64
	Resigning                 bool
	Policy                    ServerPolicy
	Members                   []ServerMember
}

// ServerMember is what a server knows of a member of the cluster.
type ServerMember struct {
	Node    uint64
	Address string
	Linked  bool
	Match   uint64 // leader: what it has saved
	Heard   time.Duration
}

// ServerPolicy is what a client should know before it asks a person.
type ServerPolicy struct {
	OpenAuth           bool // no passwords
	MultiLogin         bool
	ClosedRegistration bool
	MaxBody            int // bytes
}

// Status asks all servers at the same time, those too that only the cluster told of; each has as
// long as ctx, or a second.
func (c *Client) Status(ctx context.Context) []ServerStatus {
	known := inspect(c, func(c *Client) (list []string) {
		for i := range c.servers {
			list = append(list, c.servers[i].address)
		}
		return append(list, c.spare...)
	})
	list := make([]ServerStatus, len(known))
	var wait sync.WaitGroup
	for i, address := range known {
		wait.Go(func() { list[i] = c.serverStatus(ctx, address) })
	}
	wait.Wait()
	return list
}

// AnyStatus is that of the server that answers first: what a program needs to know of a cluster
// before it asks a person for a password.
func (c *Client) AnyStatus(ctx context.Context) (ServerStatus, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	results := make(chan ServerStatus, len(c.cfg.Servers))
	for _, address := range c.cfg.Servers {
		go func() { results <- c.serverStatus(ctx, address) }()
	}
	var last ServerStatus
	for range c.cfg.Servers {
		if last = <-results; last.Err == nil {
			return last, nil
		}
	}
	return last, last.Err
}

func (c *Client) serverStatus(ctx context.Context, address string) ServerStatus {
	s := ServerStatus{Address: address}
	if _, ok := ctx.Deadline(); !ok {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, time.Second)
		defer cancel()
	}
	cc, free, err := c.pool.conn(c.connKey(address))
	if err != nil {
		s.Err = err
		return s
	}
	defer free()
	r, err := wire.NewChatClient(cc).Status(ctx, &wire.StatusRequest{})
	if err != nil {
		s.Err = linkError(s.Address, err)
		return s
	}
	s.fill(r)
	return s
}

func (s *ServerStatus) fill(r *wire.StatusReply) {
	s.Cluster, s.ClusterID = r.GetClusterName(), hex.EncodeToString(r.GetCluster())
	s.Node, s.Listen, s.Version = r.GetId(), r.GetAddress(), r.GetVersion()
	s.Uptime, s.LeaderFor = ms(r.GetUptimeMs()), ms(r.GetLeaderForMs())
	s.Role, s.Term, s.Leader = roleText(r.GetRole()), r.GetTerm(), r.GetLeader()
	s.Epoch, s.Applied, s.Durable, s.Commit = r.GetEpoch(), r.GetApplied(), r.GetDurable(), r.GetCommit()
	copy(s.Digest[:], r.GetDigest())
	s.FsyncP99 = time.Duration(r.GetFsyncP99Us()) * time.Microsecond
	s.Feeds, s.Accounts, s.Sessions = r.GetFeeds(), r.GetAccounts(), r.GetSessions()
	s.Resigning, s.Policy = r.GetResigning(), policyOf(r.GetPolicy())
	for _, m := range r.GetMembers() {
		s.Members = append(s.Members, ServerMember{
			Node: m.GetId(), Address: m.GetAddress(), Linked: m.GetLinked(), Match: m.GetMatch(),
			Heard: ms(m.GetHeardMs()),
		})
	}
}

func policyOf(p *wire.Policy) ServerPolicy {
	return ServerPolicy{
		OpenAuth: p.GetOpenAuth(), MultiLogin: p.GetMultiLogin(),
		ClosedRegistration: p.GetClosedRegistration(), MaxBody: int(p.GetMaxBody()),
	}
}

func ms(n int64) time.Duration { return time.Duration(n) * time.Millisecond }

func roleText(r wire.Role) string {
	switch r {
	case wire.Role_ROLE_LEADER:
		return "leader"
	case wire.Role_ROLE_FOLLOWER:
		return "follower"
	case wire.Role_ROLE_CANDIDATE, wire.Role_ROLE_PRE_CANDIDATE:
		return "candidate"
	}
	return fmt.Sprintf("role %d", r)
}
