package planted

import "time"

var born = time.Now() // want clock

func clock() (d time.Duration) {
	d = time.Since(born)  // want clock
	d += time.Until(born) // want clock
	time.Sleep(d)         // want clock
	f := time.Now         // want clock
	f()
	born.In(time.Local) // want clock
	return d + 3*time.Second + time.Duration(time.Unix(0, 7).Nanosecond())
}

type mine struct{}

func (mine) Now() {}

func notTheClock() { mine{}.Now() }
