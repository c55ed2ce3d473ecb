package main

import (
	"context"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"parley/realnet"
)

func watchCommand(a *app) *cobra.Command {
	from := "cursor"
	cmd := &cobra.Command{
		Use: "watch [CONV…]", Short: "Print what comes, as it comes, as JSON", Args: args(cobra.ArbitraryArgs),
		Long: `Print messages as they come, one JSON object per line, until stopped. It begins with what was not
printed before, goes on through failures of servers, and continues where it was stopped. With
conversations (alice or @alice), those only; the others stay unread. With --from now, what came
before stays unread.`,
		RunE: func(cmd *cobra.Command, list []string) error {
			if from != "cursor" && from != "now" {
				return usage("--from %s: cursor or now", from)
			}
			a.settings.json = true
			s, err := a.sitLoggedIn(func(n realnet.Note) {
				if shape := shapeOf(n); shape != nil {
					printJSON(a.stdout, shape)
				}
			})
			if err != nil {
				return err
			}
			defer s.close()
			return s.watch(cmd.Context(), list, from == "now")
		},
	}
	cmd.Flags().StringVar(&from, "from", from, "where to begin: cursor or now")
	return cmd
}

func (s *seat) watch(ctx context.Context, with []string, now bool) error {
	r, err := s.openReader()
	if err != nil {
		return err
	}
	defer r.close()
	var skip uint64
	if now {
		if skip, err = s.end(ctx); err != nil {
			return err
		}
	}
	if err := r.attach(ctx); err != nil {
		return err
	}
	wanted := func(e *event) bool {
		return e.N > skip && (len(with) == 0 || slices.ContainsFunc(with, func(name string) bool {
			return sameName(strings.TrimPrefix(name, "@"), e.peer())
		}))
	}
	for list := slices.Clone(r.inbox.unread); ; {
		if err := r.watched(list, wanted); err != nil {
			return err
		}
		if list, err = r.next(ctx); err != nil {
			return err
		}
	}
}

// watched prints those events that are wanted, and says that they have been shown.
func (r *reader) watched(list []event, wanted func(*event) bool) error {
	for i := range list {
		e := &list[i]
		if !wanted(e) {
			continue
		}
		if err := r.seat.showEvent(e); err != nil {
			return err
		}
		if err := r.inbox.shown(*e); err != nil {
			return err
		}
	}
	return nil
}
