package planted

var (
	count  int
	table  = map[string]int{}
	config struct{ on bool }
)

func global(names []string) (n int) {
	count++            // want global
	count = len(names) // want global
	table["x"] += 1    // want global
	config.on = true   // want global
	n = table["x"]
	n++
	return n
}
