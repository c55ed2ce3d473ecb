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

// start is the order of things: look at the files; let SQLite recover its WAL; compare what is there
// with what must be; make sure that what was read is on the disk, and not just in the system's cache;
// count the boot; and read everything. Whatever is not as it was written ends it.
func (s *Store) start(want Identity) (err error) {
	for _, step := range []func() error{
		s.look,
		func() error { s.w, err = connect(s.disk, s.path, writerQuery); return err },
		s.checkVersion,
		func() error { return s.w.checkSchema(s.tables) },
		func() error { return s.readIdentity(want) },
		func() error { s.head, err = s.w.readHead(); return err },
		s.compareMarker,
		// A transaction whose sync failed may be visible, and lost at the next power cut.
		s.empty,
		func() error { return s.disk.sync(s.dir) },
		s.countBoot,
		func() error { s.found, err = s.verify(); return err },
		s.trust,
	} {
		if err := step(); err != nil {
			return s.quote(judged(LostTail, err))
		}
	}
	return nil
}

// look reads what can be read before SQLite opens anything.
func (s *Store) look() error {
	w, err := scanWAL(s.disk, s.path)
	if err != nil {
		return err
	}
	return checkHeader(s.disk, s.path, w)
}

func (s *Store) compareMarker() error {
	m, said, err := openMarker(s.disk, s.dir, s.id.Store)
	if err != nil {
		return err
	}
	s.marker = m
	return said.compare(s.boot, &s.head)
}

func (s *Store) checkVersion() error {
	version, err := s.w.one("PRAGMA user_version")
	if err != nil {
		return err
	}
	switch n, _ := version[0].(int64); {
	case n > userVersion:
		return &Refused{Reason: Newer, Text: fmt.Sprintf("it has format %d, this program knows %d", n, userVersion),
			Hint: "use the newer version of parleyd that wrote it. If there is none, the file is damaged: " + hints[LostTail]}
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
			Hint: "use the version of parleyd that wrote it. If it is this one, the file is damaged: " + hints[LostTail]}
	}
	return nil
}

func (s *Store) readIdentity(want Identity) error {
	found := false
	err := s.w.rows(identTable, allSQL(identTable), func(r row.Row) (err error) {
		if found {
			return damaged("table ident has several rows")
		}
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
	if err := s.w.update(s.w.summed(s.id.row(s.boot))); err != nil {
		return err
	}
	return s.marker.write(s.mark())
}
