package sim

// Case is a failure, ready to be told: to a terminal as a Card, line by line as a log, as a page.
type Case struct {
	Result Result  // of the run that is told
	Tape   *Tape   // of that run
	Was    *Shrunk // how it was made small; nil: it is as it was found
	Repro  string  // the command that repeats it
	Report string  // where the page is; empty: nowhere
	Log    string  // where the log is; empty: nowhere
	Build  string  // commit and Go version; empty: not known
}

// NewCase runs a plan, once more, with a tape.
func NewCase(p Plan) Case {
	c := Case{Tape: &Tape{}}
	c.Result = RunWith(p, Options{Tape: c.Tape})
	return c
}
