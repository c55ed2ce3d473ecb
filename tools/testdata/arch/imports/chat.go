// room: core/chat

package planted

import (
	"parley/core/raft"    // want refused
	"parley/core/row"     // the one leaf
	"parley/core/session" // want refused
	"reflect"             // want refused
	"unicode"             // want refused: its tables follow the Go version
)
