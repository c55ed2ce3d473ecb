package linearizability

import (
	"bufio"
	"bytes"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"strconv"
	"testing"
	"time"
)

var fileFlag = flag.String("file", "", "BenchmarkFile: a history to judge, instead of a made one")

// memoryLimit is what the collector is told, so that a whole process stays below 512 MiB.
const memoryLimit = 480 << 20

// From a file of a million operations with positions to the verdict, on one core. With a file from
// the simulator, see TestLongHistory there:
//
//	GOMAXPROCS=1 go test ./linearizability -run '^$' -bench File -benchtime 1x -file FILE
//
// peak-MiB is the process's peak resident set, where the system tells.
func BenchmarkFile(b *testing.B) {
	name := *fileFlag
	if name == "" {
		name = filepath.Join(b.TempDir(), "million.jsonl")
		writeMillion(b, name, 1_000_000)
	}
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	defer debug.SetGCPercent(debug.SetGCPercent(-1))
	defer debug.SetMemoryLimit(debug.SetMemoryLimit(memoryLimit))
	for b.Loop() {
		f, err := os.Open(name)
		if err != nil {
			b.Fatal(err)
		}
		start := time.Now()
		h, err := Read(f)
		f.Close()
		if err != nil {
			b.Fatal(err)
		}
		read := time.Since(start)
		r := Check(h, Options{})
		if r.Verdict != Pass {
			b.Fatal(r)
		}
		b.ReportMetric(read.Seconds(), "read-s")
		b.ReportMetric((time.Since(start) - read).Seconds(), "check-s")
		b.ReportMetric(float64(r.Stats.Operations), "operations")
		b.ReportMetric(float64(r.Stats.Events), "events")
	}
	b.ReportMetric(float64(peak())/(1<<20), "peak-MiB")
}

// peak is the process's peak resident set in bytes, or 0 where the system does not tell.
func peak() int {
	text, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return 0
	}
	_, after, _ := bytes.Cut(text, []byte("VmHWM:"))
	kib, err := strconv.Atoi(string(bytes.Fields(append(after, " 0"...))[0]))
	if err != nil {
		return 0
	}
	return kib << 10
}

// writeMillion makes a history with n operations: eight people who write to each other, read, list
// names and get pushes, each with one call under way, as a chat that does one thing at a time would
// answer. What one calls overlaps with what the others do.
func writeMillion(tb testing.TB, name string, n int) {
	f, err := os.Create(name)
	if err != nil {
		tb.Fatal(err)
	}
	buffer := bufio.NewWriterSize(f, 1<<20)
	w := &millionWriter{out: NewEncoder(buffer, never0), dseq: map[int]uint64{}, convs: map[convID][]Row{}, pos: people}
	for i := 0; i < n; i++ {
		w.call(i)
	}
	w.answer()
	if w.err == nil {
		w.err = w.out.End(w.t + 1)
	}
	if err := buffer.Flush(); w.err == nil {
		w.err = err
	}
	if err := f.Close(); w.err == nil {
		w.err = err
	}
	if w.err != nil {
		tb.Fatal(w.err)
	}
}

const people = 8

type millionWriter struct {
	out    *Encoder
	t, pos uint64
	dseq   map[int]uint64
	convs  map[convID][]Row
	events [people]uint64
	open   []Event // answers on their way
	pushes []Event
	err    error
}

func (w *millionWriter) emit(e Event) {
	w.t++
	e.T = w.t
	if err := w.out.Encode(e); err != nil && w.err == nil {
		w.err = err
	}
}

// call is one call. Answers come when everybody has called.
func (w *millionWriter) call(i int) {
	who, to := i%people, (i/people*5+i)%people
	e := Event{E: Inv, ID: uint64(i + 1), P: uint64(who + 1), Dev: fmt.Sprintf("d%d", who)}
	a := Event{E: OK, ID: e.ID}
	if i%11 != 5 && i%11 != 9 || i < people {
		w.dseq[who]++
		e.Dseq = w.dseq[who]
		w.pos++
	}
	a.Pos = w.pos
	uids := []uint64{uint64(people + 1 + min(who, to)), uint64(people + 1 + max(who, to))}
	if who == to {
		uids = uids[:1]
	}
	conv := convOf(uids)
	switch {
	case i < people:
		e.Op, e.Name, a.UID = OpSignup, fmt.Sprintf("u%d", who), w.pos
	case i%11 == 5:
		rows := w.convs[conv]
		e.Op, e.Conv, e.After, e.Limit = OpHistory, uids, uint64(max(0, len(rows)-5)), 50
		a.Rows, a.Last = rows[max(0, len(rows)-5):], uint64(len(rows))
	case i%11 == 9:
		e.Op, e.Prefix, e.Limit = OpList, "u", 100
		for k := range people {
			a.Names = append(a.Names, fmt.Sprintf("u%d", k))
		}
	default:
		e.Op, e.To, e.Body = OpSend, fmt.Sprintf("u%d", to), fmt.Sprintf("m%d", i)
		row := Row{Seq: uint64(len(w.convs[conv]) + 1), Pos: w.pos, From: uint64(people + 1 + who), Body: e.Body}
		w.convs[conv] = append(w.convs[conv], row)
		a.Conv, a.Seq = uids, row.Seq
		w.push(who, uids, row)
		if to != who {
			w.push(to, uids, row)
		}
	}
	w.emit(e)
	w.open = append(w.open, a)
	if len(w.open) == people {
		w.answer()
	}
}

func (w *millionWriter) push(to int, uids []uint64, row Row) {
	w.events[to]++
	w.pushes = append(w.pushes, Event{E: Push, Sub: uint64(to + 1), N: w.events[to], Pos: row.Pos, Kind: PushMessage,
		Conv: uids, Seq: row.Seq, From: row.From, Body: row.Body})
}

// answer delivers what is on its way.
func (w *millionWriter) answer() {
	for _, a := range w.open {
		w.emit(a)
		if a.UID != 0 {
			who := uint64(a.ID)
			w.emit(Event{E: Sub, Sub: who, Dev: fmt.Sprintf("d%d", who-1)})
		}
	}
	for _, p := range w.pushes {
		w.emit(p)
		w.emit(Event{E: Ack, Sub: p.Sub, N: p.N})
	}
	w.open, w.pushes = w.open[:0], w.pushes[:0]
}

// The made history of BenchmarkFile is a legal one, and stops being one when a row is altered.
func TestMadeHistory(t *testing.T) {
	name := filepath.Join(t.TempDir(), "made.jsonl")
	writeMillion(t, name, 3_000)
	text, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		text []byte
		want Verdict
	}{
		{text, Pass},
		{bytes.Replace(text, []byte(`"body":"m1480"}`), []byte(`"body":"m1481"}`), 1), Illegal},
	} {
		h, err := Read(bytes.NewReader(test.text))
		if err != nil {
			t.Fatal(err)
		}
		if r := Check(h, Options{}); r.Verdict != test.want {
			t.Errorf("want %v: %v", test.want, r)
		}
	}
}
