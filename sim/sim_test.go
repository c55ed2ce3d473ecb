package sim

import (
	"bufio"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime/debug"
	"strconv"
	"strings"
	"testing"
	"time"

	lin "parley/linearizability"
)

var (
	profileFlag = flag.String("profile", "lite", "of seeds: lite, std or long")
	planFlag    = flag.String("plan", "", "run the plan in this file")
	seedFlag    = flag.String("seed", "", "run one seed: a number, or any text")
	seedsFlag   = flag.String("seeds", "", "run a range of seeds: A-B")
	twinFlag    = flag.Bool("twin", false, "run every seed twice and compare")
	logFlag     = flag.String("log", "", "with -seed or -plan: write all that happens to this file, one event a line")
	htmlFlag    = flag.String("html", "", "with -seed or -plan: write a page about the failure to this file")
	untilFlag   = flag.Uint64("until", 0, "with -seed or -plan: stop behind this event and print the state of everybody")
	shrinkFlag  = flag.Bool("shrink", false, "with -seed or -plan: make a failing plan small first")
	saveFlag    = flag.Bool("save", false, "with -shrink: keep the small plan in testdata/regress")
	fileFlag    = flag.String("history", "", "with -seed or TestLongHistory: write the recorded history to this file")
	opsFlag     = flag.Int("operations", 5_000, "length of the history of TestLongHistory")
)

// TestMain lets garbage gather longer: a world is small and soon gone.
func TestMain(m *testing.M) {
	flag.Parse()
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(800)
	}
	os.Exit(m.Run())
}

// TestPlan runs the plan of -plan.
//
//	go test ./sim -run TestPlan -count=1 -v -plan=FILE
func TestPlan(t *testing.T) {
	if *planFlag == "" {
		return
	}
	r := runPlan(t, readPlan(t, *planFlag))
	t.Log(r.String())
	judge(t, "-run TestPlan -plan="+*planFlag, &r)
}

// TestRegressions runs the plans that once showed a bug.
func TestRegressions(t *testing.T) {
	names, err := filepath.Glob("testdata/regress/*.json")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		r := Run(readPlan(t, name))
		judge(t, "-run TestPlan -plan="+name, &r)
	}
}

func readPlan(t *testing.T, name string) Plan {
	t.Helper()
	f, err := os.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	p, err := ReadPlan(f)
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	return p
}

// TestSeeds runs worlds from seeds: the one of -seed, those of -seeds, or else a fixed set.
func TestSeeds(t *testing.T) {
	from, to := seedRange(t, 60)
	var all Stats
	vacuous, profile := 0, Profile(*profileFlag)
	for seed := from; ; seed++ {
		r := runPlan(t, Generate(seed, profile))
		if r.Vacuous {
			vacuous++
		}
		all.Virtual += r.Stats.Virtual
		all.Events += r.Stats.Events
		all.Acknowledged += r.Stats.Acknowledged
		if from == to || testing.Verbose() {
			t.Log(r.String())
		}
		judge(t, fmt.Sprintf("-run TestSeeds -profile=%s -seed=%d", profile, seed), &r)
		if *twinFlag {
			if again := Run(Generate(seed, profile)); again.Trace != r.Trace {
				t.Errorf("seed %d ran twice: trace %016x, then %016x", seed, r.Trace, again.Trace)
			}
		}
		if seed == to {
			break
		}
	}
	seeds := to - from + 1
	t.Logf("%d seeds: %v virtual, %d events, %d commands acknowledged, %d vacuous", seeds, all.Virtual, all.Events, all.Acknowledged, vacuous)
	if seeds >= 50 && uint64(vacuous) > seeds/10 {
		t.Errorf("%d of %d seeds show the judge too little: the workload is off", vacuous, seeds)
	}
}

// seedRange is the seeds of -seed or -seeds, or else so many.
func seedRange(t *testing.T, most uint64) (from, to uint64) {
	t.Helper()
	from, to = 1, most
	switch {
	case *seedFlag != "":
		from = SeedOf(*seedFlag)
		to = from
	case *seedsFlag != "":
		a, b, ok := strings.Cut(*seedsFlag, "-")
		var errA, errB error
		from, errA = strconv.ParseUint(a, 10, 64)
		to, errB = strconv.ParseUint(b, 10, 64)
		if !ok || errA != nil || errB != nil || to < from {
			t.Fatalf("-seeds=%s is no range; want for example -seeds=1-200", *seedsFlag)
		}
	}
	return from, to
}

func writeHistory(t *testing.T, name string, r *Result) {
	t.Helper()
	f, err := os.Create(name)
	if err == nil {
		err = r.History.Write(f)
	}
	if err == nil {
		err = f.Close()
	}
	if err != nil {
		t.Fatal(fmt.Errorf("write history: %w", err))
	}
}

// A long history passes, read back from its file. A million operations:
//
//	go test ./sim -run TestLongHistory -count=1 -v -timeout 1h -operations=1000000 -history=FILE
//
// It takes a quarter of an hour; -seed chooses another.
func TestLongHistory(t *testing.T) {
	name := *fileFlag
	if name == "" || *seedsFlag != "" {
		name = filepath.Join(t.TempDir(), "long.jsonl")
	}
	seed := uint64(1)
	if *seedFlag != "" {
		seed = SeedOf(*seedFlag)
	}
	f, err := os.Create(name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	w := bufio.NewWriterSize(f, 1<<20)
	r := Record(GenerateLong(seed, *opsFlag), w)
	if err := w.Flush(); err != nil {
		t.Fatal(err)
	}
	t.Log(r.String())
	if r.Failure != nil {
		t.Fatalf("FAIL %v", r.Failure)
	}
	if _, err := f.Seek(0, io.SeekStart); err != nil {
		t.Fatal(err)
	}
	h, err := lin.Read(f)
	if err != nil {
		t.Fatal(err)
	}
	v := lin.Check(h, lin.Options{Certificate: true})
	t.Logf("%v%+v", v, v.Stats)
	if v.Verdict != lin.Pass {
		t.Errorf("%v", v)
	}
}

// What the certificate adds to a sweep over seeds, in percent of the time without it; below ten is
// what we want. Run it with
//
//	go test ./sim -run '^$' -bench Certificate -benchtime 1x
func BenchmarkCertificate(b *testing.B) {
	const seeds = 200
	var all, judged time.Duration
	for b.Loop() {
		for seed := uint64(1); seed <= seeds; seed++ {
			p := Generate(seed, Lite)
			p.Search = false
			start := time.Now()
			r := Run(p)
			all += time.Since(start)
			if r.Failure != nil {
				b.Fatal(r.Failure)
			}
			start = time.Now()
			lin.Check(r.History, lin.Options{Certificate: true})
			judged += time.Since(start)
		}
	}
	b.ReportMetric(100*judged.Seconds()/(all-judged).Seconds(), "%")
	b.ReportMetric(judged.Seconds()*1e6/float64(b.N*seeds), "µs/check")
	b.ReportMetric(all.Seconds()*1e6/float64(b.N*seeds), "µs/seed")
}
