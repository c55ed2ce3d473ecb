package realnet_test

import (
	"context"
	"errors"
	"log/slog"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"parley/core/replica"
	"parley/core/replica/storagetest"
	"parley/realnet"
	"parley/realnet/realnettest"

	"parley/core/chat"
)

// failing is a store whose disk fails from the n-th save on, or whose rows cannot be read.
type failing struct {
	replica.Store
	saves atomic.Int64
}

var errDisk = errors.New("the disk is on fire")

func (f *failing) Save(s replica.Save) (replica.Saved, error) {
	if f.saves.Add(-1) < 0 {
		return replica.Saved{}, errDisk
	}
	return f.Store.Save(s)
}

// A disk that fails ends the server at once, with the reason, at whichever save it is. (Exit code 74.)
func TestDiskFails(t *testing.T) {
	for n := range 4 {
		members := []realnet.Member{{ID: 1, Address: realnettest.FreeAddresses(t, 1)[0]}}
		birth, err := realnet.NewBirth("test", members, realnettest.Settings())
		if err != nil {
			t.Fatal(err)
		}
		dir := filepath.Join(t.TempDir(), "n1")
		var site *storagetest.Memory
		err = realnet.CreateHome(dir, realnet.Home{Birth: birth, ID: 1, Listen: members[0].Address},
			func(_ string, h *realnet.Home) error {
				site = storagetest.NewMemory(storagetest.Birth{
					Cluster: h.Cluster, Node: h.ID, Chain: h.Chain(), Genesis: chat.Genesis(h.Settings), Tables: replica.Catalogue(),
				})
				return nil
			})
		if err != nil {
			t.Fatal(err)
		}
		server, err := realnet.OpenServer(realnet.ServerConfig{
			Dir: dir, Logger: slog.New(slog.NewTextHandler(t.Output(), nil)), Argon: realnettest.CheapArgon,
			OpenStore: func(_ string, h *realnet.Home) (replica.Store, error) {
				store, err := site.Open(h.Cluster, h.ID)
				f := &failing{Store: store}
				f.saves.Store(int64(n))
				return f, err
			},
		})
		if err != nil {
			t.Fatal(err)
		}
		ended := make(chan error, 1)
		go func() { ended <- server.Serve(context.Background()) }()
		ada := realnettest.NewPerson("ada", "pass", []string{members[0].Address})
		ctx, cancel := context.WithCancel(patient(t))
		go func() {
			defer ada.Close()
			_, _ = ada.Command(ctx, chat.Signup{Name: "ada"}) // may or may not be answered
		}()
		var fatal *realnet.FatalError
		err = <-ended
		cancel()
		if !errors.As(err, &fatal) || !errors.Is(err, errDisk) || !strings.HasPrefix(err.Error(), "save: ") {
			t.Errorf("save %d failed, and the server ended with %v", n, err)
		}
	}
}
