package feed

import "fmt"

// Reader is the client half: the cursor of one device in its feed. What it lets through is each
// event once and in order, whatever servers repeat.
type Reader struct {
	// Cursor is the number of the last event taken. It is stored together with that event.
	Cursor uint64
}

// Gap is an event that came while an earlier one was missing. It is a bug of the server, or another
// cluster's feed, and reading on would hide a loss.
type Gap struct{ Want, Got uint64 }

func (g *Gap) Error() string {
	return fmt.Sprintf("feed has a gap: got event %d, the next is %d", g.Got, g.Want)
}

// Take says whether event n is new, and moves the cursor over it if so. An event seen before is not
// new and no error; an event too far is a *Gap, and the cursor stays.
func (r *Reader) Take(n uint64) (fresh bool, err error) {
	switch {
	case n <= r.Cursor:
		return false, nil
	case n != r.Cursor+1:
		return false, &Gap{Want: r.Cursor + 1, Got: n}
	}
	r.Cursor = n
	return true, nil
}
