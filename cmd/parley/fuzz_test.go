package main

import (
	"bytes"
	"io"
	"strings"
	"testing"
	"unicode/utf8"
)

// Whatever a terminal sends, the editor ends, and what it gives holds no control character but tabs
// and the newlines of a paste.
func FuzzEditorInput(f *testing.F) {
	for _, s := range []string{"abc", "\x03", "a\x03b", "\x1b[200~a\nb\x1b[201~", "\x1b[200~\x1b", "\x1b\x1b[A", "\x1bOA", "\xff\xe4\xb8", "\x04", "世\x7f", "\x1b[99;99;99m~"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, in []byte) {
		e := newEditor(bytes.NewReader(in), io.Discard, 20, nil)
		for {
			e.ask <- question{}
			line := <-e.lines
			for line.between {
				line = <-e.lines
			}
			if strings.IndexFunc(line.text, func(r rune) bool { return !harmless(r) && r != '\n' && r != '\t' }) >= 0 || !utf8.ValidString(line.text) {
				t.Fatalf("%q gives the line %q", in, line.text)
			}
			if line.err == io.EOF {
				break
			}
		}
		close(e.ask)
	})
}
