package sim

import (
	"os"
	"testing"
)

func TestTry(t *testing.T) {
	if *seedFlag == "" {
		return
	}
	p := Generate(SeedOf(*seedFlag), Profile(*profileFlag))
	s := Shrink(ShrinkOptions{Plan: p})
	c := NewCase(p)
	t.Logf("\n%s", Card(&c))
	c = NewCase(s.Now.Plan)
	c.Was = &s
	t.Logf("\n%s\n%s", Card(&c), s.Now.Plan.Encode())
	if *logFlag != "" {
		f, _ := os.Create(*logFlag)
		WriteLog(f, &c)
		f.Close()
	}
}
