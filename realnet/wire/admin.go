package wire

import (
	"fmt"

	"parley/core/replica"
)

// EncodeBackupHead says what a snapshot is, without its bytes.
func EncodeBackupHead(s *replica.Snapshot) *BackupHead {
	return &BackupHead{Mark: encodeRaftMark(s.Mark), Digest: clone(s.Digest[:]), Size: uint64(len(s.Data))}
}

// DecodeBackupHead gives a snapshot without its bytes, and how many there are to come.
func DecodeBackupHead(w *BackupHead) (s replica.Snapshot, size uint64, err error) {
	if s.Mark, err = decodeRaftMark(w.GetMark()); err != nil {
		return s, 0, fmt.Errorf("head of a backup: %w", err)
	}
	if copy(s.Digest[:], w.GetDigest()) != len(w.GetDigest()) || len(w.GetDigest()) != len(s.Digest) {
		return s, 0, fmt.Errorf("head of a backup: a digest of %d lanes", len(w.GetDigest()))
	}
	return s, w.GetSize(), nil
}
