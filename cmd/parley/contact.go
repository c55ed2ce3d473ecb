package main

import (
	"context"
	"errors"
	"fmt"

	"parley/core/chat"
	"parley/core/replica"
	"parley/realnet"
)

// contact is a first contact, or a login that takes the device up again.
type contact struct {
	signup   bool
	name     string
	label    string
	password string
	takeover bool
}

func (c contact) command(d *device) chat.Command {
	if c.signup {
		return chat.Signup{Name: c.name, Token: d.token(), Label: c.label}
	}
	return chat.Login{Name: c.name, Token: d.token(), Label: c.label, Takeover: c.takeover}
}

// enter signs up or logs in. The device is on the disk before the first byte leaves, so a lost
// answer can be had again; it is forgotten when the cluster refused it.
func (s *seat) enter(ctx context.Context, c contact) (replica.Reply, error) {
	if c.label == "" {
		c.label = defaultLabel()
	}
	for range 3 {
		reply, done, err := s.unfinished(ctx, c)
		if !done && err == nil {
			reply, err = s.decide(ctx, c.command(s.profile.device), details{name: c.name}, c.password)
		}
		again, err := s.entered(c, reply, err)
		if !again {
			return reply, err
		}
	}
	return replica.Reply{}, &problem{exit: exitNotApplied, class: "rejected", code: "E_RETRY",
		text: "the account changed each time it was asked", hint: "run the command again"}
}

// unfinished makes the device ready for c. If an earlier first contact was never answered, it is
// asked again, and was perhaps all that was wanted: done.
func (s *seat) unfinished(ctx context.Context, c contact) (reply replica.Reply, done bool, err error) {
	d := s.profile.device
	switch {
	case d == nil, d.known() && d.Over && !sameName(d.Account, c.name):
		return reply, false, s.newDevice(c)
	case d.known() && (c.signup || !sameName(d.Account, c.name)):
		return reply, false, &problem{exit: exitRefused, text: fmt.Sprintf("already logged in as %q", d.Account),
			hint: "parley logout first, or use another --profile"}
	case s.link == nil:
		if err := s.connect(); err != nil {
			return reply, false, err
		}
	}
	if d.known() {
		return reply, false, nil
	}
	for _, line := range s.link.Pending() {
		if _, err := s.await(ctx, realnet.Request{Retry: line.DSeq}, details{name: d.Account}, []string{c.password}); err != nil {
			return reply, false, err
		}
	}
	if me, err := s.link.Ask(ctx, replica.Whoami{}, false); err == nil && me.Code == "" && me.Identity != nil {
		if !sameName(me.Identity.Name, c.name) {
			return reply, false, &problem{exit: exitRefused, text: fmt.Sprintf("an earlier command logged in as %q", me.Identity.Name),
				hint: "parley logout first, or use another --profile"}
		}
		me.Result.UID, me.Result.Cursor, me.Result.Queued = me.Identity.UID, me.Identity.Cursor, me.Identity.Queued
		return me, true, nil
	}
	return reply, false, s.newDevice(c)
}

func (s *seat) newDevice(c contact) error {
	s.close()
	if err := s.profile.draw(c.name, c.label); err != nil {
		return err
	}
	return s.connect()
}

// entered keeps or forgets the device, by what became of it. again: with a new device it may go
// better.
func (s *seat) entered(c contact, reply replica.Reply, err error) (again bool, _ error) {
	var unknown *realnet.UnknownError
	var p *problem
	d := s.profile.device
	switch {
	case err == nil:
		d.UID, d.Account, d.Cursor, d.Over = reply.Result.UID, c.name, reply.Result.Cursor, false
		return false, s.profile.save()
	case errors.As(err, &unknown), !errors.As(err, &p), d == nil:
		return false, err
	case p.code == "E_NO_SESSION":
		return true, s.leave() // the device was closed: another one may log in
	case d.known():
		return p.code == "E_RETRY", keepUnless(p.code == "E_RETRY", err)
	case p.code == "":
		return false, err
	}
	return p.code == "E_RETRY", errors.Join(s.leave(), keepUnless(p.code == "E_RETRY", err))
}

func keepUnless(drop bool, err error) error {
	if drop {
		return nil
	}
	return err
}

// leave forgets the device: it is closed, or was never opened.
func (s *seat) leave() error {
	s.close()
	return s.profile.forget()
}

// logout closes the device.
func (s *seat) logout(ctx context.Context) error {
	_, err := s.decide(ctx, chat.Logout{}, details{})
	var p *problem
	if errors.As(err, &p) && p.code == "E_NO_SESSION" {
		err = nil // it is closed already
	}
	if err != nil {
		return err
	}
	return s.leave()
}

// deleteAccount ends the account. gone: there was none any more.
func (s *seat) deleteAccount(ctx context.Context, password string) (reply replica.Reply, gone bool, err error) {
	for range 3 {
		reply, err = s.decide(ctx, chat.DeleteAccount{}, details{name: s.profile.device.Account}, password)
		var p *problem
		switch {
		case err == nil:
			return reply, false, s.leave()
		case errors.As(err, &p) && (p.code == "E_NO_SESSION" || p.code == "E_NO_SUCH_USER"):
			return reply, true, s.leave()
		case !errors.As(err, &p) || p.code != "E_RETRY":
			return reply, false, err
		}
	}
	return reply, false, err
}
