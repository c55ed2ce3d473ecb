package sqlite

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
)

// A Platter is a disk in memory that knows what was synced. All a store does goes through it: SQLite
// by way of a VFS (vfs_test.go), the package itself as its disk. It is strict where a real one may be
// kind: without a sync of the directory a name is not there after a power cut, nor a removal done.
//
// Each operation is numbered and can be made to fail. What was done can be recorded, and Crashes of
// crash_test.go makes disks of the record, as a power cut at each moment might leave them.
type Platter struct {
	root string // all its paths begin like this: there are many platters

	mu     sync.Mutex
	state  *platterState
	life   int // of the process that uses it; earlier ones are dead and do nothing any more
	locked map[string]int
	shared map[int]*sharedMemory
	record *Record // nil: none is kept
	done   map[Kind]int
	fail   Failure
}

// Kind is what an operation does.
type Kind string

// The kinds of operations that can fail.
const (
	Reading    Kind = "read"
	Writing    Kind = "write"
	Truncating Kind = "truncate"
	Syncing    Kind = "sync"
	SyncingDir Kind = "sync of a directory"
	Opening    Kind = "open"
	Looking    Kind = "look"
	Removing   Kind = "remove"
	Renaming   Kind = "rename"
)

// Kinds are all of them.
var Kinds = []Kind{Reading, Writing, Truncating, Syncing, SyncingDir, Opening, Looking, Removing, Renaming}

// Failure says which operation fails. A failed write may have been done in part; a failed sync leaves
// what it should have synced visible, clean, and not on the disk.
type Failure struct {
	Kind Kind
	Nth  int  // from 1; 0: none
	Ever bool // the later ones fail, too
	Half bool // of a failed write the first half is done
}

var errPlatter = errors.New("input/output error")
var errDead = errors.New("the process that opened this is dead")

var platters struct {
	sync.Mutex
	made int
	by   map[string]*Platter
}

// NewPlatter is an empty disk.
func NewPlatter() *Platter { return spin(newPlatterState()) }

// spin is a disk that holds s.
func spin(s *platterState) *Platter {
	platters.Lock()
	defer platters.Unlock()
	platters.made++
	p := &Platter{root: fmt.Sprintf("/platter-%d", platters.made), state: s, locked: map[string]int{},
		shared: map[int]*sharedMemory{}, done: map[Kind]int{}}
	if platters.by == nil {
		platters.by = map[string]*Platter{}
	}
	platters.by[p.root] = p
	return p
}

// Scrap forgets p.
func (p *Platter) Scrap() {
	p.Kill()
	platters.Lock()
	defer platters.Unlock()
	delete(platters.by, p.root)
}

// platterOf finds the disk that path is on, and the path there.
func platterOf(path string) (*Platter, string) {
	root, rest := path, ""
	if i := strings.IndexByte(path[1:], '/'); i >= 0 {
		root, rest = path[:i+1], path[i+1:]
	}
	platters.Lock()
	defer platters.Unlock()
	return platters.by[root], rest
}

// Dir is where a store may be on p.
func (p *Platter) Dir() string { return p.root + "/data" }

// Kill ends the process that uses p: it does nothing any more, and its locks are gone. What it wrote
// stays, as in the system's cache.
func (p *Platter) Kill() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.life++
	clear(p.locked)
	clear(p.shared)
	for _, n := range p.state.nodes {
		n.unlockAll()
	}
}

// Fail makes an operation from now on fail.
func (p *Platter) Fail(f Failure) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.fail = f
	clear(p.done)
}

// Done counts operations of a kind since Fail, or ever.
func (p *Platter) Done(k Kind) int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.done[k]
}

// attempt counts an operation of life, and says how it fails.
func (p *Platter) attempt(life int, k Kind) error {
	if life != p.life {
		return errDead
	}
	p.done[k]++
	n := p.done[k]
	if p.fail.Kind == k && p.fail.Nth > 0 && (n == p.fail.Nth || n > p.fail.Nth && p.fail.Ever) {
		return errPlatter
	}
	return nil
}

// do carries out c, and records it.
func (p *Platter) do(c change) {
	p.state.apply(c)
	if p.record != nil {
		p.record.changes = append(p.record.changes, c)
	}
}

// change is one operation that alters what is on the disk, or what of it is kept.
type change struct {
	what what
	node int    // the file, or the directory whose names change or are synced
	off  int64  // of a write; the size of a truncate
	data []byte // of a write
	sets map[string]int
	note func(*Note)
	n    int // its place among all, when it is pending
}

type what uint8

const (
	noted       what = iota // no operation: what the user of the disk knows from here on
	madeFile                // without a name yet
	madeDir                 //
	wrote                   //
	truncated               //
	named                   // names were set or removed
	synced                  // a file
	namesSynced             // a directory
	forgotten               // a sync failed: what was pending is not pending any more, only seen
)

