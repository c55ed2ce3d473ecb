package replica_test

import (
	"crypto/sha256"
	"testing"
	"time"

	"parley/core/chat"
	"parley/core/raft"
	"parley/core/replica"
)

// acks gives a replica a chunk and tells what it says to that.
func (a *alone) acks(from raft.ID, ch replica.Chunk) []replica.ChunkAck {
	a.t.Helper()
	var out replica.Output
	a.m.Step(a.now, replica.Peer{Message: &replica.PeerMessage{From: from, To: 1, Chunk: &ch}}, &out)
	var acks []replica.ChunkAck
	for _, s := range out.Sends {
		if s.ChunkAck != nil && s.To == from {
			acks = append(acks, *s.ChunkAck)
		}
	}
	a.perform(&out)
	return acks
}

func chunkAt(index raft.Index, data []byte, size int) replica.Chunk {
	whole := sha256.Sum256(append([]byte{byte(index)}, data...))
	return replica.Chunk{Mark: raft.Mark{Index: index, Term: 1}, Whole: whole, Size: uint64(size), Data: data}
}

// A new leader may have stored less of what is applied than the one before. Its older snapshot is not
// taken while the newer is still on its way, and is as soon as nobody sends that any more.
func TestAnOlderSnapshotIsTakenWhenTheNewerFallsSilent(t *testing.T) {
	a := start(t, nil, 1, 2, 3)
	newer, older := chunkAt(425, []byte("half of it"), 20), chunkAt(418, []byte("the half"), 16)
	if acks := a.acks(2, newer); len(acks) != 1 || acks[0].Next != 10 {
		t.Fatalf("the first half of a snapshot is answered with %+v", acks)
	}
	a.wait(900 * time.Millisecond)
	if acks := a.acks(3, older); len(acks) != 0 {
		t.Errorf("an older one, while the newer is on its way: %+v", acks)
	}
	a.acks(2, newer) // sent again: it lives
	a.wait(900 * time.Millisecond)
	if acks := a.acks(3, older); len(acks) != 0 {
		t.Errorf("an older one, while the newer is sent again: %+v", acks)
	}
	a.wait(200 * time.Millisecond)
	if acks := a.acks(3, older); len(acks) != 1 || acks[0].Next != 8 || acks[0].Mark.Index != 418 {
		t.Errorf("an older one, a second after the newer fell silent: %+v", acks)
	}
}

// A snapshot that arrived whole and is none is said to be bad at once: its sender makes another.
func TestABadSnapshotIsSaidToBeOne(t *testing.T) {
	a := start(t, nil, 1, 2, 3)
	data := []byte("no snapshot at all")
	ch := replica.Chunk{Mark: raft.Mark{Index: 9, Term: 1}, Whole: sha256.Sum256(data), Size: uint64(len(data)), Data: data}
	acks := a.acks(2, ch)
	if len(acks) != 2 || acks[0].Refused || !acks[1].Refused || acks[1].Whole != ch.Whole {
		t.Errorf("answered with %+v, want that it arrived, and then that it is bad", acks)
	}
}

// A good snapshot that comes before its sender is known to lead is not taken, and its sender is told so: it
// would wait for ten seconds otherwise.
func TestASnapshotThatComesTooEarlyIsRefused(t *testing.T) {
	a := start(t, nil, 1, 2, 3)
	w := replica.NewSnapshotWriter(raft.Mark{Index: 9, Term: 1, Chain: raft.Chain{9}})
	genesis := replica.Genesis(chat.DefaultSettings())
	for _, table := range replica.Catalogue() {
		w.Table(table)
		for _, r := range genesis {
			if r.Table == table {
				if err := w.Row(r); err != nil {
					t.Fatal(err)
				}
			}
		}
	}
	snap := w.Finish()
	acks := a.acks(2, replica.Chunk{Mark: snap.Mark, Digest: snap.Digest, Whole: sha256.Sum256(snap.Data), Size: uint64(len(snap.Data)), Data: snap.Data})
	if len(acks) != 2 || acks[0].Next != uint64(len(snap.Data)) || !acks[1].Refused {
		t.Errorf("answered with %+v, want that it arrived, and then that it is refused", acks)
	}
}
