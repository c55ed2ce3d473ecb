package linearizability

import (
	"fmt"
	"slices"
	"strings"
)

// A Verdict is the judgement on a history. A greater one is worse, and the worst finding wins.
type Verdict uint8

const (
	Pass             Verdict = iota // a linearization was exhibited
	Unknown                         // budget spent, recording cut short, or too little seen
	PositionContract                // the order that the positions claim does not explain what was seen
	Illegal                         // no order does
)

func (v Verdict) String() string {
	return [...]string{"Pass", "Unknown", "PositionContract", "Illegal"}[v]
}

// MarshalText makes a verdict a word in JSON.
func (v Verdict) MarshalText() ([]byte, error) { return []byte(v.String()), nil }

// ExitCode is the exit status of a program that ends with this verdict.
func (v Verdict) ExitCode() int { return [...]int{0, 12, 11, 10}[v] }

// DefaultBudget is the number of configurations each engine may look at, unless Options say
// otherwise.
const DefaultBudget = 1_000_000

// Options choose the engines. The zero value decides by need: the certificate if there are
// positions, the search if there are none or the certificate failed.
type Options struct {
	Certificate bool // verify the order that the positions claim
	Search      bool // look for any order, without looking at positions
	Budget      int  // configurations per engine, for the search 16 more for each operation; 0 means DefaultBudget
}

// A Report is what Check found.
type Report struct {
	Verdict  Verdict   `json:"verdict"`
	Findings []Finding `json:"findings"`
	Core     *Core     `json:"core,omitempty"` // of the worst finding, if it could be reduced
	Stats    Stats     `json:"stats"`
}

// A Finding is one thing that is wrong, or that kept Check from saying more.
type Finding struct {
	Verdict Verdict  `json:"-"`             // what this finding alone would make it
	Rule    string   `json:"rule"`          // one of the Rule constants
	Ops     []uint64 `json:"ops,omitempty"` // ids of the operations at odds
	Pos     uint64   `json:"pos,omitempty"` // where in the log, if known
	Text    string   `json:"text"`
}

// Stats say how much was looked at.
type Stats struct {
	Events      int `json:"events"`
	Operations  int `json:"operations"`
	Definite    int `json:"definite"`    // answered or refused, in words of the table
	Unknown     int `json:"unknown"`     // commands that never got an answer
	Outside     int `json:"outside"`     // refused with a code that the model lacks
	Pushes      int `json:"pushes"`      // events that feeds delivered
	Placed      int `json:"placed"`      // unknown commands that something puts at a position
	Components  int `json:"components"`  // parts that the search could judge apart
	Largest     int `json:"largest"`     // operations in the largest of them
	Certificate int `json:"certificate"` // configurations that the certificate took
	Search      int `json:"search"`      // configurations that the search took

	// Confirmed is set if the search found no order and porcupine, asked about the same part, found
	// none either. A large part it cannot be asked about.
	Confirmed bool `json:"confirmed"`
}

// The rules a finding may name.
const (
	RuleWellFormed = "well-formed"       // the history itself is broken
	RuleEnd        = "recording cut"     // the end is missing or counts other lines
	RuleVacuous    = "too little seen"   // nothing definite, or too much outside the model
	RuleBudget     = "budget spent"      // an engine gave up
	RuleNotJudged  = "not judged"        // no engine could decide
	RuleMissingPos = "position missing"  // an answer without one
	RuleSharedPos  = "position shared"   // two commands claim one
	RuleEntry      = "entry"             // the log's dump and the answers differ
	RuleRealTime   = "real time"         // the positions contradict the clock
	RuleReplay     = "replay"            // replayed by position, the spec answers something else
	RuleSearch     = "no order explains" // the search tried them all

	RuleLostAck      = "no lost ack"
	RuleDuplicate    = "no duplicate"
	RuleHole         = "no hole"
	RuleReorder      = "no reorder"
	RulePhantom      = "no phantom"
	RuleOwnWrites    = "read your writes"
	RuleMonotonic    = "monotonic reads"
	RuleOneSession   = "one session"
	RuleHonestNames  = "honest names"
	RuleResurrection = "no resurrection"
	RuleBurnt        = "burnt number"

	RuleFeedAgreement = "feed agreement"
	RuleFeedEarly     = "feed early"
	RuleFeedGap       = "feed gap"
	RuleFeedOrder     = "feed order"
	RuleFeedRepeat    = "feed repeat"
	RuleFeedEnd       = "feed past the end"
	RuleFeedComplete  = "feed incomplete"
	RuleCursor        = "cursor"
)

