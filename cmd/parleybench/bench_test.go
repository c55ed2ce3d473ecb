package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	lin "parley/linearizability"
)

// The replicas are this program again.
func TestMain(m *testing.M) {
	if len(os.Args) > 2 && os.Args[1] == "replica" {
		os.Exit(serveReplica(os.Args[2]))
	}
	os.Exit(m.Run())
}

func bench(t *testing.T, args ...string) (r report) {
	t.Helper()
	if testing.Short() {
		t.Skip("-short: it starts processes; .ci/run runs it")
	}
	var out strings.Builder
	args = append([]string{"--start", "3", "--json", "--warmup", "10ms"}, args...)
	if err := run(t.Context(), args, &out); err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal([]byte(out.String()), &r); err != nil {
		t.Fatalf("%v: %s", err, out.String())
	}
	return r
}

// A run against a cluster of its own answers, loses nothing, and its history is linearizable, also
// when leaders are killed in the middle.
func TestRecordedFailover(t *testing.T) {
	path := filepath.Join(t.TempDir(), "history.jsonl")
	r := bench(t, "--connections", "6", "--failover", "2", "--settle", "200ms", "--size", "64", "--watch", "--record", path)
	if r.Acked == 0 || len(r.Kills) != 2 || r.Unknown != 0 || len(r.Codes) != 0 || r.Pushed == 0 {
		t.Errorf("report: %+v", r)
	}
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	h, err := lin.Read(f)
	if err != nil {
		t.Fatal(err)
	}
	if v := lin.Check(h, lin.Options{}); v.Verdict != lin.Pass {
		t.Errorf("verdict %v: %+v", v.Verdict, v.Findings)
	}
}

// --most ends a run early; reads are measured as sends are.
func TestReads(t *testing.T) {
	for _, read := range []string{"list", "history"} {
		r := bench(t, "--connections", "3", "--inflight", "2", "--read", read, "--most", "200", "--duration", "1m")
		if r.Acked == 0 || r.Acked > 220 || r.What != read || r.Seconds > 30 {
			t.Errorf("%s: %+v", read, r)
		}
	}
}

// What is typed wrong is said, before anything starts.
func TestFlags(t *testing.T) {
	for _, args := range []string{
		"--connections 0", "--inflight 65", "--read all", "--start 3 --server a:1", "--failover 2", "what", "--nope",
	} {
		_, err := parse(strings.Fields(args), &strings.Builder{})
		if _, ok := err.(usageError); !ok {
			t.Errorf("%s: %v, want a usage error", args, err)
		}
	}
}

// Quantiles are within 3 % of the truth.
func TestHistogram(t *testing.T) {
	var a, b histogram
	for i := range 1000 {
		h := &a
		if i%2 == 0 {
			h = &b
		}
		h.add(time.Duration(i+1) * time.Millisecond)
	}
	a.merge(&b)
	for _, q := range []float64{0.5, 0.99} {
		want := time.Duration(q*1000) * time.Millisecond
		if got := a.quantile(q); got < want || got > want*104/100 {
			t.Errorf("quantile %v is %v, want %v", q, got, want)
		}
	}
	if a.quantile(1) != time.Second || a.max != time.Second || a.count != 1000 {
		t.Errorf("max %v of %d", a.max, a.count)
	}
	for n := uint64(1); n < 1<<60; n = n*5/4 + 1 {
		if end := uint64(bucketEnd(bucketOf(n))); end < n || end > n+n/32+1 {
			t.Fatalf("%d is in a bucket that ends at %d", n, end)
		}
	}
}
