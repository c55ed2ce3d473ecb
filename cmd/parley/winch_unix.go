//go:build unix

package main

import (
	"os"
	"os/signal"
	"syscall"
)

// notifySize tells when the terminal has another size.
func notifySize(c chan<- os.Signal) { signal.Notify(c, syscall.SIGWINCH) }