// gone is where a name leads that is removed.
const gone = -1

// platterState is what a disk holds, once as it is seen and once as it is kept.
type platterState struct {
	nodes []*node
	clock int
}

type node struct {
	names map[string]int // of a directory; nil for a file
	kept  map[string]int

	seen, safe []byte   // of a file
	pending    []change // done but not synced, oldest first

	readers             int // locks, as SQLite has them
	reserved, exclusive *vfsFile
	pendingLock         *vfsFile
}

func (n *node) unlockAll() { n.readers, n.reserved, n.exclusive, n.pendingLock = 0, nil, nil, nil }

func newDirectory() *node { return &node{names: map[string]int{}, kept: map[string]int{}} }

func newPlatterState() *platterState { return &platterState{nodes: []*node{newDirectory()}} }

func (s *platterState) apply(c change) {
	n := s.nodes[c.node]
	s.clock++
	c.n = s.clock
	switch c.what {
	case madeFile:
		s.nodes = append(s.nodes, &node{})
	case madeDir:
		s.nodes = append(s.nodes, newDirectory())
	case wrote, truncated:
		n.seen = c.on(n.seen)
		n.pending = append(n.pending, c)
	case named:
		set(n.names, c.sets)
		n.pending = append(n.pending, c)
	case synced:
		for _, w := range n.pending {
			n.safe = w.on(n.safe)
		}
		n.pending = nil
	case namesSynced:
		n.kept, n.pending = maps.Clone(n.names), nil
	case forgotten:
		n.pending = nil
	}
}

// on is b after a write or truncate, in place if there is room.
func (c change) on(b []byte) []byte {
	if c.what == truncated {
		if c.off <= int64(len(b)) {
			return b[:c.off]
		}
		return stretch(b, c.off)
	}
	b = stretch(b, c.off+int64(len(c.data)))
	copy(b[c.off:], c.data)
	return b
}

// stretch makes b at least so long, with zeros.
func stretch(b []byte, size int64) []byte {
	if n := size - int64(len(b)); n > 0 {
		had := len(b)
		b = slices.Grow(b, int(n))[:size]
		clear(b[had:])
	}
	return b
}

func set(names, sets map[string]int) {
	for name, to := range sets {
		if to == gone {
			delete(names, name)
		} else {
			names[name] = to
		}
	}
}

// find follows a path from the top, by the names that are seen. It gives the directory, too, in which
// the last name is or would be; gone if there is none.
func (s *platterState) find(path string) (dir, at int) {
	dir, at = gone, 0
	for _, name := range strings.FieldsFunc(path, func(r rune) bool { return r == '/' }) {
		if at == gone || s.nodes[at].names == nil {
			return gone, gone
		}
		dir = at
		to, ok := s.nodes[dir].names[name]
		if !ok {
			to = gone
		}
		at = to
	}
	return dir, at
}

// make adds a node under a name that is free.
func (p *Platter) make(dir int, name string, directory bool) int {
	id := len(p.state.nodes)
	what := madeFile
	if directory {
		what = madeDir
	}
	p.do(change{what: what})
	if dir != gone {
		p.do(change{what: named, node: dir, sets: map[string]int{name: id}})
	}
	return id
}

// local is path without the root.
func (p *Platter) local(path string) string { return strings.TrimPrefix(path, p.root) }

func notThere(doing, path string) error {
	return &fs.PathError{Op: doing, Path: path, Err: fs.ErrNotExist}
}

// Platter as disk.

func (p *Platter) vfs() string { return vfsName() }

func (p *Platter) open(path string, flag int) (file, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.openIn(p.life, path, flag)
}

func (p *Platter) openIn(life int, path string, flag int) (*platterFile, error) {
	if err := p.attempt(life, Opening); err != nil {
		return nil, err
	}
	dir, at := p.state.find(p.local(path))
	if at == gone {
		if flag&os.O_CREATE == 0 || dir == gone {
			return nil, notThere("open", path)
		}
		at = p.make(dir, filepath.Base(path), false)
	}
	return &platterFile{p: p, life: life, node: at}, nil
}

// platterFile is an open file.
type platterFile struct {
	p    *Platter
	life int
	node int
}

func (f *platterFile) ReadAt(b []byte, off int64) (int, error) {
	f.p.mu.Lock()
	defer f.p.mu.Unlock()
	if err := f.p.attempt(f.life, Reading); err != nil {
		return 0, err
	}
	seen := f.p.state.nodes[f.node].seen
	if off >= int64(len(seen)) {
		return 0, io.EOF
	}
	n := copy(b, seen[off:])
	if n < len(b) {
		return n, io.EOF
	}
	return n, nil
}

