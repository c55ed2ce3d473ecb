package sim

import (
	"strings"

	"parley/core/raft"
)

// Signature says in which way a run failed: the checker, the rule that was broken and the role of who
// broke it. It is the same for two runs that fail in the same way, whatever ids, numbers and times they
// have. It is empty if nothing was found.
func (r *Result) Signature() string {
	f := r.Failure
	if f == nil {
		return ""
	}
	sig := f.Checker + " | " + f.Rule
	if f.Role != "" {
		sig += " | " + f.Role
	}
	return sig
}

// ruleOf takes out of what a checker says all that differs from run to run.
func ruleOf(checker, text string) string {
	text, _, _ = strings.Cut(text, "\n")
	text = withoutQuotes(text)
	var b strings.Builder
	for len(text) > 0 {
		n := 0
		for n < len(text) && wordly(text[n]) {
			n++
		}
		if n == 0 {
			n = 1
		}
		b.WriteString(withoutNumber(text[:n]))
		text = text[n:]
	}
	rule := b.String()
	if checker == "liveness" { // after the first number comes the state that somebody was in
		if head, _, cut := strings.Cut(rule, "#"); cut {
			rule = strings.TrimRight(head, " :") + " …"
		}
	}
	return rule
}

func digit(c byte) bool { return '0' <= c && c <= '9' }

func wordly(c byte) bool { return digit(c) || 'a' <= c && c <= 'z' || c == '.' }

// withoutNumber puts "#" for a word with digits; of n1, c0 and the like the letter stays.
func withoutNumber(word string) string {
	first := strings.IndexFunc(word, func(r rune) bool { return r < 0x80 && digit(byte(r)) })
	switch {
	case first < 0:
		return word
	case first == 1 && strings.Trim(word[1:], "0123456789.") == "":
		return word[:1] + "#"
	}
	return "#"
}

// withoutQuotes leaves of each quotation the marks.
func withoutQuotes(text string) string {
	parts := strings.Split(text, `"`)
	for i := 1; i < len(parts); i += 2 {
		parts[i] = ""
	}
	return strings.Join(parts, `"`)
}

// roleIn is the role of the replica that a failure names first.
func (w *world) roleIn(checker, text string) string {
	switch checker {
	case "liveness", "history", "digest", "budget", stopped:
		return "" // found at the end, when roles have changed
	}
	who := firstNamed(text)
	if who.Kind != 'n' || who.N < 1 || who.N > len(w.servers) {
		return ""
	}
	s := w.server(raft.ID(who.N))
	if !s.up || s.machine == nil {
		return ""
	}
	return s.machine.Raft().Status().Role.Kind.String()
}

// firstNamed is the first replica or client that a text names.
func firstNamed(text string) Who {
	for _, word := range strings.FieldsFunc(text, func(r rune) bool { return r >= 0x80 || !wordly(byte(r)) }) {
		if kind, n := Target(strings.TrimRight(word, ".")).place(); kind == 'n' || kind == 'c' {
			return Who{kind, n}
		}
	}
	return Who{}
}
