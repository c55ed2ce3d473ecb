package sqlite

import (
	"fmt"

	"parley/core/raft"
	"parley/core/replica"
	"parley/core/row"
)

// Save implements replica.Store: one transaction, one sync. Whatever goes wrong, the store is
// poisoned; what was written may or may not be there after a restart.
func (s *Store) Save(v replica.Save) (replica.Saved, error) {
	if err := s.ready(); err != nil {
		return replica.Saved{}, err
	}
	if err := s.settle(); err != nil {
		return replica.Saved{}, err
	}
	var saved replica.Saved
	err := s.neverOver()
	if err == nil {
		saved, err = s.save(v)
	}
	if err != nil {
		return replica.Saved{}, s.poison(fmt.Errorf("save %d: %w", v.Seq, err))
	}
	s.checkpointIfDue(v)
	return saved, nil
}

func (s *Store) save(v replica.Save) (replica.Saved, error) {
	if err := s.w.run("BEGIN IMMEDIATE"); err != nil {
		return replica.Saved{}, err
	}
	h, err := s.carryOut(v)
	if err == nil {
		err = s.w.update(s.w.summed(h.row()))
	}
	saved := h.saved()
	if err == nil && v.Install != nil {
		saved.Hot, err = s.w.hot(s.tables)
	}
	if err != nil {
		s.w.exec("ROLLBACK") // to let go of the file, if that did not happen; there is nobody left to tell if it fails
		return replica.Saved{}, err
	}
	if err := s.w.run("COMMIT"); err != nil {
		return replica.Saved{}, err
	}
	s.head = h
	return saved, s.marker.write(s.mark())
}

// carryOut does the parts of v in their order, within the transaction that is open.
func (s *Store) carryOut(v replica.Save) (head, error) {
	h := s.head
	if h.seq++; v.Seq != h.seq {
		return h, fmt.Errorf("want seq %d", h.seq)
	}
	if err := h.setHard(v.Hard); err != nil {
		return h, err
	}
	if v.Install != nil {
		if err := s.w.install(s.tables, &h, v.Install, v.CutFrom); err != nil {
			return h, err
		}
	}
	if err := s.w.cut(&h, v.CutFrom, s.head.hard.Commit); err != nil {
		return h, err
	}
	if err := s.w.append(&h, v.Append); err != nil {
		return h, err
	}
	if to := v.Applied; to != 0 && to < h.applied || to <= h.applied && len(v.Effects) > 0 {
		return h, fmt.Errorf("%d effects up to %d, but %d is applied", len(v.Effects), to, h.applied)
	}
	h.applied = max(h.applied, v.Applied)
	if err := s.w.apply(s.tables, v.Effects, &h.digest); err != nil {
		return h, err
	}
	if err := s.w.compactTo(&h, v.Compact); err != nil {
		return h, err
	}
	return h, h.check()
}

// install replaces the rows by those of a snapshot. Entries behind it are kept if they continue it
// or are about to be cut.
func (c *conn) install(tables []*row.Table, h *head, s *replica.Snapshot, cutFrom raft.Index) error {
	at := s.Mark.Index
	if at < h.applied {
		return fmt.Errorf("snapshot at %d is older than what is applied, %d", at, h.applied)
	}
	if at < h.last.Index {
		here, err := c.mark(h, at)
		if err != nil {
			return err
		}
		if here.Chain != s.Mark.Chain && (cutFrom == 0 || cutFrom > at+1) {
			return fmt.Errorf("entries kept behind snapshot at %d do not continue it", at)
		}
	} else {
		h.last = s.Mark
	}
	for _, t := range tables {
		if err := c.run(clearSQL(t)); err != nil {
			return err
		}
	}
	if err := c.run(compactSQL, int64(at)); err != nil {
		return err
	}
	h.compact, h.applied, h.digest = s.Mark, at, s.Digest
	c.known.clear()
	return replica.ReadSnapshot(*s, tables, c.insertOne)
}

// hot gives all rows of hot tables, table by table, by key.
func (c *conn) hot(tables []*row.Table) ([]row.Row, error) {
	var hot []row.Row
	for _, t := range tables {
		if !t.Hot {
			continue
		}
		if err := c.rows(t, allSQL(t), func(r row.Row) error { hot = append(hot, r); return nil }); err != nil {
			return nil, err
		}
	}
	return hot, nil
}
