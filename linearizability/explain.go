package linearizability

import (
	"fmt"
	"slices"
	"strings"
)

// name says in a few words what an operation was.
func (o *operation) name() string {
	switch o.op {
	case opSignup, opLogin:
		return fmt.Sprintf("%s's %s as %s", o.Dev, o.Op, o.Name)
	case opSend:
		return fmt.Sprintf("%s's %s to %s", o.Dev, o.text(), o.To)
	case opHistory:
		return fmt.Sprintf("%s's read of %v after %d", o.Dev, o.Conv, o.After)
	case opList:
		return fmt.Sprintf("%s's list of %q", o.Dev, o.Prefix)
	}
	return fmt.Sprintf("%s's %s", o.Dev, o.Op)
}

// answer says what was recorded.
func (o *operation) answer() string {
	switch {
	case o.unknown():
		return "nothing"
	case o.code() != "":
		return o.code()
	}
	switch o.op {
	case opSignup:
		return fmt.Sprintf("uid %d", o.ans.UID)
	case opLogin:
		return fmt.Sprintf("uid %d epoch %d cursor %d", o.ans.UID, o.ans.Epoch, o.ans.Cursor)
	case opSend:
		return fmt.Sprintf("%v seq %d", o.ans.Conv, o.ans.Seq)
	case opHistory:
		return fmt.Sprintf("%s last %d", rowsText(o.ans.Rows), o.ans.Last)
	case opList:
		return namesText(o.ans.Names, o.ans.More)
	}
	return "ok"
}

// explain says why a step does not fit where the positions put it, right after it was tried.
func (c *certificate) explain(st *step, out outcome) string {
	if c.watch {
		c.helped = make([][]int, len(c.order)+1)
		for i, list := range c.inserted {
			c.helped[i] = slices.Clone(list)
		}
	}
	return fmt.Sprintf("%s was answered %s; replayed there, the answer is %s",
		st.name(), st.answer(), c.sp.expected(c.s, st, out))
}

func (sp *spec) expected(s *state, st *step, out outcome) string {
	if out.code != "" {
		return out.code
	}
	switch st.op {
	case opSignup:
		if st.at == 0 {
			return "a new account"
		}
		return fmt.Sprintf("uid %d", st.at)
	case opLogin:
		return fmt.Sprintf("uid %d epoch %d", s.accounts[out.account].uid, out.epoch)
	case opSend:
		if out.last == nil {
			return "another order of this device's numbers"
		}
		a, b := s.accounts[out.author].uid, s.accounts[out.account].uid
		if a == b {
			return fmt.Sprintf("[%d] seq %d", a, out.last.seq)
		}
		return fmt.Sprintf("[%d %d] seq %d", min(a, b), max(a, b), out.last.seq)
	case opHistory:
		return fmt.Sprintf("%s last %d", sp.rowsExpected(s, st, out.last), out.last.count())
	case opList:
		return namesText(sp.namesExpected(s, st))
	}
	if st.code() != "" {
		return "ok"
	}
	return "another order of this device's numbers"
}

// shown is how many items a text names.
const shown = 5

func (sp *spec) rowsExpected(s *state, st *step, last *message) string {
	var rows []Row
	for seq := st.After + 1; seq <= last.count() && len(rows) <= shown; seq++ {
		m := last.at(seq)
		rows = append(rows, Row{uint64(m.seq), m.pos, s.accounts[m.author].uid, m.op.text()})
	}
	return rowsText(rows)
}

func (sp *spec) namesExpected(s *state, st *step) (names []string, more bool) {
	for k := st.from; k < st.to; k++ {
		if acct := s.names[k]; acct != nobody {
			if uint64(len(names)) == st.Limit {
				return names, true
			}
			names = append(names, sp.signups[acct].Name)
		}
	}
	return names, false
}

func rowsText(rows []Row) string {
	var b strings.Builder
	b.WriteByte('[')
	for i, r := range rows {
		if i > 0 {
			b.WriteByte(' ')
		}
		if i == shown {
			b.WriteString("…")
			break
		}
		fmt.Fprintf(&b, "%d:%d:%s", r.Seq, r.From, r.Body)
	}
	return b.String() + "]"
}

func namesText(names []string, more bool) string {
	text := strings.Join(names, " ")
	if len(names) > shown {
		text = strings.Join(names[:shown], " ") + fmt.Sprintf(" … (%d)", len(names))
	}
	if more {
		return "[" + text + "] and more"
	}
	return "[" + text + "]"
}
