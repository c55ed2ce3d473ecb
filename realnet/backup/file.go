package backup

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"

	"parley/core/chat"
	"parley/core/raft"
	"parley/core/replica"
	"parley/core/row"
	"parley/realnet"
)

// Head says where a backup comes from.
type Head struct {
	Cluster  string        `json:"cluster"` // id of the cluster it was taken from
	Name     string        `json:"name"`
	Epoch    uint64        `json:"epoch"`
	Node     string        `json:"node"` // the server that gave it
	Taken    time.Time     `json:"taken"`
	Version  string        `json:"version"` // of the program
	Settings chat.Settings `json:"settings"`
	Index    uint64        `json:"index"` // what is applied
	Term     uint64        `json:"term"`
	Chain    string        `json:"chain"`
	Time     int64         `json:"time"` // cluster time
	Digest   row.Digest    `json:"digest"`
}

// Backup is one in memory.
type Backup struct {
	Head     Head
	Snapshot replica.Snapshot
	Sum      string // the SHA-256 of the file: it names the backup
}

const (
	magic    = "PARLBKUP"
	version  = 1
	maxHead  = 1 << 20
	maxBytes = 1 << 36
)

// New makes a backup of a snapshot that a server of h gave.
func New(h *realnet.Home, s replica.Snapshot, taken time.Time) *Backup {
	return &Backup{Snapshot: s, Head: Head{
		Cluster: hex.EncodeToString(h.Cluster[:]), Name: h.Name, Epoch: h.Epoch, Node: realnet.NodeName(h.ID),
		Taken: taken.UTC().Truncate(time.Second), Version: realnet.Version, Settings: h.Settings,
		Index: uint64(s.Mark.Index), Term: uint64(s.Mark.Term), Chain: hex.EncodeToString(s.Mark.Chain[:]),
		Time: int64(s.Mark.Time), Digest: s.Digest,
	}}
}

// Write writes the file, and notes its sum.
func (b *Backup) Write(w io.Writer) error {
	head, err := json.Marshal(b.Head)
	if err != nil {
		return fmt.Errorf("write backup: %w", err)
	}
	sum := sha256.New()
	both := io.MultiWriter(w, sum)
	start := append([]byte(magic), version)
	start = append(binary.BigEndian.AppendUint32(start, uint32(len(head))), head...)
	start = binary.BigEndian.AppendUint64(start, uint64(len(b.Snapshot.Data)))
	for _, part := range [][]byte{start, b.Snapshot.Data} {
		if _, err := both.Write(part); err != nil {
			return fmt.Errorf("write backup: %w", err)
		}
	}
	end := sum.Sum(nil)
	b.Sum = hex.EncodeToString(end)
	if _, err := w.Write(end); err != nil {
		return fmt.Errorf("write backup: %w", err)
	}
	return nil
}

// Read reads a file whole, and checks all that can be checked without a store: lengths, sums, that
// head and snapshot say the same, every row and the digest.
func Read(r io.Reader) (*Backup, error) {
	b, err := read(r)
	if err != nil {
		return nil, fmt.Errorf("read backup: %w", err)
	}
	return b, nil
}

func read(r io.Reader) (*Backup, error) {
	sum := sha256.New()
	in := io.TeeReader(r, sum)
	start, err := take(in, len(magic)+1+4)
	if err != nil {
		return nil, err
	}
	if !bytes.HasPrefix(start, []byte(magic)) {
		return nil, errors.New("it is no backup of Parley's")
	}
	if v := start[len(magic)]; v != version {
		return nil, fmt.Errorf("its version is %d, this program reads %d: use the newer one that wrote it", v, version)
	}
	size := binary.BigEndian.Uint32(start[len(magic)+1:])
	if size > maxHead {
		return nil, fmt.Errorf("a head of %d bytes", size)
	}
	text, err := take(in, int(size))
	if err != nil {
		return nil, err
	}
	length, err := take(in, 8)
	if err != nil {
		return nil, err
	}
	n := binary.BigEndian.Uint64(length)
	if n > maxBytes {
		return nil, fmt.Errorf("a snapshot of %d bytes", n)
	}
	b := &Backup{}
	if b.Snapshot.Data, err = take(in, int(n)); err != nil {
		return nil, err
	}
	want := sum.Sum(nil)
	end, err := take(r, len(want))
	if err != nil {
		return nil, err
	}
	if !bytes.Equal(end, want) {
		return nil, errors.New("its SHA-256 does not match: it is damaged")
	}
	if n, _ := io.ReadFull(r, make([]byte, 1)); n > 0 {
		return nil, errors.New("there is more in the file than the backup")
	}
	b.Sum = hex.EncodeToString(end)
	if err := json.Unmarshal(text, &b.Head); err != nil {
		return nil, fmt.Errorf("its head: %w", err)
	}
	return b, b.check()
}

// take reads so many bytes, and no more memory than there are.
func take(r io.Reader, n int) ([]byte, error) {
	var buf bytes.Buffer
	got, err := io.Copy(&buf, io.LimitReader(r, int64(n)))
	if err == nil && got < int64(n) {
		err = errors.New("it is cut short")
	}
	return buf.Bytes(), err
}

// check fills in what the snapshot is by the head, and reads all of it.
func (b *Backup) check() error {
	h := &b.Head
	mark := raft.Mark{Index: raft.Index(h.Index), Term: raft.Term(h.Term), Time: raft.ClusterTime(h.Time)}
	if chain, err := hex.DecodeString(h.Chain); err != nil || copy(mark.Chain[:], chain) != len(chain) || len(chain) != len(mark.Chain) {
		return fmt.Errorf("its head: chain %q", h.Chain)
	}
	if id, err := hex.DecodeString(h.Cluster); err != nil || len(id) != 16 {
		return fmt.Errorf("its head: cluster %q", h.Cluster)
	}
	b.Snapshot.Mark, b.Snapshot.Digest = mark, h.Digest
	return replica.ReadSnapshot(b.Snapshot, replica.Catalogue(), func(row.Row) error { return nil })
}

// Rows counts the rows of each table, in the catalogue's order.
func (b *Backup) Rows() (names []string, counts []int) {
	tables := replica.Catalogue()
	counts = make([]int, len(tables))
	for _, t := range tables {
		names = append(names, t.Name)
	}
	_ = replica.ReadSnapshot(b.Snapshot, tables, func(r row.Row) error { // Read has read it before
		for i, t := range tables {
			if r.Table == t {
				counts[i]++
			}
		}
		return nil
	})
	return names, counts
}
