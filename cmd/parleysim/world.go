package main

import (
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/pflag"
	"google.golang.org/protobuf/proto"

	"parley/core/replica"
	"parley/realnet/wire"
	"parley/sim"
)

// conditions are what worlds are run under.
type conditions struct {
	profile    string
	noFaults   []string
	noCheckers []string
	twin       bool
	codec      string
}

// mixed is the profile of sweeps: one seed in four is a std world, by its number, the others are lite.
const mixed = "mixed"

func (c *conditions) flags(f *pflag.FlagSet, profile string) {
	f.StringVar(&c.profile, "profile", profile, "size of worlds: lite, std, long, or mixed (every fourth seed std, the others lite)")
	f.StringSliceVar(&c.noFaults, "no-fault", nil, "leave out faults of this `KIND`; also loss, dup, slow, late")
	f.StringSliceVar(&c.noCheckers, "no-checker", nil, "do not listen to the checker of this `NAME`")
	f.BoolVar(&c.twin, "twin", false, "run every world twice; the traces must be equal")
	f.StringVar(&c.codec, "codec", "copy", "how messages between servers cross a link: copy, or wire, which encodes and decodes them (with --twin: of the first run)")
}

// check refuses what no world could be run under.
func (c *conditions) check() error {
	if !slices.Contains([]string{mixed, string(sim.Lite), string(sim.Std), string(sim.Long)}, c.profile) {
		return usage("--profile=%s: want lite, std, long or mixed", c.profile)
	}
	if c.codec != "copy" && c.codec != "wire" {
		return usage("--codec=%s: want copy or wire", c.codec)
	}
	checkers := append(sim.Checkers(), sim.Refusals()...)
	for _, name := range c.noCheckers {
		if !slices.Contains(checkers, name) {
			return usage("--no-checker=%s: want one of %s", name, strings.Join(checkers, ", "))
		}
	}
	if _, err := (sim.Plan{}).Without(c.noFaults...); err != nil {
		return usage("--no-fault: %w", err)
	}
	return nil
}

// plan makes the world of a seed.
func (c *conditions) plan(seed uint64) sim.Plan {
	profile := sim.Profile(c.profile)
	if c.profile == mixed {
		profile = sim.Lite
		if seed%4 == 0 {
			profile = sim.Std
		}
	}
	return c.apply(sim.Generate(seed, profile))
}

func (c *conditions) apply(p sim.Plan) sim.Plan {
	p, err := p.Without(c.noFaults...)
	if err != nil {
		panic(err) // check has looked
	}
	return p
}

// world runs a plan, twice if so wanted.
func (c *conditions) world(p sim.Plan, o sim.Options) sim.Result {
	o.Without = c.noCheckers
	if c.codec == "wire" {
		o.Codec = throughTheWire
	}
	r := guarded(p, o)
	if c.twin && r.Failure == nil {
		if again := guarded(p, sim.Options{Without: c.noCheckers}); again.Trace != r.Trace {
			r.Failure = &sim.Failure{Checker: twin, Rule: "one plan, two runs", At: r.Stats.Virtual, Event: r.Stats.Events,
				Text: fmt.Sprintf("one plan, two runs: trace %016x, then %016x", r.Trace, again.Trace)}
		}
	}
	return r
}

// throughTheWire makes of a message what arrives at the other end of a real connection.
func throughTheWire(m *replica.PeerMessage) (*replica.PeerMessage, error) {
	frame, err := proto.Marshal(wire.EncodePeer(m))
	if err != nil {
		return nil, err
	}
	var arrived wire.PeerMessage
	if err := proto.Unmarshal(frame, &arrived); err != nil {
		return nil, err
	}
	return wire.DecodePeer(&arrived)
}

// guarded runs a plan. What the runtime refuses, an index out of range for example, is a failure of
// this world and does not end the others; its stack is shown by parleysim run --panics.
func guarded(p sim.Plan, o sim.Options) (r sim.Result) {
	defer func() {
		if broken := recover(); broken != nil {
			r = sim.Result{Plan: p, Pinned: p, Failure: &sim.Failure{Checker: crash, Rule: fmt.Sprint(broken), Text: fmt.Sprint(broken)}}
		}
	}()
	return sim.RunWith(p, o)
}

// What no checker says. The first two are no verdicts: what ends so says nothing about what is checked.
const (
	crash  = "crash"
	budget = "budget"
	twin   = "twin"
)

// again is the command that runs the world of a seed.
func (c *conditions) again(p *sim.Plan) string {
	return fmt.Sprintf("go run ./cmd/parleysim run --profile=%s --seed=%d%s", p.Profile, p.Seed, c.words())
}

// words are the conditions as flags, without the profile.
func (c *conditions) words() string {
	var words strings.Builder
	if len(c.noFaults) > 0 {
		fmt.Fprintf(&words, " --no-fault=%s", strings.Join(c.noFaults, ","))
	}
	if len(c.noCheckers) > 0 {
		fmt.Fprintf(&words, " --no-checker=%s", strings.Join(c.noCheckers, ","))
	}
	if c.twin {
		words.WriteString(" --twin")
	}
	if c.codec == "wire" {
		words.WriteString(" --codec=wire")
	}
	return words.String()
}
