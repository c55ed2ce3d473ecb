package main

import "sync"

// mailbox takes what others want done on the goroutine that owns line mode, in order. Posting never
// waits: the client's own goroutine posts too.
type mailbox struct {
	mu   sync.Mutex
	list []func()
	bell chan struct{}
}

func newMailbox() *mailbox { return &mailbox{bell: make(chan struct{}, 1)} }

func (m *mailbox) post(f func()) {
	m.mu.Lock()
	m.list = append(m.list, f)
	m.mu.Unlock()
	select {
	case m.bell <- struct{}{}:
	default:
	}
}

// take empties the mailbox. It is worth calling when the bell has rung.
func (m *mailbox) take() []func() {
	m.mu.Lock()
	defer m.mu.Unlock()
	list := m.list
	m.list = nil
	return list
}
