package sim

import (
	"fmt"
	"time"

	"parley/core/raft"
)

// Plan is all that goes into a run: who takes part, under which conditions, what happens to them
// and what they do. Generate makes one from a seed; it can be written by hand as well.
type Plan struct {
	Seed     uint64
	Voters   int
	Clients  int
	Chaos    time.Duration // how long faults happen; then all heals
	Knobs    Knobs
	Network  Network
	Faults   []Fault
	Multi    bool   // login policy multi
	Password bool   // accounts have passwords
	Scripts  [][]Op // what each client does, in order
	Search   bool   // the history is judged without its positions, too
}

// Knobs make rare things common, without a hook in production code.
type Knobs struct {
	KeepEntries int           // log entries kept behind the applied index
	MaxAppend   int           // bytes per append message
	MaxQueue    int           // undelivered events per account
	Lease       time.Duration // cluster time
	Effects     time.Duration // how long row changes wait for company
	Window      int           // commands a client may have in flight
	Page        int           // messages a client asks for at once, at most
	SaveMin     time.Duration // a save takes between these
	SaveMax     time.Duration
	DriftPpm    int // clocks run up to so much too fast or too slow
}

// Network is how links between servers behave; clients' streams have the same delays.
type Network struct {
	DelayMin, DelayMax time.Duration
	SlowPpm            uint32 // so many packets take up to a hundred times as long, which reorders them
	LossPpm, DupPpm    uint32
	LatePpm            uint32 // so many leave a copy that arrives seconds later
}

// FaultKind names a family of faults.
type FaultKind string

// The faults. All end by themselves.
const (
	Crash       FaultKind = "crash"        // a replica dies and is started again
	CrashLeader FaultKind = "crash-leader" // whoever leads when it strikes
	PowerCut    FaultKind = "power-cut"    // all replicas at once
	Partition   FaultKind = "partition"    // the servers fall into two groups
	OneWay      FaultKind = "one-way"      // packets from one server do not arrive
	Isolate     FaultKind = "isolate"      // the leader is cut off from its peers, not from clients
	SlowDisk    FaultKind = "slow-disk"    // a replica's saves take very long
	Pause       FaultKind = "pause"        // a replica does nothing, then everything
	Suspend     FaultKind = "suspend"      // the leader's whole machine stops, clock and all, and comes back before its links do
	ClientCrash FaultKind = "client-crash" // a client dies and comes back with its outbox
	StreamReset FaultKind = "stream-reset" // a client's connections break
	Resign      FaultKind = "resign"       // a replica is stopped gracefully and started again
)

// Fault is one thing that goes wrong, at a time, for a time.
type Fault struct {
	ID   uint64
	At   time.Duration
	For  time.Duration
	Kind FaultKind
	On   int // a replica or client, by place
}

// OpKind names what a client does next.
type OpKind string

// What clients do. Names refer to the accounts of all clients: "u0", "u1", …
const (
	DoSend     OpKind = "send"
	DoList     OpKind = "list"
	DoHistory  OpKind = "history"
	DoWhoami   OpKind = "whoami"
	DoLogout   OpKind = "logout"   // and log in again on a new device
	DoDelete   OpKind = "delete"   // and sign up again
	DoTakeover OpKind = "takeover" // of somebody else's account, for a while
	DoPasswd   OpKind = "passwd"
	DoRepeat   OpKind = "repeat" // ask once more what was answered already
	DoRest     OpKind = "rest"
)

// Op is one item of a client's script.
type Op struct {
	ID   uint64
	Kind OpKind
	To   int           // of an account
	Rest time.Duration // before it
}

// faultKinds are the families a seed draws from.
var faultKinds = []FaultKind{Crash, CrashLeader, PowerCut, Partition, OneWay, Isolate, SlowDisk, Pause, Suspend, ClientCrash, StreamReset, Resign}

// Generate makes the plan of a seed: every family of faults is on or off, intensities differ, so
// that seeds are unlike each other (swarm testing).
func Generate(seed uint64) Plan {
	d := Dice(seed)
	r := d.roll(dicePlan, 0)
	p := Plan{Seed: seed, Voters: 3 + 2*r.upTo(2), Clients: 2 + r.upTo(4), Chaos: 8 * time.Second,
		Multi: r.ppm(250_000), Password: r.ppm(400_000), Search: seed%searchEvery == 0}
	p.Knobs = Knobs{
		KeepEntries: []int{1, 4, 16, 64, 1 << 20}[r.upTo(5)],
		MaxAppend:   []int{1, 200, 1000, 1 << 20}[r.upTo(4)],
		MaxQueue:    []int{30, 10_000, 10_000, 10_000}[r.upTo(4)],
		Lease:       []time.Duration{3, 10, 30}[r.upTo(3)] * time.Second,
		Window:      []int{1, 2, 8}[r.upTo(3)],
		Page:        50,
		Effects:     []time.Duration{1, 20, 250, 3000}[r.upTo(4)] * time.Millisecond,
		SaveMin:     100 * time.Microsecond,
		SaveMax:     []time.Duration{1, 5, 20}[r.upTo(3)] * time.Millisecond,
		DriftPpm:    []int{0, 1000, 20_000}[r.upTo(3)],
	}
	p.Network = Network{
		DelayMin: 100 * time.Microsecond, DelayMax: []time.Duration{1, 4, 10}[r.upTo(3)] * time.Millisecond,
		SlowPpm: pick(r, 20_000), LossPpm: pick(r, 50_000), DupPpm: pick(r, 50_000), LatePpm: pick(r, 5_000),
	}
	p.addFaults(d.roll(dicePlan, 1))
	for c := range p.Clients {
		r := d.roll(dicePlan, uint64(100+c))
		p.Scripts = append(p.Scripts, script(r, 20+r.upTo(longestScript-20), p.Clients, uint64(c)*1000, weights))
	}
	return p
}

