package storagetest

import (
	"fmt"
	"sync"
	"testing"

	"parley/core/raft"
	"parley/core/replica"
	"parley/core/row"
)

const viewSaves = 120

var viewTests = []test{
	{"D12 readers see one applied index, and never stop a save", func(t testing.TB, f Factory) {
		w := start(t, f, born(counter(1, 0), place(1, 1, 0)))
		done := make(chan struct{})
		problems := make(chan string, 16)
		var readers sync.WaitGroup
		for _, look := range []func() error{w.lookRows, w.lookRows, w.lookExport} {
			readers.Go(func() { lookUntil(done, look, problems) })
		}
		prev := w.seed()
		for i := range raft.Index(viewSaves) {
			e := grow(prev, 1)
			prev = markOf(e[0])
			w.save(replica.Save{
				Hard: hard(1, 0, i+1), Append: e, Applied: i + 1, Compact: i,
				Effects: append(put(counter(1, int64(i+1)), place(1, 1, int64(i+1))), insert(line(int64(i+1), 1, int64(i), "x"))...),
			})
		}
		close(done)
		readers.Wait()
		close(problems)
		for p := range problems {
			t.Error(p)
		}
	}},
}

// lookUntil repeats look until done is closed, at least once, or it finds something.
func lookUntil(done chan struct{}, look func() error, problems chan<- string) {
	for {
		if err := look(); err != nil {
			problems <- err.Error()
			return
		}
		select {
		case <-done:
			return
		default:
		}
	}
}

func (w *world) lookRows() error {
	answer, err := w.store.Rows([]row.Range{
		{Table: counters, From: 1, To: 1}, {Table: lines, From: least, To: most}, {Table: places, Eq: 1, From: 1, To: 1},
	})
	if err != nil {
		return err
	}
	return oneView(answer.Index, answer.Sets[0][0].Values[1].Int, answer.Sets[2][0].Values[2].Int, len(answer.Sets[1]))
}

func (w *world) lookExport() error {
	snap, err := w.store.Export()
	if err != nil {
		return err
	}
	var a, b int64
	n := 0
	err = replica.ReadSnapshot(snap, w.birth.Tables, func(r row.Row) error {
		switch r.Table {
		case counters:
			a = r.Values[1].Int
		case places:
			b = r.Values[2].Int
		case lines:
			n++
		}
		return nil
	})
	if err != nil {
		return err
	}
	return oneView(snap.Mark.Index, a, b, n)
}

// oneView demands that rows written together with each applied index are of that index.
func oneView(index raft.Index, a, b int64, n int) error {
	if raft.Index(a) != index || raft.Index(b) != index || raft.Index(n) != index {
		return fmt.Errorf("rows of indexes %d, %d and %d in one view at %d", a, b, n, index)
	}
	return nil
}
