package sqlite

import (
	"errors"
	"os"
	"path/filepath"
)

// suspectName is a file that a store leaves behind when something failed: it holds what. It needs no
// sync: should it get lost, nothing else is. The next Open quotes it if it finds damage, and removes
// it when it found none.
const suspectName = "SUSPECT"

// suspect leaves the flag, as well as the disk lets it.
func (s *Store) suspect(cause error) {
	f, err := s.disk.open(filepath.Join(s.dir, suspectName), os.O_RDWR|os.O_CREATE)
	if err != nil {
		return // the disk is failing: cause is what people must hear of
	}
	_, _ = f.WriteAt([]byte(cause.Error()+"\n"), 0)
	_ = f.Close()
}

// suspicion is what the flag says, or nothing.
func (s *Store) suspicion() string {
	f, err := s.disk.open(filepath.Join(s.dir, suspectName), os.O_RDONLY)
	if err != nil {
		return ""
	}
	defer f.Close()
	b := make([]byte, 300)
	n, _ := f.ReadAt(b, 0)
	for i, c := range b[:n] {
		if c == '\n' {
			n = i
			break
		}
	}
	return string(b[:n])
}

// quote adds what failed before to a refusal for damage.
func (s *Store) quote(err error) error {
	var refused *Refused
	if said := s.suspicion(); said != "" && errors.As(err, &refused) && refused.Reason == Damaged {
		refused.Text += " (when it was last used, something failed: " + said + ")"
	}
	return err
}

// trust removes the flag.
func (s *Store) trust() error {
	err := s.disk.remove(filepath.Join(s.dir, suspectName))
	if missing(err) {
		return nil
	}
	return err
}
