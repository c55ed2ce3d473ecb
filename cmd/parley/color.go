package main

import "hash/fnv"

// painter colours names, or does not. The zero value does not. Colour repeats what the text says
// already; nothing is told by colour alone.
type painter struct{ on bool }

// name gives a name its colour, the same every time: a stable hash, so that a person learns it.
func (p painter) name(s string) string {
	if !p.on {
		return safe(s)
	}
	h := fnv.New32a()
	h.Write([]byte(s))
	codes := [...]string{"31", "32", "33", "34", "35", "36"}
	return "\x1b[" + codes[h.Sum32()%uint32(len(codes))] + "m" + safe(s) + "\x1b[0m"
}

// newPainter decides by --color, and under auto by what stdout is and what the environment asks.
func newPainter(mode string, terminal bool, getenv func(string) string) painter {
	switch mode {
	case "always":
		return painter{on: true}
	case "never":
		return painter{}
	}
	return painter{on: terminal && getenv("NO_COLOR") == "" && getenv("TERM") != "dumb"}
}
