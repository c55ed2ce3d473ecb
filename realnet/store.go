package realnet

import (
	"errors"

	"parley/core/replica"
	"parley/realnet/sqlite"
)

// identity is what makes a founder's store: the same, whoever works it out.
func (h *Home) identity() sqlite.Identity {
	return sqlite.Identity{
		Cluster: h.Cluster, Node: h.ID, Store: sqlite.FounderStore(h.Cluster, h.ID), Chain: h.Chain(),
	}
}

func createStore(dir string, h *Home) error {
	if h.Backup != "" { // an empty founder could help others like it to outvote those that remember
		return errors.New("this cluster begins with a backup, and so must each of its founders: parleyd backup restore FILE --cluster TOKEN")
	}
	return sqlite.Init(dir, h.identity(), replica.Genesis(h.Settings), replica.Catalogue())
}

func openStore(dir string, h *Home) (replica.Store, error) {
	s, err := sqlite.Open(dir, h.identity(), replica.Catalogue())
	if err != nil {
		return nil, err
	}
	return s, nil
}

// RestoreStore makes a founder's store that begins with a snapshot.
func RestoreStore(dir string, h *Home, s replica.Snapshot) error {
	return sqlite.Restore(dir, h.identity(), s, replica.Catalogue())
}

// ReadStore takes a snapshot of the store of a server that does not run. It opens it as a server would
// and reads every row, so what it gives has been verified.
func ReadStore(dir string) (replica.Snapshot, error) {
	var snap replica.Snapshot
	err := LookInto(dir, func(_ *Home, s *sqlite.Store, _ replica.Recovered) (err error) {
		snap, err = s.Export()
		return err
	})
	return snap, err
}

// LookInto opens the store of a server that does not run, as the server would, has it looked at, and
// closes it.
func LookInto(dir string, look func(*Home, *sqlite.Store, replica.Recovered) error) error {
	h, err := LoadHome(dir)
	if err != nil {
		return err
	}
	s, err := sqlite.Open(homeStore(dir), h.identity(), replica.Catalogue())
	if err != nil {
		return err
	}
	rec, err := s.Recover()
	if err == nil {
		err = look(h, s, rec)
	}
	return errors.Join(err, s.Close())
}
