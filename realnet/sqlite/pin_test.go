package sqlite_test

import (
	"encoding/json"
	"os"
	"os/exec"
	"regexp"
	"testing"
)

// modernc.org/libc is exactly the version the driver was made with. Another one compiles, and
// corrupts memory (usememos/memos #4745, headscale #2188, filebrowser #2774).
func TestLibcIsTheDrivers(t *testing.T) {
	out, err := exec.Command("go", "list", "-m", "-json", "modernc.org/sqlite").Output()
	if err != nil {
		t.Fatal(err)
	}
	var driver struct{ GoMod string }
	if err := json.Unmarshal(out, &driver); err != nil {
		t.Fatal(err)
	}
	want := libcIn(t, driver.GoMod)
	if got := libcIn(t, "../../go.mod"); got != want {
		t.Errorf("go.mod has modernc.org/libc %s, the driver's has %s", got, want)
	}
}

var libcLine = regexp.MustCompile(`(?m)^\s*modernc\.org/libc\s+(v\S+)`)

func libcIn(t *testing.T, file string) string {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	found := libcLine.FindSubmatch(text)
	if found == nil {
		t.Fatalf("%s does not mention modernc.org/libc", file)
	}
	return string(found[1])
}
