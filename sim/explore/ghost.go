package explore

import (
	"slices"

	"parley/core/raft"
)

// ghost is what no server can know: all that ever was. It is part of the state, or two pasts of which
// one forbids what the other allows would pass for the same.
type ghost struct {
	committed []committed // by index, from 1: written once
	leaders   []leader    // by term
	reads     []begun     // not answered yet
}

type committed struct {
	mark raft.Mark
	term raft.Term // in which it was
}

type leader struct {
	term raft.Term
	id   raft.ID
}

type begun struct {
	id    uint64
	at    raft.ID
	index raft.Index // what was committed then
}

func (g *ghost) clone() *ghost {
	return &ghost{slices.Clone(g.committed), slices.Clone(g.leaders), slices.Clone(g.reads)}
}

func (g *ghost) hash() key {
	h := newHash()
	h.add(uint64(len(g.committed)))
	for _, c := range g.committed {
		h.chain(c.mark.Chain)
		h.add(uint64(c.term))
	}
	h.add(uint64(len(g.leaders)))
	for _, l := range g.leaders {
		h.add(uint64(l.term))
		h.add(uint64(l.id))
	}
	for _, r := range g.reads {
		h.add(r.id)
		h.add(uint64(r.at))
		h.add(uint64(r.index))
	}
	return h.key
}

func (x *explorer) internGhost(g *ghost) uint32 {
	k := g.hash()
	if id, ok := x.ghostIDs[k]; ok {
		return id
	}
	id := uint32(len(x.ghosts))
	x.ghosts = append(x.ghosts, g)
	x.ghostIDs[k] = id
	return id
}
