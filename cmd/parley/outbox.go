package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"parley/core/chat"
	"parley/core/replica"
	"parley/realnet"
)

func outboxCommand(a *app) *cobra.Command {
	pw := &passwords{app: a}
	cmd := &cobra.Command{
		Use: "outbox", Short: "Commands whose outcome is not known", Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return a.withOutbox(true, func(s *seat) error {
				for _, line := range s.link.Pending() {
					if err := s.show(pendingShape(line, "pending"), pendingLine(line)); err != nil {
						return err
					}
				}
				return nil
			})
		},
	}
	retry := &cobra.Command{
		Use: "retry", Short: "Ask again until they are settled", Args: args(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return a.withOutbox(false, func(s *seat) error { return s.retryAll(cmd.Context(), pw) })
		},
	}
	pw.flags(retry.Flags())
	void := &cobra.Command{
		Use: "void", Short: "Give them up: learn what became of each, or make sure that it never happens",
		Args: args(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return a.withOutbox(true, func(s *seat) error { return s.voidAll(cmd.Context()) })
		},
	}
	cmd.AddCommand(retry, void)
	return cmd
}

// withOutbox opens the profile's outbox, if it has one. hold: nothing in it is sent by itself.
func (a *app) withOutbox(hold bool, do func(*seat) error) error {
	s, err := a.sit()
	if err != nil || s.profile.device == nil {
		return err
	}
	s.hold = hold
	if err := s.connect(); err != nil {
		return err
	}
	defer s.close()
	return do(s)
}

func pendingShape(line realnet.PendingLine, state string) jsonReceipt {
	r := jsonReceipt{V: 1, T: "receipt", State: state, Num: line.DSeq, What: describe(line.Command)}
	if send, ok := line.Command.(chat.Send); ok {
		r.What, r.Conv, r.Body = "send", "@"+send.To, send.Body
	}
	return r
}

func pendingLine(line realnet.PendingLine) string {
	text := fmt.Sprintf("%4d  %s", line.DSeq, safe(describe(line.Command)))
	if send, ok := line.Command.(chat.Send); ok {
		text += "  " + safe(send.Body)
	}
	if line.Secret {
		text += "  (waits for its password)"
	}
	return text
}

// retryAll asks again for each, under its own number.
func (s *seat) retryAll(ctx context.Context, pw *passwords) error {
	var failed error
	for _, line := range s.link.Pending() {
		var passwords []string
		if line.Secret {
			list, err := s.secretsFor(ctx, line, pw)
			if err != nil {
				return err
			}
			passwords = list
		}
		reply, err := s.await(ctx, realnet.Request{Retry: line.DSeq}, detailsOf(line.Command), passwords)
		if err := s.settled(line, reply, err); err != nil {
			failed = errors.Join(failed, err)
		}
	}
	return failed
}

func (s *seat) secretsFor(ctx context.Context, line realnet.PendingLine, pw *passwords) ([]string, error) {
	present, err := pw.ifNeeded(ctx, s, fmt.Sprintf("Password (%s): ", describe(line.Command)), false)
	if _, ok := line.Command.(chat.Passwd); !ok || err != nil {
		return []string{present}, err
	}
	next, err := pw.next(ctx, "New password: ", true)
	return []string{present, next}, err
}

func detailsOf(cmd chat.Command) details {
	switch c := cmd.(type) {
	case chat.Send:
		return details{name: c.To}
	case chat.Signup:
		return details{name: c.Name}
	case chat.Login:
		return details{name: c.Name}
	}
	return details{}
}

// settled does what a late answer asks for, and tells it.
func (s *seat) settled(line realnet.PendingLine, reply replica.Reply, err error) error {
	if err != nil {
		s.note("%d %s: %s", line.DSeq, safe(describe(line.Command)), safe(asProblem(err).text))
		return err
	}
	switch c := line.Command.(type) {
	case chat.Send:
		return s.sent(sending{to: c.To}, c.Body, reply)
	case chat.Signup:
		_, err := s.entered(contact{signup: true, name: c.Name}, reply, nil)
		return errors.Join(err, s.show(s.account("signed up", 0), signupDone))
	case chat.Login:
		_, err := s.entered(contact{name: c.Name}, reply, nil)
		return errors.Join(err, s.show(s.account("logged in", reply.Result.Queued), loginDone))
	case chat.Logout:
		return errors.Join(s.show(s.account("logged out", 0), logoutDone), s.profile.forget())
	case chat.DeleteAccount:
		return errors.Join(s.show(s.account("deleted", 0), accountDeleted), s.profile.forget())
	}
	return s.show(pendingShape(line, "settled"), fmt.Sprintf("%4d  %s  done", line.DSeq, safe(describe(line.Command))))
}

// voidAll settles each number without repeating its command. What a closed device left can never
// apply, so the device may be forgotten with it.
func (s *seat) voidAll(ctx context.Context) error {
	for _, line := range s.link.Pending() {
		reply, err := s.link.Void(ctx, line.DSeq)
		var none *realnet.NotAppliedError
		var p *problem
		if errors.As(err, &none) && none.Code == "E_NO_SESSION" {
			s.note("this device is closed: what it left never happens")
			return s.leave()
		}
		err = judge(realnet.Outcome{Reply: reply, Err: err}, details{})
		switch {
		case err == nil, errors.As(err, &p) && p.code == "E_VOIDED":
			err = s.show(pendingShape(line, "voided"), fmt.Sprintf("%4d  %s  never happened", line.DSeq, safe(describe(line.Command))))
		case errors.As(err, &p) && p.code == "E_SEQ_REUSED":
			reply = reply.Decided()
			err = s.settled(line, reply, judge(realnet.Outcome{Reply: reply}, detailsOf(line.Command)))
		}
		if err != nil {
			return err
		}
	}
	return nil
}
