// room: linearizability

package planted

import (
	"parley/core/chat" // want refused: the judge shares nothing with the judged
	"parley/sim"       // want refused

	"github.com/anishathalye/porcupine"
	"github.com/google/go-cmp/cmp" // want refused: for tests only
)
