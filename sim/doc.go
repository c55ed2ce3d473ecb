// Package sim runs a whole Parley, servers and clients, in one goroutine, from one seed.
//
//	go test ./sim -run TestSeeds -v -seed=4711
//
// The machines inside are the production machines. Made up are only the links between them (net.go,
// links.go, stream.go), their disks (disk.go), their clocks (clocks.go) and their deaths (server.go, faults.go); each of
// those files begins with its fault model. A run has two halves: in the first everything happens that
// the plan holds; then all heals, and everything that was promised must come true: every command is
// answered, every feed complete, all replicas equal. After every step the checkers look
// (checks.go), and at the end package linearizability judges the recorded history, by positions and,
// by search, without them.
//
// The same plan gives the same run, event by event: Result.Trace is a hash over all of it. Randomness
// has an address (dice.go), so leaving out a fault changes only what the fault caused.
//
// What it cannot see: what SQLite and the file system leave behind (storagetest on the real store
// does), goroutines and sockets (realnet's tests), damage and loss of disks (not simulated yet).
package sim
