package sqlite

import (
	"database/sql/driver"
	"errors"
	"fmt"
	"path/filepath"
	"slices"

	"parley/core/row"
)

// Open opens the store in dir, which Init made with the same tables. Fields of want that are not
// zero must be those of the store. It opens nothing halfway: after an error all is as before, but
// for what SQLite does to recover its WAL.
func Open(dir string, want Identity, tables []*row.Table) (*Store, error) {
	s, err := open(system{}, dir, want, tables)
	if err != nil {
		return nil, fmt.Errorf("open store %q: %w", dir, err)
	}
	return s, nil
}

func open(d disk, dir string, want Identity, tables []*row.Table) (s *Store, err error) {
	if dir, err = filepath.Abs(dir); err != nil {
		return nil, err
	}
	if err := findStore(d, dir); err != nil {
		return nil, err
	}
	lock, err := takeLock(d, dir)
	if err != nil {
		return nil, err
	}
	s = &Store{disk: d, dir: dir, path: filepath.Join(dir, databaseName), tables: tables, lock: lock,
		walLimit: walLimit, readers: make(chan *conn, readers)}
	for range readers {
		s.readers <- nil
	}
	if err := s.start(want); err != nil {
		return nil, errors.Join(err, s.release())
	}
	return s, nil
}

// start is the order of things: look, compare, make sure that what was read is on the disk, and only
// then write, which is the boot number.
func (s *Store) start(want Identity) (err error) {
	if err := checkHeader(s.disk, s.path); err != nil {
		return err
	}
	if s.w, err = connect(s.disk, s.path, writerQuery); err != nil {
		return err
	}
	for _, step := range []func() error{
		s.w.checkVersion,
		func() error { return s.w.checkSchema(s.tables) },
		func() error { return s.readIdentity(want) },
		// A transaction whose sync failed may be visible, and lost at the next power cut.
		s.w.empty,
		func() error { return s.disk.sync(s.dir) },
		s.countBoot,
		func() error { s.head, err = s.w.readHead(); return err },
	} {
		if err := step(); err != nil {
			return err
		}
	}
	return nil
}

func (c *conn) checkVersion() error {
	version, err := c.one("PRAGMA user_version")
	if err != nil {
		return err
	}
	switch n, _ := version[0].(int64); {
	case n > userVersion:
		return &Refused{Reason: Newer, Text: fmt.Sprintf("it has format %d, this program knows %d", n, userVersion),
			Hint: "use the newer version of parleyd that wrote it"}
	case n < userVersion:
		return damaged("format %d", n)
	}
	return nil
}

// checkSchema compares the tables there are with those there must be.
func (c *conn) checkSchema(tables []*row.Table) error {
	var want, got []string
	for _, t := range append(slices.Clone(localTables), tables...) {
		want = append(want, schema(t)...)
	}
	s, err := c.prepare("SELECT sql FROM sqlite_schema WHERE sql IS NOT NULL")
	if err != nil {
		return err
	}
	err = s.each(func(values []driver.Value) error {
		sql, _ := values[0].(string)
		got = append(got, sql)
		return nil
	})
	if err != nil {
		return err
	}
	slices.Sort(want)
	slices.Sort(got)
	if !slices.Equal(want, got) {
		return &Refused{Reason: Newer, Text: "its tables are not those of this version",
			Hint: "use the version of parleyd that wrote it"}
	}
	return nil
}

func (s *Store) readIdentity(want Identity) error {
	found := false
	err := s.w.rows(identTable, allSQL(identTable), func(r row.Row) (err error) {
		found = true
		s.id, s.boot, err = identityOf(r)
		return err
	})
	switch {
	case err != nil:
		return err
	case !found:
		return damaged("table ident is empty")
	}
	if err := s.id.check(want); err != nil {
		return &Refused{Reason: Foreign, Text: err.Error(), Hint: "is this the right directory?"}
	}
	return nil
}

// countBoot makes the boot number grow, durably.
func (s *Store) countBoot() error {
	s.boot++
	return s.w.update(s.w.summed(s.id.row(s.boot)))
}
