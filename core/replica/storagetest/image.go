package storagetest

import (
	"cmp"
	"fmt"
	"maps"
	"slices"

	"parley/core/raft"
	"parley/core/replica"
	"parley/core/row"
)

// image is all a Memory holds. Once it is in place nothing in it changes.
type image struct {
	seq     uint64
	boot    uint64
	hard    raft.Hard
	compact raft.Mark
	entries []raft.Entry // from compact.Index+1, contiguous
	applied raft.Index
	rows    map[*row.Table][]row.Row // by key
	digest  row.Digest

	own map[*row.Table]bool // while it is being made: rows not shared with the image before
}

func (m *image) clone() *image {
	c := *m
	c.rows, c.own = maps.Clone(m.rows), map[*row.Table]bool{}
	return &c
}

// tableOf gives the rows of t to change.
func (m *image) tableOf(t *row.Table) []row.Row {
	if !m.own[t] {
		m.rows[t], m.own[t] = slices.Clone(m.rows[t]), true
	}
	return m.rows[t]
}

func (m *image) last() raft.Index { return m.compact.Index + raft.Index(len(m.entries)) }

// mark is what is known of entry i, which is compact or later.
func (m *image) mark(i raft.Index) raft.Mark {
	if i == m.compact.Index {
		return m.compact
	}
	e := m.entries[i-m.compact.Index-1]
	return raft.Mark{Index: e.Index, Term: e.Term, Chain: e.Chain, Time: e.Time}
}

// after is the image once v is carried out, part by part, in order.
func (m *image) after(v replica.Save, tables []*row.Table) (*image, error) {
	if v.Seq != m.seq+1 {
		return nil, fmt.Errorf("seq %d, want %d", v.Seq, m.seq+1)
	}
	next := m.clone()
	next.seq = v.Seq
	for _, part := range []func() error{
		func() error { return next.setHard(v.Hard) },
		func() error { return next.install(v.Install, v.CutFrom, tables) },
		func() error { return next.cut(v.CutFrom, m.hard.Commit) },
		func() error { return next.append(v.Append) },
		func() error { return next.apply(v.Applied, v.Effects) },
		func() error { return next.compactTo(v.Compact) },
		next.check,
	} {
		if err := part(); err != nil {
			return nil, err
		}
	}
	next.own = nil
	return next, nil
}

func (m *image) setHard(h *raft.Hard) error {
	switch {
	case h == nil:
		return nil
	case h.Term < m.hard.Term || h.Commit < m.hard.Commit:
		return fmt.Errorf("term or commit goes back from %+v to %+v", m.hard, *h)
	case h.Term == m.hard.Term && m.hard.Vote != 0 && h.Vote != m.hard.Vote:
		return fmt.Errorf("second vote in one term: from %+v to %+v", m.hard, *h)
	}
	m.hard = *h
	return nil
}

func (m *image) install(s *replica.Snapshot, cutFrom raft.Index, tables []*row.Table) error {
	if s == nil {
		return nil
	}
	at := s.Mark.Index
	if at < m.applied {
		return fmt.Errorf("snapshot at %d is older than what is applied, %d", at, m.applied)
	}
	var kept []raft.Entry
	if at < m.last() {
		kept = slices.Clone(m.entries[at-m.compact.Index:])
		if here := m.mark(at); here.Chain != s.Mark.Chain && (cutFrom == 0 || cutFrom > at+1) {
			return fmt.Errorf("entries kept behind snapshot at %d do not continue it", at)
		}
	}
	m.digest = row.Digest{}
	for _, t := range tables {
		m.rows[t], m.own[t] = nil, true
	}
	m.compact, m.entries, m.applied = s.Mark, kept, at
	return replica.ReadSnapshot(*s, tables, func(r row.Row) error {
		m.rows[r.Table] = append(m.rows[r.Table], r)
		m.digest.Add(r)
		return m.checkIndex(r)
	})
}

func (m *image) cut(from, committed raft.Index) error {
	if from == 0 || from > m.last() {
		return nil
	}
	if from <= committed {
		return fmt.Errorf("cut at %d, but %d is committed", from, committed)
	}
	from = max(from, m.compact.Index+1)
	m.entries = slices.Clone(m.entries[:from-m.compact.Index-1])
	return nil
}

func (m *image) append(entries []raft.Entry) error {
	m.entries = slices.Clip(m.entries)
	for _, e := range entries {
		last := m.mark(m.last())
		if e.Index != last.Index+1 || e.Term < last.Term {
			return fmt.Errorf("entry %d of term %d behind %d of %d", e.Index, e.Term, last.Index, last.Term)
		}
		m.entries = append(m.entries, e)
	}
	return nil
}

func (m *image) apply(to raft.Index, effects []row.Effect) error {
	if to < m.applied && to != 0 || to <= m.applied && len(effects) > 0 {
		return fmt.Errorf("%d effects up to %d, but %d is applied", len(effects), to, m.applied)
	}
	m.applied = max(m.applied, to)
	for _, e := range effects {
		if err := m.effect(e); err != nil {
			return err
		}
	}
	for _, e := range effects {
		if err := m.checkIndex(e.Row); err != nil {
			return err
		}
	}
	return nil
}

