package realnet

import (
	"errors"
	"slices"
	"sync"
	"time"

	"parley/core/replica"
	"parley/core/row"
)

// storeKeeper is the one goroutine that writes to the store.
type storeKeeper struct {
	server *Server
	saves  chan replica.Save // cap 1, and never more than one is out
	done   sync.WaitGroup
}

// saveLimit is how long one save may take before the process ends: a disk that hangs for ever would
// otherwise keep a replica in its place that does nothing.
const saveLimit = 20 * time.Second

var errStalled = errors.New("the disk has not answered for 20 s")

func newStoreKeeper(s *Server) *storeKeeper {
	k := &storeKeeper{server: s, saves: make(chan replica.Save, 1)}
	k.done.Go(k.run)
	return k
}

func (k *storeKeeper) run() {
	watchdog := time.AfterFunc(saveLimit, func() { k.server.fail("save", errStalled) })
	watchdog.Stop()
	for save := range k.saves {
		watchdog.Reset(saveLimit)
		begin := time.Now()
		saved, err := k.server.store.Save(save)
		watchdog.Stop()
		if err != nil {
			k.server.fail("save", err)
			return // nothing is saved after a failure
		}
		k.server.post(happening{input: replica.Stored{Saved: saved}, took: time.Since(begin)})
	}
}

// close waits for the save that is out.
func (k *storeKeeper) close() {
	close(k.saves)
	k.done.Wait()
}

// fail ends the server; the first failure is the one that counts.
func (s *Server) fail(doing string, err error) {
	select {
	case s.fatal <- &FatalError{doing, err}:
	default:
	}
}

// readJob is a Fetch or an Export.
type readJob struct {
	id     uint64
	ranges []row.Range
	export bool
}

// rowReaders are the goroutines that read from the store, beside the keeper. Their queue has no
// bound of its own: the machine asks only on behalf of calls and feeds, and those are bounded.
type rowReaders struct {
	server *Server
	done   sync.WaitGroup

	mu     sync.Mutex // of the queue: a channel would have a bound, and the loop must not wait
	more   *sync.Cond
	queue  []readJob
	closed bool
}

const readWorkers = 2

func newRowReaders(s *Server) *rowReaders {
	r := &rowReaders{server: s}
	r.more = sync.NewCond(&r.mu)
	for range readWorkers {
		r.done.Go(r.run)
	}
	return r
}

func (r *rowReaders) put(job readJob) {
	r.mu.Lock()
	r.queue = append(r.queue, job)
	r.mu.Unlock()
	r.more.Signal()
}

func (r *rowReaders) next() (readJob, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for len(r.queue) == 0 && !r.closed {
		r.more.Wait()
	}
	if r.closed {
		return readJob{}, false
	}
	job := r.queue[0]
	r.queue = r.queue[1:]
	return job, true
}

func (r *rowReaders) run() {
	for {
		job, ok := r.next()
		if !ok {
			return
		}
		in, err := r.read(job)
		if err != nil {
			r.server.fail("read rows", err)
			return
		}
		r.server.post(happening{input: in})
	}
}

func (r *rowReaders) read(job readJob) (replica.Input, error) {
	if job.export {
		snapshot, err := r.server.store.Export()
		return replica.Exported{ID: job.id, Snapshot: snapshot}, err
	}
	rows, err := r.server.store.Rows(job.ranges)
	return replica.Fetched{ID: job.id, Rows: rows}, err
}

// close drops what is queued: nobody waits for it any more.
func (r *rowReaders) close() {
	r.mu.Lock()
	r.closed = true
	r.mu.Unlock()
	r.more.Broadcast()
	r.done.Wait()
}

// durations keeps the last thousand or so, for a percentile.
type durations struct {
	ring [1024]time.Duration
	n    int
}

func (d *durations) add(t time.Duration) {
	d.ring[d.n%len(d.ring)] = t
	d.n++
}

func (d *durations) p99() time.Duration {
	n := min(d.n, len(d.ring))
	if n == 0 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(d.ring[:n]))
	return sorted[n*99/100]
}
