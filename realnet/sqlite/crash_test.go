package sqlite

import (
	"fmt"
	"hash/maphash"
	"maps"
	"math/rand/v2"
	"slices"

	"parley/core/row"
)

// Record is what was done to a platter, from a state on.
type Record struct {
	base    *platterState
	changes []change
}

// Note is what the user of a disk knows, and what must therefore be on it.
type Note struct {
	Made  bool   // Init said so
	Begun uint64 // Save was called with this Seq
	Acked uint64 // Save returned nil for this Seq, or Recover gave it
	Boot  uint64 // Open gave it
}

// Record begins a record. What is on the disk now is taken for synced.
func (p *Platter) Record() *Record {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.record = &Record{base: p.state.clone()}
	return p.record
}

// Note records what is known from now on.
func (p *Platter) Note(note func(*Note)) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.do(change{what: noted, note: note})
}

// Ops is how many changes were recorded.
func (r *Record) Ops() int { return len(r.changes) }

// Loss is what a power cut does to changes that were not synced.
type Loss int

// The losses. A sector is 512 bytes of a file; a write never harms bytes beside it, which is what
// SQLite asks of a disk (SQLITE_POWERSAFE_OVERWRITE).
const (
	Nothing    Loss = iota // of them is there
	Everything             // is there
	Prefix                 // of them is there, in the order in which they were made
	Sectors                // at random are there, as are names and lengths
	Torn                   // sectors, too, and others with rubbish
	AllButOne              // sector
	OnlyOne                // sector
	Losses                 // is how many there are
)

func (l Loss) String() string {
	return [...]string{"nothing", "everything", "a prefix", "some sectors", "some sectors, some torn", "all but one sector", "one sector"}[l]
}

// Crash is a disk after a power cut.
type Crash struct {
	At   int // so many changes had been made
	Loss Loss
	Note Note
	Disk *platterState
}

func (c Crash) String() string {
	return fmt.Sprintf("power lost after %d changes, %v kept of what was not synced", c.At, c.Loss)
}

// Crashes gives disks that a power cut at each moment may leave, several of each kind of loss that has
// something to lose. No two at a moment are the same.
func (r *Record) Crashes(seed uint64, each int, yield func(Crash) bool) {
	s, known := r.base.clone(), Note{}
	for at := 0; at <= len(r.changes); at++ {
		if at < len(r.changes) && r.changes[at].note != nil {
			r.changes[at].note(&known)
			continue
		}
		random := rand.New(rand.NewPCG(seed, uint64(at)))
		for _, c := range s.crashes(random, each) {
			c.At, c.Note = at, known
			if !yield(c) {
				return
			}
		}
		if at < len(r.changes) {
			s.apply(r.changes[at])
		}
	}
}

// One gives a random crash of the record, or of what came of it in the end.
func (r *Record) One(random *rand.Rand) Crash {
	s, known := r.base.clone(), Note{}
	at := random.IntN(len(r.changes) + 1)
	for i, c := range r.changes {
		switch {
		case c.note != nil && i <= at:
			c.note(&known)
		case i < at:
			s.apply(c)
		}
	}
	loss := Loss(random.IntN(int(Losses)))
	return Crash{At: at, Loss: loss, Note: known, Disk: s.crash(loss, random)}
}

func (s *platterState) crashes(random *rand.Rand, each int) (list []Crash) {
	pending := 0
	for _, n := range s.nodes {
		pending += len(n.pending)
	}
	had := map[uint64]bool{}
	for loss := range Losses {
		times := 1
		if loss >= Prefix {
			times = min(each, 2*pending)
		}
		for range times {
			disk := s.crash(loss, random)
			if h := disk.hash(); !had[h] {
				had[h] = true
				list = append(list, Crash{Loss: loss, Disk: disk})
			}
		}
	}
	return list
}

// crash is s after a power cut: what is kept, and of what is pending what the loss leaves.
func (s *platterState) crash(loss Loss, random *rand.Rand) *platterState {
	total, first := 0, s.clock+1
	for _, n := range s.nodes {
		for _, c := range n.pending {
			total += c.sectors()
			first = min(first, c.n)
		}
	}
	f := fate{loss: loss, random: random, until: first + random.IntN(s.clock+2-first)}
	if total > 0 {
		f.one = random.IntN(total)
	}
	after := &platterState{clock: s.clock}
	for _, n := range s.nodes {
		after.nodes = append(after.nodes, f.of(n))
	}
	return after
}

// fate decides sector by sector.
type fate struct {
	loss   Loss
	random *rand.Rand
	until  int // of Prefix: changes before this are there
	one    int // of AllButOne and OnlyOne: so many sectors to go
}

// of gives what is left of n, all of it safe.
func (f *fate) of(n *node) *node {
	if n.names != nil {
		kept := maps.Clone(n.kept)
		for _, c := range n.pending {
			if f.stays(c) {
				set(kept, c.sets)
			}
		}
		return &node{names: kept, kept: maps.Clone(kept)}
	}
	b := slices.Clone(n.safe)
	for _, c := range n.pending {
		if c.what == truncated {
			if f.stays(c) {
				b = c.on(b)
			}
			continue
		}
		for _, part := range c.split() {
			b = f.write(b, part)
		}
	}
	return &node{seen: b, safe: slices.Clone(b)}
}

