package realnet

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"parley/core/session"
)

var testDevice = session.DeviceID{1, 2, 3}

func openOutbox(t *testing.T, dir string) *OutboxFile {
	t.Helper()
	s, err := OpenOutbox(filepath.Join(dir, "outbox"), filepath.Join(dir, "lock"), testDevice)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

func load(t *testing.T, s *OutboxFile) session.ClientRecovered {
	t.Helper()
	rec, err := s.Load()
	if err != nil {
		t.Fatal(err)
	}
	return rec
}

// step is a Save that settles numbers, with their answers, and then draws the next ones.
func step(next uint64, settle []uint64, draw ...uint64) (*session.Save, map[uint64][]byte) {
	s := &session.Save{Settle: settle, Next: next, Through: next - 1}
	answers := map[uint64][]byte{}
	for _, n := range settle {
		answers[n] = fmt.Appendf(nil, "answer %d", n)
	}
	for _, n := range draw {
		s.Add = append(s.Add, line(n))
	}
	return s, answers
}

func save(t *testing.T, s *OutboxFile, next uint64, settle []uint64, draw ...uint64) {
	t.Helper()
	if err := s.Save(step(next, settle, draw...)); err != nil {
		t.Fatal(err)
	}
}

func line(n uint64) session.Line {
	return session.Line{DSeq: n, Alone: n%2 == 0, Secret: n%3 == 0, Command: fmt.Appendf(nil, "command %d", n)}
}

func box(next, through uint64, lines ...uint64) session.ClientRecovered {
	rec := session.ClientRecovered{NextDSeq: next, Through: through}
	for _, n := range lines {
		rec.Lines = append(rec.Lines, line(n))
	}
	return rec
}

func same(t *testing.T, what string, got, want session.ClientRecovered) {
	t.Helper()
	if d := cmp.Diff(want, got, cmpopts.EquateEmpty()); d != "" {
		t.Fatalf("%s (-want +got):\n%s", what, d)
	}
}

// What is saved is there in the next life; what is settled is not; the file is nobody else's to read.
func TestOutboxKeepsLines(t *testing.T) {
	dir := t.TempDir()
	s := openOutbox(t, dir)
	same(t, "new", load(t, s), box(1, 0))
	save(t, s, 3, nil, 1, 2)
	save(t, s, 4, []uint64{1}, 3)
	save(t, s, 4, []uint64{3})

	next := openOutbox(t, dir)
	same(t, "next life", load(t, next), box(4, 1, 2))
	if answer, ok, err := next.Answer(3); err != nil || !ok || string(answer) != "answer 3" {
		t.Errorf("answer to 3: %q, %t, %v", answer, ok, err)
	}
	info, err := os.Stat(filepath.Join(dir, "outbox"))
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v; want 0600", info.Mode(), err)
	}
}

// A crash leaves any prefix of the file: what is found then is what some number of whole saves
// left, all of those whose bytes are there, and the next save stands behind them.
func TestOutboxCutAtEveryByte(t *testing.T) {
	dir := t.TempDir()
	s := openOutbox(t, dir)
	path := filepath.Join(dir, "outbox")
	var states []session.ClientRecovered
	var ends []int
	note := func() {
		info, err := os.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		states, ends = append(states, s.box.recovered()), append(ends, int(info.Size()))
	}
	note()
	save(t, s, 2, nil, 1)
	note()
	save(t, s, 4, nil, 2, 3)
	note()
	save(t, s, 4, []uint64{1})
	note()
	save(t, s, 5, []uint64{2, 3}, 4)
	note()
	save(t, s, 6, []uint64{4}, 5)
	note()
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for cut := ends[0]; cut <= len(whole); cut++ {
		checkCut(t, whole[:cut], wantAfter(states, ends, cut))
		zeros := append(bytes.Clone(whole[:cut]), make([]byte, 20)...) // some systems leave these behind
		if !bytes.HasPrefix(zeros, whole[:min(endAfter(ends, cut), len(whole))]) {
			checkCut(t, zeros, wantAfter(states, ends, cut))
		}
	}
	for cut := range ends[0] {
		other := t.TempDir()
		writeFile(t, filepath.Join(other, "outbox"), whole[:cut])
		if _, err := OpenOutbox(filepath.Join(other, "outbox"), filepath.Join(other, "lock"), testDevice); err == nil {
			t.Errorf("a header cut at %d was taken", cut)
		}
	}
}

func wantAfter(states []session.ClientRecovered, ends []int, cut int) (want session.ClientRecovered) {
	for i, end := range ends {
		if end <= cut {
			want = states[i]
		}
	}
	return want
}

// endAfter is where the save that is cut would have ended.
func endAfter(ends []int, cut int) int {
	for _, end := range ends {
		if end > cut {
			return end
		}
	}
	return cut
}

