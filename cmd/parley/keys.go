package main

import (
	"bytes"
	"io"
	"strings"
	"unicode/utf8"
)

// The keys that the line editor gets to see differ from those typed, in three ways: Ctrl+C is taken
// out (x/term reports it as the end of input and drops the line), what is pasted is made one line
// (x/term ends a line at each newline), and text goes in as if pasted, because x/term silently
// stops taking other text at 4,096 characters.

const (
	byteCtrlC = 0x03
	// keyInterrupt stands for Ctrl+C. x/term has no use for it and asks its callback.
	keyInterrupt = 0x1c
	// lineMark stands for a newline inside the line being typed: a pasted one.
	lineMark = '\u2424'
)

var (
	pasteBegin = []byte("\x1b[200~")
	pasteEnd   = []byte("\x1b[201~")
)

// keyFilter turns what a terminal sends into what the editor should get. The zero value is ready.
type keyFilter struct {
	held   []byte // a sequence or a rune that is not complete
	paste  bool
	pasted []byte
}

// feed gives the keys for what came: in pieces, each of which ends with keyInterrupt or the input.
func (f *keyFilter) feed(in []byte) [][]byte {
	var pieces [][]byte
	var out []byte
	for _, b := range in {
		var cut bool
		if out, cut = f.one(out, b); cut {
			pieces = append(pieces, out)
			out = nil
		}
	}
	if len(out) > 0 {
		pieces = append(pieces, out)
	}
	return pieces
}

func (f *keyFilter) one(out []byte, b byte) (_ []byte, cut bool) {
	switch {
	case f.paste:
		f.pasted = append(f.pasted, b)
		if bytes.HasSuffix(f.pasted, pasteEnd) {
			text := oneLine(f.pasted[:len(f.pasted)-len(pasteEnd)])
			f.paste, f.pasted = false, nil
			out = asText(out, text)
		}
		return out, false
	case len(f.held) > 0 && f.held[0] == 0x1b:
		f.held = append(f.held, b)
		return f.sequence(out), false
	case b == byteCtrlC:
		f.held = f.held[:0]
		return append(out, keyInterrupt), true
	case b == 0x1b:
		f.held = append(f.held[:0], b)
		return out, false
	case b < 0x20 || b == 0x7f:
		f.held = f.held[:0]
		return append(out, b), false
	}
	f.held = append(f.held, b)
	if utf8.FullRune(f.held) {
		if r, _ := utf8.DecodeRune(f.held); r != utf8.RuneError && harmless(r) {
			out = asText(out, string(f.held))
		}
		f.held = f.held[:0]
	}
	return out, false
}

// sequence looks at a held escape sequence: a paste begins, or it goes through when complete.
func (f *keyFilter) sequence(out []byte) []byte {
	switch {
	case bytes.Equal(f.held, pasteBegin):
		f.paste, f.held = true, nil
	case !sequenceEnds(f.held):
	case len(f.held) == 2: // Alt and a key: x/term would wait for more
		f.held = f.held[:0]
	default:
		f.held[1] = '[' // some terminals say ESC O for the arrows, which x/term does not know
		out = append(out, f.held...)
		f.held = f.held[:0]
	}
	return out
}

// asText appends text in such a way that the editor takes all of it.
func asText(out []byte, text string) []byte {
	if n := len(out) - len(pasteEnd); n >= 0 && bytes.Equal(out[n:], pasteEnd) {
		out = out[:n] // go on where the last text ended
	} else {
		out = append(out, pasteBegin...)
	}
	out = append(out, text...)
	return append(out, pasteEnd...)
}

// oneLine is a pasted text as one line, with marks for its newlines and without what no message
// needs: controls and broken bytes.
func oneLine(pasted []byte) string {
	text := strings.ReplaceAll(string(pasted), "\r\n", "\n")
	text = strings.ReplaceAll(text, "\r", "\n")
	text = strings.TrimRight(text, "\n")
	return strings.Map(func(r rune) rune {
		switch {
		case r == '\n':
			return lineMark
		case r == '\t':
			return r
		case r == utf8.RuneError, !harmless(r):
			return -1
		}
		return r
	}, text)
}

// keys is the reader that the editor reads. It has one owner: the goroutine that runs the editor.
type keys struct {
	chunks <-chan []byte // from the terminal; closed at its end
	filter keyFilter
	queue  [][]byte // for the editor, in pieces

	withdraw chan struct{} // the line being read is not wanted any more

	secret bool  // a password is being read: the editor does not ask its callback
	ended  error // why the line ended, if Enter was not typed
}

// Read gives the editor its next keys.
func (k *keys) Read(p []byte) (int, error) {
	for len(k.queue) == 0 {
		select {
		case chunk, ok := <-k.chunks:
			if !ok {
				return 0, io.EOF
			}
			k.queue = append(k.queue, k.filter.feed(chunk)...)
		case <-k.withdraw:
			k.end(errWithdrawn)
		}
	}
	if piece := k.queue[0]; k.secret && piece[len(piece)-1] == keyInterrupt {
		k.end(errInterrupt)
	}
	n := copy(p, k.queue[0])
	if k.queue[0] = k.queue[0][n:]; len(k.queue[0]) == 0 {
		k.queue = k.queue[1:]
	}
	return n, nil
}

// callback is x/term's for keys it does not know: it knows the line, and so what Ctrl+C means.
func (k *keys) callback(line string, pos int, key rune) (string, int, bool) {
	if key != keyInterrupt {
		return "", 0, false
	}
	if line == "" {
		k.end(errInterrupt)
	}
	return "", 0, true
}

// end ends the line being read: the editor returns, and its caller learns why. What was typed ahead
// is forgotten.
func (k *keys) end(why error) {
	k.ended = why
	k.queue = [][]byte{{0x15, '\r'}}
}

// idle takes a chunk that came while no line is read. It reports Ctrl+C, which forgets the rest.
func (k *keys) idle(chunk []byte) (interrupted bool) {
	for _, piece := range k.filter.feed(chunk) {
		if piece[len(piece)-1] == keyInterrupt {
			k.queue, interrupted = nil, true
			continue
		}
		k.queue = append(k.queue, piece)
	}
	return interrupted
}
