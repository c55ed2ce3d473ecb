package sqlite

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"

	"parley/core/raft"
	"parley/core/row"
)

// Identity is what a store is for ever. None of it ever enters a snapshot.
type Identity struct {
	Cluster [16]byte
	Node    raft.ID
	Store   [16]byte   // a member of the cluster is (Node, Store): an empty disk is another member
	Chain   raft.Chain // the seed of the log's chain: cluster and epoch
	Config  []byte     // what the founders agreed on; this package does not look inside
}

// FounderStore is the Store of a founding member, the same whoever works it out. Later members draw
// theirs at random.
func FounderStore(cluster [16]byte, node raft.ID) [16]byte {
	b := append([]byte("parley founder\x00"), cluster[:]...)
	sum := sha256.Sum256(binary.BigEndian.AppendUint64(b, uint64(node)))
	return [16]byte(sum[:16])
}

// complete says whether a store with this identity may open (rule D7).
func (id Identity) complete() error {
	if id.Cluster == [16]byte{} || id.Node == 0 || id.Store == [16]byte{} {
		return fmt.Errorf("incomplete identity: cluster %x, node %d, store %x", id.Cluster, id.Node, id.Store)
	}
	return nil
}

// check compares what is stored with what is wanted, as far as that is said.
func (id Identity) check(want Identity) error {
	switch {
	case want.Cluster != [16]byte{} && want.Cluster != id.Cluster:
		return fmt.Errorf("it belongs to cluster %x, not %x", id.Cluster, want.Cluster)
	case want.Node != 0 && want.Node != id.Node:
		return fmt.Errorf("it belongs to node %d, not %d", id.Node, want.Node)
	case want.Store != [16]byte{} && want.Store != id.Store:
		return fmt.Errorf("it is store %x, not %x", id.Store, want.Store)
	}
	return nil
}

func (id Identity) row(boot uint64) row.Row {
	return row.Row{Table: identTable, Values: []row.Value{
		row.I(1), row.S(string(id.Cluster[:])), row.I(int64(id.Node)), row.S(string(id.Store[:])),
		row.S(string(id.Chain[:])), row.S(string(id.Config)), row.I(int64(boot)),
	}}
}

func identityOf(r row.Row) (id Identity, boot uint64, err error) {
	v := r.Values
	for _, field := range []struct {
		to   []byte
		from string
	}{{id.Cluster[:], v[1].Str}, {id.Store[:], v[3].Str}, {id.Chain[:], v[4].Str}} {
		if copy(field.to, field.from) != len(field.from) || len(field.from) != len(field.to) {
			return id, 0, fmt.Errorf("identity: %d bytes instead of %d", len(field.from), len(field.to))
		}
	}
	id.Node, id.Config = raft.ID(v[2].Int), []byte(v[5].Str)
	return id, uint64(v[6].Int), id.complete()
}
