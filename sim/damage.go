package sim

import (
	"errors"
	"fmt"
	"slices"

	"parley/core/raft"
	"parley/core/row"
)

// Damage at rest. A scar says what is not as it was written, and keeps what was written beside it: a
// row's sum, which covers its table and key as well; for an entry its chain. The store compares what
// it reads with the sum, as a real one does for every row, and gives nothing out that differs. It
// does not look at the log's chain: whoever takes the log over does.

// scar is one piece of data that is damaged or gone.
type scar struct {
	index raft.Index // of an entry; 0: it is a row, or the head
	chain raft.Chain // … which it had
	row   row.Row    // as it stands now, or as it was when it went; no table: not a row
	sum   uint32     // … and the sum that stands beside it
	gone  bool
}

// damage is the word of a store that something is not as it was written. A person has to look.
type damage struct{ text string }

func (d damage) Error() string { return d.text }

func isDamage(err error) bool { return errors.As(err, new(damage)) }

// check looks at what there is before anything is opened.
func (d *disk) check() error {
	if d.wiped {
		return damage{"there is no store here; restore it, or give the replica a new name"}
	}
	if err := d.trouble.open(); err != nil {
		return err
	}
	for i := range d.scars {
		if s := &d.scars[i]; s.index == 0 && s.row.Table == nil {
			return damage{"the row of term and vote does not have the sum it was written with"}
		}
	}
	return nil
}

// verify compares a row that is being read with the sum beside it.
func (d *disk) verify(r row.Row) error {
	for i := range d.scars {
		s := &d.scars[i]
		if s.row.Table == r.Table && !s.gone && row.CompareKeys(r.Table, s.row.Values, r.Values) == 0 && r.Sum() != s.sum {
			return damage{fmt.Sprintf("table %s: a row does not have the sum it was written with", r.Table.Name)}
		}
	}
	return nil
}

// intact says that the entry at an index can be read, if there is to be one.
func (d *disk) intact(at raft.Index) error {
	if s := d.scarAt(at); s != nil {
		return damage{fmt.Sprintf("entry %d does not have the sum it was written with", at)}
	}
	return nil
}

// scarAt finds the damage to an entry.
func (i *image) scarAt(at raft.Index) *scar {
	for k := range i.scars {
		if s := &i.scars[k]; s.index == at && at != 0 {
			return s
		}
	}
	return nil
}

// readable are the entries that are not gone. They end where the head says that the log ends.
func (d *disk) readable() ([]raft.Entry, error) {
	var list []raft.Entry
	end := d.compact.Index
	for i, e := range d.log {
		if s := d.scarAt(d.compact.Index + 1 + raft.Index(i)); s == nil || !s.gone {
			list = append(list, e)
			end = e.Index
		}
	}
	if end != d.last() {
		return nil, damage{fmt.Sprintf("the log ends with entry %d, but %d was saved", end, d.last())}
	}
	return list, nil
}

// forget drops the scars of what is not there any more.
func (d *disk) forget(which func(*scar) bool) {
	if !slices.ContainsFunc(d.scars, func(s scar) bool { return which(&s) }) {
		return
	}
	d.scars = slices.DeleteFunc(slices.Clone(d.scars), func(s scar) bool { return which(&s) })
}

// rewriteHead makes an old damage to the head good: each save writes all of it.
func (d *disk) rewriteHead() {
	d.forget(func(s *scar) bool { return s.index == 0 && s.row.Table == nil })
}

func (d *disk) scarred(s scar) { d.scars = append(slices.Clip(d.scars), s) }

// rot is one way for data to go bad while nobody looks.
type rot struct {
	name    string
	spoil   func(d *disk, r *roll) bool // false: there is nothing of the kind
	says    string                      // what is said when it is read
	outcome string
}

// rots are all ways. What a replica does about them today is the same for nearly all: whoever reads
// the damage refuses to go on, and the replica stays down until a person has looked at it.
func rots() []rot {
	const stays = "refuses to start, or stops when it is read, and stays down"
	return []rot{
		{"entry changed", spoilEntry(func(d *disk, at int, _ *roll) {
			e := &d.log[at]
			e.Data = append(slices.Clone(e.Data), 'x')
		}), "does not continue the chain", stays},
		{"entry under another index", spoilEntry(func(d *disk, at int, r *roll) {
			other := (at + 1 + r.upTo(max(1, len(d.log)-1))) % len(d.log)
			if other == at { // there is only one: it came from further on
				d.log[at].Index++
				return
			}
			d.log[at] = d.log[other]
		}), "entry", stays},
		{"entry gone", spoilEntry(func(d *disk, _ int, _ *roll) { d.scars[len(d.scars)-1].gone = true }), "", stays},
		{"row changed", spoilRow(func(d *disk, r row.Row) scar {
			was := r.Sum()
			d.table(r.Table).remove(r)
			r = bumped(r, len(r.Table.Columns)-1)
			d.table(r.Table).insert(r)
			return scar{row: r, sum: was}
		}), "sum", stays},
		{"row under another key", spoilRow(func(d *disk, r row.Row) scar {
			was, moved := r.Sum(), bumped(r, 0)
			if _, taken := d.find(moved); taken {
				moved = r
				moved = bumped(moved, len(r.Table.Columns)-1)
			}
			d.table(r.Table).remove(r)
			d.table(r.Table).insert(moved)
			return scar{row: moved, sum: was}
		}), "", stays},
		// A store that is open knows its vote by heart, and writes it again with every save.
		{"vote changed", func(d *disk, _ *roll) bool {
			d.scarred(scar{})
			return true
		}, "term and vote", stays},
	}
}

// loseRow takes a row away, as if it had never been.
func loseRow(d *disk, r *roll) bool {
	return spoilRow(func(d *disk, r row.Row) scar {
		d.table(r.Table).remove(r)
		return scar{row: r, gone: true}
	})(d, r)
}

// spoilEntry does something to an entry, in a copy of the log.
func spoilEntry(how func(d *disk, at int, r *roll)) func(*disk, *roll) bool {
	return func(d *disk, r *roll) bool {
		if len(d.log) == 0 {
			return false
		}
		at := r.upTo(len(d.log))
		e := d.log[at]
		if d.scarAt(e.Index) != nil || e.Index != d.compact.Index+1+raft.Index(at) {
			return false
		}
		d.log = slices.Clone(d.log)
		d.scarred(scar{index: e.Index, chain: e.Chain})
		d.scars = slices.Clone(d.scars)
		how(d, at, r)
		return true
	}
}

// spoilRow does something to a row, of any table that has some.
func spoilRow(how func(d *disk, r row.Row) scar) func(*disk, *roll) bool {
	return func(d *disk, r *roll) bool {
		first := r.upTo(len(d.tables))
		for i := range d.tables {
			t := d.tables[(first+i)%len(d.tables)]
			if victim, ok := d.table(t).rows.any(r); ok && d.verify(victim) == nil {
				d.scarred(how(d, victim))
				return true
			}
		}
		return false
	}
}

// any is some row.
func (l *rows) any(r *roll) (row.Row, bool) {
	if len(l.runs) == 0 {
		return row.Row{}, false
	}
	run := l.runs[r.upTo(len(l.runs))]
	return run[r.upTo(len(run))], true
}

// bumped is a row with another value in a column.
func bumped(r row.Row, col int) row.Row {
	r.Values = slices.Clone(r.Values)
	if r.Table.Columns[col].Kind == row.Int {
		r.Values[col].Int += 1 << 40
	} else {
		r.Values[col].Str += "~"
	}
	return r
}
