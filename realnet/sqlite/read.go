package sqlite

import (
	"errors"
	"fmt"

	"parley/core/replica"
	"parley/core/row"
)

// readers is how many answers are worked on at the same time. On few cores more would only wait for
// each other.
const readers = 3

// view runs fn in one transaction of a reader: all it reads is of one applied index.
// Long ones are those that nobody should wait for.
func (s *Store) view(long bool, fn func(c *conn, h head) error) (err error) {
	if err := s.ready(); err != nil {
		return err
	}
	s.gate.enter(long)
	defer s.gate.leave(long)
	c, err := s.reader()
	defer func() { s.readers <- c }()
	if err != nil {
		return err
	}
	if err := c.run("BEGIN"); err != nil {
		return err
	}
	h, err := c.readHead()
	if err == nil {
		err = fn(c, h)
	}
	return errors.Join(err, c.run("COMMIT"))
}

// reader takes a connection from the pool. The first users of a place open it.
func (s *Store) reader() (*conn, error) {
	c := <-s.readers
	if err := s.usable(); err != nil || c != nil {
		return c, err
	}
	c, err := connect(s.disk, s.path, readerQuery)
	if err != nil {
		return nil, fmt.Errorf("open reader: %w", err)
	}
	return c, nil
}

// Rows implements replica.Store.
func (s *Store) Rows(ranges []row.Range) (replica.Rows, error) {
	answer := replica.Rows{Sets: make([][]row.Row, len(ranges))}
	err := s.view(false, func(c *conn, h head) (err error) {
		answer.Index = h.applied
		for i, r := range ranges {
			if answer.Sets[i], err = c.rangeOf(s.tables, r); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return replica.Rows{}, fmt.Errorf("read rows: %w", err)
	}
	return answer, nil
}

func (c *conn) rangeOf(tables []*row.Table, r row.Range) (set []row.Row, err error) {
	path, err := pathOf(tables, r)
	if err != nil {
		return nil, err
	}
	limit := int64(-1)
	if r.Limit > 0 {
		limit = int64(r.Limit)
	}
	args := []int64{r.From, r.To, limit}
	if len(path) == 2 {
		args = []int64{r.Eq, r.From, r.To, limit}
	}
	err = c.rows(r.Table, rangeSQL(r.Table, path, r.Desc), func(found row.Row) error {
		set = append(set, found)
		return nil
	}, args...)
	return set, err
}

// pathOf is the columns that r goes along.
func pathOf(tables []*row.Table, r row.Range) ([]int, error) {
	path := r.Table.Index
	if !r.ByIndex {
		path = keyColumns(r.Table)
	}
	known := false
	for _, t := range tables {
		known = known || t == r.Table
	}
	if !known || len(path) < 1 || len(path) > 2 {
		return nil, fmt.Errorf("no range over table %s along %d columns", r.Table.Name, len(path))
	}
	for _, i := range path {
		if r.Table.Columns[i].Kind != row.Int {
			return nil, fmt.Errorf("no range over table %s along %s", r.Table.Name, r.Table.Columns[i].Name)
		}
	}
	return path, nil
}

// Export implements replica.Store. It checks the rows against the digest: a missing or stale row is
// an error, not a snapshot.
func (s *Store) Export() (snap replica.Snapshot, err error) {
	err = s.view(true, func(c *conn, h head) error {
		mark, err := c.mark(&h, h.applied)
		if err != nil {
			return err
		}
		w := replica.NewSnapshotWriter(mark)
		for _, t := range s.tables {
			w.Table(t)
			if err := c.rows(t, allSQL(t), w.Row); err != nil {
				return err
			}
		}
		if snap = w.Finish(); snap.Digest != h.digest {
			return damaged("the rows have digest %v, %v was saved", snap.Digest, h.digest)
		}
		return nil
	})
	if err != nil {
		return replica.Snapshot{}, fmt.Errorf("export: %w", err)
	}
	return snap, nil
}
