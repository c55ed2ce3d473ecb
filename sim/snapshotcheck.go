package sim

import (
	"bytes"
	"fmt"

	"parley/core/raft"
	"parley/core/replica"
)

// The checkers "snapshots" and "replay": a state is the same whether it came by entries, from its rows or
// from a snapshot of them, and a snapshot read and written again is the same bytes. A run looks at its
// first export and then at every sixteenth, and one run in eight replays its whole log at the end.

const (
	exportEvery = 16
	replayEvery = 8
)

// exported looks at a snapshot that a disk has just made.
func (k *checks) exported(s *server, snap *replica.Snapshot) {
	if k.w.stats.Snapshots%exportEvery != 1 || k.w.atlas.damaged(s) {
		return
	}
	k.looked(ofSnapshots)
	if err := k.restores(s, snap); err != nil {
		k.fail(ofSnapshots, "n%d's snapshot at %d: %v", s.id, snap.Mark.Index, err)
	}
}

func (k *checks) restores(s *server, snap *replica.Snapshot) error {
	d := &disk{tables: s.disk.tables}
	d.compact.Chain = k.w.chain
	mark := snap.Mark
	if err := d.apply(&replica.Save{Seq: 1, Hard: &raft.Hard{Term: mark.Term, Commit: mark.Index}, Install: snap}, nil); err != nil {
		return err
	}
	again, err := d.Export()
	switch {
	case err != nil:
		return err
	case d.digest != s.disk.digest:
		return fmt.Errorf("restored it has digest %v, before %v", d.digest, s.disk.digest)
	case !bytes.Equal(again.Data, snap.Data):
		return fmt.Errorf("read and written again it is other bytes")
	}
	one, err := k.revived(s, s.disk)
	if err != nil {
		return err
	}
	two, err := k.revived(s, d)
	if err != nil {
		return err
	}
	if a, b := stateOf(one), stateOf(two); a != b {
		return fmt.Errorf("restored its state is %x, from the rows it is %x", b, a)
	}
	if was, ok := k.digest.states[mark.Index]; ok && was != stateOf(two) {
		return fmt.Errorf("restored its state is %x, in memory it was %x", stateOf(two), was)
	}
	return nil
}

// revived is what a replica would be that began with this disk now.
func (k *checks) revived(s *server, d *disk) (*replica.Machine, error) {
	rec, err := d.Recover()
	if err != nil {
		return nil, err
	}
	return replica.New(k.w.config(s), rec, 0)
}

// replayed: the log from its beginning comes to the state that the replicas have.
func (k *checks) replayed() {
	if k.w.failure != nil || k.w.plan.Seed%replayEvery != 0 || len(k.ghost) == 0 {
		return
	}
	k.looked(ofReplay)
	s := k.w.standing()[0]
	d := newDisk(k.w.chain, replica.Genesis(k.w.plan.settings()))
	last := k.ghost[len(k.ghost)-1]
	d.log, d.hard = k.ghost, raft.Hard{Term: last.Term, Commit: last.Index}
	m, err := k.revived(s, d)
	if err != nil {
		k.fail(ofReplay, "the committed log is no log: %v", err)
		return
	}
	var out replica.Output
	m.Step(0, replica.Tick{}, &out)
	if m.Status().Applied != last.Index || out.Fatal != "" {
		k.fail(ofReplay, "%d of %d committed entries can be applied: %s", m.Status().Applied, last.Index, out.Fatal)
		return
	}
	if got, want := stateOf(m), stateOf(s.machine); got != want {
		k.fail(ofReplay, "the committed log comes to state %x, n%d has %x", got, s.id, want)
	}
}
