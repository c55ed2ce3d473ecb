package realnet

import (
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync"

	"parley/core/raft"
)

// witness remembers, durably, the latest life of each peer that was seen here. Every opening of a
// store raises its boot number, so a peer that comes with an older one, or with the same number but
// as another process, has lost something: its directory was wiped and made again, restored from a
// copy, or runs twice. It may have forgotten a vote or an acknowledgement, and is not listened to.
type witness struct {
	path string

	mu   sync.Mutex // links come and go rarely
	seen map[string]lifeSeen
}

type lifeSeen struct {
	Boot uint64 `json:"boot"`
	Life string `json:"life"`
}

const witnessName = "seen.json"

func openWitness(dir string) (*witness, error) {
	w := &witness{path: filepath.Join(dir, witnessName), seen: map[string]lifeSeen{}}
	text, err := os.ReadFile(w.path)
	if errors.Is(err, fs.ErrNotExist) {
		return w, nil
	}
	if err == nil {
		err = json.Unmarshal(text, &w.seen)
	}
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", w.path, err)
	}
	return w, nil
}

// see says whether a peer may be listened to, and remembers it if so.
func (w *witness) see(peer raft.ID, boot uint64, life []byte) error {
	now := lifeSeen{Boot: boot, Life: hex.EncodeToString(life)}
	if len(life) != 16 {
		return fmt.Errorf("%s names its life in %d bytes, want 16", NodeName(peer), len(life))
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	last, known := w.seen[NodeName(peer)]
	switch {
	case now == last:
		return nil
	case known && now.Boot <= last.Boot:
		return fmt.Errorf("%s has lost data: its store was opened for the %s time here before, and now comes with the %s; "+
			"its directory was wiped, restored from a copy, or runs twice. It may have forgotten what it promised "+
			"and is not listened to", NodeName(peer), ordinal(last.Boot), ordinal(now.Boot))
	}
	w.seen[NodeName(peer)] = now
	return w.keep()
}

func ordinal(n uint64) string {
	suffix := "th"
	if n%100 < 11 || n%100 > 13 {
		switch n % 10 {
		case 1:
			suffix = "st"
		case 2:
			suffix = "nd"
		case 3:
			suffix = "rd"
		}
	}
	return fmt.Sprint(n, suffix)
}

func (w *witness) keep() error {
	text, err := json.Marshal(w.seen)
	if err != nil {
		return err
	}
	draft := w.path + ".new"
	f, err := os.OpenFile(draft, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(append(text, '\n'))
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	if err := os.Rename(draft, w.path); err != nil {
		return err
	}
	return fsyncDir(filepath.Dir(w.path))
}
