// room: realnet

package planted

import (
	"parley/cmd/parley"      // want refused: nothing imports a command
	"parley/linearizability" // want refused
	"parley/sim"             // want refused
	"sync"

	"google.golang.org/grpc"
	"google.golang.org/protobuf/proto" // want refused: realnet/wire knows it
	"modernc.org/sqlite"               // want refused: realnet/sqlite knows it
	"pgregory.net/rapid"               // want refused: for tests only
)
