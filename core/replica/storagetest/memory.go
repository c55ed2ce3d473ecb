package storagetest

import (
	"errors"
	"fmt"
	"sync/atomic"

	"parley/core/raft"
	"parley/core/replica"
	"parley/core/row"
)

// Memory is the reference: a Site whose store keeps an image of everything and replaces it whole.
type Memory struct {
	birth Birth
	image atomic.Pointer[image] // immutable; readers may look while a Save makes the next
	open  *memoryStore          // nil: none
}

// NewMemory makes a site with a store as b says. It panics if the genesis rows are impossible.
func NewMemory(b Birth) *Memory {
	m := &Memory{birth: b}
	first := &image{compact: raft.Mark{Chain: b.Chain}, rows: map[*row.Table][]row.Row{}, own: map[*row.Table]bool{}}
	for _, t := range b.Tables {
		first.rows[t] = nil
	}
	for _, r := range b.Genesis {
		if err := first.effect(row.Effect{Op: row.Insert, Row: r}); err != nil {
			panic(fmt.Sprintf("genesis: %v", err))
		}
	}
	m.image.Store(first)
	return m
}

// Open implements Site.
func (m *Memory) Open(cluster [16]byte, node raft.ID) (replica.Store, error) {
	switch {
	case cluster != m.birth.Cluster:
		return nil, fmt.Errorf("cluster %x, not %x", m.birth.Cluster, cluster)
	case node != m.birth.Node:
		return nil, fmt.Errorf("node %d, not %d", m.birth.Node, node)
	case m.open != nil:
		return nil, errors.New("in use")
	}
	next := m.image.Load().clone()
	next.boot++
	m.image.Store(next)
	m.open = &memoryStore{site: m}
	return m.open, nil
}

// Crash implements Site.
func (m *Memory) Crash() {
	if m.open != nil {
		m.open.poison(errors.New("crashed"))
		m.open = nil
	}
}

// memoryStore is a Memory while it is open.
type memoryStore struct {
	site   *Memory
	broken atomic.Pointer[error] // why nothing works any more
}

func (s *memoryStore) poison(err error) { s.broken.CompareAndSwap(nil, &err) }

func (s *memoryStore) usable() error {
	if err := s.broken.Load(); err != nil {
		return fmt.Errorf("store is of no more use: %w", *err)
	}
	return nil
}

// Recover implements replica.Store.
func (s *memoryStore) Recover() (replica.Recovered, error) {
	if err := s.usable(); err != nil {
		return replica.Recovered{}, err
	}
	m := s.site.image.Load()
	if err := m.checkLog(); err != nil {
		return replica.Recovered{}, err
	}
	return replica.Recovered{
		Raft: raft.Recovered{
			Hard: m.hard, Compact: m.compact, Applied: m.applied,
			Entries: append([]raft.Entry(nil), m.entries...),
		},
		Seq: m.seq, Boot: m.boot, Hot: m.hot(s.site.birth.Tables), Digest: m.digest,
	}, nil
}

// Save implements replica.Store.
func (s *memoryStore) Save(v replica.Save) (replica.Saved, error) {
	if err := s.usable(); err != nil {
		return replica.Saved{}, err
	}
	next, err := s.site.image.Load().after(v, s.site.birth.Tables)
	if err != nil {
		err = fmt.Errorf("save %d: %w", v.Seq, err)
		s.poison(err)
		return replica.Saved{}, err
	}
	s.site.image.Store(next)
	saved := replica.Saved{Seq: v.Seq, Digest: next.digest}
	if v.Install != nil {
		saved.Hot = next.hot(s.site.birth.Tables)
	}
	return saved, nil
}

// Rows implements replica.Store.
func (s *memoryStore) Rows(ranges []row.Range) (replica.Rows, error) {
	if err := s.usable(); err != nil {
		return replica.Rows{}, err
	}
	m := s.site.image.Load()
	answer := replica.Rows{Index: m.applied}
	for _, r := range ranges {
		set, err := m.find(r)
		if err != nil {
			return replica.Rows{}, err
		}
		answer.Sets = append(answer.Sets, set)
	}
	return answer, nil
}

// Export implements replica.Store.
func (s *memoryStore) Export() (replica.Snapshot, error) {
	if err := s.usable(); err != nil {
		return replica.Snapshot{}, err
	}
	m := s.site.image.Load()
	w := replica.NewSnapshotWriter(m.mark(m.applied))
	for _, t := range s.site.birth.Tables {
		w.Table(t)
		for _, r := range m.rows[t] {
			if err := w.Row(r); err != nil {
				return replica.Snapshot{}, err
			}
		}
	}
	return w.Finish(), nil
}

// Close implements replica.Store.
func (s *memoryStore) Close() error {
	err := s.usable()
	if s.site.open == s {
		s.site.open = nil
	}
	s.poison(errors.New("closed"))
	return err
}
