package main

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// The scripts are a manual that runs: each drives the real main against a real server of its own,
// without passwords unless its name says so. They are written in the language of testscript, of
// which they need little:
//
//	as NAME CODE ARGS…       parley ARGS, with NAME's own directories, exits with CODE
//	stdin FILE               what the next parley reads
//	[!] stdout|stderr REGEX  what the last one wrote
//	cmp stdout|stderr FILE   the same, byte for byte
//	server stop|start        the script's server
//	env KEY=VALUE, chmod MODE PATH, exists PATH, grep REGEX PATH, write PATH TEXT
//
// Files stand at the end, after lines "-- name --".
func TestScripts(t *testing.T) {
	paths, err := filepath.Glob("testdata/script/*.txt")
	if err != nil || len(paths) == 0 {
		t.Fatalf("no scripts: %v", err)
	}
	for _, path := range paths {
		name := strings.TrimSuffix(filepath.Base(path), ".txt")
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			text, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			s := &script{T: t, dir: t.TempDir()}
			if s.servers, err = startServers(s.dir, 1, !strings.Contains(name, "password"), nil); err != nil {
				t.Fatal(err)
			}
			defer func() { s.servers.stop() }()
			s.run(path, s.unpack(string(text)))
		})
	}
}

// script is one script being run.
type script struct {
	*testing.T
	dir            string
	servers        *servers
	env            []string
	stdin          string
	stdout, stderr string
	where          string
}

// unpack writes the files at the end of a script, and returns what stands before them.
func (s *script) unpack(text string) string {
	parts := regexp.MustCompile(`(?m)^-- (\S+) --\n`).FindAllStringSubmatchIndex(text, -1)
	for i, p := range parts {
		end := len(text)
		if i+1 < len(parts) {
			end = parts[i+1][0]
		}
		s.must(os.WriteFile(s.path(text[p[2]:p[3]]), []byte(text[p[1]:end]), 0o600))
	}
	if len(parts) > 0 {
		text = text[:parts[0][0]]
	}
	return text
}

func (s *script) path(name string) string { return filepath.Join(s.dir, name) }

func (s *script) must(err error) {
	s.Helper()
	if err != nil {
		s.Fatalf("%s: %v", s.where, err)
	}
}

func (s *script) read(name string) string {
	s.Helper()
	data, err := os.ReadFile(s.path(name))
	s.must(err)
	return string(data)
}

func (s *script) run(path, text string) {
	for i, line := range strings.Split(text, "\n") {
		s.where = path + ":" + strconv.Itoa(i+1)
		words := s.words(line)
		if len(words) == 0 {
			continue
		}
		not := words[0] == "!"
		if not {
			words = words[1:]
		}
		s.command(words[0], words[1:], not)
	}
}

// words splits a line; what is quoted is one word, # begins a comment, and $WORK is the directory.
func (s *script) words(line string) []string {
	var words []string
	for _, m := range regexp.MustCompile(`#.*|(?:'[^']*'|[^'\s])+`).FindAllString(line, -1) {
		if m[0] == '#' {
			break
		}
		words = append(words, strings.ReplaceAll(strings.ReplaceAll(m, "'", ""), "$WORK", s.dir))
	}
	return words
}

func (s *script) command(name string, args []string, not bool) {
	s.Helper()
	switch name {
	case "as":
		s.as(args[0], args[1], args[2:])
	case "stdin":
		s.stdin = s.read(args[0])
	case "stdout":
		s.match(name, s.stdout, args[0], not)
	case "stderr":
		s.match(name, s.stderr, args[0], not)
	case "cmp":
		got := s.stdout
		if args[0] == "stderr" {
			got = s.stderr
		}
		if want := s.read(args[1]); got != want {
			s.Fatalf("%s: %s is\n%s\nwant\n%s", s.where, args[0], got, want)
		}
	case "server":
		if s.servers.stop(); args[0] == "start" {
			s.must(s.servers.start())
		}
	case "env":
		s.env = append(s.env, args...)
	case "chmod":
		mode, err := strconv.ParseUint(args[0], 8, 32)
		s.must(errors.Join(err, os.Chmod(s.path(args[1]), os.FileMode(mode))))
	case "exists":
		if _, err := os.Stat(s.path(args[0])); (err == nil) == not {
			s.Fatalf("%s: exists %s: %v", s.where, args[0], err)
		}
	case "grep":
		s.match(args[1], s.read(args[1]), args[0], not)
	case "write":
		s.must(os.MkdirAll(filepath.Dir(s.path(args[0])), 0o700))
		s.must(os.WriteFile(s.path(args[0]), []byte(strings.Join(args[1:], " ")+"\n"), 0o600))
	default:
		s.Fatalf("%s: no such command: %s", s.where, name)
	}
}

func (s *script) as(name, code string, args []string) {
	s.Helper()
	cmd := parley(s, s.path(name), s.servers.addresses(), args...)
	cmd.Env = append(cmd.Env, s.env...)
	cmd.Dir = s.dir
	var stdout, stderr bytes.Buffer
	cmd.Stdin, cmd.Stdout, cmd.Stderr = strings.NewReader(s.stdin), &stdout, &stderr
	err := cmd.Run()
	s.stdin, s.stdout, s.stderr = "", stdout.String(), stderr.String()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		s.Fatalf("%s: %v", s.where, err)
	}
	if got := strconv.Itoa(cmd.ProcessState.ExitCode()); got != code {
		s.Fatalf("%s: exit %s, want %s\nstdout: %s\nstderr: %s", s.where, got, code, s.stdout, s.stderr)
	}
}

func (s *script) match(what, text, expr string, not bool) {
	s.Helper()
	if re := regexp.MustCompile(`(?m)` + expr); re.MatchString(text) == not {
		s.Fatalf("%s: %s matches %q: %t\n%s", s.where, what, expr, !not, text)
	}
}
