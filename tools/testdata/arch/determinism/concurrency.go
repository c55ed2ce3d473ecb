package planted

import "time"

type inbox chan int // want channel

func concurrent(in inbox) {
	go concurrent(in) // want goroutine
	select {          // want channel
	case <-time.After(1): // want clock
	case in <- 1:
	}
	out := make(chan struct{}) // want channel
	close(out)
}
