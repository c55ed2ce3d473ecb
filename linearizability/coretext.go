package linearizability

import (
	"fmt"
	"strings"
)

// linesOf says on which lines of the file an operation was called and answered.
func linesOf(h *History) map[uint64][2]int {
	lines, n := map[uint64][2]int{}, 1
	for e := range h.All() {
		n++
		l := lines[e.ID]
		switch e.E {
		case Inv:
			l[0] = n
		case OK, Err, Fail, Info, Resolved:
			l[1] = n
		default:
			continue
		}
		lines[e.ID] = l
	}
	return lines
}

func (c *reduction) name(st *step, lines map[uint64][2]int) CoreOp {
	l := lines[st.ID]
	return CoreOp{ID: st.ID, Pos: st.pos(), Called: l[0], Line: l[1], Text: c.sentence(st)}
}

// sentence says who did what, and what came of it.
func (c *reduction) sentence(st *step) string {
	return fmt.Sprintf("%s %s → %s", c.who(st), st.deed(), st.answer())
}

// who is the account's name, if the device has one, and the device.
func (c *reduction) who(st *step) string {
	if d := c.state.devices[st.dev]; d.life != unborn && c.state.accounts[d.account].life != unborn {
		return fmt.Sprintf("%s (%s)", c.sp.signups[d.account].Name, st.Dev)
	}
	return st.Dev
}

// deed says what was asked for.
func (o *operation) deed() string {
	switch o.op {
	case opSignup:
		return "signs up " + o.Name
	case opLogin:
		if o.Takeover {
			return "logs in as " + o.Name + ", taking over"
		}
		return "logs in as " + o.Name
	case opLogout:
		return "logs out"
	case opDelete:
		return "deletes the account"
	case opPasswd:
		return "changes the password"
	case opVoid:
		return fmt.Sprintf("voids number %d", o.Dseq)
	case opSend:
		return fmt.Sprintf("sends %s to %s", o.text(), o.To)
	case opHistory:
		return fmt.Sprintf("reads %v after %d", o.Conv, o.After)
	case opExpire:
		return "loses its lease"
	case opList:
		return fmt.Sprintf("lists %q after %q", o.Prefix, o.AfterKey)
	}
	return string(o.Op)
}

// say adds a line of explanation: a short label, then the sentence.
func (core *Core) say(label, text string, args ...any) {
	core.Text = append(core.Text, fmt.Sprintf("%-10s ", label)+fmt.Sprintf(text, args...))
}

// explain puts the reason into sentences: the answer that cannot be placed, what made it untrue, and
// what the specification says instead.
func (c *reduction) explain(core *Core, lines map[uint64][2]int) {
	stuck, say := c.why.stuck, core.say
	name := core.Ops[len(core.Ops)-1]
	say(fmt.Sprintf("line %d", name.Line), "%s, called at %d, answered at %d", name.Text, stuck.call, stuck.ret)
	for _, op := range core.Ops[:len(core.Ops)-1] {
		say("with", "line %d: %s", op.Line, op.Text)
	}
	until, because := c.lastTrue(stuck)
	if because != nil {
		op := c.name(because, lines)
		core.Because = &op
		say("but", "line %d: %s, %s", op.Line, op.Text, when(because, stuck))
		if w := c.witness(because, stuck); w != nil {
			seen := c.name(w, lines)
			core.Witness = &seen
			say("and", "line %d: %s, answered at %d, before that was called", seen.Line, seen.Text, w.ret)
		}
	}
	expected := c.expected(stuck)
	switch {
	case because != nil:
		say("so", "the answer was true until then; from then on it is %s", strings.Join(expected, ", or "))
	case until == untrue:
		say("so", "the answer was true at no moment before; it would be %s", strings.Join(expected, ", or "))
	default:
		say("so", "in no order do all of these come true: the answer to the first would be %s", strings.Join(expected, ", or "))
	}
	folded := "from the start"
	switch {
	case core.States > 1:
		folded = fmt.Sprintf("from one of %d states that those before leave possible; none allows the answer", core.States)
	case core.Folded > 0:
		folded = fmt.Sprintf("from the state that %d before leave", core.Folded)
	}
	n := len(core.Ops)
	if core.Because != nil {
		n++
	}
	open := ""
	if core.Open > 0 {
		open = fmt.Sprintf("; %d more may have happened by then, or not", core.Open)
	}
	say("core", "%d of %d operations, %s%s", n, core.Of, folded, open)
}

// witness is an operation that shows that because came before stuck although the two overlap: in
// the fold it stands behind because, touches the same, and was answered before stuck was called.
func (c *reduction) witness(because, stuck *step) *step {
	if because.ret < stuck.call {
		return nil
	}
	keys, behind := deviceKeys(c.sp, c.steps), false
	for _, st := range c.order {
		if behind && !st.unknown() && st.ret < stuck.call && c.sp.touched(because, keys).conflicts(c.sp.touched(st, keys)) {
			return st
		}
		behind = behind || st == because
	}
	return nil
}

// when places what made an answer untrue before the call, or says what else puts it there.
func when(because, stuck *step) string {
	switch {
	case because.unknown():
		return "never answered, but the answers before need it"
	case because.ret < stuck.call:
		return fmt.Sprintf("answered at %d, before that was called", because.ret)
	}
	return fmt.Sprintf("called at %d", because.call)
}

// Where an answer was true.
type truth uint8

const (
	untrue truth = iota
	once
	atLast
)

// lastTrue looks for the last moment of the fold at which the answer would have been true, and for
// the step that made it untrue. An answer that the device could not have had then, for it was not
// open yet, counts where it would have been true otherwise.
func (c *reduction) lastTrue(stuck *step) (truth, *step) {
	found, because := c.trueUntil(stuck, false)
	if found == untrue && c.state.devices[stuck.dev].life == alive {
		return c.trueUntil(stuck, true)
	}
	return found, because
}

func (c *reduction) trueUntil(stuck *step, open bool) (truth, *step) {
	s := c.sp.initial()
	s.journal = &journal{}
	fits := func() bool {
		n := len(*s.journal)
		defer s.undo(n)
		if d := c.state.devices[stuck.dev]; open {
			if s.accounts[d.account].life != alive {
				return false
			}
			d.epoch = s.accounts[d.account].epoch
			s.setDevice(stuck.dev, d)
		}
		_, ok := c.sp.step(s, stuck)
		return ok
	}
	was := fits()
	var because *step
	for _, st := range c.order {
		c.sp.step(s, st)
		is := fits()
		if was && !is {
			because = st
		}
		was = is
	}
	switch {
	case was && !open:
		return atLast, nil
	case because != nil:
		return once, because
	}
	return untrue, nil
}

// expected are the answers that the specification gives in the configurations still possible.
func (c *reduction) expected(stuck *step) []string {
	var list []string
	seen := map[string]bool{}
	for _, conf := range c.why.tried {
		s := conf.state.clone()
		out, ok := c.sp.step(s, stuck)
		if ok {
			continue
		}
		if text := c.sp.expected(s, stuck, out); !seen[text] {
			seen[text] = true
			list = append(list, text)
		}
		if len(list) == shown {
			break
		}
	}
	return list
}
