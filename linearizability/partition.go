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
	devices := make([]int32, len(ops))
	for i, o := range ops {
		devices[i] = p.touch(i, o)
	}
	no := make([]int32, len(p.parent)) // root → part, counted from 1
	var sizes []int
	for _, dev := range devices {
		root := p.find(dev)
		if no[root] == 0 {
			sizes = append(sizes, 0)
			no[root] = int32(len(sizes))
		}
		sizes[no[root]-1]++
	}
	list := make([][]*operation, len(sizes))
	for i, n := range sizes {
		list[i] = make([]*operation, 0, n)
	}
	for i, o := range ops {
		part := &list[no[p.find(devices[i])]-1]
		*part = append(*part, o)
	}
	return list
}

// parts is a union-find forest. Its nodes are keys, devices, uids and conversations.
type parts struct {
	parent  []int32
	devices map[string]int32
	uids    map[uint64]int32
	convs   map[convID]int32

	named  []int32  // by operation: the key of the name that it mentions, or nobody
	keys   []string // sorted
	sorted []int32  // by place in keys: its node
}

func newParts(ops []*operation) *parts {
	p := &parts{devices: map[string]int32{}, uids: map[uint64]int32{}, convs: map[convID]int32{}}
	names := map[string]int32{}
	p.named = make([]int32, len(ops))
	for i, o := range ops {
		p.named[i] = nobody
		switch o.Op {
		case OpSignup, OpLogin:
			p.named[i] = nodeOf(p, names, fold(o.Name))
		case OpSend:
			p.named[i] = nodeOf(p, names, fold(o.To))
		}
	}
	for k := range names {
		p.keys = append(p.keys, k)
	}
	slices.Sort(p.keys)
	p.sorted = make([]int32, len(p.keys))
	for i, k := range p.keys {
		p.sorted[i] = names[k]
	}
	return p
}

// touch joins what operation i touches, and returns the node of its device.
func (p *parts) touch(i int, o *operation) int32 {
	dev := nodeOf(p, p.devices, o.Dev)
	if p.named[i] != nobody {
		p.union(dev, p.named[i])
	}
	switch o.Op {
	case OpSignup, OpLogin:
		if o.ok() {
			p.union(dev, nodeOf(p, p.uids, o.ans.UID))
		}
	case OpSend:
		if o.ok() {
			p.union(dev, p.conv(o.ans.Conv))
		}
	case OpHistory:
		p.union(dev, p.conv(o.Conv))
	case OpList:
		prefix, after := fold(o.Prefix), fold(o.AfterKey)
		i := sort.Search(len(p.keys), func(i int) bool { return p.keys[i] >= prefix && p.keys[i] > after })
		for ; i < len(p.keys) && strings.HasPrefix(p.keys[i], prefix); i++ {
			p.union(dev, p.sorted[i])
		}
	}
	return dev
}

// conv is the node of a conversation, joined to those of its uids.
func (p *parts) conv(uids []uint64) int32 {
	conv := convOf(uids)
	n, known := p.convs[conv]
	if !known {
		n = nodeOf(p, p.convs, conv)
		for _, uid := range uids {
			p.union(n, nodeOf(p, p.uids, uid))
		}
	}
	return n
}

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
