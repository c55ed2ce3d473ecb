package sqlite

import (
	"testing"
	"testing/synctest"
	"time"
)

// A quiet moment comes when the readers inside have left, though others want in; they go in after it.
func TestGateQuietMoment(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var g gate
		moments, entered := 0, 0
		moment := func() { moments++ }
		g.enter(false)
		if g.quiet(true, moment) || moments != 0 {
			t.Fatal("a quiet moment with a reader inside")
		}
		go func() {
			g.enter(false)
			entered++
		}()
		for range 2 { // as long as the writer goes on asking, it has precedence
			<-time.After(patience * 2 / 3)
			if g.quiet(true, moment) || entered != 0 {
				t.Fatal("a reader went in before the quiet moment")
			}
		}
		g.leave(false)
		synctest.Wait()
		if entered != 0 {
			t.Fatal("a reader went in before the quiet moment")
		}
		if !g.quiet(true, moment) || moments != 1 {
			t.Fatal("no quiet moment with nobody inside")
		}
		synctest.Wait()
		if entered != 1 || g.quiet(false, moment) {
			t.Fatal("the reader is still outside")
		}
	})
}

// Nobody waits at the gate for a Save that does not come, for a long reader, or for nothing.
func TestGatePatience(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var g gate
		g.enter(false)
		enter := func(want time.Duration, long bool) {
			t.Helper()
			before := time.Now()
			g.enter(long)
			if waited := time.Since(before); waited != want {
				t.Errorf("waited %v, want %v", waited, want)
			}
		}
		g.quiet(false, nil)
		enter(0, false)
		g.quiet(true, nil)
		enter(patience, false)
		g.quiet(true, nil)
		enter(patience, true)
		g.quiet(true, nil)
		enter(0, false)
	})
}

// A writer that asks without end does not keep a reader out for ever.
func TestGateLatest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var g gate
		g.enter(false)
		done := make(chan struct{})
		go func() {
			for {
				g.quiet(true, nil)
				select {
				case <-done:
					return
				case <-time.After(patience / 2):
				}
			}
		}()
		synctest.Wait()
		before := time.Now()
		g.enter(false)
		if waited := time.Since(before); waited != latest {
			t.Errorf("waited %v, want %v", waited, latest)
		}
		close(done)
	})
}
