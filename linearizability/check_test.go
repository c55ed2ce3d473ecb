package linearizability

import (
	"bytes"
	"testing"
)

// The example of the format passes, by either engine.
func TestExample(t *testing.T) {
	for _, o := range []Options{{}, {Certificate: true}, {Search: true}, {Certificate: true, Search: true}} {
		h, err := Read(bytes.NewReader(readExample(t)))
		if err != nil {
			t.Fatal(err)
		}
		r := Check(h, o)
		if r.Verdict != Pass {
			t.Errorf("%+v: %v", o, r)
		}
		t.Log(r, r.Stats)
	}
}
