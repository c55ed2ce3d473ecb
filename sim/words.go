package sim

import (
	"fmt"
	"strings"
	"time"

	"parley/core/raft"
)

// words says what a fact is, without the subject; "" for what goes without saying.
func (f *Fact) words() string {
	switch f.Kind {
	case FactNote, FactMark:
		return f.Text
	case FactTook:
		if f.Text == "" {
			return ""
		}
		return "takes: " + f.Text
	case FactSent:
		slow := ""
		if f.M >= uint64(20*time.Millisecond) {
			slow = fmt.Sprintf(", on its way for %v", time.Duration(f.M))
		}
		return fmt.Sprintf("sends %s to %v%s%s%s", f.packet(), f.To, f.Text, [...]string{"", " twice", " again, a late copy"}[f.N], slow)
	case FactLost:
		if f.N == 1 {
			return fmt.Sprintf("sends %s to %v, but the link is shut", f.packet(), f.To)
		}
		return fmt.Sprintf("sends %s to %v, which is lost", f.packet(), f.To)
	case FactMissed:
		return fmt.Sprintf("does not get %s from %v", f.packet(), f.To)
	case FactArrived:
		return fmt.Sprintf("gets %s from %v%s", f.packet(), f.To, [...]string{"", ", the double", ", a late copy"}[f.N])
	case FactBegun:
		slow := ""
		if f.M >= uint64(20*time.Millisecond) {
			slow = fmt.Sprintf(", which takes %v", time.Duration(f.M))
		}
		return fmt.Sprintf("begins save %d (%s)%s", f.N, f.Text, slow)
	case FactDurable:
		return fmt.Sprintf("save %d is durable", f.N)
	case FactKept:
		return fmt.Sprintf("save %d, in flight, survives", f.N)
	case FactGone:
		return fmt.Sprintf("save %d, in flight, is lost", f.N)
	case FactCommit:
		return fmt.Sprintf("commits up to %d", f.N)
	case FactApplied:
		return fmt.Sprintf("applies up to %d", f.N)
	case FactReply:
		return fmt.Sprintf("answers %v: %s", f.To, f.Text)
	case FactPush:
		return fmt.Sprintf("pushes to %v %s", f.To, f.Text)
	case FactHeard:
		return fmt.Sprintf("hears from %v: %s", f.To, f.Text)
	case FactAsked:
		return "wants to " + f.Text
	case FactCall:
		if f.N == 0 {
			return fmt.Sprintf("asks %v: %s", f.To, f.Text)
		}
		return fmt.Sprintf("asks %v, no. %d: %s", f.To, f.N, f.Text)
	case FactBroken:
		text, _, _ := strings.Cut(f.Text, "\n")
		return text
	}
	return f.lifeWords()
}

// lifeWords are for what happens to somebody.
func (f *Fact) lifeWords() string {
	switch f.Kind {
	case FactBorn:
		if f.N > 1 && f.On.Kind == 'n' {
			return fmt.Sprintf("comes back, life %d", f.N)
		}
		if f.N > 1 {
			return "comes back"
		}
		return "begins"
	case FactDied:
		return "dies"
	case FactPaused:
		return fmt.Sprintf("stands still for %v", time.Duration(f.M))
	case FactWoke:
		return "wakes"
	case FactRole:
		switch k := raft.RoleKind(f.M); {
		case k == raft.Leader:
			return fmt.Sprintf("leads term %d", f.N)
		case k == raft.Follower && f.To.N > 0:
			return fmt.Sprintf("follows %v in term %d", f.To, f.N)
		case k == raft.Follower:
			return fmt.Sprintf("is in term %d", f.N)
		default:
			return fmt.Sprintf("is %v in term %d", k, f.N)
		}
	case FactFault:
		on := ""
		if f.To.Kind != 0 {
			on = " of " + f.To.String()
		}
		return fmt.Sprintf("fault %d: %s%s for %v", f.N, f.Text, on, time.Duration(f.M))
	case FactHealed:
		return "all heals"
	}
	return ""
}

// packet says what a packet or a save carries.
func (f *Fact) packet() string {
	s := f.Say
	switch {
	case f.Last > uint64(s.Index)+1:
		return fmt.Sprintf("%s of %d…%d, term %d", s.Kind, s.Index+1, f.Last, s.Term)
	case f.Last > 0:
		return fmt.Sprintf("%s of %d, term %d", s.Kind, f.Last, s.Term)
	case s.Index == 0 && s.Term != 0:
		return fmt.Sprintf("%s, term %d", s.Kind, s.Term)
	case s.Term == 0:
		return s.Kind
	}
	return fmt.Sprintf("%s %d, term %d", s.Kind, s.Index, s.Term)
}

// plainText makes anything fit to stand in one line of a terminal.
func plainText(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || 0x7f <= r && r < 0xa0 || r == 0x2028 || r == 0x2029 || 0x202a <= r && r <= 0x202e || 0x2066 <= r && r <= 0x2069 {
			return '·'
		}
		return r
	}, s)
}

// seconds shows a time with microseconds.
func seconds(d time.Duration) string {
	return fmt.Sprintf("%d.%06d", d/time.Second, d%time.Second/time.Microsecond)
}

// cutTo shortens a text to so many letters.
func cutTo(s string, n int) string {
	letters := []rune(s)
	if len(letters) <= n {
		return s
	}
	return string(letters[:n-1]) + "…"
}