// searchEvery is of how many seeds one is judged without its positions, too; all are by them.
const searchEvery = 16

// longestScript is more than any script has that Generate makes.
const longestScript = 60

// GenerateLong makes a plan whose history has about so many operations, for Record: six people, and
// two minutes between bouts of all that can go wrong. What would grow with the square of the length
// is kept rare or small: new devices, whose tombstones a cluster keeps, restarts, and snapshots.
func GenerateLong(seed uint64, operations int) Plan {
	const clients, perItem, rest = 6, 1.7, 75 * time.Millisecond
	items := max(1, int(float64(operations)/perItem/clients)) //arch:allow float: an estimate, before the run
	p := Generate(seed)
	p.Voters, p.Clients, p.Multi, p.Search, p.Scripts = 3, clients, false, false, nil
	p.Knobs.KeepEntries, p.Knobs.MaxAppend, p.Knobs.MaxQueue = 4096, 1<<20, 10_000
	p.Knobs.Window, p.Knobs.Page = 8, 10
	d := Dice(seed)
	for c := range clients {
		r := d.roll(dicePlan, uint64(100+c))
		p.Scripts = append(p.Scripts, script(r, items, clients, uint64(c)<<32, longWeights))
	}
	p.repeatFaults(d, time.Duration(items)*rest)
	return p
}

// repeatFaults spreads bouts of faults over a long time, each of eight seconds.
func (p *Plan) repeatFaults(d Dice, length time.Duration) {
	bout, every := p.Chaos, 2*time.Minute
	p.Faults = nil
	for n := uint64(0); n == 0 || time.Duration(n)*every < length; n++ {
		first := len(p.Faults)
		p.addFaults(d.roll(dicePlan, 1<<32+n))
		for i := first; i < len(p.Faults); i++ {
			p.Faults[i].At += time.Duration(n) * every
		}
	}
	p.Chaos = max(bout, length)
}

// pick is 0 half of the time, else up to most.
func pick(r *roll, most int) uint32 {
	if r.ppm(500_000) {
		return 0
	}
	return uint32(1 + r.upTo(most))
}

func (p *Plan) addFaults(r *roll) {
	for _, kind := range faultKinds {
		if r.ppm(500_000) {
			continue
		}
		n, shortest := 1+r.upTo(3), 20*time.Millisecond
		if kind == Suspend { // long enough for a successor
			n, shortest = 2*n, 250*time.Millisecond
		}
		for range n {
			on := p.Voters
			if kind == ClientCrash || kind == StreamReset {
				on = p.Clients
			}
			p.Faults = append(p.Faults, Fault{
				ID: uint64(len(p.Faults) + 1), At: r.between(500*time.Millisecond, p.Chaos), Kind: kind,
				For: r.between(shortest, 1500*time.Millisecond), On: r.upTo(on),
			})
		}
	}
}

// A weight is how often a kind of item comes up.
type weight struct {
	kind OpKind
	n    int
}

// Sends are most of it; the rest keeps it honest.
var (
	weights = []weight{{DoSend, 50}, {DoList, 10}, {DoHistory, 14}, {DoWhoami, 3}, {DoLogout, 4}, {DoDelete, 3},
		{DoTakeover, 4}, {DoPasswd, 2}, {DoRepeat, 6}, {DoRest, 4}}
	longWeights = []weight{{DoSend, 1000}, {DoList, 200}, {DoHistory, 280}, {DoWhoami, 60}, {DoLogout, 4},
		{DoDelete, 1}, {DoTakeover, 4}, {DoPasswd, 40}, {DoRepeat, 120}, {DoRest, 20}}
)

// script draws what a client does: so many items, with ids from base on.
func script(r *roll, items, accounts int, base uint64, weights []weight) []Op {
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
		rest := r.between(0, 60*time.Millisecond)
		if kind == DoRest {
			rest = r.between(100*time.Millisecond, time.Second)
		}
		ops = append(ops, Op{ID: base + uint64(i) + 1, Kind: kind, To: r.upTo(accounts), Rest: rest})
	}
	return ops
}

func (p *Plan) voters() []raft.ID {
	var ids []raft.ID
	for i := range p.Voters {
		ids = append(ids, raft.ID(i+1))
	}
	return ids
}

func (f Fault) String() string {
	return fmt.Sprintf("fault %d: %s on %d at %v for %v", f.ID, f.Kind, f.On, f.At, f.For)
}
