package realnet

import (
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
	return sqlite.Init(dir, h.identity(), replica.Genesis(h.Settings), replica.Catalogue())
}

func openStore(dir string, h *Home) (replica.Store, error) {
	s, err := sqlite.Open(dir, h.identity(), replica.Catalogue())
	if err != nil {
		return nil, err
	}
	return s, nil
}
