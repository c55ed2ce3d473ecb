package main

import (
	"context"
	"slices"

	"parley/sim"
)

// Ablation asks of a kind of fault, or of a checker, which mutants only it finds: those that no seed
// finds when it is left out. One that finds nothing alone may not earn its cost, or a mutant is still to
// be written.

// few are so many killing seeds that are asked first: where the family is not what matters, one of them
// still convicts.
const few = 12

// ablated finds out without what nothing finds a mutant any more.
func (c *mutantsCommand) ablated(ctx context.Context, binary string, t *trial) error {
	var twinned []string
	if t.m.policy != "" {
		twinned = []string{"--twin"}
	}
	for _, kind := range faultWords() {
		if struckWithout(t.bag.kills, kind) {
			continue
		}
		if err := c.without(ctx, binary, t, kind, append(twinned, "--no-fault="+kind)); err != nil {
			return err
		}
	}
	if spoke := t.bag.checkers(); len(spoke) == 1 && spoke[0] != twin {
		return c.without(ctx, binary, t, spoke[0], append(twinned, "--no-checker="+spoke[0]))
	}
	return nil
}

// faultWords are what --no-fault takes.
func faultWords() []string {
	words := []string{"loss", "dup", "slow", "late"}
	for _, k := range sim.FaultKinds() {
		words = append(words, string(k))
	}
	return words
}

// struckWithout tells whether a kill came about though no fault of the kind struck: without it, the
// same run would have gone the same way.
func struckWithout(kills []kill, kind string) bool {
	return slices.ContainsFunc(kills, func(k kill) bool {
		if n, counted := k.Packets[kind]; counted {
			return n == 0
		}
		return kind != "slow" && k.Faults[sim.FaultKind(kind)] == 0
	})
}

func (c *mutantsCommand) without(ctx context.Context, binary string, t *trial, what string, flags []string) error {
	var asked []uint64
	for _, k := range t.bag.kills[:min(few, len(t.bag.kills))] {
		asked = append(asked, k.Seed)
	}
	for _, seeds := range [][]uint64{asked, c.seeds} {
		b, err := c.hunt.seeds(ctx, binary, seeds, true, flags...)
		if err != nil || len(b.kills) > 0 {
			return err
		}
	}
	t.only = append(t.only, what)
	return nil
}
