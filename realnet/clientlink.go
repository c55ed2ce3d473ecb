package realnet

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"parley/core/chat"
	"parley/core/raft"
	"parley/core/replica"
	"parley/core/session"
	"parley/realnet/wire"
)

// maxUnread bounds what is sent to a server that has not shown that it reads: less than gRPC takes
// from one stream before Send waits (64 KiB), so a server that hangs never blocks an owner. A frame
// of any size may go when nothing is unread.
const maxUnread = 32 << 10

// clientLink is one stream to one server: calls, replies and feeds of one client. It belongs to the
// client's owner; only run is a goroutine of its own, and it touches nothing but the stream.
type clientLink struct {
	client *Client
	server int // its place
	key    connKey
	cancel context.CancelFunc

	stream  grpc.BidiStreamingClient[wire.ClientFrame, wire.ServerFrame] // nil until it is open
	greeted bool                                                         // our hello is sent
	closed  bool

	next  wire.ClientFrame // what goes out with the next flush
	calls []*wire.Call     // calls that wait, in order; beyond maxUnread they wait longer

	// Replies find their calls by place: the wire's ids count from 1 on each link.
	sent   []sentCall // calls from id base+1 on
	base   uint64
	bytes  int // of calls ever sent …
	unread int // … and of those the server has not shown to have read
}

// sentCall is a call on its way: id is the machine's name for it, end the stream's length with it.
type sentCall struct {
	id       uint64
	dseq     uint64
	end      int
	answered bool
}

// VersionError says that a server speaks another protocol, or is of another cluster. (Exit code 76.)
type VersionError struct{ Server, Reason string }

func (e *VersionError) Error() string { return fmt.Sprintf("%s: %s", e.Server, e.Reason) }

// The things that happen to a link.
type (
	linkOpened struct {
		link   *clientLink
		stream grpc.BidiStreamingClient[wire.ClientFrame, wire.ServerFrame]
	}
	linkFrame struct {
		link  *clientLink
		frame *wire.ServerFrame
	}
	linkLost struct {
		link *clientLink
		err  error
	}
)

// openLink starts a stream. It does not wait: a server that cannot be reached is lost a little later.
func openLink(c *Client, server int) *clientLink {
	ctx, cancel := context.WithCancel(context.Background())
	l := &clientLink{client: c, server: server, key: c.connKey(c.servers[server].address), cancel: cancel}
	c.running.Add(1)
	go func() {
		defer c.running.Done()
		defer cancel()
		err := l.run(ctx)
		c.owner.post(c, linkLost{l, err})
	}()
	return l
}

// run opens the stream and hands on what arrives, until it ends.
func (l *clientLink) run(ctx context.Context) error {
	cc, free, err := l.client.pool.conn(l.key)
	if err != nil {
		return err
	}
	defer free()
	stream, err := wire.NewChatClient(cc).Session(ctx)
	if err != nil {
		return err
	}
	l.client.owner.post(l.client, linkOpened{l, stream})
	for {
		frame, err := stream.Recv()
		if err != nil {
			return err
		}
		l.client.owner.post(l.client, linkFrame{l, frame})
	}
}

// close ends the stream; its linkLost still comes, and is ignored.
func (l *clientLink) close() {
	if !l.closed {
		l.closed = true
		l.cancel()
	}
}

// call queues a call for the next flush.
func (l *clientLink) call(id uint64, call *replica.Call, secrets *wire.Secrets) error {
	w, err := wire.EncodeCall(call, secrets)
	if err != nil {
		return err
	}
	l.sent = append(l.sent, sentCall{id: id, dseq: call.DSeq})
	w.Id = l.base + uint64(len(l.sent))
	l.calls = append(l.calls, w)
	return nil
}

// flush sends what is queued, as far as the server has shown that it reads.
func (l *clientLink) flush() error {
	if l.stream == nil || l.closed {
		return nil
	}
	if !l.greeted {
		l.greeted = true
		l.next.Hello = &wire.ClientHello{Protocol: wire.Protocol, Agent: l.client.cfg.Agent}
	}
	n := 0
	for n < len(l.calls) && (l.unread == 0 || l.unread < maxUnread) && n < wire.MaxItems {
		l.count(l.calls[n])
		n++
	}
	l.next.Calls = l.calls[:n]
	defer l.sentFrame(n)
	if f := &l.next; n == 0 && f.Hello == nil && len(f.Attaches)+len(f.Acks)+len(f.Detaches) == 0 {
		return nil
	}
	return l.stream.Send(&l.next)
}

