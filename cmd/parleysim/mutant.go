package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// mutant is one patch, with what its header says.
type mutant struct {
	file                              string
	id, class, source, needs, expects string
	policy                            string // yes: it breaks a rule of determinism_test.go as well, which must see it
	survives                          string // why it is not expected to die
	tests                             string // of class harness: packages whose tests are asked; usually ./sim
	explore                           string // the scope of sim/explore that finds it

	packages []string // that it touches, as go test wants them
}

// harness mutants break the simulator instead of Parley: a test of it must fail.
func (m *mutant) harness() bool { return m.class == "harness" }

// title is the name of the file in words.
func (m *mutant) title() string {
	name := strings.TrimPrefix(strings.TrimSuffix(filepath.Base(m.file), ".patch"), m.id+"-")
	return strings.ReplaceAll(name, "-", " ")
}

// loadMutants reads the patches of a directory, sorted by id.
func loadMutants(dir string) ([]mutant, error) {
	files, err := filepath.Glob(filepath.Join(dir, "*.patch"))
	if err != nil {
		return nil, err
	}
	var all []mutant
	for _, f := range files {
		text, err := os.ReadFile(f)
		if err != nil {
			return nil, err
		}
		m, err := parseMutant(f, string(text))
		if err != nil {
			return nil, fmt.Errorf("%s: %w", filepath.Base(f), err)
		}
		for _, other := range all {
			if other.id == m.id {
				return nil, fmt.Errorf("%s and %s are both %s", filepath.Base(other.file), filepath.Base(f), m.id)
			}
		}
		all = append(all, m)
	}
	if len(all) == 0 {
		return nil, fmt.Errorf("there is no patch in %s", dir)
	}
	return all, nil
}

// parseMutant reads the header, which ends at the first diff.
func parseMutant(file, text string) (mutant, error) {
	m := mutant{file: file, tests: "./sim"}
	fields := map[string]*string{"id": &m.id, "class": &m.class, "source": &m.source, "needs": &m.needs, "expects": &m.expects,
		"policy": &m.policy, "survives": &m.survives, "tests": &m.tests, "explore": &m.explore}
	head, diff, _ := strings.Cut(text, "\ndiff ")
	var last *string
	for line := range strings.Lines(head) {
		line = strings.TrimRight(line, "\n")
		key, value, ok := strings.Cut(line, ":")
		switch {
		case strings.TrimSpace(line) == "":
		case line[0] == ' ' && last != nil:
			*last += " " + strings.TrimSpace(line)
		case !ok || fields[key] == nil:
			return m, fmt.Errorf("header line %q", line)
		default:
			last = fields[key]
			*last = strings.TrimSpace(value)
		}
	}
	for line := range strings.Lines(diff) {
		if path, ok := strings.CutPrefix(strings.TrimRight(line, "\n"), "+++ b/"); ok {
			if pkg := "./" + filepath.ToSlash(filepath.Dir(path)); !slices.Contains(m.packages, pkg) {
				m.packages = append(m.packages, pkg)
			}
		}
	}
	return m, m.check()
}

func (m *mutant) check() error {
	switch {
	case m.id == "" || m.class == "" || m.source == "" || m.needs == "" || m.expects == "":
		return errors.New("the header lacks something of id, class, source, needs, expects")
	case !strings.HasPrefix(filepath.Base(m.file), m.id+"-"):
		return fmt.Errorf("the file is not called after its id %s", m.id)
	case len(m.packages) == 0:
		return errors.New("it changes nothing")
	}
	return nil
}
