package sqlite

import (
	"database/sql/driver"
	"fmt"

	"parley/core/row"
)

// decode makes a row of t of what the database gave, and compares its sum: rot, and rows that landed
// in the wrong place, are errors that name them.
func decode(t *row.Table, values []driver.Value) (row.Row, error) {
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
	if sum, ok := values[len(t.Columns)].(int64); !ok || sum != int64(r.Sum()) {
		return r, damaged("table %s: row %s does not have the sum stored with it", t.Name, showKey(r))
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

func damaged(format string, args ...any) error {
	return &Refused{Reason: Damaged, Text: "damaged store: " + fmt.Sprintf(format, args...),
		Hint: "this replica must be replaced; the others have its data"}
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

// verbs are the statements on single rows of a table.
type verbs struct{ find, insert, update, remove *stmt }

// on gives the verbs of t, preparing them the first time.
func (c *conn) on(t *row.Table) (*verbs, error) {
	if v, ok := c.verbs[t]; ok {
		return v, nil
	}
	v := &verbs{}
	for _, one := range []struct {
		to  **stmt
		sql string
	}{{&v.find, byKeySQL(t)}, {&v.insert, insertSQL(t)}, {&v.update, updateSQL(t)}, {&v.remove, deleteSQL(t)}} {
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

func (c *conn) insert(r row.Row) error {
	v, err := c.on(r.Table)
	if err != nil {
		return err
	}
	return wrapRow(r, v.insert.add(r.Table.Columns, r.Values).int(int64(r.Sum())).exec())
}

func (c *conn) update(r row.Row) error {
	v, err := c.on(r.Table)
	if err != nil {
		return err
	}
	k := r.Table.Key
	v.update.add(r.Table.Columns[k:], r.Values[k:]).int(int64(r.Sum())).add(r.Table.Columns, r.Key())
	return wrapRow(r, v.update.exec())
}

func (c *conn) remove(r row.Row) error {
	v, err := c.on(r.Table)
	if err != nil {
		return err
	}
	return wrapRow(r, v.remove.add(r.Table.Columns, r.Key()).exec())
}

func wrapRow(r row.Row, err error) error {
	if err != nil {
		return fmt.Errorf("row %s: %w", showKey(r), err)
	}
	return nil
}
