package storagetest

import (
	"errors"
	"maps"
	"math/rand/v2"
	"runtime"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"parley/core/raft"
	"parley/core/replica"
	"parley/core/row"
)

func memory(_ testing.TB, b Birth) Site { return NewMemory(b) }

// The reference keeps the contract.
func TestMemory(t *testing.T) { Run(t, memory) }

// Random lives stay within what a store can do: the reference agrees with itself.
func TestDiffer(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		if err := Differ(t, memory, 30, func(n int) int { return rapid.IntRange(0, n-1).Draw(rt, "pick") }); err != nil {
			rt.Fatal(err)
		}
	})
}

// planted is a store with a bug that changes what goes in or comes out.
type planted struct {
	Site
	birth Birth

	save    func(v *replica.Save)
	saved   func(s *replica.Saved)
	recover func(r *replica.Recovered)
	rows    func(s replica.Store, ranges []row.Range) (replica.Rows, error)
	export  func(s *replica.Snapshot)
	crash   func(p *planted)
	open    func(p *planted, cluster [16]byte, node raft.ID) (replica.Store, error)
	failed  func(p *planted, err error) (replica.Store, error)
	extra   uint64 // saves below that are not counted above
}

type plantedStore struct {
	replica.Store
	site *planted
}

func (p *planted) Open(cluster [16]byte, node raft.ID) (replica.Store, error) {
	open := p.Site.Open
	if p.open != nil {
		open = func(c [16]byte, n raft.ID) (replica.Store, error) { return p.open(p, c, n) }
	}
	s, err := open(cluster, node)
	if err != nil {
		return nil, err
	}
	return &plantedStore{s, p}, nil
}

func (p *planted) Crash() {
	p.Site.Crash()
	if p.crash != nil {
		p.crash(p)
	}
}

func (s *plantedStore) Recover() (replica.Recovered, error) {
	r, err := s.Store.Recover()
	r.Seq -= s.site.extra
	if s.site.recover != nil {
		s.site.recover(&r)
	}
	return r, err
}

func (s *plantedStore) Save(v replica.Save) (replica.Saved, error) {
	if s.site.save != nil {
		s.site.save(&v)
	}
	saved, err := s.Store.Save(v)
	if s.site.saved != nil && err == nil {
		s.site.saved(&saved)
	}
	if s.site.failed != nil && err != nil {
		s.Store, err = s.site.failed(s.site, err)
	}
	return saved, err
}

func (s *plantedStore) Rows(ranges []row.Range) (replica.Rows, error) {
	if s.site.rows != nil {
		return s.site.rows(s.Store, ranges)
	}
	return s.Store.Rows(ranges)
}

func (s *plantedStore) Export() (replica.Snapshot, error) {
	snap, err := s.Store.Export()
	if s.site.export != nil {
		s.site.export(&snap)
	}
	return snap, err
}

// reopened goes on with the store as it was before the error: it is not poisoned.
func reopened(p *planted, err error) (replica.Store, error) {
	p.Site.Crash()
	s, openErr := p.Site.Open(p.birth.Cluster, p.birth.Node)
	return s, errors.Join(err, openErr)
}

func memoryOf(p *planted) *Memory { return p.Site.(*Memory) }

