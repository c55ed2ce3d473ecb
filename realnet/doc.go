// Package realnet runs the machines of the core on real things: sockets, disks, clocks, goroutines.
// A Server is one replica, a Client one device of a person; nothing here decides, it carries.
//
// # The server
//
//	peers ──► link readers ──┐                          ┌──► peer senders ──► peers
//	clients ► session readers┤                          ├──► session writers ─► clients
//	          store keeper ──┼──► inbox ──► loop (Step) ┼──► store keeper
//	          row readers ───┤                          ├──► row readers
//	          password pool ─┘                          └──► password pool
//
// One goroutine, the loop, owns the replica. It takes all that has gathered in its inbox, gives it to
// the machine, and hands out what the machine asks for; it never waits for anything but its inbox and
// the machine's deadline. What it hands out goes to queues with a bound. Towards peers a full queue
// drops: the protocol repeats. Towards a client that reads too slowly, its feeds are closed with
// Resume; if even answers cannot be queued, its session ends. The store has at most one save at a
// time, so its queue cannot fill, and an error from it is the end of the process (FatalError): what
// is on the disk is then unknown, and only a restart finds out.
package realnet
