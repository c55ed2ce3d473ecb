//go:build ignore

// Command run puts the bugs of this folder back, one at a time, and reports how soon the simulator finds
// them. See README.md.
//
//	go run sim/mutants/run.go [-seeds N] [-sentinels] [-units=false] [id ...]
package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// sentinels are fast to die and of every class: what CI can afford.
var sentinels = strings.Fields("M01 M21 M23 M33 M39 M56 M59 M62 H2")

var (
	seeds     = flag.Int("seeds", 300, "try seeds 0…N-1")
	few       = flag.Bool("sentinels", false, "only the sentinels")
	units     = flag.Bool("units", true, "also ask the unit tests of the patched packages")
	keepGoing = flag.Bool("survivors", false, "also run those that are marked as survivors; they never fail the run")
)

func main() {
	flag.Parse()
	if err := run(flag.Args()); err != nil {
		fmt.Fprintln(os.Stderr, "mutants:", err)
		os.Exit(1)
	}
}

// mutant is one patch, with what its header says.
type mutant struct {
	file                              string
	id, class, source, needs, expects string
	policy, survives                  string
	explore                           string // the scope of sim/explore that finds it; see explore.go
	patch                             []byte
	packages                          []string // that it touches, as go test wants them
}

// verdict is what became of a mutant.
type verdict struct {
	killed  bool
	seed    int    // the first killing seed; -1: killed by a test on the simulator
	checker string // that spoke
	text    string
	seen    bool // by unit tests, too
	took    time.Duration
}

func run(ids []string) error {
	top, err := exec.Command("git", "rev-parse", "--show-toplevel").Output()
	if err != nil {
		return fmt.Errorf("find the repository: %w", err)
	}
	root := strings.TrimSpace(string(top))
	all, err := load(filepath.Join(root, "sim", "mutants"))
	if err != nil {
		return err
	}
	for i := range all { // a patch that has gone stale is found in time, also where few are run
		if out, err := exec.Command("git", "-C", root, "apply", "--check", all[i].file).CombinedOutput(); err != nil {
			return fmt.Errorf("%s does not apply any more:\n%s", all[i].id, out)
		}
	}
	if *few {
		ids = append(ids, sentinels...)
	}
	for _, id := range ids {
		if !slices.ContainsFunc(all, func(m mutant) bool { return m.id == id }) {
			return fmt.Errorf("there is no mutant %s", id)
		}
	}
	if len(ids) > 0 {
		all = slices.DeleteFunc(all, func(m mutant) bool { return !slices.Contains(ids, m.id) })
	} else if !*keepGoing {
		all = slices.DeleteFunc(all, func(m mutant) bool { return m.survives != "" })
	}
	lab, err := newLab(root)
	if err != nil {
		return err
	}
	defer os.RemoveAll(lab.dir)
	return lab.report(all)
}

// load reads the patches, sorted by id.
func load(dir string) ([]mutant, error) {
	files, err := filepath.Glob(filepath.Join(dir, "*.patch"))
	if err != nil {
		return nil, err
	}
	var all []mutant
	for _, f := range files {
		b, err := os.ReadFile(f)
		if err != nil {
			return nil, err
		}
		m, err := parse(f, b)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", filepath.Base(f), err)
		}
		all = append(all, m)
	}
	return all, nil
}

// parse reads the header, which ends at the first diff.
func parse(file string, b []byte) (mutant, error) {
	m := mutant{file: file, patch: b}
	fields := map[string]*string{"id": &m.id, "class": &m.class, "source": &m.source, "needs": &m.needs,
		"expects": &m.expects, "explore": &m.explore, "policy": &m.policy, "survives": &m.survives}
	var last *string
	head := true
	for line := range strings.Lines(string(b)) {
		line = strings.TrimRight(line, "\n")
		if strings.HasPrefix(line, "diff ") {
			head = false
		}
		if path, ok := strings.CutPrefix(line, "+++ b/"); ok {
			if pkg := "./" + filepath.Dir(path); !slices.Contains(m.packages, pkg) {
				m.packages = append(m.packages, pkg)
			}
		}
		if !head || strings.TrimSpace(line) == "" {
			continue
		}
		key, value, ok := strings.Cut(line, ":")
		switch {
		case line[0] == ' ' && last != nil:
			*last += " " + strings.TrimSpace(line)
		case !ok || fields[key] == nil:
			return m, fmt.Errorf("header line %q", line)
		default:
			last = fields[key]
			*last = strings.TrimSpace(value)
		}
	}
	if m.id == "" || m.class == "" || m.source == "" || m.needs == "" || m.expects == "" {
		return m, errors.New("the header lacks something of id, class, source, needs, expects")
	}
	if !strings.HasPrefix(filepath.Base(file), m.id+"-") {
		return m, fmt.Errorf("the file is not called after its id %s", m.id)
	}
	if len(m.packages) == 0 {
		return m, errors.New("it changes nothing")
	}
	return m, nil
}

