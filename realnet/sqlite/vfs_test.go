package sqlite

import (
	"io"
	"os"
	"path/filepath"
	"sync"
	"unsafe"

	"modernc.org/libc"
	lib "modernc.org/sqlite/lib"
)

// This file shows platters to SQLite: the methods of a VFS and of its files, as sqlite3.h has them.
// They behave like those of SQLite's own for Unix, down to what those ignore.

// at gives the thing in SQLite's memory at an address.
func at[T any](address uintptr) *T { return *(**T)(unsafe.Pointer(&address)) }

// bytesAt gives n bytes there.
func bytesAt(address uintptr, n int32) []byte { return unsafe.Slice(at[byte](address), n) }

// vfsHandle is what SQLite keeps for us of an open file.
type vfsHandle struct {
	methods uintptr
	id      uintptr
}

// vfsFile is an open file; of a database also what it has locked.
type vfsFile struct {
	*platterFile
	path      string
	dirUnsure bool  // made with a name that the first sync must keep, too
	level     int32 // SQLITE_LOCK_…
	shm       *sharedMemory
	holds     [lib.SQLITE_SHM_NLOCK]int32 // 0, SQLITE_SHM_SHARED or SQLITE_SHM_EXCLUSIVE
}

// sharedMemory is the WAL's index, which all connections to a database share.
type sharedMemory struct {
	regions []uintptr
	users   int
	shared  [lib.SQLITE_SHM_NLOCK]int
	alone   [lib.SQLITE_SHM_NLOCK]bool
}

var vfsFiles struct {
	sync.Mutex
	last uintptr
	by   map[uintptr]*vfsFile
}

func vfsFileOf(address uintptr) *vfsFile {
	vfsFiles.Lock()
	defer vfsFiles.Unlock()
	return vfsFiles.by[at[vfsHandle](address).id]
}

var (
	theVFS     lib.Tsqlite3_vfs
	theMethods lib.Tsqlite3_io_methods
)

// method puts a function where SQLite looks for its address.
func method[F any](to *uintptr, f F) { *(*F)(unsafe.Pointer(to)) = f }

// vfsName registers the VFS, once, and gives its name.
var vfsName = sync.OnceValue(func() string {
	const name = "platter"
	tls := libc.NewTLS() // for as long as the process
	own := at[lib.Tsqlite3_vfs](lib.Xsqlite3_vfs_find(tls, 0))
	cname, err := libc.CString(name)
	if err != nil {
		panic(err)
	}
	theMethods.FiVersion = 2
	method(&theMethods.FxClose, xClose)
	method(&theMethods.FxRead, xRead)
	method(&theMethods.FxWrite, xWrite)
	method(&theMethods.FxTruncate, xTruncate)
	method(&theMethods.FxSync, xSync)
	method(&theMethods.FxFileSize, xFileSize)
	method(&theMethods.FxLock, xLock)
	method(&theMethods.FxUnlock, xUnlock)
	method(&theMethods.FxCheckReservedLock, xCheckReservedLock)
	method(&theMethods.FxFileControl, xFileControl)
	method(&theMethods.FxSectorSize, xSectorSize)
	method(&theMethods.FxDeviceCharacteristics, xDeviceCharacteristics)
	method(&theMethods.FxShmMap, xShmMap)
	method(&theMethods.FxShmLock, xShmLock)
	method(&theMethods.FxShmBarrier, xShmBarrier)
	method(&theMethods.FxShmUnmap, xShmUnmap)

	theVFS.FiVersion, theVFS.FszOsFile = 2, int32(unsafe.Sizeof(vfsHandle{}))
	theVFS.FmxPathname, theVFS.FzName = 512, cname
	method(&theVFS.FxOpen, xOpen)
	method(&theVFS.FxDelete, xDelete)
	method(&theVFS.FxAccess, xAccess)
	method(&theVFS.FxFullPathname, xFullPathname)
	theVFS.FxRandomness, theVFS.FxSleep = own.FxRandomness, own.FxSleep
	theVFS.FxCurrentTime, theVFS.FxCurrentTimeInt64 = own.FxCurrentTime, own.FxCurrentTimeInt64
	theVFS.FxGetLastError = own.FxGetLastError
	if rc := lib.Xsqlite3_vfs_register(tls, uintptr(unsafe.Pointer(&theVFS)), 0); rc != lib.SQLITE_OK {
		panic(rc)
	}
	return name
})