// effect changes one row. The row is copied: its maker may reuse it.
func (m *image) effect(e row.Effect) error {
	t := e.Row.Table
	_, known := m.rows[t]
	if want := len(t.Columns); !known || len(e.Row.Values) != want && !(e.Op == row.Delete && len(e.Row.Values) >= t.Key) {
		return fmt.Errorf("table %s is not in the catalogue, or not of %d columns", t.Name, len(e.Row.Values))
	}
	rows := m.tableOf(t)
	i, found := search(rows, e.Row)
	if found && e.Op == row.Insert {
		return fmt.Errorf("table %s: insert %v: is there already", t.Name, e.Row.Key())
	}
	if found {
		m.digest.Remove(rows[i])
		rows = slices.Delete(rows, i, i+1)
	}
	if e.Op != row.Delete {
		r := copyRow(e.Row)
		m.digest.Add(r)
		rows = slices.Insert(rows, i, r)
	}
	m.rows[t] = rows
	return nil
}

// search finds the place of r's key among rows.
func search(rows []row.Row, r row.Row) (int, bool) {
	return slices.BinarySearchFunc(rows, r, func(a, b row.Row) int {
		return row.CompareKeys(r.Table, a.Key(), b.Key())
	})
}

// checkIndex says whether the row with r's key shares its place in the unique index with another.
func (m *image) checkIndex(r row.Row) error {
	t := r.Table
	if len(t.Index) == 0 {
		return nil
	}
	i, found := search(m.rows[t], r)
	if !found {
		return nil
	}
	for j, other := range m.rows[t] {
		if j != i && sameColumns(t.Index, other, m.rows[t][i]) {
			return fmt.Errorf("table %s: %v and %v share a place in the index", t.Name, r.Key(), other.Key())
		}
	}
	return nil
}

func sameColumns(columns []int, a, b row.Row) bool {
	for _, c := range columns {
		if a.Values[c] != b.Values[c] {
			return false
		}
	}
	return true
}

func (m *image) compactTo(to raft.Index) error {
	switch {
	case to <= m.compact.Index:
		return nil
	case to > m.applied || to > m.last():
		return fmt.Errorf("compact to %d, but %d is applied", to, m.applied)
	}
	mark := m.mark(to)
	m.entries = slices.Clone(m.entries[to-m.compact.Index:])
	m.compact = mark
	return nil
}

// check is rule D8.
func (m *image) check() error {
	if m.compact.Index > m.applied || m.applied > m.hard.Commit || m.applied > m.last() {
		return fmt.Errorf("want compact %d ≤ applied %d ≤ commit %d and last %d",
			m.compact.Index, m.applied, m.hard.Commit, m.last())
	}
	if last := m.mark(m.last()); m.hard.Term < last.Term {
		return fmt.Errorf("term %d is older than the last entry's, %d", m.hard.Term, last.Term)
	}
	return nil
}

func (m *image) checkLog() error {
	prev := m.compact
	for i := range m.entries {
		e := &m.entries[i]
		if e.Index != prev.Index+1 || e.Chain != raft.ChainNext(prev.Chain, e) {
			return fmt.Errorf("entry %d does not continue %d", e.Index, prev.Index)
		}
		prev = m.mark(e.Index)
	}
	return nil
}

func (m *image) hot(tables []*row.Table) []row.Row {
	var hot []row.Row
	for _, t := range tables {
		if t.Hot {
			hot = append(hot, copyRows(m.rows[t])...)
		}
	}
	return hot
}

// find answers one range: look at every row, keep what fits, sort, cut.
func (m *image) find(r row.Range) ([]row.Row, error) {
	rows, known := m.rows[r.Table]
	if !known {
		return nil, fmt.Errorf("range over table %s: not in the catalogue", r.Table.Name)
	}
	path, err := pathOf(r)
	if err != nil {
		return nil, fmt.Errorf("range over table %s: %w", r.Table.Name, err)
	}
	last := path[len(path)-1]
	var set []row.Row
	for _, one := range rows {
		n := one.Values[last].Int
		if n >= r.From && n <= r.To && (len(path) == 1 || one.Values[path[0]].Int == r.Eq) {
			set = append(set, copyRow(one))
		}
	}
	slices.SortFunc(set, func(a, b row.Row) int {
		if r.Desc {
			a, b = b, a
		}
		return cmp.Compare(a.Values[last].Int, b.Values[last].Int)
	})
	if r.Limit > 0 && len(set) > r.Limit {
		set = set[:r.Limit]
	}
	return set, nil
}

// pathOf is the positions of the columns that r goes along.
func pathOf(r row.Range) ([]int, error) {
	path := r.Table.Index
	if !r.ByIndex {
		path = nil
		for i := range r.Table.Key {
			path = append(path, i)
		}
	}
	if len(path) < 1 || len(path) > 2 {
		return nil, fmt.Errorf("its path has %d columns, not 1 or 2", len(path))
	}
	for _, c := range path {
		if r.Table.Columns[c].Kind != row.Int {
			return nil, fmt.Errorf("column %s is no Int", r.Table.Columns[c].Name)
		}
	}
	return path, nil
}

func copyRow(r row.Row) row.Row {
	return row.Row{Table: r.Table, Values: slices.Clone(r.Values)}
}

func copyRows(rows []row.Row) []row.Row {
	var out []row.Row
	for _, r := range rows {
		out = append(out, copyRow(r))
	}
	return out
}
