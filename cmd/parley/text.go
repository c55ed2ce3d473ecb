package main

import (
	"fmt"
	"strings"
	"unicode/utf8"
)

// continuation begins every line of a text but its first, so that a newline in a body cannot pose
// as a line of our own.
const continuation = "\n    "

// safe makes a name or a body fit for a terminal: every byte that could move the cursor, change a
// mode or turn the reading direction becomes a visible escape. It is the one road from other
// people's text to a screen; what comes out keeps its meaning for a reader, and none for a terminal.
func safe(s string) string {
	if plainASCII(s) {
		return s
	}
	var b strings.Builder
	for i := 0; i < len(s); {
		r, size := utf8.DecodeRuneInString(s[i:])
		switch {
		case r == utf8.RuneError && size == 1:
			fmt.Fprintf(&b, `\x%02x`, s[i])
		case r == '\n':
			b.WriteString(continuation)
		case !harmless(r):
			b.WriteString(escaped(r))
		default:
			b.WriteString(s[i : i+size])
		}
		i += size
	}
	return b.String()
}

// escaped is how an unprintable rune is shown.
func escaped(r rune) string {
	switch {
	case r < 0x80:
		return fmt.Sprintf(`\x%02x`, r)
	case r < 0x10000:
		return fmt.Sprintf(`\u%04x`, r)
	}
	return fmt.Sprintf(`\U%08x`, r)
}

// harmless reports whether a terminal may see r. (It does not use package unicode: what is dangerous
// is a short list, not a table that follows the version of Go.)
func harmless(r rune) bool {
	switch {
	case r < 0x20, r == 0x7f: // C0 with ESC, and DEL
		return false
	case r >= 0x80 && r < 0xa0: // C1: a terminal may take U+009B for ESC [
		return false
	case r == 0x2028, r == 0x2029: // line and paragraph separator
		return false
	case r >= 0x202a && r <= 0x202e, r >= 0x2066 && r <= 0x2069: // bidirectional
		return false
	}
	return r <= utf8.MaxRune
}

func plainASCII(s string) bool {
	for i := range len(s) {
		if s[i] < 0x20 || s[i] >= 0x7f {
			return false
		}
	}
	return true
}
