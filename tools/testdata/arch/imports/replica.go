// room: core/replica

package planted

import (
	"context"      // want refused
	"database/sql" // want refused
	"log/slog"     // want refused
	"parley/core/raft"
	"parley/linearizability" // want refused
	"parley/realnet/sqlite"  // want refused
	"parley/realnet/wire"    // want refused

	"google.golang.org/grpc" // want refused
)
