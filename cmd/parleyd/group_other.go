//go:build !unix

package main

import "syscall"

// ownGroup keeps the terminal's Ctrl+C from a child, where that can be done.
func ownGroup() *syscall.SysProcAttr { return nil }
