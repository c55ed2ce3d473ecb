package sqlite

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
)

const (
	databaseName = "node.db"
	lockName     = "LOCK"
	halfSuffix   = ".init." // of a directory that is being built
)

const initHint = "parleyd init makes a store; to replace a lost one see parleyd help replace"

// findStore says whether there is a database in dir, and if not, why a person should not wonder.
func findStore(dir string) error {
	_, err := os.Stat(filepath.Join(dir, databaseName))
	if err == nil {
		return nil
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if half, _ := filepath.Glob(globEscape(dir) + halfSuffix + "*"); len(half) > 0 {
		return &Refused{Reason: Missing, Text: fmt.Sprintf("no store in %q: an initialisation did not finish", dir),
			Hint: fmt.Sprintf("remove %q and run parleyd init again", half[0])}
	}
	names, err := os.ReadDir(dir)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return &Refused{Reason: Missing, Text: fmt.Sprintf("no store: %q does not exist", dir), Hint: initHint}
	case err != nil:
		return err
	case len(names) == 0:
		return &Refused{Reason: Missing, Text: fmt.Sprintf("no store: %q is empty", dir), Hint: initHint}
	}
	return &Refused{Reason: Foreign, Text: fmt.Sprintf("no store: %q holds other files, but no %s", dir, databaseName),
		Hint: "is this the right directory?"}
}

// globEscape keeps filepath.Glob from reading a path as a pattern.
func globEscape(path string) string {
	var b []byte
	for i := range len(path) {
		switch path[i] {
		case '*', '?', '[', '\\':
			b = append(b, '\\')
		}
		b = append(b, path[i])
	}
	return string(b)
}

// checkHeader looks at the database file before SQLite does, so that a file that is not ours is not
// touched at all. Nothing of this process may have it open yet.
func checkHeader(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	var header [100]byte
	_, err = io.ReadFull(f, header[:])
	switch {
	case err == io.EOF || err == io.ErrUnexpectedEOF:
		return damaged("%q is cut short", path)
	case err != nil:
		return err
	case string(header[:16]) != "SQLite format 3\x00" || binary.BigEndian.Uint32(header[68:]) != applicationID:
		return &Refused{Reason: Foreign, Text: fmt.Sprintf("%q is not a database of Parley's", path),
			Hint: "is this the right directory?"}
	}
	return nil
}

// takeLock keeps other processes out of dir until the file is closed.
func takeLock(dir string) (*os.File, error) {
	f, err := os.OpenFile(filepath.Join(dir, lockName), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	ok, err := flock(f)
	if err == nil && !ok {
		err = &Refused{Reason: InUse, Text: fmt.Sprintf("%q is in use by another process", dir),
			Hint: "is parleyd running already?"}
	}
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}

// syncPath makes a file, or the names in a directory, survive a power cut.
func syncPath(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}
