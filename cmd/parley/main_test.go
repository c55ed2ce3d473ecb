package main

import (
	"os"
	"os/exec"
	"testing"
)

// beParley in the environment makes the test binary be parley: the real main, in a process of its own.
const beParley = "PARLEY_TEST_BE_PARLEY=1"

func TestMain(m *testing.M) {
	replica := len(os.Args) > 1 && os.Args[1] == "demo-replica" // a server of the demo is this binary too
	if replica || os.Getenv("PARLEY_TEST_BE_PARLEY") != "" {
		main()
	}
	os.Exit(m.Run())
}

// parley is the program as another process, with directories of its own.
func parley(t testing.TB, home string, servers []string, args ...string) *exec.Cmd {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(self, args...)
	cmd.Args[0] = "parley"
	cmd.Env = append(os.Environ(), beParley, "TZ=UTC", "PARLEY_HOME="+home, "PARLEY_SERVER="+joinServers(servers),
		"PARLEY_PROFILE=", "PARLEY_COLOR=", "PARLEY_PASSWORD_FILE=", "TERM=xterm", "NO_COLOR=")
	return cmd
}