// result is SQLite's word for err.
func result(err error, word int32) int32 {
	if err == nil {
		return lib.SQLITE_OK
	}
	return word
}

func xOpen(_ *libc.TLS, _, name, to uintptr, flags int32, out uintptr) int32 {
	h := at[vfsHandle](to)
	h.methods = 0
	f := &vfsFile{}
	if name == 0 { // a temporary file, which nobody sees
		scrap := newPlatterState()
		scrap.nodes = append(scrap.nodes, &node{})
		f.platterFile = &platterFile{p: &Platter{state: scrap, done: map[Kind]int{}}, node: 1}
	} else {
		f.path = libc.GoString(name)
		p, _ := platterOf(f.path)
		if p == nil {
			return lib.SQLITE_CANTOPEN
		}
		flag := os.O_RDWR
		if flags&lib.SQLITE_OPEN_CREATE != 0 {
			flag |= os.O_CREATE
		}
		p.mu.Lock()
		opened, err := p.openIn(p.life, f.path, flag)
		p.mu.Unlock()
		if err != nil {
			return lib.SQLITE_CANTOPEN
		}
		f.platterFile = opened
		f.dirUnsure = flag&os.O_CREATE != 0 && flags&(lib.SQLITE_OPEN_WAL|lib.SQLITE_OPEN_MAIN_JOURNAL) != 0
	}
	vfsFiles.Lock()
	vfsFiles.last++
	if vfsFiles.by == nil {
		vfsFiles.by = map[uintptr]*vfsFile{}
	}
	vfsFiles.by[vfsFiles.last] = f
	h.id = vfsFiles.last
	vfsFiles.Unlock()
	if out != 0 {
		*at[int32](out) = flags
	}
	h.methods = uintptr(unsafe.Pointer(&theMethods))
	return lib.SQLITE_OK
}

