package sqlite

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"parley/core/raft"
	"parley/core/replica"
	"parley/core/row"
)

// Init makes a store in dir, which must be empty or not exist. It is built beside and renamed when
// it is whole and synced, so that half a store is never in its place.
func Init(dir string, id Identity, genesis []row.Row, tables []*row.Table) error {
	return made(dir, initialise(system{}, dir, id, genesis, tables))
}

// Restore makes a store in dir, like Init, that begins with the rows of a snapshot, at its index and
// term. Its log's chain begins anew, with the identity's: nothing of the cluster that the snapshot was
// taken from continues it.
func Restore(dir string, id Identity, s replica.Snapshot, tables []*row.Table) error {
	return made(dir, create(system{}, dir, id, tables, func(c *conn) (head, error) {
		mark := s.Mark
		mark.Chain = id.Chain
		h := head{compact: mark, last: mark, applied: mark.Index, digest: s.Digest,
			hard: raft.Hard{Term: mark.Term, Commit: mark.Index}}
		return h, replica.ReadSnapshot(s, tables, c.insertOne)
	}))
}

func made(dir string, err error) error {
	if err != nil {
		return fmt.Errorf("make store %q: %w", dir, err)
	}
	return nil
}

func initialise(d disk, dir string, id Identity, genesis []row.Row, tables []*row.Table) error {
	return create(d, dir, id, tables, func(c *conn) (head, error) {
		born := raft.Mark{Chain: id.Chain}
		h := head{compact: born, last: born}
		var effects []row.Effect
		for _, r := range genesis {
			effects = append(effects, row.Effect{Op: row.Insert, Row: r})
		}
		return h, c.apply(tables, effects, &h.digest)
	})
}

// create makes a store of what fill puts into its tables.
func create(d disk, dir string, id Identity, tables []*row.Table, fill func(c *conn) (head, error)) (err error) {
	if err := errors.Join(id.complete(), checkCatalogue(tables)); err != nil {
		return err
	}
	dir, err = filepath.Abs(dir)
	if err != nil {
		return err
	}
	parent := filepath.Dir(dir)
	if err := errors.Join(checkFree(d, dir), d.mkdirAll(parent)); err != nil {
		return err
	}
	half, err := d.mkdirTemp(parent, filepath.Base(dir)+halfSuffix+"*")
	if err != nil {
		return err
	}
	if err := build(d, half, id, tables, fill); err != nil {
		return errors.Join(err, d.removeAll(half))
	}
	if err := d.remove(dir); err != nil && !missing(err) {
		return &Refused{Reason: NotEmpty, Text: fmt.Sprintf("%q cannot be replaced", dir), Err: errors.Join(err, d.removeAll(half)),
			Hint: "if it is a mount point, use a directory inside it"}
	}
	if err := d.rename(half, dir); err != nil {
		return errors.Join(err, d.removeAll(half))
	}
	return d.sync(parent)
}

// checkFree refuses a directory with anything in it.
func checkFree(d disk, dir string) error {
	names, err := d.names(dir)
	switch {
	case missing(err):
		return nil
	case err != nil:
		return err
	case len(names) > 0:
		return &Refused{Reason: NotEmpty, Text: fmt.Sprintf("%q is not empty: it has %q in it", dir, names[0]),
			Hint: "choose another directory; nothing was changed"}
	}
	return nil
}

// build makes all files of a store in dir and syncs them.
func build(d disk, dir string, id Identity, tables []*row.Table, fill func(c *conn) (head, error)) error {
	path := filepath.Join(dir, databaseName)
	c, err := connect(d, path, makerQuery)
	if err != nil {
		return err
	}
	err = c.birth(id, tables, fill)
	if err == nil {
		err = c.empty()
	}
	if err := errors.Join(err, c.close()); err != nil {
		return err
	}
	lock, err := d.open(filepath.Join(dir, lockName), os.O_RDWR|os.O_CREATE)
	if err != nil {
		return err
	}
	return errors.Join(lock.Close(), d.sync(path), d.sync(filepath.Join(dir, lockName)), d.sync(dir))
}

// birth makes the tables and what a store begins with, in one transaction.
func (c *conn) birth(id Identity, tables []*row.Table, fill func(c *conn) (head, error)) error {
	statements := []string{"BEGIN IMMEDIATE"}
	for _, t := range append(localTables[:len(localTables):len(localTables)], tables...) {
		statements = append(statements, schema(t)...)
	}
	statements = append(statements,
		fmt.Sprintf("PRAGMA application_id = %d", applicationID), fmt.Sprintf("PRAGMA user_version = %d", userVersion))
	for _, sql := range statements {
		if err := c.exec(sql); err != nil {
			return err
		}
	}
	h, err := fill(c)
	if err != nil {
		return err
	}
	if err := errors.Join(c.insertOne(id.row(0)), c.insertOne(h.row())); err != nil {
		return err
	}
	return c.exec("COMMIT")
}
