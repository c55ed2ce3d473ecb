package realnet

import (
	"context"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	"parley/core/raft"
	"parley/realnet/wire"
)

// status describes this replica; the loop calls it between rounds.
func (l *loop) status() *wire.StatusReply {
	st, h := l.machine.Status(), l.home
	reply := &wire.StatusReply{
		ClusterName: h.Name, Cluster: h.Cluster[:], Id: uint64(h.ID), Address: h.Address(h.ID), Version: Version,
		Boot: l.boot, UptimeMs: l.now().Milliseconds(),
		Role: wire.Role(st.Raft.Role.Kind), Term: uint64(st.Raft.Role.Term), Leader: uint64(st.Raft.Role.Leader),
		Epoch: h.Epoch, Applied: uint64(st.Applied), Durable: uint64(st.Durable), Commit: uint64(st.Raft.Commit),
		Last: uint64(st.Raft.Last.Index), Compact: uint64(st.Raft.Compact.Index), Digest: st.Digest[:],
		FsyncP99Us: uint64(l.saveTimes.p99().Microseconds()), Policy: l.policy(),
		Feeds: uint64(st.Feeds), Accounts: uint64(st.Accounts), Sessions: uint64(l.sessions.Load()),
		Resigning: st.Resigning,
	}
	if reply.Leader != 0 {
		reply.LeaderForMs = (l.now() - l.leaderSince).Milliseconds()
	}
	for _, m := range h.Members {
		reply.Members = append(reply.Members, l.memberStatus(m, st.Raft.Progress))
	}
	return reply
}

func (l *loop) memberStatus(m Member, progress []raft.Progress) *wire.MemberStatus {
	w := &wire.MemberStatus{Id: uint64(m.ID), Address: m.Address, HeardMs: -1}
	if p := l.peers[m.ID]; p != nil {
		w.Linked = p.linked.Load() > 0
		if at := p.heard.Load(); at != 0 {
			w.HeardMs = (l.now() - time.Duration(at)).Milliseconds()
		}
	} else {
		w.Linked, w.HeardMs = true, 0 // this is us
	}
	for _, p := range progress {
		if p.Peer == m.ID {
			w.Match, w.Snapshot = uint64(p.Match), p.Snapshot
		}
	}
	return w
}

// AskStatus asks the server at an address how it is.
func AskStatus(ctx context.Context, address string) (*wire.StatusReply, error) {
	cc, err := grpc.NewClient("passthrough:///"+address,
		grpc.WithTransportCredentials(insecure.NewCredentials()), grpc.WithDisableRetry(),
		grpc.WithDisableServiceConfig(), grpc.WithNoProxy())
	if err != nil {
		return nil, err
	}
	defer cc.Close()
	return wire.NewChatClient(cc).Status(ctx, &wire.StatusRequest{})
}
