package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"parley/sim"
)

// sentinels are fast to die and of every class: what CI can afford.
var sentinels = strings.Fields("M01 M21 M23 M33 M39 M56 M59 M62 H2")

// mutantsCommand is `parleysim mutants`.
type mutantsCommand struct {
	stdio
	hunt
	number    int // of seeds
	jobs      int
	sentinels bool
	survivors bool
	first     bool
	units     bool
	small     bool
	ablate    bool
	table     bool

	lab   *lab
	seeds []uint64
}

func newMutants(s stdio) *cobra.Command {
	c := &mutantsCommand{stdio: s}
	cmd := &cobra.Command{
		Use: "mutants [ID…]", Short: "Plant bugs, and count how many seeds find them",
		Long: `mutants puts the bugs of sim/mutants back, one at a time, each in a copy of the tree, and has the same
seeds look for each. It prints the first seed that finds it, how many do, who spoke, and whether unit
tests see it, too. docs/mutants.md has the method and the last table.

A seed finds a bug if a checker speaks, and the seed passes without the bug. Running out of events,
a crash of the runtime or silence is no verdict. Mutants that break the simulator itself (class
harness) must fail the test that their header names.

It must be run inside the repository, and needs git, tar and go. The exit code is 1 if a mutant lives
that is not marked as a survivor.`,
		Args: cobra.ArbitraryArgs,
		RunE: func(cmd *cobra.Command, ids []string) error { return c.run(cmd.Context(), ids) },
	}
	f := cmd.Flags()
	f.IntVar(&c.number, "seeds", 300, "try the seeds from 0 to `N`-1")
	f.StringVar(&c.profile, "profile", string(sim.Std), "size of worlds: lite, std, long, or mixed")
	f.IntVar(&c.jobs, "jobs", runtime.GOMAXPROCS(0), "mutants at a time")
	f.BoolVar(&c.sentinels, "sentinels", false, "only the quick ones that CI runs, each until it is found")
	f.BoolVar(&c.survivors, "survivors", false, "also those that are marked as survivors; they never fail the run")
	f.BoolVar(&c.first, "first", false, "go on to the next when one is found")
	f.BoolVar(&c.units, "units", true, "also ask the unit tests of the patched packages")
	f.BoolVar(&c.small, "shrink", false, "also make the first world that finds one small")
	f.BoolVar(&c.ablate, "ablate", false, "also find which kind of fault, and which checker, finds one that no other does")
	f.BoolVar(&c.table, "table", false, "write what was measured into docs/mutants.md; implies --survivors")
	f.DurationVar(&c.patience, "patience", 3*time.Minute, "for one world, before its process is taken to hang")
	return cmd
}

// trial is what became of a mutant.
type trial struct {
	m       *mutant
	bag     *bag
	harness string // class harness: the test that failed
	policy  bool   // the policy test saw it
	seen    bool   // by unit tests, too
	small   *size
	only    []string // kinds of faults and checkers without which nothing finds it
	took    time.Duration
	err     error
}

func (t *trial) dead() bool {
	return t.harness != "" || t.bag != nil && len(t.bag.kills) > 0 || t.m.policy != "" && t.policy
}

func (c *mutantsCommand) run(ctx context.Context, ids []string) error {
	switch {
	case c.number < 1 || c.jobs < 1:
		return usage("--seeds and --jobs: want at least 1")
	case c.table && (len(ids) > 0 || c.sentinels || c.first):
		return usage("--table wants all mutants and all seeds")
	}
	if err := (&conditions{profile: c.profile, codec: "copy"}).check(); err != nil {
		return err
	}
	if c.sentinels {
		ids, c.first = append(ids, sentinels...), true
	}
	if c.table {
		c.survivors = true
	}
	for seed := range c.number {
		c.seeds = append(c.seeds, uint64(seed))
	}
	lab, err := newLab(ctx, c.jobs)
	if err != nil {
		return err
	}
	defer lab.close()
	c.lab, c.clean = lab, lab.clean
	all, err := c.chosen(ctx, ids)
	if err != nil {
		return err
	}
	return c.report(all, c.tryAll(ctx, all))
}

