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
	mu      sync.Mutex
	inside  int
	waiting chan struct{} // not nil: a quiet moment is wanted; closed when it is over
}

// patience is how long a reader waits at most: with no Save to come, nobody else would let it in.
const patience = 100 * time.Millisecond

func (g *gate) enter() {
	g.mu.Lock()
	defer g.mu.Unlock()
	if over := g.waiting; over != nil {
		g.mu.Unlock()
		select {
		case <-over:
		case <-time.After(patience):
		}
		g.mu.Lock()
	}
	g.inside++
}

func (g *gate) leave() {
	g.mu.Lock()
	g.inside--
	g.mu.Unlock()
}

// quiet runs do while nobody is inside and says true, or says false. If want is set and somebody is,
// it asks for a quiet moment, to be taken by a later call.
func (g *gate) quiet(want bool, do func()) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.inside > 0 {
		if want && g.waiting == nil {
			g.waiting = make(chan struct{})
		}
		return false
	}
	do()
	if g.waiting != nil {
		close(g.waiting)
		g.waiting = nil
	}
	return true
}