// stays says whether a change, or a sector of one, is there.
func (f *fate) stays(c change) bool {
	switch f.loss {
	case Everything:
		return true
	case Prefix:
		return c.n < f.until
	case Sectors, Torn:
		return f.random.IntN(2) == 0
	case AllButOne, OnlyOne:
		f.one--
		return (f.one == -1) == (f.loss == OnlyOne)
	}
	return false
}

func (f *fate) write(b []byte, part change) []byte {
	if f.loss == Torn {
		switch f.random.IntN(8) {
		case 0:
			part.data = part.data[:f.random.IntN(len(part.data))]
			return part.on(b)
		case 1:
			rubbish := make([]byte, len(part.data))
			for i := range rubbish {
				rubbish[i] = byte(f.random.Uint32())
			}
			part.data = rubbish
			return part.on(b)
		}
	}
	if f.stays(part) {
		return part.on(b)
	}
	return b
}

const sectorSize = 512

func (c change) sectors() int {
	if c.what != wrote {
		return 1
	}
	return len(c.split())
}

// split cuts a write at the borders of sectors.
func (c change) split() (parts []change) {
	for len(c.data) > 0 {
		n := min(int64(len(c.data)), sectorSize-c.off%sectorSize)
		part := c
		part.data = c.data[:n]
		parts = append(parts, part)
		c.off, c.data = c.off+n, c.data[n:]
	}
	return parts
}

func (s *platterState) clone() *platterState {
	c := &platterState{clock: s.clock}
	for _, n := range s.nodes {
		if n.names != nil {
			c.nodes = append(c.nodes, &node{names: maps.Clone(n.names), kept: maps.Clone(n.names)})
		} else {
			c.nodes = append(c.nodes, &node{seen: slices.Clone(n.seen), safe: slices.Clone(n.seen)})
		}
	}
	return c
}

var hashSeed = maphash.MakeSeed()

func (s *platterState) hash() uint64 {
	var h maphash.Hash
	h.SetSeed(hashSeed)
	for i, n := range s.nodes {
		if n.names == nil {
			fmt.Fprintf(&h, "file %d %d ", i, len(n.seen))
			h.Write(n.seen)
		}
		for _, name := range slices.Sorted(maps.Keys(n.names)) {
			fmt.Fprintf(&h, "name %d %s %d ", i, name, n.names[name])
		}
	}
	return h.Sum64()
}

// Spin is a platter with this disk.
func (c Crash) Spin() *Platter { return spin(c.Disk.clone()) }

// Bits is how many bits a file in Dir has; none if there is no such file.
func (p *Platter) Bits(name string) int {
	p.mu.Lock()
	defer p.mu.Unlock()
	_, at := p.state.find(p.local(p.Dir()) + "/" + name)
	if at == gone {
		return 0
	}
	return 8 * len(p.state.nodes[at].seen)
}

// Lose removes a file in Dir behind everyone's back.
func (p *Platter) Lose(name string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	dir, _ := p.state.find(p.local(p.Dir()) + "/" + name)
	delete(p.state.nodes[dir].names, name)
	delete(p.state.nodes[dir].kept, name)
}

// Copy is a disk on which everything that is seen on p is kept.
func (p *Platter) Copy() *Platter {
	p.mu.Lock()
	defer p.mu.Unlock()
	return spin(p.state.clone())
}

// Crash is a disk that a power cut now may leave of p.
func (p *Platter) Crash(loss Loss, random *rand.Rand) *Platter {
	p.mu.Lock()
	defer p.mu.Unlock()
	return spin(p.state.crash(loss, random))
}

// Rotten is a copy of p in which one bit of a file is flipped.
func (p *Platter) Rotten(name string, bit int) *Platter {
	p.mu.Lock()
	defer p.mu.Unlock()
	s := p.state.clone()
	_, at := s.find(p.local(p.Dir()) + "/" + name)
	for _, b := range [][]byte{s.nodes[at].seen, s.nodes[at].safe} {
		b[bit/8] ^= 1 << (bit % 8)
	}
	return spin(s)
}

// The doors of the package for tests outside the package.

// InitOn is Init on a platter.
func InitOn(p *Platter, id Identity, genesis []row.Row, tables []*row.Table) error {
	return initialise(p, p.Dir(), id, genesis, tables)
}

// OpenOn is Open on a platter.
func OpenOn(p *Platter, want Identity, tables []*row.Table) (*Store, error) {
	return open(p, p.Dir(), want, tables)
}

// Exec runs a statement on the writer's connection.
func (s *Store) Exec(sql string) error { return s.w.exec(sql) }

// SetWALLimit makes checkpoints come sooner.
func (s *Store) SetWALLimit(bytes int64) { s.walLimit = bytes }
