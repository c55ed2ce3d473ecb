package main

import (
	"strconv"
	"strings"
)

// command takes a line of somebody who is logged in.
func (d *dialogue) command(line string) []act {
	switch {
	case line == "" && d.to != "":
		return nil
	case strings.HasPrefix(line, `\\`), strings.HasPrefix(line, `//`):
		return d.plain(line[1:])
	case strings.HasPrefix(line, `\`), strings.HasPrefix(line, `/`):
		word, rest := cutWord(line[1:])
		return d.backslash(word, rest, line)
	case strings.HasPrefix(line, "@"):
		return d.at(line)
	}
	return d.plain(line)
}

// cutWord splits off the first word. What follows the space after it is kept byte for byte.
func cutWord(s string) (word, rest string) {
	word, rest, _ = strings.Cut(s, " ")
	if i := strings.IndexByte(word, '\n'); i >= 0 {
		word, rest = s[:i], s[i+1:]
	}
	return word, rest
}

func (d *dialogue) backslash(word, rest, line string) []act {
	if strings.Contains(line, "\n") && word != "send" {
		return invalid(invalidCommand, line)
	}
	switch arg := strings.TrimSpace(rest); word {
	case "send":
		return d.send(rest)
	case "list":
		if arg == "" {
			d.mode = atQuery
			return nil
		}
		return d.work(showNames{arg})
	case "logout":
		return d.work(logout{})
	case "delete":
		d.mode = atConfirm
		return nil
	case "history":
		return d.history(arg, line)
	case "outbox":
		return d.work(showOutbox{})
	case "status":
		return d.work(showStatus{})
	case "help":
		return []act{hello{commandHelp}}
	case "quit":
		return []act{quit{exitOK}}
	}
	return invalid(invalidCommand, line)
}

// send asks for what the line does not say.
func (d *dialogue) send(rest string) []act {
	to, text := cutWord(strings.TrimLeft(rest, " "))
	if to == "" {
		d.mode = atTo
		return nil
	}
	d.draftTo = strings.TrimPrefix(to, "@")
	if text == "" {
		d.mode = atText
		return nil
	}
	return d.write(d.draftTo, text)
}

// at is @NAME: from now on plain lines go there. @ alone ends it.
func (d *dialogue) at(line string) []act {
	to, text := cutWord(line[1:])
	if to != "" && !goodName(to) {
		return invalid(invalidCommand, line)
	}
	d.to = to
	if text == "" {
		return nil
	}
	return d.plain(text)
}

// plain is text; the recipient is never guessed.
func (d *dialogue) plain(text string) []act {
	if d.to == "" {
		return invalid(invalidCommand, text)
	}
	return d.write(d.to, text)
}

// write sends a text, if it is one. Several lines were pasted: perhaps not on purpose.
func (d *dialogue) write(to, text string) []act {
	switch {
	case to == "" || text == "":
		return failure(refusal(0, "E_EMPTY", details{}).local(), needBoth)
	case strings.Contains(text, "\n"):
		d.mode, d.draft, d.draftTo = atPaste, text, to
		return nil
	}
	return d.post(to, text)
}

func (d *dialogue) post(to, text string) []act {
	d.draft = ""
	switch p := checkBody(text); {
	case p != nil:
		return failure(p, "")
	case !goodName(to):
		return failure(refusal(0, "E_NO_SUCH_USER", details{name: to}).local(), noRecipient)
	}
	return []act{send{d.sent.begin(to, text)}}
}

// history is \history [NAME] [N].
func (d *dialogue) history(arg, line string) []act {
	past := showPast{with: d.to, limit: 20}
	for _, word := range strings.Fields(arg) {
		if n, err := strconv.Atoi(word); err == nil && n > 0 && past.with != "" {
			past.limit = min(n, 1000)
			continue
		}
		past.with = strings.TrimPrefix(word, "@")
	}
	if past.with == "" {
		return invalid(invalidCommand, line)
	}
	return d.work(past)
}
