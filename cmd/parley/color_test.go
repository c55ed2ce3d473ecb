package main

import "testing"

// Colour only if stdout is a terminal, NO_COLOR is unset and TERM is not dumb; the flag wins.
func TestColourRules(t *testing.T) {
	env := func(m map[string]string) func(string) string { return func(k string) string { return m[k] } }
	for _, c := range []struct {
		mode     string
		terminal bool
		env      map[string]string
		want     bool
	}{
		{"auto", true, nil, true},
		{"auto", false, nil, false},
		{"auto", true, map[string]string{"NO_COLOR": "1"}, false},
		{"auto", true, map[string]string{"TERM": "dumb"}, false},
		{"always", false, map[string]string{"NO_COLOR": "1"}, true},
		{"never", true, nil, false},
	} {
		if got := newPainter(c.mode, c.terminal, env(c.env)).on; got != c.want {
			t.Errorf("color %s, terminal %v, env %v: %v, want %v", c.mode, c.terminal, c.env, got, c.want)
		}
	}
}

// A name has the same colour every time, and is made safe in colour too.
func TestNameColour(t *testing.T) {
	p := painter{on: true}
	if a, b := p.name("alice"), p.name("alice"); a != b {
		t.Errorf("alice is %q, then %q", a, b)
	}
	if got, want := (painter{}).name("a\x1bb"), `a\x1bb`; got != want {
		t.Errorf("without colour: %q, want %q", got, want)
	}
}
