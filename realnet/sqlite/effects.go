package sqlite

import (
	"cmp"
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

// writes is what is left to be done in a table once the old rows are out of the way.
type writes struct {
	insert  []summed // new
	replace []summed // there is an old one; the table has no index
	update  []summed // there is an old one, with the same place in the index
}

// apply carries out effects and counts them into the digest.
func (c *conn) apply(tables []*row.Table, effects []row.Effect, digest *row.Digest) error {
	sizes, groups := make([]int, len(tables)), make([][]row.Effect, len(tables))
	for _, e := range effects {
		i := slices.Index(tables, e.Row.Table)
		if i < 0 {
			return fmt.Errorf("table %s is not in the catalogue", e.Row.Table.Name)
		}
		sizes[i]++
	}
	for i, n := range sizes {
		groups[i] = make([]row.Effect, 0, n)
	}
	for _, e := range effects {
		i := slices.Index(tables, e.Row.Table)
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
	prepare := c.prepareNet
	if c.known.keeps(t) {
		prepare = c.prepareKnown
	}
	var w writes
	for i := range nets {
		if err := prepare(&nets[i], &w, digest); err != nil {
			return err
		}
	}
	for _, s := range w.update {
		if err := c.update(s); err != nil {
			return err
		}
	}
	if err := c.replace(t, len(w.replace), func(i int) summed { return w.replace[i] }); err != nil {
		return err
	}
	return c.insert(t, len(w.insert), func(i int) summed { return w.insert[i] })
}

// marks gives r with its sum, and its hash.
func (c *conn) marks(r row.Row) (s summed, hash [32]byte) {
	s.row = r
	s.sum, hash, c.buf = r.Marks(c.buf)
	return s, hash
}

// prepareNet looks up the old row, removes it where it must go first, and counts it out of the digest
// and the new one in. What it adds to w is to be written when all old rows of the table are out of
// the way.
func (c *conn) prepareNet(n *net, w *writes, digest *row.Digest) error {
	var old row.Row
	found := false
	if !n.fresh || n.gone { // else the database itself refuses a second one
		var err error
		if old, found, err = c.find(n.row); err != nil {
			return err
		}
	}
	switch {
	case found && n.fresh:
		return fmt.Errorf("insert of row %s, which is there already", showKey(n.row))
	case !found && n.gone, found && !n.gone && slices.Equal(old.Values, n.row.Values):
		return nil
	}
	stays := found && !n.gone && !moves(old, n.row)
	if found {
		digest.Remove(old)
		if !stays {
			if err := c.remove(old); err != nil {
				return err
			}
		}
	}
	if n.gone {
		return nil
	}
	now, hash := c.marks(n.row)
	digest.AddHash(hash)
	if stays {
		w.update = append(w.update, now)
	} else {
		w.insert = append(w.insert, now)
	}
	return nil
}

// prepareKnown is prepareNet for tables that c.known keeps: a row whose hash it has is not read.
func (c *conn) prepareKnown(n *net, w *writes, digest *row.Digest) error {
	var was [32]byte
	known := c.known.find(n.row)
	found := known != nil
	if found {
		was = known.hash
	} else if !n.fresh || n.gone {
		old, there, err := c.find(n.row)
		if err != nil {
			return err
		}
		if there {
			found, was = true, old.Hash()
		}
	}
	switch {
	case found && n.fresh:
		return fmt.Errorf("insert of row %s, which is there already", showKey(n.row))
	case n.gone && found:
		digest.RemoveHash(was)
		c.known.forget()
		return c.remove(n.row)
	case n.gone:
		return nil
	}
	now, hash := c.marks(n.row)
	c.known.set(known, hash)
	switch {
	case found && was == hash:
		return nil
	case found:
		digest.RemoveHash(was)
		w.replace = append(w.replace, now)
	default:
		w.insert = append(w.insert, now)
	}
	digest.AddHash(hash)
	return nil
}

// moves says whether the row's place in the index changes. Then it is taken out first: another one
// may be about to take the place.
func moves(old, now row.Row) bool {
	return slices.ContainsFunc(old.Table.Index, func(i int) bool { return old.Values[i] != now.Values[i] })
}

// collect sorts effects on one table by key and folds those on the same key.
func collect(t *row.Table, effects []row.Effect) ([]net, error) {
	for i := range effects {
		e := &effects[i]
		if n := len(e.Row.Values); n != len(t.Columns) && !(e.Op == row.Delete && n >= t.Key) {
			return nil, fmt.Errorf("row of %d columns, want %d", n, len(t.Columns))
		}
	}
	nets := make([]net, 0, len(effects))
	for i, at := range byKey(t, effects) {
		e := &effects[at]
		if i == 0 || row.CompareKeys(t, nets[len(nets)-1].row.Values, e.Row.Values) != 0 {
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

// byKey gives the positions of effects on t in the order of their keys, and for one key as they are.
func byKey(t *row.Table, effects []row.Effect) []int32 {
	order := make([]int32, len(effects))
	sorted := true
	for i := range order {
		order[i] = int32(i)
		sorted = sorted && (i == 0 || row.CompareKeys(t, effects[i-1].Row.Values, effects[i].Row.Values) <= 0)
	}
	if !sorted {
		slices.SortFunc(order, func(a, b int32) int {
			if c := row.CompareKeys(t, effects[a].Row.Values, effects[b].Row.Values); c != 0 {
				return c
			}
			return cmp.Compare(a, b)
		})
	}
	return order
}
