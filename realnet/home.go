package realnet

import (
	"bytes"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"parley/core/chat"
	"parley/core/raft"
)

// Birth is what all founders of a cluster agree on before there is a log: who they are, and the
// replicated settings. It is fixed when the first founder's directory is made, and travels to the
// others as a token (Token, ParseToken), which holds the cluster's secret.
type Birth struct {
	Cluster  [16]byte
	Name     string // for people
	Epoch    uint64 // raised when a cluster is restored from a backup
	Secret   []byte // servers prove to each other that they know it
	Members  []Member
	Settings chat.Settings
	Backup   string // restored clusters: the SHA-256 of the backup that all founders begin with
}

// Member is a founder and the address at which the others, and clients, reach it.
type Member struct {
	ID      raft.ID
	Address string
}

// Home is what one server's directory says of it.
type Home struct {
	Birth
	ID     raft.ID
	Listen string
}

// NewBirth draws a cluster's id and secret.
func NewBirth(name string, members []Member, settings chat.Settings) (Birth, error) {
	b := Birth{Name: name, Epoch: 1, Secret: make([]byte, 32), Members: slices.Clone(members), Settings: settings}
	rand.Read(b.Cluster[:]) // never fails
	rand.Read(b.Secret)
	slices.SortFunc(b.Members, func(x, y Member) int { return int(x.ID) - int(y.ID) })
	return b, b.check()
}

func (b *Birth) check() error {
	if err := b.Settings.Check(); err != nil {
		return err
	}
	if len(b.Members) == 0 || len(b.Members) > 7 {
		return fmt.Errorf("%d members; a cluster has 1 to 7", len(b.Members))
	}
	addresses := map[string]raft.ID{}
	for i, m := range b.Members {
		if m.ID == 0 || m.ID > 1<<20 || i > 0 && b.Members[i-1].ID >= m.ID {
			return fmt.Errorf("member %d has id %d; ids count from 1 and differ", i+1, m.ID)
		}
		if _, _, err := net.SplitHostPort(m.Address); err != nil {
			return fmt.Errorf("address of n%d: %w", m.ID, err)
		}
		if other, taken := addresses[m.Address]; taken {
			return fmt.Errorf("n%d and n%d both have address %s", other, m.ID, m.Address)
		}
		addresses[m.Address] = m.ID
	}
	if len(b.Secret) != 32 {
		return fmt.Errorf("a secret of %d bytes, want 32", len(b.Secret))
	}
	return nil
}

// Address is where a member is reached; empty if there is no such member.
func (b *Birth) Address(id raft.ID) string {
	for _, m := range b.Members {
		if m.ID == id {
			return m.Address
		}
	}
	return ""
}

// Voters are the members' ids, sorted.
func (b *Birth) Voters() []raft.ID {
	var ids []raft.ID
	for _, m := range b.Members {
		ids = append(ids, m.ID)
	}
	return ids
}

// Chain is the seed of the log's hash chain: other clusters, and this one restored, have others.
func (b *Birth) Chain() raft.Chain {
	h := sha256.New()
	fmt.Fprintf(h, "parley chain %d\n", b.Epoch)
	h.Write(b.Cluster[:])
	h.Write([]byte(b.Backup))
	return raft.Chain(h.Sum(nil)[:16])
}

// seed makes the generator of one life differ from those of all others.
func (h *Home) seed(boot uint64) uint64 {
	sum := sha256.Sum256(fmt.Appendf(nil, "parley seed %x %d %d", h.Cluster, h.ID, boot))
	return binary.BigEndian.Uint64(sum[:])
}

const tokenPrefix = "parley1-"

// Token is the birth as one word, to be given to the other founders. Whoever has it can pose as one.
func (b *Birth) Token() string {
	text, _ := json.Marshal(b.file()) // plain data
	sum := sha256.Sum256(text)
	return tokenPrefix + base64.RawURLEncoding.EncodeToString(append(text, sum[:4]...))
}

// ParseToken reads a token again.
func ParseToken(token string) (Birth, error) {
	rest, ok := strings.CutPrefix(strings.TrimSpace(token), tokenPrefix)
	if !ok {
		return Birth{}, fmt.Errorf("not a cluster token: those begin with %q", tokenPrefix)
	}
	raw, err := base64.RawURLEncoding.DecodeString(rest)
	if err != nil || len(raw) < 4 {
		return Birth{}, errors.New("cluster token is damaged: copy all of it")
	}
	text, sum := raw[:len(raw)-4], raw[len(raw)-4:]
	if want := sha256.Sum256(text); !bytes.Equal(sum, want[:4]) {
		return Birth{}, errors.New("cluster token is damaged: copy all of it")
	}
	var f birthFile
	if err := json.Unmarshal(text, &f); err != nil {
		return Birth{}, fmt.Errorf("cluster token: %w", err)
	}
	return f.birth()
}

// homeFile is node.json. The secret is in it, so it is for its owner's eyes only (0600).
type homeFile struct {
	Node   string `json:"node"`
	Listen string `json:"listen"`
	birthFile
}

