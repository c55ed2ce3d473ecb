package realnet

import (
	"strings"
	"testing"
)

// A peer may come again in the same life or a later one, never in an earlier or a second of the same
// number; a restart of the witness changes nothing.
func TestWitness(t *testing.T) {
	dir := t.TempDir()
	a, b := make([]byte, 16), append(make([]byte, 15), 1)
	w, err := openWitness(dir)
	if err != nil {
		t.Fatal(err)
	}
	for i, c := range []struct {
		boot uint64
		life []byte
		want string
	}{
		{1, a, ""}, {1, a, ""}, {1, b, "has lost data"}, {3, b, ""}, {2, a, "has lost data"}, {3, b, ""}, {4, b[:3], "3 bytes"},
	} {
		err := w.see(2, c.boot, c.life)
		if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
			t.Errorf("step %d: got %v, want %q", i, err, c.want)
		}
		if w, err = openWitness(dir); err != nil {
			t.Fatal(err)
		}
	}
}