// count adds a call to what is not shown to be read.
func (l *clientLink) count(w *wire.Call) {
	size := 64 + len(w.Password) + len(w.GetSend().GetBody())
	l.bytes += size
	l.unread += size
	l.sent[w.Id-l.base-1].end = l.bytes
}

// sentFrame makes ready for the next frame: gRPC has encoded the last one.
func (l *clientLink) sentFrame(calls int) {
	rest := copy(l.calls, l.calls[calls:])
	clear(l.calls[rest:])
	l.calls = l.calls[:rest]
	f := &l.next
	clear(f.Attaches)
	clear(f.Acks)
	clear(f.Detaches)
	f.Hello, f.Calls = nil, nil
	f.Attaches, f.Acks, f.Detaches = f.Attaches[:0], f.Acks[:0], f.Detaches[:0]
}

// answered finds the call that a reply answers; fresh says that it is the first answer. What was
// sent before it has been read.
func (l *clientLink) answered(wireID uint64) (call sentCall, fresh bool, err error) {
	if wireID <= l.base {
		return sentCall{}, false, nil
	}
	if wireID > l.base+uint64(len(l.sent)) || l.sent[wireID-l.base-1].end == 0 {
		return sentCall{}, false, fmt.Errorf("reply %d answers nothing that was asked", wireID)
	}
	s := &l.sent[wireID-l.base-1]
	call, fresh = *s, !s.answered
	s.answered = true
	l.unread = min(l.unread, l.bytes-s.end)
	drop := 0
	for drop < len(l.sent) && l.sent[drop].answered {
		drop++
	}
	if drop == len(l.sent) || drop > 256 {
		l.base += uint64(drop)
		l.sent = l.sent[:copy(l.sent, l.sent[drop:])]
	}
	return call, fresh, nil
}

// linkError turns the end of a stream into what a person can use.
func linkError(server string, err error) error {
	if s, ok := status.FromError(err); ok && s.Code() == codes.FailedPrecondition {
		return &VersionError{server, s.Message()}
	}
	if errors.Is(err, context.Canceled) {
		return err
	}
	return fmt.Errorf("%s: %w", server, err)
}

func (e linkOpened) happen(c *Client) {
	if e.link.closed {
		return
	}
	e.link.stream = e.stream
	c.owner.touch(c)
}

func (e linkFrame) happen(c *Client) {
	l := e.link
	if l.closed {
		return
	}
	if err := c.receive(l, e.frame); err != nil {
		c.dropLink(l, fmt.Errorf("%s: answer not understood: %w", c.servers[l.server].address, err))
	}
}

func (e linkLost) happen(c *Client) {
	if !e.link.closed {
		c.dropLink(e.link, linkError(c.servers[e.link.server].address, e.err))
	}
}

// useLink gives the stream to a server, and starts one if there is none.
func (c *Client) useLink(server int) *clientLink {
	s := &c.servers[server]
	if s.link == nil {
		s.link = openLink(c, server)
	}
	return s.link
}

// dropLink ends a stream and tells all who used it. A place whose server is gone is for the next
// that the cluster told of.
func (c *Client) dropLink(l *clientLink, err error) {
	l.close()
	c.trouble = err
	s := &c.servers[l.server]
	s.link, s.lost = nil, true
	if len(c.spare) > 0 {
		c.spare = append(c.spare, s.address)
		s.address, c.spare = c.spare[0], c.spare[1:]
		c.unlearn(l.server)
	}
	down := session.ServerDown{Server: l.server}
	for _, w := range l.calls {
		down.Unsent = append(down.Unsent, l.sent[w.Id-l.base-1].id)
	}
	c.step(down)
	for i := len(c.feeds) - 1; i >= 0; i-- {
		if f := c.feeds[i]; f.server == l.server && f.sub != 0 {
			f.sub, f.granted = 0, false
			f.elsewhere("connection lost")
		}
	}
}

// flush sends what is queued on all links.
func (c *Client) flush() {
	for i := range c.servers {
		if l := c.servers[i].link; l != nil {
			if err := l.flush(); err != nil {
				c.dropLink(l, linkError(c.servers[i].address, err))
			}
		}
	}
}

