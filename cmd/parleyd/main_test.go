package main

import (
	"bytes"
	"errors"
	"fmt"
	"testing"

	"parley/realnet"
)

// Every failure has its exit code, and one line for people.
func TestReport(t *testing.T) {
	for _, c := range []struct {
		err  error
		code int
		text string
	}{
		{nil, exitOK, ""},
		{errors.New("x"), exitNo, "parleyd: x\n"},
		{usage("bad %d", 1), exitUsage, "parleyd: bad 1\n"},
		{config(errors.New("y"), "do z"), exitConfig, "parleyd: y\nhint: do z\n"},
		{fmt.Errorf("serve: %w", &realnet.FatalError{Doing: "save", Err: errors.New("full")}), exitDisk,
			"parleyd: serve: save: full\nhint: nothing acknowledged is lost; repair the disk, then start the server again\n"},
		{errors.New(`unknown command "x" for "parleyd"`), exitUsage,
			"parleyd: unknown command \"x\" for \"parleyd\"\nhint: parleyd help shows all commands\n"},
	} {
		var out bytes.Buffer
		if code := report(c.err, &out); code != c.code || out.String() != c.text {
			t.Errorf("%v: code %d, want %d, and\n%s", c.err, code, c.code, out.String())
		}
	}
}
