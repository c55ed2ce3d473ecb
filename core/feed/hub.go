package feed

import (
	"encoding/binary"
	"fmt"
	"hash/fnv"
	"maps"
	"slices"
)

// Sub names a subscription at one server; the caller numbers them upwards and uses none twice.
type Sub uint64

// Window is how many events a subscription may be ahead of its acknowledgements.
const Window = 1024

// Page is how many events are loaded from rows at a time.
const Page = 256

// Hub is the server half: all subscriptions of one replica. The zero value is empty and ready.
type Hub struct {
	subs      []subscription   // by Sub
	byAccount map[uint64][]Sub // in order of attaching; looked up, never ranged over
}

type subscription struct {
	sub     Sub
	account uint64
	next    uint64 // number of the event to push next
	acked   uint64
	length  uint64 // of the feed, as far as applied here
	loading bool   // a Load is under way, beginning at next
}

// Input is one thing that happens to a Hub; the set is closed.
type Input interface{ isInput() }

type (
	// Attach begins a subscription after event After of a feed that has Length events.
	Attach struct {
		Sub           Sub
		Account       uint64
		After, Length uint64
	}
	// Grown says that event N, the next of this account, has just been applied and is at hand.
	Grown struct{ Account, N uint64 }
	// Loaded says that events From…To, asked for with a Load, are at hand.
	Loaded struct {
		Sub      Sub
		From, To uint64
	}
	// Acked says that the reader has stored everything up to N.
	Acked struct {
		Sub Sub
		N   uint64
	}
	// Detach ends a subscription. It is no error if there is none.
	Detach struct{ Sub Sub }
)

func (Attach) isInput() {}
func (Grown) isInput()  {}
func (Loaded) isInput() {}
func (Acked) isInput()  {}
func (Detach) isInput() {}

// Push says: event N goes to Sub now. It is at hand: the one of the Grown, or one of the Loaded.
type Push struct {
	Sub Sub
	N   uint64
}

// Load asks for events From…To of an account, to be given back with Loaded.
type Load struct {
	Sub      Sub
	Account  uint64
	From, To uint64
}

// Output is what a Step asks for; the caller owns it.
type Output struct {
	Pushes []Push
	Loads  []Load
}

// Reset empties o and keeps its capacity.
func (o *Output) Reset() { o.Pushes, o.Loads = o.Pushes[:0], o.Loads[:0] }

// Step is the only way in. Feeds have no clock, so there is no time and no deadline.
func (h *Hub) Step(in Input, out *Output) {
	switch in := in.(type) {
	case Attach:
		h.attach(in, out)
	case Grown:
		h.grown(in, out)
	case Loaded:
		h.loaded(in, out)
	case Acked:
		h.acked(in, out)
	case Detach:
		h.detach(in.Sub)
	}
}

func (h *Hub) attach(in Attach, out *Output) {
	if last := len(h.subs) - 1; last >= 0 && h.subs[last].sub >= in.Sub {
		panic(fmt.Sprintf("feed: subscription %d attached after %d", in.Sub, h.subs[last].sub))
	}
	h.subs = append(h.subs, subscription{
		sub: in.Sub, account: in.Account, next: in.After + 1, acked: in.After, length: in.Length,
	})
	if h.byAccount == nil {
		h.byAccount = map[uint64][]Sub{}
	}
	h.byAccount[in.Account] = append(h.byAccount[in.Account], in.Sub)
	h.subs[len(h.subs)-1].load(out)
}

func (h *Hub) grown(in Grown, out *Output) {
	for _, id := range h.byAccount[in.Account] {
		s := h.find(id)
		s.length = in.N
		if s.next == in.N && !s.loading && s.open() {
			out.Pushes = append(out.Pushes, Push{Sub: id, N: in.N})
			s.next++
			continue
		}
		s.load(out)
	}
}

