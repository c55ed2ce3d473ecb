package sim

import "time"

// What happens to disks for a while.
const SlowDisk FaultKind = "slow-disk" // a replica's saves take very long

func diskFaults() []family {
	return []family{
		{kind: SlowDisk, aim: aServer, strike: func(w *world, f Fault) {
			s := w.serverOf(f)
			s.slow++
			w.after(time.Duration(f.For), "relief", f.ID, func() { s.slow-- })
		}},
	}
}
