package backup_test

import (
	"bytes"
	"testing"
	"time"

	"parley/core/chat"
	"parley/core/raft"
	"parley/core/replica"
	"parley/realnet"
	"parley/realnet/backup"
)

// newborn is a backup of a cluster in which nothing has happened but the passage of an index.
func newborn(t testing.TB) *backup.Backup {
	t.Helper()
	birth, err := realnet.NewBirth("home", []realnet.Member{{ID: 1, Address: "127.0.0.1:1"}}, chat.DefaultSettings())
	if err != nil {
		t.Fatal(err)
	}
	w := replica.NewSnapshotWriter(raft.Mark{Index: 7, Term: 3, Chain: raft.Chain{1}, Time: 99})
	rows := replica.Genesis(birth.Settings)
	for _, table := range replica.Catalogue() {
		w.Table(table)
		for _, r := range rows {
			if r.Table == table {
				if err := w.Row(r); err != nil {
					t.Fatal(err)
				}
			}
		}
	}
	return backup.New(&realnet.Home{Birth: birth, ID: 1}, w.Finish(), time.Unix(1_700_000_000, 0))
}

func file(t testing.TB, b *backup.Backup) []byte {
	t.Helper()
	var out bytes.Buffer
	if err := b.Write(&out); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// A backup that was written is read as it was, and the secret is not in it.
func TestAFileHoldsTheBackup(t *testing.T) {
	b := newborn(t)
	text := file(t, b)
	again, err := backup.Read(bytes.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	if again.Head != b.Head || again.Sum != b.Sum || again.Snapshot.Mark != b.Snapshot.Mark || again.Snapshot.Digest != b.Snapshot.Digest ||
		!bytes.Equal(again.Snapshot.Data, b.Snapshot.Data) {
		t.Errorf("read %+v, wrote %+v", again.Head, b.Head)
	}
	if err := again.Verify(t.TempDir()); err != nil {
		t.Error(err)
	}
}

// Whatever bit of a file turns, it is no backup any more.
func TestEveryFlippedBitIsFound(t *testing.T) {
	text := file(t, newborn(t))
	for i := range len(text) * 8 {
		text[i/8] ^= 1 << (i % 8)
		if _, err := backup.Read(bytes.NewReader(text)); err == nil {
			t.Errorf("bit %d of byte %d is another, and nobody noticed", i%8, i/8)
		}
		text[i/8] ^= 1 << (i % 8)
	}
}

// A backup whose head promises another state than its rows are does not verify.
func TestAHeadThatLies(t *testing.T) {
	b := newborn(t)
	b.Head.Digest[0]++
	if _, err := backup.Read(bytes.NewReader(file(t, b))); err == nil {
		t.Error("a digest that is not that of the rows is accepted")
	}
	b = newborn(t)
	b.Head.Index++
	if _, err := backup.Read(bytes.NewReader(file(t, b))); err == nil {
		t.Error("an index that is not that of the snapshot is accepted")
	}
}

func FuzzRead(f *testing.F) {
	f.Add(file(f, newborn(f)))
	f.Add([]byte("PARLBKUP\x01\x00\x00\x00\x02{}"))
	f.Fuzz(func(t *testing.T, data []byte) {
		b, err := backup.Read(bytes.NewReader(data))
		if err == nil && b.Sum == "" {
			t.Error("a backup without a sum")
		}
	})
}
