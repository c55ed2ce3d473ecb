package realnet

import (
	"sync"
	"time"
)

// owner is the goroutine that owns clients: their machines are stepped nowhere else. What arrives
// is taken in batches, and only after a batch is what it made sent, so that busy streams pack by
// themselves.
type owner struct {
	mu    sync.Mutex // of inbox and ended
	inbox []posted
	ended bool // nobody takes from inbox any more
	wake  chan struct{}
	quit  chan struct{}
	done  chan struct{}

	// What follows belongs to the goroutine.
	spare   []posted
	dirty   []*Client // have something to send or to deliver
	clients map[*Client]struct{}
	timer   *time.Timer
	armed   time.Duration // when the timer rings; 0: not set
}

// posted is one thing that happened to a client: do is run on the owner.
type posted struct {
	client *Client
	event  clientEvent
}

// clientEvent is one thing that can happen to a client.
type clientEvent interface{ happen(c *Client) }

// clock is the monotonic time of this process: what machines are told.
func clock() time.Duration { return time.Since(processStart) }

var processStart = time.Now()

func newOwner() *owner {
	o := &owner{
		wake: make(chan struct{}, 1), quit: make(chan struct{}), done: make(chan struct{}),
		clients: map[*Client]struct{}{}, timer: time.NewTimer(time.Hour),
	}
	go o.run()
	return o
}

// stop ends the goroutine and waits for it. Its clients have been closed before.
func (o *owner) stop() {
	close(o.quit)
	<-o.done
}

// post hands an event to the owner, from any goroutine, in order. When the owner has ended all its
// clients are closed, and say so right here.
func (o *owner) post(c *Client, e clientEvent) {
	o.mu.Lock()
	if o.ended {
		o.mu.Unlock()
		e.happen(c)
		return
	}
	o.inbox = append(o.inbox, posted{c, e})
	first := len(o.inbox) == 1
	o.mu.Unlock()
	if !first {
		return
	}
	select {
	case o.wake <- struct{}{}:
	default:
	}
}

func (o *owner) run() {
	defer close(o.done)
	defer o.timer.Stop()
	for {
		select {
		case <-o.wake:
			o.drain()
		case <-o.timer.C:
			o.armed = 0
			o.ring()
		case <-o.quit:
			o.end()
			return
		}
		o.flush()
	}
}

// end answers what was posted too late.
func (o *owner) end() {
	o.mu.Lock()
	late := o.inbox
	o.inbox, o.ended = nil, true
	o.mu.Unlock()
	for _, p := range late {
		p.event.happen(p.client)
	}
}

// drain handles what is in the inbox, and a few rounds of what that put there: an answer often makes
// the next request. Then it is time to send.
func (o *owner) drain() {
	for range 3 {
		o.mu.Lock()
		batch := o.inbox
		o.inbox = o.spare[:0]
		o.mu.Unlock()
		for i := range batch {
			p := &batch[i]
			p.event.happen(p.client)
			*p = posted{}
		}
		o.spare = batch
		if len(batch) == 0 {
			return
		}
	}
}

// ring ticks the clients whose deadline has come. Walking all is cheap: deadlines are far apart, and
// the timer is only ever moved closer.
func (o *owner) ring() {
	now, next := clock(), time.Duration(0)
	for c := range o.clients {
		at := c.deadline()
		if at > 0 && at <= now {
			c.tick(now)
			at = c.deadline()
		}
		if at > 0 && (next == 0 || at < next) {
			next = at
		}
	}
	o.arm(next)
}

// arm makes the timer ring at a time, or earlier.
func (o *owner) arm(at time.Duration) {
	if at == 0 || o.armed != 0 && o.armed <= at {
		return
	}
	o.armed = at
	o.timer.Reset(max(at-clock(), 0))
}

// touch has c's links flushed after this batch.
func (o *owner) touch(c *Client) {
	if !c.dirty {
		c.dirty = true
		o.dirty = append(o.dirty, c)
	}
}

// flush sends what the batch made. A stream found gone meanwhile makes its client dirty once more:
// it goes to the end of the list that is being walked.
func (o *owner) flush() {
	for i := 0; i < len(o.dirty); i++ {
		c := o.dirty[i]
		c.dirty, o.dirty[i] = false, nil
		c.flush()
		o.arm(c.deadline())
	}
	o.dirty = o.dirty[:0]
}
