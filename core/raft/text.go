package raft

import (
	"fmt"
	"strconv"
	"strings"
)

// String writes an ID as people see it: n1.
func (id ID) String() string { return "n" + strconv.FormatUint(uint64(id), 10) }

// ParseID reads what String writes, and a bare number.
func ParseID(s string) (ID, error) {
	n, err := strconv.ParseUint(strings.TrimPrefix(s, "n"), 10, 64)
	if err != nil || n == 0 {
		return 0, fmt.Errorf("server id %q: want n1, n2, …", s)
	}
	return ID(n), nil
}

// MarshalText writes an ID as String does.
func (id ID) MarshalText() ([]byte, error) { return []byte(id.String()), nil }

// UnmarshalText reads an ID as ParseID does.
func (id *ID) UnmarshalText(text []byte) (err error) {
	*id, err = ParseID(string(text))
	return err
}

// String shows the first bytes of a chain: enough to tell two apart in a log.
func (c Chain) String() string { return fmt.Sprintf("%x", c[:4]) }

func name(names []string, i int) string {
	if i < 0 || i >= len(names) {
		return "?" + strconv.Itoa(i)
	}
	return names[i]
}

var (
	kindNames    = []string{"noop", "command"}
	roleNames    = []string{"follower", "pre-candidate", "candidate", "leader"}
	refusalNames = []string{"taken", "not leader", "busy", "transferring"}
	messageNames = []string{"?0", "pre-vote", "pre-vote-reply", "vote", "vote-reply", "append", "append-reply",
		"timeout-now", "successors", "read-index", "read-index-reply"}
)

func (k Kind) String() string        { return name(kindNames, int(k)) }
func (k RoleKind) String() string    { return name(roleNames, int(k)) }
func (r Refusal) String() string     { return name(refusalNames, int(r)) }
func (k MessageKind) String() string { return name(messageNames, int(k)) }

// String shows a mark as index/term.
func (m Mark) String() string { return fmt.Sprintf("%d/%d", m.Index, m.Term) }

// String shows an entry as index/term and what it is for.
func (e Entry) String() string { return fmt.Sprintf("%d/%d %v %q", e.Index, e.Term, e.Kind, e.Data) }

// String shows the part a server plays, for logs.
func (r Role) String() string {
	s := fmt.Sprintf("%v in term %d", r.Kind, r.Term)
	if r.Kind != Leader && r.Leader != 0 {
		s += " of " + r.Leader.String()
	}
	return s
}

// String shows a message on one line, with the fields that count for its kind.
func (m *Message) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%v→%v %v t%d", m.From, m.To, m.Kind, m.Term)
	switch m.Kind {
	case PreVote, Vote:
		fmt.Fprintf(&b, " last %d/%d", m.Index, m.LogTerm)
	case Append:
		fmt.Fprintf(&b, " after %d/%d commit %d", m.Index, m.LogTerm, m.Commit)
		if n := len(m.Entries); n > 0 {
			fmt.Fprintf(&b, " with %d…%d", m.Entries[0].Index, m.Entries[n-1].Index)
		}
	case AppendReply:
		if m.Reject {
			b.WriteString(" reject, maybe")
		}
		fmt.Fprintf(&b, " %d", m.Index)
	case Successors:
		fmt.Fprintf(&b, " %v", m.Order)
	case ReadIndexReply:
		fmt.Fprintf(&b, " %d", m.Commit)
	}
	if m.Round != 0 {
		fmt.Fprintf(&b, " round %d", m.Round)
	}
	if m.Transfer {
		b.WriteString(" transfer")
	}
	if m.Reject && m.Kind != AppendReply {
		b.WriteString(" no")
	}
	return b.String()
}
