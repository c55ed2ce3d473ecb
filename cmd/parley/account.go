package main

import (
	"context"
	"encoding/hex"
	"fmt"

	"github.com/spf13/cobra"
	"parley/core/chat"
	"parley/core/replica"
)

func signupCommand(a *app) *cobra.Command {
	pw := &passwords{app: a}
	c := contact{signup: true}
	cmd := &cobra.Command{
		Use: "signup NAME", Short: "Make an account, and log in", Args: args(cobra.ExactArgs(1)),
		RunE: func(cmd *cobra.Command, list []string) error {
			c.name = list[0]
			return a.enter(cmd.Context(), c, pw)
		},
	}
	pw.flags(cmd.Flags())
	cmd.Flags().StringVar(&c.label, "label", "", "what other devices are told of this one: `TEXT` (default: the host's name)")
	return cmd
}

func loginCommand(a *app) *cobra.Command {
	pw := &passwords{app: a}
	var c contact
	cmd := &cobra.Command{
		Use: "login NAME", Short: "Log in", Args: args(cobra.ExactArgs(1)),
		RunE: func(cmd *cobra.Command, list []string) error {
			c.name = list[0]
			return a.enter(cmd.Context(), c, pw)
		},
	}
	pw.flags(cmd.Flags())
	cmd.Flags().StringVar(&c.label, "label", "", "what other devices are told of this one: `TEXT` (default: the host's name)")
	cmd.Flags().BoolVar(&c.takeover, "takeover", false, "end the login elsewhere")
	return cmd
}

// enter is signup and login.
func (a *app) enter(ctx context.Context, c contact, pw *passwords) error {
	if !goodName(c.name) {
		return refusal(0, "E_BAD_NAME", details{name: c.name}).local()
	}
	s, err := a.sit()
	if err != nil {
		return err
	}
	defer s.close()
	if d := s.profile.device; d.known() && !d.Over && (c.signup || !sameName(d.Account, c.name)) {
		_, _, err := s.unfinished(ctx, c)
		return err
	}
	if c.password, err = pw.ifNeeded(ctx, s, "Password: ", c.signup); err != nil {
		return err
	}
	reply, err := s.enter(ctx, c)
	if err != nil {
		return err
	}
	state, text := "logged in", "Login successful!"
	if c.signup {
		state, text = "signed up", "Signup successful!"
	}
	return a.show(s.account(state, reply.Result.Queued), text)
}

// account is the profile's account as JSON.
func (s *seat) account(state string, queued uint64) jsonAccount {
	d := s.profile.device
	return jsonAccount{V: 1, T: "account", Name: d.Account, UID: uint64(d.UID), State: state, Label: d.Label,
		Device: hex.EncodeToString(d.ID[:]), Queued: queued}
}

func logoutCommand(a *app) *cobra.Command {
	return &cobra.Command{
		Use: "logout", Short: "Close this device", Args: args(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			s, err := a.sitLoggedIn(nil)
			if err != nil {
				return err
			}
			defer s.close()
			was := s.account("logged out", 0)
			if err := s.logout(cmd.Context()); err != nil {
				return err
			}
			return a.show(was, "Logout successful!")
		},
	}
}

func whoamiCommand(a *app) *cobra.Command {
	return &cobra.Command{
		Use: "whoami", Short: "Who this device is logged in as", Args: args(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			s, err := a.sitLoggedIn(nil)
			if err != nil {
				return err
			}
			defer s.close()
			reply, err := s.ask(cmd.Context(), replica.Whoami{})
			if err != nil {
				return err
			}
			me := reply.Identity
			out := s.account("", me.Queued)
			out.Name, out.UID, out.Label = me.Name, uint64(me.UID), me.Label
			return a.show(out, fmt.Sprintf("%s on %q, %d not received yet", safe(me.Name), safe(me.Label), me.Queued))
		},
	}
}

func passwdCommand(a *app) *cobra.Command {
	pw := &passwords{app: a}
	var closeOthers bool
	cmd := &cobra.Command{
		Use: "passwd", Short: "Change the password", Args: args(cobra.NoArgs),
		Long: `Change the password. --password-stdin and --password-file take two lines: the present password,
then the new one.`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			s, err := a.sitLoggedIn(nil)
			if err != nil {
				return err
			}
			defer s.close()
			return s.passwd(cmd.Context(), pw, closeOthers)
		},
	}
	pw.flags(cmd.Flags())
	cmd.Flags().BoolVar(&closeOthers, "close-others", false, "log out the account's other devices")
	return cmd
}

func (s *seat) passwd(ctx context.Context, pw *passwords, closeOthers bool) error {
	policy, err := s.policy(ctx)
	if err != nil {
		return err
	}
	if policy.OpenAuth {
		return &problem{exit: exitRefused, text: "this cluster has no passwords"}
	}
	present, err := pw.next(ctx, "Present password: ", false)
	if err != nil {
		return err
	}
	next, err := pw.next(ctx, "New password: ", true)
	if err != nil {
		return err
	}
	if _, err := s.decide(ctx, chat.Passwd{CloseOthers: closeOthers}, details{}, present, next); err != nil {
		return err
	}
	return s.show(s.account("password changed", 0), "Password changed.")
}

func deleteCommand(a *app) *cobra.Command {
	pw := &passwords{app: a}
	var yes bool
	cmd := &cobra.Command{
		Use: "delete-account", Short: "Delete the account, for good", Args: args(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			s, err := a.sitLoggedIn(nil)
			if err != nil {
				return err
			}
			defer s.close()
			return s.deleteCommand(cmd.Context(), pw, yes)
		},
	}
	pw.flags(cmd.Flags())
	cmd.Flags().BoolVar(&yes, "yes", false, "do not ask")
	return cmd
}

func (s *seat) deleteCommand(ctx context.Context, pw *passwords, yes bool) error {
	if !yes {
		if err := s.confirmDelete(); err != nil {
			return err
		}
	}
	password, err := pw.ifNeeded(ctx, s, "Password: ", false)
	if err != nil {
		return err
	}
	was := s.account("deleted", 0)
	_, gone, err := s.deleteAccount(ctx, password)
	if err != nil {
		return err
	}
	if gone {
		return s.show(was, noUser)
	}
	return s.show(was, accountDeleted)
}

func (s *seat) confirmDelete() error {
	if !s.typedAt() {
		return &problem{exit: exitUsage, text: "nobody is there to confirm it", hint: "parley delete-account --yes"}
	}
	fmt.Fprint(s.stderr, askDelete)
	if answer, _ := s.line(); answer != "y" {
		return &problem{exit: exitNo, text: "account deletion cancelled"}
	}
	return nil
}
