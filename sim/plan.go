package sim

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"

	"parley/core/raft"
)

// Plan is all that goes into a run: who takes part, under which conditions, what happens to them
// and what they do. Generate makes one from a seed; it can be written by hand as well, and parts can
// be cut out of it: what is left means the same as before.
type Plan struct {
	Format   int      `json:"format"` // planFormat
	Seed     uint64   `json:"seed"`   // of the dice
	Profile  Profile  `json:"profile"`
	Note     string   `json:"note,omitempty"` // for people
	Voters   int      `json:"voters"`
	Clients  int      `json:"clients"`
	Multi    bool     `json:"multi,omitempty"`    // login policy multi
	Password bool     `json:"password,omitempty"` // accounts have passwords
	Search   bool     `json:"search,omitempty"`   // the history is judged without its positions, too
	Beyond   bool     `json:"beyond,omitempty"`   // damage may exceed what is survived; then who halts is right, too
	Chaos    Span     `json:"chaos"`              // how long faults happen; then all heals
	Knobs    Knobs    `json:"knobs"`
	Network  Network  `json:"network"`
	Liveness Liveness `json:"liveness,omitzero"` // the second phase
	Faults   []Fault  `json:"faults"`
	Ops      []Op     `json:"ops"` // of each client in this order

	// Still turns the dice of links and disks off: packets and saves take the least time they may, and
	// nothing is lost, doubled or late but what Deviations lists.
	Still      bool        `json:"still,omitempty"`
	Deviations []Deviation `json:"deviations,omitempty"`
}

// planFormat is raised when an older plan would mean something else.
const planFormat = 1

// Profile says how large the worlds of a sweep are.
type Profile string

// The profiles.
const (
	Lite Profile = "lite" // some ten virtual seconds, some two hundred operations
	Std  Profile = "std"  // a minute, some fifteen hundred operations
	Long Profile = "long" // ten minutes, with what only builds up in them
)

// Knobs make rare things common, without a hook in production code.
type Knobs struct {
	KeepEntries    int  `json:"keep_entries"` // log entries kept behind the applied index
	MaxAppend      int  `json:"max_append"`   // bytes per append message
	MaxQueue       int  `json:"max_queue"`    // undelivered events per account
	Lease          Span `json:"lease"`        // cluster time
	Effects        Span `json:"effects"`      // how long row changes wait for company
	Window         int  `json:"window"`       // commands a client may have in flight
	Page           int  `json:"page"`         // messages a client asks for at once, at most
	SaveMin        Span `json:"save_min"`     // a save takes between these
	SaveMax        Span `json:"save_max"`
	MaxInflight    int  `json:"max_inflight,omitempty"`    // bytes of entries on their way to a peer
	MaxUncommitted int  `json:"max_uncommitted,omitempty"` // bytes of entries not committed, then calls are busy
	SnapshotChunk  int  `json:"snapshot_chunk,omitempty"`  // bytes of a snapshot per message
	DriftPpm       int  `json:"drift_ppm"`                 // clocks run up to so much too fast or too slow
}

// Op is one thing that a client does when it has done the one before.
type Op struct {
	ID     uint64 `json:"id"` // its own draws hang on it
	Client int    `json:"client"`
	Kind   OpKind `json:"op"`
	To     int    `json:"to,omitempty"`   // of an account
	Rest   Span   `json:"rest,omitempty"` // before it
}

// OpKind names what a client does next.
type OpKind string

// What clients do. Names refer to the accounts of all clients: "u0", "u1", …
const (
	DoSend     OpKind = "send"
	DoList     OpKind = "list"
	DoHistory  OpKind = "history"
	DoWhoami   OpKind = "whoami"
	DoLogout   OpKind = "logout"   // and log in again on a new device
	DoDelete   OpKind = "delete"   // and sign up again
	DoTakeover OpKind = "takeover" // of somebody else's account, for a while
	DoPasswd   OpKind = "passwd"
	DoRepeat   OpKind = "repeat" // ask once more what was answered already
	DoRest     OpKind = "rest"

	DoDouble    OpKind = "double"     // send what is under way to other servers as well
	DoPeek      OpKind = "peek"       // read an old view on purpose
	DoBrowse    OpKind = "browse"     // read a conversation backwards, or by the name of the other
	DoReadTwice OpKind = "read-twice" // read the feed a second time from an earlier cursor, or end that
	DoMoveFeed  OpKind = "move-feed"  // detach, and attach somewhere
	DoSquat     OpKind = "squat"      // sign up under somebody else's name, if it is free; else visit
)

func opKinds() []OpKind {
	return []OpKind{DoSend, DoList, DoHistory, DoWhoami, DoLogout, DoDelete, DoTakeover, DoPasswd, DoRepeat, DoRest,
		DoDouble, DoPeek, DoBrowse, DoReadTwice, DoMoveFeed, DoSquat}
}

// ReadPlan reads one plan, and refuses what would not run as it stands there.
func ReadPlan(r io.Reader) (Plan, error) {
	var p Plan
	d := json.NewDecoder(r)
	d.DisallowUnknownFields()
	if err := d.Decode(&p); err != nil {
		return Plan{}, fmt.Errorf("read a plan: %w", err)
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return Plan{}, errors.New("read a plan: there is more in the file than one")
	}
	if err := p.Check(); err != nil {
		return Plan{}, fmt.Errorf("read a plan: %w", err)
	}
	return p, nil
}