func checkCut(t *testing.T, data []byte, want session.ClientRecovered) {
	t.Helper()
	dir := t.TempDir()
	writeFile(t, filepath.Join(dir, "outbox"), data)
	s := openOutbox(t, dir)
	same(t, fmt.Sprintf("cut to %d bytes", len(data)), load(t, s), want)
	save(t, s, want.NextDSeq+1, nil, want.NextDSeq)
	again := load(t, openOutbox(t, dir))
	if again.NextDSeq != want.NextDSeq+1 || len(again.Lines) != len(want.Lines)+1 {
		t.Fatalf("cut to %d bytes: after one more line %+v", len(data), again)
	}
}

func writeFile(t *testing.T, path string, data []byte) {
	t.Helper()
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
}

// A byte that changed in the middle is damage and refused: no number is guessed.
func TestOutboxRefusesDamage(t *testing.T) {
	dir := t.TempDir()
	s := openOutbox(t, dir)
	path := filepath.Join(dir, "outbox")
	for n := uint64(1); n <= 3; n++ {
		save(t, s, n+1, nil, n)
	}
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	frame := (len(whole) - outboxHeader) / 3
	for at := outboxHeader + 4; at < outboxHeader+frame; at++ {
		bad := bytes.Clone(whole)
		bad[at] ^= 0x40
		other := t.TempDir()
		writeFile(t, filepath.Join(other, "outbox"), bad)
		if _, err := OpenOutbox(filepath.Join(other, "outbox"), filepath.Join(other, "lock"), testDevice); err == nil {
			t.Errorf("byte %d changed, and nobody minded", at)
		}
	}
	if _, err := OpenOutbox(path, filepath.Join(dir, "lock"), session.DeviceID{9}); err == nil {
		t.Error("another device's outbox was opened")
	}
}

// Two processes never give one number to two commands: the slower is told to load again.
func TestOutboxShared(t *testing.T) {
	dir := t.TempDir()
	a, b := openOutbox(t, dir), openOutbox(t, dir)
	load(t, a)
	load(t, b)
	save(t, a, 2, nil, 1)
	if err := b.Save(step(2, nil, 1)); !errors.Is(err, ErrOutboxMoved) {
		t.Fatalf("the second to draw number 1: %v, want ErrOutboxMoved", err)
	}
	same(t, "b", load(t, b), box(2, 0, 1))
	save(t, b, 3, nil, 2)
	save(t, b, 3, []uint64{1}) // the older line first, whosever it is
	save(t, a, 2, []uint64{1}) // so was its owner: harmless
	same(t, "a", load(t, a), box(3, 1, 2))
}

// A line that another process has seen may be sent by it at any time: its owner cannot take it back
// and say that it was not applied. One that nobody has seen it can.
func TestOutboxWithdraws(t *testing.T) {
	dir := t.TempDir()
	a, b := openOutbox(t, dir), openOutbox(t, dir)
	load(t, a)
	withdraw := func(n uint64) error { return a.Save(&session.Save{Settle: []uint64{n}, Next: n}, nil) }
	save(t, a, 2, nil, 1)
	if err := withdraw(1); err != nil {
		t.Fatal(err)
	}
	save(t, a, 2, nil, 1)
	same(t, "b", load(t, b), box(2, 0, 1))
	if err := withdraw(1); !errors.Is(err, ErrOutboxMoved) {
		t.Fatalf("withdraw what another has loaded: %v, want ErrOutboxMoved", err)
	}
	same(t, "a", load(t, a), box(2, 0, 1))
	burn := &session.Save{Add: []session.Line{{DSeq: 1, Void: true, Command: []byte("void")}}, Next: 2}
	if err := a.Save(burn, nil); err != nil { // it knows now
		t.Fatal(err)
	}
}

// The file is written anew when little of it counts, under the eyes of another process.
func TestOutboxCompacts(t *testing.T) {
	dir := t.TempDir()
	a, b := openOutbox(t, dir), openOutbox(t, dir)
	load(t, b)
	for n := uint64(1); n <= 40; n++ {
		s, answers := step(n+1, nil)
		if n > 1 {
			s, answers = step(n+1, []uint64{n - 1})
		}
		s.Add = []session.Line{{DSeq: n, Command: make([]byte, 16<<10)}}
		if err := a.Save(s, answers); err != nil {
			t.Fatal(err)
		}
	}
	info, err := os.Stat(filepath.Join(dir, "outbox"))
	if err != nil {
		t.Fatal(err)
	}
	if info.Size() > outboxCompact+64<<10 {
		t.Errorf("the file has %d bytes for one line", info.Size())
	}
	if got := load(t, b); got.NextDSeq != 41 || got.Through != 39 || len(got.Lines) != 1 {
		t.Errorf("seen by the other process: next %d, through %d, %d lines", got.NextDSeq, got.Through, len(got.Lines))
	}
	if answer, ok, err := b.Answer(39); err != nil || !ok || string(answer) != "answer 39" {
		t.Errorf("answer to 39: %q, %t, %v", answer, ok, err)
	}
}
