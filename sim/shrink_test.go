package sim

import ("testing"; "os")

func TestTry(t *testing.T) {
	if *seedFlag == "" {
		return
	}
	p := Generate(parseSeed(*seedFlag), Profile(*profileFlag))
	s := Shrink(ShrinkOptions{Plan: p})
	c := NewCase(s.Now.Plan)
	c.Was = &s
	c.Repro = "go test ./sim -count=1 -plan=testdata/regress/x.json"
	t.Logf("\n%s", Card(&c))
	if *logFlag != "" {
	f, _ := os.Create(*logFlag)
	WriteLog(f, &c)
	f.Close()
	f, _ = os.Create(*logFlag + ".html")
	WriteReport(f, &c)
	f.Close()
	c = NewCase(p)
	f, _ = os.Create(*logFlag + ".full.html")
	WriteReport(f, &c)
	f.Close()
	}
}