// findingsPerRule keeps a thoroughly broken history from drowning its reader.
const findingsPerRule = 5

func (r *Report) add(f Finding) {
	r.Verdict = max(r.Verdict, f.Verdict)
	same := 0
	for _, g := range r.Findings {
		if g.Rule == f.Rule {
			same++
		}
	}
	if same < findingsPerRule {
		r.Findings = append(r.Findings, f)
	}
}

// String is the report in a few lines.
func (r Report) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s  %d operations, %d unknown", strings.ToUpper(r.Verdict.String()),
		r.Stats.Operations, r.Stats.Unknown)
	if r.Stats.Pushes > 0 {
		fmt.Fprintf(&b, ", %d pushes", r.Stats.Pushes)
	}
	b.WriteByte('\n')
	worstFirst := slices.Clone(r.Findings)
	slices.SortStableFunc(worstFirst, func(f, g Finding) int { return int(g.Verdict) - int(f.Verdict) })
	for _, f := range worstFirst {
		fmt.Fprintf(&b, "  %-17s %s", f.Rule, f.Text)
		if f.Pos > 0 {
			fmt.Fprintf(&b, " (position %d)", f.Pos)
		}
		if len(f.Ops) > 0 {
			fmt.Fprintf(&b, " %v", f.Ops)
		}
		b.WriteByte('\n')
	}
	if r.Core != nil {
		for _, line := range r.Core.Text {
			b.WriteString("  " + line + "\n")
		}
	}
	return b.String()
}

// Check judges a history: validation, axioms, certificate, search, feeds. It keeps references to
// h, which must not change meanwhile.
func Check(h *History, o Options) Report {
	r := Report{Stats: Stats{Events: h.Len()}}
	if f, ok := wellFormed(h); !ok {
		r.add(f)
		return r
	}
	rec := newRecord(h)
	rec.vacuity(&r)
	if r.Stats.Definite == 0 && r.Stats.Outside == 0 {
		return r
	}
	if rec.anOrderIsAll(o) {
		if found, _ := rec.search(o.budget(), &r.Stats); found == foundOrder {
			return r
		}
	}
	ev := newEvidence(rec)
	ev.axioms(&r)
	l := ev.engines(o, &r)
	ev.checkFeeds(l, &r)
	if r.Verdict >= PositionContract {
		r.Core = ev.why(h, &r)
	}
	return r
}

func (o Options) budget() int {
	if o.Budget == 0 {
		return DefaultBudget
	}
	return o.Budget
}

// anOrderIsAll says that if there is an order there is nothing else to look at: no legal history
// breaks an axiom, except that of numbers that were voided, which no order knows.
func (rec *record) anOrderIsAll(o Options) bool {
	return rec.meta.Positions == PositionsNone && (o.Search || !o.Certificate) &&
		len(rec.feeds) == 0 && len(rec.voids) == 0
}

// engines runs the certificate and the search as far as they are wanted. It returns the certified
// log, or nil.
func (ev *evidence) engines(o Options, r *Report) *ledger {
	byNeed := !o.Certificate && !o.Search
	positions := ev.meta.Positions == PositionsEvery
	var l *ledger
	if positions && (byNeed || o.Certificate) && ev.positioned(r) {
		l = ev.certify(o.budget(), r)
	}
	switch {
	case r.Verdict == Illegal: // an axiom has said it, and more clearly
	case o.Search || byNeed && l == nil:
		ev.runSearch(o.budget(), l != nil, r)
	case l == nil && !positions:
		r.add(Finding{Unknown, RuleNotJudged, nil, 0, "a certificate was asked for, but there are no positions"})
	}
	return l
}

