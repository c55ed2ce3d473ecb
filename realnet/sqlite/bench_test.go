package sqlite_test

import (
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"parley/core/replica"
	"parley/core/row"
)

// benchDir is on a disk: PARLEY_BENCH_DIR, or where temporary files are.
func benchDir(b *testing.B) string {
	dir, err := os.MkdirTemp(os.Getenv("PARLEY_BENCH_DIR"), "parley-bench-*")
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { os.RemoveAll(dir) })
	return filepath.Join(dir, "data")
}

func cpu() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// One Save of so many entries of 256-byte messages: the log alone, with the effects of the same
// number of entries, and with the effects gathered over up to 1,024 entries or sixteen saves. A
// message is its row, two feed rows, and puts of two mailboxes and a session.
func BenchmarkSave(b *testing.B) {
	for _, entries := range []int{1, 8, 64, 512} {
		for _, c := range []struct {
			name  string
			every int
		}{{"log", 0}, {"effects", 1}, {"gathered", min(16, 1024/entries)}} {
			b.Run(fmt.Sprintf("%s/%d", c.name, entries), func(b *testing.B) { benchmarkSave(b, entries, c.every) })
		}
	}
}

func benchmarkSave(b *testing.B, entries, every int) {
	s, l := opened(b, benchDir(b))
	defer s.Close()
	var held []row.Effect
	var applied = l.applied
	saves := make([]replica.Save, 64) // made ahead, so that making them is not measured
	refill := func() {
		b.StopTimer()
		defer b.StartTimer()
		for i := range saves {
			v := l.next(entries, 256)
			held, applied = append(held, v.Effects...), max(applied, v.Applied)
			v.Applied, v.Effects, v.Compact = 0, nil, 0
			if every > 0 && i%every == every-1 && applied > 0 {
				v.Applied, v.Effects, held = applied, held, nil
				v.Compact = applied - min(applied, 20_000)
			}
			if every == 0 {
				held = nil
			}
			saves[i] = v
		}
	}
	var used time.Duration
	i := 0
	b.ReportAllocs()
	for b.Loop() {
		if i%len(saves) == 0 {
			refill()
		}
		v := saves[i%len(saves)]
		i++
		before := cpu()
		save(b, s, v)
		used += cpu() - before
	}
	n := float64(b.N * entries)
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/1e3/n, "µs/entry")
	b.ReportMetric(float64(used.Nanoseconds())/1e3/n, "cpu-µs/entry")
}

// An answer of 50 messages of one conversation, by index.
func BenchmarkRows(b *testing.B) {
	s, l := opened(b, filepath.Join(scratch(b), "data"))
	defer s.Close()
	for range 100 {
		save(b, s, l.next(500, 256))
	}
	b.ReportAllocs()
	for b.Loop() {
		got, err := s.Rows([]row.Range{{Table: messages, ByIndex: true, Eq: 7, From: 0, To: 1 << 40, Desc: true, Limit: 50}})
		if err != nil || len(got.Sets[0]) != 50 {
			b.Fatal(len(got.Sets[0]), err)
		}
	}
}

// Opening a store of 50,000 messages, some 160,000 rows, all of which are read.
func BenchmarkOpen(b *testing.B) {
	dir := filepath.Join(scratch(b), "data")
	s, l := opened(b, dir)
	for range 100 {
		save(b, s, l.next(500, 256))
	}
	if err := s.Close(); err != nil {
		b.Fatal(err)
	}
	info, err := os.Stat(filepath.Join(dir, "node.db"))
	if err != nil {
		b.Fatal(err)
	}
	var used time.Duration
	for b.Loop() {
		before := cpu()
		s, _ := reopened(b, dir)
		used += cpu() - before
		b.StopTimer()
		if err := s.Close(); err != nil {
			b.Fatal(err)
		}
		b.StartTimer()
	}
	b.ReportMetric(float64(info.Size()>>20), "MiB")
	b.ReportMetric(used.Seconds()*1000/float64(b.N), "cpu-ms/open")
}
