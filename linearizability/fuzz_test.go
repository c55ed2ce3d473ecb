package linearizability

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

// Whatever is read is written and read again as the same, and can be judged; whatever is refused
// is refused with its line.
func FuzzRead(f *testing.F) {
	f.Add(readExample(f))
	for _, a := range mustAccept {
		var b bytes.Buffer
		if err := script(f, a.meta, a.text).Write(&b); err != nil {
			f.Fatal(err)
		}
		f.Add(b.Bytes())
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		h, err := Read(bytes.NewReader(b))
		sameWithSpaces(t, b, h, err)
		if err != nil {
			var format *FormatError
			if !errors.As(err, &format) || format.Line < 1 {
				t.Fatal(err)
			}
			return
		}
		var out bytes.Buffer
		if err := h.Write(&out); err != nil {
			t.Fatal(err)
		}
		again, err := Read(bytes.NewReader(out.Bytes()))
		if err != nil {
			t.Fatalf("%v in\n%s", err, &out)
		}
		if d := diff(h, again); d != "" {
			t.Fatal(d)
		}
		if d := diff(h, plainly(t, b)); d != "" {
			t.Fatal(d)
		}
		if h.Len() < 100 {
			Check(h, Options{Certificate: true, Search: true, Budget: 10_000})
		}
	})
}

func diff(a, b *History) string {
	return cmp.Diff(a.Meta, b.Meta) + cmp.Diff(slices.Collect(a.All()), slices.Collect(b.All()), cmpopts.EquateEmpty())
}

// sameWithSpaces reads the lines again, each with a space before it, which the scanner leaves to
// the strict decoder: the outcome is the same.
func sameWithSpaces(t *testing.T, b []byte, h *History, err error) {
	t.Helper()
	spaced := append([]byte(" "), bytes.ReplaceAll(b, []byte("\n"), []byte("\n "))...)
	again, errAgain := Read(bytes.NewReader(spaced))
	switch {
	case fmt.Sprint(err) != fmt.Sprint(errAgain):
		t.Fatalf("%v; strictly: %v", err, errAgain)
	case err == nil && diff(h, again) != "":
		t.Fatalf("strictly there is another history: %s", diff(h, again))
	}
}

// plainly reads a history that is one with encoding/json alone.
func plainly(t *testing.T, b []byte) *History {
	t.Helper()
	h, called := &History{}, map[uint64]Op{}
	lines := bytes.Split(b, []byte("\n"))
	for i, text := range lines[:len(lines)-1] {
		if i == 0 {
			h.Meta = plainMeta(t, text)
			continue
		}
		h.Events = append(h.Events, plainEvent(t, text, called))
	}
	return h
}

func plainMeta(t *testing.T, text []byte) (m Meta) {
	var line struct {
		Clock, Positions string
		Skew, Seed       uint64
		Rules            Rules
	}
	if err := json.Unmarshal(text, &line); err != nil {
		t.Fatal(err)
	}
	return Meta{Clock: line.Clock, Positions: line.Positions, Rules: line.Rules, Skew: line.Skew, Seed: line.Seed}
}

func plainEvent(t *testing.T, text []byte, called map[uint64]Op) (e Event) {
	var values map[string]json.RawMessage
	if err := json.Unmarshal(text, &values); err != nil {
		t.Fatal(err)
	}
	take := func(name string, at any) {
		if raw, there := values[name]; there {
			if err := json.Unmarshal(raw, at); err != nil {
				t.Fatalf("%s in %s: %v", name, text, err)
			}
		}
	}
	take("e", &e.E)
	take("id", &e.ID)
	take("op", &e.Op)
	take("kind", &e.Kind)
	take("code", &e.Code)
	take("never", &e.Never)
	if e.E == Inv {
		called[e.ID] = e.Op
	}
	for _, f := range e.shape(called[e.ID]) {
		take(f.name, f.at(&e))
	}
	return e
}

// What is hostile is refused with line and field before it takes much memory.
func TestReadRefusesHostileFiles(t *testing.T) {
	const meta = `{"e":"meta","format":"parley-history","version":1,"clock":"event","positions":"every","rules":{"login":"multi","expiry":"never"}}` + "\n"
	repeat := func(n int, s string) io.Reader { return &repeater{text: s, left: n} }
	tests := []struct {
		name  string
		lines io.Reader
		want  string
	}{
		{"an endless line", repeat(1<<30, "x"), `line 2: longer than 16777216 bytes`},
		{"deep nesting", repeat(2_000_000, "["), `line 2: not JSON`},
		{"deep nesting in a comment", strings.NewReader(`{"e":"phase","t":1,"x-":` + strings.Repeat("[", 1<<20) + "\n"), `line 2: not JSON`},
		{"a number of a million digits", strings.NewReader(`{"e":"phase","t":` + strings.Repeat("9", 1<<20) + "}\n"), `line 2: field "t": not an integer from 0 to 2^53-1`},
		{"an exponent", strings.NewReader(`{"e":"phase","t":1e999999999,"name":""}` + "\n"), `line 2: field "t": not an integer from 0 to 2^53-1`},
		{"a million lines of garbage", repeat(1_000_000, "garbage\n"), `line 2: not JSON`},
		{"a million empty lines", repeat(1_000_000, "\n"), `line 2: not JSON`},
		{"a page of a million rows that is none", strings.NewReader(`{"e":"ok","id":1,"t":1,"rows":[` + strings.Repeat("0,", 1_000_000) + "0]}\n"), `line 2: field "id": no call 1 to answer`},
		{"binary", repeat(1<<20, "\xff\x00"), `line 2: not UTF-8`},
	}
	for _, test := range tests {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		_, err := Read(io.MultiReader(strings.NewReader(meta), test.lines, strings.NewReader("\n")))
		runtime.ReadMemStats(&after)
		if err == nil || err.Error() != test.want {
			t.Errorf("%s:\ngot  %v\nwant %s", test.name, err, test.want)
		}
		if took := after.TotalAlloc - before.TotalAlloc; took > 200<<20 {
			t.Errorf("%s: took %d MiB", test.name, took>>20)
		}
	}
}

