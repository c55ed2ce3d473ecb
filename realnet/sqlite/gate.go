package sqlite

import (
	"sync"
	"time"
)

// gate counts the readers. A WAL that is being read cannot be emptied, and readers that overlap
// without end would make it grow without end. So the writer may ask for a quiet moment: then new
// readers wait until the ones inside are done and the writer has had its turn. The writer itself
// never waits.
type gate struct {
	mu     sync.Mutex
	inside int
	long   int           // of those inside: not worth waiting for
	over   chan struct{} // not nil: a quiet moment is wanted; closed when it is over
	asked  time.Time     // when it was asked for last
}

const (
	// patience is how long a reader waits since the writer last asked: when no Save comes any more,
	// nobody else would let it in.
	patience = 500 * time.Millisecond
	// latest is how long it waits in all.
	latest = time.Second
)

func (g *gate) enter(long bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	deadline := time.Now().Add(latest)
	for g.over != nil {
		wait := min(time.Until(g.asked.Add(patience)), time.Until(deadline))
		if wait <= 0 {
			break
		}
		over := g.over
		g.mu.Unlock()
		select {
		case <-over:
		case <-time.After(wait):
		}
		g.mu.Lock()
	}
	g.inside++
	if long {
		g.long++
	}
}

func (g *gate) leave(long bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.inside--
	if long {
		g.long--
	}
}

// quiet runs do while nobody is inside and says true, or says false. If want is set it then asks for
// a quiet moment, to be taken by a later call.
func (g *gate) quiet(want bool, do func()) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.inside == 0 {
		do()
	} else if want && g.long == 0 {
		if g.asked = time.Now(); g.over == nil {
			g.over = make(chan struct{})
		}
		return false
	}
	if g.over != nil {
		close(g.over)
		g.over = nil
	}
	return g.inside == 0
}
