package linearizability

import (
	"encoding/json"
	"flag"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

var mutants = flag.Bool("mutants", false, "plant each mutant in the search and demand that the other tests see it")

// A mutant is a mistake planted in the search: a text that stands in a file once, and what stands
// there instead.
type mutant struct {
	name, file, text, instead string
}

var searchMutants = []mutant{
	{"reads are placed where they do not fit", "engine.go",
		`fits && len(*e.s.journal) == mark {`, `(fits || true) && len(*e.s.journal) == mark {`},
	{"what changes something is placed eagerly", "engine.go",
		`fits && len(*e.s.journal) == mark {`, `fits {`},
	{"unknowns without effect are placed, and only they", "engine.go",
		`n.mate == 0 && len(*e.s.journal) == mark {`, `n.mate == 0 && len(*e.s.journal) != mark {`},
	{"unknowns are never placed", "engine.go",
		`at = e.nodes[may].next
		case at == may`, `at = may
		case at == may`},
	{"unknowns are placed before they are called", "engine.go",
		`n.mate == 0 && at > e.firstReturn():`, `false:`},
	{"the first return is passed by", "engine.go",
		`case at >= heads && n.st == nil: // no`, `case at >= heads && n.st == nil && e.nodes[at].next >= heads && e.nodes[e.nodes[at].next].st != nil:
			at = e.nodes[at].next
		case at >= heads && n.st == nil: // no`},
	{"the last operation is skipped", "engine.go",
		`e.nodes[must].next != must; {`, `e.nodes[e.nodes[e.nodes[must].next].next].next != must; {`},
	{"equal times are an order", "engine.go",
		`steps[calls[0]].call <= steps[returns[0]].ret`, `steps[calls[0]].call < steps[returns[0]].ret`},
	{"a configuration forgets what is placed", "engine.go",
		`key { return e.s.hash.xor(e.put) }`, `key { return e.s.hash }`},
	{"a configuration forgets the state", "engine.go",
		`key { return e.s.hash.xor(e.put) }`, `key { return e.put }`},
	{"the hash of an account forgets its epoch", "state.go",
		`.with(a.uid).with(a.epoch)`, `.with(a.uid)`},
	{"the hash of an account forgets its lease", "state.go",
		`return k.with(uint64(a.life)<<32 | uint64(uint32(a.lease)))`, `return k.with(uint64(a.life))`},
	{"the hash of a message forgets its body", "state.go",
		`<<32 | uint64(next.op.body))`, `)`},
	{"the hash of a message forgets those before it", "state.go",
		`next.hash = m.chain().`, `next.hash = key{}.`},
	{"the set forgets what it has when it grows", "key.go",
		`s.add(k)
		}`, `_ = k
		}`},
	{"the set takes every key for one it has", "key.go",
		`s.slots[s.slot(k)] == taken(k)`, `s.slots[s.slot(k)] != key{1, 1}`},
	{"undo leaves the last change", "state.go",
		`for i := len(j) - 1; i >= n; i-- {`, `for i := len(j) - 1; i > n; i-- {`},
	{"what was lifted is not put back", "engine.go",
		`			e.relink(mate)`, `			_ = mate`},
	{"patience is never needed", "engine.go",
		`		e.cut = true
`, ``},
	{"more patience is never tried", "search.go",
		`			patience++`, `			return gaveUp`},
	{"a spent budget passes", "engine.go",
		`			return gaveUp`, `			return foundOrder`},
	{"a spent budget accuses", "engine.go",
		`			return gaveUp`, `			return foundNone`},
	{"nothing is counted", "engine.go",
		`	e.left--
`, ``},
	{"a part without order is forgiven by a later one", "search.go",
		`			return &sought{s.confirm(part, stats), part}`, `			s.confirm(part, stats)`},
	{"porcupine's word is not heard", "porcupine.go",
		`		stats.Confirmed = true
`, ``},
	{"sends do not join what they touch", "partition.go",
		`	case opSend:
		if o.ok() {
			p.union(dev, p.conv(o.ans.conv, o.ans.Conv))
		}
`, ``},
	{"lists join nothing", "partition.go",
		`		p.union(dev, p.keys[i].node)`, `		_ = i`},
	{"names join nothing", "partition.go",
		`		p.union(dev, p.node(&p.names, o.key))`, `		_ = dev`},
	{"refusals outside the table are still, whatever they do", "engine.go",
		`if n.st.still {
			if _, fits := e.sp.step(e.s, n.st); fits && len`, `if n.st.still {
			if _, fits := e.sp.step(e.s, n.st); fits && n.st.code() != "" || len`},
}

// Every mutant of the search is seen by a test. A build and a run for each take a few seconds, so
// this is asked for:
//
//	go test ./linearizability -run TestMutants -mutants -timeout 30m -v
func TestMutants(t *testing.T) {
	for _, m := range searchMutants {
		source, err := os.ReadFile(m.file)
		if err != nil {
			t.Fatal(err)
		}
		if n := strings.Count(string(source), m.text); n != 1 {
			t.Errorf("%s: its text stands in %s %d times", m.name, m.file, n)
			continue
		}
		if *mutants {
			t.Run(m.name, func(t *testing.T) { m.run(t, string(source)) })
		}
	}
}

// run tests the package with the mutant in place of the file.
func (m mutant) run(t *testing.T, source string) {
	here, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	planted, overlay := filepath.Join(dir, m.file), filepath.Join(dir, "overlay.json")
	if err := os.WriteFile(planted, []byte(strings.Replace(source, m.text, m.instead, 1)), 0o600); err != nil {
		t.Fatal(err)
	}
	replace, err := json.Marshal(map[string]any{"Replace": map[string]string{filepath.Join(here, m.file): planted}})
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(overlay, replace, 0o600); err != nil {
		t.Fatal(err)
	}
	binary := filepath.Join(dir, "mutant.test")
	if out, err := exec.Command("go", "test", "-c", "-overlay", overlay, "-o", binary, ".").CombinedOutput(); err != nil {
		t.Fatalf("does not build: %v\n%s", err, out)
	}
	out, err := exec.Command(binary, "-test.failfast", "-test.skip", "TestMutants", "-histories", "1000",
		"-test.timeout", "60s").CombinedOutput()
	if err == nil {
		t.Fatal("no test sees it")
	}
	for line := range strings.Lines(string(out)) {
		if strings.Contains(line, "--- FAIL") || strings.HasPrefix(line, "panic: ") {
			t.Log(strings.TrimSpace(line))
			return
		}
	}
	t.Errorf("failed, but no test: %v\n%s", err, out)
}