// receive handles what a server sent. Its parts happened in the order of the fields.
func (c *Client) receive(l *clientLink, f *wire.ServerFrame) error {
	if f.Hello != nil {
		if err := c.greet(l, f.Hello); err != nil {
			return err
		}
	}
	for _, w := range f.Attached {
		if feed := c.feed(l, w.GetSub()); feed != nil {
			feed.attached(wire.DecodeAttached(w))
		}
	}
	for _, w := range f.Pushes {
		feed := c.feed(l, w.GetSub())
		if feed == nil {
			continue
		}
		p, err := wire.DecodePush(w)
		if err != nil {
			return err
		}
		feed.push(p)
	}
	for _, w := range f.Replies {
		if err := c.answer(l, w); err != nil {
			return err
		}
	}
	for _, w := range f.Closings {
		cl, err := wire.DecodeClosing(w)
		if err != nil {
			return err
		}
		if feed := c.feed(l, cl.Sub); feed != nil {
			feed.closing(cl)
		}
	}
	return nil
}

// greet learns who answers.
func (c *Client) greet(l *clientLink, h *wire.ServerHello) error {
	if h.GetProtocol() != wire.Protocol {
		return fmt.Errorf("it speaks protocol %d, this is %d", h.GetProtocol(), wire.Protocol)
	}
	c.nodes[raft.ID(h.GetId())] = l.server
	for _, m := range h.GetMembers() {
		c.member(raft.ID(m.GetId()), m.GetAddress())
	}
	c.step(session.ServerUp{Server: l.server})
	return nil
}

// member learns of a server of the cluster. One that is in no place is kept for when a place is free.
func (c *Client) member(node raft.ID, address string) {
	if i := c.placeOf(address); i >= 0 {
		c.nodes[node] = i
	}
	if _, ok := c.nodes[node]; !ok && address != "" && !slices.Contains(c.spare, address) {
		c.spare = append(c.spare, address)
	}
}

// placeOf finds the place of an address, -1: it has none.
func (c *Client) placeOf(address string) int {
	return slices.IndexFunc(c.servers, func(s place) bool { return s.address == address })
}

// unlearn forgets who was in a place.
func (c *Client) unlearn(place int) {
	maps.DeleteFunc(c.nodes, func(_ raft.ID, i int) bool { return i == place })
}

// answer hands a reply to the machine.
func (c *Client) answer(l *clientLink, w *wire.Reply) error {
	r, address, err := wire.DecodeReply(w)
	if err != nil {
		return err
	}
	call, fresh, err := l.answered(r.ID)
	if err != nil || !fresh {
		return err
	}
	r.ID = call.id
	c.saw(r.Pos)
	in := session.Reply{
		ID: call.id, DSeq: call.dseq, Class: r.Class, Code: r.Code, Leader: c.leader(l, r.Leader, address),
		Expected: r.Expected, AfterMs: r.AfterMs, Replayed: r.Replayed,
		Pos: session.Pos{Epoch: r.Pos.Epoch, Index: uint64(r.Pos.Index)},
	}
	if c.cfg.Store != nil && call.dseq != 0 {
		in.Body = chat.AppendResult(nil, r.Result) // people may be told later: when the outbox knows
	}
	c.current = &r
	c.step(session.Answered{Server: l.server, Reply: in})
	c.current = nil
	return nil
}

// leader says in which place a node is, -1: nobody knows. If it is certainly in none, it gets that
// of the server that named it: whoever was given one address can reach the whole cluster.
func (c *Client) leader(l *clientLink, node raft.ID, address string) int {
	if i := c.placeOf(address); i >= 0 {
		return i
	}
	if i, ok := c.nodes[node]; ok {
		return i
	}
	if node == 0 || address == "" || c.strangers() > 0 {
		return -1
	}
	c.spare = append(slices.DeleteFunc(c.spare, func(a string) bool { return a == address }), c.servers[l.server].address)
	c.servers[l.server].address = address
	c.unlearn(l.server)
	c.nodes[node] = l.server
	spare := c.spare
	c.spare = nil
	c.dropLink(l, errRedirected)
	c.spare = spare
	return l.server
}

// strangers counts the places of which nobody has said who is there, nor found nobody.
func (c *Client) strangers() (n int) {
	for i := range c.servers {
		known := slices.Contains(slices.Collect(maps.Values(c.nodes)), i)
		if !known && !c.servers[i].lost {
			n++
		}
	}
	return n
}

var errRedirected = errors.New("the leader is elsewhere")

// feed finds who holds a subscription on a link; nobody does if it was just ended.
func (c *Client) feed(l *clientLink, sub uint64) *Feed {
	for _, f := range c.feeds {
		if f.server == l.server && f.sub == sub && sub != 0 {
			return f
		}
	}
	return nil
}

// feedServer spreads the feeds of many clients over the servers.
func (c *Client) feedServer() int { return int(c.cfg.Device[0]) % len(c.servers) }
