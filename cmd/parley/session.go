package main

import (
	"context"
	"errors"
	"math"
	"time"

	"parley/core/chat"
	"parley/realnet"
)

// How line mode comes to have a session, and how it ends.

// takeUp goes on with the device that is there.
func (m *lineMode) takeUp() error {
	if err := m.connect(); err != nil {
		return err
	}
	m.learnNames()
	m.step(resumed{m.profile.device.Account})
	m.takeUpLetters()
	m.attach()
	return nil
}

// takeUpLetters shows what an earlier life sent and has no answer to; it is sent again by itself.
func (m *lineMode) takeUpLetters() {
	for _, line := range m.link.Pending() {
		c, ok := line.Command.(chat.Send)
		switch {
		case ok && !line.Void:
			l := m.dialogue.sent.begin(c.To, c.Body)
			m.post(l, realnet.Request{Retry: line.DSeq})
		case line.Secret:
			m.console.note(describe(line.Command) + " has no answer, and waits for its password: parley outbox retry")
		}
	}
}

// enterAs signs up or logs in, and then listens.
func (m *lineMode) enterAs(c contact) {
	m.news = nil
	go func() {
		_, err := m.seat.enter(m.ctx, c)
		m.mail.post(func() {
			m.step(enterDone{c.name, err})
			if err == nil {
				m.learnNames()
				m.link.Resume()
				m.takeUpLetters()
				m.attach()
			}
		})
	}()
}

// attach begins to read the feed, as soon as a server grants it. In a pipe the next line is not read
// before what is queued has come, for as long as an answer may take.
func (m *lineMode) attach() {
	ctx, cancel := context.WithCancel(m.ctx)
	m.stopFeed = cancel
	_, terminal := m.console.(*terminalConsole)
	if !terminal {
		m.waitFor = math.MaxUint64
		time.AfterFunc(m.settings.timeout, func() { m.mail.post(func() { m.waitFor = 0 }) })
	}
	go func() {
		end := uint64(0)
		if !terminal {
			end, _ = m.seat.end(ctx)
		}
		f, from, err := m.reader.open(ctx)
		m.mail.post(func() {
			if err == nil && ctx.Err() == nil {
				err = m.reader.begin(ctx, f, from)
			}
			m.waitFor = end
			m.attached(ctx, err)
		})
	}()
}

func (m *lineMode) attached(ctx context.Context, err error) {
	if ctx.Err() != nil {
		return // detached meanwhile
	}
	if err == nil {
		err = m.show(m.reader.inbox.unread)
	}
	m.feedFailed(err)
}

// show prints events, and notes that they have been.
func (m *lineMode) show(events []event) error {
	events = append([]event(nil), events...)
	for _, e := range events {
		m.step(came{e})
		if m.ending {
			return m.result
		}
	}
	return m.reader.inbox.shown(events...)
}

func (m *lineMode) pushes() <-chan pushed {
	if m.reader == nil {
		return nil
	}
	return m.reader.pushes
}

func (m *lineMode) received(p pushed) {
	events, err := m.reader.take(m.ctx, p)
	if err == nil {
		err = m.show(events)
	}
	m.feedFailed(err)
}

// feedFailed tells an end of the session from a failure of ours.
func (m *lineMode) feedFailed(err error) {
	var ended *realnet.FeedEndedError
	switch {
	case err == nil || m.ending:
		return
	case errors.As(err, &ended):
		m.detach()
		err = m.sessionOver(ended)
	}
	if err != nil {
		m.stop(err)
	}
}

func (m *lineMode) detach() {
	if m.stopFeed != nil {
		m.stopFeed()
		m.stopFeed = nil
	}
	m.reader.detach()
}

// leaving does what ends the session: nothing that comes from here on is shown, or acknowledged. If
// the session does not end after all, it is listened to again.
func (m *lineMode) leaving(do func(context.Context) input) {
	m.detach()
	m.later(func(ctx context.Context) input {
		in := do(ctx)
		if m.profile.device != nil {
			m.mail.post(func() { m.attach() })
		}
		return in
	})
}
