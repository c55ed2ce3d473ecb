//go:build !unix

package realnet

import "errors"

// FileLock is an advisory lock between processes.
type FileLock struct{}

var errNoLock = errors.New("this system has no file locks that Parley knows")

// OpenFileLock says that there are no locks here.
func OpenFileLock(string) (*FileLock, error) { return nil, errNoLock }

// Lock fails.
func (*FileLock) Lock() error { return errNoLock }

// TryLock fails.
func (*FileLock) TryLock() (bool, error) { return false, errNoLock }

// Unlock fails.
func (*FileLock) Unlock() error { return errNoLock }

// Close does nothing.
func (*FileLock) Close() error { return nil }