// Encode writes a plan as JSON, one fault or operation a line.
func (p *Plan) Encode() []byte {
	head := *p
	head.Faults, head.Ops, head.Still, head.Deviations = []Fault{}, []Op{}, false, nil
	text, err := json.MarshalIndent(head, "", " ")
	if err != nil {
		panic(fmt.Sprintf("sim: a plan is plain data, and yet: %v", err))
	}
	out := bytes.NewBuffer(bytes.TrimSuffix(text, []byte("\"faults\": [],\n \"ops\": []\n}")))
	list(out, "faults", p.Faults)
	out.WriteString(",\n ")
	list(out, "ops", p.Ops)
	if p.Still {
		out.WriteString(",\n \"still\": true,\n ")
		list(out, "deviations", p.Deviations)
	}
	out.WriteString("\n}\n")
	return out.Bytes()
}

func list[T any](out *bytes.Buffer, name string, items []T) {
	fmt.Fprintf(out, "%q: [", name)
	for i, item := range items {
		if i > 0 {
			out.WriteByte(',')
		}
		text, err := json.Marshal(item)
		if err != nil {
			panic(fmt.Sprintf("sim: a plan is plain data, and yet: %v", err))
		}
		fmt.Fprintf(out, "\n  %s", text)
	}
	out.WriteString("]")
}

// The largest worlds that make sense.
const (
	maxVoters  = 7
	maxClients = 64
	maxChaos   = Span(10_000 * time.Hour)
)

// Check says what about a plan makes no sense.
func (p *Plan) Check() error {
	switch {
	case p.Format != planFormat:
		return fmt.Errorf("its format is %d, this simulator reads %d", p.Format, planFormat)
	case p.Voters < 1 || p.Voters > maxVoters:
		return fmt.Errorf("%d voters, want 1 to %d", p.Voters, maxVoters)
	case p.Clients < 0 || p.Clients > maxClients:
		return fmt.Errorf("%d clients, want 0 to %d", p.Clients, maxClients)
	case p.Chaos > maxChaos:
		return fmt.Errorf("chaos for %v, want at most %v", p.Chaos, maxChaos)
	}
	if err := p.Knobs.check(); err != nil {
		return err
	}
	if err := p.Network.check(); err != nil {
		return err
	}
	if err := p.checkLiveness(); err != nil {
		return fmt.Errorf("liveness: %w", err)
	}
	for _, f := range p.Faults {
		if err := p.checkFault(f); err != nil {
			return fmt.Errorf("fault %d: %w", f.ID, err)
		}
	}
	for _, o := range p.Ops {
		if err := p.checkOp(o); err != nil {
			return fmt.Errorf("op %d: %w", o.ID, err)
		}
	}
	if len(p.Deviations) > 0 && !p.Still {
		return errors.New("deviations, but the plan is not still")
	}
	for i, d := range p.Deviations {
		if err := p.checkDeviation(d); err != nil {
			return fmt.Errorf("deviation %d: %w", i+1, err)
		}
	}
	return nil
}

func (k *Knobs) check() error {
	switch {
	case k.KeepEntries < 1 || k.MaxAppend < 1 || k.MaxQueue < 1 || k.Window < 1 || k.Page < 1:
		return errors.New("knobs: keep_entries, max_append, max_queue, window and page are at least 1")
	case k.SnapshotChunk < 0 || k.MaxInflight < 0 || k.MaxUncommitted < 0:
		return errors.New("knobs: snapshot_chunk, max_inflight and max_uncommitted are not negative")
	case k.Lease <= 0 || k.Effects <= 0:
		return errors.New("knobs: lease and effects are more than nothing")
	case k.SaveMin > k.SaveMax:
		return fmt.Errorf("knobs: a save takes %v to %v", k.SaveMin, k.SaveMax)
	case k.DriftPpm < 0 || k.DriftPpm > 100_000:
		return fmt.Errorf("knobs: drift of %d ppm, want 0 to 100000", k.DriftPpm)
	}
	return nil
}

func (p *Plan) checkOp(o Op) error {
	known := false
	for _, k := range opKinds() {
		known = known || k == o.Kind
	}
	switch {
	case !known:
		return fmt.Errorf("there is no op %q; there are %v", o.Kind, opKinds())
	case o.Client < 0 || o.Client >= p.Clients:
		return fmt.Errorf("there is no client %d", o.Client)
	case o.To < 0 || o.To >= p.Clients:
		return fmt.Errorf("there is no account %d", o.To)
	}
	return nil
}

func (p *Plan) voters() []raft.ID {
	var ids []raft.ID
	for i := range p.Voters {
		ids = append(ids, raft.ID(i+1))
	}
	return ids
}

// script is what one client does.
func (p *Plan) script(client int) []Op {
	var ops []Op
	for _, o := range p.Ops {
		if o.Client == client {
			ops = append(ops, o)
		}
	}
	return ops
}
