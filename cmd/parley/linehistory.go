package main

import (
	"os"
	"strings"
)

// lineHistory is what was typed in line mode, in this life and earlier ones. Passwords are never
// part of it: the editor does not give them here.
type lineHistory struct {
	path  string
	lines []string // oldest first
}

// historyLines is how many lines are remembered.
const historyLines = 500

func openLineHistory(path string) *lineHistory {
	h := &lineHistory{path: path}
	data, err := os.ReadFile(path)
	if err != nil {
		return h // none, or not readable: then there is none
	}
	for text := range strings.Lines(string(data)) {
		h.lines = append(h.lines, strings.TrimSuffix(text, "\n"))
	}
	if n := len(h.lines) - historyLines; n > 0 {
		h.lines = h.lines[n:]
		replaceFile(path, []byte(strings.Join(h.lines, "\n")+"\n"))
	}
	return h
}

// Add is called for each line typed.
func (h *lineHistory) Add(line string) {
	if line == "" || h.Len() > 0 && h.At(0) == line {
		return
	}
	h.lines = append(h.lines, line)
	f, err := os.OpenFile(h.path, os.O_WRONLY|os.O_APPEND|os.O_CREATE, 0o600)
	if err != nil {
		return // typing goes on without
	}
	f.WriteString(line + "\n")
	f.Close()
}

func (h *lineHistory) Len() int { return len(h.lines) }

// At gives the line idx before the last.
func (h *lineHistory) At(idx int) string { return h.lines[len(h.lines)-1-idx] }
