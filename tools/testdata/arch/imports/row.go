// room: core/row

package planted

import (
	"parley/core/chat" // want refused: a leaf imports none of ours
	"sync"             // want refused

	"golang.org/x/text/cases" // want refused
)