// A repeater gives a text again and again.
type repeater struct {
	text string
	left int
}

func (r *repeater) Read(p []byte) (n int, err error) {
	for r.left > 0 && n+len(r.text) <= len(p) {
		n += copy(p[n:], r.text)
		r.left--
	}
	if n == 0 {
		return 0, io.EOF
	}
	return n, nil
}

// What is no history is refused with line and field.
func TestReadRefuses(t *testing.T) {
	const meta = `{"e":"meta","format":"parley-history","version":1,"clock":"event","positions":"every","rules":{"login":"multi","expiry":"never"}}`
	const inv = `{"e":"inv","id":1,"p":1,"t":1,"op":"logout","dev":"d1","dseq":1}`
	const sub = `{"e":"sub","sub":1,"t":1,"dev":"d1","after":0}`
	tests := []struct{ name, lines, want string }{
		{"nothing", ``, `line 1: no meta line`},
		{"no meta", inv, `line 1: field "id": unknown field`},
		{"another version", strings.Replace(meta, `"version":1`, `"version":2`, 1), `line 1: meta: version is 2, not 1`},
		{"another clock", strings.Replace(meta, `"event"`, `"wall"`, 1), `line 1: meta: clock is "wall", not one of ["event" "mono"]`},
		{"an unknown rule", strings.Replace(meta, `"multi"`, `"many"`, 1), `line 1: meta: rules.login is "many", not one of ["exclusive" "multi"]`},
		{"not JSON", meta + "\n" + `{"e":`, `line 2: not JSON`},
		{"not UTF-8", meta + "\n" + "{\"e\":\"\xff\"}", `line 2: not UTF-8`},
		{"not an object", meta + "\n" + `[1]`, `line 2: not an object`},
		{"an empty line", meta + "\n", `line 2: not JSON`},
		{"an unknown event", meta + "\n" + `{"e":"oops"}`, `line 2: field "e": unknown event "oops"`},
		{"an unknown operation", meta + "\n" + strings.Replace(inv, "logout", "leave", 1), `line 2: field "op": unknown operation "leave"`},
		{"a missing field", meta + "\n" + strings.Replace(inv, `,"dseq":1`, ``, 1), `line 2: field "dseq": missing`},
		{"an unknown field", meta + "\n" + strings.Replace(inv, `dseq":1`, `dseq":1,"y":2`, 1), `line 2: field "y": unknown field`},
		{"a field twice", meta + "\n" + strings.Replace(inv, `dseq":1`, `dseq":1,"dseq":1`, 1), `line 2: field "dseq": twice`},
		{"a negative number", meta + "\n" + strings.Replace(inv, `"dseq":1`, `"dseq":-1`, 1), `line 2: field "dseq": not an integer from 0 to 2^53-1`},
		{"a number too large", meta + "\n" + strings.Replace(inv, `"dseq":1`, `"dseq":9007199254740992`, 1), `line 2: field "dseq": not an integer from 0 to 2^53-1`},
		{"a fraction", meta + "\n" + strings.Replace(inv, `"dseq":1`, `"dseq":1.0`, 1), `line 2: field "dseq": not an integer from 0 to 2^53-1`},
		{"a string for a number", meta + "\n" + strings.Replace(inv, `"dseq":1`, `"dseq":"1"`, 1), `line 2: field "dseq": not an integer from 0 to 2^53-1`},
		{"a number for a string", meta + "\n" + strings.Replace(inv, `"d1"`, `1`, 1), `line 2: field "dev": not a string`},
		{"an answer without a call", meta + "\n" + `{"e":"ok","id":1,"t":1,"pos":1}`, `line 2: field "id": no call 1 to answer`},
		{"a refusal without a call", meta + "\n" + `{"e":"err","id":1,"t":1,"pos":1,"code":"E_X"}`, `line 2: field "id": no call 1 to answer`},
		{"an id twice", meta + "\n" + inv + "\n" + strings.NewReplacer(`"t":1`, `"t":2`, `"p":1`, `"p":2`).Replace(inv), `line 3: field "id": 1 twice`},
		{"a busy process", meta + "\n" + inv + "\n" + strings.NewReplacer(`"t":1`, `"t":2`, `"id":1`, `"id":2`).Replace(inv), `line 3: field "p": process 1 still has operation 1`},
		{"time going back", meta + "\n" + strings.Replace(inv, `"t":1`, `"t":5`, 1) + "\n" + `{"e":"ok","id":1,"t":4,"pos":1}`, `line 3: field "t": 4 after 5: time goes back`},
		{"an event clock that stands", meta + "\n" + inv + "\n" + `{"e":"ok","id":1,"t":1,"pos":1}`, `line 3: field "t": 1 twice: an event clock rises strictly`},
		{"two answers", meta + "\n" + inv + "\n" + `{"e":"ok","id":1,"t":2,"pos":1}` + "\n" + `{"e":"ok","id":1,"t":3,"pos":1}`, `line 4: field "id": operation 1 has its answer already`},
		{"settled without doubt", meta + "\n" + inv + "\n" + `{"e":"resolved","id":1,"t":2,"pos":1}`, `line 3: field "e": resolved for operation 1, which is not unknown`},
		{"a push to no feed", meta + "\n" + `{"e":"push","sub":1,"t":1,"n":1,"pos":1,"kind":"read"}`, `line 2: field "sub": no feed 1`},
		{"more stored than pushed", meta + "\n" + sub + "\n" + `{"e":"ack","sub":1,"t":2,"n":1}`, `line 3: field "n": stored 1, but feed 1 reached 0`},
		{"a push to a closed feed", meta + "\n" + sub + "\n" + `{"e":"close","sub":1,"t":2,"why":""}` + "\n" + `{"e":"ack","sub":1,"t":3,"n":0}`, `line 4: field "sub": feed 1 is closed`},
		{"a room", meta + "\n" + `{"e":"inv","id":1,"p":1,"t":1,"op":"history","dev":"d1","conv":[1,2,3],"after":0,"limit":1}`, `line 2: field "conv": more than two members: rooms cannot be judged yet`},
		{"an unsorted conversation", meta + "\n" + `{"e":"inv","id":1,"p":1,"t":1,"op":"history","dev":"d1","conv":[2,1],"after":0,"limit":1}`, `line 2: field "conv": not sorted`},
		{"an entry of an unknown kind", meta + "\n" + `{"e":"entry","pos":1,"op":"send","dev":"d1"}`, `line 2: field "op": unknown operation "send"`},
		{"an event after the end", meta + "\n" + `{"e":"end","t":1,"lines":1}` + "\n" + `{"e":"phase","t":2,"name":"late"}`, `line 3: field "e": event after the end`},
		{"a position without positions", strings.Replace(meta, "every", "none", 1) + "\n" + inv + "\n" + `{"e":"ok","id":1,"t":2,"pos":1}`, `line 3: field "pos": a position in a history without positions`},
	}
	for _, test := range tests {
		text := test.lines
		if text != "" {
			text += "\n"
		}
		if _, err := Read(strings.NewReader(text)); err == nil || err.Error() != test.want {
			t.Errorf("%s:\ngot  %v\nwant %s", test.name, err, test.want)
		}
	}
}

