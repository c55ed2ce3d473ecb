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
		g.enter()
		if g.quiet(true, moment) || moments != 0 {
			t.Fatal("a quiet moment with a reader inside")
		}
		go func() {
			g.enter()
			entered++
		}()
		synctest.Wait()
		g.leave()
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

// Nobody waits at the gate for a Save that does not come, nor if no quiet moment is wanted.
func TestGatePatience(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var g gate
		g.enter()
		if g.quiet(false, nil) {
			t.Fatal("a quiet moment with a reader inside")
		}
		before := time.Now()
		g.enter()
		if waited := time.Since(before); waited != 0 {
			t.Errorf("waited %v for nothing", waited)
		}
		g.quiet(true, nil)
		g.enter()
		if waited := time.Since(before); waited != patience {
			t.Errorf("waited %v, want %v", waited, patience)
		}
	})
}
