package sqlite

import (
	"fmt"

	"parley/core/raft"
	"parley/core/row"
)

func entryRow(e *raft.Entry, v []row.Value) row.Row {
	return row.Row{Table: logTable, Values: append(v[:0],
		row.I(int64(e.Index)), row.I(int64(e.Term)), row.I(int64(e.Kind)), row.I(int64(e.Time)),
		row.S(stringOf(e.Data)), row.S(stringOf(e.Chain[:])))}
}

func entryOf(r row.Row) (raft.Entry, error) {
	v := r.Values
	e := raft.Entry{
		Index: raft.Index(v[0].Int), Term: raft.Term(v[1].Int), Kind: raft.Kind(v[2].Int),
		Time: raft.ClusterTime(v[3].Int), Data: bytesOf(v[4].Str),
	}
	if err := chainOf(v[5].Str, &e.Chain); err != nil {
		return e, damaged("entry %d: %v", e.Index, err)
	}
	return e, nil
}

func entryMark(e *raft.Entry) raft.Mark {
	return raft.Mark{Index: e.Index, Term: e.Term, Chain: e.Chain, Time: e.Time}
}

var (
	allLogSQL  = allSQL(logTable)
	entriesSQL = selectSQL(logTable) + " WHERE idx BETWEEN ? AND ? ORDER BY idx"
	cutSQL     = "DELETE FROM log WHERE idx >= ?"
	compactSQL = "DELETE FROM log WHERE idx <= ?"
)

// entries gives fn the entries lo … hi, and demands that all of them are there.
func (c *conn) entries(lo, hi raft.Index, fn func(raft.Entry) error) error {
	next := lo
	err := c.rows(logTable, entriesSQL, func(r row.Row) error {
		e, err := entryOf(r)
		switch {
		case err != nil:
			return err
		case e.Index != next:
			return damaged("log: entry %d is missing", next)
		}
		next++
		return fn(e)
	}, int64(lo), int64(hi))
	if err == nil && next != hi+1 {
		err = damaged("log: entries %d to %d are missing", next, hi)
	}
	return err
}

// mark gives what is known of entry i, which lies between compact and last.
func (c *conn) mark(h *head, i raft.Index) (mark raft.Mark, err error) {
	switch i {
	case h.compact.Index:
		return h.compact, nil
	case h.last.Index:
		return h.last, nil
	}
	err = c.entries(i, i, func(e raft.Entry) error {
		mark = entryMark(&e)
		return nil
	})
	return mark, err
}

// readLog gives the whole log, and demands that it chains from compact to last and has nothing else.
func (c *conn) readLog(h *head) ([]raft.Entry, error) {
	list := make([]raft.Entry, 0, min(h.last.Index-h.compact.Index, 1<<20))
	prev := h.compact
	err := c.rows(logTable, allLogSQL, func(r row.Row) error {
		e, err := entryOf(r)
		switch {
		case err != nil:
			return err
		case e.Index <= prev.Index || e.Index > h.last.Index:
			return damaged("log: entry %d is there, between %d and %d", e.Index, prev.Index, h.last.Index)
		case e.Index != prev.Index+1:
			return damaged("log: entry %d is missing", prev.Index+1)
		case e.Chain != raft.ChainNext(prev.Chain, &e):
			return damaged("log: entry %d does not continue the chain of %d", e.Index, prev.Index)
		case e.Term < prev.Term:
			return damaged("log: entry %d is of term %d, the one before of %d", e.Index, e.Term, prev.Term)
		}
		prev = entryMark(&e)
		list = append(list, e)
		return nil
	})
	switch {
	case err != nil:
		return nil, err
	case prev.Index != h.last.Index:
		return nil, damaged("log: entries %d to %d are missing", prev.Index+1, h.last.Index)
	case prev != h.last:
		return nil, damaged("log: ends with %+v, but %+v was saved", prev, h.last)
	}
	return list, nil
}

// append puts entries behind the last.
func (c *conn) append(h *head, entries []raft.Entry) error {
	for i := range entries {
		e := &entries[i]
		if e.Index != h.last.Index+1 || e.Term < h.last.Term {
			return fmt.Errorf("entry %d of term %d behind %d of %d", e.Index, e.Term, h.last.Index, h.last.Term)
		}
		h.last = entryMark(e)
	}
	v := make([]row.Value, 0, len(logTable.Columns)) // of one row at a time
	return c.insert(logTable, len(entries), func(i int) summed { return c.summed(entryRow(&entries[i], v)) })
}

// cut drops entries ≥ from, none of which was committed before.
func (c *conn) cut(h *head, from, committed raft.Index) (err error) {
	if from == 0 || from > h.last.Index {
		return nil
	}
	if from <= committed {
		return fmt.Errorf("cut at %d, but %d is committed", from, committed)
	}
	from = max(from, h.compact.Index+1)
	if h.last, err = c.mark(h, from-1); err != nil {
		return err
	}
	return c.run(cutSQL, int64(from))
}

// compactTo drops entries ≤ to.
func (c *conn) compactTo(h *head, to raft.Index) (err error) {
	switch {
	case to <= h.compact.Index:
		return nil
	case to > h.applied || to > h.last.Index:
		return fmt.Errorf("compact to %d, but %d is applied", to, h.applied)
	}
	if h.compact, err = c.mark(h, to); err != nil {
		return err
	}
	return c.run(compactSQL, int64(to))
}
