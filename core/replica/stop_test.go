package replica

import (
	"errors"
	"testing"

	"parley/core/row"
)

var errDisk = errors.New("input/output error")

// A store's error never becomes an input, and never loses its reason.
func TestAnErrorOfTheStoreEndsTheLife(t *testing.T) {
	save, fetch := &Save{Seq: 7}, &Fetch{ID: 3, At: 5, Ranges: make([]row.Range, 2)}
	answers := map[string]func() (Input, *Stop){
		"save":            func() (Input, *Stop) { return SaveAnswer(save, Saved{Seq: 7}, errDisk) },
		"read rows":       func() (Input, *Stop) { return FetchAnswer(fetch, Rows{Index: 5, Sets: make([][]row.Row, 2)}, errDisk) },
		"make a snapshot": func() (Input, *Stop) { return ExportAnswer(9, Snapshot{}, errDisk) },
	}
	for doing, answer := range answers {
		in, stop := answer()
		if in != nil || stop == nil || !errors.Is(stop, errDisk) || stop.Error() != doing+": input/output error" {
			t.Errorf("%s: got input %v, stop %v", doing, in, stop)
		}
	}
	if stop := SaveOverdue(save); stop.Error() != "save: save 7: the disk has not answered for 20s" {
		t.Errorf("overdue: %v", stop)
	}
}

// An answer to something else than what was asked ends the life, too.
func TestAnAnswerToAnotherQuestionEndsTheLife(t *testing.T) {
	fetch := &Fetch{ID: 3, At: 5, Ranges: make([]row.Range, 2)}
	if in, stop := SaveAnswer(&Save{Seq: 7}, Saved{Seq: 6}, nil); in != nil || stop == nil {
		t.Errorf("save 6 for 7: got %v, %v", in, stop)
	}
	for _, rows := range []Rows{{Index: 4, Sets: make([][]row.Row, 2)}, {Index: 5, Sets: make([][]row.Row, 1)}} {
		if in, stop := FetchAnswer(fetch, rows, nil); in != nil || stop == nil {
			t.Errorf("%d sets at %d: got %v, %v", len(rows.Sets), rows.Index, in, stop)
		}
	}
}

// What a store has done comes in as it is.
func TestAnAnswerBecomesAnInput(t *testing.T) {
	in, stop := SaveAnswer(&Save{Seq: 7}, Saved{Seq: 7, Digest: row.Digest{1}}, nil)
	if got, ok := in.(Stored); !ok || stop != nil || got.Saved.Seq != 7 || got.Saved.Digest != (row.Digest{1}) {
		t.Errorf("save: got %v, %v", in, stop)
	}
	in, stop = FetchAnswer(&Fetch{ID: 3, At: 5}, Rows{Index: 6}, nil)
	if got, ok := in.(Fetched); !ok || stop != nil || got.ID != 3 || got.Rows.Index != 6 {
		t.Errorf("rows: got %v, %v", in, stop)
	}
	in, stop = ExportAnswer(9, Snapshot{Data: []byte("s")}, nil)
	if got, ok := in.(Exported); !ok || stop != nil || got.ID != 9 || string(got.Snapshot.Data) != "s" {
		t.Errorf("export: got %v, %v", in, stop)
	}
}
