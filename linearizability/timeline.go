package linearizability

import (
	"fmt"
	"slices"
)

// A timeline is the drawing of the operations at odds: a lane for each device, time to the right,
// every instant that is shown equally far from the next, and below it the line of positions.
type timeline struct {
	Lanes  []lane
	Bars   []bar
	Marks  []pushMark // pushes
	Faults []band
	Ticks  []tick
	Dots   []dot // on the line of positions
	Link   *arrow
	Width  int
	Height int
	LineY  int // of positions
}

type lane struct {
	Y, Height int
	Label     string
	dev       string
}

type bar struct {
	X, Y, W    int
	Role       string // stuck, because, with, open
	Open       bool   // no answer, or only later
	Text, Note string
	mid        int
	pos        uint64
}

type pushMark struct {
	X, Y int
	Text string
}

type band struct {
	X, W int
	Text string
}

type tick struct {
	X int
	T uint64
}

type dot struct {
	X, FromX, FromY int
	Pos             uint64
	Role            string
}

type arrow struct{ X1, Y1, X2, Y2, MX, MY int }

// The measures of the drawing, in pixels.
const (
	leftEdge   = 170
	rowHeight  = 46
	topEdge    = 42
	leastWidth = 1100
	perInstant = 90
	shownBars  = 14
	shownMarks = 12
)

// A drawnOp is an operation to be drawn.
type drawnOp struct {
	*operation
	role string
}

func newTimeline(r Report, h *History) *timeline {
	t := &timeline{}
	ops := drawn(r, h)
	if len(ops) == 0 {
		return t
	}
	first, last := uint64(forever), uint64(0)
	for _, o := range ops {
		first, last = min(first, o.call), max(last, o.call)
		if !o.unknown() {
			last = max(last, o.ret)
		}
	}
	pushes, faults := around(h, ops, first, last)
	x := t.scale(ops, pushes, faults, first, last)
	rows := t.lanes(h, ops)
	for i, o := range ops {
		b := bar{X: x(o.call), Y: rows[i], Role: o.role, Text: o.describeShort(), pos: o.pos()}
		end := t.Width - 20
		if !o.unknown() {
			end = x(o.ret)
		}
		b.Open = o.unknown()
		b.W = max(end-b.X, 6)
		b.mid = b.X + b.W/2
		b.Note = o.note()
		t.Bars = append(t.Bars, b)
	}
	for _, p := range pushes {
		for _, l := range t.Lanes {
			if l.dev == p.dev {
				t.Marks = append(t.Marks, pushMark{x(p.e.T), l.Y + l.Height - 8,
					fmt.Sprintf("push %d: %v #%d %s", p.e.N, p.e.Conv, p.e.Seq, p.e.Body)})
			}
		}
	}
	for _, f := range faults {
		from, to := x(max(f.T, first)), x(min(max(f.Until, f.T), last))
		t.Faults = append(t.Faults, band{from, max(to-from, 4), f.Kind + " " + f.On})
	}
	t.positions()
	t.connect()
	return t
}

// drawn are the operations that the core names or, without a core, the worst finding.
func drawn(r Report, h *History) []drawnOp {
	role := map[uint64]string{}
	switch {
	case r.Core != nil:
		for _, id := range r.Core.open[:min(len(r.Core.open), shownBars/2)] {
			role[id] = "open"
		}
		for _, op := range r.Core.Ops[max(0, len(r.Core.Ops)-shownBars/2):] {
			role[op.ID] = "with"
		}
		if r.Core.Witness != nil {
			role[r.Core.Witness.ID] = "witness"
		}
		if r.Core.Because != nil {
			role[r.Core.Because.ID] = "because"
		}
		role[r.Core.Ops[len(r.Core.Ops)-1].ID] = "stuck"
	default:
		var worst *Finding
		for i, f := range r.Findings {
			if len(f.Ops) > 0 && (worst == nil || f.Verdict > worst.Verdict) {
				worst = &r.Findings[i]
			}
		}
		if worst == nil {
			return nil
		}
		for _, id := range worst.Ops[1:] {
			role[id] = "because"
		}
		role[worst.Ops[0]] = "stuck"
	}
	rec := newRecord(h)
	var list []drawnOp
	for id, as := range role {
		if o := rec.operation(id); o != nil {
			list = append(list, drawnOp{o, as})
		}
	}
	slices.SortFunc(list, func(a, b drawnOp) int {
		if d := compare(a.call, b.call); d != 0 {
			return d
		}
		return compare(a.ID, b.ID)
	})
	return list
}

type drawnPush struct {
	e   *Event
	dev string
}

