package sim

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"parley/core/raft"
)

// Liveness is the second phase of a run: what the chaos did heals, but for a few replicas, the exiles, with
// whom something is wrong for good. The others, the core, are a majority, and owe all that is promised.
type Liveness struct {
	For    Span    `json:"for"` // how long the core is held to it; 0: there is no such phase
	Exiles []Exile `json:"exiles,omitempty"`
}

// Exile is a replica outside the core, and what is wrong with it.
type Exile struct {
	On  Target `json:"on"` // a replica, or whoever leads when the phase begins
	How Wrong  `json:"how"`
	Arg uint64 `json:"arg,omitempty"` // chooses a member of the core
}

// Wrong is what can be wrong for good. No exile has a link to another: together with a part of the core
// they could rightly rule the rest of it.
type Wrong string

// What is wrong with exiles.
const (
	Down          Wrong = "down"
	Asleep        Wrong = "asleep"    // paused for ever
	CutOff        Wrong = "cut-off"   // no packet comes or goes
	Mute          Wrong = "mute"      // it hears all, and nobody hears it
	HardOfHearing Wrong = "deaf"      // all hear it, and it hears nobody
	Bridged       Wrong = "bridged"   // it has one member of the core to talk to
	Whispers      Wrong = "whispers"  // it hears all, and one member of the core hears it
	FarOff        Wrong = "far-off"   // packets take longer than an election timeout
	WornDisk      Wrong = "worn-disk" // saves take very long
)

// Damaged is not drawn: it is what the chaos left behind on a disk. Its replica has halted or may do so
// at any time, and is kept down.
const Damaged Wrong = "damaged"

func wrongs() []Wrong {
	return []Wrong{Down, Asleep, CutOff, Mute, HardOfHearing, Bridged, Whispers, FarOff, WornDisk}
}

// pairs says that an exile of this kind and one of the core can work together. Where two are a majority
// they rightly do, and the rest of the core may get nothing.
func (h Wrong) pairs() bool { return h == Bridged || h == Whispers }

// drawLiveness draws who is outside the core and why.
func drawLiveness(r *roll, voters int) Liveness {
	l := Liveness{For: Span(r.between(600*time.Millisecond, 1200*time.Millisecond))}
	ids := make([]int, voters)
	for i := range ids {
		ids[i] = i + 1
	}
	for i := range r.upTo((voters + 1) / 2) {
		n := r.upTo(len(ids))
		e := Exile{On: Target(fmt.Sprintf("n%d", ids[n])), Arg: r.next() >> 32}
		ids = slices.Delete(ids, n, n+1)
		if i == 0 && r.upTo(2) == 0 {
			e.On = TheLeader
		}
		for e.How == "" || e.How.pairs() && voters <= 3 {
			e.How = wrongs()[r.upTo(len(wrongs()))]
		}
		l.Exiles = append(l.Exiles, e)
	}
	return l
}

func (p *Plan) checkLiveness() error {
	l := &p.Liveness
	switch {
	case l.For > maxChaos:
		return fmt.Errorf("for %v, want at most %v", l.For, maxChaos)
	case len(l.Exiles) > (p.Voters-1)/2:
		return fmt.Errorf("%d exiles of %d voters leave no majority", len(l.Exiles), p.Voters)
	}
	for _, e := range l.Exiles {
		kind, n := e.On.place()
		switch {
		case e.On != TheLeader && (kind != 'n' || n < 1 || n > p.Voters):
			return fmt.Errorf("exile %q is no replica", e.On)
		case !slices.Contains(wrongs(), e.How):
			return fmt.Errorf("nobody is %q; there are %v", e.How, wrongs())
		case e.How.pairs() && p.Voters <= 3:
			return errors.New("an exile with a partner is a majority of three")
		}
	}
	return nil
}

// exiles is what is wrong for good, while it is.
type exiles struct {
	how  [maxVoters + 1]Wrong
	cut  [maxVoters + 1][maxVoters + 1]bool // from, to
	lags [maxVoters + 1]time.Duration
}

// holds says that a replica is outside the core.
func (x *exiles) holds(id raft.ID) bool { return x.how[id] != "" }

// lag is how much longer a packet takes.
func (x *exiles) lag(from, to raft.ID) time.Duration { return max(x.lags[from], x.lags[to]) }

// banish begins what is wrong with the exiles, and gives them as they are: with the leader by its name.
// Who is damaged is outside already; together they stay a minority.
func (w *world) banish() {
	x := &w.exiles
	var pinned []Exile
	out := 0
	for _, s := range w.servers {
		if w.atlas.damaged(s) {
			x.how[s.id] = Damaged
			s.crash()
			out++
		}
	}
	for _, e := range w.plan.Liveness.Exiles {
		on, ok := w.resolve(e.On)
		_, id := on.place()
		if !ok || x.how[id] != "" || out >= (len(w.servers)-1)/2 {
			continue
		}
		e.On = on
		pinned = append(pinned, e)
		x.how[id] = e.How
		out++
	}
	w.exiled = pinned
	for _, e := range pinned {
		w.afflict(e)
	}
}

// core is the replicas that nothing is wrong with.
func (w *world) core() []*server {
	var core []*server
	for _, s := range w.servers {
		if !w.exiles.holds(s.id) {
			core = append(core, s)
		}
	}
	return core
}

func (w *world) afflict(e Exile) {
	x, core := &w.exiles, w.core()
	_, n := e.On.place()
	s := w.servers[n-1]
	partner := core[e.Arg%uint64(len(core))].id
	hears, heard := e.How != CutOff && e.How != HardOfHearing, e.How != CutOff && e.How != Mute
	for _, o := range w.servers {
		apart := x.holds(o.id) || e.How == Bridged && o.id != partner
		x.cut[o.id][s.id] = x.cut[o.id][s.id] || apart || !hears
		x.cut[s.id][o.id] = x.cut[s.id][o.id] || apart || !heard || e.How == Whispers && o.id != partner
	}
	switch e.How {
	case Down:
		s.crash()
	case Asleep:
		s.paused = true
	case FarOff:
		x.lags[s.id] = electionBase + 50*time.Millisecond
	}
	w.say(Who{}, "n%d is %s for good", s.id, e.How)
	w.history.fault(Fault{Kind: FaultKind(e.How), On: e.On})
}

// electionBase is the election timeout that replicas run with.
const electionBase = 200 * time.Millisecond

// pardon ends what is wrong with the exiles.
func (w *world) pardon() { w.exiles = exiles{} }
