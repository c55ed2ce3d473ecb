package sqlite

import (
	"database/sql/driver"
	"slices"

	"parley/core/raft"
	"parley/core/replica"
	"parley/core/row"
)

// verify reads the whole database before anything is believed of it, and gives what it holds. Each row
// has its sum; rows that are missing, or old ones that are back, are found by the chain of the log and
// the digest; what the searches go by, and the pages themselves, by order, comparison and quick_check.
func (s *Store) verify() (replica.Recovered, error) {
	h := &s.head
	rec := replica.Recovered{
		Raft: raft.Recovered{Hard: h.hard, Compact: h.compact, Applied: h.applied},
		Seq:  h.seq, Boot: s.boot, Digest: h.digest,
	}
	var err error
	if rec.Raft.Entries, err = s.w.readLog(h); err != nil {
		return rec, judged(EntryDamaged, err)
	}
	var digest row.Digest
	for _, t := range s.tables {
		hot, err := s.w.verifyTable(t, &digest)
		if err != nil {
			return rec, judged(StateDamaged, err)
		}
		rec.Hot = append(rec.Hot, hot...)
	}
	if digest != h.digest {
		return rec, judged(StateDamaged, damaged("the rows have digest %v, %v was saved", digest, h.digest))
	}
	return rec, judged(StateDamaged, s.w.checkPages())
}

// verifyTable reads all rows of t, and its index, and counts the rows into the digest. It gives the
// rows of a hot table.
func (c *conn) verifyTable(t *row.Table, digest *row.Digest) (hot []row.Row, err error) {
	index := indexOf(t)
	var want, got row.Digest
	var last []row.Value
	err = c.rows(t, allSQL(t), func(r row.Row) error {
		if last != nil && row.CompareKeys(t, last, r.Key()) >= 0 {
			return damaged("table %s: row %s is out of order", t.Name, showKey(r))
		}
		last = r.Key()
		digest.Add(r)
		if index != nil {
			want.Add(indexRow(index, r))
		}
		if t.Hot {
			hot = append(hot, r)
		}
		return nil
	})
	if err != nil || index == nil {
		return hot, err
	}
	last = nil
	s, err := c.prepare(indexSQL(t))
	if err != nil {
		return hot, err
	}
	err = s.ints().each(func(values []driver.Value) error {
		r, err := columnsOf(index, values)
		if err != nil {
			return err
		}
		if last != nil && row.CompareKeys(index, last, r.Key()) >= 0 {
			return damaged("table %s: its index is out of order at %s", t.Name, showKey(r))
		}
		last = r.Key()
		got.Add(r)
		return nil
	})
	if err == nil && got != want {
		err = damaged("table %s: its index is not that of its rows", t.Name)
	}
	return hot, err
}

// indexOf is the index of t as a table: its columns, then those of the key. Nil if t has none.
func indexOf(t *row.Table) *row.Table {
	if len(t.Index) == 0 {
		return nil
	}
	index := &row.Table{Name: t.Name + indexSuffix, Key: len(t.Index)}
	for _, i := range indexColumns(t) {
		index.Columns = append(index.Columns, t.Columns[i])
	}
	return index
}

func indexColumns(t *row.Table) []int { return slices.Concat(t.Index, keyColumns(t)) }

func indexRow(index *row.Table, r row.Row) row.Row {
	entry := row.Row{Table: index}
	for _, i := range indexColumns(r.Table) {
		entry.Values = append(entry.Values, r.Values[i])
	}
	return entry
}

// checkPages looks at how the pages hang together: what is free, what is used once, what is in order.
func (c *conn) checkPages() error {
	s, err := c.prepare("PRAGMA quick_check(3)")
	if err != nil {
		return err
	}
	return s.ints().each(func(values []driver.Value) error {
		if text, _ := values[0].(string); text != "ok" {
			return damaged("%s", text)
		}
		return nil
	})
}
