package realnet_test

import (
	"errors"
	"flag"
	"log/slog"
	"sync"
	"testing"

	"parley/core/chat"
	"parley/core/replica"
	"parley/core/replica/storagetest"
	"parley/realnet"
	"parley/realnet/realnettest"
)

var disk = flag.Bool("disk", false, "use the real store also in tests that are not about disks")

var t13 = flag.Int("t13", 2000, "cycles of TestT13AttachDetach")

// memory gives a cluster stores in memory that survive a restart, for tests that are not about disks.
func memory(o realnettest.Options) realnettest.Options {
	if *disk {
		return o
	}
	var mu sync.Mutex
	sites := map[string]*storagetest.Memory{}
	key := func(h *realnet.Home) string { return string(h.Cluster[:]) + realnet.NodeName(h.ID) }
	o.MakeStore = func(_ string, h *realnet.Home) error {
		mu.Lock()
		defer mu.Unlock()
		sites[key(h)] = storagetest.NewMemory(storagetest.Birth{
			Cluster: h.Cluster, Node: h.ID, Chain: h.Chain(), Genesis: chat.Genesis(h.Settings), Tables: replica.Catalogue(),
		})
		return nil
	}
	o.OpenStore = func(_ string, h *realnet.Home) (replica.Store, error) {
		mu.Lock()
		defer mu.Unlock()
		if s := sites[key(h)]; s != nil {
			return s.Open(h.Cluster, h.ID)
		}
		return nil, errors.New("no store")
	}
	return o
}

// Three servers find each other and agree on a leader; when it goes, another takes over.
func TestLeader(t *testing.T) {
	c := realnettest.Start(t, memory(realnettest.Options{Logger: testLogger(t)}))
	first := c.Leader()
	c.Stop(first)
	second := c.Leader()
	if first == second {
		t.Fatalf("n%d leads after it has stopped", first+1)
	}
	c.Restart(first)
	c.Level()
}

func testLogger(t testing.TB) *slog.Logger {
	return slog.New(slog.NewTextHandler(t.Output(), nil))
}
