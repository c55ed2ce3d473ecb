// room: cmd/parley

package planted

import (
	"parley/cmd/parleyd" // want refused
	"parley/realnet"
	"parley/realnet/realnettest" // want refused: for tests only
	"parley/sim"                 // want refused

	"github.com/spf13/cobra"
	"github.com/spf13/viper" // allowed by prefix, stopped by TestDependencies
)
