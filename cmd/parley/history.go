package main

import (
	"context"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"parley/core/replica"
)

func historyCommand(a *app) *cobra.Command {
	var before uint64
	var limit int
	cmd := &cobra.Command{
		Use: "history CONV", Short: "Print the last messages of a conversation", Args: args(cobra.ExactArgs(1)),
		RunE: func(cmd *cobra.Command, list []string) error {
			s, err := a.sitLoggedIn(nil)
			if err != nil {
				return err
			}
			defer s.close()
			q := replica.History{With: strings.TrimPrefix(list[0], "@"), Before: before, Latest: before == 0}
			return s.history(cmd.Context(), q, limit)
		},
	}
	cmd.Flags().Uint64Var(&before, "before", 0, "the messages before number `SEQ`")
	cmd.Flags().IntVar(&limit, "limit", 50, "at most `N` messages (0: all)")
	return cmd
}

// historyPage is how many messages are asked for at once; the cluster may give fewer.
const historyPage = 100

// history prints what q asks for, page by page; limit 0 is all.
func (s *seat) history(ctx context.Context, q replica.History, limit int) error {
	list, err := s.messages(ctx, q, limit)
	if err != nil {
		return err
	}
	p := s.painter()
	for i := range list {
		e := &list[i]
		if err := s.show(e.shape(), p.historyLine(e)); err != nil {
			return err
		}
	}
	return nil
}

func (p painter) historyLine(e *event) string {
	return fmt.Sprintf("%4d  %s  %s", e.Seq, clock(e.Date), p.line(e))
}

// messages collects pages, in the direction of q, and returns them in order.
func (s *seat) messages(ctx context.Context, q replica.History, limit int) ([]event, error) {
	var list []event
	for limit == 0 || len(list) < limit {
		q.Limit = historyPage
		if limit > 0 {
			q.Limit = min(historyPage, limit-len(list))
		}
		reply, err := s.ask(ctx, q)
		if err != nil {
			return nil, err
		}
		page := s.page(reply)
		if q.Before != 0 || q.Latest {
			list = append(page, list...)
		} else {
			list = append(list, page...)
		}
		if len(page) == 0 || !turn(&q, page) {
			break
		}
	}
	return list, nil
}

// turn makes q ask for the page after this one, if there can be one.
func turn(q *replica.History, page []event) bool {
	if q.Before != 0 || q.Latest {
		q.Before, q.Latest = page[0].Seq, false
		return q.Before > 1
	}
	q.After = page[len(page)-1].Seq
	return true
}

func (s *seat) page(reply replica.Reply) []event {
	t := reply.Thread
	if t == nil {
		return nil
	}
	list := make([]event, len(t.Messages))
	for i := range t.Messages {
		list[i] = messageEvent(s.profile.device.UID, t.Members, t.Names, reply.Pos, &t.Messages[i])
	}
	return list
}
