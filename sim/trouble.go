package sim

import (
	"errors"
	"slices"

	"parley/core/replica"
)

// troubles are what goes wrong with a disk on which everything is intact: it has no room, it cannot
// be read for a while, or it gives something out that is not what lies on it.
type troubles struct {
	full    int  // windows without space that are open
	room    int  // bytes that are left in them
	failing int  // windows in which nothing can be read
	spoiled bool // the next snapshot that is read comes out changed
}

// trouble is the error of a disk in trouble, and which fault it is.
type trouble struct {
	kind FaultKind
	text string
}

func (t trouble) Error() string { return t.text }

func isTrouble(err error) bool { return errors.As(err, new(trouble)) }

// startNeeds is how many bytes must be free to open a store: the boot number is written.
const startNeeds = 512

func (t *troubles) open() error {
	if t.full > 0 && t.room < startNeeds {
		return trouble{NoSpace, "no space left on device; make room, and start again"}
	}
	return t.read()
}

func (t *troubles) read() error {
	if t.failing > 0 {
		return trouble{ReadError, "read: input/output error"}
	}
	return nil
}

// save takes room, as long as there is some.
func (t *troubles) save(s *replica.Save) error {
	if t.full == 0 {
		return nil
	}
	if t.room -= bytesOf(s); t.room < 0 {
		return trouble{NoSpace, "no space left on device"}
	}
	return nil
}

// bytesOf is about what a save takes on a disk.
func bytesOf(s *replica.Save) int {
	n := 128
	for i := range s.Append {
		n += 64 + len(s.Append[i].Data)
	}
	for _, e := range s.Effects {
		for _, v := range e.Row.Values {
			n += 8 + len(v.Str)
		}
	}
	if s.Install != nil {
		n += len(s.Install.Data)
	}
	return n
}

// spoil changes a snapshot that is being read, once.
func (t *troubles) spoil(s *replica.Snapshot) {
	if !t.spoiled {
		return
	}
	t.spoiled = false
	s.Data = slices.Clone(s.Data)
	s.Data[len(s.Data)/2] ^= 1
}
