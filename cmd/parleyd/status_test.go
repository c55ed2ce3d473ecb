package main

import (
	"encoding/json"
	"strings"
	"syscall"
	"testing"

	"parley/realnet/realnettest"
)

// status exits with 0 when all is well, 1 when something is wrong, 2 without a majority.
func TestStatus(t *testing.T) {
	s := cluster(t, 3)
	s.leader()
	s.level()
	code, out, _ := outcome(t, "status", "--server", s.addresses[1])
	if code != 0 || !strings.Contains(out, "3 of 3 up") || !strings.Contains(out, "can lose 1 more") || strings.Count(out, "ok at ") != 3 {
		t.Errorf("code %d\n%s", code, out)
	}
	for i := range 2 {
		s.signal(i, syscall.SIGKILL)
		s.wait(i)
		want := 1 + i
		var v view
		realnettest.Until(t, "the verdict", func() bool {
			code, out, _ = outcome(t, "status", "--json", "--data", s.dirs[2])
			v = view{}
			if err := json.Unmarshal([]byte(out), &v); err != nil {
				t.Fatalf("%v: %s", err, out)
			}
			return code == want
		})
		if v.Up != 2-i || v.Size != 3 || len(v.Members) != 3 || v.Members[i].State != "down" {
			t.Errorf("%+v", v)
		}
	}
}

// version and completion work.
func TestSmallCommands(t *testing.T) {
	if code, out, _ := outcome(t, "version"); code != 0 || !strings.HasPrefix(out, "parleyd ") {
		t.Errorf("%d %q", code, out)
	}
	if code, out, _ := outcome(t, "completion", "bash"); code != 0 || !strings.Contains(out, "parleyd") {
		t.Errorf("%d %q", code, out)
	}
}
