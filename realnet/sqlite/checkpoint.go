package sqlite

import (
	"errors"
	"fmt"

	"parley/core/replica"
)

const (
	walLimit = 8 << 20 // above this the WAL is checkpointed
	walHigh  = 2       // times that, readers are held up to let it be emptied
	walSteps = 4       // after a checkpoint that could not empty it, this part of it is written first
	perEntry = 64      // bytes of an entry or effect besides its data, roughly
)

// checkpointIfDue starts a checkpoint beside the machine's work if the WAL has become large. The
// next Save waits for it, and has its error.
func (s *Store) checkpointIfDue(v replica.Save) {
	if s.written += sizeOf(v); s.written < int(s.walLimit/walSteps) && !s.urgent {
		return
	}
	size, err := s.walSize()
	if err == nil && size < s.walLimit {
		s.urgent = false
		return
	}
	s.written, s.urgent = 0, size > s.walLimit*walHigh
	s.checkpoint = make(chan error, 1)
	go func(urgent bool) {
		if err == nil {
			err = s.checkpointBeside(urgent)
		}
		s.checkpoint <- err
	}(s.urgent)
}

// settle waits for the checkpoint that is under way.
func (s *Store) settle() error {
	if s.checkpoint == nil {
		return nil
	}
	err := <-s.checkpoint
	s.checkpoint = nil
	if err != nil {
		return s.poison(fmt.Errorf("checkpoint: %w", err))
	}
	return nil
}

// checkpointBeside empties the WAL if nobody reads, and else copies what it can. TRUNCATE beside a
// reader would wait for it, and then have done nothing.
func (s *Store) checkpointBeside(urgent bool) error {
	var busy bool
	var err error
	emptied := s.gate.quiet(urgent, func() { _, busy, err = s.w.checkpoint("TRUNCATE") })
	switch {
	case err != nil:
		return err
	case !emptied:
		s.copied, _, err = s.w.checkpoint("PASSIVE")
		return err
	case busy: // another process reads
		return nil
	}
	return s.disk.sync(s.path + walSuffix)
}

// neverOver keeps SQLite from writing over a WAL that was copied whole: were the power to fail in its
// new head, the old frames behind it would look like damage. Beside a reader who needs the old frames
// the WAL cannot be emptied, but then SQLite appends to it.
func (s *Store) neverOver() error {
	if !s.copied {
		return nil
	}
	s.copied = false
	_, busy, err := s.w.checkpoint("TRUNCATE")
	if err == nil && !busy {
		err = s.disk.sync(s.path + walSuffix)
	}
	return err
}

// checkpoint copies the WAL into the database, whole or as far as readers let it. Busy says that a
// reader, perhaps in another process, kept it from finishing.
func (c *conn) checkpoint(mode string) (whole, busy bool, err error) {
	values, err := c.one("PRAGMA wal_checkpoint(" + mode + ")")
	if err != nil {
		return false, false, fmt.Errorf("wal_checkpoint(%s): %w", mode, err)
	}
	if len(values) != 3 {
		return false, false, fmt.Errorf("wal_checkpoint(%s): answer of %d columns", mode, len(values))
	}
	n, ok := values[0].(int64)
	log, _ := values[1].(int64)
	if !ok || log < 0 {
		return false, false, fmt.Errorf("wal_checkpoint(%s): answer %v", mode, values)
	}
	return values[2] == values[1], n != 0, nil
}

// empty empties the WAL, and makes sure that it stays empty: else a power cut while it is begun anew
// could leave a torn head before old frames, which looks like damage.
func (s *Store) empty() error {
	if err := s.w.empty(); err != nil {
		return err
	}
	return s.disk.sync(s.path + walSuffix)
}

// empty demands that the WAL is copied whole and cut to nothing.
func (c *conn) empty() error {
	_, busy, err := c.checkpoint("TRUNCATE")
	if err == nil && busy {
		err = errors.New("the WAL cannot be emptied: another process reads this database")
	}
	return err
}

// walSize is the length of the WAL; there may be none.
func (s *Store) walSize() (int64, error) {
	size, err := s.disk.size(s.path + walSuffix)
	if missing(err) {
		return 0, nil
	}
	return size, err
}

// sizeOf is roughly what v writes.
func sizeOf(v replica.Save) int {
	n := 4096 // the head's page
	for i := range v.Append {
		n += perEntry + len(v.Append[i].Data)
	}
	for _, e := range v.Effects {
		n += perEntry
		for _, value := range e.Row.Values {
			n += len(value.Str)
		}
	}
	if v.Install != nil {
		n += len(v.Install.Data)
	}
	return n
}
