package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"parley/core/chat"
	"parley/core/replica"
	"parley/core/session"
	"parley/realnet"
)

// seat is a profile at the cluster: who asks, and whom.
type seat struct {
	*app
	profile *profile
	link    cluster             // nil until connect
	outbox  *realnet.OutboxFile // of link
	// patience is how long a command may take to be decided; 0: as long as it needs.
	patience time.Duration
	hold     bool // send nothing of the outbox by itself
}

// sit opens the profile.
func (a *app) sit() (*seat, error) {
	p, err := openProfile(a.places, a.settings.profile)
	if err != nil {
		return nil, err
	}
	return &seat{app: a, profile: p, patience: a.settings.timeout}, nil
}

// sitLoggedIn opens the profile of somebody who is logged in, and connects. Commands of earlier
// lives go before those of this one; one that needs a password stands in the way of all. What is
// heard of the connection goes to news, if that is not nil.
func (a *app) sitLoggedIn(news func(realnet.Note)) (*seat, error) {
	s, err := a.sit()
	if err != nil {
		return nil, err
	}
	if !s.profile.device.known() {
		return nil, &problem{exit: exitRefused, text: "not logged in", hint: "parley login NAME, or parley signup NAME"}
	}
	if err := s.connect(); err != nil {
		return nil, err
	}
	for _, line := range s.link.Pending() {
		if line.Secret && !line.Void {
			s.close()
			return nil, &problem{exit: exitUnknown, class: "unknown",
				text: fmt.Sprintf("an earlier command (%s) is not settled, and waits for its password", describe(line.Command)),
				hint: "parley outbox retry asks for it, parley outbox void gives it up"}
		}
	}
	go s.hear(s.link.Events(), news)
	return s, nil
}

// hear keeps the receipts of what earlier lives sent and this one learns of.
func (s *seat) hear(events <-chan realnet.Note, news func(realnet.Note)) {
	for n := range events {
		if n.Kind == realnet.Settled && n.Reply != nil && n.Reply.Code == "" && n.Reply.Result.Seq != 0 {
			s.note("an earlier message was acknowledged: number %d of its conversation", n.Reply.Result.Seq)
			s.profile.keepReceipt(*n.Reply)
		}
		if news != nil {
			news(n)
		}
	}
}

// connect makes the client of the profile's device.
func (s *seat) connect() error {
	box, err := s.profile.openOutbox()
	if err != nil {
		return err
	}
	cfg := s.clientConfig()
	cfg.Device, cfg.Secret, cfg.Store = s.profile.device.ID, s.profile.device.Secret, box
	cfg.Hold = s.hold
	link, err := s.dial(cfg)
	if err != nil {
		box.Close()
		return err
	}
	s.link, s.outbox = link, box
	return nil
}

func (a *app) clientConfig() realnet.ClientConfig {
	cfg := realnet.ClientConfig{
		Servers: a.settings.servers, Timeout: a.settings.timeout, Insecure: a.settings.insecure,
		Agent: "parley " + version(),
	}
	if a.recorder != nil {
		cfg.Record = a.recorder.Observe
	}
	return cfg
}

func (s *seat) close() {
	if s.link != nil {
		s.link.Close()
		s.outbox.Close()
		s.link, s.outbox = nil, nil
	}
}

// policy asks the servers what a client should know before it asks a person.
func (s *seat) policy(ctx context.Context) (realnet.ServerPolicy, error) {
	if s.link == nil {
		return s.askPolicy(ctx)
	}
	return policyOf(ctx, s.link)
}

func (a *app) askPolicy(ctx context.Context) (realnet.ServerPolicy, error) {
	visitor, err := a.dial(a.clientConfig())
	if err != nil {
		return realnet.ServerPolicy{}, err
	}
	defer visitor.Close()
	return policyOf(ctx, visitor)
}

func policyOf(ctx context.Context, link cluster) (realnet.ServerPolicy, error) {
	for _, server := range link.Status(ctx) {
		if server.Err == nil {
			return server.Policy, nil
		}
	}
	return realnet.ServerPolicy{}, refusal(session.NotApplied, "E_UNAVAILABLE", details{})
}

// decide has the cluster decide a command. A refusal is a problem; d names what it may mention.
func (s *seat) decide(ctx context.Context, cmd chat.Command, d details, passwords ...string) (replica.Reply, error) {
	return s.await(ctx, realnet.Request{Command: cmd}, d, passwords)
}

func (s *seat) await(ctx context.Context, r realnet.Request, d details, passwords []string) (replica.Reply, error) {
	done := make(chan realnet.Outcome, 1)
	r.Timeout = s.patience
	r.Done = func(o realnet.Outcome) { done <- o }
	if len(passwords) > 0 {
		r.Password = passwords[0]
	}
	if len(passwords) > 1 {
		r.NewPassword = passwords[1]
	}
	s.link.Start(r)
	select {
	case o := <-done:
		return o.Reply, judge(o, d)
	case <-ctx.Done():
		return replica.Reply{}, ctx.Err()
	}
}

// judge makes a problem of what was refused.
func judge(o realnet.Outcome, d details) error {
	var none *realnet.NotAppliedError
	switch {
	case errors.As(o.Err, &none):
		d.afterMs = none.AfterMs
		return refusal(session.NotApplied, none.Code, d)
	case o.Err != nil:
		return o.Err
	case o.Reply.Code != "":
		d.label, d.since, d.date = o.Reply.Result.Label, o.Reply.Result.Since, o.Reply.Result.Recreated
		return refusal(o.Reply.Class, o.Reply.Code, d)
	}
	return nil
}

// ask reads.
func (s *seat) ask(ctx context.Context, q replica.Query) (replica.Reply, error) {
	reply, err := s.link.Ask(ctx, q, s.settings.stale)
	var d details
	if h, ok := q.(replica.History); ok {
		d.name = h.With
	}
	var unknown *realnet.UnknownError
	if errors.As(err, &unknown) { // a read leaves no trace
		err = refusal(session.NotApplied, string(session.Timeout), d)
	}
	err = judge(realnet.Outcome{Reply: reply, Err: err}, d)
	if err == nil && s.settings.stale {
		s.note("as of position %d, which may be long ago", reply.Pos.Index)
	}
	return reply, err
}

// sameName reports whether two spellings are one name: ASCII case does not count.
func sameName(a, b string) bool { return strings.EqualFold(a, b) && len(a) == len(b) }

// describe says what a command is, for people.
func describe(cmd chat.Command) string {
	switch c := cmd.(type) {
	case chat.Signup:
		return "signup " + c.Name
	case chat.Login:
		return "login " + c.Name
	case chat.Logout:
		return "logout"
	case chat.Passwd:
		return "passwd"
	case chat.DeleteAccount:
		return "delete-account"
	case chat.Send:
		return "send " + c.To
	case chat.Void:
		return "void"
	}
	return "a command of another version"
}
