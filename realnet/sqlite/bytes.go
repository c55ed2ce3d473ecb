package sqlite

import "unsafe"

// Bytes pass between the machine and the driver without copies in between. Both directions rest on
// nobody writing to them: entries and row values are immutable, the driver copies what it binds
// before a call returns, and what it hands out is a copy of its own.

// bytesOf gives the bytes of s. They are never nil, which the driver would take for NULL.
func bytesOf(s string) []byte {
	if s == "" {
		return []byte{}
	}
	return unsafe.Slice(unsafe.StringData(s), len(s))
}

// stringOf gives b as a string. Nobody writes to b any more.
func stringOf(b []byte) string { return unsafe.String(unsafe.SliceData(b), len(b)) }