// chosen are the mutants to try. That all patches apply is seen here, also where few are run.
func (c *mutantsCommand) chosen(ctx context.Context, ids []string) ([]mutant, error) {
	all, err := loadMutants(filepath.Join(c.lab.root, "sim", "mutants"))
	if err != nil {
		return nil, err
	}
	tree := <-c.lab.trees
	defer func() { c.lab.trees <- tree }()
	for i := range all {
		if err := c.lab.applies(ctx, tree, &all[i]); err != nil {
			return nil, err
		}
	}
	for _, id := range ids {
		if !slices.ContainsFunc(all, func(m mutant) bool { return m.id == id }) {
			return nil, usage("there is no mutant %s in sim/mutants", id)
		}
	}
	return slices.DeleteFunc(all, func(m mutant) bool {
		if len(ids) > 0 {
			return !slices.Contains(ids, m.id)
		}
		return m.survives != "" && !c.survivors
	}), nil
}

// tryAll tries mutants, some at a time, and prints a line for each as soon as it is known.
func (c *mutantsCommand) tryAll(ctx context.Context, all []mutant) []trial {
	trials := make([]trial, len(all))
	next := make(chan int)
	var workers sync.WaitGroup
	var print sync.Mutex
	fmt.Fprintf(c.out, "%-4s %-12s %6s %9s %-34s %-28s %-5s %6s\n", "id", "class", "first", "found by", "spoke", "expected", "units", "CPU s")
	for range c.jobs {
		workers.Go(func() {
			for i := range next {
				start := time.Now()
				t := &trials[i]
				t.m = &all[i]
				t.err = c.lab.made(ctx, t.m, func(tree string) error { return c.try(ctx, tree, t) })
				t.took = time.Since(start)
				print.Lock()
				fmt.Fprintln(c.out, t.line())
				print.Unlock()
			}
		})
	}
	for i := range all {
		next <- i
	}
	close(next)
	workers.Wait()
	return trials
}

// try hunts one mutant in its tree.
func (c *mutantsCommand) try(ctx context.Context, tree string, t *trial) error {
	m := t.m
	if m.policy != "" {
		t.policy, _ = c.lab.red(ctx, tree, "^TestDeterminism$", ".")
	}
	if m.harness() {
		return c.tryHarness(ctx, tree, t)
	}
	binary := tree + ".bin"
	if err := c.lab.build(ctx, tree, binary); err != nil {
		return err
	}
	var flags []string
	if m.policy != "" { // two runs may differ
		flags = append(flags, "--twin")
	}
	var err error
	if t.bag, err = c.hunt.seeds(ctx, binary, c.seeds, c.first, flags...); err != nil {
		return err
	}
	if c.units {
		t.seen, _ = c.lab.red(ctx, tree, ".", m.packages...)
	}
	if len(t.bag.kills) == 0 {
		return nil
	}
	if c.small {
		t.small = c.shrunk(ctx, binary, &t.bag.kills[0])
	}
	if c.ablate {
		return c.ablated(ctx, binary, t)
	}
	return nil
}

// tryHarness asks the tests that the header names, all of which must fail.
func (c *mutantsCommand) tryHarness(ctx context.Context, tree string, t *trial) error {
	want := strings.FieldsFunc(t.m.expects, func(r rune) bool { return r == ',' || r == ' ' })
	args := []string{"test", "-trimpath", "-vet=off", "-run", "^(" + strings.Join(want, "|") + ")$"}
	out, err := c.lab.in(ctx, tree, "go", append(args, strings.Fields(t.m.tests)...)...)
	if err == nil {
		return nil
	}
	for _, test := range want {
		if !bytes.Contains(out, []byte("--- FAIL: "+test+" (")) {
			return fmt.Errorf("%s: %s does not fail:\n%s", t.m.id, test, out)
		}
	}
	t.harness = strings.Join(want, ", ")
	return nil
}

