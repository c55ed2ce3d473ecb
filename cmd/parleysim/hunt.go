package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// hunt runs the worlds of seeds in processes of their own, which may hold a mutant, and hears what is
// found in them.
type hunt struct {
	clean    string // the program without a mutant
	profile  string
	patience time.Duration // without a word, then a process is taken to hang

	mu     sync.Mutex
	cursed map[string]map[uint64]bool // by conditions: whether seeds fail without a mutant
}

// bag is what a hunt came to.
type bag struct {
	tried   int
	kills   []kill
	nothing []kill // seeds without a verdict: out of events, a crash, silence, or they fail without the mutant, too
	cpu     time.Duration
	events  uint64
}

// kill is a seed that convicts a mutant.
type kill struct {
	seedLine
	nth   int    // place of the seed among those tried, from 0
	spent uint64 // events of all worlds up to it
}

// cpuTo is the time that a kill took, taking events for equally dear.
func (b *bag) cpuTo(k *kill) time.Duration {
	return time.Duration(float64(b.cpu) * float64(k.spent) / float64(max(1, b.events)))
}

// seeds tries all seeds, or with first no more than one to convict.
func (h *hunt) seeds(ctx context.Context, binary string, seeds []uint64, first bool, flags ...string) (*bag, error) {
	b := &bag{}
	for b.tried < len(seeds) {
		heard := len(b.kills)
		if err := h.process(ctx, binary, seeds, first, flags, b); err != nil {
			return b, err
		}
		if err := h.confirm(ctx, b, heard, flags); err != nil {
			return b, err
		}
		if first && len(b.kills) > 0 {
			break
		}
	}
	return b, nil
}

// process tries the seeds that are left in one process. If that dies or hangs, the seed it was at has
// no verdict, and the next process goes on behind it.
func (h *hunt) process(ctx context.Context, binary string, seeds []uint64, first bool, flags []string, b *bag) error {
	alive, end := context.WithCancel(ctx)
	defer end()
	args := append([]string{"fleet", "--json", "--each", "--no-canary", "--no-shrink", "--jobs=1", "--profile=" + h.profile,
		"--seeds=" + seedList(seeds[b.tried:]), fmt.Sprintf("--first=%t", first)}, flags...)
	cmd := exec.CommandContext(alive, binary, args...)
	out, err := cmd.StdoutPipe()
	if err != nil {
		return err
	}
	var complaint strings.Builder
	cmd.Stderr = &complaint
	if err := cmd.Start(); err != nil {
		return err
	}
	watchdog := time.AfterFunc(h.patience, end)
	ended := b.listen(out, func() { watchdog.Reset(h.patience) })
	hangs := !watchdog.Stop()
	err = cmd.Wait()
	b.cpu += cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()
	var exit *exec.ExitError
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case ended:
		return nil
	case errors.As(err, &exit) && exit.ExitCode() == exitUsage:
		return fmt.Errorf("%s: %s", strings.Join(args, " "), complaint.String())
	}
	text := "the process ended: " + firstLine(complaint.String())
	if hangs {
		text = fmt.Sprintf("nothing for %v", h.patience)
	}
	b.nothing = append(b.nothing, kill{seedLine: seedLine{Seed: seeds[b.tried], Checker: crash, Text: text}, nth: b.tried})
	b.tried++
	return nil
}

func firstLine(s string) string {
	line, _, _ := strings.Cut(s, "\n")
	return line
}

// listen takes what a fleet says, line by line, until it sums up.
func (b *bag) listen(out io.Reader, heard func()) (ended bool) {
	lines := bufio.NewScanner(out)
	lines.Buffer(nil, 16<<20)
	for lines.Scan() {
		heard()
		var l seedLine
		if json.Unmarshal(lines.Bytes(), &l) != nil {
			continue
		}
		switch l.T {
		case "summary":
			ended = true
		case "seed":
			b.events += l.Events
			k := kill{seedLine: l, nth: b.tried, spent: b.events}
			b.tried++
			switch l.Checker {
			case "":
			case budget, crash:
				b.nothing = append(b.nothing, k)
			default:
				b.kills = append(b.kills, k)
			}
		}
	}
	return ended
}

// confirm takes out of the kills, from the nth on, those whose seeds fail without the mutant, too.
func (h *hunt) confirm(ctx context.Context, b *bag, from int, flags []string) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	conditions := strings.Join(flags, " ")
	if h.cursed == nil {
		h.cursed = map[string]map[uint64]bool{}
	}
	known := h.cursed[conditions]
	if known == nil {
		known = map[uint64]bool{}
		h.cursed[conditions] = known
	}
	var ask []uint64
	for _, k := range b.kills[from:] {
		if _, is := known[k.Seed]; !is {
			ask = append(ask, k.Seed)
		}
	}
	if len(ask) > 0 && h.clean != "" {
		var clean bag
		if err := h.process(ctx, h.clean, ask, false, flags, &clean); err != nil {
			return err
		}
		if clean.tried != len(ask) || len(clean.nothing) > 0 {
			return fmt.Errorf("without a mutant, seed %v: %v", ask, clean.nothing)
		}
		for _, seed := range ask {
			known[seed] = slices.ContainsFunc(clean.kills, func(k kill) bool { return k.Seed == seed })
		}
	}
	for _, k := range b.kills[from:] {
		if known[k.Seed] {
			k.Text = "fails without the mutant, too: " + k.Text
			b.nothing = append(b.nothing, k)
		}
	}
	b.kills = slices.DeleteFunc(b.kills, func(k kill) bool { return known[k.Seed] })
	return nil
}

// checkers are those that spoke, the most frequent first.
func (b *bag) checkers() []string {
	count := map[string]int{}
	var names []string
	for _, k := range b.kills {
		if count[k.Checker]++; count[k.Checker] == 1 {
			names = append(names, k.Checker)
		}
	}
	slices.SortStableFunc(names, func(x, y string) int { return count[y] - count[x] })
	return names
}

// seedList writes seeds as --seeds takes them.
func seedList(seeds []uint64) string {
	var out []string
	for i := 0; i < len(seeds); {
		j := i
		for j+1 < len(seeds) && seeds[j+1] == seeds[j]+1 {
			j++
		}
		part := strconv.FormatUint(seeds[i], 10)
		if j > i {
			part += "-" + strconv.FormatUint(seeds[j], 10)
		}
		out = append(out, part)
		i = j + 1
	}
	return strings.Join(out, ",")
}
