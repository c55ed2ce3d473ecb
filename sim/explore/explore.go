package explore

import (
	"fmt"
	"strings"

	"parley/core/raft"
)

// Result is what an exploration came to.
type Result struct {
	Scope       Scope
	Exhausted   bool     // all that the scope allows was looked at. False: only what is counted below
	Stopped     string   // why not, if it was not a failure
	Failure     *Failure // the first rule found broken, by the shortest way there is; nil: none
	States      int      // different ones
	Transitions int      // steps from one to another, or to one known already
	Depth       int      // all states within so many steps of the beginning were looked at
	Widest      int      // the most states at one depth
	Nodes       int      // different servers' states among them
	Messages    int      // different messages
	Steps       int      // of the real machine: every other was one of these again
}

// Failure is a rule broken, and how to get there.
type Failure struct {
	Rule string
	Text string
	Path []string // choices, in order; Replay takes them
}

// String is an exploration in one line.
func (r *Result) String() string {
	end := "EXHAUSTED"
	switch {
	case r.Failure != nil:
		end = fmt.Sprintf("FOUND %s: %s", r.Failure.Rule, r.Failure.Text)
	case !r.Exhausted:
		end = "stopped, " + r.Stopped
	}
	return fmt.Sprintf("%s: %d states, %d transitions, depth %d, %d of one server, %d messages, %d steps of the machine: %s",
		r.Scope.Name, r.States, r.Transitions, r.Depth, r.Nodes, r.Messages, r.Steps, end)
}

// explorer knows all that was met, by number. Nothing in it is ever forgotten or changed.
type explorer struct {
	scope  Scope
	voters []raft.ID

	nodes      []*node
	nodeIDs    map[key]uint32
	messages   []message
	messageIDs map[key]uint32
	ghosts     []*ghost
	ghostIDs   map[key]uint32
	steps      map[uint64]*outcome

	transitions int

	// What the tests of the rules plant: disks that do not keep what they report, and messages that
	// nobody sent.
	forgetful bool
	forged    []raft.Message
}

func newExplorer(s Scope) *explorer {
	x := &explorer{scope: s, nodeIDs: map[key]uint32{}, messageIDs: map[key]uint32{}, ghostIDs: map[key]uint32{},
		steps: map[uint64]*outcome{}}
	if x.scope.States == 0 {
		x.scope.States = defaultStates
	}
	for i := range s.Nodes {
		x.voters = append(x.voters, raft.ID(i+1))
	}
	return x
}

// Run explores a scope. It calls progress, if there is any, after every depth.
func Run(s Scope, progress func(Result)) Result {
	if err := s.Check(); err != nil {
		return Result{Scope: s, Stopped: fmt.Sprintf("before it began: %v", err)}
	}
	return newExplorer(s).explore(progress)
}

// Replay takes the steps of a path, and says what becomes of each. Lines may be cut short behind a word.
func Replay(s Scope, path []string) (story []string, f *Failure, err error) {
	if err := s.Check(); err != nil {
		return nil, nil, err
	}
	x := newExplorer(s)
	now, story, f, err := x.walk(x.birth(), append(append([]string{}, s.Begin...), path...))
	_ = now
	return story, f, err
}

// birth is the state in which everybody has just started, with an empty disk.
func (x *explorer) birth() state {
	s := make(state, nodesAt, nodesAt+len(x.voters))
	s[0] = x.internGhost(&ghost{})
	for what, n := range x.scope.counts() {
		s[leftAt+what/4] |= uint32(n) << (what % 4 * 8)
	}
	for _, id := range x.voters {
		n, _ := x.born(id, disk{}, 0)
		s = append(s, x.internNode(n))
	}
	for _, m := range x.forged {
		s = x.add(s, x.internMessage(m))
	}
	return s
}

// What a beginning may lose beyond the bounds.
const (
	allLost  = "all lost"
	lostLine = "lost "
)

// walk takes choices by their text.
func (x *explorer) walk(s state, path []string) (state, []string, *Failure, error) {
	var story []string
	for i, line := range path {
		if line == allLost {
			s = s[:nodesAt+len(x.voters)]
			story = append(story, line)
			continue
		}
		if id, ok := x.onItsWay(s, line); ok {
			s = x.remove(s, id)
			story = append(story, line)
			continue
		}
		c, ok := x.find(s, line)
		if !ok {
			return s, story, nil, fmt.Errorf("step %d: nothing like %q can happen here", i+1, line)
		}
		next, f := x.take(s, c, nil)
		story = append(story, x.told(c, s, next))
		if f != nil {
			return next, story, f, nil
		}
		s = next
	}
	return s, story, nil, nil
}

// onItsWay finds the message that a line says is lost.
func (x *explorer) onItsWay(s state, line string) (uint32, bool) {
	for _, id := range s.net(len(x.voters)) {
		if text := lostLine + x.messages[id].text; text == line || strings.HasPrefix(text, line+" ") {
			return id, true
		}
	}
	return 0, false
}

func (x *explorer) find(s state, line string) (choice, bool) {
	for _, c := range x.choices(s, nil) {
		if text := x.text(c); text == line || strings.HasPrefix(text, line+" ") {
			return c, true
		}
	}
	return 0, false
}

