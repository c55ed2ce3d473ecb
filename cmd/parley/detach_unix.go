//go:build unix

package main

import (
	"os/exec"
	"syscall"
)

// detach keeps the Ctrl+C that is typed for the parent from its children: they end when it closes
// their standard input.
func detach(cmd *exec.Cmd) { cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} }
