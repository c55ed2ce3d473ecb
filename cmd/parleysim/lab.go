package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// lab is where mutants are made: copies of the tree, one for each that is made at the same time, and
// the unchanged program to compare with.
type lab struct {
	dir   string
	root  string // of the repository
	clean string // the unchanged program
	trees chan string
}

// newLab copies the tree as it is: what git knows, with changes that are not committed.
func newLab(ctx context.Context, jobs int) (*lab, error) {
	top, err := exec.CommandContext(ctx, "git", "rev-parse", "--show-toplevel").Output()
	if err != nil {
		return nil, fmt.Errorf("find the repository (mutants are patches against it): %w", err)
	}
	dir, err := os.MkdirTemp("", "mutants")
	if err != nil {
		return nil, err
	}
	l := &lab{dir: dir, root: strings.TrimSpace(string(top)), clean: filepath.Join(dir, "clean"), trees: make(chan string, jobs)}
	if err := l.fill(ctx, jobs); err != nil {
		l.close()
		return nil, err
	}
	return l, nil
}

func (l *lab) close() { os.RemoveAll(l.dir) }

func (l *lab) fill(ctx context.Context, jobs int) error {
	now, err := exec.CommandContext(ctx, "git", "-C", l.root, "stash", "create").Output()
	if err != nil {
		return fmt.Errorf("look for changes: %w", err)
	}
	commit := strings.TrimSpace(string(now))
	if commit == "" { // nothing changed
		commit = "HEAD"
	}
	for i := range jobs {
		tree := filepath.Join(l.dir, fmt.Sprintf("tree%d", i))
		if err := l.unpack(ctx, commit, tree); err != nil {
			return err
		}
		if i == 0 {
			if err := l.build(ctx, tree, l.clean); err != nil {
				return err
			}
		}
		l.trees <- tree
	}
	return nil
}

func (l *lab) unpack(ctx context.Context, commit, tree string) error {
	if err := os.Mkdir(tree, 0o777); err != nil {
		return err
	}
	tar := tree + ".tar"
	if out, err := exec.CommandContext(ctx, "git", "-C", l.root, "archive", "-o", tar, commit).CombinedOutput(); err != nil {
		return fmt.Errorf("git archive: %w\n%s", err, out)
	}
	if out, err := exec.CommandContext(ctx, "tar", "xf", tar, "-C", tree).CombinedOutput(); err != nil {
		return fmt.Errorf("unpack the tree: %w\n%s", err, out)
	}
	return os.Remove(tar)
}

// build makes this program from a tree. Paths are trimmed, so that all trees share what is compiled.
func (l *lab) build(ctx context.Context, tree, binary string) error {
	_, err := l.in(ctx, tree, "go", "build", "-trimpath", "-buildvcs=false", "-ldflags=-s -w", "-o", binary, "./cmd/parleysim")
	return err
}

// in runs a command in a tree.
func (l *lab) in(ctx context.Context, tree, name string, args ...string) ([]byte, error) {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Dir = tree
	// The copy is no repository; git must not take one around it for one.
	cmd.Env = append(os.Environ(), "GIT_CEILING_DIRECTORIES="+l.dir)
	out, err := cmd.CombinedOutput()
	if err != nil {
		return out, fmt.Errorf("%s %s: %w\n%s", name, strings.Join(args, " "), err, out)
	}
	return out, nil
}

// applies says what keeps a patch from applying to the tree, if anything.
func (l *lab) applies(ctx context.Context, tree string, m *mutant) error {
	if out, err := l.in(ctx, tree, "git", "apply", "--check", m.file); err != nil {
		return fmt.Errorf("%s does not apply any more; write it anew against the code as it is:\n%s", m.id, out)
	}
	return nil
}

// made gives a tree with the mutant in it, and takes it back afterwards.
func (l *lab) made(ctx context.Context, m *mutant, use func(tree string) error) (err error) {
	tree := <-l.trees
	defer func() { l.trees <- tree }()
	if _, err := l.in(ctx, tree, "git", "apply", m.file); err != nil {
		return err
	}
	defer func() {
		if _, back := l.in(context.WithoutCancel(ctx), tree, "git", "apply", "-R", m.file); err == nil {
			err = back
		}
	}()
	return use(tree)
}

// red tells whether a test of the packages fails, of those whose names match.
func (l *lab) red(ctx context.Context, tree, names string, packages ...string) (bool, []byte) {
	args := append([]string{"test", "-trimpath", "-short", "-vet=off", "-run", names}, packages...)
	out, err := l.in(ctx, tree, "go", args...)
	return err != nil, out
}
