package planted

import "fmt"

func name(x *int) string {
	return fmt.Sprintf("node %p", x) // want address
}

func percent(n int) string { return fmt.Sprintf("%d%% p", n) }
