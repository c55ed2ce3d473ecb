package sim

import (
	"fmt"
	"slices"
	"strings"
	"testing"
)

// enough is from how many seeds on every mark that is not rare must have been hit. A smaller sweep, of at
// least few seeds, must hit three in four.
const enough, few = 10_000, 40

// A sweep hits the marks, so it sees what it is meant to see. The table of hits, in how many seeds and how
// often in all:
//
//	go test ./sim -run TestMarks -count=1 -v -timeout 1h -seeds=1-10000
func TestMarks(t *testing.T) {
	from, to := seedRange(t, few)
	in, times := map[Mark]int{}, map[Mark]int{}
	for seed := from; seed <= to; seed++ {
		r := Run(Generate(seed, Profile(*profileFlag)))
		for m, n := range r.Stats.Marks {
			in[m]++
			times[m] += n
		}
	}
	seeds := to - from + 1
	var missed []string
	common := 0
	table := &strings.Builder{}
	for _, m := range marks() {
		rare := ""
		if m.rare {
			rare = " (rare)"
		} else {
			common++
		}
		if in[m.mark] == 0 && !m.rare {
			missed = append(missed, string(m.mark))
		}
		fmt.Fprintf(table, "\n%8d seeds %9d times  %s%s", in[m.mark], times[m.mark], m.mark, rare)
	}
	t.Logf("%d marks in %d seeds, %d not hit:%s", len(marks()), seeds, len(missed), table)
	switch {
	case seeds >= enough && len(missed) > 0:
		t.Errorf("%d seeds never came to: %s", seeds, strings.Join(missed, "; "))
	case seeds >= few && len(missed) > common/4:
		t.Errorf("%d seeds never came to %d of %d marks: %s", seeds, len(missed), common, strings.Join(missed, "; "))
	}
}

// No two marks have one name.
func TestMarksHaveNamesOfTheirOwn(t *testing.T) {
	var names []Mark
	for _, m := range marks() {
		if slices.Contains(names, m.mark) {
			t.Errorf("two marks are called %q", m.mark)
		}
		names = append(names, m.mark)
	}
}
