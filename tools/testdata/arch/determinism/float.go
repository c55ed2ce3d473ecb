package planted

import "time"

type limiter struct {
	tokens float64 // want float
}

const week = 7 * 24 * 3600 * 1e9

func rate(d time.Duration) int64 {
	if d.Seconds() > 3 { // want float
		return week
	}
	x := 0.5 // want float
	_ = x    // want float
	//arch:allow float: printed, never kept
	_ = d.Minutes()
	return int64(d) / 2
}
