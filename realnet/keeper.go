package realnet

import (
	"slices"
	"sync"
	"time"

	"parley/core/replica"
)

// storeKeeper is the one goroutine that writes to the store.
type storeKeeper struct {
	server *Server
	saves  chan replica.Save // cap 1, and never more than one is out
	done   sync.WaitGroup
}

func newStoreKeeper(s *Server) *storeKeeper {
	k := &storeKeeper{server: s, saves: make(chan replica.Save, 1)}
	k.done.Go(k.run)
	return k
}

func (k *storeKeeper) run() {
	for save := range k.saves {
		begin := time.Now()
		watchdog := time.AfterFunc(replica.SaveLimit, func() { k.server.stop(replica.SaveOverdue(&save)) })
		saved, err := k.server.store.Save(save)
		watchdog.Stop()
		in, stop := replica.SaveAnswer(&save, saved, err)
		if stop != nil {
			k.server.stop(stop)
			return // nothing is saved after a failure
		}
		k.server.post(happening{input: in, took: time.Since(begin)})
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

func (s *Server) stop(why *replica.Stop) { s.fail(why.Doing, why.Err) }

// readJob is a Fetch, or else an Export.
type readJob struct {
	fetch  *replica.Fetch
	export uint64 // id
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
		in, stop := r.read(job)
		if stop != nil {
			r.server.stop(stop)
			return
		}
		r.server.post(happening{input: in})
	}
}

func (r *rowReaders) read(job readJob) (replica.Input, *replica.Stop) {
	if job.fetch == nil {
		snapshot, err := r.server.store.Export()
		return replica.ExportAnswer(job.export, snapshot, err)
	}
	rows, err := r.server.store.Rows(job.fetch.Ranges)
	return replica.FetchAnswer(job.fetch, rows, err)
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