func (h *Hub) loaded(in Loaded, out *Output) {
	s := h.find(in.Sub)
	if s == nil {
		return
	}
	if !s.loading || in.From != s.next || in.To < in.From || in.To > s.length {
		panic(fmt.Sprintf("feed: loaded %d…%d for a subscription at %d of %d, loading %t",
			in.From, in.To, s.next, s.length, s.loading))
	}
	s.loading = false
	for n := in.From; n <= in.To; n++ {
		out.Pushes = append(out.Pushes, Push{Sub: s.sub, N: n})
	}
	s.next = in.To + 1
	s.load(out)
}

// acked believes a reader about itself only as far as events were pushed to it.
func (h *Hub) acked(in Acked, out *Output) {
	if s := h.find(in.Sub); s != nil {
		s.acked = max(s.acked, min(in.N, s.next-1))
		s.load(out)
	}
}

func (h *Hub) detach(id Sub) {
	i, ok := h.search(id)
	if !ok {
		return
	}
	account := h.subs[i].account
	h.subs = slices.Delete(h.subs, i, i+1)
	rest := slices.DeleteFunc(h.byAccount[account], func(s Sub) bool { return s == id })
	if len(rest) == 0 {
		delete(h.byAccount, account)
		return
	}
	h.byAccount[account] = rest
}

// Acknowledged tells how far a subscription has acknowledged.
func (h *Hub) Acknowledged(id Sub) uint64 {
	if s := h.find(id); s != nil {
		return s.acked
	}
	return 0
}

// Len is the number of subscriptions.
func (h *Hub) Len() int { return len(h.subs) }

func (h *Hub) search(id Sub) (int, bool) {
	return slices.BinarySearchFunc(h.subs, id, func(s subscription, id Sub) int {
		switch {
		case s.sub < id:
			return -1
		case s.sub > id:
			return 1
		}
		return 0
	})
}

func (h *Hub) find(id Sub) *subscription {
	if i, ok := h.search(id); ok {
		return &h.subs[i]
	}
	return nil
}

func (s *subscription) open() bool { return s.next <= s.acked+Window }

// load asks for what is there and allowed, unless that is under way already.
func (s *subscription) load(out *Output) {
	if s.loading || s.next > s.length || !s.open() {
		return
	}
	s.loading = true
	to := min(s.length, s.acked+Window, s.next+Page-1)
	out.Loads = append(out.Loads, Load{Sub: s.sub, Account: s.account, From: s.next, To: to})
}

// Clone returns a copy that shares nothing with h.
func (h *Hub) Clone() *Hub {
	c := &Hub{subs: slices.Clone(h.subs), byAccount: maps.Clone(h.byAccount)}
	for i := range c.subs {
		a := c.subs[i].account
		c.byAccount[a] = slices.Clone(h.byAccount[a])
	}
	return c
}

// Hash is equal for equal hubs, in every process.
func (h *Hub) Hash() uint64 {
	f := fnv.New64a()
	var b [8]byte
	for _, s := range h.subs {
		for _, v := range [...]uint64{uint64(s.sub), s.account, s.next, s.acked, s.length, bit(s.loading)} {
			binary.BigEndian.PutUint64(b[:], v)
			f.Write(b[:])
		}
	}
	return f.Sum64()
}

func bit(b bool) uint64 {
	if b {
		return 1
	}
	return 0
}

// Check reports the first broken invariant.
func (h *Hub) Check() error {
	for i, s := range h.subs {
		switch {
		case i > 0 && h.subs[i-1].sub >= s.sub:
			return fmt.Errorf("feed: subscription %d stands after %d", s.sub, h.subs[i-1].sub)
		case s.acked >= s.next:
			return fmt.Errorf("feed: subscription %d acknowledged %d, next is %d", s.sub, s.acked, s.next)
		case s.next > max(s.length, s.acked)+1:
			return fmt.Errorf("feed: subscription %d at %d of %d", s.sub, s.next, s.length)
		case s.next > s.acked+Window+1:
			return fmt.Errorf("feed: subscription %d at %d, acknowledged %d", s.sub, s.next, s.acked)
		case !s.loading && s.next <= s.length && s.open():
			return fmt.Errorf("feed: subscription %d idle at %d of %d", s.sub, s.next, s.length)
		}
	}
	return nil
}
