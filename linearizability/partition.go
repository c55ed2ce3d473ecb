package linearizability

import (
	"slices"
	"sort"
	"strings"
)

// partition splits operations into parts that can be judged apart: the connected components of
// "one operation touches both", over devices, names and uids. Anything finer is not sound: a send
// touches two accounts, a page of names all that it could have shown, and each part alone may be
// in order while the whole is not.
func partition(ops []*operation) [][]*operation {
	p := newParts(ops)
	for _, o := range ops {
		p.touch(o)
	}
	no := map[int32]int{}
	var parts [][]*operation
	for _, o := range ops {
		root := p.find(p.node(p.devices, o.Dev))
		i, known := no[root]
		if !known {
			i = len(parts)
			no[root] = i
			parts = append(parts, nil)
		}
		parts[i] = append(parts[i], o)
	}
	return parts
}

// parts is a union-find forest. Its nodes are devices, keys and uids.
type parts struct {
	parent  []int32
	devices map[string]int32
	names   map[string]int32
	uids    map[uint64]int32
	keys    []string // sorted; node of keys[i] is i
}

func newParts(ops []*operation) *parts {
	p := &parts{devices: map[string]int32{}, names: map[string]int32{}, uids: map[uint64]int32{}}
	for _, o := range ops {
		switch o.Op {
		case OpSignup, OpLogin:
			p.names[fold(o.Name)] = 0
		case OpSend:
			p.names[fold(o.To)] = 0
		}
	}
	for k := range p.names {
		p.keys = append(p.keys, k)
	}
	slices.Sort(p.keys)
	for i, k := range p.keys {
		p.names[k] = int32(i)
		p.parent = append(p.parent, int32(i))
	}
	return p
}

func (p *parts) touch(o *operation) {
	dev := p.node(p.devices, o.Dev)
	switch o.Op {
	case OpSignup, OpLogin:
		p.union(dev, p.names[fold(o.Name)])
		if o.ok() {
			p.union(dev, nodeOf(p, p.uids, o.ans.UID))
		}
	case OpSend:
		p.union(dev, p.names[fold(o.To)])
		if o.ok() {
			p.touchUIDs(dev, o.ans.Conv)
		}
	case OpHistory:
		p.touchUIDs(dev, o.Conv)
	case OpList:
		prefix, after := fold(o.Prefix), fold(o.AfterKey)
		i := sort.Search(len(p.keys), func(i int) bool { return p.keys[i] >= prefix && p.keys[i] > after })
		for ; i < len(p.keys) && strings.HasPrefix(p.keys[i], prefix); i++ {
			p.union(dev, int32(i))
		}
	}
}

func (p *parts) touchUIDs(dev int32, uids []uint64) {
	for _, uid := range uids {
		p.union(dev, nodeOf(p, p.uids, uid))
	}
}

func (p *parts) node(m map[string]int32, name string) int32 { return nodeOf(p, m, name) }

func nodeOf[K comparable](p *parts, m map[K]int32, key K) int32 {
	n, known := m[key]
	if !known {
		n = int32(len(p.parent))
		p.parent = append(p.parent, n)
		m[key] = n
	}
	return n
}

func (p *parts) find(n int32) int32 {
	for p.parent[n] != n {
		p.parent[n] = p.parent[p.parent[n]]
		n = p.parent[n]
	}
	return n
}

func (p *parts) union(a, b int32) { p.parent[p.find(a)] = p.find(b) }
