// Package linearizability is the judge: it reads what clients saw and decides whether one correct
// server, doing one thing at a time, could have shown it.
package linearizability
