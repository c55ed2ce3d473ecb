package main

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	lin "parley/linearizability"
	"parley/realnet/recording"
)

func judged(t *testing.T, text string) lin.Report {
	t.Helper()
	h, err := lin.Read(strings.NewReader(text))
	if err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	return lin.Check(h, lin.Options{})
}

// --record writes a history that a checker reads and judges.
func TestRecord(t *testing.T) {
	r := newRoom(t, true)
	file := filepath.Join(r.dir, "history.jsonl")
	cmd := parley(t, filepath.Join(r.dir, "ada"), r.servers.addresses(), "--record", file)
	cmd.Stdin = strings.NewReader("1|ada\n\\send ada one\n\\send nobody two\n\\list\n\n\\logout\n1|bob\n\\send ada three\n\\delete\ny\n")
	cmd.Stderr = &logWriter{t}
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("parley: %v\n%s", err, out)
	}
	data, err := os.ReadFile(file)
	ok(t, err)
	report := judged(t, string(data))
	if report.Verdict != lin.Pass || report.Stats.Operations != 8 {
		t.Errorf("%d operations: %s\n%s", report.Stats.Operations, report, data)
	}
}

// A recording that cannot be written ends with a problem, not in silence.
func TestRecordFails(t *testing.T) {
	a := &app{recorder: recording.New(closer{failingWriter{}}, lin.LoginExclusive)}
	a.recorder.Phase("any")
	var p *problem
	if err := a.stopRecording(); !errors.As(err, &p) || p.exit != exitConfig {
		t.Errorf("close: %v", err)
	}
}

type closer struct{ io.Writer }

func (closer) Close() error { return nil }

type failingWriter struct{}

func (failingWriter) Write([]byte) (int, error) { return 0, errors.New("disk full") }
