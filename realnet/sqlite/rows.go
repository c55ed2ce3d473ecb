package sqlite

import (
	"database/sql/driver"
	"fmt"

	"parley/core/row"
)

// decode makes a row of t of what the database gave, and compares its sum: rot, and rows that landed
// in the wrong place, are errors that name them.
func decode(t *row.Table, values []driver.Value) (row.Row, error) {
	r, err := columnsOf(t, values)
	if err != nil {
		return r, err
	}
	if sum, ok := values[len(t.Columns)].(int64); !ok || sum != int64(r.Sum()) {
		return r, damaged("table %s: row %s does not have the sum stored with it", t.Name, showKey(r))
	}
	return r, nil
}

func columnsOf(t *row.Table, values []driver.Value) (row.Row, error) {
	r := row.Row{Table: t, Values: make([]row.Value, len(t.Columns))}
	for i, c := range t.Columns {
		ok := false
		switch c.Kind {
		case row.Int:
			r.Values[i].Int, ok = values[i].(int64)
		case row.Text:
			r.Values[i].Str, ok = values[i].(string)
		case row.Blob:
			var b []byte
			b, ok = values[i].([]byte)
			r.Values[i].Str = stringOf(b)
		}
		if !ok {
			return r, damaged("table %s: %s of a row is %T", t.Name, c.Name, values[i])
		}
	}
	return r, nil
}

func showKey(r row.Row) string {
	s := ""
	for i, v := range r.Key() {
		if i > 0 {
			s += ", "
		}
		if r.Table.Columns[i].Kind == row.Int {
			s += fmt.Sprint(v.Int)
		} else {
			s += fmt.Sprintf("%.40q", v.Str)
		}
	}
	return s
}

// rows runs a query whose columns are those of t, with the sum behind.
func (c *conn) rows(t *row.Table, sql string, fn func(row.Row) error, args ...int64) error {
	s, err := c.prepare(sql)
	if err != nil {
		return err
	}
	return s.ints(args...).each(func(values []driver.Value) error {
		r, err := decode(t, values)
		if err != nil {
			return err
		}
		return fn(r)
	})
}

// verbs are the statements on rows of a table.
type verbs struct {
	find, update, remove *stmt
	insert, replace      [len(portions)]*stmt
}

// portions is how many rows one statement writes: a statement costs as much as two or three rows.
var portions = [...]int{64, 8, 1}

// The verbs of writeSQL. Nothing is to be saved of a statement that fails.
const (
	insertVerb  = "INSERT OR ROLLBACK"
	replaceVerb = "REPLACE"
)

// largest is the first of portions for t. To undo a statement of several rows SQLite copies the pages
// it changes to a journal, for REPLACE and, in spite of the verb, for rowid tables: that costs more
// than is saved. Of rows that are only appended the pages are few.
func largest(t *row.Table, replace bool) int {
	if replace || t.Sequential && len(t.Index) > 0 {
		return len(portions) - 1
	}
	return 0
}

// on gives the verbs of t, preparing them the first time.
func (c *conn) on(t *row.Table) (*verbs, error) {
	if v, ok := c.verbs[t]; ok {
		return v, nil
	}
	v := &verbs{}
	for _, one := range []struct {
		to  **stmt
		sql string
	}{{&v.find, byKeySQL(t)}, {&v.update, updateSQL(t)}, {&v.remove, deleteSQL(t)}} {
		s, err := c.prepare(one.sql)
		if err != nil {
			return nil, err
		}
		*one.to = s
	}
	c.verbs[t] = v
	return v, nil
}

// find gives the row with the key of r, if there is one.
func (c *conn) find(r row.Row) (found row.Row, ok bool, err error) {
	v, err := c.on(r.Table)
	if err != nil {
		return row.Row{}, false, err
	}
	err = v.find.add(r.Table.Columns, r.Key()).each(func(values []driver.Value) error {
		ok = true
		found, err = decode(r.Table, values)
		return err
	})
	return found, ok, err
}

// summed is a row and its sum.
type summed struct {
	row row.Row
	sum uint32
}

func (c *conn) summed(r row.Row) (s summed) {
	s.row = r
	s.sum, c.buf = r.SumIn(c.buf)
	return s
}

// insert writes n rows of t, which at gives. They are all new.
func (c *conn) insert(t *row.Table, n int, at func(int) summed) error {
	return c.write(t, false, n, at)
}

// replace writes n rows of t, which at gives. Old ones with the same key go; t has no index, in which
// others could be in the way and go too.
func (c *conn) replace(t *row.Table, n int, at func(int) summed) error {
	return c.write(t, true, n, at)
}

func (c *conn) insertOne(r row.Row) error {
	return c.insert(r.Table, 1, func(int) summed { return c.summed(r) })
}

func (c *conn) write(t *row.Table, replace bool, n int, at func(int) summed) error {
	v, err := c.on(t)
	if err != nil {
		return err
	}
	for i := 0; i < n; {
		s, size, err := c.portion(t, v, replace, n-i)
		if err != nil {
			return err
		}
		first := at(i)
		s.ints().add(t.Columns, first.row.Values).int(int64(first.sum))
		for j := i + 1; j < i+size; j++ {
			next := at(j)
			s.add(t.Columns, next.row.Values).int(int64(next.sum))
		}
		if err := s.exec(); err != nil {
			return wrapRow(first.row, size, err)
		}
		i += size
	}
	return nil
}

// portion gives the statement that writes as many of n rows as one can, and says how many those are.
func (c *conn) portion(t *row.Table, v *verbs, replace bool, n int) (s *stmt, size int, err error) {
	i := largest(t, replace)
	for portions[i] > n {
		i++
	}
	to, verb := &v.insert[i], insertVerb
	if replace {
		to, verb = &v.replace[i], replaceVerb
	}
	if *to == nil {
		*to, err = c.prepare(writeSQL(t, verb, portions[i]))
	}
	return *to, portions[i], err
}

// update replaces a row that is there, and keeps its place in the index.
func (c *conn) update(s summed) error {
	r := s.row
	v, err := c.on(r.Table)
	if err != nil {
		return err
	}
	k := r.Table.Key
	v.update.add(r.Table.Columns[k:], r.Values[k:]).int(int64(s.sum)).add(r.Table.Columns, r.Key())
	return wrapRow(r, 1, v.update.exec())
}

func (c *conn) remove(r row.Row) error {
	v, err := c.on(r.Table)
	if err != nil {
		return err
	}
	return wrapRow(r, 1, v.remove.add(r.Table.Columns, r.Key()).exec())
}

// wrapRow says where among n rows, of which r is the first, err was.
func wrapRow(r row.Row, n int, err error) error {
	switch {
	case err == nil:
		return nil
	case n > 1:
		return fmt.Errorf("%d rows from %s: %w", n, showKey(r), err)
	}
	return fmt.Errorf("row %s: %w", showKey(r), err)
}
