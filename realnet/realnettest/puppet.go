package realnettest

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	"parley/core/chat"
	"parley/core/replica"
	"parley/core/session"
	"parley/realnet"
	"parley/realnet/wire"
)

// Puppet is a client without a mind of its own: one stream to one server, on which a test says
// exactly what is sent. It is no relation of realnet.Client, so that the two are not wrong together.
type Puppet struct {
	Stream grpc.BidiStreamingClient[wire.ClientFrame, wire.ServerFrame]
	Hello  *wire.ServerHello

	cc     *grpc.ClientConn
	cancel context.CancelFunc
	reader sync.WaitGroup

	mu       sync.Mutex
	nextID   uint64
	answers  map[uint64]chan *wire.Reply
	attached []replica.Attached
	pushes   []replica.Push
	closings []replica.Closing
	news     chan struct{} // closed and replaced when something came
	err      error         // the stream has ended
}

// Dial opens a session and exchanges hellos.
func Dial(address string) (*Puppet, error) {
	p, err := DialSilently(address)
	if err != nil {
		return nil, err
	}
	if err := p.greet(); err != nil {
		p.Close()
		return nil, err
	}
	p.reader.Go(p.read)
	return p, nil
}

// DialSilently opens a stream and says nothing: the test is free to be rude.
func DialSilently(address string) (*Puppet, error) {
	cc, err := dial(address)
	if err != nil {
		return nil, err
	}
	p, err := open(cc)
	if err != nil {
		return nil, errors.Join(err, cc.Close())
	}
	return p, nil
}

func dial(address string) (*grpc.ClientConn, error) {
	return grpc.NewClient("passthrough:///"+address, grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(wire.MaxServerFrame), grpc.MaxCallSendMsgSize(4*wire.MaxFrame)),
		grpc.WithDisableRetry(), grpc.WithDisableServiceConfig(), grpc.WithNoProxy())
}

func open(cc *grpc.ClientConn) (*Puppet, error) {
	ctx, cancel := context.WithCancel(context.Background())
	stream, err := wire.NewChatClient(cc).Session(ctx)
	if err != nil {
		cancel()
		return nil, err
	}
	return &Puppet{
		Stream: stream, cc: cc, cancel: cancel, answers: map[uint64]chan *wire.Reply{}, news: make(chan struct{}),
	}, nil
}

func (p *Puppet) greet() error {
	if err := p.Stream.Send(&wire.ClientFrame{Hello: &wire.ClientHello{Protocol: wire.Protocol, Agent: "puppet"}}); err != nil {
		_, err = p.Stream.Recv() // says why
		return err
	}
	f, err := p.Stream.Recv()
	p.Hello = f.GetHello()
	return err
}

// Close ends the session.
func (p *Puppet) Close() {
	p.cancel()
	p.reader.Wait()
	if p.cc != nil {
		_ = p.cc.Close()
	}
}

func (p *Puppet) read() {
	for {
		f, err := p.Stream.Recv()
		p.mu.Lock()
		if err == nil {
			err = p.take(f)
		}
		close(p.news)
		p.news = make(chan struct{})
		p.err = err
		p.mu.Unlock()
		if err != nil {
			return
		}
	}
}

func (p *Puppet) take(f *wire.ServerFrame) error {
	for _, w := range f.GetAttached() {
		p.attached = append(p.attached, wire.DecodeAttached(w))
	}
	for _, w := range f.GetPushes() {
		push, err := wire.DecodePush(w)
		if err != nil {
			return err
		}
		p.pushes = append(p.pushes, push)
	}
	for _, w := range f.GetReplies() {
		answer := p.answers[w.GetId()]
		if answer == nil {
			return fmt.Errorf("answer %d was not asked for", w.GetId())
		}
		delete(p.answers, w.GetId())
		answer <- w
	}
	for _, w := range f.GetClosings() {
		closing, err := wire.DecodeClosing(w)
		if err != nil {
			return err
		}
		p.closings = append(p.closings, closing)
	}
	return nil
}