// lab is a copy of the tree at HEAD in which mutants are made.
type lab struct {
	dir, tree, clean string
}

func newLab(root string) (*lab, error) {
	dir, err := os.MkdirTemp("", "mutants")
	if err != nil {
		return nil, err
	}
	l := &lab{dir: dir, tree: filepath.Join(dir, "tree"), clean: filepath.Join(dir, "clean.test")}
	if err := l.fill(root); err != nil {
		os.RemoveAll(dir)
		return nil, err
	}
	return l, nil
}

func (l *lab) fill(root string) error {
	if err := os.Mkdir(l.tree, 0o777); err != nil {
		return err
	}
	archive := exec.Command("git", "-C", root, "archive", "HEAD")
	unpack := exec.Command("tar", "x", "-C", l.tree)
	var err error
	if unpack.Stdin, err = archive.StdoutPipe(); err != nil {
		return err
	}
	if err := unpack.Start(); err != nil {
		return err
	}
	if err := archive.Run(); err != nil {
		return fmt.Errorf("git archive: %w", err)
	}
	if err := unpack.Wait(); err != nil {
		return fmt.Errorf("unpack: %w", err)
	}
	return l.build(l.clean)
}

func (l *lab) build(binary string) error {
	_, err := l.in("go", "test", "-c", "-trimpath", "-ldflags=-w", "-o", binary, "./sim")
	return err
}

// in runs a command in the tree.
func (l *lab) in(name string, args ...string) ([]byte, error) {
	cmd := exec.Command(name, args...)
	cmd.Dir = l.tree
	// The copy is no repository; git must not take one around it for one.
	cmd.Env = append(os.Environ(), "GIT_CEILING_DIRECTORIES="+l.dir)
	out, err := cmd.CombinedOutput()
	if err != nil {
		return out, fmt.Errorf("%s %s: %w\n%s", name, strings.Join(args, " "), err, out)
	}
	return out, nil
}

// report runs the mutants and prints the table as it grows.
func (l *lab) report(all []mutant) error {
	if *units {
		for i := range all {
			// Packages are asked one by one: most mutants share theirs, and go test remembers.
			for _, p := range all[i].packages {
				if all[i].class != "harness" && l.red([]string{p}) {
					return fmt.Errorf("unit tests of %s fail without any mutant", p)
				}
			}
		}
	}
	var bad []string
	score, counted := 0, 0
	fmt.Printf("| %-3s | %-12s | %4s | %-30s | %-30s | %-4s | %5s |\n", "id", "class", "seed", "spoke", "expected", "unit", "s")
	fmt.Println("| --- | --- | --- | --- | --- | --- | --- |")
	for i := range all {
		m := &all[i]
		v, err := l.run(m)
		if err != nil {
			return fmt.Errorf("%s: %w", m.id, err)
		}
		seed, unit := strconv.Itoa(v.seed), ""
		switch {
		case !v.killed:
			seed, v.checker = "–", fmt.Sprintf("SURVIVES %d seeds", *seeds)
			if m.survives == "" {
				bad = append(bad, m.id)
			}
		case v.seed < 0:
			seed = "test"
		}
		if v.seen {
			unit = "yes"
		} else if m.survives == "" && m.class != "harness" {
			counted++
			if v.killed {
				score++
			}
		}
		fmt.Printf("| %-3s | %-12s | %4s | %-30s | %-30s | %-4s | %5.1f |\n", m.id, m.class, seed, v.checker, m.expects, unit, v.took.Seconds())
		if v.text != "" {
			fmt.Fprintf(os.Stderr, "      %s: %s\n", m.id, v.text)
		}
	}
	fmt.Printf("\n%d mutants, %d alive. Those that no unit test sees: %d of %d killed.\n", len(all), len(bad), score, counted)
	if len(bad) > 0 {
		return fmt.Errorf("alive: %s", strings.Join(bad, " "))
	}
	return nil
}

// run makes a mutant, has it hunted, and takes it back.
func (l *lab) run(m *mutant) (v verdict, err error) {
	if _, err := l.in("git", "apply", m.file); err != nil {
		return v, err
	}
	defer func() {
		if _, back := l.in("git", "apply", "-R", m.file); err == nil {
			err = back
		}
	}()
	binary := filepath.Join(l.dir, "mutant.test")
	if err := l.build(binary); err != nil {
		return v, err
	}
	start := time.Now()
	if m.class == "harness" {
		v = l.testers(binary, m.expects)
		v.took = time.Since(start)
		return v, nil
	}
	v, err = l.hunt(binary)
	v.took = time.Since(start)
	if err == nil && *units {
		v.seen = l.red(m.packages)
	}
	return v, err
}

