package linearizability

// blocks is a list that grows without being copied: a million items would otherwise be copied
// dozens of times, and leave several times their size to the collector. The zero list is empty.
type blocks[T any] struct {
	list [][]T
	n    int
}

const (
	blockBits = 12
	blockSize = 1 << blockBits
)

func (b *blocks[T]) len() int { return b.n }

// at is item i, which stays where it is once the list is longer than a block.
func (b *blocks[T]) at(i int) *T { return &b.list[i>>blockBits][i&(blockSize-1)] }

// add appends an item. The first block begins small: most histories are.
func (b *blocks[T]) add(v T) {
	k := b.n >> blockBits
	switch {
	case k < len(b.list):
	case k == 0:
		b.list = append(b.list, make([]T, 0, 8))
	default:
		b.list = append(b.list, make([]T, 0, blockSize))
	}
	b.list[k] = append(b.list[k], v)
	b.n++
}
