package linearizability

import (
	"slices"
	"testing"
)

// Asked twice is what two streams overlap in, what one repeats, and what one begins after.
func TestAskedTwice(t *testing.T) {
	stream := func(after, low, high uint64) *feed { return &feed{after: after, low: low, high: high, count: 1} }
	again := stream(0, 1, 9)
	again.falls = true
	for _, test := range []struct {
		list []*feed
		want []span
	}{
		{nil, nil},
		{[]*feed{stream(0, 1, 9)}, nil},
		{[]*feed{stream(0, 1, 9), stream(9, 10, 20)}, []span{{9, 9}}},
		{[]*feed{stream(0, 1, 9), stream(6, 7, 20)}, []span{{6, 9}}},
		{[]*feed{stream(0, 1, 9), stream(20, 21, 30), stream(2, 3, 4)}, []span{{2, 4}}},
		{[]*feed{again}, []span{{1, 9}}},
	} {
		if got := askedTwice(test.list); !slices.Equal(got, test.want) {
			t.Errorf("want %v, got %v", test.want, got)
		}
	}
}
