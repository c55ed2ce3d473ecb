package sqlite

import (
	"encoding/binary"
	"fmt"

	"parley/core/raft"
	"parley/core/replica"
	"parley/core/row"
)

// head is the one row that is rewritten by every Save: where everything stands.
type head struct {
	seq     uint64
	hard    raft.Hard
	applied raft.Index
	digest  row.Digest
	compact raft.Mark // entries ≤ compact.Index are gone
	last    raft.Mark // of the log; compact if it is empty
}

// check is rule D8.
func (h *head) check() error {
	switch {
	case h.compact.Index > h.applied || h.applied > h.hard.Commit || h.applied > h.last.Index:
		return fmt.Errorf("want compact %d ≤ applied %d ≤ commit %d and last %d",
			h.compact.Index, h.applied, h.hard.Commit, h.last.Index)
	case h.hard.Term < h.last.Term:
		return fmt.Errorf("term %d is older than the last entry's, %d", h.hard.Term, h.last.Term)
	}
	return nil
}

func (h *head) row() row.Row {
	digest := make([]byte, 0, 32)
	for _, lane := range h.digest {
		digest = binary.BigEndian.AppendUint64(digest, lane)
	}
	v := make([]row.Value, 0, len(hardTable.Columns))
	v = append(v, row.I(1), row.I(int64(h.seq)),
		row.I(int64(h.hard.Term)), row.I(int64(h.hard.Vote)), row.I(int64(h.hard.Commit)),
		row.I(int64(h.applied)), row.S(string(digest)))
	return row.Row{Table: hardTable, Values: appendMark(appendMark(v, h.compact), h.last)}
}

func appendMark(v []row.Value, m raft.Mark) []row.Value {
	return append(v, row.I(int64(m.Index)), row.I(int64(m.Term)), row.S(string(m.Chain[:])), row.I(int64(m.Time)))
}

func headOf(r row.Row) (h head, err error) {
	v := r.Values
	h.seq = uint64(v[1].Int)
	h.hard = raft.Hard{Term: raft.Term(v[2].Int), Vote: raft.ID(v[3].Int), Commit: raft.Index(v[4].Int)}
	h.applied = raft.Index(v[5].Int)
	if len(v[6].Str) != 32 {
		return h, damaged("digest of %d bytes", len(v[6].Str))
	}
	for i := range h.digest {
		h.digest[i] = binary.BigEndian.Uint64([]byte(v[6].Str[8*i:]))
	}
	if h.compact, err = markOf(v[7:]); err == nil {
		h.last, err = markOf(v[11:])
	}
	if err == nil {
		err = h.check()
	}
	if err != nil {
		err = damaged("table hard: %v", err)
	}
	return h, err
}

func markOf(v []row.Value) (raft.Mark, error) {
	m := raft.Mark{Index: raft.Index(v[0].Int), Term: raft.Term(v[1].Int), Time: raft.ClusterTime(v[3].Int)}
	return m, chainOf(v[2].Str, &m.Chain)
}

func chainOf(s string, to *raft.Chain) error {
	if len(s) != len(to) {
		return fmt.Errorf("chain of %d bytes", len(s))
	}
	copy(to[:], s)
	return nil
}

// readHead reads where everything stands.
func (c *conn) readHead() (h head, err error) {
	found := false
	err = c.rows(hardTable, headSQL, func(r row.Row) error {
		if found {
			return damaged("table hard has several rows")
		}
		found = true
		h, err = headOf(r)
		return err
	})
	if err == nil && !found {
		err = damaged("table hard is empty")
	}
	return h, err
}

var headSQL = allSQL(hardTable)

// setHard takes term, vote and commit. None of them goes back.
func (h *head) setHard(to *raft.Hard) error {
	switch {
	case to == nil:
		return nil
	case to.Term < h.hard.Term || to.Commit < h.hard.Commit:
		return fmt.Errorf("term or commit goes back from %+v to %+v", h.hard, *to)
	case to.Term == h.hard.Term && h.hard.Vote != 0 && to.Vote != h.hard.Vote:
		return fmt.Errorf("second vote in one term: from %+v to %+v", h.hard, *to)
	}
	h.hard = *to
	return nil
}

func (h *head) saved() replica.Saved { return replica.Saved{Seq: h.seq, Digest: h.digest} }
