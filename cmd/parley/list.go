package main

import (
	"context"

	"github.com/spf13/cobra"

	"parley/core/replica"
)

func listCommand(a *app) *cobra.Command {
	var q replica.List
	var limit int
	cmd := &cobra.Command{
		Use: "list [PREFIX]", Short: "Print the names that begin with PREFIX", Args: args(cobra.MaximumNArgs(1)),
		Long: `Print the names that begin with PREFIX, or all. It is a prefix and nothing else: *, ? and [ stand
for themselves, so no name matches.`,
		RunE: func(cmd *cobra.Command, list []string) error {
			if len(list) > 0 {
				q.Prefix = list[0]
			}
			s, err := a.sitLoggedIn(nil)
			if err != nil {
				return err
			}
			defer s.close()
			return s.names(cmd.Context(), q, limit, func(name string) error {
				return s.show(jsonAccount{V: 1, T: "account", Name: name}, safe(name))
			})
		},
	}
	cmd.Flags().StringVar(&q.After, "after", "", "the names after `NAME`")
	cmd.Flags().IntVar(&limit, "limit", 0, "at most `N` names (0: all)")
	return cmd
}

// namesPage is how many names are asked for at once.
const namesPage = 100

// names gives the names q asks for to show, page by page; limit 0 is all.
func (s *seat) names(ctx context.Context, q replica.List, limit int, show func(string) error) error {
	for shown := 0; limit == 0 || shown < limit; {
		q.Limit = namesPage
		if limit > 0 {
			q.Limit = min(namesPage, limit-shown)
		}
		reply, err := s.ask(ctx, q)
		if err != nil || reply.Page == nil {
			return err
		}
		for _, name := range reply.Page.Names {
			if err := show(name); err != nil {
				return err
			}
			q.After = name
			shown++
		}
		if !reply.Page.More || len(reply.Page.Names) == 0 {
			return nil
		}
	}
	return nil
}
