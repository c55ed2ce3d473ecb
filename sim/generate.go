package sim

import "time"

// Generate makes the plan of a seed: every family of faults is on or off, intensities differ, so
// that seeds are unlike each other (swarm testing).
func Generate(seed uint64, profile Profile) Plan {
	d := Dice(seed)
	size := sizes(profile)
	r := d.roll(dicePlan, 0)
	p := Plan{Format: planFormat, Seed: seed, Profile: profile, Voters: size.voters(r), Clients: 1 + r.upTo(size.clients),
		Chaos: Span(size.chaos), Multi: r.ppm(250_000), Password: r.ppm(400_000), Search: seed%size.searchEvery == 0}
	p.Knobs = drawKnobs(d.roll(dicePlan, 1))
	p.Network = drawNetwork(d.roll(dicePlan, 2))
	if !p.Network.Streams {
		p.Knobs.SnapshotChunk = 0 // a sender waits half a second for each that is overtaken, as on a real stream none is
	}
	p.Liveness = drawLiveness(d.roll(dicePlan, 3), p.Voters)
	p.Beyond = d.roll(dicePlan, hashText("beyond")).ppm(30_000)
	p.addFaults(d, 0, size.faults)
	items := size.items / p.Clients
	for c := range p.Clients {
		r := d.roll(dicePlan, uint64(100+c))
		does := weights
		if r.upTo(4) == 0 {
			does = readerWeights
		}
		p.Ops = append(p.Ops, script(r, c, items/2+r.upTo(items), p.Clients, drawPace(r, size.rest(p.Clients)), does)...)
	}
	return p
}

// size is what a profile says about a plan.
type size struct {
	voters      func(r *roll) int
	clients     int // at most
	chaos       time.Duration
	items       int // of all scripts together, about
	faults      int // of one family at most
	searchEvery uint64
}

func sizes(p Profile) size {
	few := func(r *roll) int { return []int{3, 3, 3, 5, 5, 5, 1, 2, 4}[r.upTo(9)] }
	many := func(r *roll) int { return []int{3, 3, 3, 5, 5, 5, 1, 2, 4, 6, 7, 7}[r.upTo(12)] }
	switch p {
	case Std:
		return size{voters: many, clients: 16, chaos: 40 * time.Second, items: 800, faults: 12, searchEvery: 4}
	case Long:
		return size{voters: many, clients: 16, chaos: 10 * time.Minute, items: 8000, faults: 60, searchEvery: 64}
	}
	return size{voters: few, clients: 5, chaos: 8 * time.Second, items: 160, faults: 3, searchEvery: 1}
}

// rest is the mean time between two things that one client does, so that all do something during most
// of the chaos.
func (s size) rest(clients int) time.Duration {
	return min(s.chaos*time.Duration(clients)/time.Duration(2*s.items), 30*time.Millisecond*time.Duration(clients))
}

func drawKnobs(r *roll) Knobs {
	ms := func(n int) Span { return Span(time.Duration(n) * time.Millisecond) }
	return Knobs{
		KeepEntries:    []int{1, 4, 16, 64, 1 << 20}[r.upTo(5)],
		MaxAppend:      []int{1, 200, 1000, 1 << 20}[r.upTo(4)],
		MaxQueue:       []int{30, 10_000, 10_000, 10_000}[r.upTo(4)],
		Lease:          ms([]int{3000, 10_000, 30_000}[r.upTo(3)]),
		Window:         []int{1, 2, 8}[r.upTo(3)],
		Page:           50,
		Effects:        ms([]int{1, 20, 250, 3000}[r.upTo(4)]),
		SaveMin:        Span(100 * time.Microsecond),
		SaveMax:        ms([]int{1, 5, 20}[r.upTo(3)]),
		MaxInflight:    []int{0, 0, 1, 2000}[r.upTo(4)],
		MaxUncommitted: []int{0, 0, 0, 3000}[r.upTo(4)],
		SnapshotChunk:  []int{0, 300, 3000}[r.upTo(3)],
		DriftPpm:       []int{0, 1000, 20_000, maxDriftPpm}[r.upTo(4)],
	}
}

// GenerateLong makes a plan whose history has about so many operations, for Record: six people, and
// two minutes between bouts of all that can go wrong. What would grow with the square of the length
// is kept rare or small: new devices, whose tombstones a cluster keeps, restarts, and snapshots.
func GenerateLong(seed uint64, operations int) Plan {
	const clients, perItem, rest = 6, 1.7, 75 * time.Millisecond
	items := max(1, int(float64(operations)/perItem/clients)) //arch:allow float: an estimate, before the run
	p := Generate(seed, Lite)
	p.Profile, p.Voters, p.Clients, p.Multi, p.Search, p.Ops, p.Liveness = Long, 3, clients, false, false, nil, Liveness{}
	p.Knobs.KeepEntries, p.Knobs.MaxAppend, p.Knobs.MaxQueue = 4096, 1<<20, 10_000
	p.Knobs.Window, p.Knobs.Page = 8, 10
	d := Dice(seed)
	for c := range clients {
		r := d.roll(dicePlan, uint64(100+c))
		p.Ops = append(p.Ops, script(r, c, items, clients, pace{rest: 30 * time.Millisecond}, longWeights)...)
	}
	p.repeatFaults(d, time.Duration(items)*rest)
	return p
}

