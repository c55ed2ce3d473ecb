package main

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"strconv"
	"strings"
	"testing"

	"parley/core/session"
)

// Every code that core can answer has its number and its sentence for people, and no sentence is
// for a code that is gone.
func TestEveryCodeHasASentence(t *testing.T) {
	codes := codesOf(t, "session", "chat", "replica")
	if len(codes) < 20 {
		t.Fatalf("found only %d codes in core: %v", len(codes), codes)
	}
	for code, where := range codes {
		s, ok := sentences[code]
		switch {
		case !ok:
			t.Errorf("%s of core/%s has no sentence", code, where)
		case s.text == "" || s.exit == 0:
			t.Errorf("%s: sentence %q, exit %d", code, s.text, s.exit)
		}
	}
	for code := range sentences {
		if codes[code] == "" {
			t.Errorf("%s has a sentence, but core does not know it", code)
		}
	}
}

// codesOf reads the constants of type Code from the source of core's rooms.
func codesOf(t *testing.T, rooms ...string) map[string]string {
	codes := map[string]string{}
	for _, room := range rooms {
		notTest := func(info fs.FileInfo) bool { return !strings.HasSuffix(info.Name(), "_test.go") }
		pkgs, err := parser.ParseDir(token.NewFileSet(), "../../core/"+room, notTest, 0)
		if err != nil {
			t.Fatal(err)
		}
		for _, pkg := range pkgs {
			ast.Inspect(pkg, func(n ast.Node) bool {
				lit, ok := n.(*ast.BasicLit)
				if ok && lit.Kind == token.STRING && strings.HasPrefix(lit.Value, `"E_`) {
					code, _ := strconv.Unquote(lit.Value)
					codes[code] = room
				}
				return true
			})
		}
	}
	return codes
}

// The numbers are those of the manual.
func TestExitCodes(t *testing.T) {
	for code, want := range map[string]int{
		"E_BAD_NAME": 65, "E_BAD_TEXT": 65, "E_EMPTY": 65, "E_TOO_LARGE": 65,
		"E_NO_SUCH_USER": 67, "E_RECREATED": 67,
		"E_RATE": 69, "E_BUSY": 69, "E_NO_SPACE": 69, "E_QUEUE_FULL": 69, "E_UNAVAILABLE": 69, "E_NOT_LEADER": 69,
		"E_NAME_TAKEN": 73, "E_BAD_PASSWORD": 77, "E_NO_SESSION": 77, "E_FENCED": 77,
		"E_LOGGED_IN_ELSEWHERE": 79, "E_OF_A_NEWER_SERVER": 77,
	} {
		if got := refusal(session.Rejected, code, details{}).exit; got != want {
			t.Errorf("%s exits %d, want %d", code, got, want)
		}
	}
}

// The sample of the manual, byte for byte.
func TestReport(t *testing.T) {
	var out strings.Builder
	exit := report(&out, refusal(session.Rejected, "E_NO_SUCH_USER", details{name: "bob"}))
	if want := "parley: no such user \"bob\"\nhint: parley list shows all names\n"; out.String() != want || exit != 67 {
		t.Errorf("got %q, exit %d; want %q, exit 67", out.String(), exit, want)
	}
}
