//go:build unix

package realnet

import (
	"errors"
	"fmt"
	"os"
	"syscall"
)

// FileLock is an advisory lock between processes, on a file that is never removed. The system frees
// it when its holder dies.
type FileLock struct{ file *os.File }

// OpenFileLock opens or makes the lock file. It does not lock.
func OpenFileLock(path string) (*FileLock, error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("open lock: %w", err)
	}
	return &FileLock{f}, nil
}

// Lock waits until this process has the lock.
func (l *FileLock) Lock() error {
	for {
		err := syscall.Flock(int(l.file.Fd()), syscall.LOCK_EX)
		if !errors.Is(err, syscall.EINTR) {
			return wrapLock(err)
		}
	}
}

// TryLock takes the lock if nobody has it, and says whether it did.
func (l *FileLock) TryLock() (bool, error) {
	err := syscall.Flock(int(l.file.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
	if errors.Is(err, syscall.EWOULDBLOCK) {
		return false, nil
	}
	return err == nil, wrapLock(err)
}

// Unlock lets others have it.
func (l *FileLock) Unlock() error { return wrapLock(syscall.Flock(int(l.file.Fd()), syscall.LOCK_UN)) }

// Close unlocks too.
func (l *FileLock) Close() error { return l.file.Close() }

func wrapLock(err error) error {
	if err != nil {
		return fmt.Errorf("lock: %w", err)
	}
	return nil
}
