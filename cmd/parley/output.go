package main

import (
	"bufio"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
)

// An output is what a flag of check asks for besides the judgement: of one file, a file; of several,
// one each in a directory.
type output struct {
	flag   string
	path   string // or "": not wanted
	suffix string // of the files in a directory
}

// prepare sees to it that there is a place for each file, before a long judgement ends in vain.
func (o *output) prepare(files []string) error {
	if o.path == "" || len(files) == 1 {
		return nil
	}
	taken := map[string]string{}
	for _, file := range files {
		name := o.name(file)
		if other, twice := taken[name]; twice {
			return usage("--%s: %s and %s would both be written as %s", o.flag, other, file, name)
		}
		taken[name] = file
	}
	if err := os.MkdirAll(o.path, 0o755); err != nil {
		return badConfig("", "--%s: %v", o.flag, err)
	}
	return nil
}

// name is what a file has in a directory.
func (o *output) name(file string) string {
	if file == "-" {
		return "stdin" + o.suffix
	}
	return strings.TrimSuffix(filepath.Base(file), ".jsonl") + o.suffix
}

// write writes what belongs to a file, if it is wanted.
func (o *output) write(file string, write func(io.Writer) error) error {
	if o.path == "" {
		return nil
	}
	path := o.path
	if info, err := os.Stat(path); err == nil && info.IsDir() {
		path = filepath.Join(path, o.name(file))
	}
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o644)
	if err != nil {
		return badConfig("", "--%s: %v", o.flag, err)
	}
	out := bufio.NewWriter(f)
	if err := errors.Join(write(out), out.Flush(), f.Close()); err != nil {
		return badConfig("", "--%s: %v", o.flag, err)
	}
	return nil
}