// told is a step with what became of the server it was about, if anything.
func (x *explorer) told(c choice, s, t state) string {
	text := x.text(c)
	if len(t) < nodesAt+len(x.voters) || c.kind() == lose || s.node(c.node()) == t.node(c.node()) {
		return text
	}
	st := &x.nodes[t.node(c.node())].status
	return fmt.Sprintf("%-72s %v: %v, last %v, saved %d, commit %d", text, st.ID, st.Role, st.Last, st.Saved, st.Commit)
}

// take makes the state that a choice leads to, in the room given. It is nil if nothing comes of the
// choice; and a rule may be broken on the way.
func (x *explorer) take(s state, c choice, room state) (state, *Failure) {
	i := c.node()
	t := append(room[:0], s...)
	if cost := c.costs(); cost != budgets {
		t.spend(cost)
	}
	if c.kind() == hear || c.kind() == lose {
		t = x.remove(t, c.arg())
	}
	if c.kind() == lose {
		return t, nil
	}
	o := x.step(s.node(i), c)
	if len(o.faults) > 0 {
		return t, &o.faults[0]
	}
	// A message that is delivered to no effect might as well never arrive, and time that passes to no
	// effect might as well not pass. In a stream, though, it makes way for the next.
	if o.silent && !(x.scope.Streams && c.kind() == hear) {
		return nil, nil
	}
	t[nodesAt+i] = o.to
	for _, id := range o.sends {
		t = x.add(t, id)
	}
	k := look{x: x, was: x.nodes[s.node(i)], now: x.nodes[o.to], o: o, all: t[nodesAt : nodesAt+len(x.voters)], ghost: x.ghosts[s[0]]}
	if c.kind() == read {
		k.begins(uint64(c.arg()) + 1)
	}
	k.judge()
	if k.own {
		t[0] = x.internGhost(k.ghost)
	}
	return t, k.fault
}

// layer is the states of one depth, one behind the other, each behind its length. Their numbers follow
// each other.
type layer struct {
	words []uint32
	first uint32
	count int
}

func (l *layer) add(s state) {
	l.words = append(append(l.words, uint32(len(s))), s...)
	l.count++
}

// explore goes breadth first, so that the first failure has the shortest way.
func (x *explorer) explore(progress func(Result)) Result {
	begin, _, f, err := x.walk(x.birth(), x.scope.Begin)
	switch {
	case err != nil:
		return Result{Scope: x.scope, Stopped: fmt.Sprintf("before it began: %v", err)}
	case f != nil:
		f.Path = nil
		return Result{Scope: x.scope, Failure: f}
	}
	var seen visited
	seen.insert(begin.key(), 0, 0)
	this, next := &layer{}, &layer{}
	this.add(begin)
	r := Result{Scope: x.scope, Widest: 1}
	for this.count > 0 && r.Failure == nil && r.Stopped == "" {
		if x.scope.Depth > 0 && r.Depth >= x.scope.Depth {
			r.Stopped = fmt.Sprintf("as told at depth %d, with %d states there to go on from", r.Depth, this.count)
			break
		}
		*next = layer{words: next.words[:0], first: uint32(len(seen.keys))}
		x.layer(this, next, &seen, &r)
		if r.Failure == nil && r.Stopped == "" {
			r.Depth++
		}
		r.Widest = max(r.Widest, next.count)
		this, next = next, this
		x.count(&r, &seen)
		if progress != nil {
			progress(r)
		}
	}
	if r.Exhausted = r.Failure == nil && r.Stopped == ""; r.Exhausted {
		r.Depth-- // the last layer had nothing behind it
	}
	return r
}

func (x *explorer) count(r *Result, seen *visited) {
	r.States, r.Transitions = len(seen.keys), x.transitions
	r.Nodes, r.Messages, r.Steps = len(x.nodes), len(x.messages), len(x.steps)
}

// layer takes every choice in every state of one depth.
func (x *explorer) layer(this, next *layer, seen *visited, r *Result) {
	var list []choice
	var room state
	number := this.first
	for at := 0; at < len(this.words); number++ {
		n := int(this.words[at])
		s := state(this.words[at+1 : at+1+n])
		at += 1 + n
		list = x.choices(s, list[:0])
		for _, c := range list {
			t, f := x.take(s, c, room)
			x.transitions++
			if f != nil {
				r.Failure = &Failure{Rule: f.Rule, Text: f.Text, Path: x.path(seen, number, c)}
				return
			}
			if t == nil {
				continue
			}
			room = t
			if seen.insert(t.key(), number, c) {
				next.add(t)
			}
		}
		if why := x.full(seen); why != "" {
			r.Stopped = why
			return
		}
	}
}

// full says which bound of memory is reached.
func (x *explorer) full(seen *visited) string {
	switch {
	case len(seen.keys) >= x.scope.States:
		return fmt.Sprintf("after %d states: the bound on memory; a smaller scope can be exhausted, or a larger bound given", len(seen.keys))
	case len(x.messages) >= argMask:
		return fmt.Sprintf("after %d different messages: more cannot be numbered", len(x.messages))
	}
	return ""
}

// path is the way to a state, and one choice more.
func (x *explorer) path(seen *visited, number uint32, c choice) []string {
	lines := []string{x.text(c)}
	for ; number != 0; number = seen.parent[number] {
		lines = append(lines, x.text(seen.by[number]))
	}
	for i, j := 0, len(lines)-1; i < j; i, j = i+1, j-1 {
		lines[i], lines[j] = lines[j], lines[i]
	}
	return lines
}
