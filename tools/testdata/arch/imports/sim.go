// room: sim

package planted

import (
	"io"
	"os" // want refused: plans come in and bytes go out through the test
	"parley/core/replica"
	"parley/core/replica/storagetest" // want refused: for tests only
	"parley/linearizability"
	"parley/realnet"      // want refused
	"parley/realnet/wire" // want refused
	"sync"                // want refused
)
