package sqlite

import (
	"encoding/binary"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
)

const (
	databaseName = "node.db"
	lockName     = "LOCK"
	walSuffix    = "-wal"
	halfSuffix   = ".init." // of a directory that is being built
)

const initHint = "parleyd init makes a store, for a server that never had one"

// findStore says whether there is a database in dir, and if not, why a person should not wonder.
func findStore(d disk, dir string) error {
	_, err := d.size(filepath.Join(dir, databaseName))
	if err == nil || !missing(err) {
		return err
	}
	if half := halfBuilt(d, dir); half != "" {
		return &Refused{Reason: Missing, Text: fmt.Sprintf("no store in %q: an initialisation did not finish", dir),
			Hint: fmt.Sprintf("remove %q and run parleyd init again", half)}
	}
	names, err := d.names(dir)
	switch {
	case missing(err):
		return &Refused{Reason: Missing, Text: fmt.Sprintf("no store: %q does not exist", dir), Hint: initHint}
	case err != nil:
		return err
	case len(names) == 0:
		return &Refused{Reason: Missing, Text: fmt.Sprintf("no store: %q is empty", dir), Hint: initHint}
	}
	return &Refused{Reason: Foreign, Text: fmt.Sprintf("no store: %q holds other files, but no %s", dir, databaseName),
		Hint: "is this the right directory?"}
}

// halfBuilt gives the directory that an unfinished Init of dir left, if there is one.
func halfBuilt(d disk, dir string) string {
	parent := filepath.Dir(dir)
	names, _ := d.names(parent)
	for _, name := range names {
		if strings.HasPrefix(name, filepath.Base(dir)+halfSuffix) {
			return filepath.Join(parent, name)
		}
	}
	return ""
}

// headerSize is how long the head of a database file is.
const headerSize = 100

// checkHeader looks at the database file before SQLite does, so that a file that is not ours is not
// touched at all. Nothing of this process may have it open yet. If the WAL has the first page, that is
// the one that counts: the power may have failed while it was being copied.
func checkHeader(d disk, path string, w wal) error {
	if w.page1 != nil {
		return checkHead(path, w.page1)
	}
	f, err := d.open(path, os.O_RDONLY)
	if err != nil {
		return err
	}
	defer f.Close()
	var header [headerSize]byte
	_, err = f.ReadAt(header[:], 0)
	switch {
	case err == io.EOF:
		return damaged("%q is cut short", path)
	case err != nil:
		return err
	}
	return checkHead(path, header[:])
}

func checkHead(path string, header []byte) error {
	switch {
	case string(header[:16]) != "SQLite format 3\x00" || binary.BigEndian.Uint32(header[68:]) != applicationID:
		return &Refused{Reason: Foreign, Text: fmt.Sprintf("%q is not a database of Parley's", path),
			Hint: "is this the right directory? If it is, the file is damaged: " + hints[LostTail]}
	}
	return nil
}

// takeLock keeps other processes out of dir until what it returns is closed.
func takeLock(d disk, dir string) (io.Closer, error) {
	held, ok, err := d.lock(filepath.Join(dir, lockName))
	if err == nil && !ok {
		err = &Refused{Reason: InUse, Text: fmt.Sprintf("%q is in use by another process", dir),
			Hint: "is parleyd running already?"}
	}
	return held, err
}
