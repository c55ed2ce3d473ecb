//go:build unix

package sqlite

import (
	"errors"
	"os"
	"syscall"
)

// flock locks f for this process, or says that another one has it. The system frees it when its
// holder dies.
func flock(f *os.File) (bool, error) {
	err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
	if errors.Is(err, syscall.EWOULDBLOCK) {
		return false, nil
	}
	return err == nil, err
}
