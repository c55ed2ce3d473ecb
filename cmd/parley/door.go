package main

import (
	"errors"
	"fmt"
	"strings"
)

// atDoor takes 1|NAME, 2|NAME and 2|NAME!, which takes over.
func (d *dialogue) atDoor(line string) []act {
	what, name, _ := strings.Cut(strings.TrimSpace(line), "|")
	c := contact{name: name, signup: what == "1"}
	if what == "2" {
		c.name, c.takeover = strings.CutSuffix(name, "!")
	}
	if !goodName(c.name) || what != "1" && what != "2" {
		return []act{fail{invalidInput, &problem{exit: exitUsage, text: invalidInput,
			hint: "1|NAME signs up, 2|NAME logs in"}}}
	}
	d.entering = c
	if d.open == nil {
		return d.work(askPolicy{})
	}
	return d.policyIs(policyIs{open: *d.open})
}

// policyIs goes on with what needed to know about passwords: entering, or deleting.
func (d *dialogue) policyIs(in policyIs) []act {
	leaving := d.me != ""
	if in.err != nil {
		if d.mode = atDoor; leaving {
			d.mode = atWork
		}
		return failure(in.err, "")
	}
	d.open = &in.open
	switch {
	case leaving && in.open:
		return d.work(remove{})
	case leaving:
		d.mode = atSecret
	case in.open:
		return d.work(enter{d.entering})
	default:
		d.mode = atPassword
	}
	return nil
}

// atPassword takes the password of a login, or that of a signup, twice.
func (d *dialogue) atPassword(line string) []act {
	switch {
	case d.mode == atRepeat && line != d.entering.password:
		d.mode = atDoor
		return []act{note{"the two passwords differ"}}
	case d.mode == atPassword && d.entering.signup:
		d.mode, d.entering.password = atRepeat, line
		return nil
	}
	c := d.entering
	c.password = line
	d.entering.password = ""
	return d.work(enter{c})
}

func (d *dialogue) entered(in enterDone) []act {
	if in.err != nil {
		d.mode = atDoor
		return d.refused(in.err)
	}
	done, state := loginDone, "logged in"
	if d.entering.signup {
		done, state = signupDone, "signed up"
	}
	d.mode, d.me = atWork, in.name
	return []act{say{done, account(in.name, state)}, hello{commands}}
}

// refused finds the original's words for why somebody does not get in.
func (d *dialogue) refused(err error) []act {
	var p *problem
	if !errors.As(err, &p) {
		return failure(err, "")
	}
	switch p.code {
	case "E_NAME_TAKEN":
		return failure(err, nameTaken)
	case "E_NO_SUCH_USER":
		return failure(err, noSuchUser)
	case "E_BAD_NAME":
		return failure(err, invalidInput)
	case "E_LOGGED_IN_ELSEWHERE":
		name := safe(d.entering.name)
		return append(failure(err, elsewhere), note{fmt.Sprintf("in use on %s; 2|%s! takes over", safe(p.where), name)})
	}
	return failure(err, "")
}
