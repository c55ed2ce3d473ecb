package sqlite

import (
	"errors"
	"io"
	"io/fs"
	"os"
)

// disk is the file system a store lives on, whole: what SQLite does there and what this package does
// beside it. The system's is the one there is; tests have one that forgets what was not synced.
type disk interface {
	vfs() string // as SQLite calls it; empty is its own choice
	open(path string, flag int) (file, error)
	lock(path string) (held io.Closer, ok bool, err error) // not ok: another process has it
	sync(path string) error                                // a file, or the names in a directory
	size(path string) (int64, error)
	names(dir string) ([]string, error)
	mkdirAll(dir string) error
	mkdirTemp(dir, pattern string) (string, error)
	rename(from, to string) error
	remove(path string) error
	removeAll(path string) error
}

// file is an open one.
type file interface {
	io.ReaderAt
	io.WriterAt
	io.Closer
}

// system is the operating system's.
type system struct{}

func (system) vfs() string { return "" }

func (system) open(path string, flag int) (file, error) {
	f, err := os.OpenFile(path, flag, 0o600)
	if err != nil {
		return nil, err
	}
	return f, nil
}

func (system) lock(path string) (io.Closer, bool, error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, false, err
	}
	ok, err := flock(f)
	if err != nil || !ok {
		return nil, false, errors.Join(err, f.Close())
	}
	return f, true, nil
}

func (system) sync(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}

func (system) size(path string) (int64, error) {
	info, err := os.Stat(path)
	if err != nil {
		return 0, err
	}
	return info.Size(), nil
}

func (system) names(dir string) (names []string, err error) {
	entries, err := os.ReadDir(dir)
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names, err
}

func (system) mkdirAll(dir string) error                     { return os.MkdirAll(dir, 0o700) }
func (system) mkdirTemp(dir, pattern string) (string, error) { return os.MkdirTemp(dir, pattern) }
func (system) rename(from, to string) error                  { return os.Rename(from, to) }
func (system) remove(path string) error                      { return os.Remove(path) }
func (system) removeAll(path string) error                   { return os.RemoveAll(path) }

// missing says whether there is no such file.
func missing(err error) bool { return errors.Is(err, fs.ErrNotExist) }
