// Package sim runs a whole Parley, servers and clients, in one goroutine, from one seed.
//
//	go test ./sim -run TestSeeds -v -seed=4711
//
// The machines inside are the production machines. Made up are only the links between them (net.go,
// links.go, stream.go), their disks (disk.go, damage.go), their clocks (clocks.go) and their deaths (server.go, faults.go); each of
// those files begins with its fault model. A run has two halves: in the first everything happens that
// the plan holds; then all heals, and everything that was promised must come true: every command is
// answered, every feed complete, all replicas equal. After every step the checkers look
// (checks.go), and at the end package linearizability judges the recorded history, by positions and,
// by search, without them.
//
// The same plan gives the same run, event by event: Result.Trace is a hash over all of it. Randomness
// has an address (dice.go), so leaving out a fault changes only what the fault caused.
//
// A run that fails is run again with a Tape. Shrink makes its plan small, Card tells the failure in a
// terminal, WriteLog event by event, WriteReport as a page; docs/simulator.md says how to read them.
//
// What it cannot see: what SQLite and the file system leave behind (storagetest on the real store
// does), and goroutines and sockets (realnet's tests). Damage to a disk that nothing detects today, and
// that seeds therefore do not draw, is listed in diskfaults.go.
package sim
