package storagetest

import (
	"fmt"
	"maps"
	"slices"
	"testing"

	"parley/core/raft"
	"parley/core/replica"
	"parley/core/row"
)

// refusals are saves that must fail on a filled store, whole: parts that would do come before the
// one that does not.
func refusals(log []raft.Entry) map[string]replica.Save {
	last := markOf(log[5])
	gap := grow(raft.Mark{Index: 7, Term: 3}, 3)
	twice := append(grow(last, 3), grow(last, 3)...)
	stranger := &row.Table{Name: "stranger", Columns: counters.Columns, Key: 1}
	return map[string]replica.Save{
		"term goes back":              {Hard: hard(2, 2, 4)},
		"commit goes back":            {Hard: hard(3, 2, 3)},
		"second vote in a term":       {Hard: hard(3, 1, 4)},
		"vote taken back":             {Hard: hard(3, 0, 4)},
		"cut of what is committed":    {Hard: hard(4, 0, 4), CutFrom: 4, Append: grow(markOf(log[2]), 4)},
		"entries leave a gap":         {Hard: hard(4, 0, 4), Append: gap},
		"entries overlap":             {Hard: hard(4, 0, 4), Append: grow(markOf(log[4]), 3)},
		"entries twice":               {Append: twice},
		"entry terms go back":         {Append: grow(last, 2)},
		"entry of a newer term":       {Append: grow(last, 4)},
		"applied goes back":           {Hard: hard(4, 0, 4), Applied: 2},
		"applied twice":               {Applied: 3, Effects: put(counter(1, 1))},
		"effects of nothing":          {Effects: put(counter(1, 1))},
		"applied beyond commit":       {Hard: hard(4, 0, 4), Applied: 5},
		"applied beyond the log":      {Hard: hard(4, 0, 9), Applied: 7},
		"cut below applied":           {Hard: hard(4, 0, 6), Applied: 6, CutFrom: 5},
		"compacted beyond applied":    {Hard: hard(4, 0, 4), Applied: 4, Compact: 5},
		"insert of a stored key":      {Hard: hard(4, 0, 4), Applied: 4, Effects: insert(counter(1, 1), line(1, 2, 2, ""))},
		"insert after put":            {Applied: 4, Effects: append(put(counter(1, 1)), insert(counter(1, 2))...)},
		"insert twice":                {Applied: 4, Effects: insert(counter(1, 1), counter(1, 2))},
		"insert of a key, and delete": {Applied: 4, Effects: append(insert(place(1, 1, 2)), remove(place(1, 1, 0))...)},
		"index shared with a new row": {Applied: 4, Effects: insert(counter(1, 1), line(9, 1, 1, ""))},
		"index shared by a put":       {Applied: 4, Effects: put(counter(1, 1), line(2, 1, 1, ""))},
		"index shared by two":         {Applied: 4, Effects: put(name(5, "x", 7), name(6, "x", 7))},
		"unknown table":               {Applied: 4, Effects: put(row.Row{Table: stranger, Values: []row.Value{row.I(1), row.I(1)}})},
		"row of too few columns":      {Applied: 4, Effects: put(row.Row{Table: counters, Values: []row.Value{row.I(1)}})},
		"delete of half a key":        {Applied: 4, Effects: []row.Effect{{Op: row.Delete, Row: row.Row{Table: places, Values: []row.Value{row.I(1)}}}}},
	}
}

// refuseAll demands that each is refused. Their Seq is set here.
func (w *world) refuseAll(saves map[string]replica.Save) {
	w.t.Helper()
	for _, what := range slices.Sorted(maps.Keys(saves)) {
		v := saves[what]
		v.Seq = w.seq + 1
		w.refused(what, v)
	}
}

var refusalTests = []test{
	{"D1 D8 an impossible save is refused whole, and poisons", func(t testing.TB, f Factory) {
		w, log := filled(t, f)
		w.refuseAll(refusals(log))
	}},
	{"seq is the one before plus one", func(t testing.TB, f Factory) {
		w, _ := filled(t, f)
		w.save(replica.Save{})
		for _, seq := range []uint64{0, w.seq, w.seq - 1, w.seq + 2} {
			w.refused(fmt.Sprintf("seq %d behind %d", seq, w.seq), replica.Save{Seq: seq, Hard: hard(9, 9, 4)})
		}
		w.reopen()
		w.save(replica.Save{Hard: hard(9, 9, 4)})
	}},
	{"D4 a bad question does not poison", func(t testing.TB, f Factory) {
		w, _ := filled(t, f)
		bad := []row.Range{
			{Table: devices, From: 0, To: 9},                                  // key is no Int
			{Table: names, From: 0, To: 9},                                    // second key column is no Int
			{Table: places, ByIndex: true, From: 0, To: 9},                    // there is no index
			{Table: &row.Table{Name: "x", Key: 1, Columns: counters.Columns}}, // nobody knows it
		}
		for _, r := range bad {
			if _, err := w.store.Rows([]row.Range{r}); err == nil {
				t.Errorf("range %v over %s was answered", r, r.Table.Name)
			}
		}
		w.save(replica.Save{})
		w.wantRows("after bad questions", filledRows()...)
	}},
}
