package realnet

import (
	"crypto/rand"
	"crypto/subtle"
	"encoding/base64"
	"fmt"
	"sync"

	"golang.org/x/crypto/argon2"
)

// Argon is the price of a password: what a guess costs an attacker, and a login the server.
type Argon struct {
	MemoryKiB uint32
	Passes    uint32
	Lanes     uint8
}

// DefaultArgon takes some 28 ms and 19 MiB. Tests use a cheap one.
var DefaultArgon = Argon{MemoryKiB: 19 << 10, Passes: 2, Lanes: 1}

const (
	saltLen = 16
	keyLen  = 32
)

// hash makes the encoded, salted hash of a password, in the form PHC agreed on.
func (a Argon) hash(password string) string {
	var salt [saltLen]byte
	rand.Read(salt[:]) // never fails
	key := argon2.IDKey([]byte(password), salt[:], a.Passes, a.MemoryKiB, a.Lanes, keyLen)
	return fmt.Sprintf("$argon2id$v=%d$m=%d,t=%d,p=%d$%s$%s", argon2.Version, a.MemoryKiB, a.Passes, a.Lanes,
		base64.RawStdEncoding.EncodeToString(salt[:]), base64.RawStdEncoding.EncodeToString(key))
}

// verify checks a password against an encoded hash. If there is none, or none that can be read, the
// answer is no, and takes as long as a yes.
func (a Argon) verify(password, encoded string) bool {
	in, salt, key, err := parseHash(encoded)
	if err != nil {
		in, salt, key = a, make([]byte, saltLen), make([]byte, keyLen)
	}
	got := argon2.IDKey([]byte(password), salt, in.Passes, in.MemoryKiB, in.Lanes, keyLen)
	return subtle.ConstantTimeCompare(got, key) == 1 && err == nil
}

func parseHash(encoded string) (a Argon, salt, key []byte, err error) {
	var version int
	var rest string
	if _, err = fmt.Sscanf(encoded, "$argon2id$v=%d$m=%d,t=%d,p=%d$%s",
		&version, &a.MemoryKiB, &a.Passes, &a.Lanes, &rest); err != nil {
		return a, nil, nil, fmt.Errorf("password hash: %w", err)
	}
	// The hash comes from the log; still, no hash may ask for all the memory there is.
	if version != argon2.Version || a.MemoryKiB > 1<<20 || a.Passes == 0 || a.Passes > 100 || a.Lanes == 0 {
		return a, nil, nil, fmt.Errorf("password hash: version %d, %+v", version, a)
	}
	if len(rest) != base64.RawStdEncoding.EncodedLen(saltLen)+1+base64.RawStdEncoding.EncodedLen(keyLen) {
		return a, nil, nil, fmt.Errorf("password hash: %d bytes of salt and key", len(rest))
	}
	cut := base64.RawStdEncoding.EncodedLen(saltLen)
	salt, err = base64.RawStdEncoding.DecodeString(rest[:cut])
	if err == nil {
		key, err = base64.RawStdEncoding.DecodeString(rest[cut+1:])
	}
	return a, salt, key, err
}

// passwordJob is a password to be checked against a hash, or to be hashed.
type passwordJob struct {
	id       uint64
	password string
	verify   bool
	hash     string // verify
}

// passwordPool works on passwords two at a time, outside the loop: etcd once hashed while applying,
// and stalled its cluster (etcd #6530). What does not fit into its short queue is refused.
type passwordPool struct {
	argon Argon
	jobs  chan passwordJob
	done  sync.WaitGroup
}

const (
	passwordWorkers = 2
	passwordQueue   = 16
)

// newPasswordPool starts a pool; answer is called from its goroutines.
func newPasswordPool(argon Argon, answer func(job passwordJob, ok bool, hash string)) *passwordPool {
	p := &passwordPool{argon: argon, jobs: make(chan passwordJob, passwordQueue)}
	for range passwordWorkers {
		p.done.Go(func() {
			for job := range p.jobs {
				if job.verify {
					answer(job, argon.verify(job.password, job.hash), "")
				} else {
					answer(job, true, argon.hash(job.password))
				}
			}
		})
	}
	return p
}

// try takes a job if there is room.
func (p *passwordPool) try(job passwordJob) bool {
	select {
	case p.jobs <- job:
		return true
	default:
		return false
	}
}

// close ends the pool, when nobody tries any more.
func (p *passwordPool) close() {
	close(p.jobs)
	p.done.Wait()
}
