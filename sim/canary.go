package sim

import "time"

// A canary is a plan that must fail. A sweep that sees it pass is blind: whatever it says of other
// plans means nothing.

// LyingDisk makes a replica's disk report saves that it does not keep, until the replica's next
// life. No protocol survives that, and no seed draws it.
const LyingDisk FaultKind = "lying-disk"

func canaries() []family {
	return []family{{kind: LyingDisk, byHand: true, aim: aServer, strike: func(w *world, f Fault) { w.serverOf(f).disk.lies = true }}}
}

// Canary is the plan of a seed to which the lie of one disk is added, in a world otherwise calm enough
// that nothing else can be what is found.
func Canary(seed uint64) Plan {
	p := Generate(seed, Lite)
	p.Note, p.Beyond = "a canary: it must fail", false
	p.Voters, p.Knobs.DriftPpm, p.Knobs.SnapshotChunk, p.Liveness = 3, 0, 0, Liveness{}
	p.Knobs.MaxInflight, p.Knobs.MaxUncommitted = 0, 0
	p.Knobs.Effects = Span(3 * time.Second) // rows stay in memory, where nobody misses what the disk has not
	p.Network = Network{DelayMin: p.Network.DelayMin, DelayMax: p.Network.DelayMax}
	p.Faults = []Fault{{ID: 1, Kind: LyingDisk, On: "n2", At: Span(time.Second), For: Span(time.Second)}}
	return p
}
