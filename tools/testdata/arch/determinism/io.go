package planted

import (
	"fmt"
	"strings"
)

func hello(b *strings.Builder) {
	fmt.Println("hello") // want i/o
	fmt.Fprintln(b, "hello")
}
