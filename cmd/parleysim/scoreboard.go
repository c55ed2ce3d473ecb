package main

import (
	"fmt"
	"math"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
)

// The page of the suite has blocks that are generated: between a line "<!-- generated NAME -->" and the
// next "<!-- end -->".

func (c *mutantsCommand) writeTable(trials []trial) error {
	name := filepath.Join(c.lab.root, "docs", "mutants.md")
	page, err := os.ReadFile(name)
	if err != nil {
		return err
	}
	text, err := replaceBlock(string(page), "table", c.scores(trials))
	if err == nil && c.ablate {
		text, err = replaceBlock(text, "ablation", ablationTable(trials))
	}
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	return os.WriteFile(name, []byte(text), 0o666)
}

// replaceBlock puts another text into a block.
func replaceBlock(page, name, text string) (string, error) {
	mark := "<!-- generated " + name + " -->\n"
	head, rest, ok := strings.Cut(page, mark)
	_, tail, ends := strings.Cut(rest, "<!-- end -->")
	if !ok || !ends {
		return "", fmt.Errorf("there is no block between %q and %q", strings.TrimSpace(mark), "<!-- end -->")
	}
	return head + mark + "\n" + strings.TrimSpace(text) + "\n\n<!-- end -->" + tail, nil
}

// scores is the table of all mutants, and the curve of those that still live.
func (c *mutantsCommand) scores(trials []trial) string {
	var out strings.Builder
	fmt.Fprintf(&out, "Seeds 0 to %d, %s worlds, %s, %s/%s. `parleysim mutants --seeds=%d --profile=%s --table` writes this.\n\n",
		c.number-1, c.profile, runtime.Version(), runtime.GOOS, runtime.GOARCH, c.number, c.profile)
	out.WriteString("| id | bug | first | found by | median seeds | spoke | expected | CPU s | small | units |\n")
	out.WriteString("| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |\n")
	for i := range trials {
		t := &trials[i]
		if !t.m.harness() {
			out.WriteString(t.row())
		}
	}
	out.WriteString("\n| harness | bug | test that fails |\n| --- | --- | --- |\n")
	for i := range trials {
		if t := &trials[i]; t.m.harness() {
			spoke := t.harness
			if spoke == "" {
				spoke = "**none**"
			}
			fmt.Fprintf(&out, "| %s | %s | %s |\n", t.m.id, t.m.title(), spoke)
		}
	}
	out.WriteString("\n" + curveOf(trials, c.number))
	return out.String()
}

// row is a mutant in the table.
func (t *trial) row() string {
	kills := t.bag.kills
	first, median, spoke, cpu, small := "–", "more than "+seedsWithout(t.bag.tried), "–", "–", ""
	if len(kills) > 0 {
		first, median, spoke = fmt.Sprint(kills[0].Seed), medianSeeds(len(kills), t.bag.tried), strings.Join(t.bag.checkers(), ", ")
		cpu = fmt.Sprintf("%.1f", t.bag.cpuTo(&kills[0]).Seconds())
	}
	if t.m.policy != "" && t.policy {
		spoke = strings.TrimPrefix(spoke+", policy test", "–, ")
	}
	if t.small != nil {
		small = fmt.Sprintf("%d f %d op %d r", t.small.Faults+t.small.Deviations, t.small.Ops, t.small.Replicas)
	}
	return fmt.Sprintf("| %s | %s | %s | %d of %d | %s | %s | %s | %s | %s | %s |\n", t.m.id, t.m.title(), first, len(kills), t.bag.tried,
		median, spoke, t.m.expects, cpu, small, yes(t.seen))
}

// medianSeeds is how many seeds find it with even odds, and between what that lies: p = k/n is known
// within Wilson's interval at 95 %.
func medianSeeds(k, n int) string {
	p, lo, hi := wilson(k, n)
	return fmt.Sprintf("%s (%s–%s)", evenOdds(p), evenOdds(hi), evenOdds(lo))
}

func wilson(k, n int) (p, lo, hi float64) {
	const z = 1.96
	N := float64(n)
	p = float64(k) / N
	mid := (p + z*z/(2*N)) / (1 + z*z/N)
	half := z / (1 + z*z/N) * math.Sqrt(p*(1-p)/N+z*z/(4*N*N))
	return p, mid - half, mid + half
}

// evenOdds is the number of seeds after which a bug that each finds with p is found half of the time.
func evenOdds(p float64) string {
	if p >= 1 {
		return "1"
	}
	return fmt.Sprintf("%.0f", math.Ceil(math.Log(0.5)/math.Log1p(-p)))
}

// seedsWithout is what no kill in n seeds says: p is less than 3/n at 95 %.
func seedsWithout(n int) string { return evenOdds(min(1, 3/float64(n))) }

// curveOf says how many mutants are still alive after so many seeds.
func curveOf(trials []trial, seeds int) string {
	var at []int
	for n := 1; n < seeds; n *= 2 {
		at = append(at, n)
	}
	at = append(at, seeds)
	head, line, alive := "| after seeds |", "| --- |", "| alive |"
	for _, n := range at {
		left := 0
		for i := range trials {
			t := &trials[i]
			if t.bag != nil && !slices.ContainsFunc(t.bag.kills, func(k kill) bool { return k.nth < n }) {
				left++
			}
		}
		head += fmt.Sprintf(" %d |", n)
		line += " --- |"
		alive += fmt.Sprintf(" %d |", left)
	}
	return head + "\n" + line + "\n" + alive + "\n"
}

// ablationTable says of each kind of fault and each checker which mutants only it finds.
func ablationTable(trials []trial) string {
	only := map[string][]string{}
	var checkers []string
	for i := range trials {
		t := &trials[i]
		for _, what := range t.only {
			only[what] = append(only[what], t.m.id)
		}
		if t.bag == nil {
			continue
		}
		for _, name := range t.bag.checkers() {
			if !slices.Contains(checkers, name) {
				checkers = append(checkers, name)
			}
		}
	}
	slices.Sort(checkers)
	var out strings.Builder
	table := func(what string, names []string) {
		fmt.Fprintf(&out, "| %s | mutants that nothing finds without it |\n| --- | --- |\n", what)
		for _, name := range names {
			fmt.Fprintf(&out, "| %s | %s |\n", name, strings.Join(only[name], " "))
		}
		out.WriteString("\n")
	}
	table("fault", faultWords())
	table("checker", checkers)
	return out.String()
}
