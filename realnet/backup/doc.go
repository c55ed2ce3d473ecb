// Package backup keeps a cluster's rows in one file, and makes new clusters of it.
//
// A backup is logical: the snapshot stream of core/replica, which is the same bytes on every replica
// at one index, with a head that says where it comes from. Term, vote, identity and the cluster's
// secret are not in it. What is restored is another cluster, with an id, an epoch and a log chain of its
// own: servers of the old one cannot talk to it, and a client that has seen more than the backup holds
// is told so.
//
// The file, integers big-endian:
//
//	"PARLBKUP", version 1 (1 byte)
//	length (4 bytes), then the head as JSON: see Head
//	length (8 bytes), then the snapshot
//	SHA-256 of everything before
package backup
