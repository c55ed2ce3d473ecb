package linearizability

import (
	"cmp"
	"slices"
	"sort"
	"strings"
)

// partition splits operations into parts that can be judged apart: the connected components of
// "one operation touches both", over devices, names and uids. Anything finer is not sound: a send
// touches two accounts, a page of names all that it could have shown, and each part alone may be
// in order while the whole is not.
func partition(ops []*operation) [][]*operation { return new(parts).partition(ops) }

// parts is a union-find forest. Its nodes are names, devices, uids and conversations. It keeps room
// for one set of operations after the other.
type parts struct {
	parent                []int32
	names, devices, convs smallNumbers // node, plus 1
	uids                  map[uint64]int32

	keys  []nameNode // sorted
	pages map[*callDetails]bool
}

// nameNode is a folded name and its node.
type nameNode struct {
	key  string
	node int32
}

func (p *parts) partition(ops []*operation) [][]*operation {
	p.parent, p.keys = p.parent[:0], p.keys[:0]
	p.uids, p.pages = map[uint64]int32{}, map[*callDetails]bool{}
	p.nameNodes(ops)
	for _, o := range ops {
		p.touch(o)
	}
	no := make([]int32, len(p.parent)) // root → part, counted from 1
	var sizes []int
	for _, o := range ops {
		root := p.find(p.node(&p.devices, o.device))
		if no[root] == 0 {
			sizes = append(sizes, 0)
			no[root] = int32(len(sizes))
		}
		sizes[no[root]-1]++
	}
	list, room := make([][]*operation, len(sizes)), make([]*operation, len(ops))
	for i, n := range sizes {
		list[i], room = room[:0:n], room[n:]
	}
	for _, o := range ops {
		part := &list[no[p.find(p.node(&p.devices, o.device))]-1]
		*part = append(*part, o)
	}
	p.forget(ops)
	return list
}

// forget leaves no numbers behind.
func (p *parts) forget(ops []*operation) {
	for _, o := range ops {
		*p.devices.at(o.device) = 0
		*p.convs.at(int32(o.conv)) = 0
		*p.convs.at(int32(o.answered())) = 0
		if o.key != nobody {
			*p.names.at(o.key) = 0
		}
	}
}

// answered is the number of the conversation in the answer, or 0.
func (o *operation) answered() uint32 {
	if o.unknown() {
		return 0
	}
	return o.ans.conv
}

// nameNodes makes a node for each name that is mentioned.
func (p *parts) nameNodes(ops []*operation) {
	for _, o := range ops {
		if o.key == nobody || *p.names.at(o.key) != 0 {
			continue
		}
		p.keys = append(p.keys, nameNode{fold(cmp.Or(o.Name, o.To)), p.node(&p.names, o.key)})
	}
	slices.SortFunc(p.keys, func(a, b nameNode) int { return strings.Compare(a.key, b.key) })
}

// node is the node of what has a number.
func (p *parts) node(numbers *smallNumbers, no int32) int32 {
	n := numbers.at(no)
	if *n == 0 {
		*n = p.newNode() + 1
	}
	return *n - 1
}

func (p *parts) newNode() int32 {
	n := int32(len(p.parent))
	p.parent = append(p.parent, n)
	return n
}

// touch joins what an operation touches.
func (p *parts) touch(o *operation) {
	dev := p.node(&p.devices, o.device)
	if o.key != nobody {
		p.union(dev, p.node(&p.names, o.key))
	}
	switch o.op {
	case opSignup, opLogin:
		if o.ok() {
			p.union(dev, p.uid(o.ans.UID))
		}
	case opSend:
		if o.ok() {
			p.union(dev, p.conv(o.ans.conv, o.ans.Conv))
		}
	case opHistory:
		p.union(dev, p.conv(o.conv, o.Conv))
	case opList:
		p.page(dev, o)
	}
}

// page joins the names that a page may show. Many calls ask for the same.
func (p *parts) page(dev int32, o *operation) {
	if p.pages[o.callDetails] {
		return
	}
	p.pages[o.callDetails] = true
	prefix, after := fold(o.Prefix), fold(o.AfterKey)
	i := sort.Search(len(p.keys), func(i int) bool { return p.keys[i].key >= prefix && p.keys[i].key > after })
	for ; i < len(p.keys) && strings.HasPrefix(p.keys[i].key, prefix); i++ {
		p.union(dev, p.keys[i].node)
	}
}

// conv is the node of a conversation, joined to those of its uids.
func (p *parts) conv(no uint32, uids []uint64) int32 {
	known := *p.convs.at(int32(no)) != 0
	n := p.node(&p.convs, int32(no))
	if !known {
		for _, uid := range uids {
			p.union(n, p.uid(uid))
		}
	}
	return n
}

func (p *parts) uid(uid uint64) int32 {
	n, known := p.uids[uid]
	if !known {
		n = p.newNode()
		p.uids[uid] = n
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
