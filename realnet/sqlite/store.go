package sqlite

import (
	"errors"
	"fmt"
	"io"
	"sync/atomic"

	"parley/core/replica"
	"parley/core/row"
)

// Store is an open directory. It implements replica.Store.
type Store struct {
	disk   disk
	dir    string
	path   string // of the database
	tables []*row.Table
	lock   io.Closer
	id     Identity
	boot   uint64

	// The writer, and what it knows: they belong to the caller of Save, and between two Saves to the
	// checkpoint that is under way.
	w          *conn
	head       head
	found      replica.Recovered // until Recover hands it over
	recovered  bool
	marker     *marker
	walLimit   int64      // above this the WAL is checkpointed
	written    int        // bytes since the WAL was looked at
	urgent     bool       // it is far too long: every Save looks for a moment to empty it
	copied     bool       // all of the WAL is in the database, too, but it could not be emptied
	checkpoint chan error // not nil: one is under way, and says here how it went

	gate    gate
	readers chan *conn // those that are free

	broken atomic.Pointer[error] // why nothing works any more
}

var _ replica.Store = (*Store)(nil)

// Identity is what this store is for ever.
func (s *Store) Identity() Identity { return s.id }

// poison notes the first error, after which nothing works, and returns err.
func (s *Store) poison(err error) error {
	if s.broken.CompareAndSwap(nil, &err) && err != errClosed {
		s.suspect(err)
	}
	return err
}

func (s *Store) usable() error {
	if err := s.broken.Load(); err != nil {
		return fmt.Errorf("store %s is of no more use: %w", s.dir, *err)
	}
	return nil
}

func (s *Store) ready() error {
	if !s.recovered {
		return fmt.Errorf("store %s: Recover comes first", s.dir)
	}
	return s.usable()
}

// Recover implements replica.Store. What it returns is on the disk: Open has emptied the WAL. And it is
// what was written: Open has read all of it.
func (s *Store) Recover() (replica.Recovered, error) {
	if err := s.usable(); err != nil {
		return replica.Recovered{}, err
	}
	if s.recovered {
		return replica.Recovered{}, fmt.Errorf("store %s: Recover comes once", s.dir)
	}
	found := s.found
	s.found, s.recovered = replica.Recovered{}, true
	return found, nil
}

var errClosed = errors.New("it is closed")

// Close implements replica.Store: it empties the WAL, unless the store is poisoned, and says if
// anything went wrong since it was opened.
func (s *Store) Close() error {
	err := s.usable()
	if settled := s.settle(); err == nil {
		err = settled
	}
	s.poison(errClosed)
	for range readers { // waits for those at work; later ones find no connection, and the reason
		err = errors.Join(err, closeReader(<-s.readers))
	}
	for range readers {
		s.readers <- nil
	}
	if err == nil {
		err = s.empty()
	}
	return errors.Join(err, s.release())
}

func closeReader(c *conn) error {
	if c == nil {
		return nil
	}
	return c.close()
}

// release lets go of the database and the directory.
func (s *Store) release() error {
	var err error
	if s.w != nil {
		err = s.w.close()
	}
	if s.marker != nil {
		err = errors.Join(err, s.marker.f.Close())
	}
	return errors.Join(err, s.lock.Close())
}
