// room: realnet/sqlite

package planted

import (
	"C"                // want refused
	"parley/core/chat" // want refused: rows are rows
	"parley/core/replica"
	"parley/realnet/wire" // want refused

	"google.golang.org/grpc" // want refused
	"modernc.org/sqlite"
)