type birthFile struct {
	Cluster  string            `json:"cluster"`
	Name     string            `json:"name"`
	Epoch    uint64            `json:"epoch"`
	Secret   []byte            `json:"secret"`
	Members  map[string]string `json:"members"`
	Settings chat.Settings     `json:"settings"`
	Backup   string            `json:"backup,omitempty"`
}

func (b *Birth) file() birthFile {
	f := birthFile{
		Cluster: hex.EncodeToString(b.Cluster[:]), Name: b.Name, Epoch: b.Epoch, Secret: b.Secret,
		Members: map[string]string{}, Settings: b.Settings, Backup: b.Backup,
	}
	for _, m := range b.Members {
		f.Members[NodeName(m.ID)] = m.Address
	}
	return f
}

func (f *birthFile) birth() (Birth, error) {
	b := Birth{Name: f.Name, Epoch: f.Epoch, Secret: f.Secret, Settings: f.Settings, Backup: f.Backup}
	if n, err := hex.Decode(b.Cluster[:], []byte(f.Cluster)); err != nil || n != len(b.Cluster) || len(f.Cluster) != 32 {
		return Birth{}, fmt.Errorf("cluster id %q: want 32 hexadecimal digits", f.Cluster)
	}
	for name, address := range f.Members {
		id, err := ParseNode(name)
		if err != nil {
			return Birth{}, err
		}
		b.Members = append(b.Members, Member{id, address})
	}
	slices.SortFunc(b.Members, func(x, y Member) int { return int(x.ID) - int(y.ID) })
	return b, b.check()
}

// NodeName is a server's name for people.
func NodeName(id raft.ID) string { return "n" + strconv.FormatUint(uint64(id), 10) }

// ParseNode reads a server's name.
func ParseNode(name string) (raft.ID, error) {
	digits, ok := strings.CutPrefix(name, "n")
	id, err := strconv.ParseUint(digits, 10, 20)
	if !ok || err != nil || id == 0 || NodeName(raft.ID(id)) != name {
		return 0, fmt.Errorf("server name %q: they are n1, n2, n3, and so on", name)
	}
	return raft.ID(id), nil
}

const (
	homeName  = "node.json"
	storeName = "store"
)

func homeStore(dir string) string { return filepath.Join(dir, storeName) }

// ErrExists says that a directory to be made has something in it.
var ErrExists = errors.New("there is data already")

// CreateHome makes a server's directory: all of it, or nothing. makeStore makes the empty store; nil
// is the one that OpenServer opens.
func CreateHome(dir string, h Home, makeStore func(dir string, h *Home) error) error {
	if makeStore == nil {
		makeStore = createStore
	}
	if h.Address(h.ID) == "" {
		return fmt.Errorf("%s is not a member of cluster %s: members are %s", NodeName(h.ID), h.Name, h.memberList())
	}
	dir = filepath.Clean(dir)
	if err := mustBeEmpty(dir); err != nil {
		return err
	}
	parent := filepath.Dir(dir)
	if err := os.MkdirAll(parent, 0o700); err != nil {
		return err
	}
	draft, err := os.MkdirTemp(parent, filepath.Base(dir)+".init-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(draft) // nothing is left of it if all goes well
	if err := makeStore(homeStore(draft), &h); err != nil {
		return fmt.Errorf("make the store: %w", err)
	}
	if err := writeHome(filepath.Join(draft, homeName), &h); err != nil {
		return err
	}
	_ = os.Remove(dir) // empty, or not there
	if err := os.Rename(draft, dir); err != nil {
		return err
	}
	return fsyncDir(parent)
}

func mustBeEmpty(dir string) error {
	entries, err := os.ReadDir(dir)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return err
	case len(entries) > 0:
		return fmt.Errorf("%s: %w", dir, ErrExists)
	}
	return nil
}

func writeHome(path string, h *Home) error {
	text, err := json.MarshalIndent(homeFile{NodeName(h.ID), h.Listen, h.file()}, "", "  ")
	if err != nil {
		return err
	}
	f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(append(text, '\n'))
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	return fsyncDir(filepath.Dir(path))
}

func fsyncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// LoadHome reads a server's directory.
func LoadHome(dir string) (*Home, error) {
	path := filepath.Join(dir, homeName)
	info, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%s holds no server: parleyd init makes one", dir)
	} else if err != nil {
		return nil, err
	}
	if info.Mode().Perm()&0o077 != 0 {
		return nil, fmt.Errorf("%s holds a secret and is open to others (mode %o): chmod 600 it", path, info.Mode().Perm())
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	var f homeFile
	if err := json.Unmarshal(text, &f); err != nil {
		return nil, fmt.Errorf("read %s: %w", path, err)
	}
	h := &Home{Listen: f.Listen}
	if h.ID, err = ParseNode(f.Node); err != nil {
		return nil, fmt.Errorf("read %s: %w", path, err)
	}
	if h.Birth, err = f.birth(); err != nil {
		return nil, fmt.Errorf("read %s: %w", path, err)
	}
	if h.Address(h.ID) == "" {
		return nil, fmt.Errorf("read %s: %s is not among the members %s", path, f.Node, h.memberList())
	}
	return h, nil
}

func (b *Birth) memberList() string {
	var names []string
	for _, m := range b.Members {
		names = append(names, NodeName(m.ID)+"="+m.Address)
	}
	return strings.Join(names, ",")
}
