package main

import (
	"bufio"
	"errors"
	"os"
	"path/filepath"
	"strings"

	lin "parley/linearizability"
)

// preparePages sees to it that there is a page for each file, before a long judgement ends in vain.
func (c *checker) preparePages(files []string) error {
	if c.html == "" || len(files) == 1 {
		return nil
	}
	taken := map[string]string{}
	for _, file := range files {
		page := pageName(file)
		if other, twice := taken[page]; twice {
			return usage("--html: %s and %s would both be drawn as %s", other, file, page)
		}
		taken[page] = file
	}
	if err := os.MkdirAll(c.html, 0o755); err != nil {
		return badConfig("", "--html: %v", err)
	}
	return nil
}

// pageName is the page of a file in a directory of pages.
func pageName(file string) string {
	if file == "-" {
		return "stdin.html"
	}
	return strings.TrimSuffix(filepath.Base(file), ".jsonl") + ".html"
}

// draw writes the page of a file, if one is wanted.
func (c *checker) draw(file string, r lin.Report, h *lin.History) error {
	if c.html == "" {
		return nil
	}
	path := c.html
	if info, err := os.Stat(path); err == nil && info.IsDir() {
		path = filepath.Join(path, pageName(file))
	}
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o644)
	if err != nil {
		return badConfig("", "--html: %v", err)
	}
	out := bufio.NewWriter(f)
	if err := errors.Join(r.HTML(out, h), out.Flush(), f.Close()); err != nil {
		return badConfig("", "--html: %v", err)
	}
	return nil
}
