package sqlite

import (
	"os"
	"path/filepath"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"parley/core/raft"
	"parley/core/replica"
	"parley/core/row"
)

// The hashes of the first two are known, with the same keys; the last one has an index.
var hotTables = []*row.Table{
	{Name: "a", Columns: []row.Column{{Name: "k", Kind: row.Int}, {Name: "v", Kind: row.Int}}, Key: 1, Hot: true},
	{Name: "b", Columns: []row.Column{{Name: "k", Kind: row.Int}, {Name: "v", Kind: row.Int}}, Key: 1, Hot: true},
	{Name: "c", Columns: []row.Column{{Name: "k", Kind: row.Int}, {Name: "v", Kind: row.Int}}, Key: 1, Hot: true,
		Index: []int{1, 0}},
}

// What is known of rows is what is in the tables, whatever was inserted, put, deleted, opened again
// and installed before, with room for few of them and for all; and the digest is that of the tables.
func TestKnownIsTrue(t *testing.T) {
	parent, err := os.MkdirTemp("/dev/shm", "parley-known-*")
	if err != nil {
		parent = t.TempDir()
	}
	defer os.RemoveAll(parent)
	rapid.Check(t, func(rt *rapid.T) {
		k := knownLife{T: rt, dir: filepath.Join(parent, "data"), most: 1 + rapid.IntRange(0, 30).Draw(rt, "most")}
		defer os.RemoveAll(k.dir)
		id := Identity{Cluster: [16]byte{1}, Node: 1, Store: [16]byte{2}}
		if err := Init(k.dir, id, nil, hotTables); err != nil {
			rt.Fatal(err)
		}
		k.open()
		defer func() { k.s.Close() }()
		for range 10 {
			k.step()
			k.check()
		}
	})
}

type knownLife struct {
	*rapid.T
	dir   string
	most  int
	s     *Store
	mark  raft.Mark
	early *replica.Snapshot
}

func (k *knownLife) open() {
	s, err := Open(k.dir, Identity{}, hotTables)
	if err == nil {
		_, err = s.Recover()
	}
	if err != nil {
		k.Fatal(err)
	}
	s.w.known = newKnown(k.most)
	k.s = s
}

func (k *knownLife) pick(n int) int { return rapid.IntRange(0, n-1).Draw(k.T, "pick") }

// step saves some changes; sometimes the store is opened again first, or an early state installed.
func (k *knownLife) step() {
	e := raft.Entry{Index: k.mark.Index + 1, Term: 1}
	e.Chain = raft.ChainNext(k.mark.Chain, &e)
	v := replica.Save{Hard: &raft.Hard{Term: 1, Commit: e.Index}, Append: []raft.Entry{e}, Applied: e.Index}
	k.mark = raft.Mark{Index: e.Index, Term: e.Term, Chain: e.Chain}
	switch what := k.pick(6); {
	case what == 0:
		if err := k.s.Close(); err != nil {
			k.Fatal(err)
		}
		k.open()
	case what == 1 && k.early != nil: // rows of long ago, as if they were of now
		snap, err := replica.NewSnapshotWriter(k.mark), error(nil)
		for _, t := range hotTables {
			snap.Table(t)
			err = replica.ReadSnapshot(*k.early, hotTables, func(r row.Row) error {
				if r.Table != t {
					return nil
				}
				return snap.Row(r)
			})
			if err != nil {
				k.Fatal(err)
			}
		}
		whole := snap.Finish()
		v = replica.Save{Hard: v.Hard, Install: &whole}
	}
	if v.Install == nil {
		v.Effects = k.effects()
	}
	v.Seq = k.s.head.seq + 1
	if _, err := k.s.Save(v); err != nil {
		k.Fatal(err)
	}
}

// effects are up to 100, which fit what is in the tables: enough for statements of several rows.
func (k *knownLife) effects() (list []row.Effect) {
	there := map[[2]int]bool{}
	hot, err := k.s.w.hot(hotTables)
	if err != nil {
		k.Fatal(err)
	}
	for _, r := range hot {
		there[[2]int{slices.Index(hotTables, r.Table), int(r.Values[0].Int)}] = true
	}
	for range k.pick(101) {
		at := [2]int{k.pick(3), k.pick(40)}
		e := row.Effect{Op: row.Put, Row: row.Row{Table: hotTables[at[0]], Values: []row.Value{row.I(int64(at[1])), row.I(int64(k.pick(3)))}}}
		switch what := k.pick(4); {
		case what == 0:
			e.Op = row.Delete
		case !there[at] && what < 3:
			e.Op = row.Insert
		}
		there[at] = e.Op != row.Delete
		list = append(list, e)
	}
	return list
}

// check compares what is known with the tables, and the digest. It keeps the state if it is the first.
func (k *knownLife) check() {
	snap, err := k.s.Export() // it compares the digest
	if err != nil {
		k.Fatal(err)
	}
	if k.early == nil && k.pick(3) == 0 {
		k.early = &snap
	}
	hot, err := k.s.w.hot(hotTables)
	if err != nil {
		k.Fatal(err)
	}
	hashes := map[string][32]byte{}
	for _, r := range hot {
		key := append([]byte(r.Table.Name), 0)
		hashes[string(row.Row{Table: r.Table, Values: r.Key()}.Append(key))] = r.Hash()
	}
	known := k.s.w.known
	for _, rows := range []map[string]*knownRow{known.young, known.old} {
		if len(rows) > k.most {
			k.Fatalf("%d rows are known, want at most %d", len(rows), k.most)
		}
		for key, r := range rows {
			if hash, ok := hashes[key]; !ok || r.key != key || r.hash != hash {
				k.Fatalf("row %q is known with hash %x, in the table it is %x, %t", key, r.hash, hash, ok)
			}
		}
	}
}
