//go:build !unix

package sqlite

import (
	"errors"
	"os"
)

func flock(*os.File) (bool, error) {
	return false, errors.New("this system has no file locks that Parley knows")
}