// around are the pushes to the devices shown, and the faults, in the time shown.
func around(h *History, ops []drawnOp, first, last uint64) (pushes []drawnPush, faults []*Event) {
	devices, subs := map[string]bool{}, map[uint64]string{}
	for _, o := range ops {
		devices[o.Dev] = true
	}
	for event := range h.All() {
		e := &event
		switch {
		case e.E == Sub && devices[e.Dev]:
			subs[e.Sub] = e.Dev
		case e.E == Push && e.Kind == PushMessage && subs[e.Sub] != "" && first <= e.T && e.T <= last && len(pushes) < shownMarks:
			pushes = append(pushes, drawnPush{e, subs[e.Sub]})
		case e.E == Fault && e.T <= last && e.Until >= first && len(faults) < shownMarks:
			faults = append(faults, e)
		}
	}
	return pushes, faults
}

// scale gives every instant its place.
func (t *timeline) scale(ops []drawnOp, pushes []drawnPush, faults []*Event, first, last uint64) func(uint64) int {
	var times []uint64
	for _, o := range ops {
		times = append(times, o.call)
		if !o.unknown() {
			times = append(times, o.ret)
		}
	}
	for _, p := range pushes {
		times = append(times, p.e.T)
	}
	for _, f := range faults {
		times = append(times, max(f.T, first), min(max(f.Until, f.T), last))
	}
	slices.Sort(times)
	times = slices.Compact(times)
	t.Width = max(leastWidth, leftEdge+perInstant*(len(times)+1))
	each := (t.Width - leftEdge - 40) / max(1, len(times))
	x := func(at uint64) int {
		i, _ := slices.BinarySearch(times, at)
		return leftEdge + 20 + i*each
	}
	for _, at := range times {
		t.Ticks = append(t.Ticks, tick{x(at), at})
	}
	return x
}

// lanes gives each device a lane and each operation a row of it.
func (t *timeline) lanes(h *History, ops []drawnOp) []int {
	var devices []string
	count := map[string]int{}
	for _, o := range ops {
		if count[o.Dev] == 0 {
			devices = append(devices, o.Dev)
		}
		count[o.Dev]++
	}
	y, top := topEdge, map[string]int{}
	for _, dev := range devices {
		top[dev] = y
		height := rowHeight*count[dev] + 14
		t.Lanes = append(t.Lanes, lane{y, height, clip(whose(h, dev), 22), dev})
		y += height + 6
	}
	t.Height = y + 20
	rows, used := make([]int, len(ops)), map[string]int{}
	for i, o := range ops {
		rows[i] = top[o.Dev] + 20 + rowHeight*used[o.Dev]
		used[o.Dev]++
	}
	return rows
}

// whose is a device and the first name that it signed up or logged in with.
func whose(h *History, dev string) string {
	for e := range h.All() {
		if e.Dev == dev && e.E == Inv && (e.Op == OpSignup || e.Op == OpLogin) {
			return e.Name + " (" + dev + ")"
		}
	}
	return dev
}

// positions draws the line of positions, if there are any.
func (t *timeline) positions() {
	var with []bar
	for _, b := range t.Bars {
		if b.pos > 0 {
			with = append(with, b)
		}
	}
	if len(with) == 0 {
		return
	}
	slices.SortStableFunc(with, func(a, b bar) int { return compare(a.pos, b.pos) })
	t.LineY = t.Height + 30
	t.Height += 70
	each := (t.Width - leftEdge - 80) / len(with)
	for i, b := range with {
		t.Dots = append(t.Dots, dot{leftEdge + 40 + i*each + each/2, b.mid, b.Y + 16, b.pos, b.Role})
	}
}

// connect draws the two operations at odds together.
func (t *timeline) connect() {
	var from, to *bar
	for i := range t.Bars {
		switch t.Bars[i].Role {
		case "because":
			from = &t.Bars[i]
		case "stuck":
			to = &t.Bars[i]
		}
	}
	if from != nil && to != nil {
		x1, x2 := from.X+from.W, to.X
		t.Link = &arrow{x1, from.Y + 8, x2, to.Y + 8, (x1 + x2) / 2, (from.Y+to.Y)/2 + 8}
	}
}

func (o *operation) describeShort() string { return clip(o.deed()+" → "+o.answer(), 90) }

func clip(text string, n int) string {
	if r := []rune(text); len(r) > n {
		return string(r[:n-1]) + "…"
	}
	return text
}

// note is what appears when one points at an operation.
func (o *operation) note() string {
	end := "no answer"
	if !o.unknown() {
		end = fmt.Sprintf("answered at %d", o.ret)
	}
	return fmt.Sprintf("operation %d, called at %d, %s: %s → %s", o.ID, o.call, end, o.deed(), o.answer())
}

func (sp *spec) describeAccount(s *state, acct, key int32) string {
	a := s.accounts[acct]
	text := fmt.Sprintf("%s uid %d", sp.signups[acct].Name, a.uid)
	if sp.exclusive {
		text += fmt.Sprintf(" epoch %d", a.epoch)
		if a.lease != nobody {
			text += " on " + sp.devices[a.lease]
		}
	}
	for other := range int32(len(sp.signups)) {
		if no, known := sp.pairs[both(acct, other)]; known && s.conv(no) != nil && other >= acct {
			text += fmt.Sprintf(", %d messages with %s", s.conv(no).count(), sp.signups[other].Name)
		}
	}
	return text
}
