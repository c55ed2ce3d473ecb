//go:build ignore

// Command explore puts back those bugs of this folder whose header names a scope of sim/explore, one at a
// time, and reports in how many states the exploration of that scope finds them.
//
//	go run sim/mutants/explore.go [id ...]
package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "explore:", err)
		os.Exit(1)
	}
}

var (
	saidID    = regexp.MustCompile(`(?m)^id: +(\S+)$`)
	saidScope = regexp.MustCompile(`(?m)^explore: +(.*\S)$`)
	saidFound = regexp.MustCompile(`: (\d+) states, (\d+) transitions, depth (\d+),.* FOUND ([a-z-]+): (.*); ([0-9.]+) s,`)
)

func run(ids []string) error {
	files, err := filepath.Glob("sim/mutants/*.patch")
	if err != nil || len(files) == 0 {
		return errors.New("no patches: run it from the top of the repository")
	}
	dir, err := os.MkdirTemp("", "explore")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	var alive []string
	fmt.Printf("| %-3s | %-26s | %9s | %5s | %6s | %-12s | %s\n", "id", "scope", "states", "depth", "s", "spoke", "says")
	for _, file := range files {
		patch, err := os.ReadFile(file)
		if err != nil {
			return err
		}
		id, scope := saidID.FindSubmatch(patch), saidScope.FindSubmatch(patch)
		if id == nil || scope == nil || len(ids) > 0 && !slices.Contains(ids, string(id[1])) {
			continue
		}
		out, err := explore(filepath.Join(dir, string(id[1])), file, string(scope[1]))
		if err != nil {
			return fmt.Errorf("%s: %w", id[1], err)
		}
		found := saidFound.FindStringSubmatch(out)
		if found == nil {
			alive = append(alive, string(id[1]))
			fmt.Printf("| %-3s | %-26s | SURVIVES\n", id[1], scope[1])
			continue
		}
		fmt.Printf("| %-3s | %-26s | %9s | %5s | %6s | %-12s | %s\n", id[1], scope[1], found[1], found[3], found[6], found[4], found[5])
	}
	if len(alive) > 0 {
		return fmt.Errorf("alive: %s", strings.Join(alive, " "))
	}
	return nil
}

// explore makes the mutant in a copy of HEAD, and explores the scope there.
func explore(dir, patch, scope string) (string, error) {
	patch, err := filepath.Abs(patch)
	if err != nil {
		return "", err
	}
	for _, line := range []string{
		"mkdir " + dir,
		"git archive HEAD | tar x -C " + dir,
		"cd " + dir + " && GIT_CEILING_DIRECTORIES=" + filepath.Dir(dir) + " git apply " + patch,
		"cd " + dir + " && go test -c -trimpath -o explore.test ./sim/explore",
	} {
		if out, err := exec.Command("sh", "-c", line).CombinedOutput(); err != nil {
			return "", fmt.Errorf("%s: %w\n%s", line, err, out)
		}
	}
	cmd := exec.Command(filepath.Join(dir, "explore.test"), "-test.run=^TestScope$", "-test.v", "-test.timeout=30m", "-scope="+scope)
	began := time.Now()
	out, err := cmd.CombinedOutput()
	if exit := (*exec.ExitError)(nil); err != nil && !errors.As(err, &exit) {
		return "", fmt.Errorf("explore after %v: %w", time.Since(began), err)
	}
	return string(out), nil
}