// positioned demands that every answer has its position.
func (ev *evidence) positioned(r *Report) bool {
	all := true
	for _, o := range ev.ops {
		if !o.unknown() && o.ans.Pos == 0 {
			all = false
			r.add(Finding{PositionContract, RuleMissingPos, ids(o), 0, "the answer to " + o.name() + " has no position"})
		}
	}
	return all
}

// runSearch adds what the search found. If the order is certified, that it was too much for the
// search says nothing.
func (ev *evidence) runSearch(budget int, certified bool, r *Report) {
	found, part := ev.search(budget, &r.Stats)
	switch {
	case found == foundNone && certified:
		r.add(Finding{Unknown, RuleNotJudged, nil, 0, "a bug in the judge: the search finds no order, the certificate does"})
	case found == disputed:
		r.add(Finding{Unknown, RuleNotJudged, nil, 0, "a bug in the judge: the search finds no order, porcupine does"})
	case found == foundNone:
		text := "no order explains the answers to " + describe(part)
		if !r.Stats.Confirmed {
			text += "; more than porcupine could confirm"
		}
		r.add(Finding{Illegal, RuleSearch, nil, 0, text})
	case found == gaveUp && !certified:
		r.add(Finding{Unknown, RuleBudget, nil, 0, "search: too much for the budget in " + describe(part)})
	}
}

// describe names the operations of a part.
func describe(part []*operation) string {
	return fmt.Sprintf("%d operations, %d to %d", len(part), part[0].ID, part[len(part)-1].ID)
}

// maxOutside is the share of operations, in percent, that may be refused with codes the model
// lacks: what is refused so is not judged.
const maxOutside = 5

// vacuity finds what makes any verdict but Unknown too bold.
func (rec *record) vacuity(r *Report) {
	unknown := func(rule, text string, args ...any) {
		r.add(Finding{Unknown, rule, nil, 0, fmt.Sprintf(text, args...)})
	}
	r.Stats.Operations, r.Stats.Outside = rec.calls, rec.outside
	for _, o := range rec.ops {
		switch {
		case o.unknown():
			r.Stats.Unknown++
		case o.code() == "" || inTable(o.code()):
			r.Stats.Definite++
		}
	}
	if r.Stats.Definite == 0 {
		unknown(RuleVacuous, "no operation has a definite answer")
	}
	if rec.outside*100 > maxOutside*rec.calls {
		unknown(RuleVacuous, "%d of %d operations were refused for reasons that are not modelled", rec.outside, rec.calls)
	}
	if !rec.ended {
		unknown(RuleEnd, "the recording has no end, or its end counts other lines")
	}
}

// wellFormed holds a history built in memory to what Read demands of a file.
func wellFormed(h *History) (Finding, bool) {
	if h.packed != nil && len(h.Events) == 0 {
		return Finding{}, true // Read has looked
	}
	m := metaLine{"meta", Format, Version, h.Meta}
	if err := m.valid(); err != nil {
		return Finding{Unknown, RuleWellFormed, nil, 0, err.Error()}, false
	}
	v, number := newValidator(h.Meta), 1
	for e := range h.All() {
		number++
		p := v.event(&e)
		if p == none && e.shape(v.opOf(e.ID)) == nil {
			p = problem{"e", fmt.Sprintf("no such event: %q with op %q", e.E, e.Op)}
		}
		if p != none {
			text := fmt.Sprintf("line %d: %v", number, p.err())
			return Finding{Unknown, RuleWellFormed, nil, 0, text}, false
		}
	}
	return Finding{}, true
}