// red tells whether a unit test of the packages fails.
func (l *lab) red(packages []string) bool {
	_, err := l.in("go", append([]string{"test", "-trimpath", "-short", "-failfast", "-vet=off"}, packages...)...)
	return err != nil
}

var (
	saidTest = regexp.MustCompile(`(?m)^--- FAIL: (\w+)`)
	saidSeed = regexp.MustCompile(`seed (\d+): .* trace [0-9a-f]{16}`)
	saidFail = regexp.MustCompile(`FAIL ([a-z-]+): (.*)`)
	// Our invariants say whose they are; what the runtime finds (an index out of range) is not a verdict.
	invariant = regexp.MustCompile(`^panic: (raft|replica|core/[a-z]+|chat|feed|row): (.*)`)
)

// testers runs the tests on the simulator itself. If several fail, the one expected counts.
func (l *lab) testers(binary, expects string) verdict {
	cmd := exec.Command(binary, "-test.skip", "^TestSeeds$")
	cmd.Dir = filepath.Join(l.tree, "sim")
	out, err := cmd.CombinedOutput()
	if err == nil {
		return verdict{}
	}
	var names []string
	for _, name := range saidTest.FindAllSubmatch(out, -1) {
		names = append(names, string(name[1]))
	}
	if slices.Contains(names, expects) {
		names = []string{expects}
	}
	if len(names) > 0 {
		return verdict{killed: true, seed: -1, checker: names[0]}
	}
	return verdict{text: "no test failed, but: " + firstLine(out)}
}

func firstLine(b []byte) string {
	line, _, _ := bytes.Cut(b, []byte("\n"))
	return string(line)
}

// hunt tries seed after seed until one convicts the mutant that acquits the original.
func (l *lab) hunt(binary string) (verdict, error) {
	for from := 0; from < *seeds; {
		v, err := l.until(binary, from)
		if err != nil || v.seed < 0 {
			return verdict{}, err
		}
		if v.killed {
			clean, err := l.one(l.clean, v.seed, v.seed)
			if err != nil {
				return verdict{}, err
			}
			if clean.seed < 0 {
				return v, nil
			}
			fmt.Fprintf(os.Stderr, "      seed %d fails on the original, too: %s %s\n", v.seed, clean.checker, clean.text)
		} else {
			fmt.Fprintf(os.Stderr, "      seed %d: no verdict: %s\n", v.seed, v.text)
		}
		from = v.seed + 1
	}
	return verdict{}, nil
}

// until gives the first seed from which something was heard; -1: none.
func (l *lab) until(binary string, from int) (verdict, error) { return l.one(binary, from, *seeds-1) }

// one runs a range of seeds in one process, and stops at the first word.
func (l *lab) one(binary string, from, to int) (verdict, error) {
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, binary, "-test.v", "-test.run", "^TestSeeds$", "-test.timeout", "30m",
		fmt.Sprintf("-seeds=%d-%d", from, to))
	cmd.Dir = filepath.Join(l.tree, "sim")
	out, err := cmd.StdoutPipe()
	if err != nil {
		return verdict{}, err
	}
	cmd.Stderr = cmd.Stdout // a panic speaks there
	if err := cmd.Start(); err != nil {
		return verdict{}, err
	}
	v := listen(bufio.NewScanner(out), from)
	cancel()
	cmd.Wait() // killed, or it failed: both are known
	return v, nil
}

// listen reads what TestSeeds says until there is something to conclude.
func listen(lines *bufio.Scanner, from int) verdict {
	lines.Buffer(nil, 1<<20)
	seed := from - 1 // of the last one that ended
	for lines.Scan() {
		line := lines.Text()
		if n := saidSeed.FindStringSubmatch(line); n != nil {
			seed, _ = strconv.Atoi(n[1])
		}
		if f := saidFail.FindStringSubmatch(line); f != nil {
			return verdict{killed: f[1] != "budget", seed: seed, checker: f[1], text: f[2]}
		}
		if p := invariant.FindStringSubmatch(line); p != nil {
			return verdict{killed: true, seed: seed + 1, checker: "invariant of " + p[1], text: p[2]}
		}
		if strings.HasPrefix(line, "panic: ") || strings.HasPrefix(line, "fatal error: ") {
			return verdict{seed: seed + 1, text: line}
		}
	}
	return verdict{seed: -1}
}
