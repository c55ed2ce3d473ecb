// room: core/raft

package planted

import (
	"bytes"
	"math/rand"           // want refused
	"math/rand/v2"        // want refused
	"net"                 // want refused
	"os"                  // want refused
	"parley/core/row"     // want refused: entries are bytes here
	"parley/core/session" // want refused
	"sync"                // want refused
	"sync/atomic"         // want refused
	"unsafe"              // want refused
)
