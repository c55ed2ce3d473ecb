package planted

import (
	"maps"
	"slices"
	"sort"
)

type index map[string]int

func visible(m index, emit func(string)) (keys []string, sum int) {
	for k := range m { // want map order
		emit(k)
	}
	for k := range m { // want map order
		keys = append(keys, k)
	}
	keys = append(keys, "z")
	sort.Strings(keys)
	for k := range maps.Keys(m) { // want map order
		emit(k)
	}
	for _, v := range slices.Collect(maps.Values(m)) { // want map order
		sum += v
	}
	for k, v := range m { // want map order
		if v > sum {
			sum = v
			emit(k)
		}
	}
	switch sum {
	case 1:
		for k := range m { // want map order
			return []string{k}, 0
		}
	}
	return keys, sum
}

func invisible(m index) (keys []string, copied index, n int) {
	for k := range m {
		keys = append(keys, k)
	}
	sort.Strings(keys)
	for _, k := range slices.Sorted(maps.Keys(m)) {
		keys = append(keys, k)
	}
	copied = maps.Clone(m)
	for k, v := range m {
		copied[k] = v + 1
	}
	for k := range copied {
		delete(m, k)
	}
	for range m {
		n++
	}
	//arch:allow map order: a sum does not depend on it
	for _, v := range m {
		n += v
	}
	return keys, copied, n
}