func (f *platterFile) WriteAt(b []byte, off int64) (int, error) {
	f.p.mu.Lock()
	defer f.p.mu.Unlock()
	err := f.p.attempt(f.life, Writing)
	n := len(b)
	if err == errDead || err != nil && !f.p.fail.Half {
		return 0, err
	} else if err != nil {
		n /= 2
	}
	f.p.do(change{what: wrote, node: f.node, off: off, data: slices.Clone(b[:n])})
	return n, err
}

func (f *platterFile) Close() error { return nil }

func (f *platterFile) truncate(size int64) error {
	f.p.mu.Lock()
	defer f.p.mu.Unlock()
	if err := f.p.attempt(f.life, Truncating); err != nil {
		return err
	}
	f.p.do(change{what: truncated, node: f.node, off: size})
	return nil
}

func (f *platterFile) size() (int64, error) {
	f.p.mu.Lock()
	defer f.p.mu.Unlock()
	if err := f.p.attempt(f.life, Looking); err != nil {
		return 0, err
	}
	return int64(len(f.p.state.nodes[f.node].seen)), nil
}

func (f *platterFile) sync() error {
	f.p.mu.Lock()
	defer f.p.mu.Unlock()
	return f.p.syncNode(f.life, f.node)
}

func (p *Platter) syncNode(life, at int) error {
	kind, done := Syncing, synced
	if p.state.nodes[at].names != nil {
		kind, done = SyncingDir, namesSynced
	}
	err := p.attempt(life, kind)
	switch {
	case err == nil:
		p.do(change{what: done, node: at})
	case err != errDead && kind == Syncing:
		p.do(change{what: forgotten, node: at})
	}
	return err
}

func (p *Platter) sync(path string) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.syncIn(p.life, path)
}

func (p *Platter) syncIn(life int, path string) error {
	_, at := p.state.find(p.local(path))
	if at == gone {
		return notThere("sync", path)
	}
	return p.syncNode(life, at)
}

func (p *Platter) lock(path string) (io.Closer, bool, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if _, err := p.openIn(p.life, path, os.O_CREATE); err != nil {
		return nil, false, err
	}
	if _, held := p.locked[path]; held {
		return nil, false, nil
	}
	p.locked[path] = p.life
	return unlocker{p, path, p.life}, true, nil
}

type unlocker struct {
	p    *Platter
	path string
	life int
}

func (u unlocker) Close() error {
	u.p.mu.Lock()
	defer u.p.mu.Unlock()
	if u.life == u.p.life {
		delete(u.p.locked, u.path)
	}
	return nil
}

func (p *Platter) size(path string) (int64, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.sizeIn(p.life, path)
}

func (p *Platter) sizeIn(life int, path string) (int64, error) {
	if err := p.attempt(life, Looking); err != nil {
		return 0, err
	}
	_, at := p.state.find(p.local(path))
	if at == gone {
		return 0, notThere("stat", path)
	}
	return int64(len(p.state.nodes[at].seen)), nil
}

func (p *Platter) names(dir string) ([]string, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if err := p.attempt(p.life, Looking); err != nil {
		return nil, err
	}
	_, at := p.state.find(p.local(dir))
	if at == gone || p.state.nodes[at].names == nil {
		return nil, notThere("readdir", dir)
	}
	return slices.Sorted(maps.Keys(p.state.nodes[at].names)), nil
}

func (p *Platter) mkdirAll(dir string) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if _, at := p.state.find(p.local(dir)); at == gone {
		return notThere("mkdir", dir) // nothing here is that deep
	}
	return nil
}

func (p *Platter) mkdirTemp(dir, pattern string) (string, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if err := p.attempt(p.life, Opening); err != nil {
		return "", err
	}
	_, at := p.state.find(p.local(dir))
	name := strings.Replace(pattern, "*", fmt.Sprint(len(p.state.nodes)), 1)
	p.make(at, name, true)
	return filepath.Join(dir, name), nil
}

func (p *Platter) rename(from, to string) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if err := p.attempt(p.life, Renaming); err != nil {
		return err
	}
	dir, at := p.state.find(p.local(from))
	if other, _ := p.state.find(p.local(to)); at == gone || other != dir {
		return notThere("rename", from)
	}
	p.do(change{what: named, node: dir, sets: map[string]int{filepath.Base(from): gone, filepath.Base(to): at}})
	return nil
}

func (p *Platter) remove(path string) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.removeIn(p.life, path)
}

func (p *Platter) removeIn(life int, path string) error {
	if err := p.attempt(life, Removing); err != nil {
		return err
	}
	dir, at := p.state.find(p.local(path))
	if at == gone {
		return notThere("remove", path)
	}
	p.do(change{what: named, node: dir, sets: map[string]int{filepath.Base(path): gone}})
	return nil
}

func (p *Platter) removeAll(path string) error {
	err := p.remove(path)
	if missing(err) {
		return nil
	}
	return err
}
