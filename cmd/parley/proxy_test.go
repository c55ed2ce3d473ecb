package main

import (
	"bytes"
	"net"
	"sync"
	"sync/atomic"
	"testing"
)

// proxy is the network between clients and one server, and cuts it where a test wants.
type proxy struct {
	listener net.Listener
	target   string

	mu     sync.Mutex
	conns  map[net.Conn]bool
	marker []byte // in what a client sends: the cut comes here
	before bool   // before it is forwarded, else after: then nothing comes back
	cut    chan struct{}
}

func newProxy(t *testing.T, target string) *proxy {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &proxy{listener: l, target: target, conns: map[net.Conn]bool{}}
	go p.accept()
	t.Cleanup(func() { l.Close(); p.heal() })
	return p
}

func (p *proxy) accept() {
	for l := p.listener; ; {
		client, err := l.Accept()
		if err != nil {
			return
		}
		server, err := net.Dial("tcp", p.target)
		if err != nil {
			client.Close()
			continue
		}
		p.mu.Lock()
		p.conns[client], p.conns[server] = true, true
		p.mu.Unlock()
		mute := new(atomic.Bool)
		go p.forward(server, client, func(b []byte) (bool, bool) { return p.fromClient(b, mute) })
		go p.forward(client, server, func([]byte) (bool, bool) { return !mute.Load(), false })
	}
}

// forward copies until pass says no or an end closes.
func (p *proxy) forward(to, from net.Conn, pass func([]byte) (forward, end bool)) {
	defer to.Close()
	defer from.Close()
	buf := make([]byte, 1<<16)
	for {
		n, err := from.Read(buf)
		if err != nil {
			return
		}
		forward, end := pass(buf[:n])
		if forward {
			if _, err := to.Write(buf[:n]); err != nil {
				return
			}
		}
		if end {
			return
		}
	}
}

func (p *proxy) fromClient(b []byte, mute *atomic.Bool) (forward, end bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.marker == nil || !bytes.Contains(b, p.marker) {
		return true, false
	}
	p.marker = nil
	mute.Store(true)
	close(p.cut)
	return !p.before, p.before
}

// cutAt arms the cut, once. The channel is closed when it has happened.
func (p *proxy) cutAt(marker string, before bool) <-chan struct{} {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.marker, p.before, p.cut = []byte(marker), before, make(chan struct{})
	return p.cut
}

// heal drops all connections and lets new ones through.
func (p *proxy) heal() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for c := range p.conns {
		c.Close()
	}
	clear(p.conns)
}

// reopen listens again, at the same address, after the listener was closed.
func (p *proxy) reopen(t *testing.T) {
	t.Helper()
	p.heal()
	l, err := net.Listen("tcp", p.listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	p.listener = l
	go p.accept()
	t.Cleanup(func() { l.Close() })
}
