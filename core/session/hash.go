package session

// hasher is FNV-1a over words. It tells states apart for tests and explorers; nothing replicated
// depends on it.
type hasher uint64

func newHasher() hasher { return 14695981039346656037 }

func (h *hasher) word(v uint64) {
	x := uint64(*h)
	for range 8 {
		x = (x ^ v&0xff) * 1099511628211
		v >>= 8
	}
	*h = hasher(x)
}

func (h *hasher) text(s string) {
	h.word(uint64(len(s)))
	x := uint64(*h)
	for i := range len(s) {
		x = (x ^ uint64(s[i])) * 1099511628211
	}
	*h = hasher(x)
}

func (h *hasher) flag(bs ...bool) {
	for _, b := range bs {
		v := uint64(0)
		if b {
			v = 1
		}
		h.word(v)
	}
}

func (s *session) hash() uint64 {
	h := newHasher()
	h.text(string(s.device[:]))
	h.text(string(s.token[:]))
	for _, v := range []uint64{uint64(s.state), uint64(s.ended), s.last, s.through} {
		h.word(v)
	}
	h.text(s.records)
	return uint64(h)
}
