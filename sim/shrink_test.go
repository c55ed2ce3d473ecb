package sim

import "testing"

func TestTry(t *testing.T) {
	if *seedFlag == "" {
		return
	}
	p := Generate(parseSeed(*seedFlag), Profile(*profileFlag))
	s := Shrink(ShrinkOptions{Plan: p})
	t.Logf("%s\n was %d now %d, tried %d, whole %t, others %d", s.Signature, s.Was.Plan.Items(), s.Now.Plan.Items(), s.Tried, s.Whole, len(s.Others))
	for _, p := range s.Passes {
		t.Logf("%-16s %4d → %4d  %4d trials", p.Name, p.Before, p.After, p.Tried)
	}
	t.Logf("%v\n%s", s.Now.Failure, s.Now.Plan.Encode())
}
