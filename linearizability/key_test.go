package linearizability

import "testing"

// States that differ in anything at all have different keys, and a change undone has none.
func TestKeys(t *testing.T) {
	said := func(author int32, body uint32) *message { return &message{author: author, op: &operation{body: body}} }
	var first, other *message
	first, other = first.then(said(0, 1)), other.then(said(0, 2))
	changes := map[string]func(*state){
		"nothing":                     func(*state) {},
		"a name":                      func(s *state) { s.setName(0, 0) },
		"another name":                func(s *state) { s.setName(1, 0) },
		"a name of another":           func(s *state) { s.setName(0, 1) },
		"an account":                  func(s *state) { s.setAccount(0, account{life: alive}) },
		"another account":             func(s *state) { s.setAccount(1, account{life: alive}) },
		"an account's end":            func(s *state) { s.setAccount(0, account{life: dead}) },
		"its uid":                     func(s *state) { s.setAccount(0, account{life: alive, uid: 1}) },
		"its epoch":                   func(s *state) { s.setAccount(0, account{life: alive, epoch: 1}) },
		"its lease":                   func(s *state) { s.setAccount(0, account{life: alive, lease: 1}) },
		"its cursor":                  func(s *state) { s.setAccount(0, account{life: alive, cursor: 1}) },
		"a device":                    func(s *state) { s.setDevice(0, device{life: alive}) },
		"another device":              func(s *state) { s.setDevice(1, device{life: alive}) },
		"a device of another account": func(s *state) { s.setDevice(0, device{life: alive, account: 1}) },
		"a device's epoch":            func(s *state) { s.setDevice(0, device{life: alive, epoch: 1}) },
		"a device's number":           func(s *state) { s.setDevice(0, device{life: alive, last: 1}) },
		"a message":                   func(s *state) { s.setConv(0, first) },
		"another message":             func(s *state) { s.setConv(0, other) },
		"a message elsewhere":         func(s *state) { s.setConv(1, first) },
		"two messages":                func(s *state) { s.setConv(0, first.then(said(0, 2))) },
		"the same, by another":        func(s *state) { s.setConv(0, first.then(said(1, 2))) },
		"two after another":           func(s *state) { s.setConv(0, other.then(said(0, 2))) },
	}
	keys := map[key]string{}
	for name, change := range changes {
		s := newState(2, 2, 2)
		s.journal = &journal{}
		before := s.hash
		change(s)
		if same, known := keys[s.hash]; known {
			t.Errorf("%s has the key of %s", name, same)
		}
		keys[s.hash] = name
		if s.undo(0); s.hash != before {
			t.Errorf("%s, undone, leaves another key", name)
		}
	}
}

// A set has what was added and nothing else, however much that is.
func TestKeySet(t *testing.T) {
	var s keySet
	for range 2 {
		for i := range uint64(100_000) {
			k := key{}
			if i > 0 {
				k = k.with(i)
			}
			if s.has(k) {
				t.Fatalf("has %d before it is added", i)
			}
			if s.add(k); !s.has(k) {
				t.Fatalf("lacks %d", i)
			}
		}
		if s.n != 100_000 || !s.has(key{}.with(1)) {
			t.Fatalf("has %d", s.n)
		}
		s.clear()
	}
}
