package chat

import (
	"slices"
	"strings"
)

// maxName is how long a name may be, in bytes.
const maxName = 32

// validName says whether an account may be called so: an ASCII letter or digit, then letters,
// digits, '.', '_', '-'. That shuts out look-alikes, control characters, and the day on which two
// binaries with different Unicode tables disagree.
func validName(name string) bool {
	if len(name) == 0 || len(name) > maxName || !alphanumeric(name[0]) {
		return false
	}
	for i := range len(name) {
		if c := name[i]; !alphanumeric(c) && c != '.' && c != '_' && c != '-' {
			return false
		}
	}
	key := fold(name)
	return key != "parley" && key != "system"
}

func alphanumeric(c byte) bool {
	return '0' <= c && c <= '9' || 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z'
}

// fold gives the key of a name: A–Z become a–z, every other byte stays.
func fold(name string) string {
	i := 0
	for i < len(name) && !upper(name[i]) {
		i++
	}
	if i == len(name) {
		return name
	}
	b := []byte(name)
	for ; i < len(b); i++ {
		if upper(b[i]) {
			b[i] += 'a' - 'A'
		}
	}
	return string(b)
}

func upper(c byte) bool { return 'A' <= c && c <= 'Z' }

func (s *State) removeKey(key string) {
	if i, found := slices.BinarySearchFunc(s.byKey, key, compareKey); found {
		s.byKey = slices.Delete(s.byKey, i, i+1)
	}
}

// Lookup finds the account now called name.
func (s *State) Lookup(name string) (UID, bool) {
	if a := s.names[fold(name)]; a != nil {
		return a.uid, true
	}
	return 0, false
}

// Name is what an account is called, or was until it was deleted; empty if there never was one.
func (s *State) Name(uid UID) (name string, deleted bool) {
	if a := s.byUID[uid]; a != nil {
		return a.name, a.ended != 0
	}
	return "", false
}

// List gives names in the order of their keys: those whose key begins with the folded prefix, byte
// by byte, from behind the key of after on; at most limit, and never more than the settings' page.
func (s *State) List(prefix, after string, limit int) (names []string, more bool) {
	prefix, after = fold(prefix), fold(after)
	if limit <= 0 || limit > s.settings.PageAccounts {
		limit = s.settings.PageAccounts
	}
	from, _ := slices.BinarySearchFunc(s.byKey, prefix, compareKey)
	if after != "" {
		behind, found := slices.BinarySearchFunc(s.byKey, after, compareKey)
		if found {
			behind++
		}
		from = max(from, behind)
	}
	for _, a := range s.byKey[from:] {
		if !strings.HasPrefix(a.key, prefix) {
			break
		}
		if len(names) >= limit {
			return names, true
		}
		names = append(names, a.name)
	}
	return names, false
}
