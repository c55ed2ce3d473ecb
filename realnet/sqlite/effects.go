package sqlite

import (
	"fmt"
	"slices"

	"parley/core/row"
)

// Effects are carried out grouped by table and in key order, because rows written side by side share
// pages: several times cheaper than in the order of the log. Effects on one key come to what they
// come to in their order. The result is the same: the unique index counts when all are done.

// net is what the effects on one key come to.
type net struct {
	row   row.Row // as it is afterwards; if gone, the key counts only
	gone  bool
	fresh bool // the first was an Insert: there must be no old row
}

// action is a net once the old row is known.
type action struct {
	row   row.Row
	isNew bool
}

// apply carries out effects and counts them into the digest.
func (c *conn) apply(tables []*row.Table, effects []row.Effect, digest *row.Digest) error {
	groups := make([][]row.Effect, len(tables))
	for _, e := range effects {
		i := slices.Index(tables, e.Row.Table)
		if i < 0 {
			return fmt.Errorf("table %s is not in the catalogue", e.Row.Table.Name)
		}
		groups[i] = append(groups[i], e)
	}
	for i, t := range tables {
		if err := c.applyTable(t, groups[i], digest); err != nil {
			return fmt.Errorf("table %s: %w", t.Name, err)
		}
	}
	return nil
}

func (c *conn) applyTable(t *row.Table, effects []row.Effect, digest *row.Digest) error {
	nets, err := collect(t, effects)
	if err != nil {
		return err
	}
	var writes []action
	for _, n := range nets {
		a, write, err := c.prepareNet(n, digest)
		if err != nil {
			return err
		}
		if write {
			writes = append(writes, a)
		}
	}
	for _, a := range writes {
		verb := c.update
		if a.isNew {
			verb = c.insert
		}
		if err := verb(a.row); err != nil {
			return err
		}
		digest.Add(a.row)
	}
	return nil
}

// prepareNet looks up the old row, removes it where it must go first, and counts it out. What it
// returns is written when all old rows of the table are out of the way.
func (c *conn) prepareNet(n net, digest *row.Digest) (a action, write bool, err error) {
	if n.fresh && !n.gone {
		return action{n.row, true}, true, nil // the database itself refuses a second one
	}
	old, found, err := c.find(n.row)
	switch {
	case err != nil:
		return a, false, err
	case !found:
		return action{n.row, true}, !n.gone, nil
	case n.fresh:
		return a, false, fmt.Errorf("insert of row %s, which is there already", showKey(n.row))
	case !n.gone && slices.Equal(old.Values, n.row.Values):
		return a, false, nil
	}
	digest.Remove(old)
	if n.gone || moves(old, n.row) {
		return action{n.row, true}, !n.gone, c.remove(old)
	}
	return action{n.row, false}, true, nil
}

// moves says whether the row's place in the index changes. Then it is taken out first: another one
// may be about to take the place.
func moves(old, now row.Row) bool {
	return slices.ContainsFunc(old.Table.Index, func(i int) bool { return old.Values[i] != now.Values[i] })
}

// collect sorts effects on one table by key and folds those on the same key.
func collect(t *row.Table, effects []row.Effect) ([]net, error) {
	byKey := func(a, b row.Effect) int { return row.CompareKeys(t, a.Row.Key(), b.Row.Key()) }
	for _, e := range effects {
		if n := len(e.Row.Values); n != len(t.Columns) && !(e.Op == row.Delete && n >= t.Key) {
			return nil, fmt.Errorf("row of %d columns, want %d", n, len(t.Columns))
		}
	}
	if !slices.IsSortedFunc(effects, byKey) {
		slices.SortStableFunc(effects, byKey)
	}
	nets := make([]net, 0, len(effects))
	for i, e := range effects {
		if i == 0 || byKey(effects[i-1], e) != 0 {
			nets = append(nets, net{row: e.Row, gone: e.Op == row.Delete, fresh: e.Op == row.Insert})
			continue
		}
		n := &nets[len(nets)-1]
		if e.Op == row.Insert && !n.gone {
			return nil, fmt.Errorf("insert of row %s, which is there already", showKey(e.Row))
		}
		n.row, n.gone = e.Row, e.Op == row.Delete
	}
	return nets, nil
}
