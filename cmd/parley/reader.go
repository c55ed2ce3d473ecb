package main

import (
	"context"
	"fmt"

	"parley/core/chat"
	"parley/core/replica"
	"parley/realnet"
)

// reader is the one process of a profile that reads its feed: what comes is stored, then
// acknowledged, then shown.
type reader struct {
	seat   *seat
	lock   *realnet.FileLock
	inbox  *inbox
	feed   feed
	pushes chan pushed
}

// pushed is what the feed gave: an event, or why there will be no more.
type pushed struct {
	push replica.Push
	err  error
}

// batchSize is how many events are stored at once, when so many have come.
const batchSize = 256

// openReader takes the profile's feed for this process.
func (s *seat) openReader() (*reader, error) {
	lock, err := realnet.OpenFileLock(s.profile.places.lock(s.profile.name, "feed"))
	if err != nil {
		return nil, err
	}
	mine, err := lock.TryLock()
	if err != nil || !mine {
		lock.Close()
		if err == nil {
			err = &problem{exit: exitNotApplied, class: "not applied",
				text: fmt.Sprintf("another parley is reading the messages of profile %q", s.profile.name),
				hint: "close it, or use another --profile"}
		}
		return nil, err
	}
	in, err := openInbox(s.profile.path("inbox"))
	if err != nil {
		lock.Close()
		return nil, err
	}
	return &reader{seat: s, lock: lock, inbox: in}, nil
}

func (r *reader) close() {
	r.detach()
	r.inbox.close()
	r.lock.Close()
}

// attach begins to read the feed, where the inbox ends. It reads until ctx ends, or detach.
func (r *reader) attach(ctx context.Context) error {
	f, from, err := r.open(ctx)
	if err != nil {
		return err
	}
	return r.begin(ctx, f, from)
}

// open asks for the feed.
func (r *reader) open(ctx context.Context) (feed, realnet.WatchFrom, error) {
	from := realnet.WatchFrom{Cursor: true}
	if d := r.seat.profile.device; r.inbox.uid == uint64(d.UID) {
		from = realnet.WatchFrom{After: max(r.inbox.cursor, d.Cursor)}
	}
	f, err := r.seat.link.Watch(ctx, from)
	return f, from, err
}

// begin takes the feed that was granted.
func (r *reader) begin(ctx context.Context, f feed, from realnet.WatchFrom) error {
	after := from.After
	if from.Cursor {
		after = f.Attached().After
	}
	if err := r.inbox.begin(uint64(r.seat.profile.device.UID), after); err != nil {
		f.Close()
		return err
	}
	r.feed, r.pushes = f, make(chan pushed, batchSize)
	go pump(ctx, f, r.pushes)
	return nil
}

// pump moves events from the feed to a channel until the feed ends, and says why.
func pump(ctx context.Context, f feed, pushes chan<- pushed) {
	for {
		p, err := f.Next(ctx)
		select {
		case pushes <- pushed{p, err}:
		case <-ctx.Done():
			return
		}
		if err != nil {
			return
		}
	}
}

func (r *reader) detach() {
	if r.feed != nil {
		r.feed.Close()
		r.feed, r.pushes = nil, nil
	}
}

// next waits for events, and returns them when they are stored and acknowledged. Not all of them
// need be shown: undeliverable to oneself is none, and the inbox drops what it has.
func (r *reader) next(ctx context.Context) ([]event, error) {
	select {
	case p := <-r.pushes:
		return r.take(ctx, p)
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// take is next, with the first event in hand.
func (r *reader) take(ctx context.Context, first pushed) ([]event, error) {
	var events []event
	var ack chat.Event
	marks := map[chat.ConversationID]uint64{}
	for p := first; ; {
		if p.err != nil {
			if len(events) == 0 {
				return nil, p.err
			}
			r.pushes <- p // for the next time; there is room, since we took something out
			break
		}
		more, err := r.convert(ctx, &p.push)
		if err != nil {
			return nil, err
		}
		events = append(events, more...)
		ack = p.push.Event
		if ack.Kind != chat.UndeliverableEvent {
			marks[ack.Conversation] = max(marks[ack.Conversation], ack.To)
		}
		if len(events) >= batchSize || len(r.pushes) == 0 {
			break
		}
		p = <-r.pushes
	}
	if err := r.inbox.store(events); err != nil {
		return nil, err
	}
	r.feed.Ack(ack.N, listMarks(marks)...)
	return events, nil
}

func listMarks(marks map[chat.ConversationID]uint64) []chat.Mark {
	list := make([]chat.Mark, 0, len(marks))
	for c, seq := range marks {
		list = append(list, chat.Mark{Conversation: c, Seq: seq})
	}
	return list
}

// convert makes events for people out of one of the feed's: one, or as many as a catch-up names.
func (r *reader) convert(ctx context.Context, p *replica.Push) ([]event, error) {
	me := r.seat.profile.device.UID
	switch {
	case p.Event.Kind == chat.MessageEvent && p.Message != nil:
		e := messageEvent(me, p.Members, p.Names, p.Pos, p.Message)
		e.N, e.Recreated = p.Event.N, p.Recreated
		return []event{e}, nil
	case p.Event.Kind == chat.CatchUpEvent:
		return r.catchUp(ctx, p)
	}
	return []event{{
		N: p.Event.N, Epoch: p.Pos.Epoch, Pos: p.Event.Index, Kind: kindUndeliverable, Me: uint64(me),
		Members: [2]uint64{uint64(p.Members[0]), uint64(p.Members[1])}, Names: p.Names,
		Seq: p.Event.From, To: p.Event.To,
	}}, nil
}

// catchUp fetches the messages that were deferred while the queue was full.
func (r *reader) catchUp(ctx context.Context, p *replica.Push) ([]event, error) {
	var events []event
	for after := p.Event.From - 1; after < p.Event.To; {
		q := replica.History{Members: p.Members, After: after, Limit: min(int(p.Event.To-after), 100)}
		reply, err := r.seat.ask(ctx, q)
		if err != nil {
			return nil, err
		}
		if reply.Thread == nil || len(reply.Thread.Messages) == 0 {
			return nil, &problem{exit: exitBug, text: fmt.Sprintf("event %d names messages %d to %d, which are not there",
				p.Event.N, p.Event.From, p.Event.To)}
		}
		for i := range reply.Thread.Messages {
			m := &reply.Thread.Messages[i]
			e := messageEvent(r.seat.profile.device.UID, p.Members, p.Names, p.Pos, m)
			e.N, after = p.Event.N, m.Seq
			e.More = after < p.Event.To
			events = append(events, e)
		}
	}
	return events, nil
}
