package raft

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

var rewrite = flag.Bool("rewrite", false, "write testdata/*.txt anew from what happens")

// Each file in testdata is a story: commands behind >, and what is said and done then. Read a diff
// of -rewrite as you would read code.
//
//	cluster N              machines n1 … nN, with their disks
//	tick n1                move the clock to n1's deadline and tell n1
//	wait 50ms              move the clock
//	deliver                deliver what is on the wires, oldest first, once
//	deliver n1 n2          only what is from n1 to n2
//	drop [n1 n2]           lose it instead
//	saved n1               n1's disk finishes
//	hold n1, release n1    settle leaves n1's disk alone, or does not
//	settle                 deliver and save until nothing is on its way; no clock
//	cut n1 n2, heal        lose what is sent between the two from now on
//	propose n1 a b         and likewise: read n1 7, transfer n1 n2, down n1 n2, compact n1 5,
//	                       snapshot n1 n2 (from n1's disk to n2), failed n1 n2
//	crash n1, start n1     a crash loses what is not saved
//	damage n1              the last entry on n1's disk becomes another, with a chain that fits
//	status                 where everybody is; the log is shown as the terms of its entries
func TestScripts(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatal("no scripts", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txt"), func(t *testing.T) {
			want, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			got := runScript(t, string(want))
			if *rewrite {
				if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
				return
			}
			if got != string(want) {
				t.Errorf("%s tells another story (go test ./core/raft -run TestScripts -rewrite, and read the diff):\n%s",
					file, firstDifference(string(want), got))
			}
		})
	}
}

func firstDifference(want, got string) string {
	w, g := strings.Split(want, "\n"), strings.Split(got, "\n")
	for i := range min(len(w), len(g)) {
		if w[i] != g[i] {
			return fmt.Sprintf("line %d\n got: %s\nwant: %s", i+1, g[i], w[i])
		}
	}
	return fmt.Sprintf("%d lines, want %d", len(g), len(w))
}

// stage is a cluster that moves only when told to.
type stage struct {
	t      *testing.T
	now    time.Duration
	voters []ID
	actors map[ID]*actor
	wires  []Message
	cut    map[[2]ID]bool
	said   strings.Builder
}

type actor struct {
	id      ID
	m       *Machine
	life    uint64
	store   store
	saving  *Save
	held    bool
	applied Index
}

func runScript(t *testing.T, script string) string {
	s := &stage{t: t, actors: map[ID]*actor{}, cut: map[[2]ID]bool{}}
	var story []string
	for line := range strings.Lines(script) {
		line = strings.TrimRight(line, "\n")
		switch {
		case strings.HasPrefix(line, "> "):
			story = append(story, line)
			s.said.Reset()
			s.command(strings.Fields(line[2:]))
			if said := strings.TrimRight(s.said.String(), "\n"); said != "" {
				story = append(story, strings.Split(said, "\n")...)
			}
		case line == "" || strings.HasPrefix(line, "#"):
			story = append(story, line)
		}
	}
	return strings.Join(story, "\n") + "\n"
}

func (s *stage) sayf(format string, args ...any) { fmt.Fprintf(&s.said, format+"\n", args...) }

func (s *stage) id(word string) ID {
	id, err := ParseID(word)
	if err != nil {
		s.t.Fatal(err)
	}
	return id
}

func (s *stage) number(word string) uint64 {
	n, err := strconv.ParseUint(word, 10, 64)
	if err != nil {
		s.t.Fatal(err)
	}
	return n
}

func (s *stage) command(words []string) {
	args := words[1:]
	var a, b *actor
	if len(args) > 0 && args[0][0] == 'n' {
		a = s.actors[s.id(args[0])]
	}
	if len(args) > 1 && args[1][0] == 'n' && words[0] != "propose" {
		b = s.actors[s.id(args[1])]
	}
	switch words[0] {
	case "cluster":
		for i := range s.number(args[0]) {
			s.voters = append(s.voters, ID(i+1))
		}
		for _, id := range s.voters {
			s.actors[id] = &actor{id: id, store: store{compact: Mark{Chain: testChain}}}
			s.start(s.actors[id])
		}
	case "tick":
		before := s.now
		s.now = max(s.now, a.m.Deadline())
		s.sayf("  %v later", (s.now - before).Round(time.Millisecond))
		s.step(a, Tick{})
	case "wait":
		d, err := time.ParseDuration(args[0])
		if err != nil {
			s.t.Fatal(err)
		}
		s.now += d
	case "deliver":
		s.deliver(a, b)
	case "drop":
		s.pull(a, b)
	case "saved":
		s.saved(a)
	case "hold":
		a.held = true
	case "release":
		a.held = false
	case "settle":
		s.settle()
	case "cut":
		s.cut[[2]ID{a.id, b.id}], s.cut[[2]ID{b.id, a.id}] = true, true
	case "heal":
		clear(s.cut)
	case "propose":
		var data [][]byte
		for _, word := range args[1:] {
			data = append(data, []byte(word))
		}
		s.step(a, Propose{data})
	case "read":
		s.step(a, Read{s.number(args[1])})
	case "transfer":
		var to ID
		if b != nil {
			to = b.id
		}
		s.step(a, Transfer{to})
	case "down":
		s.step(a, PeerDown{b.id})
	case "compact":
		s.step(a, Compact{Index(s.number(args[1]))})
	case "snapshot":
		mark, _ := a.store.mark(a.store.applied)
		s.step(b, SnapshotReceived{From: a.id, Mark: mark})
	case "failed":
		s.step(a, SnapshotFailed{b.id})
	case "crash":
		a.m, a.saving = nil, nil
	case "start":
		s.start(a)
	case "damage":
		e := &a.store.entries[len(a.store.entries)-1]
		before, _ := a.store.mark(e.Index - 1)
		e.Data = []byte("rot")
		e.Chain = ChainNext(before.Chain, e)
	case "status":
		s.status()
	default:
		s.t.Fatalf("no command %q", words[0])
	}
}

