package main

import (
	"sync"
	"time"
)

// pauses watches how long nothing is acknowledged, on any connection.
type pauses struct {
	mu      sync.Mutex
	last    time.Time // of the last acknowledgement
	longest time.Duration
	from    time.Time // only pauses that end after this count
}

func (p *pauses) acked(now time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if now.Before(p.last) { // another owner's was later
		return
	}
	if !p.last.IsZero() && now.After(p.from) {
		p.longest = max(p.longest, now.Sub(p.last))
	}
	p.last = now
}

// reset begins to watch anew.
func (p *pauses) reset(from time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.longest, p.from = 0, from
}

// read is the longest pause so far, the one that is still going on included.
func (p *pauses) read(now time.Time) time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.last.IsZero() {
		return p.longest
	}
	return max(p.longest, now.Sub(p.last))
}

// since is how long ago the last acknowledgement was.
func (p *pauses) since(now time.Time) time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	return now.Sub(p.last)
}