var bugs = map[string]func(p *planted){
	"drops effects":     func(p *planted) { p.save = func(v *replica.Save) { v.Effects = nil } },
	"drops deletes":     func(p *planted) { p.save = func(v *replica.Save) { v.Effects = without(v.Effects, row.Delete) } },
	"inserts like puts": func(p *planted) { p.save = func(v *replica.Save) { v.Effects = opAs(v.Effects, row.Insert, row.Put) } },
	"reorders effects":  func(p *planted) { p.save = func(v *replica.Save) { v.Effects = reversed(v.Effects) } },
	"forgets votes": func(p *planted) {
		p.save = func(v *replica.Save) { v.Hard = withHard(v.Hard, func(h *raft.Hard) { h.Vote = 0 }) }
	},
	"forgets terms": func(p *planted) {
		p.save = func(v *replica.Save) { v.Hard = withHard(v.Hard, func(h *raft.Hard) { h.Term = 1 }) }
	},
	"ignores cuts":          func(p *planted) { p.save = func(v *replica.Save) { v.CutFrom = 0 } },
	"cuts one entry less":   func(p *planted) { p.save = func(v *replica.Save) { v.CutFrom += min(v.CutFrom, 1) } },
	"drops the last entry":  func(p *planted) { p.save = func(v *replica.Save) { v.Append = v.Append[:max(len(v.Append)-1, 0)] } },
	"does not compact":      func(p *planted) { p.save = func(v *replica.Save) { v.Compact = 0 } },
	"ignores installations": func(p *planted) { p.save = func(v *replica.Save) { v.Install = nil } },
	"ignores an applied index without effects": func(p *planted) {
		p.save = func(v *replica.Save) {
			if len(v.Effects) == 0 {
				v.Applied = 0
			}
		}
	},
	"takes any seq":      func(p *planted) { p.save = func(v *replica.Save) { v.Seq = memoryOf(p).image.Load().seq + 1 } },
	"wrong digest":       func(p *planted) { p.saved = func(s *replica.Saved) { s.Digest[1]++ } },
	"wrong seq":          func(p *planted) { p.saved = func(s *replica.Saved) { s.Seq++ } },
	"no hot rows":        func(p *planted) { p.saved = func(s *replica.Saved) { s.Hot = nil } },
	"hot rows backwards": func(p *planted) { p.recover = func(r *replica.Recovered) { slices.Reverse(r.Hot) } },
	"same boot for ever": func(p *planted) { p.recover = func(r *replica.Recovered) { r.Boot = 1 } },
	"recovers less log": func(p *planted) {
		p.recover = func(r *replica.Recovered) { r.Raft.Entries = r.Raft.Entries[:max(len(r.Raft.Entries)-1, 0)] }
	},
	"forgets times":       func(p *planted) { p.recover = func(r *replica.Recovered) { r.Raft.Compact.Time = 0 } },
	"is not poisoned":     func(p *planted) { p.failed = reopened },
	"ignores desc":        func(p *planted) { p.rows = eachRange(func(r *row.Range) { r.Desc = false }) },
	"ignores limits":      func(p *planted) { p.rows = eachRange(func(r *row.Range) { r.Limit = 0 }) },
	"one range too far":   func(p *planted) { p.rows = eachRange(func(r *row.Range) { r.To++ }) },
	"one view per range":  func(p *planted) { p.rows = oneByOne },
	"snapshot of another": func(p *planted) { p.export = func(s *replica.Snapshot) { s.Mark.Chain[0]++ } },
	"opens for anybody": func(p *planted) {
		p.open = func(p *planted, _ [16]byte, _ raft.ID) (replica.Store, error) {
			return p.Site.Open(p.birth.Cluster, p.birth.Node)
		}
	},
	"opens twice": func(p *planted) {
		p.open = func(p *planted, c [16]byte, n raft.ID) (replica.Store, error) {
			memoryOf(p).open = nil
			return p.Site.Open(c, n)
		}
	},
	"loses the last save in a crash": func(p *planted) {
		var before *image
		p.save = func(*replica.Save) { before = memoryOf(p).image.Load() }
		p.crash = func(p *planted) {
			if before != nil {
				memoryOf(p).image.Store(before)
			}
		}
	},
	"splits a save": func(p *planted) {
		p.save = func(v *replica.Save) {
			v.Seq += p.extra
			now := memoryOf(p).image.Load()
			first := replica.Save{Seq: v.Seq, Hard: v.Hard}
			if next, err := now.after(first, suite); v.Hard != nil && err == nil {
				memoryOf(p).image.Store(next)
				p.extra++
				v.Seq, v.Hard = v.Seq+1, nil
			}
		}
		p.saved = func(s *replica.Saved) { s.Seq -= p.extra }
	},
}

