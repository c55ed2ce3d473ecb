package main

import (
	"context"
	"strings"

	"github.com/spf13/cobra"

	"parley/core/replica"
)

// reading is what the flags of read say.
type reading struct {
	with  string
	since uint64
	limit int
	peek  bool
}

func readCommand(a *app) *cobra.Command {
	var o reading
	var unread bool
	cmd := &cobra.Command{
		Use: "read [CONV]", Short: "Print what has come and was not printed before", Args: args(cobra.MaximumNArgs(1)),
		Long: `Print the messages that have come and were not printed before: all, or those of one conversation
(alice or @alice). With --since, those of the conversation after that number, printed before or not.`,
		RunE: func(cmd *cobra.Command, list []string) error {
			if len(list) > 0 {
				o.with = strings.TrimPrefix(list[0], "@")
			}
			since := cmd.Flags().Changed("since")
			if since && (o.with == "" || unread) {
				return usage("--since needs a conversation, and goes without --unread")
			}
			s, err := a.sitLoggedIn(nil)
			if err != nil {
				return err
			}
			defer s.close()
			if since {
				return s.history(cmd.Context(), replica.History{With: o.with, After: o.since}, o.limit)
			}
			return s.read(cmd.Context(), o)
		},
	}
	cmd.Flags().BoolVar(&unread, "unread", false, "what was not printed before (the default)")
	cmd.Flags().Uint64Var(&o.since, "since", 0, "messages after number `SEQ`")
	cmd.Flags().IntVar(&o.limit, "limit", 0, "at most `N` messages (0: all)")
	cmd.Flags().BoolVar(&o.peek, "peek", false, "leave them unread")
	return cmd
}

// read brings the inbox up to the end that the feed has now, and shows what is unread.
func (s *seat) read(ctx context.Context, o reading) error {
	r, err := s.openReader()
	if err != nil {
		return err
	}
	defer r.close()
	if err := r.catchUpTo(ctx, 0); err != nil {
		return err
	}
	list := r.unread(o)
	for i := range list {
		if e := &list[i]; !e.mine() {
			if err := s.showEvent(e); err != nil {
				return err
			}
		}
	}
	if o.peek {
		return nil
	}
	return r.inbox.shown(list...)
}

// unread gives what o asks for, with one's own messages in between: they need not be shown, but
// count as such.
func (r *reader) unread(o reading) []event {
	var list []event
	n := 0
	for _, e := range r.inbox.unread {
		if o.with != "" && !sameName(e.peer(), o.with) {
			continue
		}
		if !e.mine() {
			n++
		}
		if o.limit > 0 && n > o.limit {
			break
		}
		list = append(list, e)
	}
	return list
}

// end asks where the feed ends now.
func (s *seat) end(ctx context.Context) (uint64, error) {
	reply, err := s.ask(ctx, replica.Whoami{})
	if err != nil {
		return 0, err
	}
	return reply.Identity.Cursor + reply.Identity.Queued, nil
}

// catchUpTo attaches and receives all events up to number end, by default the last there is now.
func (r *reader) catchUpTo(ctx context.Context, end uint64) (err error) {
	ctx, cancel := context.WithTimeout(ctx, r.seat.settings.timeout)
	defer cancel()
	if end == 0 {
		if end, err = r.seat.end(ctx); err != nil {
			return err
		}
	}
	if r.feed == nil {
		if err := r.attach(ctx); err != nil {
			return err
		}
	}
	for r.inbox.cursor < end {
		if _, err := r.next(ctx); err != nil {
			return err
		}
	}
	return nil
}

// showEvent prints an event: data on stdout, what is to be known about it on stderr.
func (s *seat) showEvent(e *event) error {
	p := s.painter()
	if news := p.news(e); news != "" && !s.settings.json {
		s.note("%s", news)
	}
	return s.show(e.shape(), p.line(e))
}
