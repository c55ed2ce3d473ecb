package realnet

import (
	"sync"

	"parley/realnet/wire"
)

// outbox is what waits to be sent to one client: frames in order, the last of which still grows.
// The loop puts in, the session's writer takes all out at once. It never waits.
//
// Within a frame attached go before pushes, pushes before replies, replies before closings. What
// would stand before something that came earlier begins a new frame, so a client that reads frames
// part by part sees everything in the order in which it happened.
type outbox struct {
	wake chan struct{} // cap 1: there is something

	mu     sync.Mutex
	frames []*wire.ServerFrame
	rank   int // of the latest part in the last frame
	parts  int // in the last frame
	pushed int // bytes of pushes waiting, about
	owed   int // bytes of replies waiting, about
	hailed bool
}

const (
	maxPushed    = 4 << 20 // beyond, feeds are closed
	maxOwed      = wire.MaxServerFrame
	frameParts   = 512
	partOverhead = 128
)

// The order of parts within a frame.
const (
	helloRank = iota
	attachedRank
	pushRank
	replyRank
	closingRank
)

// frame gives the frame that a part of this rank may go into. The caller holds the lock.
func (o *outbox) frame(rank int) *wire.ServerFrame {
	if len(o.frames) == 0 || rank < o.rank || o.parts >= frameParts {
		o.frames = append(o.frames, &wire.ServerFrame{})
		o.parts = 0
	}
	o.rank = rank
	o.parts++
	return o.frames[len(o.frames)-1]
}

func (o *outbox) signal() {
	o.mu.Unlock()
	select {
	case o.wake <- struct{}{}:
	default: // it is awake already
	}
}

// take gives what is waiting to the writer.
func (o *outbox) take() []*wire.ServerFrame {
	o.mu.Lock()
	defer o.mu.Unlock()
	frames := o.frames
	o.frames, o.pushed, o.owed = nil, 0, 0
	return frames
}

func (o *outbox) hello(h *wire.ServerHello) {
	o.mu.Lock()
	o.hailed = true
	o.frame(helloRank).Hello = h
	o.signal()
}

func (o *outbox) greeted() bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.hailed
}

func (o *outbox) attached(w *wire.Attached) {
	o.mu.Lock()
	f := o.frame(attachedRank)
	f.Attached = append(f.Attached, w)
	o.signal()
}

// push says whether there was room.
func (o *outbox) push(w *wire.Push) bool {
	o.mu.Lock()
	if o.pushed > maxPushed {
		o.mu.Unlock()
		return false
	}
	o.pushed += partOverhead + len(w.GetMessage().GetBody())
	f := o.frame(pushRank)
	f.Pushes = append(f.Pushes, w)
	o.signal()
	return true
}

// reply says whether there was room.
func (o *outbox) reply(w *wire.Reply) bool {
	o.mu.Lock()
	if o.owed > maxOwed {
		o.mu.Unlock()
		return false
	}
	o.owed += replySize(w)
	f := o.frame(replyRank)
	f.Replies = append(f.Replies, w)
	o.signal()
	return true
}

func replySize(w *wire.Reply) int {
	n := partOverhead + 64*len(w.GetPage().GetNames())
	for _, m := range w.GetThread().GetMessages() {
		n += partOverhead + len(m.GetBody())
	}
	return n
}

func (o *outbox) closing(w *wire.Closing) {
	o.mu.Lock()
	f := o.frame(closingRank)
	f.Closings = append(f.Closings, w)
	o.signal()
}