func (s *stage) start(a *actor) {
	a.life++
	rec := Recovered{Hard: a.store.hard, Compact: a.store.compact, Entries: slices.Clone(a.store.entries), Applied: a.store.applied}
	m, err := New(Config{ID: a.id, Voters: s.voters, Seed: uint64(a.id) + a.life<<8, Chain: testChain}, rec, s.now)
	if err != nil {
		s.t.Fatal(err)
	}
	a.m, a.applied = m, a.store.applied
	s.step(a, Tick{})
}

// step prints what comes out of a Step.
func (s *stage) step(a *actor, in Input) {
	if a.m == nil {
		return
	}
	var out Output
	a.m.Step(s.now, in, &out)
	if err := a.m.Check(); err != nil {
		s.sayf("CHECK %v", err)
	}
	if out.Changed {
		s.sayf("%v is %v", a.id, out.Role)
	}
	if p, ok := in.(Propose); ok {
		if out.Proposed.Refused != NotRefused {
			s.sayf("%v refuses: %v", a.id, out.Proposed.Refused)
		} else {
			s.sayf("%v takes %d from %d/%d", a.id, len(p.Data), out.Proposed.First, out.Proposed.Term)
		}
	}
	for i := range out.Sends {
		s.sayf("  %v", &out.Sends[i])
		if !s.cut[[2]ID{out.Sends[i].From, out.Sends[i].To}] {
			s.wires = append(s.wires, out.Sends[i])
		}
	}
	if out.CutFrom != 0 {
		s.sayf("  %v cuts from %d", a.id, out.CutFrom)
	}
	if out.Save.Seq != 0 {
		save := out.Save
		a.saving = &save
		s.sayf("  %v saves%s", a.id, saveText(&save))
	}
	for _, e := range out.Committed {
		a.applied = e.Index
		s.sayf("  %v applies %v", a.id, e)
	}
	for _, g := range out.Reads {
		s.sayf("  %v grants read %d at %d: %t", a.id, g.ID, g.Index, g.OK)
	}
	for _, id := range out.Snapshots {
		s.sayf("  %v wants a snapshot for %v", a.id, id)
	}
	if out.Fatal != "" {
		s.sayf("  FATAL %s", out.Fatal)
	}
}

func saveText(save *Save) string {
	var b strings.Builder
	if h := save.Hard; h != nil {
		fmt.Fprintf(&b, " term %d vote %v commit %d", h.Term, h.Vote, h.Commit)
	}
	if save.Install != nil {
		fmt.Fprintf(&b, " install %v", *save.Install)
	}
	if save.CutFrom != 0 {
		fmt.Fprintf(&b, " cut %d…", save.CutFrom)
	}
	if n := len(save.Append); n > 0 {
		fmt.Fprintf(&b, " append %v…%v", save.Append[0].mark(), save.Append[n-1].mark())
	}
	if save.Compact != 0 {
		fmt.Fprintf(&b, " compact %d", save.Compact)
	}
	return b.String()
}

func (s *stage) saved(a *actor) {
	save := a.saving
	if save == nil || a.m == nil {
		return
	}
	a.saving = nil
	if err := a.store.save(save, a.applied); err != nil {
		s.t.Fatalf("%v: %v", a.id, err)
	}
	s.sayf("%v saved", a.id)
	s.step(a, Saved{save.Seq})
}

// pull takes from the wires what goes from a to b, or all.
func (s *stage) pull(a, b *actor) []Message {
	var some, rest []Message
	for _, msg := range s.wires {
		if a == nil || msg.From == a.id && (b == nil || msg.To == b.id) {
			some = append(some, msg)
		} else {
			rest = append(rest, msg)
		}
	}
	s.wires = rest
	return some
}

func (s *stage) deliver(a, b *actor) {
	for _, msg := range s.pull(a, b) {
		if !s.cut[[2]ID{msg.From, msg.To}] {
			s.step(s.actors[msg.To], Received{&msg})
		}
	}
}

func (s *stage) settle() {
	for range 100 {
		busy := len(s.wires) > 0
		s.deliver(nil, nil)
		for _, id := range s.voters {
			if a := s.actors[id]; !a.held && a.saving != nil && a.m != nil {
				busy = true
				s.saved(a)
			}
		}
		if !busy {
			return
		}
	}
	s.sayf("STILL BUSY")
}

func (s *stage) status() {
	for _, id := range s.voters {
		a := s.actors[id]
		if a.m == nil {
			s.sayf("%v is down", id)
			continue
		}
		st := a.m.Status()
		s.sayf("%v %v, vote %v, commit %d applied %d saved %d, log %s", id, st.Role, st.Vote, st.Commit, st.Applied, st.Saved, logText(a.m))
		for _, p := range st.Progress {
			s.sayf("  %v match %d next %d%s", p.Peer, p.Match, p.Next, map[bool]string{true: " snapshot"}[p.Snapshot])
		}
	}
}

func logText(m *Machine) string {
	var b strings.Builder
	fmt.Fprintf(&b, "(%v]", m.log.compact)
	for i := m.log.compact.Index + 1; i <= m.log.last.Index; i++ {
		fmt.Fprintf(&b, " %d", m.log.term(i))
	}
	return b.String()
}
