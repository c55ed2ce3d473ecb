package realnet

import (
	"strings"
	"testing"
)

var cheapArgon = Argon{MemoryKiB: 8, Passes: 1, Lanes: 1}

// The right password opens, any other does not, and no two hashes are alike.
func TestPasswordHash(t *testing.T) {
	hash := cheapArgon.hash("secret")
	if !cheapArgon.verify("secret", hash) {
		t.Errorf("the right password does not open %s", hash)
	}
	if !DefaultArgon.verify("secret", hash) {
		t.Error("a hash carries its own price, whatever is in force now")
	}
	if cheapArgon.verify("Secret", hash) || cheapArgon.verify("", hash) {
		t.Error("a wrong password opens")
	}
	if hash == cheapArgon.hash("secret") {
		t.Error("two hashes have one salt")
	}
}

// A hash that is missing or damaged opens to nobody and breaks nothing.
func TestPasswordHashDamaged(t *testing.T) {
	good := cheapArgon.hash("x")
	for _, bad := range []string{
		"", "$", good[:len(good)-1], good + "A", strings.Replace(good, "m=8", "m=4294967295", 1),
		strings.Replace(good, "t=1", "t=0", 1), strings.Replace(good, "p=1", "p=0", 1),
		strings.Replace(good, "v=19", "v=18", 1), strings.Replace(good, "argon2id", "argon2i", 1),
	} {
		if cheapArgon.verify("x", bad) {
			t.Errorf("%q opens", bad)
		}
	}
}
