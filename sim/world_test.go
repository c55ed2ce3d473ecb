package sim

import (
	"errors"
	"os"
	"os/exec"
	"runtime"
	"runtime/debug"
	"strings"
	"sync"
	"testing"
	"time"

	"parley/core/chat"
	"parley/core/raft"
	"parley/core/replica"
	"parley/core/replica/storagetest"
	"parley/core/row"
)

// One plan, one trace: twice in a row, after other worlds, and whatever the runtime does meanwhile.
func TestARunIsTheSameEveryTime(t *testing.T) {
	seeds := []uint64{3, 11, 29}
	first := map[uint64]uint64{}
	for _, seed := range seeds {
		first[seed] = Run(Generate(seed, Lite)).Trace
	}
	defer debug.SetGCPercent(debug.SetGCPercent(5))
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	for i := len(seeds) - 1; i >= 0; i-- {
		if again := Run(Generate(seeds[i], Lite)).Trace; again != first[seeds[i]] {
			t.Errorf("seed %d: trace %016x, then %016x", seeds[i], first[seeds[i]], again)
		}
	}
}

// Another process comes to the same trace.
func TestAnotherProcessSeesTheSameRun(t *testing.T) {
	r := Run(Generate(17, Lite))
	want := r.String()
	cmd := exec.Command(os.Args[0], "-test.run=^TestSeeds$", "-test.v", "-seed=17")
	cmd.Env = append(os.Environ(), "GOGC=20", "GOMAXPROCS=1")
	out, err := cmd.CombinedOutput()
	if err != nil || !strings.Contains(string(out), want) {
		t.Errorf("%v\nthis process:  %s\nanother says:\n%s", err, want, out)
	}
}

// A machine and its clone, given one input, do the same, and neither touches the other.
func TestACloneGoesItsOwnWay(t *testing.T) {
	w := newWorld(calm(5), Options{})
	for range 40 {
		w.run(w.now + 50*time.Millisecond)
		s := w.leader()
		if s == nil {
			continue
		}
		hash := s.machine.Hash()
		c := s.machine.Clone()
		if c.Hash() != hash {
			t.Fatalf("at %v a clone differs from its original", w.now)
		}
		var a, b replica.Output
		now := s.clock.local(w.now) + time.Second
		c.Step(now, replica.Tick{}, &a)
		d := s.machine.Clone()
		d.Step(now, replica.Tick{}, &b)
		if c.Hash() != d.Hash() || len(a.Sends) != len(b.Sends) || (a.Save == nil) != (b.Save == nil) {
			t.Fatalf("at %v two clones given the same input differ", w.now)
		}
		if s.machine.Hash() != hash {
			t.Fatalf("at %v a step of a clone changed the original", w.now)
		}
	}
	w.recover()
	if w.failure != nil {
		t.Error(w.failure)
	}
}

// After a crash in a healthy network the lowest live id leads: counted, not demanded of each run.
func TestTheLowestLiveIDUsuallyLeads(t *testing.T) {
	lowest := 0
	const runs = 40
	for seed := range uint64(runs) {
		p := calm(seed)
		p.Voters, p.Knobs.SaveMax = 5, Span(time.Millisecond)
		w := newWorld(p, Options{})
		w.run(2 * time.Second)
		dead := w.leader()
		dead.crash()
		if !w.runUntil(2*time.Second, func() bool { l := w.leader(); return l != nil && l != dead }) {
			t.Fatalf("seed %d: nobody leads two seconds after n%d died", seed, dead.id)
		}
		want := raft.ID(1)
		if dead.id == 1 {
			want = 2
		}
		if w.leader().id == want {
			lowest++
		}
	}
	t.Logf("the lowest live id led %d times in %d", lowest, runs)
	if lowest < runs*9/10 {
		t.Errorf("the lowest live id led only %d times in %d", lowest, runs)
	}
}

// T8: an exclusive account whose client died can be logged into again within 35 s, on its own clock
// of the cluster; a takeover works at once.
func TestT8ALeaseOutlivesItsClientByHalfAMinute(t *testing.T) {
	p := calm(1)
	p.Clients, p.Knobs.Lease = 2, Span(30*time.Second)
	p.Ops = []Op{{ID: 1, Kind: DoRest, Rest: Span(time.Second)}}
	w := newWorld(p, Options{})
	w.run(3 * time.Second)
	dead, other := w.clients[0], w.clients[1]
	if !dead.member || !other.finished {
		t.Fatalf("not under way: %s; %s", dead.state(), other.state())
	}
	dead.crash()
	died := w.now
	login := func(takeover bool) string {
		other.newDevice()
		code, answered := "", false
		other.submit(chat.Login{Name: name(0), Token: chat.Token(other.dev.token), Takeover: takeover}, false,
			func(_ *replica.Reply, c string) { code, answered = c, true })
		if !w.runUntil(10*time.Second, func() bool { return answered }) {
			t.Fatalf("no answer to a login: %s", other.state())
		}
		return code
	}
	if code := login(false); code != string(chat.LoggedInElsewhere) {
		t.Errorf("a login %v after the crash: %q, want E_LOGGED_IN_ELSEWHERE", w.now-died, code)
	}
	w.run(died + 35*time.Second)
	if code := login(false); code != "" {
		t.Errorf("a login %v after the crash: %q, want success", w.now-died, code)
	}
	if code := login(true); code != "" {
		t.Errorf("a takeover at once: %q, want success", code)
	}
	if w.failure != nil {
		t.Error(w.failure)
	}
}

// The simulated disk is a store like every other.
func TestTheDiskKeepsTheContract(t *testing.T) {
	storagetest.Run(t, diskFactory)
}

// shelf is a site for a simulated disk.
type shelf struct {
	storagetest.Birth
	disk *disk
	open *opened
}

// opened is a disk in use: what is left of it after a crash refuses everything.
// A world is one goroutine; the contract also asks what happens beside a Save, hence the mutex.
type opened struct {
	*disk
	mu   sync.Mutex
	gone bool
}

func diskFactory(_ testing.TB, b storagetest.Birth) storagetest.Site {
	d := newDisk(b.Chain, b.Genesis)
	d.tables = b.Tables
	return &shelf{Birth: b, disk: d}
}

func (s *shelf) Open(cluster [16]byte, node raft.ID) (replica.Store, error) {
	switch {
	case s.open != nil && !s.open.gone:
		return nil, errors.New("open: the disk is in use")
	case cluster != s.Cluster || node != s.Node:
		return nil, errors.New("open: the disk is of another node or cluster")
	}
	if err := s.disk.reopen(); err != nil {
		return nil, err
	}
	s.open = &opened{disk: s.disk}
	return s.open, nil
}

func (s *shelf) Crash() {
	if s.open != nil {
		s.open.gone = true
	}
}

var errGone = errors.New("the disk is closed")

func (o *opened) Save(s replica.Save) (replica.Saved, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.gone {
		return replica.Saved{}, errGone
	}
	return o.disk.Save(s)
}

func (o *opened) Rows(ranges []row.Range) (replica.Rows, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.gone {
		return replica.Rows{}, errGone
	}
	return o.disk.Rows(ranges)
}

func (o *opened) Export() (replica.Snapshot, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.gone {
		return replica.Snapshot{}, errGone
	}
	return o.disk.Export()
}

func (o *opened) Close() error {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.gone = true
	return o.disk.Close()
}