// Await waits until look is content; it is called with all that has come so far.
func (p *Puppet) Await(ctx context.Context, look func(a []replica.Attached, e []replica.Push, c []replica.Closing) bool) error {
	for {
		p.mu.Lock()
		done, news, err := look(p.attached, p.pushes, p.closings), p.news, p.err
		p.mu.Unlock()
		switch {
		case done:
			return nil
		case err != nil:
			return err
		}
		select {
		case <-news:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// Ask sends a call and waits for its answer. leader is the address the answer names.
func (p *Puppet) Ask(ctx context.Context, call replica.Call, secrets wire.Secrets) (r replica.Reply, leader string, err error) {
	answer := make(chan *wire.Reply, 1)
	p.mu.Lock()
	p.nextID++
	call.ID = p.nextID
	w, err := wire.EncodeCall(&call, &secrets)
	if err == nil {
		p.answers[call.ID] = answer
		err = p.Stream.Send(&wire.ClientFrame{Calls: []*wire.Call{w}})
	}
	p.mu.Unlock()
	if err != nil {
		return replica.Reply{}, "", err
	}
	for {
		p.mu.Lock()
		news, ended := p.news, p.err
		p.mu.Unlock()
		select {
		case w := <-answer:
			return wire.DecodeReply(w)
		default:
		}
		if ended != nil {
			return replica.Reply{}, "", ended
		}
		select {
		case <-news:
		case <-ctx.Done():
			return replica.Reply{}, "", ctx.Err()
		}
	}
}

// Send sends a frame as it is.
func (p *Puppet) Send(f *wire.ClientFrame) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.Stream.Send(f)
}

// Person is an account on one device, which tries one server after another until it is answered,
// with the same number. It is for one goroutine.
type Person struct {
	Name    string
	Servers []string
	Device  session.DeviceID
	Secrets wire.Secrets
	DSeq    uint64
	Pos     replica.Pos
	Record  func(realnet.Observation) // if set, is told of every call and what came of it

	at     int // the server to try
	puppet *Puppet
}

// NewPerson draws a device. With open authentication the password does not matter.
func NewPerson(name, password string, servers []string) *Person {
	p := &Person{Name: name, Servers: servers}
	rand.Read(p.Device[:])
	rand.Read(p.Secrets.Device[:])
	p.Secrets.Password = password
	return p
}

// Close hangs up.
func (p *Person) Close() {
	if p.puppet != nil {
		p.puppet.Close()
		p.puppet = nil
	}
}

// Command gives a command the next number and repeats it until it is decided.
func (p *Person) Command(ctx context.Context, cmd chat.Command) (replica.Reply, error) {
	p.DSeq++
	return p.Repeat(ctx, cmd)
}

// Repeat is Command under the last number.
func (p *Person) Repeat(ctx context.Context, cmd chat.Command) (replica.Reply, error) {
	call := replica.Call{Device: p.Device, DSeq: p.DSeq, Through: p.DSeq - 1, Command: cmd}
	return p.recorded(ctx, call)
}

// Query asks until there is an answer.
func (p *Person) Query(ctx context.Context, q replica.Query) (replica.Reply, error) {
	return p.recorded(ctx, replica.Call{Device: p.Device, Query: q})
}

var operations atomic.Uint64 // of all persons

// recorded is ask with a witness.
func (p *Person) recorded(ctx context.Context, call replica.Call) (replica.Reply, error) {
	if p.Record == nil {
		return p.ask(ctx, call)
	}
	o := realnet.Observation{Kind: realnet.Called, Op: operations.Add(1), Device: p.Device, DSeq: call.DSeq,
		Command: call.Command, Query: call.Query}
	p.Record(o)
	r, err := p.ask(ctx, call)
	o.Kind, o.Reply = realnet.Answered, r
	if err != nil {
		o.Kind, o.Why = realnet.Unsettled, err.Error()
	}
	p.Record(o)
	return r, err
}

// attempt is how long one server has to answer.
const attempt = 2 * time.Second

func (p *Person) ask(ctx context.Context, call replica.Call) (replica.Reply, error) {
	last := errors.New("not asked")
	for ctx.Err() == nil {
		call.Pos = p.Pos
		r, leader, err := p.askOnce(ctx, call)
		switch {
		case err != nil:
			last = err
			p.Close()
			p.turn("")
		case r.Class == session.NotApplied && worthRepeating(r.Code):
			last = fmt.Errorf("%s", r.Code)
			p.turn(leader)
		default:
			if r.Pos.Index > p.Pos.Index {
				p.Pos = r.Pos
			}
			return r, nil
		}
		if err := pause(ctx, 5*time.Millisecond); err != nil {
			break
		}
	}
	return replica.Reply{}, errors.Join(ctx.Err(), last)
}

func pause(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func worthRepeating(code string) bool {
	switch replica.Code(code) {
	case replica.NotLeader, replica.Unavailable, replica.Busy, replica.Rate:
		return true
	}
	return false
}

func (p *Person) askOnce(ctx context.Context, call replica.Call) (replica.Reply, string, error) {
	ctx, cancel := context.WithTimeout(ctx, attempt)
	defer cancel()
	if p.puppet == nil {
		var err error
		if p.puppet, err = Dial(p.Servers[p.at]); err != nil {
			return replica.Reply{}, "", err
		}
	}
	secrets := p.Secrets
	switch call.Command.(type) {
	case chat.Signup, chat.Login, chat.DeleteAccount, chat.Passwd:
	default:
		secrets.Password = ""
	}
	return p.puppet.Ask(ctx, call, secrets)
}

// turn moves to the leader if it is named, else to the next server.
func (p *Person) turn(leader string) {
	p.Close()
	for i, s := range p.Servers {
		if s == leader {
			p.at = i
			return
		}
	}
	p.at = (p.at + 1) % len(p.Servers)
}

// Signup signs up, or fails the test.
func (p *Person) Signup(t testing.TB) {
	t.Helper()
	p.must(t, chat.Signup{Name: p.Name, Label: "test"})
}

// Say sends a message, or fails the test.
func (p *Person) Say(t testing.TB, to, body string) replica.Reply {
	t.Helper()
	return p.must(t, chat.Send{To: to, Body: body})
}

func (p *Person) must(t testing.TB, cmd chat.Command) replica.Reply {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), Patience)
	defer cancel()
	r, err := p.Command(ctx, cmd)
	if err != nil || r.Code != "" {
		t.Fatalf("%s: %T: %q %v", p.Name, cmd, r.Code, err)
	}
	return r
}

// Feed is a person's feed, followed wherever it can be had, without a gap and without doubles.
type Feed struct {
	person *Person
	sub    uint64
	after  uint64
	Events []replica.Push
	Hangs  int // how often it had to be asked for again
}

// NewFeed follows the feed of a person from the beginning.
func NewFeed(p *Person) *Feed {
	// Its own connection: the person's may be busy elsewhere.
	own := *p
	own.puppet = nil
	return &Feed{person: &own}
}

// Until follows the feed until it has n events.
func (f *Feed) Until(ctx context.Context, n int) error {
	defer f.person.Close()
	last := errors.New("not asked")
	for len(f.Events) < n && ctx.Err() == nil {
		if err := f.once(ctx, n); err != nil {
			last = err
			f.Hangs++
			f.person.turn("")
			_ = pause(ctx, 5*time.Millisecond)
		}
		var gap *GapError
		if errors.As(last, &gap) {
			return gap
		}
	}
	if len(f.Events) < n {
		return errors.Join(ctx.Err(), last)
	}
	return nil
}

// GapError says that a feed left something out, or repeated it.
type GapError struct{ Want, Got uint64 }

func (e *GapError) Error() string { return fmt.Sprintf("event %d instead of %d", e.Got, e.Want) }

// once attaches and takes events until there are enough or the feed ends.
func (f *Feed) once(ctx context.Context, n int) error {
	p, err := Dial(f.person.Servers[f.person.at])
	if err != nil {
		return err
	}
	defer p.Close()
	f.sub++
	a := replica.Attach{Sub: f.sub, Device: f.person.Device, After: f.after}
	if err := p.Send(&wire.ClientFrame{Attaches: []*wire.Attach{wire.EncodeAttach(&a, f.person.Secrets.Device)}}); err != nil {
		return err
	}
	taken := 0
	for len(f.Events) < n {
		var end *replica.Closing
		var fresh []replica.Push
		err := p.Await(ctx, func(_ []replica.Attached, pushes []replica.Push, closings []replica.Closing) bool {
			fresh = append([]replica.Push(nil), pushes[taken:]...)
			if len(closings) > 0 {
				end = &closings[0]
			}
			return len(fresh) > 0 || end != nil
		})
		taken += len(fresh)
		if gap := f.take(fresh); gap != nil {
			return gap
		}
		if err != nil {
			return err
		}
		// A server runs ahead of acknowledgements by so much and no further.
		ack := wire.EncodeAck(&replica.Ack{Sub: f.sub, N: f.after})
		if err := p.Send(&wire.ClientFrame{Acks: []*wire.Ack{ack}}); err != nil {
			return err
		}
		if end != nil && len(fresh) == 0 {
			return fmt.Errorf("feed ended: %d %s", end.Why, end.By)
		}
	}
	return nil
}

func (f *Feed) take(pushes []replica.Push) error {
	for _, e := range pushes {
		if e.Event.N != f.after+1 {
			return &GapError{Want: f.after + 1, Got: e.Event.N}
		}
		f.after = e.Event.N
		f.Events = append(f.Events, e)
	}
	return nil
}

// Bodies are the messages of the feed, in order.
func (f *Feed) Bodies() []string {
	var list []string
	for _, e := range f.Events {
		if e.Message != nil {
			list = append(list, e.Message.Body)
		}
	}
	return list
}

var (
	sharedMu sync.Mutex
	shared   = map[string]*grpc.ClientConn{}
)

// Share is a session with hellos exchanged and nobody reading, on a TCP connection that all with the
// same number share. For benchmarks.
func Share(address string, number int) (*Puppet, error) {
	sharedMu.Lock()
	defer sharedMu.Unlock()
	key := fmt.Sprint(address, "#", number)
	cc := shared[key]
	if cc == nil {
		var err error
		if cc, err = dial(address); err != nil {
			return nil, err
		}
		shared[key] = cc
	}
	p, err := open(cc)
	if err != nil {
		return nil, err
	}
	p.cc = nil
	return p, p.greet()
}