func withHard(h *raft.Hard, alter func(*raft.Hard)) *raft.Hard {
	if h == nil {
		return nil
	}
	c := *h
	alter(&c)
	return &c
}

func without(list []row.Effect, op row.Op) []row.Effect {
	return slices.DeleteFunc(slices.Clone(list), func(e row.Effect) bool { return e.Op == op })
}

func opAs(list []row.Effect, from, to row.Op) []row.Effect {
	list = slices.Clone(list)
	for i := range list {
		if list[i].Op == from {
			list[i].Op = to
		}
	}
	return list
}

func reversed(list []row.Effect) []row.Effect {
	list = slices.Clone(list)
	slices.Reverse(list)
	return list
}

func eachRange(alter func(*row.Range)) func(replica.Store, []row.Range) (replica.Rows, error) {
	return func(s replica.Store, ranges []row.Range) (replica.Rows, error) {
		ranges = slices.Clone(ranges)
		for i := range ranges {
			alter(&ranges[i])
		}
		return s.Rows(ranges)
	}
}

func oneByOne(s replica.Store, ranges []row.Range) (all replica.Rows, err error) {
	for _, r := range ranges {
		one, err := s.Rows([]row.Range{r})
		if err != nil {
			return all, err
		}
		all.Index, all.Sets = one.Index, append(all.Sets, one.Sets...)
		runtime.Gosched()
	}
	return all, nil
}

// Every planted bug is found by the suite. A suite that finds nothing proves nothing.
func TestPlantedBugs(t *testing.T) {
	for name, plant := range bugs {
		t.Run(name, func(t *testing.T) {
			f := func(_ testing.TB, b Birth) Site {
				p := &planted{Site: NewMemory(b), birth: b}
				plant(p)
				return p
			}
			var found []string
			for _, c := range tests() {
				if fails(t, c, f) {
					found = append(found, c.name)
				}
			}
			t.Logf("found by %d tests: %q", len(found), found)
			if len(found) == 0 {
				t.Error("not found")
			}
		})
	}
	if fails(t, durableTests[0], memory) {
		t.Error("a right store is found guilty")
	}
}

// judge is a testing.TB that notes failures instead of passing them on.
type judge struct {
	testing.TB
	guilty bool
}

func (j *judge) Errorf(string, ...any) { j.guilty = true }
func (j *judge) Error(...any)          { j.guilty = true }
func (j *judge) Fatalf(string, ...any) { j.guilty = true; runtime.Goexit() }
func (j *judge) Fatal(...any)          { j.guilty = true; runtime.Goexit() }
func (j *judge) Failed() bool          { return j.guilty }

func fails(t *testing.T, c test, f Factory) bool {
	j := &judge{TB: t}
	done := make(chan struct{})
	go func() {
		defer close(done)
		defer func() {
			if recover() != nil {
				j.guilty = true
			}
		}()
		c.run(j, f)
	}()
	<-done
	return j.guilty
}

// Random lives find bugs by themselves, but for those that no life within the contract can meet.
func TestDifferFindsBugs(t *testing.T) {
	beyond := []string{"one view per range", "opens for anybody", "opens twice", "takes any seq"}
	for _, name := range slices.Sorted(maps.Keys(bugs)) {
		f := func(_ testing.TB, b Birth) Site {
			p := &planted{Site: NewMemory(b), birth: b}
			bugs[name](p)
			return p
		}
		found := false
		for seed := uint64(0); seed < 60 && !found; seed++ {
			random := rand.New(rand.NewPCG(seed, 1))
			found = failsToDiffer(t, f, random.IntN)
		}
		if found == slices.Contains(beyond, name) {
			t.Errorf("%s: found: %t", name, found)
		}
	}
}

// failsToDiffer counts a panic as a difference too: some bugs break the store's own order.
func failsToDiffer(t *testing.T, f Factory, pick func(int) int) (found bool) {
	defer func() {
		if recover() != nil {
			found = true
		}
	}()
	return Differ(t, f, 60, pick) != nil
}
