package planted

import "strings"

func key(name string) string {
	if strings.EqualFold(name, "parley") { // want unicode table
		return ""
	}
	return strings.ToLower(name) // want unicode table
}