func xDelete(_ *libc.TLS, _, name uintptr, syncDir int32) int32 {
	path := libc.GoString(name)
	p, _ := platterOf(path)
	if p == nil {
		return lib.SQLITE_IOERR_DELETE
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	err := p.removeIn(p.life, path)
	switch {
	case missing(err):
		return lib.SQLITE_IOERR_DELETE_NOENT
	case err == nil && syncDir != 0:
		return result(p.syncIn(p.life, filepath.Dir(path)), lib.SQLITE_IOERR_DIR_FSYNC)
	}
	return result(err, lib.SQLITE_IOERR_DELETE)
}

// An empty file counts as none.
func xAccess(_ *libc.TLS, _, name uintptr, flags int32, out uintptr) int32 {
	path := libc.GoString(name)
	*at[int32](out) = 0
	p, _ := platterOf(path)
	if p == nil {
		return lib.SQLITE_OK
	}
	size, err := p.size(path)
	if err == nil && (size > 0 || flags != lib.SQLITE_ACCESS_EXISTS) {
		*at[int32](out) = 1
	}
	return lib.SQLITE_OK
}

func xFullPathname(_ *libc.TLS, _, name uintptr, most int32, out uintptr) int32 {
	path := libc.GoString(name)
	if len(path) >= int(most) {
		return lib.SQLITE_CANTOPEN
	}
	copy(bytesAt(out, most), path+"\x00")
	return lib.SQLITE_OK
}

func xClose(tls *libc.TLS, address uintptr) int32 {
	f := vfsFileOf(address)
	xUnlock(tls, address, lib.SQLITE_LOCK_NONE)
	f.unmap()
	vfsFiles.Lock()
	delete(vfsFiles.by, at[vfsHandle](address).id)
	vfsFiles.Unlock()
	return lib.SQLITE_OK
}

func xRead(_ *libc.TLS, address, to uintptr, n int32, off int64) int32 {
	b := bytesAt(to, n)
	got, err := vfsFileOf(address).ReadAt(b, off)
	if err == io.EOF {
		clear(b[got:])
		return lib.SQLITE_IOERR_SHORT_READ
	}
	return result(err, lib.SQLITE_IOERR_READ)
}

func xWrite(_ *libc.TLS, address, from uintptr, n int32, off int64) int32 {
	_, err := vfsFileOf(address).WriteAt(bytesAt(from, n), off)
	return result(err, lib.SQLITE_IOERR_WRITE)
}

func xTruncate(_ *libc.TLS, address uintptr, size int64) int32 {
	return result(vfsFileOf(address).truncate(size), lib.SQLITE_IOERR_TRUNCATE)
}

func xSync(_ *libc.TLS, address uintptr, _ int32) int32 {
	f := vfsFileOf(address)
	if err := f.sync(); err != nil {
		return lib.SQLITE_IOERR_FSYNC
	}
	if f.dirUnsure {
		f.p.mu.Lock()
		_ = f.p.syncIn(f.life, filepath.Dir(f.path)) // SQLite's own does not look either
		f.p.mu.Unlock()
		f.dirUnsure = false
	}
	return lib.SQLITE_OK
}

func xFileSize(_ *libc.TLS, address, out uintptr) int32 {
	size, err := vfsFileOf(address).size()
	*at[int64](out) = size
	return result(err, lib.SQLITE_IOERR_FSTAT)
}

func xLock(_ *libc.TLS, address uintptr, level int32) int32 {
	f := vfsFileOf(address)
	f.p.mu.Lock()
	defer f.p.mu.Unlock()
	if f.life != f.p.life {
		return lib.SQLITE_IOERR_LOCK
	}
	n := f.p.state.nodes[f.node]
	others := func(holder *vfsFile) bool { return holder != nil && holder != f }
	if level <= f.level {
		return lib.SQLITE_OK
	}
	switch {
	case others(n.exclusive), others(n.pendingLock):
		return lib.SQLITE_BUSY
	case level >= lib.SQLITE_LOCK_RESERVED && others(n.reserved):
		return lib.SQLITE_BUSY
	}
	switch level {
	case lib.SQLITE_LOCK_SHARED:
		n.readers++
	case lib.SQLITE_LOCK_RESERVED:
		n.reserved = f
	case lib.SQLITE_LOCK_EXCLUSIVE:
		n.pendingLock = f
		if n.readers > 1 {
			f.level = lib.SQLITE_LOCK_PENDING
			return lib.SQLITE_BUSY
		}
		n.exclusive = f
	}
	f.level = level
	return lib.SQLITE_OK
}

func xUnlock(_ *libc.TLS, address uintptr, level int32) int32 {
	f := vfsFileOf(address)
	f.p.mu.Lock()
	defer f.p.mu.Unlock()
	if level >= f.level {
		return lib.SQLITE_OK
	}
	had := f.level
	f.level = level
	if f.life != f.p.life {
		return lib.SQLITE_OK
	}
	n := f.p.state.nodes[f.node]
	for _, holder := range []**vfsFile{&n.reserved, &n.pendingLock, &n.exclusive} {
		if *holder == f {
			*holder = nil
		}
	}
	if level == lib.SQLITE_LOCK_NONE && had >= lib.SQLITE_LOCK_SHARED {
		n.readers--
	}
	return lib.SQLITE_OK
}

func xCheckReservedLock(_ *libc.TLS, address, out uintptr) int32 {
	f := vfsFileOf(address)
	f.p.mu.Lock()
	defer f.p.mu.Unlock()
	*at[int32](out) = 0
	if f.p.state.nodes[f.node].reserved != nil {
		*at[int32](out) = 1
	}
	return lib.SQLITE_OK
}

// Asked how much is mapped into memory it says: nothing.
func xFileControl(_ *libc.TLS, _ uintptr, op int32, arg uintptr) int32 {
	if op == lib.SQLITE_FCNTL_MMAP_SIZE {
		*at[int64](arg) = 0
		return lib.SQLITE_OK
	}
	return lib.SQLITE_NOTFOUND
}

func xSectorSize(*libc.TLS, uintptr) int32 { return 4096 }

func xDeviceCharacteristics(*libc.TLS, uintptr) int32 {
	return lib.SQLITE_IOCAP_POWERSAFE_OVERWRITE | lib.SQLITE_IOCAP_SUBPAGE_READ
}

const regionSize = 32768

func xShmMap(tls *libc.TLS, address uintptr, i, size, extend int32, out uintptr) int32 {
	f := vfsFileOf(address)
	f.p.mu.Lock()
	defer f.p.mu.Unlock()
	*at[uintptr](out) = 0
	if f.life != f.p.life || size != regionSize {
		return lib.SQLITE_IOERR_SHMMAP
	}
	if f.shm == nil {
		if f.shm = f.p.shared[f.node]; f.shm == nil {
			f.shm = &sharedMemory{}
			f.p.shared[f.node] = f.shm
		}
		f.shm.users++
	}
	for int(i) >= len(f.shm.regions) {
		if extend == 0 {
			return lib.SQLITE_OK
		}
		region := libc.Xcalloc(tls, 1, regionSize)
		if region == 0 {
			return lib.SQLITE_NOMEM
		}
		f.shm.regions = append(f.shm.regions, region)
	}
	*at[uintptr](out) = f.shm.regions[i]
	return lib.SQLITE_OK
}

func xShmLock(_ *libc.TLS, address uintptr, first, n, flags int32) int32 {
	f := vfsFileOf(address)
	f.p.mu.Lock()
	defer f.p.mu.Unlock()
	if f.shm == nil {
		return lib.SQLITE_IOERR_SHMLOCK
	}
	if flags&lib.SQLITE_SHM_UNLOCK != 0 {
		for i := first; i < first+n; i++ {
			f.shm.release(i, f)
		}
		return lib.SQLITE_OK
	}
	alone := flags&lib.SQLITE_SHM_EXCLUSIVE != 0
	for i := first; i < first+n; i++ {
		others := f.shm.shared[i]
		if f.holds[i] == lib.SQLITE_SHM_SHARED {
			others--
		}
		if f.holds[i] != lib.SQLITE_SHM_EXCLUSIVE && (f.shm.alone[i] || alone && others > 0) {
			return lib.SQLITE_BUSY
		}
	}
	for i := first; i < first+n; i++ {
		if f.holds[i] != 0 {
			continue
		}
		if f.holds[i] = lib.SQLITE_SHM_SHARED; alone {
			f.holds[i], f.shm.alone[i] = lib.SQLITE_SHM_EXCLUSIVE, true
		} else {
			f.shm.shared[i]++
		}
	}
	return lib.SQLITE_OK
}

func (m *sharedMemory) release(i int32, f *vfsFile) {
	switch f.holds[i] {
	case lib.SQLITE_SHM_SHARED:
		m.shared[i]--
	case lib.SQLITE_SHM_EXCLUSIVE:
		m.alone[i] = false
	}
	f.holds[i] = 0
}

func xShmBarrier(_ *libc.TLS, address uintptr) {
	f := vfsFileOf(address)
	f.p.mu.Lock()
	defer f.p.mu.Unlock() // orders memory, too
}

func xShmUnmap(_ *libc.TLS, address uintptr, _ int32) int32 {
	vfsFileOf(address).unmap()
	return lib.SQLITE_OK
}

// unmap lets go of the shared memory, and frees it if nobody else has it.
func (f *vfsFile) unmap() {
	f.p.mu.Lock()
	defer f.p.mu.Unlock()
	if f.shm == nil {
		return
	}
	for i := range f.holds {
		f.shm.release(int32(i), f)
	}
	if f.shm.users--; f.shm.users == 0 {
		for _, region := range f.shm.regions {
			libc.Xfree(nil, region)
		}
		if f.p.shared[f.node] == f.shm {
			delete(f.p.shared, f.node)
		}
	}
	f.shm = nil
}