// A comment, another order of fields and a cut last line do no harm.
func TestReadAccepts(t *testing.T) {
	lines := strings.SplitAfter(string(readExample(t)), "\n")
	lines[1] = `{ "x-note": {"any":["thing"]}, "t":1, "dseq" : 1,"name":"ann","dev":"d1","op":"signup","p":1,"id":1,"e":"inv"}` + "\n"
	h, err := Read(strings.NewReader(strings.Join(lines, "") + `{"e":"pha`))
	if err != nil {
		t.Fatal(err)
	}
	if r := Check(h, Options{}); r.Verdict != Pass {
		t.Error(r)
	}
}

// Progress never falls, and ends at the size of the file.
func TestProgress(t *testing.T) {
	text := readExample(t)
	lines, size := 0, int64(0)
	_, err := ReadWith(bytes.NewReader(text), ReadOptions{Progress: func(l int, s int64) {
		if l < lines || s < size {
			t.Errorf("%d lines, %d bytes after %d lines, %d bytes", l, s, lines, size)
		}
		lines, size = l, s
	}})
	if err != nil || lines != bytes.Count(text, []byte("\n")) || size != int64(len(text)) {
		t.Errorf("%v: %d lines, %d bytes of %d", err, lines, size, len(text))
	}
}

// The encoder refuses what could not be read again.
func TestEncodeRefuses(t *testing.T) {
	for _, e := range []Event{
		{E: "oops"}, {E: Inv, Op: "leave"}, {E: OK, ID: 9}, {E: Phase, T: 1 << 53}, {E: Phase, Name: "\xff"},
	} {
		var b bytes.Buffer
		enc := NewEncoder(&b, never0)
		before := b.Len()
		if err := enc.Encode(e); err == nil || b.Len() != before {
			t.Errorf("%+v: %v, %s", e, err, &b)
		}
	}
	if err := NewEncoder(&bytes.Buffer{}, Meta{}).Encode(Event{E: Phase}); err == nil {
		t.Error("an empty meta line is none")
	}
}