// shrunk is how small the world of a kill can be made, if the simulator can tell.
func (c *mutantsCommand) shrunk(ctx context.Context, binary string, k *kill) *size {
	ctx, cancel := context.WithTimeout(ctx, c.patience)
	defer cancel()
	var found struct{ Now *size }
	out, _ := c.lab.in(ctx, c.lab.dir, binary, "shrink", "--json", "--jobs=1", "--profile="+string(k.Profile), fmt.Sprintf("--seed=%d", k.Seed))
	line, _, _ := bytes.Cut(out, []byte("\n"))
	if json.Unmarshal(line, &found) != nil {
		return nil
	}
	return found.Now
}

// line is a mutant in one line.
func (t *trial) line() string {
	first, found, spoke, cpu := "–", "", "", time.Duration(0)
	switch {
	case t.err != nil:
		spoke = "ERROR"
	case t.harness != "":
		first, spoke = "test", t.harness
	case !t.dead():
		spoke = "SURVIVES"
	case len(t.bag.kills) == 0:
		spoke = "policy test only"
	default:
		first, spoke = strconv.FormatUint(t.bag.kills[0].Seed, 10), strings.Join(t.bag.checkers(), ", ")
		cpu = t.bag.cpuTo(&t.bag.kills[0])
	}
	if t.bag != nil {
		found = fmt.Sprintf("%d of %d", len(t.bag.kills), t.bag.tried)
	}
	line := fmt.Sprintf("%-4s %-12s %6s %9s %-34s %-28s %-5s %6.1f", t.m.id, t.m.class, first, found, spoke, t.m.expects, yes(t.seen), cpu.Seconds())
	if t.small != nil {
		line += fmt.Sprintf("  small: %v", *t.small)
	}
	if len(t.only) > 0 {
		line += "  only by " + strings.Join(t.only, ", ")
	}
	if t.bag != nil && len(t.bag.nothing) > 0 {
		n := &t.bag.nothing[0]
		line += fmt.Sprintf("  (%d without a verdict, the first seed %d: %s: %s)", len(t.bag.nothing), n.Seed, n.Checker, firstLine(n.Text))
	}
	return line
}

func (s size) String() string {
	text := fmt.Sprintf("%d faults %d ops %d replicas %d clients", s.Faults, s.Ops, s.Replicas, s.Clients)
	if s.Deviations > 0 {
		text += fmt.Sprintf(" %d deviations", s.Deviations)
	}
	return text
}

func yes(is bool) string {
	if is {
		return "see"
	}
	return ""
}

// report sums up, and writes the table if that is wanted.
func (c *mutantsCommand) report(all []mutant, trials []trial) error {
	var alive, news []string
	dead, unseen, unseenDead := 0, 0, 0
	for i := range trials {
		t := &trials[i]
		if t.err != nil {
			return t.err
		}
		switch {
		case t.dead():
			dead++
			if t.m.survives != "" {
				news = append(news, t.m.id)
			}
		case t.m.survives == "":
			alive = append(alive, t.m.id)
		}
		if !t.seen && !t.m.harness() && t.m.survives == "" {
			unseen++
			if t.dead() {
				unseenDead++
			}
		}
	}
	fmt.Fprintf(c.out, "\n%d of %d mutants found.", dead, len(trials))
	if c.units {
		fmt.Fprintf(c.out, " Of the %d that no unit test sees, and that are not marked as survivors, %d.", unseen, unseenDead)
	}
	fmt.Fprintln(c.out)
	if len(news) > 0 {
		fmt.Fprintf(c.out, "Marked as survivors, and found: %s. Take the mark away.\n", strings.Join(news, " "))
	}
	if c.table {
		if err := c.writeTable(trials); err != nil {
			return err
		}
	}
	if len(alive) > 0 {
		return fmt.Errorf("alive: %s", strings.Join(alive, " "))
	}
	return nil
}
