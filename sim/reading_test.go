package sim

import (
	"io"
	"os"
	"path/filepath"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
)

// runPlan runs a plan as the flags say.
func runPlan(t *testing.T, p Plan) Result {
	t.Helper()
	r := RunWith(p, Options{Until: *untilFlag})
	if r.Stopped != "" {
		t.Logf("\n%s", r.Stopped)
	}
	return r
}

// judge tells a failure, as the flags say; again is how to repeat it.
func judge(t *testing.T, again string, r *Result) {
	t.Helper()
	if *fileFlag != "" {
		writeHistory(t, *fileFlag, r)
	}
	if r.Failure == nil && *logFlag == "" {
		return
	}
	c, small := Case{Repro: "go test ./sim -count=1 " + again}, Shrunk{}
	plan := r.Plan
	if r.Failure != nil && *shrinkFlag {
		small = Shrink(ShrinkOptions{Plan: plan, Try: onAllCores})
		c.Was, plan = &small, small.Now.Plan
		if *saveFlag {
			c.Repro = "go test ./sim -count=1 -run TestPlan -plan=" + keep(t, &small)
		} else {
			c.Repro += " -shrink"
		}
	}
	c.Tape = &Tape{}
	c.Result = RunWith(plan, Options{Tape: c.Tape, Until: *untilFlag})
	c.Log, c.Report, c.Build = *logFlag, *htmlFlag, runtime.Version()
	writeTo(t, *logFlag, func(w io.Writer) error { return WriteLog(w, &c) })
	if c.Result.Failure == nil {
		if r.Failure != nil && r.Stopped == "" {
			t.Errorf("FAIL twin: %v; but not when it was run again", r.Failure)
		}
		return
	}
	writeTo(t, *htmlFlag, func(w io.Writer) error { return WriteReport(w, &c) })
	t.Errorf("%s\n%s", Card(&c), r)
}

// onAllCores tries trials for Shrink, several at once.
func onAllCores(trials []Trial, good func(Result) bool) []Result {
	out := make([]Result, len(trials))
	var next, end atomic.Int64
	end.Store(int64(len(trials)))
	var workers sync.WaitGroup
	for range runtime.GOMAXPROCS(0) {
		workers.Go(func() {
			for i := next.Add(1) - 1; i < end.Load(); i = next.Add(1) - 1 {
				if out[i] = trials[i].Run(); good(out[i]) {
					for was := end.Load(); i < was && !end.CompareAndSwap(was, i); was = end.Load() {
					}
				}
			}
		})
	}
	workers.Wait()
	return out
}

// keep writes a small plan to where TestRegressions finds it.
func keep(t *testing.T, s *Shrunk) string {
	t.Helper()
	name, p := s.Keep()
	name = filepath.Join("testdata", "regress", name)
	if err := os.MkdirAll(filepath.Dir(name), 0o777); err != nil {
		t.Fatal(err)
	}
	writeTo(t, name, func(w io.Writer) error {
		_, err := w.Write(p.Encode())
		return err
	})
	return name
}

func writeTo(t *testing.T, name string, write func(w io.Writer) error) {
	t.Helper()
	if name == "" {
		return
	}
	f, err := os.Create(name)
	if err == nil {
		err = write(f)
	}
	if err == nil {
		err = f.Close()
	}
	if err != nil {
		t.Fatal(err)
	}
}
