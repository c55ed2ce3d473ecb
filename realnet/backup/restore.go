package backup

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"parley/realnet"
)

// Birth is that of a new cluster which begins with the backup: another id and secret, and the epoch
// after.
func (b *Backup) Birth(name string, members []realnet.Member) (realnet.Birth, error) {
	birth, err := realnet.NewBirth(name, members, b.Head.Settings)
	birth.Epoch, birth.Backup = b.Head.Epoch+1, b.Sum
	return birth, err
}

// Restore makes the directory of one founder of a cluster that begins with the backup. All founders
// must begin with the same one: one that begins with nothing could help others like it to outvote
// those that remember.
func (b *Backup) Restore(dir string, h realnet.Home) error {
	if h.Backup != b.Sum {
		return fmt.Errorf("restore into %s: cluster %s begins with backup %.12s, this is %.12s", dir, h.Name, h.Backup, b.Sum)
	}
	if err := realnet.CreateHome(dir, h, b.makeStore); err != nil {
		return fmt.Errorf("restore into %s: %w", dir, err)
	}
	return nil
}

func (b *Backup) makeStore(dir string, h *realnet.Home) error {
	return realnet.RestoreStore(dir, h, b.Snapshot)
}

// Verify restores the backup into a directory that is removed again, opens what was made as a server
// would, and compares.
func (b *Backup) Verify(scratch string) (err error) {
	dir, err := os.MkdirTemp(scratch, "parley-verify-")
	if err != nil {
		return fmt.Errorf("verify backup: %w", err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	birth, err := b.Birth("verify", []realnet.Member{{ID: 1, Address: "127.0.0.1:1"}})
	if err != nil {
		return fmt.Errorf("verify backup: %w", err)
	}
	home := filepath.Join(dir, "n1")
	if err := b.Restore(home, realnet.Home{Birth: birth, ID: 1, Listen: "127.0.0.1:1"}); err != nil {
		return fmt.Errorf("verify backup: %w", err)
	}
	snap, err := realnet.ReadStore(home)
	if err != nil {
		return fmt.Errorf("verify backup: %w", err)
	}
	if snap.Mark.Index != b.Snapshot.Mark.Index || snap.Digest != b.Snapshot.Digest {
		return fmt.Errorf("verify backup: restored, it is at %d with digest %v; the backup is at %d with digest %v",
			snap.Mark.Index, snap.Digest, b.Snapshot.Mark.Index, b.Snapshot.Digest)
	}
	return nil
}
