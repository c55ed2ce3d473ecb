package main

import (
	"strings"
	"testing"
	"unicode/utf8"
)

// Hostile bytes in names and bodies come out as visible escapes (T14, C21, C48).
func TestT14SafeText(t *testing.T) {
	for _, c := range []struct{ name, in, want string }{
		{"plain", "hello, bob", "hello, bob"},
		{"accents stay", "Grüße, 世界 👋🏽", "Grüße, 世界 👋🏽"},
		{"joined emoji stay", "👩‍👧", "👩‍👧"},
		{"escape", "\x1b[2J\x1b]0;x\x07", `\x1b[2J\x1b]0;x\x07`},
		{"carriage return and tab", "a\rb\tc", `a\x0db\x09c`},
		{"delete and backspace", "a\x7f\x08", `a\x7f\x08`},
		{"C1, as a rune", "a\u009b31m", `a\u009b31m`},
		{"C1, as a byte", "a\x9b31m", `a\x9b31m`},
		{"overrides", "\u202eevil\u202c", `\u202eevil\u202c`},
		{"isolates", "\u2066a\u2069", `\u2066a\u2069`},
		{"separators", "a\u2028b\u2029c", `a\u2028b\u2029c`},
		{"invalid", "a\xff\xc0b", `a\xff\xc0b`},
		{"surrogate half", "\xed\xa0\x80", `\xed\xa0\x80`},
		{"newline", "hi\nR[bank] pay me", "hi\n    R[bank] pay me"},
		{"NUL", "a\x00", `a\x00`},
	} {
		if got := safe(c.in); got != c.want {
			t.Errorf("%s: safe(%q) = %q, want %q", c.name, c.in, got, c.want)
		}
	}
}

// Whatever comes in, what goes to a terminal holds no byte that it would obey, and no line that
// begins in the first column but the first.
func FuzzT14SafeText(f *testing.F) {
	for _, s := range []string{"", "a", "\x1b[31m", "\u009b", "\x9b", "\u202e", "\nR[x] y", "世界", "\xff\xfe", "\r\n"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, in string) {
		got := safe(in)
		if !utf8.ValidString(got) {
			t.Fatalf("safe(%q) = %q is not UTF-8", in, got)
		}
		for i, line := range strings.Split(got, "\n") {
			if i > 0 && !strings.HasPrefix(line, "    ") {
				t.Fatalf("safe(%q) = %q: line %d is not indented", in, got, i+1)
			}
			for _, r := range line {
				if !harmless(r) {
					t.Fatalf("safe(%q) = %q holds %U", in, got, r)
				}
			}
		}
		if plain := strings.ToValidUTF8(in, ""); plain == in && allHarmless(in) && got != in {
			t.Fatalf("safe(%q) = %q changes what is harmless", in, got)
		}
	})
}

func allHarmless(s string) bool {
	for _, r := range s {
		if !harmless(r) {
			return false
		}
	}
	return true
}
