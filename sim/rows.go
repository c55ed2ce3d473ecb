package sim

import (
	"cmp"
	"slices"
	"sort"
	"strings"

	"parley/core/row"
)

// table is one table on a disk: its rows by key and, if it has an index, by that too.
type table struct {
	rows  rows
	index *rows
}

func newTable(t *row.Table) *table {
	key := make([]int, t.Key)
	for i := range key {
		key[i] = i
	}
	out := &table{rows: rows{table: t, cols: key}}
	if len(t.Index) > 0 {
		out.index = &rows{table: t, cols: t.Index}
	}
	return out
}

func (t *table) insert(r row.Row) {
	t.rows.insert(r)
	if t.index != nil {
		t.index.insert(r)
	}
}

func (t *table) remove(r row.Row) {
	t.rows.remove(r)
	if t.index != nil {
		t.index.remove(r)
	}
}

// rows are ordered by some of their columns, in short runs: a row costs the same to find and to
// insert whether there are a hundred or a million.
type rows struct {
	table *row.Table
	cols  []int
	runs  [][]row.Row // none is empty
}

const longestRun = 256

// compare looks at the columns of the order as far as values go.
func (l *rows) compare(r row.Row, values []row.Value) int {
	for i, v := range values {
		c := l.cols[i]
		d := cmp.Compare(r.Values[c].Int, v.Int)
		if l.table.Columns[c].Kind != row.Int {
			d = strings.Compare(r.Values[c].Str, v.Str)
		}
		if d != 0 {
			return d
		}
	}
	return 0
}

func (l *rows) valuesOf(r row.Row) []row.Value {
	values := make([]row.Value, len(l.cols))
	for i, c := range l.cols {
		values[i] = r.Values[c]
	}
	return values
}

// seek is where the first row not below the values stands, or would stand.
func (l *rows) seek(values []row.Value) (run, i int) {
	run = sort.Search(len(l.runs), func(k int) bool {
		return l.compare(l.runs[k][len(l.runs[k])-1], values) >= 0
	})
	if run < len(l.runs) {
		i = sort.Search(len(l.runs[run]), func(k int) bool { return l.compare(l.runs[run][k], values) >= 0 })
	}
	return run, i
}

func (l *rows) find(values []row.Value) (row.Row, bool) {
	run, i := l.seek(values)
	if run < len(l.runs) && l.compare(l.runs[run][i], values) == 0 {
		return l.runs[run][i], true
	}
	return row.Row{}, false
}

func (l *rows) insert(r row.Row) {
	run, i := l.seek(l.valuesOf(r))
	if run == len(l.runs) {
		if run == 0 || len(l.runs[run-1]) >= longestRun {
			l.runs = append(l.runs, []row.Row{r})
			return
		}
		run--
		i = len(l.runs[run])
	}
	list := slices.Insert(l.runs[run], i, r)
	l.runs[run] = list
	if n := len(list); n > longestRun {
		l.runs[run] = list[: n/2 : n/2]
		l.runs = slices.Insert(l.runs, run+1, slices.Clone(list[n/2:]))
	}
}

// remove takes away the row with exactly these values in the columns of the order and in the key.
func (l *rows) remove(r row.Row) {
	for run, i := l.seek(l.valuesOf(r)); run < len(l.runs); run, i = run+1, 0 {
		for ; i < len(l.runs[run]); i++ {
			if row.CompareKeys(l.table, l.runs[run][i].Values, r.Values) != 0 {
				continue
			}
			l.runs[run] = slices.Delete(l.runs[run], i, i+1)
			if len(l.runs[run]) == 0 {
				l.runs = slices.Delete(l.runs, run, run+1)
			}
			return
		}
	}
}

// all goes through the rows in their order.
func (l *rows) all() func(func(row.Row) bool) { return l.from(nil) }

// from goes through the rows that are not below the values.
func (l *rows) from(values []row.Value) func(func(row.Row) bool) {
	return func(yield func(row.Row) bool) {
		for run, i := l.seek(values); run < len(l.runs); run, i = run+1, 0 {
			for ; i < len(l.runs[run]); i++ {
				if !yield(l.runs[run][i]) {
					return
				}
			}
		}
	}
}

// back goes through the rows that are not above the values, the last one first.
func (l *rows) back(values []row.Value) func(func(row.Row) bool) {
	return func(yield func(row.Row) bool) {
		run := sort.Search(len(l.runs), func(k int) bool { return l.compare(l.runs[k][0], values) > 0 }) - 1
		for ; run >= 0; run-- {
			for i := len(l.runs[run]) - 1; i >= 0; i-- {
				if r := l.runs[run][i]; l.compare(r, values) <= 0 && !yield(r) {
					return
				}
			}
		}
	}
}
