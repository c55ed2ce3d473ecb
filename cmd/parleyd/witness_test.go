package main

import (
	"bytes"
	"io"
	"os"
	"testing"

	lin "parley/linearizability"
	"parley/realnet"
	"parley/realnet/recording"
)

// witness records what the clients of a test see. When the test ends the judge must find it
// linearizable; if it does not, the history stays for parley check.
func witness(t testing.TB) func(realnet.Observation) {
	t.Helper()
	var history bytes.Buffer
	record := recording.New(inMemory{&history}, lin.LoginExclusive)
	t.Cleanup(func() {
		if err := record.Close(); err != nil {
			t.Fatal(err)
		}
		text := history.Bytes()
		h, err := lin.Read(&history)
		if err != nil {
			t.Fatalf("%v\n%s", err, keep(t, text))
		}
		switch r := lin.Check(h, lin.Options{}); r.Verdict {
		case lin.Pass:
			t.Logf("%d operations: linearizable", r.Stats.Operations)
		default:
			t.Errorf("what the clients saw: %v\nhistory: %s", r, keep(t, text))
		}
	})
	return record.Observe
}

// keep writes a history that explains a failure where it outlives the test.
func keep(t testing.TB, history []byte) string {
	t.Helper()
	f, err := os.CreateTemp("", "parley-history-*.jsonl")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := f.Write(history); err != nil {
		t.Fatal(err)
	}
	return f.Name()
}

type inMemory struct{ io.Writer }

func (inMemory) Close() error { return nil }
