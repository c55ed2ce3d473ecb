package replica

import (
	"slices"

	"parley/core/raft"
	"parley/core/row"
)

// overlay holds the cold rows that are applied but perhaps not stored yet, so that a read never
// waits for a sync: what the store answers is merged with what stands here.
type overlay struct {
	// entries are in log order. All those above floor are there.
	entries []overlayEntry
	floor   raft.Index
}

type overlayEntry struct {
	index   raft.Index
	effects []row.Effect
}

func (o *overlay) add(index raft.Index, effects []row.Effect) {
	if len(effects) > 0 {
		o.entries = append(o.entries, overlayEntry{index, slices.Clone(effects)})
	}
}

// drop forgets what every view asked for from now on will contain.
func (o *overlay) drop(upTo raft.Index) {
	if upTo <= o.floor {
		return
	}
	o.floor = upTo
	n := 0
	for n < len(o.entries) && o.entries[n].index <= upTo {
		n++
	}
	o.entries = slices.Delete(o.entries, 0, n)
}

// merge brings rows, which a view at index at gave for r, up to the present.
func (o *overlay) merge(r row.Range, at raft.Index, rows []row.Row) []row.Row {
	invariant(at >= o.floor, "view at %d, overlay begins after %d", at, o.floor)
	changed := false
	for _, e := range o.entries {
		if e.index <= at {
			continue
		}
		for _, f := range e.effects {
			if f.Row.Table == r.Table && (f.Op == row.Delete && !r.ByIndex || f.Op != row.Delete && within(r, f.Row)) {
				if !changed {
					rows, changed = slices.Clone(rows), true
				}
				rows = change(rows, f)
			}
		}
	}
	if !changed {
		return rows
	}
	slices.SortStableFunc(rows, func(a, b row.Row) int {
		c := compareAlong(r, a, b)
		if r.Desc {
			return -c
		}
		return c
	})
	if r.Limit > 0 && len(rows) > r.Limit {
		rows = rows[:r.Limit]
	}
	return rows
}

func change(rows []row.Row, f row.Effect) []row.Row {
	if f.Op != row.Insert {
		same := func(r row.Row) bool { return row.CompareKeys(r.Table, r.Key(), f.Row.Key()) == 0 }
		rows = slices.DeleteFunc(rows, same)
	}
	if f.Op != row.Delete {
		rows = append(rows, f.Row)
	}
	return rows
}

// path gives the columns that a range runs along.
func path(r row.Range) []int {
	if r.ByIndex {
		return r.Table.Index
	}
	if r.Table.Key == 1 {
		return []int{0}
	}
	return []int{0, 1}
}

func within(r row.Range, v row.Row) bool {
	p := path(r)
	if len(p) == 2 && v.Values[p[0]].Int != r.Eq {
		return false
	}
	n := v.Values[p[len(p)-1]].Int
	return r.From <= n && n <= r.To
}

func compareAlong(r row.Range, a, b row.Row) int {
	p := path(r)
	c := p[len(p)-1]
	switch x, y := a.Values[c].Int, b.Values[c].Int; {
	case x < y:
		return -1
	case x > y:
		return 1
	}
	return 0
}

func (o *overlay) clone() overlay {
	return overlay{entries: slices.Clone(o.entries), floor: o.floor}
}