// repeatFaults spreads bouts of faults over a long time, each as long as the chaos of a short plan.
func (p *Plan) repeatFaults(d Dice, length time.Duration) {
	every := 2 * time.Minute
	p.Faults = nil
	for n := uint64(0); n == 0 || time.Duration(n)*every < length; n++ {
		first := len(p.Faults)
		p.addFaults(d, n+1, 3)
		for i := first; i < len(p.Faults); i++ {
			p.Faults[i].At += Span(time.Duration(n) * every)
		}
	}
	p.Chaos = max(p.Chaos, Span(length))
}

// addFaults draws which families strike, how often, and when. Every family has draws of its own.
func (p *Plan) addFaults(d Dice, bout uint64, most int) {
	for _, f := range families() {
		r := d.roll(dicePlan, bout<<32^hashText(string(f.kind)))
		if off := r.ppm(1_000_000 - f.chance); off && !(f.damage && p.Beyond) || f.byHand {
			continue
		}
		for range f.often(r.logUpTo(most)) {
			fault := Fault{ID: uint64(len(p.Faults) + 1), Kind: f.kind,
				At: Span(r.between(500*time.Millisecond, time.Duration(p.Chaos))), For: Span(r.between(f.shortest, f.longest))}
			if f.lasting > 0 && r.ppm(125_000) {
				fault.For = p.Chaos
			}
			f.aim(r, p, &fault)
			p.Faults = append(p.Faults, fault)
		}
	}
}

// pick is 0 half of the time, else up to most.
func pick(r *roll, most int) uint32 {
	if r.ppm(500_000) {
		return 0
	}
	return uint32(1 + r.upTo(most))
}

// A weight is how often a kind of item comes up.
type weight struct {
	kind OpKind
	n    int
}

// Sends are most of it; the rest keeps it honest. Some people mostly read.
var (
	weights = []weight{{DoSend, 50}, {DoList, 10}, {DoHistory, 14}, {DoWhoami, 3}, {DoLogout, 4}, {DoDelete, 3},
		{DoTakeover, 4}, {DoPasswd, 2}, {DoRepeat, 6}, {DoRest, 4}, {DoDouble, 4}, {DoPeek, 2}, {DoBrowse, 4}, {DoReadTwice, 3},
		{DoMoveFeed, 3}, {DoSquat, 2}}
	readerWeights = []weight{{DoSend, 8}, {DoList, 30}, {DoHistory, 50}, {DoRepeat, 4}, {DoRest, 2}, {DoBrowse, 4}, {DoMoveFeed, 2}}
	longWeights   = []weight{{DoSend, 1000}, {DoList, 200}, {DoHistory, 280}, {DoWhoami, 60}, {DoLogout, 4},
		{DoDelete, 1}, {DoTakeover, 4}, {DoPasswd, 40}, {DoRepeat, 120}, {DoRest, 20}}
)

// pace is how a person's load comes: evenly, or in bursts with pauses between.
type pace struct {
	rest  time.Duration // in the mean
	burst int           // so many things at once, then a pause; 0: evenly
}

func drawPace(r *roll, rest time.Duration) pace {
	p := pace{rest: rest}
	if r.upTo(3) == 0 {
		p.burst = 2 + r.logUpTo(30)
	}
	return p
}

func (p pace) before(r *roll, nth int) time.Duration {
	switch {
	case p.burst == 0:
		return r.between(0, 2*p.rest)
	case nth%p.burst == 0:
		return r.between(0, 2*time.Duration(p.burst)*p.rest)
	}
	return r.between(0, time.Millisecond)
}

// someAccount is a hot one half of the time: the first one or two.
func someAccount(r *roll, accounts int) int {
	if r.upTo(2) == 0 {
		return r.upTo(min(2, accounts))
	}
	return r.upTo(accounts)
}

// script draws what a client does: so many items, at a pace.
func script(r *roll, client, items, accounts int, p pace, weights []weight) []Op {
	total := 0
	for _, w := range weights {
		total += w.n
	}
	var ops []Op
	for i := range items {
		n, kind := r.upTo(total), DoRest
		for _, w := range weights {
			if n -= w.n; n < 0 {
				kind = w.kind
				break
			}
		}
		pause := p.before(r, i)
		if kind == DoRest {
			pause = r.between(100*time.Millisecond, time.Second)
		}
		ops = append(ops, Op{ID: uint64(client)<<32 + uint64(i) + 1, Client: client, Kind: kind, To: someAccount(r, accounts), Rest: Span(pause)})
	}
	return ops
}
