package main

import (
	"bufio"
	"errors"
	"os"

	lin "parley/linearizability"
	"parley/realnet/recording"
)

// buffered is a file written in large pieces: what a kill of the bench would lose is not worth a
// write for each event.
type buffered struct {
	*bufio.Writer
	file *os.File
}

func (b buffered) Close() error { return errors.Join(b.Flush(), b.file.Close()) }

// newRecorder begins a history of a cluster that is empty as far as its accounts are concerned:
// those here are new ones, each with one login.
func newRecorder(path string) (*recording.Recorder, error) {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return nil, err
	}
	return recording.New(buffered{bufio.NewWriterSize(f, 1<<20), f}, lin.LoginExclusive), nil
}
