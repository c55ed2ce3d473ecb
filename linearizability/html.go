package linearizability

import (
	"bytes"
	"html/template"
	"io"
	"strings"

	"github.com/anishathalye/porcupine"
)

// HTML writes the report as one page that needs nothing else, no network and no other file: the
// reason in words, a timeline of the operations at odds, and porcupine's picture of the core. It
// draws h, of which r must be the report. Whatever h says is shown as text, never taken for HTML.
func (r Report) HTML(w io.Writer, h *History) error {
	p := pageData{Report: r, Picture: r.Core.picture()}
	if t := newTimeline(r, h); len(t.Bars) > 0 {
		p.Timeline = t
	}
	return page.Execute(w, p)
}

type pageData struct {
	Report
	Timeline *timeline
	Picture  string // a page of its own
}

// Sentences are the core's, as label and rest.
func (p pageData) Sentences() [][2]string {
	var list [][2]string
	if p.Core != nil {
		for _, line := range p.Core.Text {
			label, rest, _ := strings.Cut(line, "  ")
			list = append(list, [2]string{label, strings.TrimSpace(rest)})
		}
	}
	return list
}

// Tone is the class that colours the verdict.
func (p pageData) Tone() string { return [...]string{"pass", "unknown", "bad", "bad"}[p.Verdict] }

// Porcupine's picture: at most so many operations, of which so many are folded ones before the rest.
const (
	pictureMost = 40
	pictureFold = 3
)

// picture is porcupine's own visualization of the core, or "" if there is nothing to see. It shows
// the last of the folded operations and then the core.
func (core *Core) picture() string {
	if core == nil || core.History == nil {
		return ""
	}
	ev := newEvidence(newRecord(core.History))
	known, loose := ev.resolve()
	sp, steps := compile(core.History.Meta.Rules, append(known, loose...))
	if core.History.Meta.Rules.Expiry == ExpiryLogged {
		sp.markLapsing(ev.expires)
	}
	byID := map[uint64]*step{}
	for i := range steps {
		byID[steps[i].ID] = &steps[i]
	}
	start, fold := sp.initial(), core.written[:max(0, len(core.written)-pictureFold)]
	for _, id := range fold {
		if st := byID[id]; st != nil {
			if _, ok := sp.step(start, st); !ok {
				return ""
			}
			delete(byID, id)
		}
	}
	if len(byID) > pictureMost {
		return ""
	}
	last := core.History.Events[len(core.History.Events)-1].T
	var ops []porcupine.Operation
	for i := range steps {
		if st := &steps[i]; byID[st.ID] == st {
			ops = append(ops, porcupine.Operation{
				ClientId: len(ops), Input: st, Call: stamp(st.call), Return: stamp(min(st.ret, last)),
			})
		}
	}
	model := porcupine.Model{
		Init: func() any { return start },
		Step: func(from, input, _ any) (bool, any) {
			next := from.(*state).clone()
			_, ok := sp.step(next, input.(*step))
			return ok, next
		},
		Equal:             func(a, b any) bool { return a.(*state).equal(b.(*state)) },
		DescribeOperation: func(input, _ any) string { return harmless(input.(*step).describe()) },
		DescribeState:     func(s any) string { return harmless(sp.describe(s.(*state))) },
	}
	_, info := porcupine.CheckOperationsVerbose(model, ops, backstop)
	var b bytes.Buffer
	if porcupine.Visualize(model, info, &b) != nil {
		return ""
	}
	return whenSeen(b.String())
}

// whenSeen makes porcupine's page draw itself only when it comes into view: it measures its texts,
// and a browser lays out no frame that nobody sees.
func whenSeen(page string) string {
	const call = "render(data)"
	i := strings.LastIndex(page, call)
	if i < 0 {
		return page
	}
	return page[:i] + "new IntersectionObserver((seen, o) => { if (seen.some((e) => e.isIntersecting)) " +
		"{ o.disconnect(); render(data) } }).observe(document.documentElement)" + page[i+len(call):]
}

func (st *step) describe() string { return st.Dev + " " + st.deed() + " → " + st.answer() }

// harmless takes the marks of HTML out of a text: porcupine's page shows descriptions as HTML.
func harmless(text string) string {
	return strings.NewReplacer("<", "‹", ">", "›", "&", "＆", `"`, "”", "'", "’").Replace(text)
}

// describe says in one line what a state holds.
func (sp *spec) describe(s *state) string {
	var parts []string
	for k, acct := range s.names {
		if acct != nobody {
			parts = append(parts, sp.describeAccount(s, acct, int32(k)))
		}
	}
	if len(parts) > shown {
		parts = append(parts[:shown], "…")
	}
	return strings.Join(parts, "; ")
}

var page = template.Must(template.New("page").Parse(pageTemplate))
