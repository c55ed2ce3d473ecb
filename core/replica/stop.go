package replica

import (
	"fmt"
	"time"
)

// Stop ends a life. A shell that gets one does nothing more: no retry, no last message. After a
// failed save the outcome is unknown, and after a failed read nothing else from that store can be
// trusted; both become known only by opening it again.
type Stop struct {
	Doing string // in a few words, for people
	Err   error
}

func (s *Stop) Error() string { return fmt.Sprintf("%s: %v", s.Doing, s.Err) }
func (s *Stop) Unwrap() error { return s.Err }

// SaveLimit is how long one save may take before the life ends: a disk that hangs for ever would
// otherwise keep a replica in its place that does nothing.
const SaveLimit = 20 * time.Second

// SaveAnswer is what a store's answer to a Save comes to: an Input, or the end of this life. Like
// FetchAnswer and ExportAnswer it is the only way from a store to the machine, for every shell.
func SaveAnswer(save *Save, saved Saved, err error) (Input, *Stop) {
	switch {
	case err != nil:
		return nil, &Stop{"save", err}
	case saved.Seq != save.Seq:
		return nil, &Stop{"save", fmt.Errorf("the store answers for save %d, asked was %d", saved.Seq, save.Seq)}
	}
	return Stored{Saved: saved}, nil
}

// SaveOverdue is what a Save comes to that is not answered within SaveLimit.
func SaveOverdue(save *Save) *Stop {
	return &Stop{"save", fmt.Errorf("save %d: the disk has not answered for %v", save.Seq, SaveLimit)}
}

// FetchAnswer is what a store's answer to a Fetch comes to.
func FetchAnswer(f *Fetch, rows Rows, err error) (Input, *Stop) {
	switch {
	case err != nil:
		return nil, &Stop{"read rows", err}
	case rows.Index < f.At || len(rows.Sets) != len(f.Ranges):
		return nil, &Stop{"read rows", fmt.Errorf("the store answers %d ranges at %d, asked were %d at %d or later",
			len(rows.Sets), rows.Index, len(f.Ranges), f.At)}
	}
	return Fetched{ID: f.ID, Rows: rows}, nil
}

// ExportAnswer is what a store's answer to an Export comes to.
func ExportAnswer(id uint64, snap Snapshot, err error) (Input, *Stop) {
	if err != nil {
		return nil, &Stop{"make a snapshot", err}
	}
	return Exported{ID: id, Snapshot: snap}, nil
}
